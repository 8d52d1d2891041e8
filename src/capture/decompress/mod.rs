//! Compressed captures as a stream of bytes: gzip, zstd and LZ4 frames.
//!
//! The decoders are others' (`flate2`, `zstd`, `lz4_flex`); what is done here is to give out every byte
//! that stands before a damage, and to go on with the next member or frame. Memory is bounded by the
//! formats' windows (32 KiB, 128 MiB, 16 MiB), whatever a stream expands to.

mod gzip;
mod lz4;
mod zstd;

use std::io::{self, BufReader, Read};

use super::recognise::Compression;

/// How much compressed input is read at a time.
const INPUT: usize = 65_536;

/// A reader of what `input` holds uncompressed.
pub(super) fn decompress(
    compression: Compression,
    input: Box<dyn Read + Send>,
) -> io::Result<Box<dyn Read + Send>> {
    let input = BufReader::with_capacity(INPUT, input);
    Ok(match compression {
        Compression::Gzip => Box::new(gzip::Gzip::new(input)),
        Compression::Zstd => Box::new(zstd::Zstd::new(input)?),
        Compression::Lz4 => Box::new(lz4::Lz4::new(input)),
    })
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

fn cut(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, what.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Write};

    use super::{Compression, decompress};

    fn plain() -> Vec<u8> {
        // Compressible, but not to nothing: several blocks in every format.
        (0..600_000u32)
            .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 20).to_le_bytes())
            .collect()
    }

    fn packed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Gzip => {
                let mut out = flate2::GzBuilder::new()
                    .filename("a.pcap")
                    .comment("c")
                    .write(Vec::new(), flate2::Compression::fast());
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(bytes, 3).unwrap(),
            Compression::Lz4 => {
                let mut out = lz4_flex::frame::FrameEncoder::new(Vec::new());
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
        }
    }

    /// All bytes that come out, and how it ended.
    fn unpack(compression: Compression, bytes: Vec<u8>) -> (Vec<u8>, Option<std::io::Error>) {
        let mut reader = decompress(compression, Box::new(Cursor::new(bytes))).unwrap();
        let mut out = Vec::new();
        let mut chunk = vec![0; 50_000];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return (out, None),
                Ok(n) => out.extend_from_slice(&chunk[..n]),
                Err(error) => return (out, Some(error)),
            }
        }
    }

    const ALL: [Compression; 3] = [Compression::Gzip, Compression::Zstd, Compression::Lz4];

    #[test]
    fn members_follow_each_other() {
        let bytes = plain();
        for compression in ALL {
            let mut two = packed(compression, &bytes[..1_000_000]);
            two.extend(packed(compression, b""));
            two.extend(packed(compression, &bytes[1_000_000..]));
            let (out, error) = unpack(compression, two);
            assert!(error.is_none(), "{compression:?}: {error:?}");
            assert!(out == bytes, "{compression:?}");
        }
    }

    #[test]
    fn what_stands_before_a_cut_or_a_damage_is_given() {
        let bytes = plain();
        for compression in ALL {
            let whole = packed(compression, &bytes);
            for part in 1..20 {
                let at = whole.len() * part / 20;
                let (out, error) = unpack(compression, whole[..at].to_vec());
                assert!(error.is_some(), "{compression:?} cut at {at}");
                assert!(bytes.starts_with(&out), "{compression:?} cut at {at}");
                assert!(
                    out.len() + 5_000_000 / 20 * 2 >= bytes.len() * part / 20 || part < 4,
                    "{compression:?} {at} {}",
                    out.len()
                );
                let mut flipped = whole.clone();
                flipped[at..at + 64].fill(0xFF);
                // Without a checksum a damage can hide in what comes out; it never makes more of it.
                let (out, _) = unpack(compression, flipped);
                assert!(out.len() <= bytes.len() + 1_000_000);
            }
        }
    }

    #[test]
    fn garbage_after_the_end_is_said() {
        for compression in ALL {
            let mut whole = packed(compression, b"hello");
            whole.extend_from_slice(b"garbage garbage garbage garbage");
            let (out, error) = unpack(compression, whole);
            assert_eq!(out, b"hello");
            assert!(error.is_some(), "{compression:?}");
        }
    }
}
