//! The same fault elsewhere: a scenario with other distances, delays, losses and services, and its truth moved along.
//!
//! It exists because a rule must hold for the fault and not for the sample. A variation is decided by its seed
//! alone. It refuses to change what the scenario is about: times, sizes and scripts stay as they are, and a scenario
//! that speaks of one protocol's words keeps its protocol.

use std::ops::RangeInclusive;

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng as _;

use super::client::spec::TlsMode;
use super::path::HopSpec;
use super::path::fault::Action;
use super::path::link::{Loss, unit};
use super::path::matching::Some1;
use super::record::Point;
use super::scenario::Scenario;
use super::server::spec::{Accept, CertificateKind, ServiceKind, ServiceSpec};
use super::truth::Outcome;

/// Routers added before and behind those of the scenario, each.
const MORE_HOPS: RangeInclusive<u32> = 0..=5;
/// Round-trip times in milliseconds, evenly over their logarithm.
const ROUND_TRIP: (f64, f64) = (1.0, 300.0);
/// Losses in each direction, where there are any.
const LOSS: (f64, f64) = (0.001, 0.01);
/// One of so many variations has a lossy link.
const LOSSY: u32 = 4;
/// Services that differ in their words only.
const IN_TLS: [ServiceKind; 3] = [
    ServiceKind::Imaps,
    ServiceKind::Pop3s,
    ServiceKind::Submissions,
];
/// The same for those that begin in clear.
const IN_CLEAR: [ServiceKind; 4] = [
    ServiceKind::Smtp,
    ServiceKind::Submission,
    ServiceKind::Imap,
    ServiceKind::Pop3,
];

/// The variation of a scenario that belongs to this seed; 0 is the scenario itself.
pub fn vary(scenario: &Scenario, seed: u64) -> Scenario {
    let mut varied = scenario.clone();
    if seed == 0 {
        return varied;
    }
    let mut random = Pcg32::new(seed, 0x6d78);
    varied.seed = seed;
    distance(&mut varied, &mut random);
    delay(&mut varied, &mut random);
    if random.next_u32().is_multiple_of(LOSSY) {
        lose(&mut varied, &mut random);
    }
    translate(&mut varied, &mut random);
    varied
}

fn among(random: &mut Pcg32, range: RangeInclusive<u32>) -> u32 {
    let width = range.end() - range.start() + 1;
    range.start() + random.next_u32() % width
}

/// Adds routers behind the first one, which is the client's gateway, and before the server.
fn distance(scenario: &mut Scenario, random: &mut Pcg32) {
    let before = among(random, MORE_HOPS) as usize;
    let mut behind = among(random, MORE_HOPS) as usize;
    let hops = &mut scenario.path.hop;
    // The last router is the one that knows which hosts there are; one that never says so stays the last.
    if hops.last().is_some_and(|hop| hop.silent) {
        behind = 0;
    }
    if hops.len() + before + behind > 30 {
        return;
    }
    let end = hops.len();
    let broken = |hop: &HopSpec| hop.link.loss.is_some() || hop.link.mtu.is_some();
    let links = (1..).zip(hops.iter()).filter(|(_, hop)| broken(hop));
    let mut anchors: Vec<usize> = links.map(|(at, _)| at).collect();
    anchors.extend(scenario.fault.iter().map(|fault| fault.hop));
    hops.splice(end..end, std::iter::repeat_n(HopSpec::default(), behind));
    // What the first router does stays the first router's: it is the client's own gateway.
    hops.splice(1..1, std::iter::repeat_n(HopSpec::default(), before));
    let moved = |hop: usize| if hop > 1 { hop + before } else { hop };
    for fault in &mut scenario.fault {
        fault.hop = moved(fault.hop);
        if let Action::Loop { with } = &mut fault.action {
            *with = moved(*with);
            // They stay neighbours.
            if with.abs_diff(fault.hop) != 1 {
                *with = fault.hop + 1;
            }
        }
    }
    if let Point::AfterHop(hop) = &mut scenario.record.at {
        *hop = moved(*hop);
    }
    // A place of the truth stays with the fault that stands there, or before which it is; where nothing is broken at the old
    // end it was the last router's, and is the new one's.
    let shift = |hop: &mut Option<u32>| {
        if let Some(hop) = hop {
            let was = *hop as usize;
            *hop = match was {
                _ if anchors.contains(&was) => moved(was),
                _ if anchors.contains(&(was + 1)) => moved(was + 1) - 1,
                _ if was == end => end + before + behind,
                _ => moved(was),
            } as u32;
        }
    };
    for one in &mut scenario.truth.connection {
        shift(&mut one.hop);
        shift(&mut one.after_hop);
    }
    for one in &mut scenario.probe {
        shift(&mut one.hop);
        shift(&mut one.after_hop);
    }
}

