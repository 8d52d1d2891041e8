//! Neighbours that do not answer: what mail misses, and what it has nothing to do with.

use std::net::IpAddr;

use super::super::record::Record;
use super::beside::{Talk, View};
use super::{Capture, address};
use crate::wire::TcpFlags;
use crate::wire::craft::{Header, ethernet, udp};

const CLIENT: &str = "10.0.0.5";
const GATEWAY: &str = "10.0.0.1";
const CLIENT_MAC: [u8; 6] = [2; 6];
const GATEWAY_MAC: [u8; 6] = [4; 6];
const RESOLVER_MAC: [u8; 6] = [6; 6];
const ALL: [u8; 6] = [0xff; 6];

/// An ARP request, or an answer.
fn arp(from: ([u8; 6], &str), to: ([u8; 6], &str), reply: bool) -> Vec<u8> {
    let octets = |text: &str| match address(text) {
        IpAddr::V4(four) => four.octets(),
        IpAddr::V6(_) => unreachable!("ARP is of IPv4"),
    };
    let target = if reply { to.0 } else { [0; 6] };
    let mut frame = [to.0, from.0].concat();
    frame.extend_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, if reply { 2 } else { 1 }]);
    frame.extend_from_slice(&from.0);
    frame.extend_from_slice(&octets(from.1));
    frame.extend_from_slice(&target);
    frame.extend_from_slice(&octets(to.1));
    frame
}

/// Three requests a second apart.
fn asks(capture: &mut Capture, at: i64, asker: ([u8; 6], &str), (mac, target): ([u8; 6], &str)) {
    for later in [0, 1_000, 2_000] {
        capture.raw(at + later, &arp(asker, (mac, target), false));
    }
}

/// The machine at `ttls` from both ends, between the client's station and the gateway's.
fn view(ttls: (u8, u8)) -> View {
    View {
        ttls,
        macs: (CLIENT_MAC, GATEWAY_MAC),
        both_ways: false,
    }
}

/// Of whom it is said that he does not answer.
fn missed(capture: Capture) -> Vec<String> {
    let records = capture.records();
    let of = |record: &Record| match record {
        Record::Finding(one) if one.verdict.code == "route.neighbor-unresolved" => {
            one.verdict.at.address.clone()
        }
        _ => None,
    };
    records.iter().filter_map(of).collect()
}

/// `mail.example`, asked of a resolver on the wire, is `answer`.
fn look_up(capture: &mut Capture, at: i64, answer: &str) {
    let question = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x04mail\x07example\0\0\x01\0\x01";
    let mut reply = question.to_vec();
    (reply[2], reply[3], reply[7]) = (0x81, 0x80, 1);
    reply.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04");
    let IpAddr::V4(four) = address(answer) else {
        unreachable!("an A record is of IPv4");
    };
    reply.extend_from_slice(&four.octets());
    let (client, resolver) = (address(CLIENT), address("10.0.0.53"));
    let (from, to) = ((client, 40_000).into(), (resolver, 53).into());
    let asked = udp(Header::new(client, resolver), from, to, question).expect("a question");
    let told = udp(Header::new(resolver, client), to, from, &reply).expect("an answer");
    capture.raw(at, &ethernet(CLIENT_MAC, RESOLVER_MAC, &[], &asked));
    capture.raw(at + 1, &ethernet(RESOLVER_MAC, CLIENT_MAC, &[], &told));
}

#[test]
fn whom_mail_does_not_need_is_no_fault_of_mail() {
    // At the server: somebody scans its network from outside, and the gateway asks for addresses that nobody has.
    let mut capture = Capture::new(1_500);
    let beside_server = View {
        macs: (GATEWAY_MAC, CLIENT_MAC),
        ..view((62, 64))
    };
    Talk::new(&mut capture, beside_server, ("198.51.100.7", 40_001), 25).whole(0);
    asks(
        &mut capture,
        500,
        (GATEWAY_MAC, "192.0.2.1"),
        (ALL, "192.0.2.99"),
    );
    assert!(missed(capture).is_empty());
    // At the client: a printer is switched off.
    let mut capture = Capture::new(1_500);
    asks(&mut capture, 0, (CLIENT_MAC, CLIENT), (ALL, "10.0.0.77"));
    Talk::new(&mut capture, view((64, 60)), (CLIENT, 40_001), 25).whole(3_000);
    assert!(missed(capture).is_empty());
}

#[test]
fn a_mail_server_on_the_wire_that_nobody_reaches_is_missed() {
    let told = |answer: &str| {
        let mut capture = Capture::new(1_500);
        look_up(&mut capture, 0, answer);
        asks(&mut capture, 10, (CLIENT_MAC, CLIENT), (ALL, "10.0.0.25"));
        missed(capture)
    };
    assert_eq!(told("10.0.0.25"), ["10.0.0.25"]);
    // The near miss: it was told another address, and has had an answer from elsewhere.
    assert!(told("10.0.0.26").is_empty());
}

#[test]
fn a_gateway_that_mail_went_by_is_missed_when_mail_gets_no_answer() {
    let falls_silent = |asked: ([u8; 6], &str)| {
        let mut capture = Capture::new(1_500);
        let mut talk = Talk::new(&mut capture, view((64, 60)), (CLIENT, 40_001), 25);
        talk.opens(0);
        let words = "MAIL FROM:<a@client.example>\r\n";
        talk.says(1_000, true, TcpFlags::ACK, words);
        for later in [300, 900, 2_100] {
            talk.again(1_000 + later, true, TcpFlags::ACK, words);
        }
        asks(&mut capture, 4_000, (CLIENT_MAC, CLIENT), asked);
        missed(capture)
    };
    // Who was known asks him alone first (RFC 1122 2.3.2.1).
    assert_eq!(falls_silent((GATEWAY_MAC, GATEWAY)), [GATEWAY]);
    // The near miss: a station that mail did not go by.
    assert!(falls_silent((RESOLVER_MAC, "10.0.0.77")).is_empty());
}

#[test]
fn a_gateway_is_not_seen_to_be_answered_on_the_port_of_another() {
    // Mail to a second server on the same wire is dead; the gateway asks for it.
    let asked = |mirrored: bool| {
        let mut capture = Capture::new(1_500);
        look_up(&mut capture, 0, "10.0.0.25");
        let view = View {
            macs: (GATEWAY_MAC, CLIENT_MAC),
            ..view((62, 64))
        };
        Talk::new(&mut capture, view, ("198.51.100.7", 40_001), 25).whole(100);
        if mirrored {
            let view = View {
                macs: (GATEWAY_MAC, [8; 6]),
                ..view
            };
            Talk::new(&mut capture, view, ("198.51.100.7", 40_002), 25).whole(300);
        }
        asks(
            &mut capture,
            500,
            (GATEWAY_MAC, GATEWAY),
            (ALL, "10.0.0.25"),
        );
        missed(capture)
    };
    assert!(asked(false).is_empty());
    assert_eq!(asked(true), ["10.0.0.25"]);
}
