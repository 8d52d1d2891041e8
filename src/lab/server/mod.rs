//! The server's side of the lab: embedded mail, DNS and other servers that do what a scenario says.
//!
//! They exist so that a fault can be provoked on a machine with nothing but the binary. Sockets
//! block and every connection has a thread (a thread stays in the network namespace of whoever
//! spawned it). They refuse to be mail servers: nothing is stored and nothing is delivered.

pub mod spec;

pub use spec::ServerSpec;
