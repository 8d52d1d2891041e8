//! Tests of reading captures: every format variant from hand-made bytes, cuts at every byte, wrong
//! inputs, and other people's captures with tshark as witness.

mod cuts;
mod extra;
mod formats;
mod hand_made;
mod inputs;
mod merging;
mod packed;

use std::io::Cursor;

use crate::base::Timestamp;
use crate::capture::{CaptureReader, OpenError, SourceSummary};

/// A frame with bytes of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    number: u64,
    interface: u32,
    link_type: u16,
    time: i64,
    data: Vec<u8>,
    original_len: u32,
    control: bool,
}

/// Reads to the end.
fn read(mut reader: CaptureReader) -> (Vec<Kept>, SourceSummary) {
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame() {
        let Timestamp(time) = frame.time;
        frames.push(Kept {
            number: frame.number,
            interface: frame.interface,
            link_type: frame.link_type,
            time,
            data: frame.data.to_vec(),
            original_len: frame.original_len,
            control: frame.control,
        });
    }
    assert!(reader.next_frame().is_none());
    (frames, reader.summary())
}

/// Opens bytes as a pipe gives them.
fn open(bytes: &[u8]) -> Result<CaptureReader, OpenError> {
    CaptureReader::from_reader("test", Box::new(Cursor::new(bytes.to_vec())))
}

fn read_bytes(bytes: &[u8]) -> (Vec<Kept>, SourceSummary) {
    read(open(bytes).unwrap())
}
