//! Words about the connection itself: who may connect, how often, and how well the server is.

use super::Place::{Any, Connection, Hello, Mailbox, Smtp, Starttls, Transaction};
use super::Strength::{Generic, Known, Sure};
use super::{Words, words};
use crate::proto::mail::dialogue::Family::{
    ClientCertificateRequired, DomainUnauthenticated, GreetingRejected, HeloRejected, IdleTimeout,
    MailboxBusy, ProtocolError, ProxyProtocol, RateLimited, RdnsRequired, ServiceUnavailable,
    StarttlsRefused, StarttlsRequired, TooManyConnections,
};

/// The rows.
#[rustfmt::skip]
pub(super) const ROWS: &[Words] = &[
    words(TooManyConnections, Any, Sure, "Postfix src/smtpd/smtpd.c, src/postscreen/postscreen.c; Exim src/smtp_in.c", &[
        "too many connections", "too many concurrent smtp connections", "too many concurrent connections",
        "too many simultaneous connections", "too many open connections", "too many sessions",
        "too many concurrent", "too many simultaneous", "connection limit exceeded", "connection limit reached",
        "connections limit", "max connections", "maximum connections", "too many smtp sessions",
        "too many imap connections", "too many pop3 connections", "session limit", "concurrent connection limit",
        "concurrent connections limit", "concurrent session", "too many tls sessions",
    ]),
    words(TooManyConnections, Any, Sure, "Dovecot src/imap/main.c, src/pop3/main.c; Exchange receive connectors; Cyrus", &[
        "maximum number of connections", "maximum number of concurrent connections",
        "maximum number of concurrent server connections", "maximum number of simultaneous", "maximum concurrent connections", "number of connections * exceeded",
        "max message per connection", "sender thread limit exceeded", "all screening ports are busy",
        "all server ports are busy",
    ]),
    words(RateLimited, Any, Sure, "Postfix src/smtpd/smtpd.c (anvil); Exchange throttling; Google", &[
        "too many new tls sessions", "too much mail from", "too many recipients from", "too many messages",
        "message submission rate", "submission rate", "request is throttled", "suggested backoff time",
        "exceeded command or bandwidth limits", "bandwidth limits", "connection rate limit",
        "too many connections from your * rate", "exceeded the rate", "exceeds rate", "rate limited",
        "rate-limited", "ratelimit", "rate limit", "throttled", "throttling", "sending rate", "message rate",
        "mail rate", "sending limit", "sending quota",
        "sending quota exceeded", "receiving mail at a rate", "receiving rate",
        "unusual rate of", "recipient rate", "too much mail", "daily limit", "hourly limit", "excessive volume",
        "excessive rate", "unexpected volume", "tss04", "too many emails", "limit on the number of messages",
        "per hour", "message limit", "quota * messages per", "too many mails", "maximum number of messages",
        "sends too fast", "message quota exceeded", "frequency limited", "slow down", "as(s777", "as/s777",
        "unusual rate of unsolicited mail originating from your ip",
    ]),
    // Gmail limits a sender for what it misses, and says so: the limit is then what is done about the cause.
    words(DomainUnauthenticated, Smtp, Sure, "Google support.google.com/a/answer/3726730 (4.7.27, 4.7.30 to 4.7.32)", &[
        "rate limited because * spf", "rate limited because * dkim", "rate limited because * dmarc",
    ]),
    words(RdnsRequired, Smtp, Sure, "Google support.google.com/a/answer/3726730 (4.7.23, which is SPF in RFC 7372)", &[
        "ptr record * rate limited",
    ]),
    words(StarttlsRequired, Smtp, Sure, "Google support.google.com/a/answer/3726730 (4.7.29 and 5.7.29)", &[
        "rate limited because * tls connection", "not using a tls connection", "wasn't sent over a tls connection",
    ]),
    words(RateLimited, Smtp, Sure, "Microsoft 5.7.508 (learn.microsoft.com, non-delivery reports)", &[
        "has exceeded permitted limits",
    ]),
    words(RateLimited, Transaction, Sure, "Yahoo; GMX; Zoho; Exchange Online (5.2.0): what one may send", &[
        "message from ( * temporarily deferred", "mail send limit exceeded", "unusual sending activity",
        "submissionquotaexceeded", "sending too fast",
    ]),
    words(RateLimited, Transaction, Sure, "NetEase help.163.com (return codes): how many connections, commands, recipients", &[
        "mi:dmc", "mi:cel", "mi:stc", "rp:drc", "rp:cel", "rp:ccl", "rp:qrc", "rp:rcl", "rp:trc", "hl:itc",
    ]),
    words(RateLimited, Any, Sure, "cluebringer (Policyd) quotas module; SendGrid: how much one may send, no mailbox", &[
        "policy rejection- quota exceeded", "policy rejection - quota exceeded", "policy rejection; quota exceeded",
        "maximum credits exceeded",
    ]),
    words(ProxyProtocol, Any, Sure, "Exim src/proxy.c; Postfix src/smtpd/smtpd_haproxy.c; HAProxy proxy-protocol.txt", &[
        "required proxy negotiation failed", "proxy negotiation failed", "proxy protocol", "haproxy",
    ]),
    words(IdleTimeout, Any, Sure, "Postfix src/smtpd/smtpd.c; Exim src/smtp_in.c; Dovecot src/imap; Cyrus; Gmail", &[
        "timeout exceeded", "smtp command timeout", "command timeout", "disconnected for inactivity",
        "for inactivity", "idle for too long", "idle too long", "autologout; idle", "autologout", "idle timeout",
        "inactivity timeout", "inactivity", "connection timed out", "session timed out", "session timeout",
        "timeout waiting for", "timeout - closing", "timed out waiting", "input timeout", "read timeout",
        "timeout on connection", "timeout closing", "data timeout", "no activity", "connection timeout",
        "idle time-out", "timeout during", "closing idle connection",
    ]),
    words(MailboxBusy, Mailbox, Sure, "RFC 2449 8.1; Cyrus imap/pop3d.c; Dovecot src/pop3; Courier; qpopper", &[
        "unable to lock maildrop", "maildrop already locked", "maildrop locked", "mailbox is locked",
        "mailbox locked", "mailbox in use", "mailbox is in use", "mailbox is already in use", "unable to lock",
        "can't lock", "cannot lock", "is locked by another", "lock busy", "already in use",
        "minimum login interval", "logins too frequent", "logging in too frequently", "mailbox already open",
        "mailbox is already locked", "maildrop is already locked", "mailbox is busy", "mailbox busy", "maildrop busy", "maildrop is busy",
    ]),
    words(StarttlsRequired, Any, Sure, "RFC 3207 4; Postfix src/smtpd/smtpd.c; Exchange 5.7.x; Courier; Google", &[
        "must issue a starttls", "must issue starttls", "issue a starttls command first",
        "starttls is required first", "starttls is required", "starttls required", "starttls command first",
        "session encryption is required", "tls required for rcpt domain", "must use tls", "requires starttls",
        "encryption required", "tls is required", "tls required", "requires tls", "must use starttls",
        "ssl/tls-connection is required", // hMailServer
        "start tls first", "use starttls", "tls encryption is required", "requires encryption",
        "secure connection is required", "not using tls", "unencrypted",
        "secure connection is requiered", // QQ mail
    ]),
    words(ClientCertificateRequired, Any, Sure, "Postfix src/smtpd/smtpd.c (smtpd_tls_req_ccert); Dovecot src/login-common", &[
        "no client certificate presented", "client certificate not trusted", "client certificate required",
        "client certificate is required", "client didn't present valid ssl certificate",
        "didn't present a valid ssl certificate", "requires a client certificate",
    ]),
    words(StarttlsRefused, Smtp, Sure, "Postfix src/smtpd/smtpd.c; Exim src/tls.c; RFC 3207 4", &[
        "tls not available due to", "tls currently unavailable", "tls not available", "tls is not available",
        "tls temporarily unavailable", "starttls not available", "tls unavailable",
    ]),
    words(StarttlsRefused, Starttls, Known, "Cyrus imap/imapd.c; Courier; Dovecot src/login-common; Cisco ESMTP inspection", &[
        "error initializing tls", "starttls failed", "starttls not", "tls support isn't enabled", "tls isn't",
        "tls already active", "tls not", "not supported", "not implemented", "not available", "not enabled",
        "unrecognized command", "command not recognized", "unknown command", "temporar", "disabled",
        "command unrecognized", "command not implemented", "invalid command",
    ]),
    words(ServiceUnavailable, Any, Sure, "Exchange front end, whose back end does not answer; servers behind a proxy", &[
        "primary target ip address responded with", "connection dropped due to", "connect to * connection timed out",
        "connect to * connection refused",
    ]),
    words(ServiceUnavailable, Mailbox, Known, "qpopper; UW imapd; Dovecot: the login was right, its mailbox does not open", &[
        "unable to open mailbox", "cannot open mailbox", "can't open mailbox", "unable to open maildrop",
        "failed to open mailbox", "mailbox has an invalid format", "unable to open inbox",
        "unable to open user's inbox",
    ]),
    words(ServiceUnavailable, Mailbox, Known, "qmail-pop3d.c, qmail-popup.c: behind a password that was right", &[
        "has no $home/maildir", "unable to scan $home/maildir", "child crashed",
    ]),
    words(ServiceUnavailable, Any, Known, "Postfix src/postscreen; Exim; Exchange; Gmail; Courier; RFC 3463 3.4", &[
        "no system resources", "insufficient system resources", "insufficient system storage",
        "insufficient disk space", "too much load", "server busy", "server too busy", "server is busy",
        "system busy", "too busy", "overloaded", "under heavy load", "high load", "load average",
        "server shutting down", "shutting down", "shutdown", "maintenance", "server is temporarily unavailable",
        "service temporarily unavailable", "temporarily unavailable", "temporary system problem",
        "temporary problem", "temporary server error", "server unavailable", "server configuration error",
        "server configuration problem", "configuration error", "local configuration error",
        "queue file write error", "internal server error", "internal error", "temporary local problem",
        "temporary lookup failure", "temporary local error", "local error in processing", "database error",
        "server error", "not enough resources", "out of memory", "fatal error",
        "system not accepting network messages", "out of resources", "backend unavailable", "cannot connect to",
        "could not connect to", "storage unavailable", "i/o error", "disk full", "no space left",
        "mail system unavailable", "unable to access", "resources temporarily", "temporary system failure",
    ]),
    words(ServiceUnavailable, Mailbox, Generic, "Exchange, where it says nothing else", &["connection is closed"]),
    words(ServiceUnavailable, Any, Generic, "RFC 5321 4.2.3 (421)", &[
        "service not available", "service unavailable", "service currently unavailable", "not available",
        "service is currently unavailable", "try later",
    ]),
    words(GreetingRejected, Connection, Known, "Exim src/smtp_in.c; RFC 7504; Postfix postscreen; Proofpoint", &[
        "smtp service not available", "does not accept mail", "no smtp service here", "no smtp service",
        "esmtp not accepting connections", "not accepting connections", "connection refused", "connection rejected",
        "connections will not be accepted", "you are not allowed to connect", "not authorized to connect",
        "not allowed to connect", "access denied", "access not allowed", "connection not allowed",
        "connections not accepted",
    ]),
    words(HeloRejected, Smtp, Sure, "Postfix src/smtpd/smtpd_check.c; Exim ACL acl_smtp_helo; Courier; Sendmail; Haraka helo.checks", &[
        "mi:nhd", // NetEase
        "helo command rejected", "ehlo command rejected", "helo rejected", "ehlo rejected", "invalid helo",
        "invalid ehlo", "bad helo", "bad ehlo", "helo name", "ehlo name", "helo argument", "ehlo argument",
        "helo hostname", "helo host", "helo/ehlo", "helo string",
        "syntactically invalid helo argument", "syntactically invalid ehlo argument", "forged helo",
        "need fully-qualified hostname in helo", "helo does not", "invalid domain name in helo", "fix your helo",
        "impersonat",
    ]),
    words(HeloRejected, Hello, Known, "Sendmail srvrsmtp.c; Google (421 4.7.0 after EHLO); OpenSMTPD; MailEnable", &[
        "invalid domain name", "invalid hostname", "requires domain address", "try again later, closing connection",
        "need fully-qualified hostname", "invalid name", "host not found", "access denied", "rejected",
        "domain name required", "invalid argument", "not a valid", "domain required",
    ]),
    words(ProtocolError, Transaction, Sure, "Postfix src/smtpd/smtpd.c, postscreen; Exim src/smtp_in.c; RFC 5321 4.2.4", &[
        "smtp protocol synchronization", "smtp synchronization error", "send helo/ehlo first", "send helo first",
        "send ehlo first", "need mail command", "need rcpt", "nested mail command", "bad sequence of commands",
        "out of sequence", "improper command pipelining", "synchronization error", "polite people say hel",
        "bare lf", "bare <lf>", "bare newline", "bare linefeed", "barelinefeedsareillegal", "pipelining", "i can break rules",
        "valid rcpt command must precede data", "sender not yet given", "mail first", "rcpt first",
        "say helo first", "ehlo or helo required", "helo or ehlo required", "ehlo/helo first",
        "expected helo or ehlo", "hello first", "no valid recipients", "must have sender and recipient first",
        "need recipient", "duplicate helo", "sender already specified", "use 8bit", "early talker",
        "talks too soon", "protocol error", "pregreet", "you talk too soon",
    ]),
    words(ProtocolError, Any, Known, "Sendmail srvrsmtp.c (an HTTP request on the mail port)", &["rejecting open proxy"]),
    words(ProtocolError, Any, Known, "Postfix src/smtpd/smtpd.c; Exim (too many errors); Dovecot src/imap, login-common; Cisco", &[
        "too many errors", "too many syntax or protocol errors", "too many invalid imap commands",
        "too many invalid commands", "too many unrecognized commands", "too many bad commands",
        "too many unknown commands", "too many protocol errors", "syntax error", "command not recognized",
        "command not recognised", "unrecognized command", "unrecognised command", "unknown command",
        "command unknown", "bad command", "invalid command", "command unrecognized", "command not implemented",
        "not implemented", "invalid arguments", "bad syntax", "sasl response limit exceeded", "line too long",
        "authentication aborted", "authentication cancelled", "authentication canceled", "invalid base64",
        "cannot decode", "initial data not expected", "optional argument not permitted", "parse error",
        "this is an imap server", "error in imap command", "unknown or invalid", "missing argument", "missing required argument",
        "cannot parse",
        "command parse error", "malformed", "must declare smtputf8", "not valid in this state",
        "in invalid state",
    ]),
];
