//! How a greeting is paced, and what such a pace is known for.
//!
//! A server that takes its time is no server without TLS and no broken one: greet delays, postscreen and tarpits pause on purpose
//! (field B14). TCP has acknowledged at once in all of them, or there would be no connection; the application pauses. Pure:
//! arrival times in, a name out. What the numbers do not show it calls by no name.

use crate::base::{MILLISECOND, Nanos, SECOND, Timestamp};

/// How it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacing {
    /// At once.
    Prompt,
    /// After one pause before the first byte.
    Delayed,
    /// After a pause of one or more resolver timeouts (5 s each): a reverse look-up that nobody answers.
    DelayedByLookup,
    /// First `220-`, then a pause, then the rest: postscreen's teaser (Postfix postscreen_greet_banner; 6 s, 2 s under stress).
    Teaser,
    /// In drops of a few bytes with pauses between them: a tarpit (OpenBSD spamd: a byte a second).
    Dripped,
}

impl Pacing {
    /// As people say it; empty when there is nothing to say.
    pub fn says(self) -> &'static str {
        match self {
            Pacing::Prompt => "",
            Pacing::Delayed => "the server pauses before its first word (greet delay)",
            Pacing::DelayedByLookup => {
                "the pause is a multiple of 5 s, as a reverse look-up takes that nobody answers"
            }
            Pacing::Teaser => {
                "220- first, then a pause: postscreen, or a server that waits for early talkers"
            }
            Pacing::Dripped => "byte after byte with pauses: a tarpit",
        }
    }
}

/// Arrivals kept: a dripped greeting needs no more to be known as one.
const KEPT: usize = 64;
/// A pause worth the name.
const PAUSE: Nanos = 500 * MILLISECOND;

/// Watches a greeting come.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    opened: Option<Timestamp>,
    arrivals: Vec<(Timestamp, usize)>,
    start: Vec<u8>,
}

impl Pace {
    /// From the established connection on.
    pub fn new(opened: Timestamp) -> Pace {
        Pace {
            opened: Some(opened),
            ..Pace::default()
        }
    }

    /// When the connection was established.
    pub fn opened(&self) -> Option<Timestamp> {
        self.opened
    }

    /// Bytes came.
    pub fn heard(&mut self, at: Timestamp, bytes: &[u8]) {
        if self.arrivals.len() < KEPT {
            self.arrivals.push((at, bytes.len()));
        }
        let room = 4usize.saturating_sub(self.start.len());
        self.start.extend(bytes.iter().take(room));
    }

    /// From the connection to the first byte, once there was one.
    pub fn first(&self) -> Option<Nanos> {
        let (at, _) = self.arrivals.first()?;
        Some(at.since(self.opened?))
    }

    /// What it was, with the last line complete at `done`.
    pub fn pacing(&self, done: Timestamp) -> Pacing {
        let gaps = self
            .arrivals
            .iter()
            .zip(self.arrivals.iter().skip(1))
            .filter(|((before, _), (after, _))| after.since(*before) >= PAUSE / 2)
            .count();
        let small = self.arrivals.iter().filter(|(_, len)| *len <= 4).count();
        if gaps >= 4 && small.saturating_mul(2) >= self.arrivals.len() {
            return Pacing::Dripped;
        }
        let Some((first, _)) = self.arrivals.first() else {
            return Pacing::Prompt;
        };
        if self.start == b"220-" && done.since(*first) >= PAUSE {
            return Pacing::Teaser;
        }
        let wait = self.first().unwrap_or(0);
        if wait < PAUSE {
            return Pacing::Prompt;
        }
        let beyond = wait.rem_euclid(5 * SECOND);
        let multiple = !(PAUSE / 2..=5 * SECOND - PAUSE / 2).contains(&beyond);
        match wait >= 5 * SECOND - PAUSE / 2 && multiple {
            true => Pacing::DelayedByLookup,
            false => Pacing::Delayed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(arrivals: &[(i64, &[u8])]) -> Pacing {
        let at = |ms: i64| Timestamp(ms * MILLISECOND);
        let mut pace = Pace::new(at(0));
        let mut last = 0;
        for (ms, bytes) in arrivals {
            pace.heard(at(*ms), bytes);
            last = *ms;
        }
        pace.pacing(at(last))
    }

    #[test]
    fn paces_are_told_apart() {
        assert_eq!(pace(&[(20, b"220 mx ESMTP\r\n")]), Pacing::Prompt);
        assert_eq!(pace(&[(12_000, b"220 mx ESMTP\r\n")]), Pacing::Delayed);
        assert_eq!(
            pace(&[(10_040, b"220 mx ESMTP\r\n")]),
            Pacing::DelayedByLookup
        );
        assert_eq!(
            pace(&[(20, b"220-mx ESMTP\r\n"), (6_030, b"220 mx ESMTP\r\n")]),
            Pacing::Teaser
        );
        let drops: Vec<(i64, &[u8])> = (0..14).map(|n| (1_000 * (n + 1), &b"2"[..])).collect();
        assert_eq!(pace(&drops), Pacing::Dripped);
        // Two segments of a long greeting are no pace.
        assert_eq!(
            pace(&[(20, b"220-mx ESMTP\r\n"), (25, b"220 welcome\r\n")]),
            Pacing::Prompt
        );
    }
}
