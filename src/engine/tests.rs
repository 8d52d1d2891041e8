//! Frames in, records out: what a short snap length must not make of frames (an error whose quote is cut, segments cut before their flags),
//! and what shows only beside other frames.

mod beside;
mod neighbors;

use std::net::IpAddr;

use super::record::Record;
use super::{Config, Engine, Input, SourceEnd};
use crate::base::{Foreign, MILLISECOND, SourceId, Timestamp};
use crate::wire::TcpFlags;
use crate::wire::craft::{Header, Segment, ethernet, icmp, tcp, udp};

const CLIENT: &str = "2001:db8:1::5";
const SERVER: &str = "2001:db8:7::25";
const ROUTER: &str = "2001:db8:1::1";

struct Capture {
    engine: Engine,
    source: SourceId,
    link_type: u16,
    snaplen: usize,
    number: u64,
    records: Vec<Record>,
}

impl Capture {
    fn new(snaplen: usize) -> Capture {
        let mut engine = Engine::new(Config::default());
        let source = engine.open_source("file", Foreign::from("test"), Some("pcap"));
        Capture {
            engine,
            source,
            link_type: 1,
            snaplen,
            number: 0,
            records: Vec::new(),
        }
    }

    fn frame(&mut self, at: i64, packet: &[u8]) {
        self.raw(at, &ethernet([2; 6], [4; 6], &[], packet));
    }

    fn raw(&mut self, at: i64, data: &[u8]) {
        self.number += 1;
        let records = &mut self.records;
        let input = Input {
            source: self.source,
            number: self.number,
            interface: 0,
            link_type: self.link_type,
            time: Timestamp(at * MILLISECOND),
            data: &data[..self.snaplen.min(data.len())],
            original_len: data.len() as u32,
            control: false,
        };
        self.engine
            .frame(&input, &mut |record| records.push(record));
    }

    /// Everything that is said of it.
    fn records(mut self) -> Vec<Record> {
        let mut records = std::mem::take(&mut self.records);
        let mut keep = |record| records.push(record);
        self.engine
            .close_source(self.source, SourceEnd::default(), &mut keep);
        self.engine.finish(&mut keep);
        records
    }

    /// What is said to be damaged of it.
    fn damage(self) -> Option<String> {
        self.records().into_iter().find_map(|record| match record {
            Record::Source(source) => source.damage,
            _ => None,
        })
    }

    /// Codes of connections and look-ups.
    fn codes(self) -> Vec<&'static str> {
        let records = self.records();
        let code = |record: &Record| match record {
            Record::Connection(one) => Some(one.verdict.code),
            Record::Lookup(one) => Some(one.verdict.code),
            _ => None,
        };
        records.iter().filter_map(code).collect()
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn syn(to: &str, port: u16) -> Vec<u8> {
    let segment = Segment {
        source_port: 40_000,
        destination_port: port,
        seq: 100,
        ack: 0,
        flags: TcpFlags(TcpFlags::SYN),
        window: 64_000,
        options: &[],
    };
    tcp(Header::new(address(CLIENT), address(to)), &segment, b"").expect("a segment")
}

/// Four SYNs, each of which a router answers with "no route" that quotes `quoted`.
fn unreachable(snaplen: usize, quoted: Option<&[u8]>) -> Vec<&'static str> {
    let mut capture = Capture::new(snaplen);
    for at in [0, 1_000, 3_000, 7_000] {
        capture.frame(at, &syn(SERVER, 143));
        if let Some(quoted) = quoted {
            let header = Header::new(address(ROUTER), address(CLIENT));
            let error = icmp(header, 1, 0, 0, quoted).expect("an error");
            capture.frame(at + 1, &error);
        }
    }
    // Time goes on, and shows it by what is no mail.
    capture.frame(60_000, &syn("2001:db8:9::9", 443));
    capture.codes()
}

