//! Compressed captures, through files and pipes, whole and broken.

use std::io::Write;

use super::hand_made::Endian;
use super::{open, read, read_bytes};
use crate::capture::{CaptureReader, Compression, Input, OpenErrorKind, SourceKind};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut out = lz4_flex::frame::FrameEncoder::new(Vec::new());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn compressed_is_as_good_as_plain() {
    let folder = tempfile::tempdir().unwrap();
    for plain in [Endian::Big.pcap(0xA1B2_C3D4), Endian::Little.every_block()] {
        let (frames, _) = read_bytes(&plain);
        let middle = plain.len() / 2;
        let packed = [
            (Compression::Gzip, gzip(&plain)),
            (
                Compression::Gzip,
                [gzip(&plain[..middle]), gzip(&plain[middle..])].concat(),
            ),
            (
                Compression::Zstd,
                zstd::encode_all(plain.as_slice(), 19).unwrap(),
            ),
            (Compression::Lz4, lz4(&plain)),
        ];
        for (compression, bytes) in packed {
            let path = folder.path().join("packed");
            std::fs::write(&path, &bytes).unwrap();
            let mut reader = CaptureReader::open(&Input::Path(path)).unwrap();
            while reader.next_frame().is_some() {}
            assert_eq!(reader.progress().read, bytes.len() as u64);
            assert_eq!(reader.progress().total, Some(bytes.len() as u64));
            assert_eq!(reader.summary().kind, SourceKind::File);
            let (unpacked, summary) = read_bytes(&bytes);
            assert_eq!(unpacked, frames);
            assert_eq!(
                (summary.compression, summary.damage),
                (Some(compression), None)
            );
            for at in 0..bytes.len() {
                let Ok(reader) = open(&bytes[..at]) else {
                    continue;
                };
                let (part, summary) = read(reader);
                assert!(frames.starts_with(&part));
                assert!(
                    summary.damage.is_some()
                        || part.len() == frames.len()
                        || at == gzip(&plain[..middle]).len(),
                    "{compression:?} {at}"
                );
            }
        }
    }
}

#[test]
fn a_bomb_is_read_through_a_fixed_window() {
    // A header, then 64 MiB of records without a byte: 4 Mi frames out of some 64 kB.
    let mut plain = Endian::Little.pcap_header(0xA1B2_C3D4, (2, 4), 1);
    plain.resize(plain.len() + (64 << 20), 0);
    let mut reader = open(&gzip(&plain)).unwrap();
    let mut frames = 0u64;
    while reader.next_frame().is_some() {
        frames += 1;
    }
    assert_eq!(frames, 4 << 20);
}

#[test]
fn what_is_wrong_inside_is_said() {
    let error = |bytes: &[u8]| open(bytes).err().unwrap();
    let inside = error(&gzip(b"hello world\n"));
    assert_eq!(inside.kind(), OpenErrorKind::Text);
    assert!(
        inside
            .to_string()
            .starts_with("test: is gzip; what it holds is text"),
        "{inside}"
    );
    assert_eq!(error(&gzip(b"")).kind(), OpenErrorKind::Empty);
    assert_eq!(
        error(&gzip(&gzip(b"hello"))).kind(),
        OpenErrorKind::OtherFormat
    );
    assert_eq!(
        error(&gzip(b"hello")[..12]).kind(),
        OpenErrorKind::Unreadable
    );
    assert_eq!(
        error(b"\x28\xB5\x2F\xFD\xFF\xFF\xFF\xFF\xFF\xFF").kind(),
        OpenErrorKind::Unreadable
    );
}