/// Spreads another round-trip time over the links, where the scenario's own is an ordinary one.
fn delay(scenario: &mut Scenario, random: &mut Pcg32) {
    let hops = &mut scenario.path.hop;
    if hops.iter().any(|hop| hop.link.delay_ms > 20.0) {
        return;
    }
    let (low, high) = ROUND_TRIP;
    let whole = low * (high / low).powf(unit(random));
    let parts: Vec<f64> = hops.iter().map(|_| unit(random) + 0.05).collect();
    let sum: f64 = parts.iter().sum();
    for (hop, part) in hops.iter_mut().zip(parts) {
        hop.link.delay_ms = whole / 2.0 * part / sum;
    }
}

/// A probe that loses packets takes up to its deadline, seconds.
const PATIENCE_S: u32 = 100;

/// A scenario with loss on top of its fault: one link, chosen by the seed, loses that share of packets both ways.
pub fn lossy(scenario: &Scenario, percent: u8, seed: u64) -> Scenario {
    let mut scenario = scenario.clone();
    let mut random = Pcg32::new(seed, 0x1055);
    scenario.seed = seed;
    let last = scenario.path.hop.len().saturating_sub(1) as u32;
    let at = among(&mut random, 0..=last) as usize;
    if let Some(hop) = scenario.path.hop.get_mut(at) {
        hop.link.loss = Some(Loss::Random(f64::from(percent) / 100.0));
    }
    for probe in &mut scenario.probe {
        probe.patience_s = probe.patience_s.max(PATIENCE_S);
    }
    scenario
}

/// Makes one link lossy that is not, and lets the truth know what loss may add to work that was done.
fn lose(scenario: &mut Scenario, random: &mut Pcg32) {
    let hops = &mut scenario.path.hop;
    if hops.iter().any(|hop| hop.link.loss.is_some()) {
        return;
    }
    let at = among(random, 0..=(hops.len() as u32 - 1)) as usize;
    let (low, high) = LOSS;
    let rate = low + (high - low) * unit(random);
    if let Some(hop) = hops.get_mut(at) {
        hop.link.loss = Some(Loss::Random(rate));
    }
    for one in &mut scenario.truth.connection {
        if matches!(one.outcome, Outcome::Healthy | Outcome::Degraded) {
            one.or.extend(["path.loss", "ok"].map(str::to_owned));
        }
    }
    for one in &mut scenario.truth.lookup {
        if matches!(one.outcome, Outcome::Healthy) {
            one.or.push("dns.slow".to_owned());
        }
    }
    scenario.truth.never.retain(|code| code != "path.loss");
    scenario.truth.root_causes = None;
}

/// Lets another service meet the fault, where nothing in the scenario speaks of one service's words.
fn translate(scenario: &mut Scenario, random: &mut Pcg32) {
    let mut kinds = scenario.server.services.iter().map(|service| service.kind);
    let mut mail = kinds.by_ref().filter(|kind| *kind != ServiceKind::Dns);
    let (Some(old), None) = (mail.next(), mail.next()) else {
        return;
    };
    let group: &[ServiceKind] = if IN_TLS.contains(&old) {
        &IN_TLS
    } else if IN_CLEAR.contains(&old) {
        &IN_CLEAR
    } else {
        return;
    };
    let (Some(old_port), true) = (old.port(), may_be_translated(scenario, old)) else {
        return;
    };
    let pick = among(random, 0..=(group.len() as u32 - 1)) as usize;
    let Some(new) = group.get(pick).copied() else {
        return;
    };
    let Some(new_port) = new.port() else {
        return;
    };
    let (was, is) = (format!("{}://", old.name()), format!("{}://", new.name()));
    // A probe of a domain asks for its mail exchangers; and between servers a certificate need not validate (RFC 7435).
    let sound = |service: &ServiceSpec| service.tls.certificate == CertificateKind::Valid;
    let moves = new != ServiceKind::Smtp || scenario.server.services.iter().all(sound);
    let mut probes = scenario.probe.iter();
    if !probes.all(|probe| moves && probe.target.starts_with(&was)) {
        return;
    }
    let mut clients = scenario.client.iter();
    let in_clear = clients.any(|client| client.tls.mode == Some(TlsMode::None));
    for service in &mut scenario.server.services {
        if service.kind == old {
            service.kind = new;
            // SMTP has no login, the others have.
            service.cleartext_login |= in_clear;
        }
    }
    for client in &mut scenario.client {
        if client.service == old {
            client.service = new;
        }
    }
    let moved = |port: &mut u16| {
        if *port == old_port {
            *port = new_port;
        }
    };
    for fault in &mut scenario.fault {
        match &mut fault.matching.port {
            Some(Some1::One(port)) => moved(port),
            Some(Some1::Any(ports)) => ports.iter_mut().for_each(moved),
            None => {}
        }
    }
    for one in &mut scenario.truth.connection {
        one.port.as_mut().map(moved);
        if let Some(service) = one.service.as_mut().filter(|name| *name == old.name()) {
            *service = new.name().to_owned();
        }
    }
    for probe in &mut scenario.probe {
        probe.target = probe.target.replacen(&was, &is, 1);
    }
}

