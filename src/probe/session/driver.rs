//! One mail session as a state machine: what is said next, given what was said so far and the time.
//!
//! It exists so that SMTP, LMTP, IMAP, POP3 and ManageSieve are walked in the same way, and the same way in tests as on
//! the wire: it holds no socket and reads no clock. It reads with the decoders of a replay ([`crate::proto::mail`]), so
//! that both understand a reply alike. What it refuses, whatever the server offers: a byte before the last line of the greeting,
//! pipelining, VRFY, EXPN, DATA, a second login, and any word after a 421 or another goodbye.

mod lines;
mod login;
mod replies;

use std::sync::Arc;

use zeroize::Zeroizing;

use self::lines::Outgoing;
use super::ask::{Ask, Capabilities, Greeted, LoginSeen, SessionEnd, Stage, TlsSeen, TlsWanted};
use super::pacing::Pace;
use crate::base::{FrameRef, Mark, Nanos, SECOND, Side, SourceId, Timestamp};
use crate::probe::auth::Talk;
use crate::probe::tls::client::Failure;
use crate::proto::Service;
use crate::proto::mail::{Decoder, Dialogue, Language, Reply, Status};

/// How long a greeting is waited for (longer than any other wait: greet delays of 30 s exist, and the field says 60).
pub const GREETING: Nanos = 60 * SECOND;
/// How long a reply is waited for: the clock of silence.
pub const REPLY: Nanos = 30 * SECOND;
/// How long the words after QUIT are waited for; nobody owes them to us.
const FAREWELL: Nanos = 3 * SECOND;
/// How long a ServerHello is waited for: the clock of silence.
pub const SERVER_HELLO: Nanos = 15 * SECOND;
/// After a first line that is no greeting, one is waited for this long.
const STRANGE: Nanos = 3 * SECOND;

/// What the caller has to do next.
pub enum Next {
    /// Read until something comes, or `until` is over.
    Read {
        /// Then it is silence.
        until: Timestamp,
    },
    /// Send these bytes, in one write. `shown` is what may be remembered of them.
    Write {
        /// The bytes, wiped afterwards.
        bytes: Zeroizing<Vec<u8>>,
        /// A line of a login, and where in it the credential begins: from there to the end of the line it must not reach a
        /// recording.
        secret: Option<usize>,
    },
    /// Shake hands for TLS; `until` bounds the wait for the server's first answer.
    Handshake {
        /// Then it is silence.
        until: Timestamp,
    },
    /// The session is over: close with FIN.
    Close,
    /// The session is over, and nobody closes it before the recording ends.
    Hold,
}

/// What happened.
pub enum Event<'a> {
    /// Bytes of the server, in clear or from within TLS.
    Bytes(&'a [u8]),
    /// All bytes of the last `Write` are with the kernel.
    Written,
    /// Nothing came in time.
    Silence,
    /// FIN.
    Closed,
    /// RST.
    Reset,
    /// TLS is up.
    Secured(TlsSeen),
    /// It is not.
    Failed(Failure),
    /// The run ends.
    Stop,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Begin,
    Shake,
    Greeting,
    Hello,
    OldHello,
    Starttls,
    SieveAgain,
    HelloAgain,
    Login,
    Mail,
    Rcpt(usize),
    Quit,
    Over,
}

/// The session.
pub struct Driver {
    ask: Arc<Ask>,
    decoder: Decoder,
    language: Language,
    step: Step,
    outgoing: Option<Outgoing>,
    /// Since when the server owes an answer.
    waiting: Timestamp,
    tag: u32,
    heard: Vec<u8>,
    unasked: usize,
    pace: Pace,
    strange_since: Option<Timestamp>,
    secure: bool,
    talk: Option<Talk>,
    /// Whether the certificate allows a login; set by the caller with [`Driver::trust`].
    trusted: bool,
    /// The verdict of the turnstile, asked right before the login: `Some` forbids it.
    barred: Option<&'static str>,
    end: Option<SessionEnd>,
    /// Given up while a greeting was waited for.
    greeting_due: bool,
    /// The facts so far.
    pub facts: Facts,
}

/// What was learnt on the way.
#[derive(Default)]
pub struct Facts {
    /// The last stage completed.
    pub reached: Option<Stage>,
    /// The greeting's pace.
    pub greeting: Option<Greeted>,
    /// Offered in clear.
    pub before_tls: Option<Capabilities>,
    /// Offered within TLS.
    pub after_tls: Option<Capabilities>,
    /// The handshake.
    pub tls: Option<TlsSeen>,
    /// The login.
    pub login: Option<LoginSeen>,
    /// The latest reply.
    pub last: Option<Reply>,
}

