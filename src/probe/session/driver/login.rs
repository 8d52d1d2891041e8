//! The one login of a session: whether it may be, how it goes, and what follows it.

use super::{Driver, Step};
use crate::base::Timestamp;
use crate::probe::auth::Talk;
use crate::probe::session::ask::{LoginSeen, SessionEnd, Stage, Untried};
use crate::proto::mail::{Language, Reply, Status};

impl Driver {
    pub(super) fn begin_login(&mut self) {
        let Some(login) = self.ask.login.clone() else {
            return self.after_login();
        };
        if let Some(why) = self.barred {
            return self.quit(SessionEnd::NoLogin(Untried::Barred(why)));
        }
        if !self.secure && !login.plaintext_allowed() {
            return self.quit(SessionEnd::NoLogin(Untried::NeedsTls));
        }
        if self.secure && !self.trusted {
            return self.quit(SessionEnd::NoLogin(Untried::Unverified));
        }
        let offered = self.capabilities().cloned().unwrap_or_default();
        match Talk::begin(login, self.language, &offered, self.secure) {
            Ok((talk, turn)) => {
                self.talk = Some(talk);
                self.send_secret(&turn);
            }
            Err(why) => self.quit(SessionEnd::NoLogin(Untried::NoWay(why))),
        }
    }

    pub(super) fn login_answered(&mut self, reply: Reply, now: Timestamp) {
        let Some(talk) = self.talk.as_mut() else {
            return;
        };
        if let Some(turn) = talk.answer(&reply) {
            return self.send_secret(&turn);
        }
        let accepted = reply.status == Status::Positive && talk.accepts();
        self.facts.login = Some(LoginSeen {
            way: talk.way(),
            accepted,
            at: now,
            json: talk.refusal_json(),
            reply: reply.clone(),
        });
        match accepted {
            true => {
                self.facts.reached = Some(Stage::Auth);
                self.after_login();
            }
            false => self.refused(reply),
        }
    }

    pub(super) fn after_login(&mut self) {
        let smtp = matches!(self.language, Language::Smtp | Language::Lmtp);
        match (&self.ask.envelope, smtp) {
            (Some(envelope), true) if !envelope.to.is_empty() => {
                self.step = Step::Mail;
                let line = format!("MAIL FROM:<{}>", envelope.from);
                self.send(&line);
            }
            _ => self.quit(SessionEnd::Fine),
        }
    }
}
