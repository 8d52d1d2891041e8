//! The words of real servers, by software. Sources: Postfix `smtpd.c`, `smtpd_check.c`; Dovecot
//! `login-common`; Exim `smtp_in.c`; Cyrus `imapd.c`, `pop3d.c`; Courier; Gmail's and Exchange's as published.
//!
//! Only wording differs between them here, never behaviour. Whatever a software does not say
//! differently is Postfix's (SMTP) or Dovecot's (the rest).

use super::spec::Software;

/// An occasion to speak SMTP or LMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smtp {
    /// The greeting.
    Greeting,
    /// Go ahead with TLS.
    TlsReady,
    /// TLS is offered but broken.
    TlsBroken,
    /// TLS first.
    TlsFirst,
    /// Logged in.
    LoggedIn,
    /// Wrong credentials.
    BadCredentials,
    /// Log in first.
    LoginFirst,
    /// No such mechanism.
    NoMechanism,
    /// AUTH was not offered.
    AuthNotOffered,
    /// The client cancelled, or sent rubbish.
    AuthAborted,
    /// MAIL accepted.
    SenderOk,
    /// RCPT accepted.
    RecipientOk,
    /// Not our recipient.
    Relay,
    /// No such user.
    NoUser,
    /// Too large.
    TooLarge,
    /// DATA may begin.
    Go,
    /// The message is taken.
    Queued,
    /// Good bye.
    Bye,
    /// Silent for too long.
    Timeout,
    /// Too many connections.
    TooMany,
    /// No such command.
    Unknown,
    /// Not now.
    OutOfOrder,
    /// RSET, NOOP.
    Ok,
}