fn language(service: Service) -> Language {
    match service {
        Service::Imap | Service::Imaps => Language::Imap,
        Service::Pop3 | Service::Pop3s => Language::Pop3,
        Service::Sieve => Language::Sieve,
        Service::Lmtp => Language::Lmtp,
        _ => Language::Smtp,
    }
}

fn mark(time: Timestamp) -> Mark {
    Mark {
        frame: FrameRef::new(SourceId(0), 0),
        time,
    }
}

impl Driver {
    /// A session whose connection was established at `opened`.
    pub fn new(ask: Arc<Ask>, opened: Timestamp) -> Driver {
        let language = language(ask.service);
        let step = match ask.tls {
            TlsWanted::Implicit => Step::Shake,
            _ => Step::Begin,
        };
        Driver {
            ask,
            decoder: Decoder::new(language),
            language,
            step,
            outgoing: None,
            waiting: opened,
            tag: 0,
            heard: Vec::new(),
            unasked: 0,
            pace: Pace::new(opened),
            strange_since: None,
            secure: false,
            talk: None,
            trusted: false,
            barred: None,
            end: None,
            greeting_due: false,
            facts: Facts::default(),
        }
    }

    /// What was said so far.
    pub fn dialogue(&self) -> &Dialogue {
        self.decoder.dialogue()
    }

    /// How it ended, once it did.
    pub fn end(&self) -> Option<&SessionEnd> {
        self.end.as_ref()
    }

    /// What is under way.
    pub fn stage(&self) -> Stage {
        match self.step {
            Step::Begin | Step::Greeting => Stage::Greeting,
            Step::Shake => Stage::Tls,
            Step::Hello | Step::OldHello if self.secure => Stage::CapabilitiesInside,
            Step::Hello | Step::OldHello => Stage::Capabilities,
            Step::Starttls => Stage::Starttls,
            Step::SieveAgain | Step::HelloAgain => Stage::CapabilitiesInside,
            Step::Login => Stage::Auth,
            Step::Mail | Step::Rcpt(_) => Stage::Transaction,
            Step::Quit | Step::Over => Stage::Quit,
        }
    }

    /// The certificate validates for the name that the user typed, or the user waived it: a login may follow.
    pub fn trust(&mut self) {
        self.trusted = true;
    }

    /// A login must not follow, and why.
    pub fn bar(&mut self, why: &'static str) {
        self.barred = Some(why);
    }

    /// Whether the next thing would be a login; asked before it is begun, so that the caller can wait for its turn.
    pub fn wants_login(&self) -> bool {
        self.step == Step::Login && self.talk.is_none() && self.end.is_none()
    }

    /// What to do next. Asks nothing of anybody; call it again after each event.
    pub fn then(&mut self) -> Next {
        if let Some(outgoing) = &mut self.outgoing {
            return match outgoing.secret.take() {
                Some(bytes) => Next::Write {
                    bytes,
                    secret: Some(outgoing.secret_at),
                },
                None => Next::Write {
                    bytes: Zeroizing::new(outgoing.shown.clone()),
                    secret: None,
                },
            };
        }
        if self.step == Step::Login && self.talk.is_none() && self.end.is_none() {
            self.begin_login();
            return self.then();
        }
        match self.step {
            Step::Begin => {
                self.step = Step::Greeting;
                self.then()
            }
            Step::Over => match self.end {
                Some(SessionEnd::GaveUp) if self.greeting_due => Next::Hold,
                _ => Next::Close,
            },
            Step::Shake => Next::Handshake {
                until: self.waiting.plus(SERVER_HELLO),
            },
            step => {
                let patience = match step {
                    Step::Greeting if self.strange_since.is_some() => STRANGE,
                    Step::Greeting => GREETING,
                    Step::Quit => FAREWELL,
                    Step::SieveAgain => 5 * SECOND,
                    _ => REPLY,
                };
                Next::Read {
                    until: self.waiting.plus(patience),
                }
            }
        }
    }

