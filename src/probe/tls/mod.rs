//! TLS as a probe speaks it: real handshakes by rustls that refuse nobody, and hellos of our own making.
//!
//! What a certificate is worth is judged afterwards ([`chain`], [`dane`], [`interception`]), against the roots of this machine
//! ([`roots`]). Nothing here opens a connection; [`crate::probe::session`] moves the bytes.

pub mod chain;
pub mod client;
pub mod dane;
pub mod flight;
pub mod groups;
pub mod hello;
pub mod interception;
pub mod ladder;
pub mod post_quantum;
pub mod recorder;
pub mod revocation;
pub mod roots;
pub mod sts;
