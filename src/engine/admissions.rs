//! Who was let in at a port of a server beside the capture, and when: by connections that are over, since of others nobody knows yet
//! how often they asked.
//!
//! A full queue keeps everybody out, a rule of the server's own firewall the client that it names: what tells the two apart is whether others
//! were let in meanwhile. It keeps a few minutes, and judges nothing.

use std::net::IpAddr;

use crate::base::{Few, Mark, Nanos, SECOND, Timestamp};

/// Answers no further apart than this count once.
const ONCE: Nanos = 2 * SECOND;
/// So many are kept: as long as a SYN may wait to be judged.
const ANSWERS: usize = 128;
/// Who had to ask again so near to another's silence shares its fate.
const NEAR: Nanos = 60 * SECOND;

/// What tells clients from each other: an address of IPv4, four bytes made of one of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guest(u32);

impl Guest {
    pub(super) fn of(client: IpAddr) -> Guest {
        match client {
            IpAddr::V4(address) => Guest(address.to_bits()),
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                Guest((bits ^ bits >> 32 ^ bits >> 64 ^ bits >> 96) as u32)
            }
        }
    }
}

/// Those of one port.
#[derive(Debug, Default)]
pub(super) struct Admissions {
    answers: Few<(Mark, Guest), ANSWERS>,
    /// The latest two clients that had to send a SYN again, and when.
    ignored: [Option<(Guest, Timestamp)>; 2],
}

impl Admissions {
    /// The first SYN of that client was answered: it was let in without having to ask again.
    pub(super) fn answered(&mut self, client: Guest, mark: Mark) {
        let near = |(told, _): &(Mark, Guest)| mark.time.since(told.time).abs() < ONCE;
        if !self.answers.iter().any(near) {
            self.answers.push_last((mark, client));
        }
    }

    /// A SYN of that client was not answered.
    pub(super) fn ignored(&mut self, client: Guest, at: Timestamp) {
        let [latest, other] = &mut self.ignored;
        if latest.is_some_and(|(known, _)| known != client) {
            *other = latest.take();
        }
        *latest = Some((client, at));
    }

    /// How many others were let in between those times, in which that client was not, and the latest of them; none if others were kept
    /// out as well.
    pub(super) fn meanwhile(&self, client: Guest, from: Mark, to: Mark) -> Option<(u32, Mark)> {
        let shared = self.ignored.iter().flatten().any(|(other, at)| {
            *other != client && at.since(from.time) >= -NEAR && at.since(to.time) <= NEAR
        });
        let between = || {
            self.answers.iter().filter(|(mark, other)| {
                *other != client && mark.time > from.time && mark.time < to.time
            })
        };
        let (latest, _) = between()
            .max_by_key(|(mark, _)| mark.time)
            .filter(|_| !shared)?;
        let count = u32::try_from(between().count()).unwrap_or(u32::MAX);
        Some((count, *latest))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Admissions, Guest};
    use crate::base::{FrameRef, Mark, SECOND, SourceId, Timestamp};

    fn at(seconds: i64) -> Mark {
        Mark {
            frame: FrameRef::new(SourceId(0), seconds as u64 + 1),
            time: Timestamp(seconds * SECOND),
        }
    }

    #[test]
    fn others_are_let_in_while_one_is_not() {
        let [banned, guest, third] = [6, 7, 8].map(|end| Guest::of(IpAddr::from([10, 0, 0, end])));
        let mut port = Admissions::default();
        for seconds in [1, 4, 6, 8, 20] {
            port.answered(guest, at(seconds));
        }
        port.ignored(banned, at(10).time);
        assert_eq!(port.meanwhile(banned, at(3), at(10)), Some((3, at(8))));
        // The near misses: nobody in that time; only the same client; and another one that had to ask again.
        assert_eq!(port.meanwhile(banned, at(9), at(19)), None);
        assert_eq!(port.meanwhile(guest, at(3), at(10)), None);
        port.ignored(third, at(12).time);
        assert_eq!(port.meanwhile(banned, at(3), at(10)), None);
    }
}
