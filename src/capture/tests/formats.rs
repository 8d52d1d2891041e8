//! Each format and variant, field by field.

use super::hand_made::{BOTH, Endian};
use super::{open, read_bytes};
use crate::base::Timestamp;
use crate::capture::PcapngWriter;

#[test]
fn pcap_in_every_unit_and_byte_order() {
    for endian in BOTH {
        for (magic, unit) in [(0xA1B2_C3D4, 1000), (0xA1B2_3C4D, 1)] {
            let (frames, summary) = read_bytes(&endian.pcap(magic));
            assert_eq!(frames.len(), 3);
            assert_eq!(frames[0].time, 1_700_000_000_000_000_000 + unit);
            assert_eq!(
                (
                    frames[0].data.as_slice(),
                    frames[0].original_len,
                    frames[0].link_type
                ),
                (b"first".as_slice(), 5, 1)
            );
            assert_eq!(
                (
                    frames[1].number,
                    frames[1].data.len(),
                    frames[1].original_len
                ),
                (2, 0, 60)
            );
            assert_eq!(
                frames[2].time,
                i64::from(u32::MAX) * 1_000_000_000 + 999_999 * unit
            );
            assert_eq!(
                (
                    summary.format,
                    summary.packets,
                    summary.bytes,
                    summary.damage
                ),
                ("pcap", 3, 65, None)
            );
            assert_eq!(
                (summary.first, summary.last),
                (
                    Some(Timestamp(frames[0].time)),
                    Some(Timestamp(frames[2].time))
                )
            );
        }
    }
}

#[test]
fn pcap_modified_has_longer_record_headers() {
    for endian in BOTH {
        let mut bytes = endian.pcap_header(0xA1B2_CD34, (2, 4), 1);
        for data in [b"one".as_slice(), b"three"] {
            let len = data.len() as u32;
            bytes.extend(endian.words(&[1, 500_000, len, len, 2, 0x0800_0000]));
            bytes.extend(data);
        }
        let (frames, summary) = read_bytes(&bytes);
        assert_eq!(
            frames
                .iter()
                .map(|frame| frame.data.as_slice())
                .collect::<Vec<_>>(),
            [b"one".as_slice(), b"three"]
        );
        assert_eq!((frames[1].time, summary.damage), (1_500_000_000, None));
    }
}

#[test]
fn pcap_of_old_versions_swaps_lengths() {
    for version in [(2, 2), (2, 3)] {
        let mut bytes = Endian::Big.pcap_header(0xA1B2_C3D4, version, 1);
        bytes.extend(Endian::Big.words(&[1, 2, 60, 4]));
        bytes.extend(b"four");
        let (frames, _) = read_bytes(&bytes);
        assert_eq!(
            (frames[0].data.as_slice(), frames[0].original_len),
            (b"four".as_slice(), 60)
        );
    }
}

#[test]
fn pcap_link_type_without_its_upper_bits() {
    let mut bytes = Endian::Little.pcap_header(0xA1B2_C3D4, (2, 4), 0x4400_0071);
    bytes.extend(Endian::Little.pcap_record(1, 2, b"x", 1));
    assert_eq!(read_bytes(&bytes).0[0].link_type, 113);
}

#[test]
fn pcap_files_put_one_after_the_other() {
    let one = Endian::Little.pcap(0xA1B2_C3D4);
    let (frames, summary) = read_bytes(&[one.clone(), one].concat());
    assert_eq!(
        (frames.len(), frames[5].number, summary.damage),
        (6, 6, None)
    );
}

#[test]
fn pcap_with_an_absurd_length_stops_there() {
    let mut bytes = Endian::Little.pcap(0xA1B2_C3D4);
    let at = bytes.len();
    bytes.extend(Endian::Little.words(&[1, 2, u32::MAX, u32::MAX]));
    bytes.extend([0; 100]);
    let (frames, summary) = read_bytes(&bytes);
    let damage = summary.damage.unwrap();
    assert_eq!((frames.len(), damage.at), (3, at as u64));
    assert!(
        damage.text.contains("packet 4 claims 4294967295 bytes"),
        "{damage}"
    );
}

#[test]
fn pcapng_with_every_block() {
    for endian in BOTH {
        let mut reader = open(&endian.every_block()).unwrap();
        while reader.next_frame().is_some() {}
        assert_eq!(reader.key_log().text(), b"CLIENT_RAND\n");
        let (frames, summary) = read_bytes(&endian.every_block());
        assert_eq!(summary.damage, None);
        assert_eq!(
            frames.iter().map(|frame| frame.number).collect::<Vec<_>>(),
            [1, 2, 5, 6, 7]
        );
        assert_eq!(
            (frames[0].time, frames[0].data.as_slice()),
            (1_700_000_000_000_001_000, b"first".as_slice())
        );
        // A simple packet: cut to the snap length, the time of the one before.
        assert_eq!(
            (frames[1].time, frames[1].data.as_slice()),
            (frames[0].time, b"12345678".as_slice())
        );
        assert_eq!((frames[1].original_len, summary.untimed), (1500, 1));
        // if_tsoffset adds ten seconds.
        assert_eq!(
            (frames[2].time, frames[2].data.as_slice()),
            (1_700_000_010_000_000_009, b"third".as_slice())
        );
        assert_eq!(
            (
                frames[3].interface,
                frames[3].link_type,
                frames[3].original_len
            ),
            (1, 101, 60)
        );
        assert_eq!((frames[4].interface, frames[4].data.len()), (0, 33));
        // Interface 0: 22 by its statistics (3 by its packets); interface 1: 2 by its packets.
        assert_eq!(summary.dropped, 24);
        let names: Vec<&str> = summary
            .interfaces
            .iter()
            .map(|interface| interface.name.as_str())
            .collect();
        assert_eq!(names, ["eth0", "tun0"]);
    }
}

