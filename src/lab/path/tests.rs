//! The path by itself: packets in, packets out, and the time as a number.

mod devices;
mod filters;
mod ground;

use std::net::IpAddr;

use super::craft::{self, Habit};
use super::packet::{Packet, Segment, Toward, flag};
use super::{FaultSpec, Path, PathSpec};
use crate::base::SECOND;
use crate::lab::record::{RecordSpec, Recorder};

const CLIENT: &str = "10.0.0.5";
const SERVER: &str = "192.0.2.10";

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn path(faults: &str) -> Path {
    #[derive(serde::Deserialize)]
    struct Faults {
        #[serde(default)]
        fault: Vec<FaultSpec>,
    }
    let faults: Faults = toml::from_str(faults).expect("faults");
    Path::new(&PathSpec::default(), &faults.fault, 1)
}

fn segment(
    toward: Toward,
    (seq, ack, flags): (u32, u32, u8),
    options: &[u8],
    payload: &[u8],
) -> Packet {
    let (from, to) = if toward == Toward::Server {
        (CLIENT, SERVER)
    } else {
        (SERVER, CLIENT)
    };
    let (source, destination) = if toward == Toward::Server {
        (40_000, 25)
    } else {
        (25, 40_000)
    };
    let segment = Segment {
        from: source,
        to: destination,
        seq,
        ack,
        flags,
        window: 1000,
    };
    craft::tcp(
        address(from),
        address(to),
        Habit::linux(64),
        segment,
        options,
        payload,
    )
    .expect("a packet")
}

/// Sends one packet and gives all that arrives anywhere within ten seconds.
fn send(path: &mut Path, toward: Toward, packet: Packet) -> Vec<(Toward, Packet)> {
    let mut recorder = Recorder::new(RecordSpec::default());
    path.enter(toward, packet, 0, &mut recorder);
    let mut all = Vec::new();
    while let Some(due) = path.next().filter(|due| *due < 10 * SECOND) {
        all.extend(path.advance(due, &mut recorder));
    }
    for (_, packet) in &all {
        assert_sealed(packet);
    }
    all
}

/// Another implementation agrees with the checksums.
fn assert_sealed(packet: &Packet) {
    let mut again = packet.clone();
    again.seal();
    assert_eq!(again.bytes(), packet.bytes(), "sealed");
    let sliced = etherparse::SlicedPacket::from_ip(packet.bytes()).expect("a packet");
    let (Some(etherparse::TransportSlice::Tcp(tcp)), Some(etherparse::NetSlice::Ipv4(ip))) =
        (&sliced.transport, &sliced.net)
    else {
        return;
    };
    let header = ip.header();
    assert_eq!(
        header.to_header().calc_header_checksum(),
        header.header_checksum()
    );
    let sum = tcp
        .to_header()
        .calc_checksum_ipv4_raw(header.source(), header.destination(), tcp.payload())
        .expect("a sum");
    assert_eq!(sum, tcp.checksum());
}

fn syn() -> Packet {
    segment(
        Toward::Server,
        (1, 0, flag::SYN),
        &[2, 4, 5, 180, 1, 3, 3, 7],
        &[],
    )
}

#[test]
fn every_hop_takes_one_from_the_ttl() {
    let arrived = send(&mut path(""), Toward::Server, syn());
    let [(Toward::Server, packet)] = arrived.as_slice() else {
        panic!("{arrived:?}")
    };
    assert_eq!(packet.ttl(), 61);
}

#[test]
fn a_used_up_ttl_is_told_by_the_hop_where_it_ended() {
    for (ttl, hop) in [(1, "10.0.0.1"), (2, "203.0.113.2"), (3, "203.0.113.3")] {
        let mut packet = syn();
        packet.set_ttl(ttl);
        let arrived = send(&mut path(""), Toward::Server, packet);
        let [(Toward::Client, error)] = arrived.as_slice() else {
            panic!("{arrived:?}")
        };
        assert_eq!(
            (error.source(), error.body()[0], error.body()[1]),
            (address(hop), 11, 0)
        );
        // The quote is the packet as it arrived: with a TTL of 1.
        assert_eq!(error.body()[8 + 8], 1);
    }
}

#[test]
fn a_loop_ends_in_time_exceeded() {
    let mut path = path("[[fault]]\nhop = 3\naction.loop = { with = 2 }");
    let arrived = send(&mut path, Toward::Server, syn());
    let [(Toward::Client, error)] = arrived.as_slice() else {
        panic!("{arrived:?}")
    };
    assert_eq!(error.body()[0], 11);
}

#[test]
fn a_host_that_is_not_there_is_missed_after_three_seconds() {
    let mut packet = syn();
    packet.set_destination(address("192.0.2.77"));
    packet.seal();
    let mut path = path("");
    let mut recorder = Recorder::new(RecordSpec::default());
    path.enter(Toward::Server, packet, 0, &mut recorder);
    while path.next().is_some_and(|due| due < 3 * SECOND) {
        let due = path.next().unwrap_or(0);
        assert_eq!(path.advance(due, &mut recorder).count(), 0);
    }
    assert!(path.next().is_some());
}

