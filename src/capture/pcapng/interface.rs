//! Interface descriptions and statistics: what a section says of where its packets came from.

use super::PcapngFormat;
use super::options::Options;
use crate::base::{Foreign, Timestamp};
use crate::capture::pcapng_writer::{ENTERPRISE_NUMBER, OPT_CUSTOM_TEXT, WATCHED_MARK};
use crate::capture::summary::{Interface, Notes};

/// Interfaces of one section; a packet of a further one is damage.
const PER_SECTION: usize = 65_536;
/// Bytes of an interface's name that are kept.
const NAME: usize = 128;

/// What is needed to read the packets of one interface of the current section.
pub(super) struct SectionInterface {
    /// Its number in the whole input.
    pub(super) number: u32,
    pub(super) link_type: u16,
    pub(super) snaplen: u32,
    pub(super) clock: Clock,
    /// `isb_ifdrop` and `isb_osdrop`, as the latest statistics have them.
    reported: u64,
    /// The sum of what the packets themselves say (`epb_dropcount`, the obsolete block's drops count).
    pub(super) counted: u64,
}

impl SectionInterface {
    /// Lost packets: both counters tell of the same ones.
    pub(super) fn dropped(&self) -> u64 {
        self.reported.max(self.counted)
    }
}

/// How an interface writes time: `if_tsresol` and `if_tsoffset` (draft 4.2).
#[derive(Clone, Copy)]
pub(super) struct Clock {
    unit: Unit,
    /// Seconds to be added.
    offset: i64,
}

#[derive(Clone, Copy)]
enum Unit {
    /// So many nanoseconds.
    Nanoseconds(u64),
    /// This part of a nanosecond.
    Part(u128),
    /// 2 to the minus this many seconds.
    Binary(u8),
    /// Shorter than a time stamp can fill to a nanosecond.
    Nothing,
}

impl Clock {
    fn new(resolution: u8, offset: i64) -> Clock {
        let exponent = u32::from(resolution & 0x7F);
        let unit = if resolution & 0x80 != 0 {
            Unit::Binary(resolution & 0x7F)
        } else {
            match exponent {
                0..=9 => Unit::Nanoseconds(10u64.pow(9 - exponent)),
                10..=47 => 10u128
                    .checked_pow(exponent - 9)
                    .map_or(Unit::Nothing, Unit::Part),
                _ => Unit::Nothing,
            }
        };
        Clock { unit, offset }
    }

