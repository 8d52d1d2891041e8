//! Several captures as one, and parts of one recording.

use super::hand_made::Endian;
use super::{open, read_bytes};
use crate::base::SourceId;
use crate::capture::{CaptureReader, Merged};

fn pcap(times: &[u32]) -> Vec<u8> {
    let endian = Endian::Little;
    let mut bytes = endian.pcap_header(0xA1B2_C3D4, (2, 4), 1);
    for time in times {
        bytes.extend(endian.pcap_record(*time, 0, &time.to_le_bytes(), 4));
    }
    bytes
}

fn part(name: &[u8], link_type: u16, times: &[u64]) -> Vec<u8> {
    let endian = Endian::Big;
    let mut bytes = [
        endian.section(1),
        endian.interface(link_type, 0, &[endian.option(2, name)]),
    ]
    .concat();
    for time in times {
        bytes.extend(endian.enhanced(0, *time, b"x", 1, &[]));
    }
    bytes
}

#[test]
fn merged_in_the_order_of_time_and_stable() {
    let readers: Vec<(SourceId, CaptureReader)> =
        [vec![1, 5, 5, 9], vec![2, 5, 3, 10], vec![], vec![5]]
            .iter()
            .enumerate()
            .map(|(id, times)| (SourceId(id as u32), open(&pcap(times)).unwrap()))
            .collect();
    let mut merged = Merged::new(readers);
    let mut seen = Vec::new();
    while let Some((source, frame)) = merged.next_frame() {
        seen.push((source.0, frame.number, frame.time.0 / 1_000_000_000));
    }
    let expected = [
        (0, 1, 1),
        (1, 1, 2),
        (0, 2, 5),
        (0, 3, 5),
        (1, 2, 5),
        (1, 3, 3),
        (3, 1, 5),
        (0, 4, 9),
        (1, 4, 10),
    ];
    assert_eq!(seen, expected);
    assert_eq!(merged.readers()[1].1.summary().packets, 4);
    assert!(merged.next_frame().is_none());
}

#[test]
fn parts_of_one_recording_abut() {
    let (_, earlier) = read_bytes(&part(b"eth0", 1, &[1_000_000, 3_000_000]));
    let follows = |bytes: &[u8]| open(bytes).unwrap().continues(&earlier);
    assert!(follows(&part(b"eth0", 1, &[3_000_000])));
    assert!(follows(&part(b"eth0", 1, &[4_000_000, 9_000_000])));
    assert!(
        !follows(&part(b"eth0", 1, &[4_000_001])),
        "more than a second later"
    );
    assert!(
        !follows(&part(b"eth0", 1, &[1_000_000, 3_000_000])),
        "a copy"
    );
    assert!(
        !follows(&part(b"eth0", 1, &[2_500_000])),
        "the same time elsewhere"
    );
    assert!(
        !follows(&part(b"eth1", 1, &[3_500_000])),
        "another interface"
    );
    assert!(
        !follows(&part(b"eth0", 113, &[3_500_000])),
        "another link type"
    );
    assert!(!follows(&part(b"eth0", 1, &[])), "empty");
    assert!(!follows(&pcap(&[3])), "another format");
}