#[test]
fn an_error_whose_quote_is_cut_may_be_about_the_syn() {
    // Ethernet, IPv6, ICMPv6 and 28 bytes of the quoted IPv6 header; then the same whole.
    assert_eq!(unreachable(90, Some(&syn(SERVER, 143))), ["unknown"]);
    let whole = unreachable(1_500, Some(&syn(SERVER, 143)));
    assert_eq!(whole, ["route.unreachable"]);
    // Near misses: nothing came; what came was about another host.
    assert_eq!(unreachable(90, None), ["tcp.dropped"]);
    let other = unreachable(90, Some(&syn("2001:dead::1", 143)));
    assert_eq!(other, ["tcp.dropped"]);
}

/// A question that is asked three times, each time answered by a router with "no route" that quotes one to that resolver.
fn unanswered(snaplen: usize, quoted: &str) -> Vec<&'static str> {
    let question = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x04mail\x04test\0\0\x01\0\x01";
    let query = |to: &str| {
        let ends = ((address(CLIENT), 40_000), (address(to), 53));
        let header = Header::new(address(CLIENT), address(to));
        udp(header, ends.0.into(), ends.1.into(), question).expect("a question")
    };
    let mut capture = Capture::new(snaplen);
    for at in [0, 5_000, 10_000] {
        capture.frame(at, &query(SERVER));
        let header = Header::new(address(ROUTER), address(CLIENT));
        let error = icmp(header, 1, 0, 0, &query(quoted)).expect("an error");
        capture.frame(at + 1, &error);
    }
    capture.frame(60_000, &syn("2001:db8:9::9", 443));
    capture.codes()
}

#[test]
fn an_error_whose_quote_is_cut_may_be_about_the_query() {
    assert_eq!(unanswered(96, SERVER), ["unknown"]);
    assert_eq!(unanswered(1_500, SERVER), ["route.unreachable"]);
    // Near miss: about another host.
    assert_eq!(unanswered(96, "2001:dead::1"), ["dns.timeout"]);
}

/// A name that does not exist, and segments to a port that are cut before their flags.
fn cut_segments(port: u16) -> Vec<&'static str> {
    let mut capture = Capture::new(64);
    let (client, resolver) = (address("10.0.0.5"), address("10.0.0.1"));
    let question = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x02vm\0\0\x01\0\x01";
    let mut answer = question.to_vec();
    answer[2] = 0x81;
    answer[3] = 0x83;
    let (from, to) = ((client, 40_000).into(), (resolver, 53).into());
    let header = Header::new(client, resolver);
    capture.frame(0, &udp(header, from, to, question).expect("a question"));
    let header = Header::new(resolver, client);
    capture.frame(1, &udp(header, to, from, &answer).expect("an answer"));
    capture.frame(5, &syn(SERVER, port));
    capture.codes()
}

#[test]
fn segments_cut_before_their_flags_may_be_mail() {
    assert!(cut_segments(25).is_empty());
    assert_eq!(cut_segments(443), ["dns.nxdomain"]);
}

/// A capture of which nothing can be read is no evidence that all is well.
#[test]
fn frames_that_cannot_be_read_are_damage() {
    let packet = syn(SERVER, 143);
    let damage = |link_type: u16, snaplen: usize, packets: &[&[u8]]| {
        let mut capture = Capture::new(snaplen);
        capture.link_type = link_type;
        for (at, packet) in (0..).zip(packets) {
            capture.frame(at, packet);
        }
        capture.damage()
    };
    let said = damage(107, 200, &[&packet, &packet]).expect("frame relay is not read");
    assert!(said.contains("none of its 2 frames") && said.contains("link type 107"));
    let said = damage(1, 20, &[&packet]).expect("cut before the addresses");
    assert!(said.contains("its only frame") && said.contains("snap length"));
    assert_eq!(damage(1, 200, &[&packet]), None);
    // Near miss: a frame that was read, and makes no sense.
    assert_eq!(damage(1, 200, &[&[0x0f; 60]]), None);
}
