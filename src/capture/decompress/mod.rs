//! Compressed captures as a stream of bytes: gzip, zstd and LZ4 frames.
//!
//! The decoders are others' (`flate2`, `zstd`, `lz4_flex`); what is done here is to give out every byte
//! that stands before a damage, and to go on with the next member or frame, and to do it beside the work on
//! what came out where there are cores for both. Memory is bounded by the formats' windows (32 KiB, 128 MiB, 16 MiB),
//! whatever a stream expands to.

mod ahead;
mod gzip;
mod lz4;
mod lz4_block;
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
    let unpacked: Box<dyn Read + Send> = match compression {
        Compression::Gzip => Box::new(gzip::Gzip::new(input)),
        Compression::Zstd => Box::new(zstd::Zstd::new(input)?),
        Compression::Lz4 => Box::new(lz4::Lz4::new(input)),
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores > 1 {
        return Ok(Box::new(ahead::Ahead::of(unpacked)?));
    }
    Ok(unpacked)
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

    /// Text-like noise: compressible by a third, several blocks in every format.
    fn plain() -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 26) as u8
        };
        (0..2_400_000).map(|_| next()).collect()
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
            Compression::Zstd => {
                let mut out = zstd::Encoder::new(Vec::new(), 3).unwrap();
                out.include_checksum(true).unwrap();
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
            Compression::Lz4 => {
                let mut info = lz4_flex::frame::FrameInfo::new();
                info.block_size = lz4_flex::frame::BlockSize::Max64KB;
                info.content_checksum = true;
                let mut out = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
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
                // At the most a block of each format is lost before the place.
                let before = (bytes.len() * part / 20).saturating_sub(300_000);
                assert!(
                    out.len() >= before,
                    "{compression:?} cut at {at}: {}",
                    out.len()
                );
                let mut damaged = whole.clone();
                damaged[at..at + 64].fill(0xFF);
                let (out, error) = unpack(compression, damaged);
                assert!(error.is_some(), "{compression:?} damaged at {at}");
                assert!(
                    out.starts_with(&bytes[..before]),
                    "{compression:?} damaged at {at}: {}",
                    out.len()
                );
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