    /// The time of a stamp; saturates at the ends of what [`Timestamp`] holds.
    pub(super) fn time(self, high: u32, low: u32) -> Timestamp {
        let stamp = u64::from(high) << 32 | u64::from(low);
        let nanoseconds: u128 = match self.unit {
            Unit::Nanoseconds(unit) => u128::from(stamp).saturating_mul(u128::from(unit)),
            Unit::Part(part) => u128::from(stamp).checked_div(part).unwrap_or(0),
            Unit::Binary(exponent) => u128::from(stamp).saturating_mul(1_000_000_000) >> exponent,
            Unit::Nothing => 0,
        };
        let offset = i128::from(self.offset).saturating_mul(1_000_000_000);
        let sum = i128::try_from(nanoseconds)
            .unwrap_or(i128::MAX)
            .saturating_add(offset);
        Timestamp(i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl PcapngFormat {
    pub(super) fn describe_interface(
        &mut self,
        block: &[u8],
        notes: &mut Notes,
    ) -> Result<(), String> {
        let (Some(link_type), Some(snaplen)) =
            (self.order.u16(block, 8), self.order.u32(block, 12))
        else {
            return Err("an interface description is too short".into());
        };
        if self.interfaces.len() >= PER_SECTION {
            return Err(format!("a section has more than {PER_SECTION} interfaces"));
        }
        let mut name = Foreign::default();
        let (mut resolution, mut offset) = (6, 0);
        for (code, value) in Options::of(self.order, block, 16) {
            match (code, value) {
                (2, text) => {
                    name = Foreign::bounded(
                        text.split(|byte| *byte == 0).next().unwrap_or_default(),
                        NAME,
                    )
                }
                (9, [value, ..]) => resolution = *value,
                (14, value) => {
                    offset = self
                        .order
                        .u64(value, 0)
                        .map_or(offset, |offset| offset as i64)
                }
                _ => {}
            }
        }
        let number = notes.interface(
            self.interfaces.len(),
            Interface {
                name,
                link_type,
                snaplen,
            },
        );
        let clock = Clock::new(resolution, offset);
        self.interfaces.push(SectionInterface {
            number,
            link_type,
            snaplen,
            clock,
            reported: 0,
            counted: 0,
        });
        Ok(())
    }

    /// Statistics are counted from the start of the capture, so the latest ones hold.
    pub(super) fn statistics(&mut self, block: &[u8]) -> Result<(), String> {
        let place = self
            .order
            .u32(block, 8)
            .ok_or("interface statistics are too short")?;
        let Some(interface) = usize::try_from(place)
            .ok()
            .and_then(|place| self.interfaces.get_mut(place))
        else {
            return Err(format!(
                "statistics name interface {place}, which the section does not have"
            ));
        };
        let mut lost = 0u64;
        let mut end = None;
        for (code, value) in Options::of(self.order, block, 20) {
            match (code, self.order.u64(value, 0)) {
                (5 | 7, Some(count)) => lost = lost.saturating_add(count),
                // isb_endtime: two words, the upper half first (draft 4.6).
                (3, Some(_)) => {
                    end = self
                        .order
                        .u32(value, 0)
                        .zip(self.order.u32(value, 4))
                        .map(|(high, low)| interface.clock.time(high, low))
                }
                (OPT_CUSTOM_TEXT, _) => {
                    if let (Some(frames), Some(end)) = (watched(value), end) {
                        self.watched = Some((frames, end));
                    }
                }
                _ => {}
            }
        }
        interface.reported = interface.reported.max(lost);
        Ok(())
    }
}

/// The frames that mxray says the file has, when the option is its own.
fn watched(value: &[u8]) -> Option<u64> {
    let (number, text) = value.split_at_checked(4)?;
    let own =
        number == ENTERPRISE_NUMBER.to_le_bytes() || number == ENTERPRISE_NUMBER.to_be_bytes();
    let frames = text.strip_prefix(WATCHED_MARK.as_bytes()).filter(|_| own)?;
    std::str::from_utf8(frames).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn every_resolution_gives_the_same_moment() {
        let time = |resolution, stamp: u64| {
            Clock::new(resolution, 0)
                .time((stamp >> 32) as u32, stamp as u32)
                .0
        };
        assert_eq!(time(0, 1_700_000_000), 1_700_000_000_000_000_000);
        assert_eq!(time(3, 1_700_000_000_123), 1_700_000_000_123_000_000);
        assert_eq!(time(6, 1_700_000_000_123_456), 1_700_000_000_123_456_000);
        assert_eq!(
            time(9, 1_700_000_000_123_456_789),
            1_700_000_000_123_456_789
        );
        assert_eq!(
            time(10, 17_000_000_001_234_567_895),
            1_700_000_000_123_456_789
        );
        assert_eq!(
            time(0x80 | 20, (1_700_000_000 << 20) | (1 << 19)),
            1_700_000_000_500_000_000
        );
        assert_eq!(time(0x80, 1_700_000_000), 1_700_000_000_000_000_000);
    }

    #[test]
    fn absurd_clocks_saturate() {
        for resolution in 0..=255 {
            for offset in [0, i64::MIN, i64::MAX] {
                Clock::new(resolution, offset).time(u32::MAX, u32::MAX);
            }
        }
        assert_eq!(Clock::new(0, 0).time(u32::MAX, 0).0, i64::MAX);
        assert_eq!(Clock::new(9, i64::MIN).time(0, 0).0, i64::MIN);
        assert_eq!(Clock::new(127, 5).time(u32::MAX, 0).0, 5_000_000_000);
        assert_eq!(Clock::new(9, -5).time(0, 0).0, -5_000_000_000);
    }
}
