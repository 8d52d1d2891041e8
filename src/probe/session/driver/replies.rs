//! What follows from what the server said: greeting, capabilities, STARTTLS, MAIL and RCPT, and no further than the ask goes.

use super::{Driver, Step};
use crate::base::{Foreign, Timestamp};
use crate::probe::session::ask::{
    Capabilities, Envelope, Greeted, SessionEnd, Stage, TlsSeen, TlsWanted, Until,
};
use crate::probe::session::pacing::Pace;
use crate::proto::mail::{Language, Oddity, Reply, Status};

impl Driver {
    pub(super) fn not_mail(&mut self) {
        let line = self
            .heard
            .split(|byte| matches!(byte, b'\r' | b'\n'))
            .find(|line| !line.is_empty())
            .unwrap_or_default();
        self.over(SessionEnd::NotMail(Foreign::bounded(line, 120)));
    }

    pub(super) fn greeting(&mut self, now: Timestamp) {
        let dialogue = self.decoder.dialogue();
        if !dialogue.greeted {
            let strange = |kinds: &[Oddity]| {
                dialogue
                    .oddities
                    .iter()
                    .any(|(oddity, _)| kinds.contains(oddity))
            };
            if strange(&[Oddity::Http, Oddity::Ssh]) {
                return self.not_mail();
            }
            if strange(&[Oddity::NotMail]) && self.strange_since.is_none() {
                self.strange_since = Some(now);
                self.waiting = now;
            }
            return;
        }
        let whole = now.since(self.waiting_since_open());
        self.facts.greeting = Some(Greeted {
            first: self.pace.first().unwrap_or(whole),
            whole,
            pacing: self.pace.pacing(now),
        });
        let other = dialogue
            .oddities
            .iter()
            .any(|(oddity, _)| *oddity == Oddity::OtherMailProtocol);
        let reply = dialogue
            .exchanges
            .iter()
            .filter_map(|exchange| exchange.reply.as_ref())
            .find(|reply| reply.status != Status::Garbage)
            .cloned();
        self.seen_unasked();
        self.facts.last.clone_from(&reply);
        match reply {
            Some(reply) if reply.status != Status::Positive => return self.refused(reply),
            _ => {}
        }
        self.facts.reached = Some(Stage::Greeting);
        if other {
            // Another mail protocol than was called for: nothing of ours fits it.
            return self.not_mail();
        }
        if self.ask.until == Until::Greeting {
            return self.quit(SessionEnd::Fine);
        }
        match self.language {
            Language::Sieve => {
                self.note_capabilities();
                self.after_hello();
            }
            _ => self.ask_hello(Step::Hello),
        }
    }

    pub(super) fn waiting_since_open(&self) -> Timestamp {
        self.pace.opened().unwrap_or(self.waiting)
    }

    pub(super) fn note_capabilities(&mut self) {
        let seen = Capabilities::of(self.decoder.dialogue());
        match self.secure {
            true => {
                self.facts.after_tls = Some(seen);
                self.facts.reached = Some(Stage::CapabilitiesInside);
            }
            false => {
                self.facts.before_tls = Some(seen);
                self.facts.reached = Some(Stage::Capabilities);
            }
        }
    }

    pub(super) fn capabilities(&self) -> Option<&Capabilities> {
        match self.secure {
            true => self.facts.after_tls.as_ref(),
            false => self.facts.before_tls.as_ref(),
        }
    }

