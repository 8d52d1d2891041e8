//! The latest look-ups of each client, for what others of the same search need to know of them.
//!
//! Tens of thousands of clients make one each. What is kept of one is half as long as what it stands for: the address of the resolver is
//! of the client's family, the answer is told from the query on, numbers lie at any byte. What does not fit in that is kept whole. It
//! judges nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::{Families, Foreign, Mark, PackedMark, PackedStep, Solo};
use crate::diagnosis::Sibling;
use crate::proto::dns::RecordType;

/// Look-ups remembered of each client.
const PER_CLIENT: usize = 64;
/// The RCODE of what was not answered: none has more than 12 bits (RFC 6891 6.1.3).
const UNANSWERED: u16 = u16::MAX;

/// All of them.
pub(super) struct Recent(Families<Ones<Ipv4Addr>, Ones<Ipv6Addr>>);

type Ones<A> = Solo<Kept<A>, PER_CLIENT>;

/// One look-up.
enum Kept<A> {
    /// Its name, and the rest.
    Short(Foreign, Short<A>),
    Whole(Box<Sibling>),
}

/// What a look-up is besides its name, where a query was seen.
#[derive(Clone, Copy)]
struct Short<A> {
    first: PackedMark,
    /// From there to its answer, where it was answered.
    step: PackedStep,
    resolver: A,
    kind: [u8; 2],
    rcode: [u8; 2],
    id: [u8; 2],
    port: [u8; 2],
    length: [u8; 2],
    positive: bool,
}

impl<A: Copy> Short<A> {
    /// The short form; none of what does not fit in it.
    fn of(sibling: &Sibling, resolver: A) -> Option<Short<A>> {
        let (id, port) = sibling.asked?;
        let first = sibling.first;
        let (rcode, step) = match (sibling.answer, sibling.rcode) {
            (None, None) => (UNANSWERED, PackedStep::NONE),
            (Some(_), Some(UNANSWERED)) => return None,
            (Some(answer), Some(rcode)) => (rcode, PackedStep::between(first, answer)?),
            _ => return None,
        };
        Some(Short {
            first: first.into(),
            step,
            resolver,
            kind: sibling.kind.0.to_le_bytes(),
            rcode: rcode.to_le_bytes(),
            id: id.to_le_bytes(),
            port: port.to_le_bytes(),
            length: u16::try_from(sibling.length).ok()?.to_le_bytes(),
            positive: sibling.positive,
        })
    }

    /// Its RCODE and its answer.
    fn answer(&self, first: Mark) -> Option<(u16, Mark)> {
        let rcode = u16::from_le_bytes(self.rcode);
        (rcode != UNANSWERED).then(|| (rcode, self.step.after(first)))
    }
}

/// A look-up as it is looked at.
pub(super) struct Seen<'a> {
    pub(super) name: &'a Foreign,
    pub(super) kind: RecordType,
    pub(super) first: Mark,
    pub(super) positive: bool,
    resolver: IpAddr,
    asked: Option<(u16, u16)>,
    answer: Option<Mark>,
    rcode: Option<u16>,
    length: u32,
}

impl Seen<'_> {
    /// It was answered that there is no such name.
    pub(super) fn is_denied(&self) -> bool {
        self.rcode == Some(3)
    }

    /// All of it.
    pub(super) fn sibling(&self) -> Sibling {
        Sibling {
            name: self.name.clone(),
            kind: self.kind,
            resolver: self.resolver,
            positive: self.positive,
            rcode: self.rcode,
            first: self.first,
            asked: self.asked,
            answer: self.answer,
            length: self.length,
        }
    }
}

impl<A: Copy + Into<IpAddr>> Kept<A> {
    fn new(sibling: Sibling, resolver: Option<A>) -> Kept<A> {
        match resolver.and_then(|resolver| Short::of(&sibling, resolver)) {
            Some(short) => Kept::Short(sibling.name, short),
            None => Kept::Whole(Box::new(sibling)),
        }
    }

