//! Exact lines of real servers, and lines that look alike and mean something else.

mod providers;
mod trouble;

use super::ReplyTable;
use crate::base::{FrameRef, Mark, Side, SourceId, Timestamp};
use crate::proto::mail::Decoder;
use crate::proto::mail::dialogue::Family::{self, *};
use crate::proto::mail::dialogue::Language;

fn mark() -> Mark {
    Mark {
        frame: FrameRef::new(SourceId(0), 1),
        time: Timestamp(0),
    }
}

/// Lets the decoder read the line as the reply to the command, and the table read the reply.
fn read(language: Language, command: &str, line: &str, tls: bool) -> Option<Family> {
    let mut decoder = Decoder::new(language);
    let greeting = match language {
        Language::Smtp | Language::Lmtp => "220 mx.example.org ESMTP\r\n",
        Language::Imap => "* OK ready\r\n",
        Language::Pop3 => "+OK ready\r\n",
        Language::Sieve => "\"SIEVE\" \"fileinto\"\r\nOK\r\n",
    };
    if !command.is_empty() {
        decoder.data(Side::Server, mark(), greeting.as_bytes());
        decoder.data(Side::Client, mark(), format!("{command}\r\n").as_bytes());
        if command == "DATA" {
            decoder.data(Side::Server, mark(), b"354 go ahead\r\n");
            decoder.data(Side::Client, mark(), b"x\r\n.\r\n");
        }
    }
    decoder.data(Side::Server, mark(), format!("{line}\r\n").as_bytes());
    let exchange = decoder.dialogue().exchanges.last()?;
    let reply = exchange.reply.as_ref()?;
    let verb = exchange.command.as_ref().map(|command| command.verb);
    ReplyTable::new()
        .read(language, exchange.phase, verb, reply, tls)
        .map(|answer| answer.family)
}

