//! Capture files in and out: everything that turns a file, a pipe, a folder or ([`live`]) an interface into frames, and
//! frames into a pcapng file.
//!
//! Reading is pulled: [`expand`] says what the arguments mean, [`CaptureReader`] gives one input's
//! frames, borrowed, and at the end what is known of it; [`Merged`] reads several in the order of time.
//!
//! It refuses to look into a packet: what a frame's bytes mean is `wire`'s business.

mod bytes;
mod decompress;
mod inputs;
pub mod live;
mod merged;
mod open_error;
mod parts;
mod patience;
mod pcap_format;
mod pcapng;
mod pcapng_writer;
mod reader;
mod recognise;
mod summary;
#[cfg(test)]
mod tests;
mod window;

pub use inputs::{Input, expand};
pub use merged::Merged;
pub use open_error::{OpenError, OpenErrorKind};
pub use parts::in_order;
pub use patience::Stop;
pub use pcapng_writer::{
    CONTROL_MARK, ENTERPRISE_NUMBER, MAX_COMMENT, MAX_FRAME, MEASURED_MARK, PcapngWriter,
};
pub use reader::{Beside, CaptureReader, Frame, Progress};
pub use recognise::Compression;
pub use summary::{
    Damage, INTERFACES, Interface, KEY_LOG, KeyLog, SourceKind, SourceSummary, abut,
};
pub use window::Mapping;
