//! Floor 1: incremental decoders for DNS, TLS, SMTP, IMAP, POP3 and ManageSieve.
//!
//! They are handed bytes with the side that sent them, or the length of a gap, and build facts: what
//! was said, when, in which frame. They know bytes and sides, not packets; they have no opinion. A
//! decoder that loses its place in a gap says where it can resume.

pub mod dns;
pub mod mail;
mod service;
pub mod session;
pub mod tls;

pub use service::{Service, TlsMode};
