//! Every bound of mxray's own, in one place. A bound that is hit is a fact and shows in the report.

/// Exchanges (command and reply) kept per mail session: the first half and the latest half.
pub const EXCHANGES: usize = 128;
/// A line of a mail protocol is looked at up to this many bytes (RFC 5321 4.5.3.1 allows 512, SASL 12,288).
pub const LINE: usize = 12_288;
/// A TLS handshake message is kept up to this many bytes (long certificate chains are below 20 kB).
pub const HANDSHAKE: usize = 65_536;
/// Certificates kept per connection.
pub const CERTIFICATES: usize = 8;
/// Bytes waiting for an earlier segment, per direction of a flow.
pub const REASSEMBLY: usize = 262_144;
/// Segments waiting for an earlier one, per direction of a flow.
pub const REASSEMBLY_SEGMENTS: usize = 256;
/// SYN, RST, ICMP and loss events kept per flow; further ones are only counted.
pub const EVENTS: usize = 16;
/// Flows open at once; the one silent for longest is judged and leaves first.
pub const FLOWS: usize = 1_000_000;
/// Look-ups open at once.
pub const LOOKUPS: usize = 65_536;
/// IP datagrams in reassembly at once.
pub const FRAGMENTS: usize = 1_024;
/// A DNS message over TCP or reassembled from fragments is at most this long (RFC 1035 4.2.2).
pub const DNS_MESSAGE: usize = 65_535;
