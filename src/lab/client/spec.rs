//! What a scenario may say about its client.
//!
//! A client that names only its `service` holds one complete healthy session: look-up if asked,
//! connection, TLS as usual for the service, login where it is usual, a mail or a look into the
//! mailbox, and a polite end. Unknown keys are errors. Nothing here acts.

use crate::lab::server::spec::{Mechanism, ServiceKind, TlsVersion};
use serde::Deserialize;
use std::net::IpAddr;

/// One client of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSpec {
    /// The kind of session.
    pub service: ServiceKind,
    /// The server's name: looked up if `resolve` is there, sent as SNI, and expected in the certificate.
    #[serde(default = "default_server")]
    pub server: String,
    /// Addresses to connect to, in order; empty: what the look-up said, else the network's server.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// The port; by default the service's.
    pub port: Option<u16>,
    /// The address to connect from.
    pub source_address: Option<IpAddr>,
    /// The port to connect from.
    pub source_port: Option<u16>,
    /// Looks the server up first.
    pub resolve: Option<ResolveSpec>,
    /// Gives a connection up after this long, in milliseconds.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout_ms: u64,
    /// What to do with several addresses.
    #[serde(default)]
    pub fallback: Fallback,
    /// Gives up when an answer (greeting, reply, ServerHello) takes longer, in milliseconds.
    #[serde(default = "default_patience")]
    pub patience_ms: u64,
    /// TLS.
    #[serde(default)]
    pub tls: ClientTls,
    /// Who logs in and how; absent: nobody on SMTP and LMTP, else `user@example.net`.
    pub login: Option<Login>,
    /// The mail that SMTP, submission and LMTP send.
    #[serde(default)]
    pub mail: MailSpec,
    /// The name in EHLO or LHLO.
    #[serde(default = "default_helo")]
    pub helo: String,
    /// What it does, in place of the service's usual session.
    pub steps: Option<Vec<Step>>,
    /// A PROXY protocol (v1) line is sent first.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// Milliseconds before it begins.
    #[serde(default)]
    pub after_ms: u64,
    /// How many sessions, one after the other.
    #[serde(default = "one")]
    pub repeat: u32,
    /// Sessions held at once (each `repeat` times).
    #[serde(default = "one")]
    pub parallel: u32,
    /// Milliseconds between two sessions.
    #[serde(default)]
    pub pause_ms: u64,
    /// The receive buffer in bytes: a small window.
    pub receive_buffer: Option<u32>,
    /// An installed program in place of the embedded client.
    pub external: Option<External>,
}

impl ClientSpec {
    /// A client that holds the usual session of this service.
    pub fn usual(service: ServiceKind) -> ClientSpec {
        ClientSpec {
            service,
            server: default_server(),
            addresses: Vec::new(),
            port: None,
            source_address: None,
            source_port: None,
            resolve: None,
            connect_timeout_ms: default_connect_timeout(),
            fallback: Fallback::default(),
            patience_ms: default_patience(),
            tls: ClientTls::default(),
            login: None,
            mail: MailSpec::default(),
            helo: default_helo(),
            steps: None,
            proxy_protocol: false,
            after_ms: 0,
            repeat: 1,
            parallel: 1,
            pause_ms: 0,
            receive_buffer: None,
            external: None,
        }
    }
}

fn default_server() -> String {
    "mail.example.net".to_owned()
}

fn default_connect_timeout() -> u64 {
    10_000
}

fn default_patience() -> u64 {
    10_000
}

fn default_helo() -> String {
    "client.example.org".to_owned()
}

fn one() -> u32 {
    1
}

/// How names are looked up, as a stub resolver does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveSpec {
    /// The name; by default the client's `server`.
    pub name: Option<String>,
    /// Types, asked side by side; MX first asks for the exchangers, then for their addresses.
    #[serde(default = "default_types")]
    pub types: Vec<String>,
    /// Resolvers in order; empty: the network's.
    #[serde(default)]
    pub resolvers: Vec<IpAddr>,
    /// Milliseconds before a query is sent again.
    #[serde(default = "default_dns_timeout")]
    pub timeout_ms: u64,
    /// Transmissions per resolver.
    #[serde(default = "default_attempts")]
    pub attempts: u32,
    /// The UDP size announced by EDNS; absent: no EDNS.
    pub edns: Option<u16>,
    /// Domains to append to the name, in order, before the name itself is asked.
    #[serde(default)]
    pub search: Vec<String>,
    /// Asks over TCP when the answer is truncated.
    #[serde(default = "yes")]
    pub tcp: bool,
    /// Only looks up: no connection follows.
    #[serde(default)]
    pub only: bool,
}

fn default_types() -> Vec<String> {
    vec!["A".to_owned(), "AAAA".to_owned()]
}

fn default_dns_timeout() -> u64 {
    5_000
}

fn default_attempts() -> u32 {
    2
}

fn yes() -> bool {
    true
}

/// What to do with several addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// The next one when one failed.
    #[default]
    Next,
    /// Only the first.
    None,
    /// The next one 250 ms later, side by side; the first that answers wins (RFC 8305).
    HappyEyeballs,
}