    /// Something happened.
    pub fn on(&mut self, event: Event<'_>, now: Timestamp) {
        match event {
            Event::Written => {
                if let Some(outgoing) = self.outgoing.take() {
                    self.decoder.data(Side::Client, mark(now), &outgoing.shown);
                    self.heard.clear();
                    self.waiting = now;
                }
            }
            Event::Bytes(bytes) => self.bytes(bytes, now),
            Event::Silence => self.silence(now),
            Event::Closed => self.gone(true),
            Event::Reset => self.gone(false),
            Event::Secured(seen) => self.secured(seen, now),
            Event::Failed(failure) => self.over(SessionEnd::TlsFailed(failure)),
            Event::Stop => {
                self.greeting_due = matches!(self.step, Step::Begin | Step::Greeting);
                self.over(SessionEnd::GaveUp);
            }
        }
    }

    fn over(&mut self, end: SessionEnd) {
        self.end.get_or_insert(end);
        self.step = Step::Over;
        self.outgoing = None;
    }

    /// The server closed or reset.
    fn gone(&mut self, by_fin: bool) {
        let after = self.stage();
        match self.step {
            // After QUIT nothing is owed (verdicts.md, Done).
            Step::Quit => self.over(SessionEnd::Fine),
            _ => self.over(SessionEnd::Reset { after, by_fin }),
        }
    }

    fn silence(&mut self, now: Timestamp) {
        match self.step {
            Step::Greeting if self.strange_since.is_some() => self.not_mail(),
            Step::Greeting => self.over(SessionEnd::NoGreeting),
            Step::Quit => self.over(SessionEnd::Fine),
            // RFC 5804 2.2 wants the capabilities unasked; who forgets them is asked.
            Step::SieveAgain => self.ask_hello(Step::HelloAgain),
            _ => {
                let after = self.stage();
                self.over(SessionEnd::Silent { after });
            }
        }
        self.waiting = now;
    }

    fn bytes(&mut self, bytes: &[u8], now: Timestamp) {
        if self.step == Step::Greeting {
            self.pace.heard(now, bytes);
            // A drop a second is slow, not silent; but not for ever.
            if self.strange_since.is_none() && self.pace.first().is_some_and(|at| at < 2 * GREETING)
            {
                self.waiting = now;
            }
        }
        let room = 65_536usize.saturating_sub(self.heard.len());
        self.heard.extend(bytes.iter().take(room));
        self.decoder.data(Side::Server, mark(now), bytes);
        self.advance(now);
    }

    /// The reply to the command sent last, once it is complete.
    fn reply(&self) -> Option<Reply> {
        let dialogue = self.decoder.dialogue();
        let exchange = dialogue
            .exchanges
            .iter()
            .rev()
            .find(|exchange| exchange.command.is_some())?;
        exchange.reply.clone()
    }

    /// Words that nothing asked for, since the last look: a goodbye, or Sieve's capabilities after TLS.
    fn unasked(&self) -> Option<Reply> {
        let dialogue = self.decoder.dialogue();
        let alone = || {
            dialogue
                .exchanges
                .iter()
                .filter(|exchange| exchange.command.is_none())
        };
        match alone().count() > self.unasked {
            true => alone()
                .next_back()
                .and_then(|exchange| exchange.reply.clone()),
            false => None,
        }
    }

    fn seen_unasked(&mut self) {
        let dialogue = self.decoder.dialogue();
        self.unasked = dialogue
            .exchanges
            .iter()
            .filter(|exchange| exchange.command.is_none())
            .count();
    }

    fn advance(&mut self, now: Timestamp) {
        match self.step {
            Step::Begin | Step::Greeting => self.greeting(now),
            Step::Over | Step::Shake => {}
            Step::Quit => {
                if self.reply().is_some() || self.decoder.dialogue().goodbye.is_some() {
                    self.over(SessionEnd::Fine);
                }
            }
            Step::SieveAgain => {
                if let Some(reply) = self.unasked() {
                    self.seen_unasked();
                    match reply.status {
                        Status::Positive => self.ask_hello(Step::HelloAgain),
                        _ => self.refused(reply),
                    }
                }
            }
            _ => {
                // 421, BYE or a last -ERR, whatever was asked: stop with this server.
                if let Some(reply) = self.unasked() {
                    self.seen_unasked();
                    if self.decoder.dialogue().goodbye.is_some() {
                        return self.refused(reply);
                    }
                }
                let listing = self.language == Language::Pop3
                    && matches!(self.step, Step::Hello | Step::HelloAgain)
                    && self.heard.starts_with(b"+OK")
                    && !self.heard.ends_with(b"\n.\r\n")
                    && !self.heard.ends_with(b"\n.\n");
                if listing {
                    return;
                }
                if let Some(reply) = self.reply() {
                    self.facts.last = Some(reply.clone());
                    self.answered(reply, now);
                }
            }
        }
    }
}
