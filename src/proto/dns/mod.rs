//! DNS messages as facts, decoded with `hickory-proto`.

mod message;

pub use message::{Answer, Message, Record, RecordType};
