//! What a connection was for, as far as it is in view: a mail to somebody, or somebody's mailbox.
//!
//! Exists because a server that sends a refused mail again sends others to the same host meanwhile, and behind one address of an office or
//! a webmail several users log in: what worked for another one is no retry that succeeded. Numbers are kept, no names. It refuses to
//! tell two apart of which one is not in view (TLS, a gap): those may be the same.

use std::hash::BuildHasher as _;
use std::num::NonZeroU32;

use crate::base::Few;
use crate::proto::mail::{Dialogue, Exchange, Status, Verb};

/// Errands of one connection that are told apart; of more nothing is known.
const MOST: usize = 16;

/// The bits of an errand that say what it is.
const KIND: u32 = 7;

/// Whom something was for: its lowest bits say what it is, the others are its name's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Errand(NonZeroU32);

/// What it is: a user's login, a recipient's or a sender's mail.
#[derive(Clone, Copy)]
enum Kind {
    User,
    Recipient,
    Sender,
}

impl Errand {
    fn of(kind: Kind, name: &str) -> Errand {
        let name = name.to_ascii_lowercase();
        // Seeded alike in every run, so that a report is the same each time; of 500 million names two may share a number.
        let hash = foldhash::fast::FixedState::with_seed(0).hash_one(name);
        let kind = match kind {
            Kind::User => NonZeroU32::MIN,
            Kind::Recipient => NonZeroU32::MIN | 2,
            Kind::Sender => NonZeroU32::MIN | 4,
        };
        Errand(kind | hash as u32 & !KIND)
    }

    fn kind(self) -> u32 {
        self.0.get() & KIND
    }
}

/// The errands of a connection.
pub(super) struct Errands<'a> {
    /// What was said, where all of it is in view.
    dialogue: Option<&'a Dialogue>,
    /// It did its work: of its recipients those count that were accepted.
    works: bool,
}

impl<'a> Errands<'a> {
    /// Of what was said in a connection.
    pub(super) fn of(dialogue: Option<&'a Dialogue>, works: bool) -> Errands<'a> {
        let whole = |one: &&Dialogue| one.gaps == 0 && one.omitted == 0;
        Errands {
            dialogue: dialogue.filter(whole),
            works,
        }
    }

    /// What a connection failed of doing: of several recipients the last that was refused.
    pub(super) fn wanted(&self) -> Option<Errand> {
        let dialogue = self.dialogue?;
        let refused = |exchange: &&Exchange| {
            let reply = exchange.reply.as_ref();
            reply.is_some_and(|reply| !is_positive(reply.status))
        };
        let asked = |verb: Verb| {
            let exchanges = dialogue.exchanges.iter().rev();
            exchanges.filter(move |exchange| {
                let command = exchange.command.as_ref();
                command.is_some_and(|command| command.verb == verb)
            })
        };
        let recipient = asked(Verb::Rcpt)
            .find(refused)
            .or_else(|| asked(Verb::Rcpt).next());
        if let Some(recipient) = recipient {
            return errand(recipient);
        }
        if let Some(sender) = asked(Verb::Mail).next() {
            return errand(sender);
        }
        user(dialogue).filter(|_| dialogue.authenticated.is_none())
    }

    /// All that it was for; `None` where that is not in view, or too much.
    fn all(&self) -> Option<Few<Errand, MOST>> {
        let dialogue = self.dialogue?;
        let mut all = Few::new();
        if let Some(user) = user(dialogue) {
            all.push(user);
        }
        for exchange in &dialogue.exchanges {
            let accepted = || {
                let reply = exchange.reply.as_ref();
                reply.is_some_and(|reply| is_positive(reply.status))
            };
            let Some(errand) = errand(exchange).filter(|_| !self.works || accepted()) else {
                continue;
            };
            if !all.contains(&errand) && all.try_push(errand).is_err() {
                return None;
            }
        }
        Some(all).filter(|all| !all.is_empty())
    }

    /// Whether one of its errands is the first for which `found` finds something.
    pub(super) fn find<T>(&self, found: impl FnMut(Errand) -> Option<T>) -> Option<T> {
        self.all()?.iter().copied().find_map(found)
    }

    /// Whether it was for others alone: something of that kind is in view, and it is none of it.
    pub(super) fn differ(&self, known: Errand) -> bool {
        self.all().is_some_and(|all| {
            let kin = |one: &&Errand| one.kind() == known.kind();
            all.iter().any(|one| kin(&one)) && !all.contains(&known)
        })
    }
}

fn is_positive(status: Status) -> bool {
    status == Status::Positive
}

/// Who logs in. Clients try a name with and without its domain.
fn user(dialogue: &Dialogue) -> Option<Errand> {
    let user = dialogue.user.as_ref()?.as_str();
    let bare = user.rsplit('\\').next().unwrap_or(user);
    let bare = bare.split('@').next().unwrap_or(bare);
    (!bare.is_empty()).then(|| Errand::of(Kind::User, bare))
}

/// Whose mail a command is about (RFC 5321 4.1.1.2, 4.1.1.3). The sender of a bounce is nobody.
fn errand(exchange: &Exchange) -> Option<Errand> {
    let command = exchange.command.as_ref()?;
    let kind = match command.verb {
        Verb::Mail => Kind::Sender,
        Verb::Rcpt => Kind::Recipient,
        _ => return None,
    };
    let (_, path) = command.text.as_str().split_once(':')?;
    let path = path.trim_start();
    let address = match path.strip_prefix('<') {
        Some(path) => path.split('>').next()?,
        None => path.split(' ').next()?,
    };
    (!address.is_empty()).then(|| Errand::of(kind, address))
}
