//! Words about the transaction: the sender, the recipient, the message.

use super::Place::{Any, Data, ForGood, Mailbox, Rcpt, Smtp, Transaction};
use super::Strength::{Generic, Known, Part, Sure};
use super::{Words, words};
use crate::proto::mail::dialogue::Family::{
    ContentRejected, MailboxFull, MessageTooLarge, RateLimited, RecipientRejected, Rejected,
    RelayDenied, SenderRejected,
};

/// The rows.
#[rustfmt::skip]
pub(super) const ROWS: &[Words] = &[
    words(RelayDenied, Transaction, Sure, "Postfix src/smtpd/smtpd_check.c; Exim configure.default; Sendmail check_rcpt; Exchange 5.7.54; Gmail; qmail-smtpd.c; Zoho", &[
        "relay access denied", "relay not permitted", "relaying denied", "relaying not allowed", "relay denied",
        "relay not allowed", "unable to relay", "mail relay denied", "relaying disallowed", "relaying prohibited",
        "relay prohibited", "relaying is not allowed", "relay is not allowed", "not permitted to relay",
        "not allowed to relay", "won't relay", "we do not relay", "we don't relay", "does not relay", "no relaying",
        "relay attempt", "relaying to", "relaying through", "invalid credentials for relay",
        "not authorized to send email directly", "isn't in my list of allowed rcpthosts", "allowed rcpthosts",
        "list of allowed rcpthosts", "cannot relay", "rejected relay", "relaying mail to",
        "i cannot deliver mail for", "refused to relay", "open relay", "not a gateway", "is not hosted here",
        "domain not hosted", "domain isn't allowed to be relayed", "we don't handle mail for",
        "attribution; relay", "tenantattribution", "does not have permissions to submit to this server",
    ]),
    words(RelayDenied, Transaction, Sure, "hMailServer SMTP/SMTPConnection.cpp (the IP range's relay options); generic", &[
        "delivery is not allowed to this address", "relay rejected",
    ]),
    words(MessageTooLarge, Smtp, Sure, "Postfix src/smtpd/smtpd.c; Exim; Sendmail; Exchange; RFC 1870 6; Gmail", &[
        "message size exceeds", "message too large", "message too big", "message is too large",
        "message is too big", "size exceeds", "exceeds maximum message size", "exceeded maximum message size",
        "exceeds fixed maximum", "exceeds size limit", "message file too big", "max message size",
        "maximum message size", "message size limit", "message larger than", "exceeded storage allocation: message",
        "size limit exceeded", "larger than the current system limit", "too much mail data",
        "message size * exceeds", "message length exceeds", "exceeds the maximum size", "sorry, that message size exceeds", "message exceeds",
    ]),
    words(MessageTooLarge, Mailbox, Sure, "generic: APPEND of a message over the limit", &[
        "message too large", "message is too large", "message size exceeds", "message exceeds",
    ]),
    words(MailboxFull, Any, Sure, "Dovecot src/plugins/quota; Postfix virtual; Exim; Gmail 4.2.2/5.2.2; Exchange; RFC 5530 OVERQUOTA; Cyrus", &[
        "mailbox full", "mailbox is full", "mailbox quota", "mail box full", "over quota", "overquota",
        "over their quota", "over its quota", "quota exceeded", "quota is exceeded", "exceeded quota",
        "exceeds quota", "exceeded his quota", "exceeded their quota", "exceeded its quota", "out of storage space",
        "is over quota", "user is overquota", "inbox is full", "mailbox size limit", "mailbox would exceed",
        "exceeded storage", "storage quota", "mailbox exceeds", "account is full", "no more space in mailbox",
        "insufficient storage in mailbox", "disk quota", "quota violation", "mailbox has exceeded",
        "recipient storage full", "mailfolder is full",
    ]),
    words(MailboxFull, Mailbox, Sure, "Courier IMAP: APPEND", &["exceeded your mail quota"]),
    words(RateLimited, Transaction, Sure, "Postfix src/smtpd/smtpd.c; Exim ACLs; RFC 3463 4.5.3", &[
        "too many recipients", "too many rcpt", "recipient limit", "maximum recipients", "rcpt limit",
        "recipients per", "too many invalid recipients", "too many bad recipients", "too many unknown recipients",
         "messages from * temporarily deferred", "deferred due to",
    ]),
    words(SenderRejected, Transaction, Sure, "Postfix src/smtpd/smtpd_check.c; Exim sender verification; Sendmail; Exchange SendAsDenied", &[
        "sender verify failed", "sender rejected", "sender denied",
        "sender address rejected: undeliverable address", "sender address rejected: unverified address",
        "sender address is not", "sendasdenied", "not owned by user", "not logged in", "sender domain",
        "sender not allowed", "sender is not allowed", "sender address does not", "invalid sender",
        "sender verification", "could not verify sender", "bad sender", "sender unknown", "unknown sender",
        "domain of sender address", "sender address * does not exist", "sender address verification",
        "mail from * not allowed", "sender's domain", "bad sender's", "your envelope sender", "envelope sender",
        "not permitted to send as", "not allowed to send as", "cannot send as", "not authorized to send as",
        "not allowed to use this sender", "sender must", "from address", "return address", "mailfrom",
        "spoofed sender", "sender blocked", "blocked sender", "sender is blocked", "sender address blocked",
        "you are not allowed to send", "must match the authenticated", "does not match authenticated",
        "callback setup failed while verifying", "email address is not verified",
    ]),
    // SPF, DKIM or DMARC beside them is the reason.
    words(SenderRejected, Transaction, Known, "Mimecast; generic: senders that are not the client's own", &[
        "sender address must", "is not allowed to send:", "unauthorized sender address", "mail from must",
        "anti-spoofing",
    ]),
    words(SenderRejected, Transaction, Sure, "NetEase help.163.com (return codes): senders that may not send, or differ from the header's", &[
        "mi:imf", "mi:spb", "wm:blu", "dt:sum",
    ]),
    words(RelayDenied, Transaction, Sure, "NetEase help.163.com (return codes)", &["rp:frl"]),
    words(SenderRejected, Transaction, Part, "Postfix src/smtpd/smtpd_check.c (what a policy server says follows, SMTPD_POLICY_README)", &[
        "sender address rejected",
    ]),
    words(RecipientRejected, Transaction, Sure, "Postfix src/smtpd/smtpd_check.c (reject_unverified_recipient: another server's words follow)", &[
        "recipient address rejected: undeliverable address", "recipient address rejected: unverified address",
    ]),
    words(RecipientRejected, Transaction, Known, "Gmail 5.2.1; Yahoo", &[
        "email account that you tried to reach is disabled", "account that you tried to reach is inactive",
        "mailbox disabled", "mailbox is disabled", "mailbox inactive",
    ]),
    words(RecipientRejected, Transaction, Known, "Comcast (550 5.1.1)", &["not our customer"]),
    // For the time being these are said of a store that does not answer, and of greylists.
    words(RecipientRejected, ForGood, Known, "generic: a mailbox that is not there", &[
        "account is not available", "account not available", "mailbox is not available", "mailbox not available",
        "mailbox is unavailable", "user not available", "user is not available",
    ]),
    words(RecipientRejected, Transaction, Sure, "Exim src/smtp_in.c; Exchange delivery restrictions (5.7.133)", &[
        "recipient address must contain a domain", "sendernotauthenticatedfor",
    ]),
    // What refuses is a rule, and not whether the address exists; of whom the rule is, the words do not say.
    words(Rejected, Rcpt, Known, "Domino: refusals by policy at RCPT", &["mail from * rejected for policy reasons"]),
    words(Rejected, Rcpt, Generic, "Exim src/acl.c (deny without a text); Mimecast: the same, where nothing beside it says why", &[
        "administrative prohibition", "rejected due to security polic",
    ]),
    words(Rejected, Transaction, Sure, "Microsoft 5.7.703: the sender's own organization forbids the recipient", &[
        "tenant allow/block list", "tenant allow block list",
    ]),
    words(RecipientRejected, Transaction, Known, "Postfix src/smtpd/smtpd_check.c; Exim verify=recipient; Sendmail; Exchange 5.1.10; Gmail 5.1.1; qmail; hMailServer; MDaemon", &[
        "recipient address rejected", "user unknown in", "user unknown", "unknown user", "no such user",
        "recipient unknown", "unknown recipient", "unrouteable address", "unroutable address", "no mailbox here",
        "mailbox unavailable", "mailbox not found", "no such recipient", "recipient rejected", "invalid recipient",
        "does not exist", "doesn't exist", "recipientnotfound", "recipient not found", "not a valid mailbox",
        "unknown address", "address unknown", "no such mailbox", "user not found", "no such account",
        "no such address", "bad destination mailbox", "invalid mailbox", "mailbox does not exist",
        "user doesn't have", "undeliverable address", "recipient is not", "recipient address",
        "no account by that name", "invalid address", "unknown local part", "unknown mailbox",
        "account that you tried to reach", "recipient address is not", "sorry, no mailbox", "address rejected",
        "unknown user account", "not our user", "delivery not authorized", "recipient verify failed",
        "recipient not accepted", "could not deliver", "cannot deliver", "no valid recipient",
        "recipient verification", "mailbox not allowed", "is not a known user", "user is unknown", "isn't a known",
    ]),
    words(ContentRejected, Smtp, Sure, "Postfix cleanup header_checks; rspamd; SpamAssassin milter; amavisd; ClamAV; Gmail 5.7.0; Exchange", &[
        "spam message rejected", "message rejected as spam", "message content rejected", "content rejected",
        "rejected as spam", "spam detected", "detected as spam", "classified as spam", "identified as spam",
        "considered spam", "looks like spam", "appears to be spam", "is spam", "spam score", "this message is spam",
        "high probability of spam", "likely unsolicited", "unsolicited message", "unsolicited mail", "virus",
        "malware", "infected", "phishing", "suspicious content", "blocked due to content", "content policy",
        "message contains", "attachment", "security issue", "banned file", "banned content", "content filter",
        "url in the message", "surbl", "uribl",
        "rejected by content", "header checks", "body contains", "message header size exceeds", "message failed",
        "not rfc 5322 compliant", "rfc 5322", "rfc 2822", "not rfc", "missing header", "invalid header", "milter",
        "inappropriate content", "spamassassin", "missing a valid address in from",
        "dt:spm", // NetEase
    ]),
    words(ContentRejected, Data, Part, "generic: what was refused; the words beside it say why", &[
        "message blocked", "message was blocked", "message refused",
    ]),
    words(ContentRejected, Data, Known, "generic: Haraka, Mailgun, Mimecast, Barracuda, Cisco ESA, OpenSMTPD after the dot", &[
        "spam", "message rejected", "rejected by policy", "policy violation", "content", "rejected due to policy",
        "rejected due to security polic",
        "administrative prohibition", "blocked by", "transaction failed due to policy", "policy reasons",
        "message denied", "message not accepted", "unacceptable", "rejected by recipient", "scan",
    ]),
    words(SenderRejected, Transaction, Generic, "Sendmail cf/m4/proto.m4; Exim: sender verification", &[
        "domain does not exist", "domain of sender", "domain not found", "does not resolve", "unresolvable domain",
        "domain name required for sender", "domain must resolve", "domain must exist",
    ]),
];
