//! Capture files in and out: everything that turns a file, a pipe or a folder into frames, and
//! frames into a pcapng file.
//!
//! It refuses to look into a packet: what a frame's bytes mean is `wire`'s business.

mod pcapng_writer;

pub use pcapng_writer::{CONTROL_MARK, ENTERPRISE_NUMBER, MAX_COMMENT, MAX_FRAME, PcapngWriter};
