//! `tcp.prohibited`: an ICMP error that only a rule sends, quoting the SYN.
//!
//! 3/2, 3/3, 3/9, 3/10, 3/13 (RFC 1812 5.2.7.1), ICMPv6 1/1, 1/4, 1/5, 1/6 (RFC 4443 3.1). No host's TCP says
//! port-unreachable, so 3/3 is a firewall's plain REJECT. Its sender is the firewall.

use crate::base::Side;
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::flow::IcmpError;

/// The name of the error if it is one that a rule sends.
pub fn prohibition(error: &IcmpError) -> Option<&'static str> {
    Some(match (error.v6, error.kind, error.code) {
        (false, 3, 2) => "protocol unreachable (3/2)",
        (false, 3, 3) => "port unreachable (3/3)",
        (false, 3, 9) => "network administratively prohibited (3/9)",
        (false, 3, 10) => "host administratively prohibited (3/10)",
        (false, 3, 13) => "communication administratively prohibited (3/13)",
        (true, 1, 1) => "administratively prohibited (1/1)",
        (true, 1, 4) => "port unreachable (1/4)",
        (true, 1, 5) => "source address failed policy (1/5)",
        (true, 1, 6) => "reject route (1/6)",
        _ => return None,
    })
}

/// Hears a connection that never opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let Some((error, name)) = c
        .tcp
        .icmp
        .iter()
        .filter(|error| error.quoted == Side::Client && error.matches)
        .find_map(|error| prohibition(error).map(|name| (error, name)))
    else {
        return;
    };
    let own = error.sender == c.server().ip;
    let place = if own { Where::Server } else { Where::Network };
    let who = if own {
        "The server's own firewall"
    } else {
        "A firewall"
    };
    let mut claim = Claim::new(
        Code::TcpProhibited,
        At::address(place, error.sender),
        error.at,
        0.97,
        format!("{who} at {} rejects TCP port {}: ICMP {name}.", error.sender, c.server().port),
    )
    .shown_by(format!("ICMP {name} from {} quotes the SYN", error.sender))
    .advise(format!("Ask whoever runs {} to allow TCP port {} from {}", error.sender, c.server().port, c.client().ip))
    .advise("Applications call this \"No route to host\" or \"Connection refused\"; routing is not the fault");
    if let Some(syn) = c.tcp.syns.seen.first() {
        claim = claim.because(syn.at, "SYN").since(syn.at.time);
    }
    claims.push(claim);
}
