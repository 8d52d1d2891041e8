//! Holds one session: opens the connection, moves the driver's bytes, and lets nobody log in who should not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::ask::{Ask, SessionEnd, SessionOutcome, Stage, TlsSeen, TlsWanted};
use super::driver::{Driver, Event, GREETING, Next};
use super::wire::{Got, Patience, Wire};
use crate::base::Timestamp;
use crate::probe::auth::Turnstile;
use crate::probe::inside::Inside;
use crate::probe::options::StageName;
use crate::probe::tls::chain::{Identity, Judged};
use crate::probe::tls::client::{Wish, agreed, client};
use crate::probe::{Connect, ConnectError, Context, Role};
use crate::proto::mail::Dialogue;

/// The longest wait for a greeting.
const GREETS: Duration = Duration::from_nanos(GREETING.unsigned_abs());

/// Speaks to one server address, from SYN to QUIT.
pub async fn hold(
    context: &Context,
    ask: &Ask,
    to: SocketAddr,
    role: Role,
    how: Connect,
) -> SessionOutcome {
    let started = context.now();
    let opened = match context.connect(to, role, how).await {
        Ok(opened) => opened,
        // The kernel says so of a handshake that was done: the reset came before anybody looked (tcp(7)).
        Err(ConnectError::Reset) => {
            let after = match ask.tls {
                TlsWanted::Implicit => Stage::Tls,
                _ => Stage::Greeting,
            };
            return SessionOutcome {
                end: SessionEnd::Reset {
                    after,
                    by_fin: false,
                },
                error: None,
                ..never_opened(context, to, started, ConnectError::Reset)
            };
        }
        Err(error) => return never_opened(context, to, started, error),
    };
    let local = opened.local;
    let mut holder = Holder {
        context,
        ask: Arc::new(ask.clone()),
        to,
        role,
        driver: Driver::new(Arc::new(ask.clone()), context.now()),
        wire: Wire::told(opened),
        judged: None,
        logged_in: false,
        handover: None,
    };
    holder.run().await;
    let Holder {
        mut driver,
        wire,
        judged,
        logged_in,
        ..
    } = holder;
    // What carried a credential is never to be read, by nobody.
    if let Some(tls) = wire.tls()
        && !logged_in
    {
        context.secrets(&tls.secrets.lines());
    }
    let end = driver.end().cloned().unwrap_or(SessionEnd::GaveUp);
    let acknowledged = matches!(end, SessionEnd::Silent { .. }).then(|| wire.is_acknowledged());
    let hello_answered = wire.hello_answered();
    match driver.then() {
        Next::Hold => context.hold(wire.into_stream()),
        _ => wire.close().await,
    }
    let dialogue = driver.dialogue().clone();
    SessionOutcome {
        to,
        acknowledged,
        hello_answered,
        local: Some(local),
        end,
        reached: driver.facts.reached.unwrap_or(Stage::Connect),
        greeting: driver.facts.greeting,
        before_tls: driver.facts.before_tls.take(),
        after_tls: driver.facts.after_tls.take(),
        tls: driver.facts.tls.take(),
        judged,
        login: driver.facts.login.take(),
        opaque: logged_in,
        last: driver.facts.last.take(),
        dialogue,
        error: None,
        started,
        ended: context.now(),
    }
}

fn never_opened(
    context: &Context,
    to: SocketAddr,
    started: Timestamp,
    error: ConnectError,
) -> SessionOutcome {
    let end = match error {
        ConnectError::Timeout if context.is_cancelled() => SessionEnd::GaveUp,
        ConnectError::Timeout => SessionEnd::NoAnswer,
        _ => SessionEnd::Refused,
    };
    SessionOutcome {
        to,
        local: None,
        end,
        reached: Stage::Connect,
        greeting: None,
        before_tls: None,
        after_tls: None,
        tls: None,
        judged: None,
        login: None,
        opaque: false,
        acknowledged: None,
        hello_answered: false,
        last: None,
        dialogue: Dialogue::default(),
        error: Some(error),
        started,
        ended: context.now(),
    }
}