/// What this software says; `who` is the recipient or the client's address, where one is named.
pub fn smtp(software: Software, what: Smtp, host: &str, who: &str) -> String {
    use Smtp as S;
    use Software as W;
    match (software, what) {
        (W::Exim, S::Greeting) => format!("220 {host} ESMTP Exim 4.98 Mon, 23 Nov 2026 12:00:00 +0000"),
        (W::Exchange, S::Greeting) => format!("220 {host} Microsoft ESMTP MAIL Service ready at Mon, 23 Nov 2026 12:00:00 +0000"),
        (W::Gmail, S::Greeting) => format!("220 {host} ESMTP 5b1f17b1804b1-47 - gsmtp"),
        (W::Sendmail, S::Greeting) => format!("220 {host} ESMTP Sendmail 8.18.1/8.18.1; Mon, 23 Nov 2026 12:00:00 GMT"),
        (W::Dovecot, S::Greeting) => format!("220 {host} Dovecot ready."),
        (W::Courier, S::Greeting) => format!("220 {host} ESMTP"),
        (_, S::Greeting) => format!("220 {host} ESMTP Postfix"),

        (W::Exim, S::TlsReady) => "220 TLS go ahead".into(),
        (W::Exchange, S::TlsReady) => "220 2.0.0 SMTP server ready".into(),
        (_, S::TlsReady) => "220 2.0.0 Ready to start TLS".into(),
        (W::Exim, S::TlsBroken) => "454 TLS currently unavailable".into(),
        (_, S::TlsBroken) => "454 4.7.0 TLS not available due to local problem".into(),
        (W::Courier, S::TlsFirst) => "400 STARTTLS is required first.".into(),
        (W::Gmail, S::TlsFirst) => "530 5.7.0 Must issue a STARTTLS command first. 5b1f17b1804b1-47 - gsmtp".into(),
        (_, S::TlsFirst) => "530 5.7.0 Must issue a STARTTLS command first".into(),

        (W::Exim, S::LoggedIn) => "235 Authentication succeeded".into(),
        (W::Dovecot, S::LoggedIn) => "235 2.7.0 Logged in.".into(),
        (W::Gmail, S::LoggedIn) => "235 2.7.0 Accepted".into(),
        (_, S::LoggedIn) => "235 2.7.0 Authentication successful".into(),
        (W::Exim, S::BadCredentials) => "535 Incorrect authentication data".into(),
        (W::Exchange, S::BadCredentials) => "535 5.7.3 Authentication unsuccessful".into(),
        (W::Gmail, S::BadCredentials) => "535 5.7.8 Username and Password not accepted. For more information, go to https://support.google.com/mail/?p=BadCredentials 5b1f17b1804b1-47 - gsmtp".into(),
        (W::Dovecot, S::BadCredentials) => "535 5.7.8 Authentication failed.".into(),
        (W::Courier, S::BadCredentials) => "535 Authentication failed.".into(),
        (_, S::BadCredentials) => "535 5.7.8 Error: authentication failed: (reason unavailable)".into(),
        (W::Gmail, S::LoginFirst) => "530 5.7.0 Authentication Required. 5b1f17b1804b1-47 - gsmtp".into(),
        (W::Exchange, S::LoginFirst) => "530 5.7.57 Client not authenticated to send mail".into(),
        (_, S::LoginFirst) => "530 5.7.0 Authentication required".into(),
        (W::Exim, S::NoMechanism) => "504 authentication mechanism not supported".into(),
        (W::Exchange, S::NoMechanism) => "504 5.7.4 Unrecognized authentication type".into(),
        (_, S::NoMechanism) => "535 5.7.8 Error: authentication failed: Invalid authentication mechanism".into(),
        (W::Exim, S::AuthNotOffered) => "503 AUTH command used when not advertised".into(),
        (W::Dovecot, S::AuthNotOffered) => "523 5.7.10 Authentication not allowed until TLS/SSL is enabled.".into(),
        (_, S::AuthNotOffered) => "503 5.5.1 Error: authentication not enabled".into(),
        (W::Exim, S::AuthAborted) => "501 Authentication cancelled".into(),
        (_, S::AuthAborted) => "501 5.7.0 Authentication aborted".into(),

        (W::Exim, S::SenderOk) => "250 OK".into(),
        (_, S::SenderOk) => "250 2.1.0 Ok".into(),
        (W::Exim, S::RecipientOk) => "250 Accepted".into(),
        (_, S::RecipientOk) => "250 2.1.5 Ok".into(),
        (W::Exim, S::Relay) => "550 relay not permitted".into(),
        (W::Exchange, S::Relay) => "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain".into(),
        (W::Gmail, S::Relay) => "550 5.7.0 Mail relay denied. - gsmtp".into(),
        (_, S::Relay) => format!("554 5.7.1 <{who}>: Relay access denied"),
        (W::Exim, S::NoUser) => "550 Unrouteable address".into(),
        (W::Exchange, S::NoUser) => "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup".into(),
        (_, S::NoUser) => format!("550 5.1.1 <{who}>: Recipient address rejected: User unknown in virtual mailbox table"),
        (W::Exim, S::TooLarge) => "552 Message size exceeds maximum permitted".into(),
        (_, S::TooLarge) => "552 5.3.4 Message size exceeds fixed limit".into(),
        (W::Exim, S::Go) => "354 Enter message, ending with \".\" on a line by itself".into(),
        (_, S::Go) => "354 End data with <CR><LF>.<CR><LF>".into(),
        (W::Exim, S::Queued) => "250 OK id=1vN8aB-00000001dXy-2Abc".into(),
        (_, S::Queued) => "250 2.0.0 Ok: queued as 4dK2Xf0Qzyz1".into(),
        (W::Exim, S::Bye) => format!("221 {host} closing connection"),
        (_, S::Bye) => "221 2.0.0 Bye".into(),
        (W::Exim, S::Timeout) => format!("421 {host}: SMTP command timeout - closing connection"),
        (W::Gmail, S::Timeout) => "451 4.4.2 Timeout - closing connection. - gsmtp".into(),
        (_, S::Timeout) => format!("421 4.4.2 {host} Error: timeout exceeded"),
        (W::Exim, S::TooMany) => format!("421 {host}: Too many concurrent SMTP connections; please try again later."),
        (W::Exchange, S::TooMany) => "421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing transmission channel".into(),
        (_, S::TooMany) => format!("421 4.7.0 {host} Error: too many connections from {who}"),
        (W::Exim, S::Unknown) => "500 unrecognized command".into(),
        (_, S::Unknown) => "502 5.5.2 Error: command not recognized".into(),
        (W::Exim, S::OutOfOrder) => "503 sender not yet given".into(),
        (_, S::OutOfOrder) => "503 5.5.1 Error: need MAIL command".into(),
        (W::Exim, S::Ok) => "250 OK".into(),
        (_, S::Ok) => "250 2.0.0 Ok".into(),
    }
}

