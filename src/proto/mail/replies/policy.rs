//! Words of refusals by policy: reputation, reverse names, sender domains, greylists.

use super::Place::{Any, Connection, Login, Rcpt, Smtp, Transaction};
use super::Strength::{Generic, Known, Sure};
use super::{Words, words};
use crate::proto::mail::dialogue::Family::{
    Blocklisted, DomainUnauthenticated, Greylisted, RdnsRequired,
};

/// An address on a list, in words that no other refusal has.
const BLOCKED: &[&str] = &[
    "blocklist",
    "block list",
    "blocklisted",
    "blacklist",
    "black list",
    "blacklisted",
    "denylist",
    "deny list",
    "dnsbl",
    "spamhaus",
    "blocked using",
    "your ip is blocked",
    "your ip has been blocked",
    "your ip address is blocked",
    "your ip address has been blocked",
    "ip address is banned",
    "ip address has been banned",
];

/// The rows.
#[rustfmt::skip]
pub(super) const ROWS: &[Words] = &[
    words(Blocklisted, Smtp, Sure, "Postfix src/smtpd/smtpd_check.c (reject_rbl), src/postscreen/postscreen_dnsbl.c; Exim configure.default", &[
        "blocked using", "is in a black list at", "listed in", "listed at", "listed on", "is listed by",
        "blocked by * spamhaus", "spamhaus", "spamcop", "barracudacentral", "sorbs", "uceprotect", "abuseat",
        "dnsbl", "dnswl blocked", "rbl", "blacklist", "black list", "blacklisted", "blocklist", "block list",
        "blocklisted", "denylist", "deny list", "blocked by rbl", "senderbase", "cloudmark", "spamrats",
        "truncate.gbudb", "invaluement", "mailspike", "psbl", "nixspam", "hostkarma", "abusix",
    ]),
    words(Blocklisted, Smtp, Sure, "Microsoft 5.7.511, 5.7.606-649, S3140/S3150 (sendersupport.olc.protection.outlook.com)", &[
        "banned sending ip", "part of their network is on our block list", "s3140", "s3150", "s3149", "s3151",
        "delist.protection.outlook.com", "delist@microsoft.com", "ip not in whitelist for rcpt domain",
    ]),
    words(Blocklisted, Smtp, Sure, "Yahoo postmaster errors (BL21, BL23, TSS09, TSS11); AOL; Apple CS01; Proofpoint; Mimecast; Cisco ESA", &[
        "[bl21]", "[bl23]", "[bl", "[tss09]", "[tss11]", "[cs01]", "dynablock",
        "connections will not be accepted from", "permanently deferred", "ipcheck.proofpoint.com",
        "support.proofpoint.com/dnsbl-lookup", "poor reputation", "bad reputation", "low reputation",
        "sender reputation", "ip reputation", "reputation of the sending ip", "very low reputation",
        "your ip has been blocked", "your ip is blocked", "ip is blocked", "ip blocked", "ip address is blocked",
        "ip address has been blocked", "ip address blocked", "blocked your ip", "your ip address * blocked",
        "your host * blocked", "banned ip", "ip banned", "host is blocked", "blocked for spam", "blocked for abuse",
        "blocked due to spam", "blocked because of spam", "blocked - see", "dynamic ip", "dynamically assigned",
        "dul.", "dialup", "dial-up", "residential", "pbl", "sending ip * blocked", "your network is blocked",
        "spam source", "known spam", "spammer", "rejected due to * reputation",
        "unsolicited mail originating from your ip", "suspicious due to the very low reputation",
        "client host blocked", "too many spams from your ip", "block for spam", "traffic not accepted from this ip",
    ]),
    words(Blocklisted, Connection, Sure, "generic: mailbox servers with lists of addresses, as greeting", BLOCKED),
    words(Blocklisted, Transaction, Known, "Mail.ru (what stands beside it is the reason)", &["access from ip address * blocked"]),
    words(Blocklisted, Transaction, Sure, "QQ; NetEase help.163.com (return codes): addresses that may not send", &[
        "ip not in whitelist", "wm:bli", "hl:ihu", "hl:ipb",
    ]),
    words(Blocklisted, Connection, Sure, "EarthLink earthlink.net/block, as greeting", &["is blocked by"]),
    words(Blocklisted, Login, Known, "generic: the same, as answer to a login", BLOCKED),
    words(RdnsRequired, Smtp, Sure, "Postfix src/smtpd/smtpd_check.c (reject_unknown_client_hostname); Gmail 5.7.25; Exchange Online 5.7.25; Exim; Sendmail; Yahoo", &[
        "cannot find your hostname", "cannot find your reverse hostname", "cannot find your reverse", "reverse dns",
        "reverse-dns", "rdns", "ptr record", "ptr", "reverse hostname", "reverse lookup", "reverse name",
        "no reverse", "in-addr.arpa", "does not resolve * reverse", "fcrdns", "does not have a valid hostname",
        "forward confirmed", "forward-confirmed", "forward and reverse", "host name lookup", "unresolvable client",
        "client host rejected: cannot find", "no host name found for ip", "hostname for ip address",
        "your ip address has no", "ip name possibly forged", "must have a valid dns",
    ]),
    words(RdnsRequired, Smtp, Known, "Sendmail cf/m4/proto.m4 (a refused relay names it beside its cause)", &[
        "ip name lookup failed",
    ]),
    words(DomainUnauthenticated, Smtp, Sure, "Gmail 5.7.26/27/30; Exchange Online 5.7.23, 5.7.515, 5.7.509; pypolicyd-spf; OpenDMARC; RFC 7372", &[
        "unauthenticated email from", "dmarc", "spf", "openspf", "dkim", "sender policy framework", "sender id",
        "fails to pass authentication checks", "does not pass authentication checks",
        "does not meet the required authentication level", "message does not pass authentication",
        "unauthenticated sender", "arc validation", "sender is unauthenticated", "lacks authentication",
        "mail is unauthenticated", "sender authentication failed", "mi:dma", // the last: NetEase
    ]),
    words(Greylisted, Transaction, Sure, "postgrey; milter-greylist; rspamd greylist module; SQLgrey; Exim greylistd; OpenBSD spamd; Courier", &[
        "greylist", "graylist", "grey-list", "gray-list", "grey list", "gray list", "greylisted", "greylisting",
        "greylisting in action", "please come back later", "come back later", "try again in * seconds",
        "try again in * minutes", "retry in * seconds", "retry in * minutes", "please retry later",
        "deferred, try again later after", "temporarily deferred, please retry", "first time sender",
        "unknown triplet", "whitelisted by this recipient, please try again later",
        "temporarily rejected, try again later", "policy delay", "not yet authorized to deliver mail",
    ]),
    words(Greylisted, Transaction, Sure, "iRedAPD plugins/greylisting.py; policyd 1.x GREYLIST_REJECTION; Postfix puts \"Recipient address rejected\" before what they say", &[
        "intentional policy rejection, please try again", "policy rejection- please try later",
        "recipient address rejected: please try again later",
    ]),
    words(Greylisted, Transaction, Sure, "Postfix policy servers (SMTPD_POLICY_README): postgrey with its link, and such without a text of their own", &[
        "postgrey", "recipient address rejected: try again later", "recipient address rejected: try again in",
        "recipient address rejected: come back", "recipient address rejected: please come back",
    ]),
    words(Greylisted, Transaction, Sure, "Mimecast (community.mimecast.com, error codes): what it says while it greylists", &[
        "internal resource temporarily unavailable * mimecast", "internal resources are temporarily unavailable * mimecast",
    ]),
    words(Greylisted, Rcpt, Known, "Postfix src/postscreen/postscreen_smtpd.c (450 4.3.2 after its deep tests)", &[
        "service currently unavailable",
    ]),
    words(Greylisted, Rcpt, Generic, "rspamd greylist module, soft reject (4.7.1 Try again later)", &[
        "try again later", "try later", "please try again",
    ]),
    words(Blocklisted, Smtp, Known, "generic: Barracuda, Symantec, Trend Micro, SpamTitan, Haraka dnsbl plugin, OpenSMTPD filters", &[
        "refused due to * spam", "your mail server * spam", "abuse from your", "spam from your", "banned",
        "host is banned", "ip in dns", "is on a list", "has been blocked by", "rejected by policy list",
        "your ip * not allowed", "from your network", "network blocked", "your host is not trusted",
        "client host rejected", "bad dns reputation", "local blacklist", "your server is blocked", "host blocked",
    ]),
    words(Blocklisted, Connection, Known, "Sendmail access map; postscreen denylist (5.3.2 at the greeting is service)", &[
        "your access to this mail system has been rejected", "mail from your ip", "blocked",
    ]),
    words(Greylisted, Any, Generic, "RFC 6647", &[
        "grey-listed",
    ]),
];