/// The client's TLS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTls {
    /// When it starts; by default at once on implicit-TLS ports, by STARTTLS else (never on LMTP).
    pub mode: Option<TlsMode>,
    /// What it trusts.
    #[serde(default)]
    pub trust: Trust,
    /// The name in SNI and expected in the certificate, in place of `server`.
    pub name: Option<String>,
    /// Versions; empty: 1.2 and 1.3.
    #[serde(default)]
    pub versions: Vec<TlsVersion>,
    /// Cipher suites by IANA names; empty: all.
    #[serde(default)]
    pub suites: Vec<String>,
    /// Shows a certificate when asked.
    #[serde(default)]
    pub certificate: bool,
    /// Sends a hand-made ClientHello of an old version in place of a real one and waits for what comes.
    pub raw_hello: Option<RawHello>,
    /// Sends the ClientHello in two segments, this many bytes in the first.
    pub split_hello: Option<usize>,
    /// Makes the ClientHello at least this many bytes long (by long ALPN names): a post-quantum client's size.
    pub hello_size: Option<usize>,
    /// Refuses every certificate with this alert: 42 bad, 43 unsupported, 44 revoked, 45 expired, 46 unknown, 48 unknown CA.
    pub refuse_with: Option<u8>,
    /// A TLS refusal is answered as mail servers do: QUIT and close within TLS after a completed handshake.
    #[serde(default)]
    pub quit_on_bad_certificate: bool,
}

/// When TLS starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never.
    None,
    /// With the first byte.
    Implicit,
    /// By STARTTLS or STLS, offered or not.
    Starttls,
    /// By STARTTLS if it is offered, else in clear.
    IfOffered,
    /// By STARTTLS; leaves politely when it is not offered.
    Required,
}

/// What the client trusts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// The lab's root.
    #[default]
    Lab,
    /// No root at all.
    Nothing,
    /// Every certificate.
    Anything,
}

/// A hand-made ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum RawHello {
    /// SSL 2.0's own format.
    #[serde(rename = "ssl2")]
    Ssl2,
    /// SSL 3.0.
    #[serde(rename = "ssl3")]
    Ssl3,
    /// TLS 1.0 at the most.
    #[serde(rename = "1.0")]
    Tls10,
    /// TLS 1.1 at the most.
    #[serde(rename = "1.1")]
    Tls11,
}

/// Who logs in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The name.
    #[serde(default = "default_user")]
    pub user: String,
    /// The password or token.
    #[serde(default = "default_password")]
    pub password: String,
    /// The way; by default PLAIN (SMTP, Sieve), LOGIN (IMAP), USER and PASS (POP3).
    pub mechanism: Option<Mechanism>,
    /// Does not log in when the server does not offer the mechanism, but leaves politely.
    #[serde(default)]
    pub only_if_offered: bool,
}

impl Default for Login {
    fn default() -> Login {
        Login {
            user: default_user(),
            password: default_password(),
            mechanism: None,
            only_if_offered: false,
        }
    }
}

fn default_user() -> String {
    "user@example.net".to_owned()
}

fn default_password() -> String {
    "secret".to_owned()
}

/// The mail to send.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSpec {
    /// MAIL FROM.
    #[serde(default = "default_from")]
    pub from: String,
    /// RCPT TO, one each.
    #[serde(default = "default_to")]
    pub to: Vec<String>,
    /// Bytes of the body.
    #[serde(default = "default_size")]
    pub size: usize,
    /// By BDAT (RFC 3030) in place of DATA.
    #[serde(default)]
    pub bdat: bool,
    /// MAIL, RCPT and DATA in one segment (RFC 2920).
    #[serde(default)]
    pub pipelining: bool,
    /// `SIZE=` is announced in MAIL FROM.
    #[serde(default)]
    pub announce_size: bool,
}

impl Default for MailSpec {
    fn default() -> MailSpec {
        MailSpec {
            from: default_from(),
            to: default_to(),
            size: default_size(),
            bdat: false,
            pipelining: false,
            announce_size: false,
        }
    }
}

fn default_from() -> String {
    "sender@example.org".to_owned()
}

fn default_to() -> Vec<String> {
    vec!["user@example.net".to_owned()]
}

fn default_size() -> usize {
    2_000
}

/// One thing that the client does. In TOML: `"greeting"`, `{ command = "NOOP" }`, `{ pause_ms = 500 }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Waits for the greeting.
    Greeting,
    /// EHLO (LHLO), CAPABILITY, CAPA.
    Hello,
    /// HELO.
    Helo,
    /// STARTTLS or STLS, then the handshake.
    Starttls,
    /// The TLS handshake, at once.
    Tls,
    /// Logs in.
    Login,
    /// Sends the mail.
    Mail,
    /// IMAP SELECT INBOX.
    Select,
    /// IMAP FETCH of the first message, POP3 RETR 1.
    Fetch,
    /// IMAP IDLE for so many milliseconds, then DONE.
    IdleMs(u64),
    /// POP3 STAT, Sieve LISTSCRIPTS.
    List,
    /// QUIT or LOGOUT, its reply, and a close.
    Quit,
    /// A line and its reply, whatever it says.
    Command(String),
    /// Text as it stands, without CRLF and without waiting.
    Send(String),
    /// Bytes in hexadecimal, without waiting.
    SendHex(String),
    /// So many bytes of filler, in lines, without waiting.
    SendBytes(usize),
    /// Waits for one reply, whatever it says.
    Reply,
    /// Does nothing for so many milliseconds.
    PauseMs(u64),
    /// Reads slowly from here on: so many bytes every 100 ms.
    ReadSlowly(usize),
    /// Waits until the server ends the connection or patience does.
    AwaitEnd,
    /// Sends FIN and reads on.
    HalfClose,
    /// RST.
    Reset,
    /// FIN and away, without QUIT.
    Close,
}

/// An installed program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// `swaks`, `curl`, `openssl`, `fetchmail` …
    pub program: String,
    /// Arguments; `{server}`, `{port}`, `{name}` and `{roots}` (a PEM file) are filled in.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Written to its standard input.
    #[serde(default)]
    pub input: String,
    /// Ends it after so many milliseconds.
    #[serde(default = "default_external_timeout")]
    pub timeout_ms: u64,
}

fn default_external_timeout() -> u64 {
    30_000
}
