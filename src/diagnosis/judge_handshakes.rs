//! What the connections of one client to one port of a server say beside each other.
//!
//! One explanation for all of them, or none: whether a rate decides who gets in or the port's number is weighed together, so that
//! never both are claimed of the same connections.

use std::net::IpAddr;

use super::handshake::Handshake;
use super::principles::Explanations;
use super::rules::path::weigh_split;
use super::rules::tcp::weigh_rate_limit;
use super::verdict::Claim;
use crate::flow::Endpoint;

/// Connections that were answered and that were not, at the least.
const KIND: usize = 3;

/// Weighs them, in the order of their SYNs. `lost`: the share of the client's other segments that was sent again.
pub fn judge_handshakes(
    client: IpAddr,
    server: Endpoint,
    handshakes: &[Handshake],
    lost: f64,
) -> Option<Claim> {
    let answered = handshakes.iter().filter(|one| one.is_answered()).count();
    if answered < KIND || handshakes.len().saturating_sub(answered) < KIND {
        return None;
    }
    let fit = Explanations::of(handshakes);
    weigh_rate_limit(client, server, handshakes, &fit, lost)
        .or_else(|| weigh_split(client, server, handshakes, &fit))
}