/// Where a session of our own is left, and its connection handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// Before the ClientHello.
    Handshake,
    /// Before the first command, or the ClientHello of a port that begins with TLS.
    Begin,
    /// Before the command of that stage, also within TLS.
    Before(Stage),
}

/// A connection that was handed over.
pub struct Handed {
    /// The bare connection.
    pub stream: TcpStream,
    /// What both sides' packets say of it.
    pub inside: Inside,
    /// What the session would have written next, as it would have left; empty before a ClientHello.
    pub next: Vec<u8>,
    /// How long the handshake of TCP took.
    pub took: Duration,
}

/// Goes so far and hands the connection over: for hellos of our own, and for probes within it.
pub async fn up_to(
    context: &Context,
    ask: &Ask,
    to: SocketAddr,
    role: Role,
    how: Connect,
    handover: Handover,
) -> Option<Handed> {
    let (opened, packets) = context.connect_followed(to, role, how).await.ok()?;
    let ask = Arc::new(ask.clone());
    let mut holder = Holder {
        context,
        driver: Driver::new(ask.clone(), context.now()),
        ask,
        to,
        role,
        wire: Wire::new(opened.stream).keeping(),
        judged: None,
        logged_in: false,
        handover: Some(handover),
    };
    holder.run().await;
    let next = match holder.driver.then() {
        Next::Handshake { .. } => Vec::new(),
        Next::Write {
            bytes,
            secret: None,
        } if holder.hands_over() => bytes.to_vec(),
        _ => {
            holder.wire.close().await;
            return None;
        }
    };
    let (stream, next, said) = holder.wire.handed(&next).ok()?;
    Some(Handed {
        stream,
        inside: Inside::new(opened.local, to, packets, said),
        next,
        took: opened.took,
    })
}

/// The outcome of a session that was left because both ends wait for the other.
pub fn left_waiting(context: &Context, to: SocketAddr) -> SessionOutcome {
    SessionOutcome {
        end: SessionEnd::NoGreeting,
        error: None,
        ..never_opened(context, to, context.now(), ConnectError::Timeout)
    }
}

struct Holder<'a> {
    context: &'a Context,
    ask: Arc<Ask>,
    to: SocketAddr,
    role: Role,
    driver: Driver,
    wire: Wire,
    judged: Option<Judged>,
    logged_in: bool,
    handover: Option<Handover>,
}

