//! What a scenario may say about its servers.
//!
//! Everything has a healthy default: a service that names only its `kind` is a well-behaved
//! Postfix, Dovecot or DNS server. Unknown keys are errors, so that a slip of the pen is never a
//! fault that silently was not made. Nothing here acts.

mod dns;
mod tls;

pub use dns::{DnsAction, DnsRule, DnsSpec, DnsTransport};
pub use tls::{CertificateKind, OnHello, Staple, TlsSpec, TlsVersion};

use serde::Deserialize;
use std::net::IpAddr;

/// The servers of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSpec {
    /// The host's name, in greetings and certificates.
    #[serde(default = "default_host")]
    pub host: String,
    /// Who may log in; by default `user@example.net` with the password `secret` and the token `token`.
    #[serde(default = "default_accounts")]
    pub accounts: Vec<Account>,
    /// What listens.
    #[serde(default)]
    pub services: Vec<ServiceSpec>,
}

impl Default for ServerSpec {
    fn default() -> ServerSpec {
        ServerSpec {
            host: default_host(),
            accounts: default_accounts(),
            services: Vec::new(),
        }
    }
}

fn default_host() -> String {
    "mail.example.net".to_owned()
}

fn default_accounts() -> Vec<Account> {
    vec![Account {
        user: "user@example.net".into(),
        password: "secret".into(),
        token: "token".into(),
    }]
}

/// Somebody who may log in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
    /// The OAuth token that XOAUTH2 accepts.
    #[serde(default)]
    pub token: String,
}

/// What kind of server it is; also the kind of session that a client holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// SMTP between servers, port 25.
    Smtp,
    /// Submission with STARTTLS, port 587.
    Submission,
    /// Submission in TLS, port 465.
    Submissions,
    /// IMAP, port 143.
    Imap,
    /// IMAP in TLS, port 993.
    Imaps,
    /// POP3, port 110.
    Pop3,
    /// POP3 in TLS, port 995.
    Pop3s,
    /// ManageSieve, port 4190.
    Sieve,
    /// LMTP, port 24.
    Lmtp,
    /// DNS over UDP and TCP, port 53.
    Dns,
    /// Scripted bytes in TLS, port 443: where an MTA-STS policy is fetched (RFC 8461, 3.3).
    Https,
    /// Something else: HTTP, SSH or scripted bytes. Needs a `port`.
    Raw,
}

impl ServiceKind {
    /// Those that mail is spoken on.
    pub const MAIL: [ServiceKind; 9] = [
        ServiceKind::Smtp,
        ServiceKind::Submission,
        ServiceKind::Submissions,
        ServiceKind::Imap,
        ServiceKind::Imaps,
        ServiceKind::Pop3,
        ServiceKind::Pop3s,
        ServiceKind::Sieve,
        ServiceKind::Lmtp,
    ];

    /// The registered port; `None` for [`ServiceKind::Raw`].
    pub fn port(self) -> Option<u16> {
        Some(match self {
            ServiceKind::Smtp => 25,
            ServiceKind::Submission => 587,
            ServiceKind::Submissions => 465,
            ServiceKind::Imap => 143,
            ServiceKind::Imaps => 993,
            ServiceKind::Pop3 => 110,
            ServiceKind::Pop3s => 995,
            ServiceKind::Sieve => 4190,
            ServiceKind::Lmtp => 24,
            ServiceKind::Dns => 53,
            ServiceKind::Https => 443,
            ServiceKind::Raw => return None,
        })
    }

    /// As scenarios and reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            ServiceKind::Smtp => "smtp",
            ServiceKind::Submission => "submission",
            ServiceKind::Submissions => "submissions",
            ServiceKind::Imap => "imap",
            ServiceKind::Imaps => "imaps",
            ServiceKind::Pop3 => "pop3",
            ServiceKind::Pop3s => "pop3s",
            ServiceKind::Sieve => "sieve",
            ServiceKind::Lmtp => "lmtp",
            ServiceKind::Dns => "dns",
            ServiceKind::Https => "https",
            ServiceKind::Raw => "raw",
        }
    }

    /// Whether TLS is spoken from the first byte.
    pub fn implicit_tls(self) -> bool {
        matches!(
            self,
            ServiceKind::Submissions | ServiceKind::Imaps | ServiceKind::Pop3s | ServiceKind::Https
        )
    }
}

/// One listening service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// What it speaks.
    pub kind: ServiceKind,
    /// The port; by default the registered one.
    pub port: Option<u16>,
    /// Listens only on these of the host's addresses; empty: on all.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Whose texts it speaks.
    #[serde(default)]
    pub software: Software,
    /// How it greets.
    #[serde(default)]
    pub greeting: Greeting,
    /// EHLO keywords, IMAP/POP3/Sieve capabilities before TLS, in place of the usual ones (as sent, without `250-`).
    pub capabilities: Option<Vec<String>>,
    /// The same within TLS.
    pub capabilities_tls: Option<Vec<String>>,
    /// Whether TLS can be started.
    #[serde(default)]
    pub starttls: StartTls,
    /// Mechanisms for logging in; by default PLAIN and LOGIN (none on SMTP and LMTP).
    pub mechanisms: Option<Vec<Mechanism>>,
    /// Whether a login is accepted outside TLS.
    #[serde(default)]
    pub cleartext_login: bool,
    /// Whether everything but EHLO, NOOP, QUIT, STARTTLS is refused outside TLS ("Must issue a STARTTLS command first").
    #[serde(default)]
    pub requires_tls: bool,
    /// Whether mail is taken only after a login; by default on submission(s).
    pub requires_login: Option<bool>,
    /// Replies that differ from the healthy ones; the first rule that fits counts.
    #[serde(default)]
    pub replies: Vec<ReplyRule>,
    /// Ends a silent connection after this many milliseconds, with the software's words; by default 300,000.
    pub idle_timeout_ms: Option<u64>,
    /// More connections at once than this are turned away with the software's words (Courier: closed without one).
    pub max_connections: Option<usize>,
    /// What happens to a new connection.
    #[serde(default)]
    pub accept: Accept,
    /// Ends the connection once the server has sent this many bytes (before TLS counts as well).
    pub cut: Option<Cut>,
    /// Closes with RST in place of FIN, at every end.
    #[serde(default)]
    pub reset_on_close: bool,
    /// The listen queue's length; small ones overflow when `accept = "never"`.
    pub backlog: Option<u32>,
    /// Waits for a PROXY protocol header before anything else and refuses a client without one.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// How TLS is spoken.
    #[serde(default)]
    pub tls: TlsSpec,
    /// What a DNS server knows and how it misbehaves.
    #[serde(default)]
    pub dns: DnsSpec,
    /// What a `raw` or `https` service says.
    #[serde(default)]
    pub raw: RawSpec,
    /// Message bodies in the mailbox, in bytes each (FETCH, RETR); by default one of 2,000.
    #[serde(default = "default_messages")]
    pub messages: Vec<usize>,
}