#[test]
fn pcapng_sections_of_both_byte_orders() {
    let mut bytes = Endian::Little.every_block();
    bytes.extend(Endian::Big.every_block());
    bytes.extend(Endian::Little.section(1));
    bytes.extend(Endian::Little.interface(113, 0, &[]));
    bytes.extend(Endian::Little.enhanced(0, 5, b"x", 1, &[]));
    let (frames, summary) = read_bytes(&bytes);
    assert_eq!(
        (frames.len(), summary.dropped, summary.interfaces.len()),
        (11, 48, 3)
    );
    assert_eq!(frames[5].interface, 0);
    assert_eq!(
        (frames[10].interface, frames[10].link_type, frames[10].time),
        (2, 113, 5_000)
    );
    assert_eq!(summary.damage, None);
}

#[test]
fn pcapng_skips_a_packet_that_contradicts_itself() {
    for endian in BOTH {
        let mut bad = endian.enhanced(0, 1, b"second", 6, &[]);
        bad[20..24].copy_from_slice(&endian.u32(u32::MAX));
        let bytes = [
            endian.section(1),
            endian.interface(1, 0, &[]),
            endian.enhanced(0, 1, b"first", 5, &[]),
            bad,
            endian.enhanced(9, 1, b"third", 5, &[]),
            endian.enhanced(0, 1, b"fourth", 6, &[]),
        ]
        .concat();
        let (frames, summary) = read_bytes(&bytes);
        assert_eq!(
            frames.iter().map(|frame| frame.number).collect::<Vec<_>>(),
            [1, 4]
        );
        let damage = summary.damage.unwrap();
        assert!(
            damage.text.contains("packet 2 claims 4294967295 bytes"),
            "{damage}"
        );
        assert_eq!(damage.further, 1);
    }
}

#[test]
fn pcapng_finds_the_next_block_after_a_wrong_length() {
    for endian in BOTH {
        let head = [
            endian.section(1),
            endian.interface(1, 0, &[]),
            endian.enhanced(0, 1, b"first", 5, &[]),
        ]
        .concat();
        let tail = [
            endian.enhanced(0, 1, &[3; 40], 40, &[]),
            endian.enhanced(0, 1, b"fourth", 6, &[]),
        ]
        .concat();
        for wrong in [0u32, 8, 44, u32::MAX] {
            let mut bad = endian.enhanced(0, 1, &[0; 100], 100, &[]);
            bad[4..8].copy_from_slice(&endian.u32(wrong));
            let (frames, summary) = read_bytes(&[head.clone(), bad, tail.clone()].concat());
            let lens: Vec<usize> = frames.iter().map(|frame| frame.data.len()).collect();
            assert_eq!(lens, [5, 40, 6], "{wrong}");
            assert!(
                summary
                    .damage
                    .unwrap()
                    .text
                    .contains("reading goes on at byte")
            );
        }
    }
}

#[test]
fn a_claim_of_gigabytes_is_damage_and_not_memory() {
    let endian = Endian::Little;
    let mut bytes = [
        endian.section(1),
        endian.interface(1, 0, &[]),
        endian.enhanced(0, 1, b"first", 5, &[]),
    ]
    .concat();
    bytes.extend(endian.words(&[6, 0xFFFF_FFF0, 0, 0, 0, 0xFFFF_FF00, 0xFFFF_FF00]));
    let (frames, summary) = read_bytes(&bytes);
    assert_eq!(frames.len(), 1);
    assert!(summary.damage.unwrap().text.contains("4294967280"));
}

#[test]
fn what_the_writer_writes_is_read() {
    let mut writer = PcapngWriter::new(Vec::new()).unwrap();
    writer.interface("inside", 1, 0).unwrap();
    writer.interface("outside", 101, 96).unwrap();
    writer.key_log(b"CLIENT_RANDOM 1 2\n").unwrap();
    writer
        .packet(
            0,
            Timestamp(1_700_000_000_000_000_001),
            b"data",
            4,
            Some("note"),
        )
        .unwrap();
    writer
        .packet_control(
            1,
            Timestamp(1_700_000_000_000_000_002),
            b"control",
            70,
            None,
        )
        .unwrap();
    writer
        .packet(1, Timestamp(1_700_000_000_000_000_003), b"", 9, None)
        .unwrap();
    writer.statistics(1, Timestamp(5), 7, 3).unwrap();
    let bytes = writer.into_inner().unwrap();
    let (frames, summary) = read_bytes(&bytes);
    let seen: Vec<_> = frames
        .iter()
        .map(|f| {
            (
                f.interface,
                f.time % 10,
                f.data.len(),
                f.original_len,
                f.control,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (0, 1, 4, 4, false),
            (1, 2, 7, 70, true),
            (1, 3, 0, 9, false)
        ]
    );
    assert_eq!((summary.damage, summary.dropped), (None, 3));
}
