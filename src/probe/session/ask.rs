//! What a session is asked to find out, and what it found.
//!
//! Plain data: who is called, how far the session may go, and the facts afterwards. Opinions come later, from the engine for what
//! the packets show and from [`super::claims`] for what only we know.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::{Foreign, Nanos, Timestamp};
use crate::probe::ConnectError;
use crate::probe::auth::Login;
use crate::probe::tls::chain::{Identity, Judged};
use crate::probe::tls::client::{Agreed, Failure, Hello};
use crate::probe::tls::sts::Policy;
use crate::proto::Service;
use crate::proto::mail::{Dialogue, Reply};

/// Whether and how TLS is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsWanted {
    /// From the first byte.
    Implicit,
    /// STARTTLS, and nothing without it.
    Required,
    /// STARTTLS where it is offered.
    IfOffered,
    /// STARTTLS, also where it is not on offer: does the server know it all the same?
    Unoffered,
    /// None.
    None,
}

/// Where a session has to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// After the greeting (and the handshake before it on an implicit port).
    Greeting,
    /// After the first listing of capabilities.
    Capabilities,
    /// After the handshake and the listing behind it.
    Tls,
    /// As far as credentials and recipients lead.
    Work,
}

/// A transaction up to RCPT, never DATA: only with recipients that the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The sender; empty is the null sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
}

/// What to find out.
#[derive(Clone)]
pub struct Ask {
    /// The service.
    pub service: Service,
    /// TLS.
    pub tls: TlsWanted,
    /// The name for SNI.
    pub sni: Option<String>,
    /// Whom the certificate has to name.
    pub identity: Identity,
    /// A bad certificate is fatal: a mail client's service, or a policy (DANE, MTA-STS) binds the sender. Between servers TLS is
    /// opportunistic (RFC 7435), and it is a finding.
    pub strict: bool,
    /// The name in EHLO: our PTR's name, or an address literal.
    pub helo: String,
    /// The hello.
    pub hello: Hello,
    /// Where to stop.
    pub until: Until,
    /// Who logs in, if anybody.
    pub login: Option<Arc<Login>>,
    /// To whom mail would go, if asked.
    pub envelope: Option<Envelope>,
    /// What its domain publishes about how it must be spoken to.
    pub binding: Binding,
}

/// What binds senders to one server.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    /// TLSA records of its port, validated by DNSSEC.
    pub tlsa: Vec<crate::probe::tls::dane::Tlsa>,
    /// The name below which they stand, where the host is an alias of it: the certificate may name either (RFC 7672 3.2.2).
    pub base: Option<String>,
    /// The MTA-STS policy of the domain that it takes mail for.
    pub sts: Option<Arc<Policy>>,
}

impl Binding {
    /// Whether a sender does not deliver without TLS: RFC 7672 2.2, RFC 8461 5.
    pub fn demands_tls(&self) -> Option<&'static str> {
        match (&self.sts, self.tlsa.is_empty()) {
            (_, false) => Some("TLSA records"),
            (Some(policy), _) if policy.enforces() => Some("MTA-STS policy"),
            _ => None,
        }
    }
}

impl Ask {
    /// A plain look at a service: capabilities, TLS as `tls` says, nothing more.
    pub fn new(service: Service, tls: TlsWanted, to: SocketAddr) -> Ask {
        Ask {
            service,
            tls,
            sni: None,
            identity: Identity::Address(to.ip()),
            strict: !matches!(service, Service::Smtp | Service::Lmtp),
            helo: "[127.0.0.1]".to_owned(),
            hello: Hello::Current,
            until: Until::Work,
            login: None,
            envelope: None,
            binding: Binding::default(),
        }
    }
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// All that was asked for was done, and QUIT or LOGOUT was said.
    Fine,
    /// No answer to the SYN.
    NoAnswer,
    /// No connection: what the kernel said stands in `SessionOutcome::error`.
    Refused,
    /// Open, and no whole greeting came in a minute.
    NoGreeting,
    /// The server closed: RST or FIN, in that stage.
    Reset {
        /// What was last begun.
        after: Stage,
        /// FIN, not RST.
        by_fin: bool,
    },
    /// Nothing came back in time, in that stage.
    Silent {
        /// What was last begun.
        after: Stage,
    },
    /// The server refused: its reply, in that stage.
    Said {
        /// What was refused.
        after: Stage,
        /// Its words.
        words: Foreign,
    },
    /// STARTTLS is wanted and not on offer.
    NotOffered,
    /// The handshake failed.
    TlsFailed(Failure),
    /// The login was not tried: why.
    NoLogin(Untried),
    /// What answered is no mail server: its first line.
    NotMail(Foreign),
    /// We had to stop: deadline or Ctrl-C.
    GaveUp,
}

/// Why a login was not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untried {
    /// There is no TLS, and the user did not allow to go without.
    NeedsTls,
    /// The certificate does not validate for the name, and the user did not allow that.
    Unverified,
    /// It was refused before, or it is not this session's to try: why.
    Barred(&'static str),
    /// The server takes no login that this credential fits: why.
    NoWay(&'static str),
}

impl Untried {
    /// As people say it.
    pub fn says(self) -> &'static str {
        match self {
            Untried::NeedsTls => "without TLS no login is sent (--auth-plaintext allows it)",
            Untried::Unverified => {
                "the certificate does not validate for the name (--auth-unverified allows it)"
            }
            Untried::Barred(why) | Untried::NoWay(why) => why,
        }
    }
}

