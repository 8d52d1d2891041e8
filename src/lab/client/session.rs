//! One session: the steps of a scenario, or those of a usual session, one after the other.
//!
//! A step that is refused ends the session politely; one that nobody answers ends it with FIN, as
//! programs do that lose patience.

use super::dialect::{Dialect, Reply, Sense};
use super::spec::{ClientSpec, MailSpec, RawHello, Step, TlsMode};
use super::{Network, SessionOutcome, connect, login, raw_hello, tls};
use crate::lab::server::channel::{Channel, End};
use crate::lab::server::spec::{ServiceKind, Then};
use crate::lab::server::tls::from_hex;
use rustls::Connection;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Holds one session and tells what happened.
pub fn hold(
    spec: &ClientSpec,
    targets: &[SocketAddr],
    port: Option<u16>,
    network: &Network<'_>,
) -> SessionOutcome {
    let mut outcome = SessionOutcome {
        reached: "connect".into(),
        ..SessionOutcome::default()
    };
    let socket = match connect::connect(spec, targets, port, &network.stop, &mut outcome.tried) {
        Ok(socket) => socket,
        Err(error) => {
            outcome.error = Some(error);
            return outcome;
        }
    };
    let patience = Duration::from_millis(spec.patience_ms);
    let channel = match Channel::new(socket, network.stop.clone(), patience) {
        Ok(channel) => channel,
        Err(error) => {
            outcome.error = Some(error.to_string());
            return outcome;
        }
    };
    (outcome.local, outcome.peer) = (channel.local(), channel.peer());
    let dialect = Dialect::of(spec.service);
    let mut dialogue = Dialogue {
        spec,
        network,
        dialect,
        channel,
        capabilities: Vec::new(),
        outcome,
        tag: 0,
        multi: false,
    };
    let end = dialogue.all_steps();
    dialogue.end(end)
}

/// A session under way.
#[derive(Debug)]
pub struct Dialogue<'a> {
    /// What the scenario says.
    pub spec: &'a ClientSpec,
    network: &'a Network<'a>,
    /// The protocol.
    pub dialect: Dialect,
    channel: Channel,
    /// The lines of the last reply to EHLO, CAPABILITY, CAPA, or Sieve's greeting.
    pub capabilities: Vec<String>,
    outcome: SessionOutcome,
    tag: u32,
    multi: bool,
}

