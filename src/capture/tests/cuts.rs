//! Cut anywhere, changed anywhere, or nothing but noise: never a panic, and never a frame that was not
//! there.

use proptest::prelude::*;

use super::hand_made::BOTH;
use super::{open, read, read_bytes};

#[test]
fn cut_at_every_byte_the_frames_are_a_prefix() {
    for endian in BOTH {
        let one = endian.every_block();
        for whole in [
            endian.pcap(0xA1B2_C3D4),
            endian.pcap(0xA1B2_3C4D),
            [one.clone(), one].concat(),
        ] {
            let (all, _) = read_bytes(&whole);
            let (mut before, mut whole_blocks) = (0, 0);
            for at in 0..whole.len() {
                let Ok(reader) = open(&whole[..at]) else {
                    assert!(at < 28, "cut at {at}");
                    continue;
                };
                let (frames, summary) = read(reader);
                assert!(all.starts_with(&frames), "cut at {at}");
                assert!(frames.len() >= before, "cut at {at}");
                before = frames.len();
                // Without a damage the cut is between two records.
                match summary.damage {
                    Some(damage) => {
                        assert!(
                            damage.text.contains(&format!("is cut off at byte {at}")),
                            "cut at {at}: {damage}"
                        );
                        assert_eq!(damage.at, at as u64);
                    }
                    None => whole_blocks += 1,
                }
            }
            // Only cuts between two records are none: 3 of pcap's, 27 between 28 blocks.
            assert_eq!(whole_blocks, if all.len() == 3 { 3 } else { 27 });
            assert!(before + 1 >= all.len());
        }
    }
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600), start in 0usize..9) {
        let magic: &[u8] = [
            b"".as_slice(), b"\xD4\xC3\xB2\xA1\x02\0\x04\0", b"\xA1\xB2\x3C\x4D\0\x02\0\x04", b"\xA1\xB2\xCD\x34\0\x02\0\x04",
            b"\x0A\x0D\x0D\x0A\x1C\0\0\0\x4D\x3C\x2B\x1A\x01\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x1C\0\0\0",
            b"\x1F\x8B\x08\0\0\0\0\0\0\0", b"\x28\xB5\x2F\xFD", b"\x04\x22\x4D\x18\x64\x40\xA7", b"\x02\x21\x4C\x18",
        ][start];
        let bytes = [magic, &bytes].concat();
        if let Ok(reader) = open(&bytes) {
            let (frames, summary) = read(reader);
            prop_assert_eq!(frames.len() as u64, summary.packets);
        }
    }

    #[test]
    fn changed_bytes_never_panic(place in any::<prop::sample::Index>(), value in any::<u8>(), which in 0usize..4) {
        let endian = BOTH[which % 2];
        let mut bytes = if which < 2 { endian.pcap(0xA1B2_C3D4) } else { endian.every_block() };
        let place = place.index(bytes.len());
        bytes[place] = value;
        if let Ok(reader) = open(&bytes) {
            let (frames, _) = read(reader);
            prop_assert!(frames.len() <= 10);
        }
    }
}