    pub(super) fn answered(&mut self, reply: Reply, now: Timestamp) {
        let good = reply.status == Status::Positive;
        match self.step {
            Step::Hello | Step::HelloAgain => {
                let smtp = matches!(self.language, Language::Smtp);
                let unknown = matches!(reply.code, Some(500..=504));
                // RFC 5321 3.2: a server that does not know EHLO is greeted with HELO.
                if smtp && unknown && !good && reply.status != Status::Bye {
                    self.note_capabilities();
                    self.step = Step::OldHello;
                    let line = format!("HELO {}", self.ask.helo);
                    return self.send(&line);
                }
                // IMAP and POP3 servers may lack the command; SMTP cannot go on.
                if !good && matches!(self.language, Language::Smtp | Language::Lmtp)
                    || reply.status == Status::Bye
                {
                    return self.refused(reply);
                }
                self.note_capabilities();
                self.after_hello();
            }
            Step::OldHello => match good {
                true => self.after_hello(),
                false => self.refused(reply),
            },
            Step::Starttls => match good {
                true => {
                    self.facts.reached = Some(Stage::Starttls);
                    self.step = Step::Shake;
                    self.waiting = now;
                }
                false => self.refused(reply),
            },
            Step::Login => self.login_answered(reply, now),
            Step::Mail => match (good, self.ask.envelope.clone()) {
                (true, Some(envelope)) => self.rcpt(&envelope.to, 0),
                _ => self.refused(reply),
            },
            Step::Rcpt(index) => {
                let all = self.ask.envelope.clone().unwrap_or_else(|| Envelope {
                    from: String::new(),
                    to: Vec::new(),
                });
                let more = index.saturating_add(1) < all.to.len();
                match (good, more) {
                    (_, true) if reply.status != Status::Bye => {
                        self.rcpt(&all.to, index.saturating_add(1));
                    }
                    (true, _) => {
                        self.facts.reached = Some(Stage::Transaction);
                        self.quit(SessionEnd::Fine);
                    }
                    (false, _) => self.refused(reply),
                }
            }
            _ => {}
        }
    }

    pub(super) fn rcpt(&mut self, to: &[String], index: usize) {
        self.step = Step::Rcpt(index);
        let address = to.get(index).cloned().unwrap_or_default();
        self.send(&format!("RCPT TO:<{address}>"));
    }

    /// The server said no: QUIT where it still listens, and its words are the end.
    pub(super) fn refused(&mut self, reply: Reply) {
        let after = self.stage();
        let bye = reply.status == Status::Bye
            || self.decoder.dialogue().goodbye.is_some() && after != Stage::Quit;
        let end = SessionEnd::Said {
            after,
            words: reply.line.clone(),
        };
        self.facts.last = Some(reply);
        match bye {
            true => self.over(end),
            false => self.quit(end),
        }
    }

    pub(super) fn quit(&mut self, end: SessionEnd) {
        self.end.get_or_insert(end);
        self.step = Step::Quit;
        let word = match self.language {
            Language::Imap | Language::Sieve => "LOGOUT",
            _ => "QUIT",
        };
        self.send(word);
    }

    /// After a listing: STARTTLS, a login, a transaction, or goodbye.
    pub(super) fn after_hello(&mut self) {
        let offered = self.capabilities().is_some_and(Capabilities::starttls);
        let wants = match self.ask.tls {
            TlsWanted::Required | TlsWanted::Unoffered => true,
            TlsWanted::IfOffered => offered,
            TlsWanted::Implicit | TlsWanted::None => false,
        };
        if wants && !self.secure && self.ask.until > Until::Capabilities {
            if !offered && self.ask.tls != TlsWanted::Unoffered {
                return self.quit(SessionEnd::NotOffered);
            }
            self.step = Step::Starttls;
            return self.send(match self.language {
                Language::Pop3 => "STLS",
                _ => "STARTTLS",
            });
        }
        if self.ask.until < Until::Work {
            return self.quit(SessionEnd::Fine);
        }
        if self.ask.login.is_some() && self.facts.login.is_none() {
            self.step = Step::Login;
            return;
        }
        self.after_login();
    }

    pub(super) fn secured(&mut self, seen: TlsSeen, now: Timestamp) {
        self.facts.tls = Some(seen);
        self.facts.reached = Some(Stage::Tls);
        self.secure = true;
        self.waiting = now;
        self.heard.clear();
        if self.ask.tls == TlsWanted::Implicit {
            self.pace = Pace::new(now);
            self.step = Step::Greeting;
            return;
        }
        self.decoder.resume_clear();
        match self.language {
            Language::Sieve => self.step = Step::SieveAgain,
            // RFC 3207 4.2: what was learnt in clear is forgotten and asked again.
            _ => self.ask_hello(Step::HelloAgain),
        }
    }
}
