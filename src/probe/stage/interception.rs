//! Does something answer for addresses that have no host? Then it answers for every mail server as well.
//!
//! Only addresses that were set aside for documentation are asked (RFC 5737, RFC 3849), two SYNs each, and none of them where
//! the target, or this host itself, lives among them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::probe::context::Context;
use crate::probe::options::StageName;
use crate::probe::plan::walk::{Heard, UNSEEN};
use crate::probe::way::{Kind, Way, settle};

/// SYNs for each address.
const ASKED: u32 = 2;
/// Between them.
const APART: Duration = Duration::from_millis(300);

/// Addresses that nobody has: those that may be asked beside a target of that family.
pub fn nobody(to: IpAddr) -> Vec<IpAddr> {
    match to {
        IpAddr::V4(_) => vec![
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
            IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
        ],
        IpAddr::V6(_) => vec![IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))],
    }
}

/// Whether two addresses are of one documentation network: /24, or /32 over IPv6.
fn neighbours(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one.octets()[..3] == other.octets()[..3],
        (IpAddr::V6(one), IpAddr::V6(other)) => one.segments()[..2] == other.segments()[..2],
        _ => false,
    }
}

/// Asks them on the target's port.
pub async fn look(context: &Context, to: SocketAddr) {
    if context.is_cancelled() {
        return;
    }
    // What answers for nobody answers for the target as well only where both leave by the same next hop.
    let Ok(way) = context.way_out(to.ip()) else {
        return;
    };
    if way.is_here || way.next_hop == to.ip() {
        return;
    }
    let ours = context.source_for(to.ip()).ok();
    let mut asked: Vec<Way> = nobody(to.ip())
        .into_iter()
        .filter(|address| {
            !neighbours(*address, to.ip()) && ours.is_none_or(|ours| !neighbours(*address, ours))
        })
        .filter(|address| {
            context
                .way_out(*address)
                .is_ok_and(|other| !other.is_here && other.next_hop == way.next_hop)
        })
        .map(|address| {
            let there = SocketAddr::new(address, to.port());
            Way::new(Kind::Flows(there), "an address that has no host")
        })
        .collect();
    if asked.is_empty() {
        return;
    }
    context.progress(
        StageName::Tcp,
        &format!("does port {} answer where no host is?", to.port()),
    );
    for turn in 0..ASKED {
        if turn > 0 {
            tokio::time::sleep(APART).await;
        }
        for way in &mut asked {
            way.send(context, 64).await;
        }
    }
    let mut all: Vec<&mut Way> = asked.iter_mut().collect();
    settle(&mut all).await;
    let answers: Vec<(IpAddr, u8)> = asked
        .iter()
        .filter_map(|way| match (way.kind, way.last_end) {
            (Kind::Flows(there), Some(Heard::Open { distance })) => {
                let twice = way.walk.at(64).is_some_and(|rung| rung.ends >= ASKED);
                twice.then_some((there.ip(), distance))
            }
            _ => None,
        })
        .collect();
    let Some((_, distance)) = answers.first() else {
        return;
    };
    let names: Vec<String> = answers
        .iter()
        .map(|(address, _)| address.to_string())
        .collect();
    let hop = (*distance != UNSEEN).then(|| distance.saturating_add(1));
    let who = hop.map_or_else(
        || "Something on the way".to_owned(),
        |hop| format!("Something about {hop} hops away"),
    );
    let at = At {
        place: Where::Network,
        address: None,
        hop,
        after_hop: None,
    };
    let claim = Claim::new(
        Code::TcpIntercepted,
        at,
        Proof::Measured("SYNs to addresses without a host", context.now()),
        0.97,
        format!(
            "{who} answers on port {} for every address: a transparent proxy or a SYN proxy. What was measured may be it, and not {}.",
            to.port(),
            to.ip()
        ),
    )
    .weighing(Weight::Finding)
    .shown_by(format!(
        "{} answered {ASKED} of {ASKED} SYNs on port {}; these addresses are set aside for documentation and have no host (RFC 5737, RFC 3849)",
        names.join(", "),
        to.port()
    ))
    .advise("Ask whoever runs this network for its mail proxy; mail has to go by it, or by a relay that it allows");
    context.measured(Measured {
        about: About::Server(to),
        claim,
        settles: Settles::Finding,
    });
}

#[cfg(test)]
mod tests {
    use super::{neighbours, nobody};

    #[test]
    fn who_lives_among_them_is_not_asked() {
        let target = "192.0.2.10".parse().unwrap();
        let asked: Vec<_> = nobody(target)
            .into_iter()
            .filter(|one| !neighbours(*one, target))
            .collect();
        assert_eq!(asked.len(), 2);
        let target = "2001:db8:5::10".parse().unwrap();
        assert!(nobody(target).iter().all(|one| neighbours(*one, target)));
        assert_eq!(nobody("8.8.8.8".parse().unwrap()).len(), 3);
    }
}
