//! DNS messages as facts; the data of records that are only shown is decoded with `hickory-proto`.
//!
//! It exists so that a look-up can be judged from what was asked and answered. It keeps no look-up
//! and matches no answer to a question; which ports are look-ups at all is the caller's business.

mod decode;
mod message;
mod names;
mod reader;
mod stream;
#[cfg(test)]
mod tests;

pub use decode::{decode, looks_like_dns};
pub use message::{Answer, Message, Record, RecordType};
pub use names::{rcode_name, type_name};
pub use stream::{Framed, StreamDecoder};
