//! What servers say that is easily taken for something else: by its code, or by a word that stands beside the cause.

use super::*;

#[test]
#[rustfmt::skip]
fn a_sender_without_a_mail_server_is_no_matter_of_spf() {
    all(Language::Smtp, false, &[
        (RCPT, "550 5.7.27 <a@b>: Sender address rejected: Domain b does not accept mail (nullMX)", SenderRejected),
        (MAIL, "550 5.7.27 Sender address has null MX", SenderRejected),
        (RCPT, "556 5.1.10 <c@d>: Recipient address rejected: Domain d does not accept mail (nullMX)", RecipientRejected),
        // The near miss: Google's meaning of the code.
        ("DATA", "550-5.7.27 Your email has been blocked because SPF didn't\r\n550 5.7.27 pass. x - gsmtp", DomainUnauthenticated),
        ("DATA", "421 4.7.27 no", DomainUnauthenticated),
    ]);
}

#[test]
#[rustfmt::skip]
fn before_the_message_nothing_is_said_of_its_content() {
    all(Language::Smtp, false, &[
        (MAIL, "553 5.6.7 Must declare SMTPUTF8 to send unicode address", ProtocolError),
        (MAIL, "553 5.6.7 no", SenderRejected),
        (RCPT, "553 5.6.7 no", RecipientRejected),
        (RCPT, "554 5.7.1 Delivery not authorized, message refused", RecipientRejected),
        ("DATA", "554 5.6.7 no", ContentRejected),
        ("DATA", "554 5.7.7 no", ContentRejected),
        ("DATA", "554 5.7.1 message refused", ContentRejected),
        ("DATA", "550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds, which cannot be sent via DATA", ProtocolError),
        ("DATA", "554 5.7.9 Message not accepted for policy reasons.  See https://postmaster.yahooinc.com/error-codes", DomainUnauthenticated),
        ("DATA", "554 Message not accepted for policy reasons.", ContentRejected),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_mailbox_that_is_not_there_is_no_trouble_of_the_server() {
    all(Language::Smtp, false, &[
        (RCPT, "550 5.1.1 Account is not available", RecipientRejected),
        (RCPT, "550 5.1.1 service not available", RecipientRejected),
        (RCPT, "550 5.1.1 Not our Customer", RecipientRejected),
        ("DATA", "550 5.2.1 no", RecipientRejected),
        ("DATA", "554 5.1.4 no", RecipientRejected),
        (RCPT, "550 5.7.17 no", RecipientRejected),
        (RCPT, "550 5.5.3 no", RateLimited),
        ("DATA", "554 5.4.6 no", Rejected),
        ("DATA", "554 30 Sorry, your message to c@d cannot be delivered. This mailbox is disabled (554.30).", RecipientRejected),
        ("DATA", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed", RecipientRejected),
        ("DATA", "550 5.7.133 authentication required", RecipientRejected),
        (RCPT, "501 <c>: recipient address must contain a domain", RecipientRejected),
        // The near misses: the server's own trouble.
        (RCPT, "451 Resources temporarily not available - Please try again later [#4.16.5].", ServiceUnavailable),
        (RCPT, "451 4.3.0 Temporary system failure. Please try again later.", ServiceUnavailable),
        (RCPT, "550 5.3.2 service not available", ServiceUnavailable),
        (RCPT, "530 5.7.0 authentication required", AuthRequired),
        (RCPT, "451 Internal resource temporarily unavailable - https://community.mimecast.com/docs/DOC-1369#451 [x]", Greylisted),
        (RCPT, "451 Internal resource temporarily unavailable", ServiceUnavailable),
    ]);
}

#[test]
#[rustfmt::skip]
fn who_may_not_send_is_not_a_recipient_that_is_refused() {
    all(Language::Smtp, false, &[
        (RCPT, "550 Access from ip address 192.0.2.1 blocked. Visit http://help.mail.ru/", Blocklisted),
        (RCPT, "550 Connection denied. Ip not in whitelist", Blocklisted),
        (RCPT, "550 5.4.6 Unusual sending activity detected. Please try after sometime", RateLimited),
        (RCPT, "550 Administrative prohibition - envelope blocked - https://community.mimecast.com/docs/DOC-1369#550", Rejected),
        (RCPT, "554 Mail from 192.0.2.1 rejected for policy reasons.", Rejected),
        (RCPT, "550 Rejected by Anti-Spoofing policy. - https://community.mimecast.com/docs/DOC-1369#550", SenderRejected),
        (RCPT, "421 Domain b is not allowed to send: The domain is unverified and requires DNS configuration.", SenderRejected),
        (MAIL, "501 <a>: sender address must contain a domain", SenderRejected),
        (MAIL, "502 Mail from must equal authorized user", SenderRejected),
        (MAIL, "450-Requested mail action not taken: mailbox unavailable\r\n450 Mail send limit exceeded.", RateLimited),
        (MAIL, "451 Too many spams from your IP (192.0.2.1), please visit http://postmaster.free.fr/", Blocklisted),
        ("DATA", "550 5.7.501 Access denied, spam abuse detected", SenderRejected),
        ("DATA", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Cannot submit message.", RateLimited),
        ("DATA", "454 Sending paused for this account.", AccountDisabled),
        (RCPT, "550 RP:TRC 163 mx1 http://mail.163.com/help/help_spam_16.htm", RateLimited),
        (RCPT, "554 HL:IPB 163 mx1 http://mail.163.com/help/help_spam_16.htm", Blocklisted),
        ("DATA", "554 DT:SUM 163 mx1 http://mail.163.com/help/help_spam_16.htm", SenderRejected),
        ("DATA", "554 DT:SPM 163 mx1 http://mail.163.com/help/help_spam_16.htm", ContentRejected),
        // The near misses.
        (MAIL, "550 SPF: 192.0.2.1 is not allowed to send mail from b", DomainUnauthenticated),
        (MAIL, "550 SPF check failed: unauthorized sender", DomainUnauthenticated),
        (RCPT, "451 Message from 192.0.2.1 temporarily deferred, please retry", Greylisted),
        (RCPT, "421 Message from (192.0.2.1) temporarily deferred - 4.16.50", RateLimited),
        (RCPT, "550 Access denied", RecipientRejected),
        (MAIL, "550 Administrative prohibition", SenderRejected),
        ("DATA", "550 Administrative prohibition", ContentRejected),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_login_that_comes_too_early_is_no_wrong_password() {
    all(Language::Smtp, false, &[
        (AUTH, "530 A SSL/TLS-connection is required for authentication.", NeedsTls),
        (AUTH, "530 no", NeedsTls),
        (MAIL, "503 5.5.4 Error: send AUTH command first.", AuthRequired),
        (RCPT, "550 5.7.1 This server requires SMTP authentication to relay mail", AuthRequired),
        (AUTH, "535 5.7.8 Error: authentication failed: generic failure", AuthServerFailure),
        (AUTH, "535 5.7.8 Error: authentication failed: bad protocol / cancel", ProtocolError),
    ]);
    all(Language::Pop3, false, &[
        ("USER x", "-ERR Command is not valid in this state.", NeedsTls),
        ("USER x", "-ERR only valid after entering TLS mode", NeedsTls),
        ("PASS x", "-ERR Your mailbox is already locked", MailboxBusy),
        ("PASS x", "-ERR Connection is closed. 10", ServiceUnavailable),
        ("PASS x", "-ERR this user has no $HOME/Maildir", ServiceUnavailable),
        ("PASS x", "-ERR aack, child crashed", ServiceUnavailable),
        ("PASS x", "-ERR authorization failed", CredentialsRejected),
    ]);
    all(Language::Pop3, true, &[("PASS x", "-ERR Command is not valid in this state.", ProtocolError)]);
    all(Language::Imap, false, &[
        ("a SELECT INBOX", "* BYE Session invalidated - AccessTokenExpired", TokenRejected),
        ("a LOGIN u p", "a BAD Command received in Invalid state.", ProtocolError),
        ("a STORE 1 +FLAGS (\\Seen)", "a NO Command received in Invalid state", ProtocolError),
        ("a LOGIN u p", "a NO Server(s) unavailable to complete operation", AuthServerFailure),
        ("a LOGIN u p", "a NO account does not have IMAP access", ProtocolDisabled),
        ("a LOGIN u p", "a NO [LIMIT] Too many authentication requests from this IP address.", TooManyAttempts),
        ("a AUTHENTICATE PLAIN AGEAYg==", "a NO [CANNOT] AUTHENTICATE PLAIN not supported", MechanismUnsupported),
        ("a APPEND Sent {5+}\r\nhello", "a NO [LIMIT] Message too large", MessageTooLarge),
        ("a APPEND Sent {5+}\r\nhello", "a NO [ALERT] You exceeded your mail quota.", MailboxFull),
        ("a SELECT INBOX", "a NO Mailbox has an invalid format", ServiceUnavailable),
        // The near misses.
        ("a SELECT INBOX", "a NO [CANNOT] no", Rejected),
        ("a LOGIN u p", "a NO LOGIN failed", CredentialsRejected),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_reason_is_heard_beside_the_words_for_what_was_refused() {
    all(Language::Smtp, false, &[
        ("DATA", "550 5.7.1 Rejected by anti-spoofing policy: DMARC check failed", DomainUnauthenticated),
        (MAIL, "550 SPF: 192.0.2.1 is not allowed to send: see http://www.openspf.org", DomainUnauthenticated),
        (MAIL, "550 SPF fail: unauthorized sender address", DomainUnauthenticated),
        (RCPT, "550 Access from IP address 192.0.2.1 denied: no reverse DNS", RdnsRequired),
        (RCPT, "550 Access from IP address 192.0.2.1 blocked: no reverse DNS", RdnsRequired),
        (RCPT, "550 You have exceeded your mail quota of 500 messages per hour", RateLimited),
        (RCPT, "550-User unknown\r\n550 Administrative prohibition", RecipientRejected),
        (RCPT, "550 no such user - administrative prohibition", RecipientRejected),
        ("DATA", "550 5.7.703 Your message can't be delivered because messages to d are blocked by your organization using Tenant Allow Block List.", Rejected),
        ("DATA", "550 5.7.703 no", Rejected),
        // The near misses: nothing beside them says more.
        (MAIL, "550 unauthorized sender address", SenderRejected),
        ("DATA", "550 5.7.705 Access denied, tenant has exceeded threshold", RateLimited),
        (RCPT, "554 5.7.1 192.0.2.1 is on our block list", Blocklisted),
    ]);
    all(Language::Pop3, true, &[
        ("PASS x", "-ERR Login failed, connection is closed", CredentialsRejected),
        ("PASS x", "-ERR invalid password. Connection is closed", CredentialsRejected),
        ("PASS x", "-ERR Connection is closed. 10", ServiceUnavailable),
    ]);
    all(Language::Imap, true, &[
        ("a LOGIN u p", "a BAD Command received in Invalid state.", ProtocolError),
        ("a LOGIN u p", "a NO bad credentials, connection is closed", CredentialsRejected),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_mailbox_that_is_away_for_now_is_not_refused() {
    all(Language::Smtp, false, &[
        (RCPT, "450 4.2.1 <c@d>: mailbox is unavailable, please try again later", Greylisted),
        (RCPT, "451 User not available, try again later", Greylisted),
        (RCPT, "451 4.3.0 mailbox not available", ServiceUnavailable),
        (RCPT, "421 4.1.0 Service not available, closing channel", ServiceUnavailable),
        (EHLO, "421 4.1.0 Service not available, closing channel", ServiceUnavailable),
        // The near misses: for good.
        (RCPT, "550 5.2.1 <c@d>: mailbox is unavailable", RecipientRejected),
        (RCPT, "550 User not available", RecipientRejected),
    ]);
}