    fn seen(&self) -> Option<Seen<'_>> {
        Some(match self {
            Kept::Short(name, short) => {
                let first = short.first.get()?;
                let answer = short.answer(first);
                Seen {
                    name,
                    kind: RecordType(u16::from_le_bytes(short.kind)),
                    first,
                    positive: short.positive,
                    resolver: short.resolver.into(),
                    asked: Some((u16::from_le_bytes(short.id), u16::from_le_bytes(short.port))),
                    answer: answer.map(|(_, answer)| answer),
                    rcode: answer.map(|(rcode, _)| rcode),
                    length: u32::from(u16::from_le_bytes(short.length)),
                }
            }
            Kept::Whole(sibling) => Seen {
                name: &sibling.name,
                kind: sibling.kind,
                first: sibling.first,
                positive: sibling.positive,
                resolver: sibling.resolver,
                asked: sibling.asked,
                answer: sibling.answer,
                rcode: sibling.rcode,
                length: sibling.length,
            },
        })
    }
}

impl Recent {
    /// Of so many clients at the least.
    pub(super) fn new(clients: usize) -> Recent {
        Recent(Families::new(clients))
    }

    /// The latest one of a client.
    pub(super) fn push(&mut self, client: IpAddr, sibling: Sibling) {
        match client {
            IpAddr::V4(client) => {
                let resolver = match sibling.resolver {
                    IpAddr::V4(resolver) => Some(resolver),
                    IpAddr::V6(_) => None,
                };
                let all = self.0.four_entry(client, Solo::new);
                all.push_last(Kept::new(sibling, resolver));
            }
            IpAddr::V6(client) => {
                let resolver = match sibling.resolver {
                    IpAddr::V4(_) => None,
                    IpAddr::V6(resolver) => Some(resolver),
                };
                let all = self.0.six_entry(client, Solo::new);
                all.push_last(Kept::new(sibling, resolver));
            }
        }
    }

    /// Those of a client, in order.
    pub(super) fn of(&self, client: IpAddr) -> impl Iterator<Item = Seen<'_>> + '_ {
        let (fours, sixes) = match client {
            IpAddr::V4(client) => (self.0.four(&client), None),
            IpAddr::V6(client) => (None, self.0.six(&client)),
        };
        let fours = fours.into_iter().flatten().filter_map(Kept::seen);
        fours.chain(sixes.into_iter().flatten().filter_map(Kept::seen))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::{FrameRef, SourceId, Timestamp};

    #[test]
    fn nearly_all_take_little_room() {
        assert_eq!(size_of::<Ones<Ipv4Addr>>(), 56);
        assert_eq!(size_of::<Ones<Ipv6Addr>>(), 72);
    }

    fn mark() -> impl Strategy<Value = Mark> {
        (0..3_u32, 1..9_u64, -3..9_i64, any::<[bool; 2]>()).prop_map(
            |(source, number, time, [far, late])| Mark {
                frame: FrameRef::new(SourceId(source), number << if far { 36 } else { 0 }),
                time: Timestamp(time << if late { 40 } else { 0 }),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_kept_comes_out_again(
            six: [bool; 2],
            (kind, positive) in any::<(u16, bool)>(),
            rcode in prop::option::of(prop_oneof![0..24_u16, Just(UNANSWERED)]),
            first in mark(),
            asked: Option<(u16, u16)>,
            answer in prop::option::of(mark()),
            length in prop_oneof![0..70_000_u32, Just(u32::MAX)],
        ) {
            let address = |six| match six {
                true => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
                false => IpAddr::from([192, 0, 2, 1]),
            };
            let sibling = Sibling {
                name: Foreign::from("mx.example"),
                kind: RecordType(kind),
                resolver: address(six[0]),
                positive,
                rcode,
                first,
                asked,
                answer,
                length,
            };
            let mut recent = Recent::new(4);
            recent.push(address(six[1]), sibling.clone());
            let out: Vec<Sibling> = recent.of(address(six[1])).map(|one| one.sibling()).collect();
            prop_assert_eq!(format!("{out:?}"), format!("{:?}", [sibling]));
        }
    }
}