#[track_caller]
fn all(language: Language, tls: bool, lines: &[(&str, &str, Family)]) {
    let wrong: Vec<String> = lines
        .iter()
        .filter_map(|(command, line, family)| {
            let found = read(language, command, line, tls);
            (found != Some(*family))
                .then(|| format!("{command} → {line}: {found:?}, not {family:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const EHLO: &str = "EHLO me";
const MAIL: &str = "MAIL FROM:<a@b>";
const RCPT: &str = "RCPT TO:<c@d>";
const AUTH: &str = "AUTH PLAIN AGEAYg==";

#[test]
#[rustfmt::skip]
fn postfix_is_read() {
    all(
        Language::Smtp,
        false,
        &[
            (AUTH, "535 5.7.8 Error: authentication failed: authentication failure", CredentialsRejected),
            (AUTH, "454 4.7.0 Temporary authentication failure: Connection lost to authentication server", AuthServerFailure),
            (AUTH, "503 5.5.1 Error: authentication not enabled", NeedsTls),
            (AUTH, "504 5.5.4 Encryption required for requested authentication mechanism", NeedsTls),
            (AUTH, "450 4.7.1 Error: too many AUTH commands from 192.0.2.1", TooManyAttempts),
            (AUTH, "535 5.7.8 Error: authentication failed: Invalid authentication mechanism", MechanismUnsupported),
            (AUTH, "530 5.7.0 Must issue a STARTTLS command first", NeedsTls),
            (MAIL, "530 5.7.0 Must issue a STARTTLS command first", StarttlsRequired),
            (EHLO, "421 4.7.1 mx.example.net Error: No client certificate presented", ClientCertificateRequired),
            (MAIL, "530 5.7.0 Authentication required", AuthRequired),
            (RCPT, "450 4.7.1 Session encryption is required", StarttlsRequired),
            ("STARTTLS", "454 4.7.0 TLS not available due to local problem", StarttlsRefused),
            ("STARTTLS", "454 4.7.0 Error: too many new TLS sessions from mx[192.0.2.1]", RateLimited),
            ("", "421 4.7.0 mx.example.org Error: too many connections from 192.0.2.1", TooManyConnections),
            (MAIL, "421 4.7.0 mx.example.org Error: too many errors", ProtocolError),
            (MAIL, "450 4.7.1 Error: too much mail from 192.0.2.1", RateLimited),
            (RCPT, "452 4.5.3 Error: too many recipients", RateLimited),
            (EHLO, "421 4.4.2 mx.example.org Error: timeout exceeded", IdleTimeout),
            (RCPT, "554 5.7.1 <c@d>: Relay access denied", RelayDenied),
            (RCPT, "550 5.7.1 <c@d>... Relaying denied", RelayDenied),
            (RCPT, "454 4.7.1 <c@d>: Relay access denied", RelayDenied),
            (RCPT, "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", RdnsRequired),
            (RCPT, "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]", RdnsRequired),
            (RCPT, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1", Blocklisted),
            (MAIL, "554 5.5.0 Error: SMTP protocol synchronization", ProtocolError),
            (MAIL, "503 5.5.1 Error: send HELO/EHLO first", ProtocolError),
            (RCPT, "550 5.1.1 <c@d>: Recipient address rejected: User unknown in local recipient table", RecipientRejected),
            (RCPT, "550 5.1.1 <c@d>: Recipient address rejected: User unknown in relay recipient table", RecipientRejected),
            (RCPT, "553 5.7.1 <a@b>: Sender address rejected: not owned by user joe", SenderRejected),
            (RCPT, "450 4.1.8 <a@b>: Sender address rejected: Domain not found", SenderRejected),
            (RCPT, "504 5.5.2 <me>: Helo command rejected: need fully-qualified hostname", HeloRejected),
            (RCPT, "450 4.2.0 <c@d>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/d.html", Greylisted),
            (RCPT, "450 4.3.2 Service currently unavailable", Greylisted),
            (RCPT, "550 5.7.1 Service unavailable; client [192.0.2.1] blocked using bl.spamcop.net", Blocklisted),
            (MAIL, "552 5.3.4 Message size exceeds fixed limit", MessageTooLarge),
            ("DATA", "552 5.3.4 Error: message file too big", MessageTooLarge),
            ("DATA", "451 4.3.0 Error: queue file write error", ServiceUnavailable),
            ("DATA", "554 5.7.1 Spam message rejected", ContentRejected),
            ("DATA", "550 5.7.1 Blocked by SpamAssassin", ContentRejected),
            ("", "521 5.7.0 Error: I can break rules, too. Goodbye.", ProtocolError),
            ("DATA", "521 5.5.4 Syntax: BDAT count [LAST]", ProtocolError),
            ("", "421 4.3.2 All server ports are busy", TooManyConnections),
            ("", "421 4.3.2 No system resources", ServiceUnavailable),
            ("", "421 4.7.0 mx.example.test Go away", GreetingRejected),
            (MAIL, "421 4.7.1 closing connection", Temporary),
            (EHLO, "421 4.7.0 mx.example.test Rejecting open proxy [192.0.2.5]", ProtocolError),
            (RCPT, "452 4.2.2 <c@d>: Mailbox full", MailboxFull),
        ],
    );
}

#[test]
#[rustfmt::skip]
fn exim_sendmail_courier_and_others_are_read() {
    all(
        Language::Smtp,
        false,
        &[
            (AUTH, "535 Incorrect authentication data", CredentialsRejected),
            (AUTH, "435 Unable to authenticate at present: database is away", AuthServerFailure),
            (AUTH, "503 AUTH command used when not advertised", NeedsTls),
            (AUTH, "504 PLAIN authentication mechanism not supported", MechanismUnsupported),
            (EHLO, "554 SMTP synchronization error", ProtocolError),
            ("", "421 mx.example.org: Too many concurrent SMTP connections; please try again later.", TooManyConnections),
            ("", "421 mx.example.org: Too much load; please try again later", ServiceUnavailable),
            (EHLO, "421 mx.example.org: SMTP command timeout - closing connection", IdleTimeout),
            ("STARTTLS", "454 TLS currently unavailable", StarttlsRefused),
            (RCPT, "550 relay not permitted", RelayDenied),
            ("", "554 SMTP service not available", GreetingRejected),
            (RCPT, "550-rejected because 192.0.2.1 is in a black list at dnsbl.example.org\r\n550 see there", Blocklisted),
            (MAIL, "421 too many messages in this connection", RateLimited),
            ("", "503 Command refused, required Proxy negotiation failed", ProxyProtocol),
            (RCPT, "550 5.7.1 <c@d>... Relaying denied. IP name lookup failed [192.0.2.1]", RelayDenied),
            (MAIL, "553 5.1.8 <a@b>... Domain of sender address a@b does not exist", SenderRejected),
            (RCPT, "550 5.1.1 <c@d>... User unknown", RecipientRejected),
            (RCPT, "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", RelayDenied),
            (RCPT, "550 Unrouteable address", RecipientRejected),
            (RCPT, "550 Sender verify failed", SenderRejected),
            (MAIL, "502 Polite people say HELO first", ProtocolError),
            (MAIL, "503 5.0.0 Polite people say HELO first", ProtocolError),
            (MAIL, "400 STARTTLS is required first.", StarttlsRequired),
            (RCPT, "451 4.7.1 Greylisting in action, please come back later", Greylisted),
            (RCPT, "451 4.7.1 Try again later", Greylisted),
            (RCPT, "450 Greylisted, try again in 300 seconds", Greylisted),
            (RCPT, "530 SMTP authentication is required.", AuthRequired),
            ("STARTTLS", "500 #5.5.1 command not recognized", StarttlsRefused),
            ("STARTTLS", "502 5.5.2 Error: command not recognized", StarttlsRefused),
            (MAIL, "555 5.5.4 unsupported parameter", ProtocolError),
            (RCPT, "450 4.2.1 something else", Temporary),
            ("DATA", "554 5.0.0 no", Rejected),
        ],
    );
}

#[test]
#[rustfmt::skip]
fn the_big_providers_are_read() {
    all(
        Language::Smtp,
        true,
        &[
            (AUTH, "534-5.7.9 Application-specific password required. For more information, go to\r\n534 5.7.9 https://support.google.com/mail/?p=InvalidSecondFactor x-20 - gsmtp", AppPasswordRequired),
            (AUTH, "535-5.7.8 Username and Password not accepted. For more information, go to\r\n535 5.7.8 https://support.google.com/mail/?p=BadCredentials x-20 - gsmtp", CredentialsRejected),
            (AUTH, "534-5.7.14 <https://accounts.google.com/signin> Please log in via your web browser and\r\n534 5.7.14 then try again. - gsmtp", WebLoginRequired),
            (AUTH, "534 5.7.9 Please log in with your web browser and then try again. - gsmtp", WebLoginRequired),
            (MAIL, "530-5.5.1 Authentication Required. Learn more at\r\n530 5.5.1 https://support.google.com x - gsmtp", AuthRequired),
            (AUTH, "454 4.7.0 Too many login attempts, please try again later. x - gsmtp", TooManyAttempts),
            (AUTH, "454 4.7.0 Cannot authenticate due to temporary system problem.", AuthServerFailure),
            (EHLO, "421 4.7.0 Try again later, closing connection. (EHLO) x - gsmtp", HeloRejected),
            ("DATA", "421-4.7.28 [192.0.2.1] Our system has detected an unusual rate of unsolicited mail originating from your IP address. To protect our\r\n421 4.7.28 users from spam, mail sent from your IP address has been temporarily rate limited. x - gsmtp", RateLimited),
            ("DATA", "421-4.7.27 Your email has been rate limited because SPF authentication didn't\r\n421 4.7.27 pass for this message. x - gsmtp", DomainUnauthenticated),
            ("DATA", "421-4.7.30 Your email has been rate limited because DKIM authentication didn't\r\n421 4.7.30 pass for this message. x - gsmtp", DomainUnauthenticated),
            ("DATA", "421-4.7.31 Your email has been rate limited because the sending domain doesn't\r\n421 4.7.31 have a DMARC record. x - gsmtp", DomainUnauthenticated),
            ("DATA", "421-4.7.32 Your email has been rate limited because the From: header (RFC5322) in\r\n421-4.7.32 this message isn't aligned with either the authenticated SPF or DKIM\r\n421 4.7.32 organizational domain. x - gsmtp", DomainUnauthenticated),
            ("DATA", "421 4.7.31 rate limited", DomainUnauthenticated),
            ("DATA", "421 4.7.40 no", DomainUnauthenticated),
            ("DATA", "421-4.7.23 The sending IP address for this message doesn't have a PTR record. To protect\r\n421 4.7.23 users from spam, your email has been temporarily rate limited. x - gsmtp", RdnsRequired),
            ("DATA", "421-4.7.29 Your email has been rate limited because you're not using a TLS\r\n421 4.7.29 connection. x - gsmtp", StarttlsRequired),
            ("DATA", "550-5.7.29 This message was blocked because it wasn't sent over a TLS\r\n550 5.7.29 connection. x - gsmtp", StarttlsRequired),
            // The near miss: no cause but the amount.
            ("DATA", "421 4.7.28 Your email has been rate limited because of its volume. x - gsmtp", RateLimited),
            (MAIL, "421 4.7.0 TLS required for RCPT domain, closing connection. x - gsmtp", StarttlsRequired),
            ("DATA", "550-5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record setup\r\n550 5.7.25 x - gsmtp", RdnsRequired),
            ("DATA", "550-5.7.26 Your email has been blocked because the sender is unauthenticated.\r\n550 5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM. x - gsmtp", DomainUnauthenticated),
            ("DATA", "550-5.4.5 Daily user sending limit exceeded.\r\n550 5.4.5 x - gsmtp", RateLimited),
            (RCPT, "550 5.7.0 Mail relay denied [192.0.2.1]. x - gsmtp", RelayDenied),
            (RCPT, "550-5.1.1 The email account that you tried to reach does not exist.\r\n550 5.1.1 x - gsmtp", RecipientRejected),
            (RCPT, "452-4.2.2 The recipient's inbox is out of storage space.\r\n452 4.2.2 x - gsmtp", MailboxFull),
            (AUTH, "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [FR3P281CA0001.example 2026-11-23T10:00:00.000Z 08DD]", OauthRequired),
            (AUTH, "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.", ProtocolDisabled),
            (AUTH, "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.", CredentialsRejected),
            (AUTH, "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator.", OauthRequired),
            (AUTH, "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator.", WebLoginRequired),
            (AUTH, "535 5.7.3 Authentication unsuccessful", CredentialsRejected),
            (AUTH, "504 5.7.4 Unrecognized authentication type [FR3P281CA0001.example]", MechanismUnsupported),
            (MAIL, "530 5.7.57 Client not authenticated to send mail. [FR3P281CA0001.example]", AuthRequired),
            (RCPT, "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", RelayDenied),
            (RCPT, "550 5.7.64 TenantAttribution; Relay Access Denied", RelayDenied),
            (MAIL, "451 4.7.500 Server busy. Please try again later (AS(S77719))", RateLimited),
            ("", "421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing transmission channel", TooManyConnections),
            (MAIL, "421 4.4.2 Message submission rate for this client has exceeded the configured limit", RateLimited),
            (RCPT, "550 5.7.606 Access denied, banned sending IP [192.0.2.1]", Blocklisted),
            (MAIL, "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).", Blocklisted),
            (AUTH, "535 5.7.0 (#AUTH005) Too many bad auth attempts.", AppPasswordRequired),
            (MAIL, "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1", RateLimited),
            ("", "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list", Blocklisted),
            (MAIL, "550 5.7.0 Blocked - see https://support.proofpoint.com/dnsbl-lookup.cgi?ip=192.0.2.1", Blocklisted),
            ("", "554 mx.example ESMTP not accepting connections", GreetingRejected),
            (RCPT, "553 Relaying disallowed as a@b", RelayDenied),
            (RCPT, "550 5.2.1 The email account that you tried to reach is disabled.", RecipientRejected),
        ],
    );
}

#[test]
#[rustfmt::skip]
fn imap_is_read() {
    const LOGIN: &str = "a LOGIN u p";
    all(
        Language::Imap,
        false,
        &[
            (LOGIN, "a NO [AUTHENTICATIONFAILED] Authentication failed.", CredentialsRejected),
            (LOGIN, "a NO [UNAVAILABLE] Temporary authentication failure. [mx:2026-11-23 10:00:00]", AuthServerFailure),
            (LOGIN, "a NO [LIMIT] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", TooManyConnections),
            (LOGIN, "a NO [UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", TooManyConnections),
            (LOGIN, "a NO [PRIVACYREQUIRED] Cleartext authentication disallowed on non-secure (SSL/TLS) connections.", NeedsTls),
            (LOGIN, "a NO [EXPIRED] Password expired", PasswordExpired),
            (LOGIN, "a NO [CONTACTADMIN] Login disabled for this user", ProtocolDisabled),
            (LOGIN, "a NO Login only available under a layer", NeedsTls),
            (LOGIN, "a NO Login failed: authentication failure", CredentialsRejected),
            (LOGIN, "a NO Too many open connections (5 of 5 from 192.0.2.1)", TooManyConnections),
            (LOGIN, "a NO Login failed.", CredentialsRejected),
            (LOGIN, "a NO LOGIN failed.", CredentialsRejected),
            (LOGIN, "a NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)", AppPasswordRequired),
            (LOGIN, "a NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", CredentialsRejected),
            (LOGIN, "* NO [WEBALERT https://accounts.google.com/x] Web login required.\r\na NO [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)", WebLoginRequired),
            (LOGIN, "a NO [ALERT] Too many simultaneous connections. (Failure)", TooManyConnections),
            (LOGIN, "a NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)", RateLimited),
            (LOGIN, "a NO [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page (Failure)", ProtocolDisabled),
            (LOGIN, "a NO [ALERT] You are yet to enable IMAP for your account. Please contact your administrator (Failure)", ProtocolDisabled),
            (LOGIN, "a NO [AUTHENTICATIONFAILED] LOGIN Invalid credentials or IMAP is disabled", CredentialsRejected),
            (LOGIN, "a NO [UNAVAILABLE] Account is temporarily unavailable.", AuthServerFailure),
            (LOGIN, "a NO LOGIN Rate limit hit", TooManyAttempts),
            ("a SELECT INBOX", "a BAD User is authenticated but not connected.", TokenRejected),
            ("a SELECT INBOX", "a BAD Request is throttled. Suggested Backoff Time: 299965 milliseconds", RateLimited),
            ("a SELECT INBOX", "a NO Server Unavailable. 15", ServiceUnavailable),
            ("a SELECT INBOX", "* BYE Disconnected for inactivity.", IdleTimeout),
            ("a SELECT INBOX", "* BYE Session expired, please login again", TokenRejected),
            ("", "* BYE Temporary problem, please try again later", ServiceUnavailable),
            (LOGIN, "* BYE IMAP access disabled for this account.", ProtocolDisabled),
            (LOGIN, "* BYE IMAP access disabled via insecure connection.", NeedsTls),
            ("a XYZ", "a BAD Error in IMAP command XYZ: Unknown command.", ProtocolError),
            ("a STARTTLS", "a NO TLS support isn't enabled.", StarttlsRefused),
        ],
    );
}

#[test]
#[rustfmt::skip]
fn pop3_and_sieve_are_read() {
    all(
        Language::Pop3,
        false,
        &[
            ("PASS x", "-ERR [AUTH] Authentication failed.", CredentialsRejected),
            ("USER x", "-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", NeedsTls),
            ("PASS x", "-ERR [SYS/TEMP] Temporary authentication failure. [mx:2026-11-23 10:00:00]", AuthServerFailure),
            ("PASS x", "-ERR [IN-USE] Unable to lock maildrop: Mailbox is locked by POP server", MailboxBusy),
            ("PASS x", "-ERR [IN-USE] sorry", MailboxBusy),
            ("PASS x", "-ERR [LOGIN-DELAY] minimum time between logins", MailboxBusy),
            ("USER x", "-ERR [AUTH] USER command only available under a layer", NeedsTls),
            ("PASS x", "-ERR [AUTH] Invalid login", CredentialsRejected),
            ("PASS x", "-ERR Login failed.", CredentialsRejected),
            ("USER x", "-ERR TLS required to log in.", NeedsTls),
            ("PASS x", "-ERR [SYS/PERM] Your account is not enabled for POP access. Please visit your Gmail settings page", ProtocolDisabled),
            ("PASS x", "-ERR [AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833", AppPasswordRequired),
            ("PASS x", "-ERR Logon failure: unknown user name or bad password.", CredentialsRejected),
            ("STLS", "-ERR Command not permitted", StarttlsRefused),
            ("STAT", "-ERR Disconnected for inactivity.", IdleTimeout),
        ],
    );
    all(
        Language::Sieve,
        false,
        &[
            ("AUTHENTICATE \"PLAIN\" \"AGEAYg==\"", "NO (ENCRYPT-NEEDED) \"no\"", NeedsTls),
            ("AUTHENTICATE \"PLAIN\" \"AGEAYg==\"", "NO \"Authentication failed.\"", CredentialsRejected),
            ("AUTHENTICATE \"PLAIN\" \"AGEAYg==\"", "NO (TRYLATER) \"sorry\"", AuthServerFailure),
            ("PUTSCRIPT \"a\" {0+}\r\n", "NO (QUOTA/MAXSIZE) \"no\"", MessageTooLarge),
            ("NOOP", "BYE \"Disconnected for inactivity.\"", IdleTimeout),
        ],
    );
}

#[test]
#[rustfmt::skip]
fn look_alikes_are_told_apart() {
    all(
        Language::Smtp,
        true,
        &[
            // "rate" and "rbl" inside words, a cause named elsewhere.
            (MAIL, "550 corporate policy", SenderRejected),
            (RCPT, "550 5.1.1 no marbles for <c@d>", RecipientRejected),
            (RCPT, "550 5.2.2 something", MailboxFull),
            (AUTH, "503 AUTH command used when not advertised", MechanismUnsupported),
            (AUTH, "535 blah", CredentialsRejected),
            (RCPT, "550 5.7.1 Unable to relay", RelayDenied),
            (RCPT, "550 5.1.1 <c@d> User unknown; rejecting", RecipientRejected),
        ],
    );
    assert_eq!(read(Language::Smtp, MAIL, "250 2.1.0 Ok", true), None);
    let xoauth = "AUTH XOAUTH2 dXNlcj1h";
    assert_eq!(
        read(
            Language::Smtp,
            xoauth,
            "535 5.7.3 Authentication unsuccessful",
            true
        ),
        Some(TokenRejected)
    );
}

#[test]
#[rustfmt::skip]
fn a_code_that_says_why_outranks_the_words_that_say_what() {
    const LOGIN: &str = "a LOGIN u p";
    const PLAIN: &str = "AUTHENTICATE \"PLAIN\" \"AGEAYg==\"";
    all(Language::Imap, false, &[
        (LOGIN, "a NO [UNAVAILABLE] LOGIN failed - try again", AuthServerFailure),
        (LOGIN, "a NO [SERVERBUG] Login failed", AuthServerFailure),
        (LOGIN, "a NO [EXPIRED] Login failed", PasswordExpired),
        (LOGIN, "a NO [CONTACTADMIN] Login failed", AccountDisabled),
        (LOGIN, "a NO [LIMIT] Login failed", TooManyConnections),
        (LOGIN, "a NO [INUSE] Permission denied", MailboxBusy),
        (LOGIN, "a NO [REFERRAL imap://x@other.example.org/] Specified user is invalid on this server", Rejected),
        // The near misses: no code, one that says the same, one that proves less than the words; the end of the session.
        (LOGIN, "a NO Login failed", CredentialsRejected),
        (LOGIN, "a NO [AUTHENTICATIONFAILED] Login failed", CredentialsRejected),
        (LOGIN, "a NO [ALERT] Login failed", CredentialsRejected),
        (LOGIN, "a NO [CONTACTADMIN] Invalid password", CredentialsRejected),
        (LOGIN, "a BAD Login failed", CredentialsRejected),
        (LOGIN, "* BYE Login failed", CredentialsRejected),
        // A limit of the mailbox is none of connections.
        ("a STORE 1 +FLAGS (kw)", "a NO [LIMIT] At most 32 flags in one mailbox supported", Rejected),
        ("", "* BYE [LIMIT] sorry", TooManyConnections),
    ]);
    all(Language::Pop3, false, &[
        ("PASS x", "-ERR [SYS/TEMP] Login failed", AuthServerFailure),
        ("PASS x", "-ERR [IN-USE] Authentication failed", MailboxBusy),
        ("PASS x", "-ERR [LOGIN-DELAY] Login failed", MailboxBusy),
        ("PASS x", "-ERR [AUTH] Login failed", CredentialsRejected),
        ("APOP joe c4c9334bac560ecc979e58001b3e22fb", "-ERR APOP not enabled.", MechanismUnsupported),
    ]);
    all(Language::Sieve, false, &[
        (PLAIN, "NO (TRYLATER) \"Authentication failed.\"", AuthServerFailure),
        (PLAIN, "NO (AUTH-TOO-WEAK) \"Authentication failed.\"", MechanismUnsupported),
        (PLAIN, "NO (TRANSITION-NEEDED) \"Authentication failed.\"", PasswordExpired),
        (PLAIN, "NO (REFERRAL sieve://other.example.org) \"Authentication failed.\"", Rejected),
    ]);
    all(Language::Smtp, false, &[
        (AUTH, "454 4.7.0 Authentication failed", AuthServerFailure),
        (AUTH, "432 4.7.12 Authentication failed", PasswordExpired),
        (AUTH, "525 5.7.13 Authentication failed", AccountDisabled),
        (AUTH, "534 5.7.9 Authentication failed", AppPasswordRequired),
        (AUTH, "538 5.7.11 Authentication failed", NeedsTls),
        (AUTH, "454 4.7.0 Authentication failed: invalid username or password", CredentialsRejected),
        (AUTH, "454 4.7.0 invalid username or password", CredentialsRejected),
        (AUTH, "535 5.7.9 Authentication failed", CredentialsRejected),
        (AUTH, "421 4.7.0 Authentication failed", CredentialsRejected),
        (AUTH, "451 Authentication failed: Maximum credits exceeded", RateLimited),
        // Codes of a login say nothing of a mailbox.
        (RCPT, "432 4.2.0 STOREDRV.Deliver; agent transient failure", Temporary),
        (RCPT, "525 no", RecipientRejected),
    ]);
}

#[test]
fn a_node_that_is_not_allowed_is_no_trouble_of_the_server() {
    const ETRN: &str = "ETRN foo.example.org";
    all(
        Language::Smtp,
        false,
        &[
            (ETRN, "459 <foo.example.org>: service unavailable", Rejected),
            (ETRN, "459 Node foo.example.org not allowed", Rejected),
            // Near misses: another code, and another cause.
            (ETRN, "450 4.3.2 service unavailable", ServiceUnavailable),
            (ETRN, "421 4.3.2 service unavailable", ServiceUnavailable),
        ],
    );
}

#[test]
#[rustfmt::skip]
fn words_in_the_name_of_a_host_are_no_words() {
    all(Language::Smtp, false, &[
        (RCPT, "554 5.7.1 <spf1.example.com[192.0.2.1]>: Client host rejected: Access denied", Blocklisted),
        (RCPT, "550 5.7.1 <milter01.example.com[2001:db8::1]>: not here", RecipientRejected),
        (RCPT, "550 5.7.1 <rbl[192.0.2.1]>: not here", RecipientRejected),
        // The near misses: the list's own answer, and words that stand by themselves.
        (RCPT, "550 5.7.1 refused by rbl.example.org[127.0.0.2]", Blocklisted),
        (RCPT, "550 5.7.1 <mx.example.com[192.0.2.1]>: SPF fail", DomainUnauthenticated),
        (RCPT, "550 5.7.1 rbl [192.0.2.1]", Blocklisted),
    ]);
}

#[test]
#[rustfmt::skip]
fn who_has_to_log_in_and_what_is_full_are_told_apart() {
    all(Language::Smtp, false, &[
        (MAIL, "530 5.5.1 Invalid command: Must issue an AUTH command first", AuthRequired),
        (MAIL, "530 5.5.1 Invalid command", AuthRequired),
        (MAIL, "503 5.5.1 Invalid command: Command not supported", ProtocolError),
        (MAIL, "550 Cannot receive from specified address <a@b.c>: Unauthenticated senders not allowed", AuthRequired),
        (MAIL, "550 5.7.26 Unauthenticated sender", DomainUnauthenticated),
        (EHLO, "501 5.5.4 Invalid HELO name", HeloRejected),
        ("", "421 4.3.2 The maximum number of concurrent server connections has exceeded a per-source limit, closing transmission channel", TooManyConnections),
        (RCPT, "554 5.7.1 <c@d>: Recipient address rejected: Policy Rejection- Quota Exceeded", RateLimited),
        (RCPT, "552 5.2.2 <c@d>: Recipient address rejected: Quota exceeded", MailboxFull),
    ]);
    all(Language::Imap, false, &[
        ("a LOGIN u", "a BAD Missing required argument to Login", ProtocolError),
    ]);
}

#[test]
#[rustfmt::skip]
fn rare_texts_do_not_hide_what_they_are_about() {
    all(Language::Smtp, false, &[
        (AUTH, "534 5.7.9 Authentication mechanism is too weak", MechanismUnsupported),
        (AUTH, "525 5.7.1 Unauthorized IP address", Rejected),
        (AUTH, "535 IP not authorized", Rejected),
        (MAIL, "553 5.7.1 <a@b>: Sender address rejected: not logged in", AuthRequired),
        (RCPT, "550 Delivery is not allowed to this address.", RelayDenied),
        (RCPT, "554 Relay rejected for policy reasons.", RelayDenied),
        (RCPT, "550 5.7.508 Access denied, 192.0.2.1 has exceeded permitted limits within IPv6 range.", RateLimited),
        ("DATA", "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant", ContentRejected),
        ("DATA", "550 5.7.512 no", ContentRejected),
        (MAIL, "530 Error: A secure connection is requiered(such as ssl).", StarttlsRequired),
        (AUTH, "530 Error: A secure connection is requiered(such as ssl).", NeedsTls),
        // The near misses: the code without the text, another sender, another login, DMARC's own code.
        (AUTH, "534 5.7.9 no", AppPasswordRequired),
        (AUTH, "525 5.7.13 no", AccountDisabled),
        (MAIL, "553 5.7.1 <a@b>: Sender address rejected: not owned by user c", SenderRejected),
        (RCPT, "550 Address rejected", RecipientRejected),
        (MAIL, "530 no", AuthRequired),
        ("DATA", "550 5.7.509 Access denied, sending domain does not pass DMARC verification", DomainUnauthenticated),
    ]);
    all(Language::Imap, false, &[
        ("a LOGIN u p", "a NO [AUTHORIZATIONFAILED] Authorization failed", Rejected),
        ("a LOGIN u p", "a NO [AUTHORIZATIONFAILED] sorry", Rejected),
        ("a LOGIN u p", "a NO [AUTHORIZATIONFAILED] Account is disabled", AccountDisabled),
        ("a LOGIN u p", "a NO Authorization failed", CredentialsRejected),
        ("a LOGIN u p", "a NO [AUTHENTICATIONFAILED] Authorization failed", CredentialsRejected),
    ]);
}

#[test]
fn no_text_means_two_things() {
    let mut seen = std::collections::BTreeMap::new();
    for row in super::TABLES.iter().copied().flatten() {
        assert!(!row.origin.is_empty());
        for text in row.texts {
            assert_eq!(*text, text.to_ascii_lowercase(), "{}", row.origin);
            assert!(text.split(" * ").all(|part| part.len() >= 3), "{text}");
            let key = (*text, format!("{:?}", row.place), row.strength);
            if let Some(other) = seen.insert(key, row.family) {
                assert_eq!(other, row.family, "{text}");
            }
        }
    }
    assert!(seen.len() > 500);
}