/// An occasion to speak IMAP, POP3 or ManageSieve; without tag and status word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The greeting.
    Greeting,
    /// Logged in.
    LoggedIn,
    /// Wrong credentials.
    BadCredentials,
    /// Not outside TLS.
    NeedsTls,
    /// Too many connections.
    TooMany,
    /// Silent for too long.
    Timeout,
    /// Go ahead with TLS.
    TlsReady,
    /// TLS is offered but broken.
    TlsBroken,
    /// No such mechanism.
    NoMechanism,
    /// Good bye.
    Bye,
}

/// What this software says; bracketed codes in IMAP's spelling (`imap`) or POP3's.
pub fn access(software: Software, what: Access, host: &str, imap: bool) -> String {
    use Access as A;
    use Software as W;
    let code = |imap_code: &str, pop_code: &str, text: &str| {
        let code = if imap { imap_code } else { pop_code };
        if code.is_empty() {
            text.to_owned()
        } else {
            format!("{code} {text}")
        }
    };
    match (software, what) {
        (W::Cyrus, A::Greeting) => format!("{host} Cyrus IMAP 3.10.0 server ready"),
        (W::Courier, A::Greeting) => {
            if imap {
                "Courier-IMAP ready.".into()
            } else {
                "Hello there.".into()
            }
        }
        (W::Gmail, A::Greeting) => "Gimap ready for requests from 192.0.2.1".into(),
        (W::Exchange, A::Greeting) => "The Microsoft Exchange IMAP4 service is ready.".into(),
        (_, A::Greeting) => "Dovecot ready.".into(),
        (W::Courier, A::LoggedIn) => "LOGIN Ok.".into(),
        (W::Exchange, A::LoggedIn) => "LOGIN completed.".into(),
        (_, A::LoggedIn) => "Logged in".into(),
        (W::Cyrus, A::BadCredentials) => {
            if imap {
                "Login failed: authentication failure".into()
            } else {
                "[AUTH] Invalid login".into()
            }
        }
        (W::Courier, A::BadCredentials) => "Login failed.".into(),
        (W::Gmail, A::BadCredentials) => code(
            "[AUTHENTICATIONFAILED]",
            "[AUTH]",
            "Invalid credentials (Failure)",
        ),
        (W::Exchange, A::BadCredentials) => {
            if imap {
                "LOGIN failed.".into()
            } else {
                "Logon failure: unknown user name or bad password.".into()
            }
        }
        (_, A::BadCredentials) => {
            code("[AUTHENTICATIONFAILED]", "[AUTH]", "Authentication failed.")
        }
        (W::Cyrus, A::NeedsTls) => {
            if imap {
                "Login only available under a layer".into()
            } else {
                "[AUTH] USER command only available under a layer".into()
            }
        }
        (W::Courier, A::NeedsTls) => "TLS required to log in.".into(),
        (_, A::NeedsTls) => code(
            "[PRIVACYREQUIRED]",
            "[AUTH]",
            "Cleartext authentication disallowed on non-secure (SSL/TLS) connections.",
        ),
        (W::Gmail, A::TooMany) => "[ALERT] Too many simultaneous connections. (Failure)".into(),
        (W::Cyrus, A::TooMany) => {
            "Too many open connections (11 of 10 from client, 11 of 10 for user)".into()
        }
        (_, A::TooMany) => code(
            "[LIMIT]",
            "[IN-USE]",
            "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
        ),
        (W::Gmail, A::Timeout) => "Session expired, please login again.".into(),
        (W::Exchange, A::Timeout) => "Connection is closed. 13".into(),
        (_, A::Timeout) => "Disconnected for inactivity.".into(),
        (_, A::TlsReady) => "Begin TLS negotiation now.".into(),
        (_, A::TlsBroken) => "TLS initialization failed.".into(),
        (_, A::NoMechanism) => "Unsupported authentication mechanism.".into(),
        (W::Courier, A::Bye) => "Courier-IMAP server shutting down".into(),
        (_, A::Bye) => "Logging out".into(),
    }
}