impl Dialogue<'_> {
    fn all_steps(&mut self) -> Result<(), End> {
        if self.spec.proxy_protocol {
            self.proxy_header()?;
        }
        let steps = self
            .spec
            .steps
            .clone()
            .unwrap_or_else(|| usual_steps(self.spec));
        for step in &steps {
            self.outcome.reached = name(step);
            self.step(step)?;
        }
        Ok(())
    }

    fn end(mut self, end: Result<(), End>) -> SessionOutcome {
        let secure = self.channel.is_secure();
        match end {
            Ok(()) | Err(End::Done) => self.channel.close(),
            Err(End::Scripted(Then::Reset)) => self.channel.reset(),
            Err(End::Scripted(_)) => self.channel.hang_up(),
            Err(end) => {
                self.outcome.error = Some(end.to_string());
                if matches!(end, End::Refused(_)) && self.dialect != Dialect::Raw {
                    let _ = self.command(self.dialect.quit(), false);
                    self.channel.close();
                } else if secure && matches!(end, End::Tls(_)) {
                    // The alert has been sent; close_notify after it would be out of place.
                    self.channel.without_close_notify();
                    self.channel.hang_up();
                } else {
                    self.channel.hang_up();
                }
            }
        }
        self.outcome
    }

    fn step(&mut self, step: &Step) -> Result<(), End> {
        match step {
            Step::Greeting => {
                let reply = self.read_reply("", false)?;
                if self.dialect == Dialect::Sieve {
                    self.capabilities.clone_from(&reply.lines);
                }
                good(reply)
            }
            Step::Hello => self.hello(),
            Step::Helo => {
                let reply = self.command(&format!("HELO {}", self.spec.helo), false)?;
                good(reply)
            }
            Step::Starttls => self.starttls(),
            Step::Tls => self.handshake(),
            Step::Login => {
                let login = self.spec.login.clone().unwrap_or_default();
                login::login(self, &login)
            }
            Step::Mail => self.mail(&self.spec.mail),
            Step::Select => {
                let reply = self.command("SELECT INBOX", false)?;
                good(reply)
            }
            Step::Fetch => {
                let text = if self.dialect == Dialect::Pop3 {
                    "RETR 1"
                } else {
                    "FETCH 1 BODY.PEEK[]"
                };
                let reply = self.command(text, true)?;
                good(reply)
            }
            Step::List => {
                let text = if self.dialect == Dialect::Pop3 {
                    "STAT"
                } else {
                    "LISTSCRIPTS"
                };
                let reply = self.command(text, false)?;
                good(reply)
            }
            Step::IdleMs(ms) => self.idle(*ms),
            Step::Quit => {
                self.command(self.dialect.quit(), false)?;
                Err(End::Done)
            }
            Step::Command(text) => self
                .command(text, text.eq_ignore_ascii_case("CAPA"))
                .map(drop),
            Step::Send(text) => {
                self.outcome.note(format!("C: {text}"));
                self.channel.send(text.as_bytes())
            }
            Step::SendHex(text) => self.channel.send(&from_hex(text)),
            Step::SendBytes(count) => self.body(*count),
            Step::Reply => self.same_reply().map(drop),
            Step::PauseMs(ms) => match self.network.stop.pass(Duration::from_millis(*ms)) {
                true => Ok(()),
                false => Err(End::Stopped),
            },
            Step::ReadSlowly(bytes) => {
                self.channel.read_slowly(*bytes);
                Ok(())
            }
            Step::AwaitEnd => match self
                .channel
                .discard(Duration::from_millis(self.spec.patience_ms))
            {
                End::Closed => Ok(()),
                end => Err(end),
            },
            Step::HalfClose => {
                self.channel.half_close();
                Ok(())
            }
            Step::Reset => Err(End::Scripted(Then::Reset)),
            Step::Close => Err(End::Scripted(Then::Close)),
        }
    }

    /// Sends a command and reads its reply; `multi` for POP3 replies that end with a dot.
    pub fn command(&mut self, text: &str, multi: bool) -> Result<Reply, End> {
        self.tag = self.tag.saturating_add(1);
        let line = if self.dialect == Dialect::Imap {
            format!("a{} {text}", self.tag)
        } else {
            text.to_owned()
        };
        self.line(&line)?;
        self.multi = multi;
        self.same_reply()
    }

    /// Sends a line.
    pub fn line(&mut self, line: &str) -> Result<(), End> {
        self.outcome.note(format!("C: {line}"));
        self.channel.send(format!("{line}\r\n").as_bytes())
    }

    /// Reads another reply to the command sent last.
    pub fn same_reply(&mut self) -> Result<Reply, End> {
        let tag = if self.tag == 0 {
            String::new()
        } else {
            format!("a{}", self.tag)
        };
        self.read_reply(&tag, self.multi)
    }

    fn read_reply(&mut self, tag: &str, multi: bool) -> Result<Reply, End> {
        let outcome = &mut self.outcome;
        self.dialect.reply(&mut self.channel, tag, multi, |line| {
            outcome.note(format!("S: {}", line.get(..200).unwrap_or(line)));
        })
    }

    fn hello(&mut self) -> Result<(), End> {
        let text = match self.dialect {
            Dialect::Smtp => format!("EHLO {}", self.spec.helo),
            Dialect::Lmtp => format!("LHLO {}", self.spec.helo),
            Dialect::Pop3 => "CAPA".to_owned(),
            _ => "CAPABILITY".to_owned(),
        };
        let reply = self.command(&text, true)?;
        self.capabilities.clone_from(&reply.lines);
        // POP3 servers may lack CAPA, and IMAP's greeting says it as well: only SMTP cannot go on.
        match self.dialect {
            Dialect::Smtp | Dialect::Lmtp => good(reply),
            _ => Ok(()),
        }
    }

    fn starttls(&mut self) -> Result<(), End> {
        let word = self.dialect.starttls();
        let offered = self
            .capabilities
            .iter()
            .any(|line| line.to_ascii_uppercase().contains(word));
        match self.spec.tls.mode {
            Some(TlsMode::IfOffered) if !offered => return Ok(()),
            Some(TlsMode::Required) if !offered => {
                return Err(End::Refused(
                    "the server does not offer STARTTLS".to_owned(),
                ));
            }
            _ => {}
        }
        let reply = self.command(word, false)?;
        good(reply)?;
        self.handshake()?;
        if self.dialect == Dialect::Sieve {
            let reply = self.read_reply("", false)?;
            self.capabilities.clone_from(&reply.lines);
            return good(reply);
        }
        Ok(())
    }

    fn handshake(&mut self) -> Result<(), End> {
        if let Some(version) = self.spec.tls.raw_hello {
            return self.raw_hello(version);
        }
        let (mut connection, judge) = tls::connection(self.spec, self.network).map_err(End::Io)?;
        if let Some(first) = self.spec.tls.split_hello {
            let mut hello = Vec::new();
            connection
                .write_tls(&mut hello)
                .map_err(|error| End::Io(error.to_string()))?;
            let (head, tail) = hello.split_at(first.min(hello.len()));
            self.channel.write_raw(head)?;
            self.channel.write_raw(tail)?;
        }
        let outcome = self.channel.start_tls(Connection::Client(connection));
        let dislike = judge.dislike();
        match (outcome, dislike) {
            (Ok(()), Some(dislike)) => Err(End::Refused(format!("TLS: {dislike}"))),
            (Ok(()), None) => {
                let version = self.channel.tls().and_then(|tls| tls.protocol_version());
                self.outcome.note(format!("TLS: {version:?}"));
                Ok(())
            }
            (Err(End::Tls(_)), Some(dislike)) => Err(End::Tls(dislike)),
            (Err(end), _) => Err(end),
        }
    }

    fn raw_hello(&mut self, version: RawHello) -> Result<(), End> {
        self.channel
            .write_raw(&raw_hello::bytes(version, &self.spec.server))?;
        let mut buffer = [0; 4096];
        let deadline = Instant::now() + Duration::from_millis(self.spec.patience_ms);
        let count = self.channel.read_raw(&mut buffer, deadline)?;
        Err(End::Tls(raw_hello::describe(
            buffer.get(..count).unwrap_or_default(),
        )))
    }

    fn mail(&mut self, mail: &MailSpec) -> Result<(), End> {
        let size = if mail.announce_size {
            format!(" SIZE={}", mail.size)
        } else {
            String::new()
        };
        let mut commands = vec![format!("MAIL FROM:<{}>{size}", mail.from)];
        commands.extend(mail.to.iter().map(|to| format!("RCPT TO:<{to}>")));
        let mut accepted = 0usize;
        let mut refusal = None;
        if mail.pipelining {
            let mut all = commands.clone();
            if !mail.bdat {
                all.push("DATA".to_owned());
            }
            all.iter()
                .for_each(|line| self.outcome.note(format!("C: {line}")));
            self.channel.send((all.join("\r\n") + "\r\n").as_bytes())?;
        }
        for (index, command) in commands.iter().enumerate() {
            let reply = if mail.pipelining {
                self.same_reply()?
            } else {
                self.command(command, false)?
            };
            match (reply.sense, index) {
                (Sense::Good, 0) => {}
                (Sense::Good, _) => accepted = accepted.saturating_add(1),
                (_, 0) if !mail.pipelining => return good(reply),
                _ => refusal = refusal.or(Some(reply)),
            }
        }
        let refused = |reply: Option<Reply>| match reply {
            Some(reply) => Err(End::Refused(reply.text())),
            None => Ok(()),
        };
        if accepted == 0 && !mail.pipelining {
            return refused(refusal);
        }
        if mail.bdat {
            self.line(&format!("BDAT {} LAST", mail.size.max(2)))?;
            self.body(mail.size)?;
        } else {
            let reply = if mail.pipelining {
                self.same_reply()?
            } else {
                self.command("DATA", false)?
            };
            if reply.sense != Sense::Continue {
                return refused(refusal.or(Some(reply)));
            }
            self.body(mail.size)?;
            self.line(".")?;
        }
        let mut last = self.same_reply()?;
        if self.dialect == Dialect::Lmtp {
            for _ in 1..accepted {
                last = self.same_reply()?;
            }
        }
        good(last)
    }

    /// A message of exactly so many bytes (at least 2), in lines of 72 at the most.
    fn body(&mut self, size: usize) -> Result<(), End> {
        let line = format!("{}\r\n", "x".repeat(70));
        let mut left = size.max(2);
        let mut piece = String::new();
        while left > 0 {
            if left >= line.len().saturating_add(2) {
                piece.push_str(&line);
                left = left.saturating_sub(line.len());
            } else {
                piece.push_str(&"x".repeat(left.saturating_sub(2)));
                piece.push_str("\r\n");
                left = 0;
            }
            if piece.len() > 16_000 || left == 0 {
                self.channel.send(piece.as_bytes())?;
                piece.clear();
            }
        }
        Ok(())
    }

    fn idle(&mut self, ms: u64) -> Result<(), End> {
        let reply = self.command("IDLE", false)?;
        if reply.sense != Sense::Continue {
            return Err(End::Refused(reply.text()));
        }
        self.channel.set_patience(Duration::from_millis(ms));
        let deadline = Instant::now() + Duration::from_millis(ms);
        while Instant::now() < deadline {
            match self.channel.line() {
                Ok(line) => self.outcome.note(format!("S: {line}")),
                Err(End::Patience) => break,
                Err(end) => return Err(end),
            }
        }
        self.channel
            .set_patience(Duration::from_millis(self.spec.patience_ms));
        self.line("DONE")?;
        let reply = self.same_reply()?;
        good(reply)
    }

    fn proxy_header(&mut self) -> Result<(), End> {
        let (Some(local), Some(peer)) = (self.channel.local(), self.channel.peer()) else {
            return Ok(());
        };
        let family = if peer.is_ipv4() { "TCP4" } else { "TCP6" };
        self.line(&format!(
            "PROXY {family} {} {} {} {}",
            local.ip(),
            peer.ip(),
            local.port(),
            peer.port()
        ))
    }
}