fn default_messages() -> Vec<usize> {
    vec![2_000]
}

/// Whose wording the server uses; the behaviour is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Software {
    /// Postfix for SMTP, Dovecot for the rest.
    #[default]
    Usual,
    /// Postfix.
    Postfix,
    /// Exim.
    Exim,
    /// Microsoft Exchange.
    Exchange,
    /// Gmail.
    Gmail,
    /// Sendmail.
    Sendmail,
    /// Dovecot (also its submission service).
    Dovecot,
    /// Cyrus.
    Cyrus,
    /// Courier.
    Courier,
}

/// How the server greets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Greeting {
    /// The lines, verbatim and without CRLF, in place of the software's own.
    pub lines: Option<Vec<String>>,
    /// Silence before it, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// Said at once, before the delay: postscreen's `220-` line.
    pub teaser: Option<String>,
    /// Milliseconds between single characters: a tarpit.
    #[serde(default)]
    pub pace_ms: u64,
    /// Never greets; reads on and says nothing.
    #[serde(default)]
    pub silent: bool,
    /// What follows the greeting.
    #[serde(default)]
    pub then: Then,
}

/// Whether TLS can be started on a plaintext port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartTls {
    /// Offered and done.
    #[default]
    Offered,
    /// Offered, then refused (454, NO, -ERR).
    Refused,
    /// Neither offered nor known.
    Absent,
}

/// A way of logging in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// The undocumented two-step one.
    Login,
    /// Google's and Microsoft's bearer token; a refusal comes as JSON in a continuation first.
    Xoauth2,
    /// RFC 7628.
    Oauthbearer,
    /// IMAP LOGIN, POP3 USER and PASS: the protocol's own command, no SASL.
    Command,
    /// POP3 APOP (RFC 1939); not offered by servers here, refused when tried.
    Apop,
    /// RFC 2195; offered when listed, every attempt with it fails.
    CramMd5,
    /// Kerberos; offered when listed, every attempt with it fails.
    Gssapi,
}

/// A reply that differs from the healthy one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyRule {
    /// What it answers: the beginning of a command, without regard to case (`RCPT`, `RCPT TO:<a@`, `LOGIN`,
    /// `AUTHENTICATE`), without an IMAP tag. `.` is the end of the message after DATA, `+` a client's answer to
    /// a continuation of AUTH.
    pub on: String,
    /// Only the n-th such command of the connection, from 1; by default every one.
    pub nth: Option<u32>,
    /// Only on the n-th connection to this service, from 1.
    pub connection: Option<u32>,
    /// Only within (`true`) or outside (`false`) TLS.
    pub tls: Option<bool>,
    /// The lines, verbatim and without CRLF; `{tag}` is the command's IMAP tag. Absent: the healthy reply, or
    /// none if something other than `continue` follows; empty: none.
    pub reply: Option<Vec<String>>,
    /// Silence before it, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// What follows.
    #[serde(default)]
    pub then: Then,
}

/// What follows a reply or greeting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// The dialogue goes on.
    #[default]
    Continue,
    /// FIN.
    Close,
    /// RST.
    Reset,
    /// Reads on and never answers again.
    Stall,
    /// Never reads again: the window closes.
    StopReading,
}

/// What happens to a new connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accept {
    /// It is served.
    #[default]
    Serve,
    /// FIN at once.
    Close,
    /// RST at once.
    Reset,
    /// Nobody takes it out of the listen queue.
    Never,
    /// Nothing is read and nothing said: the window closes.
    StopReading,
}

/// An end in the middle.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Bytes that the server sends before.
    pub after_bytes: u64,
    /// What happens then.
    pub then: Then,
}

/// What a `raw` service says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSpec {
    /// The profile; `script` uses the fields below.
    #[serde(default)]
    pub profile: RawProfile,
    /// Sent at once.
    #[serde(default)]
    pub greeting: String,
    /// Sent for every read of the client's bytes.
    #[serde(default)]
    pub answer: String,
    /// What follows the first answer.
    #[serde(default)]
    pub then: Then,
}

/// What a `raw` service pretends to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RawProfile {
    /// The scripted bytes.
    #[default]
    Script,
    /// An HTTP server: silent until it is spoken to, then `400 Bad Request`.
    Http,
    /// An SSH server: `SSH-2.0-…`.
    Ssh,
    /// Reads everything, says nothing.
    Sink,
}