#[test]
fn a_nat_translates_both_ways() {
    let mut path = path("[[fault]]\nhop = 1\naction.nat = { address = \"203.0.113.9\" }");
    let arrived = send(&mut path, Toward::Server, syn());
    let (_, outside) = arrived.first().expect("arrived");
    assert_eq!(
        (outside.source(), outside.ports()),
        (address("203.0.113.9"), Some((20_000, 25)))
    );
    let mut answer = segment(Toward::Client, (9, 2, flag::SYN | flag::ACK), &[], &[]);
    answer.set_destination(address("203.0.113.9"));
    answer.set_ports(25, 20_000);
    answer.seal();
    let arrived = send(&mut path, Toward::Client, answer);
    let (_, inside) = arrived.first().expect("arrived");
    assert_eq!(
        (inside.destination(), inside.ports()),
        (address(CLIENT), Some((25, 40_000)))
    );
}

#[test]
fn a_fixup_masks_banner_keywords_and_verbs_in_place() {
    let mut path = path("[[fault]]\nhop = 2\nmatch = { port = 25 }\naction.smtp-fixup = {}");
    let mut say = |toward, text: &str| {
        let packet = segment(toward, (1, 1, flag::ACK | flag::PSH), &[], text.as_bytes());
        let arrived = send(&mut path, toward, packet);
        String::from_utf8_lossy(arrived[0].1.payload()).into_owned()
    };
    assert_eq!(
        say(Toward::Client, "220 mx2 ESMTP\r\n"),
        "220 **2 *****\r\n"
    );
    assert_eq!(say(Toward::Server, "EHLO me\r\n"), "EHLO me\r\n");
    assert_eq!(
        say(
            Toward::Client,
            "250-mx2\r\n250-SIZE 100\r\n250 STARTTLS\r\n"
        ),
        "250-mx2\r\n250-SIZE 100\r\n250 XXXXXXXA\r\n"
    );
    assert_eq!(say(Toward::Server, "STARTTLS\r\n"), "XXXXXXXX\r\n");
}

#[test]
fn a_syn_proxy_answers_first_and_joins_the_two_connections() {
    let mut path = path("[[fault]]\nhop = 1\naction.syn-proxy = {}");
    let arrived = send(&mut path, Toward::Server, syn());
    let [(Toward::Client, answer)] = arrived.as_slice() else {
        panic!("{arrived:?}")
    };
    let own = answer.segment().expect("a segment");
    assert_eq!(
        (own.flags, own.ack, answer.ttl()),
        (flag::SYN | flag::ACK, 2, 64)
    );
    let ack = segment(
        Toward::Server,
        (2, own.seq.wrapping_add(1), flag::ACK),
        &[],
        &[],
    );
    let arrived = send(&mut path, Toward::Server, ack);
    let [(Toward::Server, onward)] = arrived.as_slice() else {
        panic!("{arrived:?}")
    };
    assert_eq!(
        onward.segment().map(|s| (s.flags, s.seq)),
        Some((flag::SYN, 1))
    );
    let arrived = send(
        &mut path,
        Toward::Client,
        segment(Toward::Client, (700, 2, flag::SYN | flag::ACK), &[], &[]),
    );
    let [(Toward::Server, closing)] = arrived.as_slice() else {
        panic!("{arrived:?}")
    };
    assert_eq!(
        closing.segment().map(|s| (s.flags, s.ack)),
        Some((flag::ACK, 701))
    );
    let arrived = send(
        &mut path,
        Toward::Client,
        segment(Toward::Client, (701, 2, flag::ACK), &[], b"220 hi\r\n"),
    );
    assert_eq!(
        arrived[0].1.segment().map(|s| s.seq),
        Some(own.seq.wrapping_add(1))
    );
}

#[test]
fn an_injected_reset_goes_to_both_ends_with_exact_numbers() {
    let mut path = path(
        "[[fault]]\nhop = 2\nmatch = { contains = \"MAIL\" }\naction.reset = { to = \"both\", ttl = 255 }",
    );
    let data = segment(
        Toward::Server,
        (100, 200, flag::ACK | flag::PSH),
        &[],
        b"MAIL FROM:<a@b>\r\n",
    );
    let mut arrived = send(&mut path, Toward::Server, data);
    arrived.sort_by_key(|(toward, _)| *toward == Toward::Server);
    let [(Toward::Client, back), (Toward::Server, onward)] = arrived.as_slice() else {
        panic!("{arrived:?}")
    };
    assert_eq!(
        back.segment().map(|s| (s.flags, s.seq)),
        Some((flag::RST, 200))
    );
    assert_eq!((back.ttl(), onward.ttl()), (254, 254));
    assert_eq!(
        onward.segment().map(|s| (s.flags, s.seq, s.ack)),
        Some((flag::RST | flag::ACK, 100, 200))
    );
}

#[test]
fn a_large_packet_that_may_be_cut_is_cut() {
    let payload = vec![7u8; 2000];
    let habit = Habit {
        identification: 77,
        dont_fragment: false,
        ..Habit::linux(64)
    };
    let packet = craft::udp(
        address(SERVER),
        address(CLIENT),
        habit,
        (53, 4000),
        &payload,
    )
    .expect("a packet");
    let pieces = packet.fragments(1400);
    let total: usize = pieces.iter().map(|p| p.body().len()).sum();
    assert_eq!((pieces.len(), total), (2, 2008));
    assert!(pieces.iter().all(|p| p.length() <= 1400 && p.is_fragment()));
}
