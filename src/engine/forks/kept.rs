//! How a connection opened, as it is kept beside the others of its pair.
//!
//! Nearly all open at once and are read again only if a later one does not. One that did takes 48 bytes here, half of what it stands for:
//! what came after its SYN is told from there on. Any other is kept whole. It judges nothing.

use crate::base::{Few, Mark, Nanos, PackedMark, PackedNumber, PackedStep, Timestamp};
use crate::diagnosis::Handshake;
use crate::diagnosis::handshake::Fate;

/// One connection.
#[derive(Debug)]
pub(super) enum Kept {
    /// That opened at once.
    Calm(Calm),
    /// What does not fit in that.
    Whole(Box<Handshake>),
}

/// A [`Handshake`] whose first SYN was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calm {
    number: PackedNumber<5>,
    port: [u8; 2],
    syn: PackedMark,
    tsval: [u8; 4],
    answer: PackedStep,
    greeted: Later<5>,
    over: Later<6>,
    /// There is a TSval.
    stamped: bool,
}

/// How long after the SYN something happened, and one more; 0 where it did not.
type Later<const BYTES: usize> = PackedNumber<BYTES>;

fn later<const BYTES: usize>(syn: Mark, time: Option<Timestamp>) -> Option<Later<BYTES>> {
    let Some(time) = time else {
        return Some(Later::ZERO);
    };
    let after = u64::try_from(time.0.checked_sub(syn.time.0)?).ok()?;
    Later::of(after.saturating_add(1))
}

fn time<const BYTES: usize>(syn: Mark, later: Later<BYTES>) -> Option<Timestamp> {
    let after = later.get().checked_sub(1)?;
    Some(syn.time.plus(after as Nanos))
}

impl Calm {
    fn of(handshake: &Handshake) -> Option<Calm> {
        let syn = handshake.syn;
        match handshake.fate {
            Fate::Answered { at, greeted, over } if handshake.again.is_empty() => Some(Calm {
                number: PackedNumber::of(handshake.number)?,
                port: handshake.port.to_le_bytes(),
                syn: syn.into(),
                tsval: handshake.tsval.unwrap_or(0).to_le_bytes(),
                answer: PackedStep::between(syn, at)?,
                greeted: later(syn, greeted)?,
                over: later(syn, over)?,
                stamped: handshake.tsval.is_some(),
            }),
            _ => None,
        }
    }

    fn whole(&self) -> Option<Handshake> {
        let syn = self.syn.get()?;
        Some(Handshake {
            number: self.number.get(),
            port: u16::from_le_bytes(self.port),
            syn,
            tsval: self.stamped.then(|| u32::from_le_bytes(self.tsval)),
            again: Few::new(),
            fate: Fate::Answered {
                at: self.answer.after(syn),
                greeted: time(syn, self.greeted),
                over: time(syn, self.over),
            },
        })
    }
}

impl From<Handshake> for Kept {
    fn from(handshake: Handshake) -> Kept {
        match Calm::of(&handshake) {
            Some(calm) => Kept::Calm(calm),
            None => Kept::Whole(Box::new(handshake)),
        }
    }
}

impl Kept {
    /// What it stands for.
    pub(super) fn whole(&self) -> Option<Handshake> {
        match self {
            Kept::Calm(calm) => calm.whole(),
            Kept::Whole(whole) => Some((**whole).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Kept;
    use crate::base::{FrameRef, Mark, Solo, SourceId, Timestamp};
    use crate::diagnosis::Handshake;
    use crate::diagnosis::handshake::Fate;

    #[test]
    fn a_calm_one_takes_half_the_room() {
        assert_eq!(size_of::<Solo<Kept, 2>>(), 48);
        assert!(size_of::<Handshake>() >= 88);
    }

    fn mark() -> impl Strategy<Value = Mark> {
        (0..2_u32, 1..9_u64, time()).prop_map(|(source, number, time)| Mark {
            frame: FrameRef::new(SourceId(source), number),
            time,
        })
    }

    fn time() -> impl Strategy<Value = Timestamp> {
        (-1..9_i64, prop_oneof![Just(0), Just(40), Just(48)])
            .prop_map(|(time, shift)| Timestamp(time << shift))
    }

    proptest! {
        #[test]
        fn what_is_kept_comes_out_again(
            (number, port, tsval) in any::<(u64, u16, Option<u32>)>(),
            few: bool,
            syn in mark(),
            again in prop::collection::vec(mark(), 0..2),
            fate in prop_oneof![
                (mark(), prop::option::of(time()), prop::option::of(time()))
                    .prop_map(|(at, greeted, over)| Fate::Answered { at, greeted, over }),
                any::<bool>().prop_map(|dropped| Fate::Silent { dropped }),
                (mark(), any::<bool>()).prop_map(|(at, reset)| Fate::Rejected { at, reset }),
            ],
        ) {
            let handshake = Handshake {
                number: if few { number >> 24 } else { number },
                port,
                syn,
                tsval,
                again: again.into_iter().collect(),
                fate,
            };
            let kept = Kept::from(handshake.clone());
            prop_assert_eq!(format!("{:?}", kept.whole()), format!("{:?}", Some(handshake)));
        }
    }
}