fn good(reply: Reply) -> Result<(), End> {
    if reply.sense == Sense::Good {
        Ok(())
    } else {
        Err(End::Refused(reply.text()))
    }
}

/// A step's name as scenarios write it.
fn name(step: &Step) -> String {
    let mut name = String::new();
    for c in format!("{step:?}").chars().take_while(|c| *c != '(') {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// What a client of this service usually does.
fn usual_steps(spec: &ClientSpec) -> Vec<Step> {
    let usual_mode = match spec.service {
        kind if kind.implicit_tls() => TlsMode::Implicit,
        ServiceKind::Lmtp | ServiceKind::Raw | ServiceKind::Dns => TlsMode::None,
        _ => TlsMode::Starttls,
    };
    let mode = spec.tls.mode.unwrap_or(usual_mode);
    let dialect = Dialect::of(spec.service);
    let mut steps = Vec::new();
    if mode == TlsMode::Implicit {
        steps.push(Step::Tls);
    }
    steps.push(Step::Greeting);
    if dialect == Dialect::Raw {
        steps.push(Step::AwaitEnd);
        return steps;
    }
    if dialect != Dialect::Sieve {
        steps.push(Step::Hello);
    }
    if matches!(
        mode,
        TlsMode::Starttls | TlsMode::IfOffered | TlsMode::Required
    ) {
        steps.push(Step::Starttls);
        if dialect != Dialect::Sieve {
            steps.push(Step::Hello);
        }
    }
    if spec.login.is_some() || !matches!(spec.service, ServiceKind::Smtp | ServiceKind::Lmtp) {
        steps.push(Step::Login);
    }
    match dialect {
        Dialect::Smtp | Dialect::Lmtp => steps.push(Step::Mail),
        Dialect::Imap => steps.extend([Step::Select, Step::Fetch]),
        Dialect::Pop3 => steps.extend([Step::List, Step::Fetch]),
        Dialect::Sieve => steps.push(Step::List),
        Dialect::Raw => {}
    }
    steps.push(Step::Quit);
    steps
}
