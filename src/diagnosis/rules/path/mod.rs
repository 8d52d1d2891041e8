//! Faults of the path that show on open connections: sizes, losses, distance.

mod loss;
mod mtu_blackhole;
mod slow;
mod split;

pub use split::weigh as weigh_split;

use super::Rule;
use crate::flow::Endpoint;

/// The rules of this stage.
pub const RULES: &[Rule] = &[
    Rule::Open(mtu_blackhole::rule),
    Rule::Open(loss::rule),
    Rule::Open(slow::rule),
];

/// `192.0.2.1:25`, or `[2001:db8::1]:25`.
pub(super) fn address(server: Endpoint) -> std::net::SocketAddr {
    std::net::SocketAddr::new(server.ip, server.port)
}
