//! Texts for the time being, which name what they did not come to judge.

use super::*;

#[test]
#[rustfmt::skip]
fn a_scanner_that_is_broken_found_nothing() {
    all(Language::Smtp, false, &[
        ("DATA", "451 4.5.0 Error in processing, id=12345-01, virus_scan FAILED: virus_scan: ALL VIRUS SCANNERS FAILED", ServiceUnavailable),
        ("DATA", "451 4.7.1 virus scanner failed; message not accepted", ServiceUnavailable),
        ("DATA", "451 Unable to scan message - virus scanner unavailable", ServiceUnavailable),
        ("DATA", "451 4.3.0 clamav-milter: temporary failure, clamd not reachable", ServiceUnavailable),
        ("DATA", "451 4.3.0 Message temporarily deferred - spam filter not available", ServiceUnavailable),
        ("DATA", "451 4.7.1 Service unavailable - milter unreachable", ServiceUnavailable),
        ("DATA", "451 4.7.1 Spam filter busy, try again", ServiceUnavailable),
        ("DATA", "451 4.6.0 Message can't be delivered now - scanner timeout", ServiceUnavailable),
        // The near misses: it works, and found something; it is said for good; nothing looked.
        ("DATA", "451 4.7.1 Virus scanner: infected by Eicar; delivery failed", ContentRejected),
        ("DATA", "451 4.7.1 virus found", ContentRejected),
        ("DATA", "554 5.7.1 content filter: message refused, scanner busy", ContentRejected),
        ("DATA", "554 5.7.1 Message contains a virus: Eicar-Test-Signature", ContentRejected),
        ("DATA", "451 4.7.1 message failed spam tests", ContentRejected),
        // It was about something else that failed, and about the message.
        ("DATA", "451 4.7.1 content filter: DKIM verification failed", ContentRejected),
        ("DATA", "451 4.7.1 Rejected by our spam filter: SPF check failed", DomainUnauthenticated),
        ("DATA", "452 4.7.1 Virus scan: suspicious attachment, delivery failed", ContentRejected),
        ("DATA", "451 4.7.1 Rejected by content filter; see the mail that you sent to our postmaster, delivery failed", ContentRejected),
        ("DATA", "451 4.3.0 clamav-milter: cannot connect to clamd, socket not found, milter_underscore", ServiceUnavailable),
    ]);
}

#[test]
#[rustfmt::skip]
fn an_address_that_was_not_judged_is_not_rejected() {
    all(Language::Smtp, false, &[
        (RCPT, "450 4.1.1 <c@d>: Recipient address rejected: unverified address: Address verification in progress", Temporary),
        (RCPT, "450 4.1.1 <c@d>: Recipient address rejected: unverified address: connect to 192.0.2.1: Connection refused", Temporary),
        (RCPT, "450 4.3.2 <c@d>: Recipient address rejected: temporary failure, LDAP server down", ServiceUnavailable),
        (RCPT, "451 4.3.5 <c@d>: Sender address rejected: Server configuration error", ServiceUnavailable),
        (RCPT, "451 4.3.5 <c@d>: Recipient address rejected: Server configuration problem", ServiceUnavailable),
        // The near misses: the address was judged, if only for now; it is said for good.
        (RCPT, "450 4.1.1 <c@d>: Recipient address rejected: undeliverable address: host mx[192.0.2.1] said: 550 no", RecipientRejected),
        (RCPT, "450 4.1.1 <c@d>: Recipient address rejected: User unknown in local recipient table", RecipientRejected),
        (MAIL, "450 4.1.7 <a@b>: Sender address rejected: unverified address: Address verification in progress", Temporary),
        (RCPT, "450 4.1.8 <a@b>: Sender address rejected: Domain not found", SenderRejected),
        (MAIL, "450 4.1.7 <a@b>: Sender address rejected: unverified address: no route", SenderRejected),
        (RCPT, "550 5.1.1 <c@d>: Recipient address rejected: unverified address: no", RecipientRejected),
        (RCPT, "550 5.1.1 <c@d>: Recipient address rejected: temporary failure", RecipientRejected),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_policy_server_that_asks_to_come_back_is_a_greylist() {
    all(Language::Smtp, false, &[
        (RCPT, "451 4.7.1 <c@d>: Recipient address rejected: Try again later", Greylisted),
        (RCPT, "450 4.2.0 <c@d>: Recipient address rejected: Try again later, see http://postgrey.schweikert.ch/help/d.html", Greylisted),
        (RCPT, "450 4.2.0 <c@d>: Recipient address rejected: delayed by postgrey", Greylisted),
        (RCPT, "450 4.7.1 <c@d>: Recipient address rejected: come back later", Greylisted),
        // The near misses: the name of a host or of a recipient.
        (RCPT, "450 4.1.1 <postgrey@d>: Recipient address rejected: User unknown", RecipientRejected),
        (RCPT, "550 5.1.1 <c@d>: Recipient address rejected: User unknown; try again later", RecipientRejected),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_lock_out_and_a_service_switched_off_are_no_wrong_password() {
    all(Language::Smtp, true, &[
        (AUTH, "421 4.7.0 Too many invalid logon attempts", TooManyAttempts),
        (AUTH, "535 5.7.8 Invalid logon", CredentialsRejected),
    ]);
    all(Language::Imap, true, &[
        ("a LOGIN u p", "a NO [AUTHENTICATIONFAILED] IMAP4 access disabled for this user", ProtocolDisabled),
        ("a LOGIN u p", "a NO [AUTHENTICATIONFAILED] IMAP access is not enabled for this account", ProtocolDisabled),
        ("a LOGIN u p", "a NO [AUTHENTICATIONFAILED] Access denied", CredentialsRejected),
    ]);
    all(Language::Pop3, true, &[
        ("PASS x", "-ERR [AUTH] POP access is not enabled for your account", ProtocolDisabled),
        ("PASS x", "-ERR [AUTH] Authentication failed for POP access", CredentialsRejected),
    ]);
}
