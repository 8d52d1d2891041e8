//! What a probe may cost, counted in the packets themselves as the lab's path saw them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use mxray::base::Timestamp;
use mxray::lab::Recording;
use mxray::wire::{Net, Transport, dissect};

/// Packets to one healthy target.
const PACKETS: usize = 300;
/// Probes within a second.
const RATE: usize = 50;
/// Connections half open at one target at once.
const HALF_OPEN: usize = 8;
/// What a healthy target may take beside its round trips, and how many round trips.
const HEALTHY_MS: i64 = 3_000;
const ROUND_TRIPS: i64 = 20;
/// Many services of one host take what their packets take at the rate that is promised, of which a tenth is kept back for bursts.
const PACKET_MS: i64 = 1_000 / 45;
/// A dropped port: its provisional verdict, and its place.
const PROVISIONAL_MS: i64 = 2_000;
const FINAL_MS: i64 = 5_000;
const LOCATED_MS: i64 = 8_000;

/// One packet of TCP or ICMP.
struct Seen {
    at: Timestamp,
    from: IpAddr,
    to: IpAddr,
    ports: Option<(u16, u16)>,
    syn: bool,
    ack: bool,
    rst: bool,
    echo: bool,
}

fn seen(recording: &Recording) -> Vec<Seen> {
    let mut all = Vec::new();
    for frame in &recording.frames {
        let packet = dissect(1, &frame.bytes, frame.length);
        let Net::Ip(ip) = &packet.net else { continue };
        let mut one = Seen {
            at: frame.time,
            from: ip.source,
            to: ip.destination,
            ports: None,
            syn: false,
            ack: false,
            rst: false,
            echo: false,
        };
        match &packet.transport {
            Transport::Tcp(tcp) => {
                one.ports = Some((tcp.source_port, tcp.destination_port));
                one.syn = tcp.flags.syn();
                one.ack = tcp.flags.ack();
                one.rst = tcp.flags.rst();
            }
            Transport::Icmp(icmp) => {
                one.echo = matches!((icmp.v6, icmp.kind), (false, 8) | (true, 128))
            }
            _ => continue,
        }
        all.push(one);
    }
    all
}

fn milliseconds(from: Timestamp, to: Timestamp) -> i64 {
    to.since(from) / 1_000_000
}

/// Servers that were probed: whom we sent a SYN.
fn servers(all: &[Seen]) -> BTreeSet<IpAddr> {
    all.iter()
        .filter(|one| one.syn && !one.ack)
        .map(|one| one.to)
        .collect()
}

/// What holds for every probe at its ordinary rate.
pub fn mannered(recording: &Recording) -> Result<(), String> {
    let all = seen(recording);
    for server in servers(&all) {
        let probes: Vec<Timestamp> = all
            .iter()
            .filter(|one| one.to == server && (one.echo || one.syn))
            .map(|one| one.at)
            .collect();
        for (at, first) in probes.iter().enumerate() {
            let within = probes
                .iter()
                .skip(at)
                .take_while(|time| time.since(*first) < 1_000_000_000)
                .count();
            if within > RATE {
                return Err(format!("{within} probes of {server} within a second"));
            }
        }
        half_open(&all, server)?;
    }
    Ok(())
}

/// Never more than eight, and each ended by us.
fn half_open(all: &[Seen], server: IpAddr) -> Result<(), String> {
    let mut open: BTreeMap<(u16, u16), Timestamp> = BTreeMap::new();
    // Where a device swallows what ends them, the server says its SYN-ACKs again: no new connection.
    let mut ended: BTreeSet<(u16, u16)> = BTreeSet::new();
    for one in all {
        let Some((from, to)) = one.ports else {
            continue;
        };
        if one.from == server && one.syn && one.ack && !ended.contains(&(to, from)) {
            open.insert((to, from), one.at);
            if open.len() > HALF_OPEN {
                return Err(format!(
                    "{} connections to {server} half open at once",
                    open.len()
                ));
            }
        } else if one.to == server && one.syn && !one.ack {
            ended.remove(&(from, to));
        } else if one.to == server && (one.rst || one.ack) {
            open.remove(&(from, to));
            ended.insert((from, to));
        }
    }
    match open.into_iter().next() {
        None => Ok(()),
        Some(((port, _), _)) => Err(format!(
            "the SYN-ACK for port {port} of ours was never answered"
        )),
    }
}