impl Holder<'_> {
    /// Whether what is next is left to whoever takes the connection.
    fn hands_over(&mut self) -> bool {
        let stage = self.driver.stage();
        match self.handover {
            None => false,
            Some(Handover::Before(wanted)) => stage == wanted,
            Some(_) if self.wire.tls().is_some() => false,
            Some(Handover::Handshake) => stage == Stage::Tls,
            Some(Handover::Begin) => true,
        }
    }

    async fn run(&mut self) {
        let mut turn = None;
        loop {
            if self.driver.wants_login() {
                turn = Some(self.context.turnstile().turn.lock().await);
                self.before_login();
            }
            match self.driver.then() {
                Next::Close | Next::Hold => break,
                Next::Handshake { .. } | Next::Write { .. } if self.hands_over() => break,
                Next::Write { bytes, secret } => {
                    if let Some(from) = secret {
                        self.logged_in = true;
                        // Within TLS nobody sees it, and no copy is kept to look for.
                        if self.wire.tls().is_none() {
                            self.context.conceal(&bytes, from);
                        }
                    }
                    self.context.spend(self.to.ip(), 1).await;
                    let failed = self.wire.write(&bytes).await;
                    let now = self.context.now();
                    match failed {
                        None => self.driver.on(Event::Written, now),
                        Some(got) => self.ended(got),
                    }
                }
                Next::Read { until } => {
                    let got = self.read(until).await;
                    match got {
                        Got::Bytes(bytes) => {
                            self.driver.on(Event::Bytes(&bytes), self.context.now());
                        }
                        other => self.ended(other),
                    }
                    if self.driver.facts.login.is_some() && turn.is_some() {
                        self.after_login();
                        turn = None;
                    }
                }
                Next::Handshake { until } => self.handshake(until).await,
            }
        }
    }

    async fn read(&mut self, until: Timestamp) -> Got {
        if self.driver.stage() != Stage::Greeting {
            return self
                .wire
                .read(self.context, until, Patience::Deadline)
                .await;
        }
        let waiting = format!("waiting for the greeting of {}", self.to);
        self.context.progress(StageName::Mail, &waiting);
        // Who gives less time than a greeting may take (RFC 5321 4.5.3.2.1) means it; else the last moments of it are granted.
        let ends = match self.context.options().deadline < GREETS {
            true => Patience::Deadline,
            false => Patience::User,
        };
        let patience = self.context.patience();
        let got = self.wire.read(self.context, until, ends).await;
        drop(patience);
        got
    }

    fn ended(&mut self, got: Got) {
        let now = self.context.now();
        self.driver.on(
            match got {
                Got::Bytes(_) | Got::Silence => Event::Silence,
                Got::Closed => Event::Closed,
                Got::Reset => Event::Reset,
                Got::Stop => Event::Stop,
                Got::Broken(failure) => Event::Failed(failure),
            },
            now,
        );
    }

    async fn handshake(&mut self, until: Timestamp) {
        let shaking = format!("TLS with {}", self.to);
        self.context.progress(StageName::Tls, &shaking);
        self.context.spend(self.to.ip(), 3).await;
        let wish = Wish {
            name: self.ask.sni.clone(),
            address: self.to.ip(),
            hello: self.ask.hello,
        };
        let client = match client(&wish) {
            Ok(client) => client,
            Err(why) => {
                let failure = crate::probe::tls::client::Failure::Misbehaved(why);
                return self.driver.on(Event::Failed(failure), self.context.now());
            }
        };
        let recorder = client.recorder.clone();
        let done = self.wire.handshake(self.context, client, until).await;
        let now = self.context.now();
        let roots = self.context.roots();
        self.judged = recorder.judged(&roots.der, &self.ask.identity, now);
        match done {
            Err(got) => self.ended(got),
            Ok(()) => {
                let agreed = self.wire.tls().and_then(|tls| agreed(&tls.connection));
                let Some(agreed) = agreed else {
                    return self.ended(Got::Silence);
                };
                let sent = recorder.chain().unwrap_or_default();
                self.driver.on(
                    Event::Secured(TlsSeen {
                        agreed,
                        sent,
                        at: now,
                    }),
                    now,
                );
            }
        }
    }

    /// A login is next: is it allowed?
    fn before_login(&mut self) {
        let Some(login) = self.ask.login.clone() else {
            return;
        };
        if self.role != Role::Target {
            return self.driver.bar("only the session that is judged logs in");
        }
        let named = matches!(self.ask.identity, Identity::Name(_) | Identity::Address(_));
        let valid = self.judged.as_ref().is_some_and(Judged::validates) && named;
        if valid || login.unverified_allowed() {
            self.driver.trust();
        }
        let may = self.wire.tls().map_or(login.plaintext_allowed(), |_| {
            valid || login.unverified_allowed()
        });
        if !may {
            return; // the driver says why
        }
        let account = self.account(login.user());
        let now = self.context.now();
        if let Some(why) = self.context.turnstile().bars(&account, self.to, now) {
            self.driver.bar(why);
        }
    }

    fn account(&self, user: &str) -> String {
        let server = match &self.ask.identity {
            Identity::Name(name) => name.clone(),
            _ => self.to.ip().to_string(),
        };
        Turnstile::account(user, &server)
    }

    /// A login was answered: a refusal is remembered.
    fn after_login(&mut self) {
        let Some(seen) = &self.driver.facts.login else {
            return;
        };
        use crate::proto::mail::Status;
        let refused = !seen.accepted && !matches!(seen.reply.status, Status::Transient);
        if refused && let Some(login) = &self.ask.login {
            let account = self.account(login.user());
            if let Some(trouble) = self.context.turnstile().refused(&account, seen.at) {
                self.context
                    .progress(StageName::Auth, &format!("not remembered: {trouble}"));
            }
        }
    }
}
