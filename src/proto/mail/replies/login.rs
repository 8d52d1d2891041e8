//! Words about logging in: which part of the login failed, and who can change it.

use super::Place::{Any, Login, Mailbox, Smtp};
use super::Strength::{Generic, Known, Sure};
use super::{Words, words};
use crate::proto::mail::dialogue::Family::{
    AccountDisabled, AppPasswordRequired, AuthRequired, AuthServerFailure, CredentialsRejected,
    MechanismUnsupported, NeedsTls, OauthRequired, PasswordExpired, ProtocolDisabled,
    ProtocolError, Rejected, TokenRejected, TooManyAttempts, WebLoginRequired,
};

/// The rows.
#[rustfmt::skip]
pub(super) const ROWS: &[Words] = &[
    words(AppPasswordRequired, Any, Sure, "Google support.google.com/mail/answer/185833", &[
        "application-specific password required", "invalidsecondfactor",
        "support.google.com/accounts/answer/185833",
    ]),
    words(AppPasswordRequired, Login, Sure, "Mail.ru help.mail.ru/mail/security/protection/external; generic", &[
        "application password is required", "app password is required", "app password required", "use app password",
        "use an app password",
    ]),
    words(AppPasswordRequired, Any, Known, "Yahoo, Apple, Fastmail, Zoho help pages on app passwords", &[
        "app password", "app-specific password", "application specific password", "application password",
        "use an app-password", "application-specific password", "two-factor authentication",
        "two factor authentication", "two-factor authentication is required",
        "two factor authentication is required", "two-step verification",
        "multi-factor authentication", "multifactor authentication", "too many bad auth attempts", "#auth005",
    ]),
    words(WebLoginRequired, Any, Sure, "Google support.google.com/mail/answer/78754", &[
        "please log in via your web browser", "please log in with your web browser", "web login required",
        "webalert", "webloginrequired", "support.google.com/mail/answer/78754",
        "support.google.com/accounts/bin/answer.py?answer=78754",
    ]),
    words(WebLoginRequired, Any, Known, "mailcore2 src/core/imap/MCIMAPSession.cpp", &[
        "login to your account via a web browser", "log in to your account via a web browser",
        "sign in via your web browser", "accept the terms of service", "http://me.com/move", "captcha",
    ]),
    words(OauthRequired, Any, Sure, "Microsoft learn.microsoft.com deprecation of basic authentication", &[
        "basic authentication is disabled", "basic authentication is not supported", "basicauthblocked",
        "logondenied-basicauthblocked", "locked by your organization's security defaults", "requires oauth",
        "oauth is required", "use oauth", "modern authentication is required", "please use xoauth2",
        "password authentication is disabled",
    ]),
    words(ProtocolDisabled, Any, Sure, "Microsoft aka.ms/smtp_auth_disabled", &[
        "smtpclientauthentication is disabled", "smtp_auth_disabled", "smtp auth is disabled",
    ]),
    words(CredentialsRejected, Any, Sure, "Microsoft 535 5.7.139", &[
        "user credentials were incorrect",
    ]),
    words(WebLoginRequired, Login, Sure, "Microsoft Entra conditional access, 535 5.7.139", &[
        "did not meet the criteria to be authenticated successfully",
    ]),
    words(ProtocolDisabled, Any, Sure, "Google IMAP and POP servers; mailcore2 MCIMAPSession.cpp", &[
        "not enabled for imap", "imap access is disabled", "not enabled for pop", "pop access is disabled",
        "yet to enable imap", "yet to enable pop", "imap is disabled for", "pop3 is disabled for",
        "pop is disabled for", "imap access disabled for this account", "pop3 access disabled for this account",
        "pop3 access is disabled", "smtp access is disabled", "sieve access is disabled",
        "imap4 access is disabled", "imap4 is disabled for", "imap access is not enabled", "imap4 access is not enabled",
        "pop access is not enabled", "pop3 access is not enabled", "smtp access is not enabled",
    ]),
    words(ProtocolDisabled, Login, Sure, "Yandex yandex.com/support/mail; Zoho; generic: a service switched off for one account or domain", &[
        "does not have access rights to this service", "does not have imap access",
        "does not have pop access", "does not have pop3 access", "smtp access disabled", "imap/smtp access disabled",
        "imap access has been disabled", "pop3 access has been disabled", "pop access has been disabled",
        "smtp access has been disabled", "authentication disabled for this", "authentication is disabled for",
        "please open smtp flag", // QQ mail
    ]),
    words(ProtocolDisabled, Login, Known, "Dovecot src/auth/auth-request.c (nologin)", &[
        "login disabled for this user", "imap access disabled", "pop access disabled", "pop3 access disabled",
        "imap4 access disabled", "imap access not enabled", "imap4 access not enabled", "pop access not enabled",
        "pop3 access not enabled",
        "service is disabled", "protocol is disabled", "protocol disabled", "not allowed to use imap",
        "not allowed to use pop", "not authorized to use imap", "not permitted to use imap",
        "is not enabled for this service",
    ]),
    words(CredentialsRejected, Any, Sure, "Yandex yandex.com/support/mail", &[
        "login invalid credentials or imap is disabled",
    ]),
    words(NeedsTls, Mailbox, Sure, "Courier imap/imaplogin.c, pop3login.c", &[
        "imap access disabled via insecure connection", "tls required to log in",
    ]),
    words(NeedsTls, Any, Sure, "Dovecot src/login-common/client-common-auth.c", &[
        "cleartext authentication disallowed", "plaintext authentication disallowed",
        "plaintext authentication not allowed", "cleartext authentication not allowed",
    ]),
    words(NeedsTls, Any, Sure, "Cyrus imap/imapd.c, imap/pop3d.c", &[
        "login only available under a layer", "command only available under a layer",
        "encryption needed to use mechanism", "need to use starttls to login",
    ]),
    words(NeedsTls, Any, Sure, "Postfix src/smtpd/smtpd_sasl_glue.c; RFC 4954 6; RFC 5248", &[
        "encryption required for requested authentication mechanism",
        "encryption required for requested authentication", "encryption is required for requested",
    ]),
    words(NeedsTls, Login, Known, "Exim src/smtp_in.c; Sendmail srvrsmtp.c; hMailServer, MailEnable, Stalwart, Zimbra", &[
        "auth command used when not advertised", "requires tls", "tls required", "tls is required", "ssl required",
        "ssl is required", "requires ssl", "requires a secure connection", "secure connection required",
        "secure connection is required", "encryption required", "encryption is required", "requires encryption",
        "plaintext passwords are not allowed", "starttls required", "starttls first", "starttls before",
        "must use tls", "must use ssl", "authentication is only allowed over",
        "authentication not allowed on insecure", "insecure connection", "without encryption",
        "unencrypted connection", "cleartext login", "ssl/tls-connection is required", "after entering tls", "clear text passwords are not", "session is not encrypted",
    ]),
    words(AuthServerFailure, Any, Sure, "Postfix src/smtpd/smtpd_sasl_glue.c; Dovecot src/login-common", &[
        "temporary authentication failure", "temporary authentication error",
    ]),
    words(AuthServerFailure, Login, Sure, "Postfix with Dovecot's auth socket; Cyrus SASL lib/checkpw.c; QQ", &[
        "authentication failed: generic failure", "connection lost to authentication server", "can't connect to saslauthd", "cannot connect to saslauthd", "authentication failed, system busy",
    ]),
    words(AuthServerFailure, Login, Known, "Exim src/smtp_in.c; Google; Dovecot proxy; Cyrus; Courier authdaemon", &[
        "server(s) unavailable", "unable to authenticate at present", "cannot authenticate due to temporary system problem",
        "temporary problem", "temporary server error", "temporary system problem",
        "authentication service is unavailable", "authentication service unavailable", "authentication server",
        "authentication backend", "authentication temporarily unavailable", "account is temporarily unavailable",
        "temporary internal failure", "internal authentication error", "internal error", "server unavailable",
        "try again later", "temporary failure", "temporarily unavailable", "generic failure", "waiting for authentication process", "unable to connect to auth",
        "timeout while finishing login", "database error", "service temporarily unavailable", "system error",
    ]),
    words(TooManyAttempts, Any, Sure, "Google; Postfix src/smtpd/smtpd.c; fail2ban and cPanel texts; Zimbra", &[
        "too many login attempts", "too many auth commands", "too many failed login", "too many failed auth",
        "too many authentication failures", "too many failed authentication", "too many auth failures",
        "too many invalid login", "too many failed attempts", "too many authentication requests", "too many failed logins", "too many bad logins",
        "too many login failures", "too many logon attempts", "too many authentication attempts",
        "too many invalid logon", "too many failed logon", "too many bad logon", "too many unsuccessful log",
        "maximum login attempts", "login attempts exceeded", "max authentication attempts",
        "exceeded the maximum number of login", "authentication rate limit", "login rate limit hit",
        "login rate limit", "brute force", "brute-force", "account is locked", "account locked",
        "account has been locked", "account is temporarily locked", "temporarily locked", "user is locked",
        "locked out", "lockout", "auth command rate", "exceeded the login limit",
    ]),
    words(ProtocolError, Login, Sure, "Cyrus SASL lib/common.c (SASL_BADPROT), as Postfix passes it on", &[
        "authentication failed: bad protocol",
    ]),
    words(PasswordExpired, Any, Sure, "RFC 5530 3; RFC 4954 6; Dovecot passdb; Zimbra account.CHANGE_PASSWORD", &[
        "password expired", "password has expired", "password is expired", "expired password",
        "password transition is needed", "password transition needed", "must change password",
        "must change your password", "password must be changed", "need to change your password",
        "password change required", "change password", "credentials have expired",
    ]),
    words(TokenRejected, Any, Sure, "Microsoft Exchange Online IMAP; Google", &[
        "user is authenticated but not connected", "session expired, please login again", "invalid_token",
        "token expired", "token has expired", "accesstokenexpired", "invalid access token", "invalid bearer token", "invalid oauth",
        "oauth token", "sasl xoauth2", "ocf12",
    ]),
    words(AccountDisabled, Any, Sure, "Dovecot src/login-common (RFC 5248 5.7.13); Google; Zimbra; Zoho", &[
        "user account disabled", "user account is disabled", "account is disabled", "account disabled",
        "account has been disabled", "account is suspended", "account suspended", "account has been suspended",
        "user is disabled", "user disabled", "account is inactive", "account inactive", "account is blocked",
        "account has been blocked", "account blocked", "account has been deactivated", "account is deactivated",
        "account is closed", "account is not active", "mailbox is suspended", "account expired",
        "account has expired", "user is blocked", "user suspended", "sending paused for this account", // Amazon SES
    ]),
    words(AccountDisabled, Login, Sure, "generic: control panels that lock a login; Brevo", &[
        "login disabled for account", "login disabled for your account", "login disabled by", "not yet activated",
        "account is not yet active",
    ]),
    words(MechanismUnsupported, Any, Sure, "Postfix src/smtpd/smtpd_sasl_proto.c; Exim src/smtp_in.c; Exchange; Sendmail", &[
        "unrecognized authentication type", "authentication mechanism not supported",
        "unsupported authentication mechanism", "authentication mechanism is not supported",
        "invalid authentication mechanism", "unknown authentication mechanism", "unknown auth mechanism",
        "unsupported auth mechanism", "authentication mechanism unknown", "mechanism not available",
        "unrecognized authentication mechanism", "unimplemented authentication", "mechanism is not supported",
        "mechanism not supported", "unsupported sasl mechanism", "authentication type not supported",
        "auth mechanism not supported", "auth type unimplemented", "unknown sasl mechanism",
        "mechanism * not available", "mechanism * not supported", "login not supported", "login is not supported",
    ]),
    words(MechanismUnsupported, Login, Sure, "RFC 4954 6 (534 5.7.9); RFC 5804 1.3", &[
        "mechanism is too weak", "mechanism too weak",
    ]),
    words(Rejected, Login, Sure, "Brevo (525 5.7.1), JetEmail (535): the account has a list of addresses from which it may be used", &[
        "unauthorized ip", "ip not authorized", "ip address not authorized", "ip address is not authorized",
    ]),
    words(MechanismUnsupported, Login, Known, "Cyrus SASL lib/common.c (SASL_NOMECH), as Cyrus IMAP and Postfix pass it on", &[
        "no mechanism available", "no worthy mechs found",
    ]),
    words(MechanismUnsupported, Login, Known, "Dovecot src/pop3-login/client-authenticate.c", &[
        "apop not enabled", "apop is not enabled", "apop not supported", "apop is not supported",
    ]),
    words(MechanismUnsupported, Login, Known, "Postfix src/smtpd/smtpd_sasl_proto.c", &[
        "authentication not enabled", "authentication is not enabled", "auth not available",
        "authentication not available", "auth not supported", "smtp auth not enabled", "auth is not supported",
        "authentication disabled", "auth disabled", "does not support authentication",
        "authentication not supported", "authentication is disabled",
    ]),
    words(AuthRequired, Smtp, Sure, "RFC 4954 6; Postfix src/smtpd/smtpd_check.c; Google; Exchange 5.7.57; Courier; OpenSMTPD smtp_session.c; Twisted", &[
        "client not authenticated to send mail", "client was not authenticated to send anonymous mail",
        "client was not authenticated", "smtp authentication is required", "smtp authentication required",
        "smtp auth is required", "bad sequence of commands * auth required",
        "bad sequence of commands * authentication required", "must issue an auth command",
        "unauthenticated senders not allowed",
    ]),
    // The address belongs to an account, and nobody has logged in: what was missing outranks what was refused for it.
    words(AuthRequired, Smtp, Sure, "Postfix src/smtpd/smtpd_check.c (reject_unauthenticated_sender_login_mismatch)", &[
        "sender address rejected: not logged in",
    ]),
    words(AuthRequired, Smtp, Known, "RFC 4954 6; hMailServer; MailEnable; qmail smtp-auth patches; MDaemon", &[
        "authentication required", "authentication is required", "auth required", "must authenticate",
        "authenticate first", "please authenticate", "must be authenticated", "requires authentication",
        "not authenticated", "need to authenticate", "must log in", "must login first", "please log in first",
        "log in first", "login first", "authentication needed", "auth first", "you must be logged in",
        "send auth command first", "requires smtp authentication", "sender not authenticated", "smtp-auth required", "turn on smtp authentication",
    ]),
    words(CredentialsRejected, Any, Sure, "Postfix src/smtpd/smtpd_sasl_glue.c; Exim; Google", &[
        "username and password not accepted", "incorrect authentication data", "badcredentials",
        "invalid command or password",
    ]),
    words(CredentialsRejected, Login, Known, "Postfix; Dovecot; Exim; Cyrus; Courier; Exchange; Yahoo; iCloud; Zoho; sendmail", &[
        "authentication failed", "authentication failure", "authentication unsuccessful", "auth failed",
        "login failed", "login failure", "logon failure", "authenticate failed", "authentication error",
        "authorization failed", "authorization failure", "login denied", "not accepted", "bad login",
        "bad authentication", "authentication rejected", "invalid authentication", "access denied",
        "permission denied", "badlogin", "unable to log you on",
    ]).symptom(),
    words(CredentialsRejected, Login, Known, "Postfix; Dovecot; Exim; Cyrus; Courier; Exchange; Yahoo; iCloud; Zoho; sendmail", &[
        "invalid credentials", "invalid login", "invalid user", "invalid password", "invalid username",
        "bad username or password", "bad password", "wrong password", "incorrect password", "incorrect username",
        "login incorrect", "authentication credentials invalid", "credentials invalid", "user not found",
        "unknown user", "no such user", "password incorrect", "login invalid", "your password is too simple",
        "credentials rejected", "sorry, invalid", "wrong user", "user unknown", "password mismatch",
        "password supplied", "invalid account", "bad credentials", "incorrect login", "incorrect user",
        "authorization credentials",
    ]),
    words(TooManyAttempts, Login, Known, "generic: sendmail, Haraka plugins/auth, Stalwart, SmarterMail", &[
        "too many attempts", "try again in", "ip blocked", "blocked due to", "temporarily blocked", "slow down",
        "rate limit", "temporarily banned",
    ]),
    words(AuthRequired, Any, Generic, "Google 550 5.7.1", &[
        "invalid credentials for relay",
    ]),
];
