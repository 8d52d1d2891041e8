//! `dns.inconsistent` as captures show it: two resolvers give addresses for one name that have none in common, connections to
//! those of the one fail, and connections to those of the other work.
//!
//! Always a finding: load balancing and geographic answers differ on purpose, so the answers alone say nothing, and a
//! connection keeps what it died of. Inside and outside views differ on purpose as well (RFC 6950 4): a private address
//! beside a public one is not this.

use std::net::IpAddr;

use super::private_address::is_private;
use crate::base::{Foreign, Mark};
use crate::diagnosis::{At, Claim, Code, Weight, Where};

/// What one resolver answered, and where it led.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Who answered.
    pub resolver: IpAddr,
    /// When.
    pub at: Mark,
    /// The addresses, none of them twice.
    pub addresses: &'a [IpAddr],
    /// The first connection to one of them that worked.
    pub worked: Option<Mark>,
    /// The first connection to one of them that failed for a reason of network or service.
    pub failed: Option<Mark>,
}

/// What two answers for `name` prove together; the order of the two does not matter.
pub fn weigh(name: &Foreign, one: &Told<'_>, other: &Told<'_>) -> Option<Claim> {
    match (one.worked, one.failed, other.worked, other.failed) {
        (Some(worked), None, None, Some(failed)) => claim(name, (one, worked), (other, failed)),
        (None, Some(failed), Some(worked), None) => claim(name, (other, worked), (one, failed)),
        _ => None,
    }
}

fn claim(name: &Foreign, good: (&Told<'_>, Mark), bad: (&Told<'_>, Mark)) -> Option<Claim> {
    let ((good, worked), (bad, failed)) = (good, bad);
    let shared = good.addresses.iter().any(|ip| bad.addresses.contains(ip));
    let view = |told: &Told<'_>| told.addresses.iter().any(|ip| is_private(*ip));
    if good.resolver == bad.resolver || shared || view(good) != view(bad) {
        return None;
    }
    let first = |told: &Told<'_>| {
        told.addresses
            .first()
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    Some(
        Claim::new(
            Code::DnsInconsistent,
            At::address(Where::Resolver, bad.resolver),
            bad.at,
            0.7,
            format!(
                "Resolver {} gives {} for {name}, where nothing works; {} gives {}, where it does.",
                bad.resolver,
                first(bad),
                good.resolver,
                first(good)
            ),
        )
        .weighing(Weight::Finding)
        .shown_by(format!("{} answers {}", bad.resolver, first(bad)))
        .because(good.at, format!("{} answers {}", good.resolver, first(good)))
        .because(failed, format!("a connection to {} fails", first(bad)))
        .because(worked, format!("a connection to {} works", first(good)))
        .advise(format!(
            "Ask the authoritative servers of {name} (`dig @NS {name}`): what only {} says is old or wrong",
            bad.resolver
        ))
        .advise("A change under way: wait for the TTL of the old answer, then flush the caches"),
    )
}

#[cfg(test)]
mod tests {
    use super::{Told, weigh};
    use crate::base::{Foreign, FrameRef, Mark, SourceId, Timestamp};
    use std::net::IpAddr;

    fn mark(number: u64) -> Mark {
        Mark {
            frame: FrameRef::new(SourceId(0), number),
            time: Timestamp(0),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn said(resolvers: [&str; 2], addresses: [&[IpAddr]; 2], works: [Option<bool>; 2]) -> bool {
        let told = |at: usize| Told {
            resolver: ip(resolvers[at]),
            at: mark(at as u64),
            addresses: addresses[at],
            worked: (works[at] == Some(true)).then(|| mark(8)),
            failed: (works[at] == Some(false)).then(|| mark(9)),
        };
        let name = Foreign::from("mail.example.net");
        let found = weigh(&name, &told(0), &told(1));
        assert_eq!(found.is_some(), weigh(&name, &told(1), &told(0)).is_some());
        found.is_some()
    }

    #[test]
    fn only_answers_that_disagree_and_of_which_one_works() {
        let (a, b) = (ip("192.0.2.10"), ip("192.0.2.11"));
        let two = ["192.0.2.53", "198.51.100.53"];
        let works = [Some(true), Some(false)];
        assert!(said(two, [&[a], &[b]], works));
        // Near misses: an address in common, one resolver, both work, both fail, one untried, two views.
        assert!(!said(two, [&[a, b], &[b]], works));
        assert!(!said(["192.0.2.53"; 2], [&[a], &[b]], works));
        assert!(!said(two, [&[a], &[b]], [Some(true); 2]));
        assert!(!said(two, [&[a], &[b]], [Some(false); 2]));
        assert!(!said(two, [&[a], &[b]], [None, Some(false)]));
        assert!(!said(two, [&[ip("10.1.1.1")], &[b]], works));
    }
}