/// The rungs of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// TCP.
    Connect,
    /// The server's first words.
    Greeting,
    /// EHLO, CAPABILITY, CAPA.
    Capabilities,
    /// STARTTLS, STLS.
    Starttls,
    /// The handshake.
    Tls,
    /// EHLO, CAPABILITY, CAPA within TLS.
    CapabilitiesInside,
    /// The login.
    Auth,
    /// MAIL, RCPT.
    Transaction,
    /// QUIT, LOGOUT.
    Quit,
}

impl Stage {
    /// As people say it.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Connect => "connection",
            Stage::Greeting => "greeting",
            Stage::Capabilities => "capabilities",
            Stage::Starttls => "STARTTLS",
            Stage::Tls => "TLS handshake",
            Stage::CapabilitiesInside => "capabilities within TLS",
            Stage::Auth => "login",
            Stage::Transaction => "MAIL and RCPT",
            Stage::Quit => "farewell",
        }
    }
}

/// How the greeting came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeted {
    /// From the established connection to its first byte.
    pub first: Nanos,
    /// To the end of its last line.
    pub whole: Nanos,
    /// Who paused, and how.
    pub pacing: super::pacing::Pacing,
}

/// What was offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The lines, upper case.
    pub lines: Vec<String>,
    /// A keyword consists of X: a device rewrote it.
    pub masked: bool,
}

impl Capabilities {
    /// What the latest listing of a dialogue says.
    pub fn of(dialogue: &Dialogue) -> Capabilities {
        Capabilities {
            lines: dialogue
                .capabilities
                .iter()
                .map(|line| line.as_str().to_owned())
                .collect(),
            masked: dialogue
                .oddities
                .iter()
                .any(|(oddity, _)| *oddity == crate::proto::mail::Oddity::MaskedKeyword),
        }
    }

    /// Whether this keyword is among them.
    pub fn offers(&self, keyword: &str) -> bool {
        self.lines.iter().any(|line| {
            line.split([' ', '='])
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case(keyword))
        })
    }

    /// Whether TLS can be started.
    pub fn starttls(&self) -> bool {
        self.offers("STARTTLS") || self.offers("STLS")
    }

    /// Mechanisms by name: `AUTH PLAIN LOGIN`, `AUTH=PLAIN`, `SASL PLAIN`.
    pub fn mechanisms(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for line in &self.lines {
            let rest = ["AUTH=", "AUTH ", "SASL "]
                .iter()
                .find_map(|prefix| line.strip_prefix(prefix));
            for name in rest.unwrap_or_default().split([' ', '=', '"']) {
                if !name.is_empty() && !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        }
        names
    }
}

/// What TLS was.
#[derive(Clone, Debug)]
pub struct TlsSeen {
    /// Version, suite, group.
    pub agreed: Agreed,
    /// The chain as sent, DER, leaf first.
    pub sent: Vec<Vec<u8>>,
    /// When the handshake was done.
    pub at: Timestamp,
}

/// What was found out.
pub struct SessionOutcome {
    /// The server's end.
    pub to: SocketAddr,
    /// Our end, once there was one.
    pub local: Option<SocketAddr>,
    /// How it ended.
    pub end: SessionEnd,
    /// The last stage that was completed.
    pub reached: Stage,
    /// The greeting's pace.
    pub greeting: Option<Greeted>,
    /// What was offered in clear.
    pub before_tls: Option<Capabilities>,
    /// What was offered within TLS.
    pub after_tls: Option<Capabilities>,
    /// The handshake.
    pub tls: Option<TlsSeen>,
    /// What its certificates are worth.
    pub judged: Option<Judged>,
    /// The login's last reply.
    pub login: Option<LoginSeen>,
    /// A credential went over it, so that its keys are given to nobody, the engine included: what was said within TLS is
    /// known to us alone.
    pub opaque: bool,
    /// TCP had acknowledged all that was sent when the session ended in silence; not known otherwise.
    pub acknowledged: Option<bool>,
    /// In the handshake bytes of the server came.
    pub hello_answered: bool,
    /// The reply that ended the session, or the last one.
    pub last: Option<Reply>,
    /// All that was said, secrets masked.
    pub dialogue: Dialogue,
    /// What the kernel said of a connection that never was.
    pub error: Option<ConnectError>,
    /// When the session began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
}

impl SessionOutcome {
    /// Whether the server met us as we spoke: with words in clear where it begins, or with its part of a TLS handshake.
    pub fn was_understood(&self) -> bool {
        let in_tls = self.tls.is_some() || self.judged.is_some();
        let answered = match &self.end {
            SessionEnd::TlsFailed(failure) => !matches!(failure, Failure::NotTls(_)),
            SessionEnd::Said { .. } | SessionEnd::NotMail(_) => true,
            _ => false,
        };
        in_tls || answered || self.greeting.is_some()
    }
}

/// How a login went.
#[derive(Clone, Debug)]
pub struct LoginSeen {
    /// The mechanism or command, by name.
    pub way: &'static str,
    /// What the server said in the end.
    pub reply: Reply,
    /// Whether it let us in.
    pub accepted: bool,
    /// When.
    pub at: Timestamp,
    /// The JSON of an OAuth refusal (RFC 7628 3.2.2).
    pub json: Option<Foreign>,
}
