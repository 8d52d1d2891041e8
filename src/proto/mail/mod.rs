//! The mail dialogue: what SMTP, LMTP, IMAP, POP3 and ManageSieve have in common as facts, the
//! decoders that find them out, and the table that reads a negative reply.
//!
//! A decoder is handed bytes with the side that sent them, split anywhere, and gaps; it writes a
//! [`Dialogue`]. It knows no packets, keeps no message, shows no password, and has no opinion.

mod body;
mod core;
mod decoder;
mod dialogue;
mod garbage;
mod imap;
mod lines;
mod login;
mod pop3;
pub mod replies;
mod sasl;
mod sieve;
mod smtp;
mod software;
mod syntax;
#[cfg(test)]
pub(in crate::proto) mod tests;
mod torn;

pub use decoder::Decoder;
pub use dialogue::{
    Answer, Command, Dialogue, Enhanced, Exchange, Family, Language, Mechanism, Oddity, Phase,
    Reply, Status, Verb,
};
