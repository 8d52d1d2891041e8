//! Lines that are to be sent: as each language wants them, and what may be remembered of those that hold a secret.

use zeroize::Zeroizing;

use super::{Driver, Step};
use crate::probe::auth::Turn;
use crate::proto::mail::Language;

/// A line that is to be sent.
pub(super) struct Outgoing {
    /// What the decoder may see of it.
    pub(super) shown: Vec<u8>,
    /// The line itself, where that differs.
    pub(super) secret: Option<Zeroizing<Vec<u8>>>,
    /// Where in it the credential begins.
    pub(super) secret_at: usize,
}

impl Driver {
    pub(super) fn ask_hello(&mut self, step: Step) {
        self.step = step;
        let line = match self.language {
            Language::Smtp => format!("EHLO {}", self.ask.helo),
            Language::Lmtp => format!("LHLO {}", self.ask.helo),
            Language::Pop3 => "CAPA".to_owned(),
            Language::Imap | Language::Sieve => "CAPABILITY".to_owned(),
        };
        self.send(&line);
    }

    /// A command without a secret.
    pub(super) fn send(&mut self, line: &str) {
        let line = self.tagged(line.as_bytes());
        self.outgoing = Some(Outgoing {
            shown: line.to_vec(),
            secret: None,
            secret_at: 0,
        });
    }

    /// A line of a login: `shown` has its shape and none of its secret.
    pub(super) fn send_secret(&mut self, turn: &Turn) {
        let (line, shown) = match turn.is_command {
            true => (self.tagged(&turn.line), self.shown_tagged(&turn.shown)),
            false => {
                let mut line = Zeroizing::new(turn.line.to_vec());
                line.extend_from_slice(b"\r\n");
                let mut shown = turn.shown.clone().into_bytes();
                shown.extend_from_slice(b"\r\n");
                (line, shown)
            }
        };
        // Behind an IMAP tag it stands further right.
        let tag = line
            .len()
            .saturating_sub(turn.line.len())
            .saturating_sub(b"\r\n".len());
        self.outgoing = Some(Outgoing {
            shown,
            secret: Some(line),
            secret_at: turn.secret_at.saturating_add(tag),
        });
    }

    pub(super) fn tagged(&mut self, line: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(line.len().saturating_add(16)));
        if self.language == Language::Imap {
            self.tag = self.tag.saturating_add(1);
            out.extend_from_slice(format!("a{} ", self.tag).as_bytes());
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
        out
    }

    /// The same tag again, for what the decoder sees.
    pub(super) fn shown_tagged(&self, shown: &str) -> Vec<u8> {
        match self.language {
            Language::Imap => format!("a{} {shown}\r\n", self.tag).into_bytes(),
            _ => format!("{shown}\r\n").into_bytes(),
        }
    }
}