/// Whether everything in the scenario is the protocol's usual.
fn may_be_translated(scenario: &Scenario, old: ServiceKind) -> bool {
    // A probe of a domain looks for what its DNS names, which stays.
    if scenario.probe.iter().any(|one| !one.target.contains("://")) {
        return false;
    }
    let usual_service = |service: &ServiceSpec| {
        service.kind == ServiceKind::Dns
            || (service.port.is_none()
                && service.greeting.lines.is_none()
                && service.greeting.teaser.is_none()
                && service.capabilities.is_none()
                && service.capabilities_tls.is_none()
                && service.mechanisms.is_none()
                && service.requires_login.is_none()
                && service.replies.is_empty()
                && service.max_connections.is_none()
                && service.cut.is_none()
                && !service.proxy_protocol
                && !matches!(service.accept, Accept::StopReading))
    };
    let mails = |kind: ServiceKind| {
        matches!(
            kind,
            ServiceKind::Smtp | ServiceKind::Submission | ServiceKind::Submissions
        )
    };
    scenario.server.services.iter().all(usual_service)
        && scenario.client.iter().all(|client| {
            client.service == old
                && client.port.is_none()
                && client.steps.is_none()
                && client.login.is_none()
                && client.external.is_none()
                && !client.proxy_protocol
                && !client.tls.quit_on_bad_certificate
                // A long message is what the fault needs, another recipient what the server refuses.
                && !(mails(old) && client.mail.size > 5_000)
                && client.mail.to == ["user@example.net"]
        })
        && scenario.fault.iter().all(|fault| {
            fault.matching.contains.is_none()
                && fault.matching.after_bytes.is_none()
                && fault.matching.after_packets.is_none()
                && !matches!(
                    fault.action,
                    Action::SmtpFixup { .. } | Action::StripStarttls | Action::DeleteStarttls
                )
        })
        && scenario
            .truth
            .connection
            .iter()
            .flat_map(|one| std::iter::once(&one.code).chain(&one.findings))
            .all(|code| !code.starts_with("mail.") && !code.starts_with("auth."))
}

#[cfg(test)]
mod tests {
    use super::vary;
    use crate::lab::{find, shipped};

    #[test]
    fn a_variation_is_decided_by_its_seed_and_can_be_built() {
        let mut differing = 0;
        for one in shipped() {
            let scenario = one.scenario().expect("a scenario");
            for seed in 1..20 {
                let varied = vary(&scenario, seed);
                assert_eq!(
                    format!("{varied:?}"),
                    format!("{:?}", vary(&scenario, seed)),
                    "{}",
                    one.title()
                );
                if let Err(why) = varied.check() {
                    panic!("{} {seed}: {why}", one.title());
                }
                differing += usize::from(
                    varied
                        .client
                        .iter()
                        .zip(&scenario.client)
                        .any(|(a, b)| a.service != b.service),
                );
            }
        }
        assert!(differing > 100, "{differing}");
    }

    /// The places that the probe of a scenario must find in its variations, each beside the number of routers.
    fn places(name: &str) -> Vec<(Option<u32>, Option<u32>, usize, usize)> {
        let one = find(&shipped(), name).expect("a scenario");
        let scenario = one.scenario().expect("a scenario");
        let place = |seed| {
            let varied = vary(&scenario, seed);
            let probe = &varied.probe[0];
            let at = varied.fault.first().map_or(0, |fault| fault.hop);
            (probe.hop, probe.after_hop, at, varied.path.hop.len())
        };
        (1..50).map(place).collect()
    }

    #[test]
    fn where_nothing_is_broken_a_place_at_the_end_stays_at_the_end() {
        for (_, after, _, routers) in places("dns.timeout/silence") {
            assert_eq!(after, Some(routers as u32));
        }
        for (hop, _, _, routers) in places("route.unreachable/host-is-down") {
            assert_eq!(hop, Some(routers as u32));
        }
        // Here the last router is broken, and what is added stands behind it.
        let at_the_fault = places("tcp.prohibited/port-unreachable-v4");
        for (hop, _, fault, _) in &at_the_fault {
            assert_eq!(*hop, Some(*fault as u32));
        }
        assert!(at_the_fault.iter().any(|(_, _, fault, last)| fault < last));
        for (_, after, fault, _) in places("tcp.dropped/unseen-by-the-router") {
            assert_eq!(after, Some(fault as u32 - 1));
        }
    }

    #[test]
    fn the_truth_moves_with_the_fault() {
        let one = find(&shipped(), "tcp.dropped/smtp-v4").expect("a scenario");
        let scenario = one.scenario().expect("a scenario");
        let mut hops = std::collections::BTreeSet::new();
        for seed in 1..50 {
            let varied = vary(&scenario, seed);
            let at = varied.fault[0].hop;
            assert_eq!(varied.probe[0].after_hop, Some(at as u32));
            assert!(at <= varied.path.hop.len());
            hops.insert(at);
        }
        assert!(hops.len() > 3, "{hops:?}");
    }
}