/// What a budget was not kept in.
pub enum Over {
    /// In what was sent.
    Sent(String),
    /// In time: the probe's fault, or that of a machine that was busy elsewhere.
    Time(String),
}

/// A target that was found healthy.
pub fn healthy(recording: &Recording) -> Result<(), Over> {
    let all = seen(recording);
    // What the machine says to nobody in particular (router solicitations, MLD) is not the probe's.
    let asked = servers(&all);
    let about = |one: &&Seen| asked.contains(&one.to) || asked.contains(&one.from);
    let (Some(first), Some(last)) = (all.iter().find(about), all.iter().rfind(about)) else {
        return Ok(());
    };
    let (mut rtt, mut most) = (0, 0);
    for server in servers(&all) {
        let sent = all.iter().filter(|one| one.to == server).count();
        if sent > PACKETS {
            let text = format!("{sent} packets to {server}, which is healthy");
            return Err(Over::Sent(text));
        }
        most = most.max(i64::try_from(sent).unwrap_or(i64::MAX));
        let syn = all.iter().find(|one| one.to == server && one.syn);
        let answer = all
            .iter()
            .find(|one| one.from == server && one.syn && one.ack);
        if let (Some(syn), Some(answer)) = (syn, answer) {
            rtt = rtt.max(milliseconds(syn.at, answer.at));
        }
    }
    let took = milliseconds(first.at, last.at);
    let due = HEALTHY_MS.max(most * PACKET_MS) + ROUND_TRIPS * rtt;
    match took > due {
        true => Err(Over::Time(format!(
            "{took} ms and {most} packets for a healthy target {rtt} ms away"
        ))),
        false => Ok(()),
    }
}

/// A port that is dropped on a path without loss, from what the probe itself wrote down and when.
pub fn dropped(recording: &Recording, kept: &[u8]) -> Result<(), Over> {
    let all = seen(recording);
    let first = all.iter().find(|one| one.syn && !one.ack);
    let Some(Seen { at: first, .. }) = first else {
        return Err(Over::Sent("no SYN".to_owned()));
    };
    let after = |name: &str| -> Result<i64, Over> {
        let time = written(kept, name);
        let time = time.ok_or_else(|| Over::Sent(format!("nothing says {name}")))?;
        Ok(milliseconds(*first, time))
    };
    for (name, text, most) in [
        ("provisional", "unanswered, while", PROVISIONAL_MS),
        ("located", " of the control", LOCATED_MS),
    ] {
        let took = after(text)?;
        if took > most {
            return Err(Over::Time(format!("{name} after {took} ms")));
        }
    }
    // The connection that is judged is over by then: the kernel, who sends its SYN again and again, would send more of it.
    let mut sent: BTreeMap<(u16, u16), usize> = BTreeMap::new();
    for ports in all.iter().filter(|one| one.syn && !one.ack) {
        *sent.entry(ports.ports.unwrap_or_default()).or_default() += 1;
    }
    let judged = sent.into_iter().max_by_key(|(_, times)| *times);
    let judged = judged.map(|(ports, _)| ports);
    let last = all.iter().rfind(|one| one.syn && one.ports == judged);
    let took = last.map_or(0, |one| milliseconds(*first, one.at));
    match took > FINAL_MS {
        true => Err(Over::Time(format!(
            "the verdict was not final after {took} ms"
        ))),
        false => Ok(()),
    }
}

/// When a piece of evidence was found, of the measurements that stand in the probe's own capture as text.
fn written(kept: &[u8], words: &str) -> Option<Timestamp> {
    let begin = b"{\"about\":";
    let starts = kept
        .windows(begin.len())
        .enumerate()
        .filter(|(_, window)| window == begin);
    for (start, _) in starts {
        let rest = kept.get(start..)?;
        let mut values =
            serde_json::Deserializer::from_slice(rest).into_iter::<serde_json::Value>();
        let Some(Ok(value)) = values.next() else {
            continue;
        };
        let evidence = value["evidence"].as_array()?;
        let found = evidence
            .iter()
            .find(|piece| piece[1].as_str().is_some_and(|text| text.contains(words)));
        if let Some(time) = found.and_then(|piece| piece[0].as_i64()) {
            return Some(Timestamp(time));
        }
    }
    None
}
