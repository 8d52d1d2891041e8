//! `route.unreachable`: a router answers that it cannot deliver (RFC 792, RFC 1812 5.2.7.1, RFC 4443 3.1).
//!
//! At once it has no route, or a rule that says so; after about three seconds it is the last router, whose ARP or NDP got no answer
//! (RFC 1812 5.3.3.2, RFC 4861 7.2.2: three requests, a second apart).

use crate::base::{MILLISECOND, SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::flow::IcmpError;

/// The name of the error if it is one.
fn name(error: &IcmpError) -> Option<&'static str> {
    Some(match (error.v6, error.kind, error.code) {
        (false, 3, 0) => "network unreachable (3/0)",
        (false, 3, 1) => "host unreachable (3/1)",
        (false, 3, 6) => "network unknown (3/6)",
        (false, 3, 7) => "host unknown (3/7)",
        (true, 1, 0) => "no route to destination (1/0)",
        (true, 1, 3) => "address unreachable (1/3)",
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
        .find_map(|error| name(error).map(|name| (error, name)))
    else {
        return;
    };
    // What is quoted is no SYN: the capture began in the middle, and until then the server was reached.
    if c.began_late() && c.tcp.sides[Side::Server].segments > 0 {
        return;
    }
    let first = c.tcp.syns.seen.first().map(|syn| syn.at);
    // The router asks its neighbour on behalf of the first SYN; later ones wait in the same queue.
    let waited = first.map_or(error.delay, |syn| error.at.time.since(syn.time));
    let (server, sender) = (c.server().ip, error.sender);
    let seconds = waited as f64 / SECOND as f64;
    let about_host = error.is_about_host();
    let (summary, advice) = if sender == server {
        (
            format!(
                "{server} itself says ICMP {name}: it passes on to a host that it cannot reach, or a rule of its own says so."
            ),
            format!(
                "Ask whoever runs {server}: with NAT or a load balancer, whether the host behind it is up and rightly entered; else for rules that reject with {name}"
            ),
        )
    } else if waited >= 2 * SECOND && about_host {
        (
            format!(
                "The last router, {sender}, gets no answer from {server} by ARP or NDP: the host is down or gone."
            ),
            format!(
                "Start {server}, or correct its address; then look at the network behind {sender}"
            ),
        )
    } else if waited <= 500 * MILLISECOND {
        (
            format!("{sender} has no route to {server}, or a rule that says so: ICMP {name}."),
            format!(
                "Ask whoever runs {sender} for its route to {server}, and for rules that reject with {name}"
            ),
        )
    } else {
        (
            format!("{sender} says that it cannot reach {server}: ICMP {name}."),
            format!("Ask whoever runs {sender} for its route to {server} and its neighbours"),
        )
    };
    // Who names itself is that host, or what stands for it: either is at the server's side.
    let place = if sender == server {
        Where::Server
    } else {
        Where::Network
    };
    let mut claim = Claim::new(
        Code::RouteUnreachable,
        At::address(place, sender),
        error.at,
        0.95,
        summary,
    )
    .shown_by(format!(
        "ICMP {name} from {sender} quotes {}, {seconds:.3} s after the first",
        if first.is_some() {
            "the SYN"
        } else {
            "what the client sends"
        }
    ))
    .advise(advice);
    if let Some(syn) = first {
        claim = claim.because(syn, "SYN").since(syn.time);
    }
    claims.push(claim);
}
