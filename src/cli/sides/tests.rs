//! What becomes of the others when one thread of a replay panics, or nobody wants more: all of them end.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Ears, Reading, Sink, many_sides};
use crate::base::{Foreign, SECOND, Timestamp};
use crate::capture::Frame;
use crate::engine::record::Record;
use crate::engine::{Config, Engine, SourceEnd};
use crate::wire::TcpFlags;
use crate::wire::craft::{Header, Segment, ethernet, tcp};

/// Connections of a run, each of one SYN and its refusal: many epochs.
const CONNECTIONS: u16 = 20_000;

/// Counts records; panics at one of them, or wants no more then.
struct Counting {
    records: usize,
    most: usize,
    panics: bool,
}

impl Counting {
    fn up_to(most: usize, panics: bool) -> Counting {
        Counting {
            records: 0,
            most,
            panics,
        }
    }
}

impl Sink for Counting {
    fn source(&mut self, _: u32, _: &Foreign) {}

    fn record(&mut self, _: Record) {
        self.records += 1;
        assert!(!self.panics || self.records < self.most, "as it was told");
    }

    fn wanted(&self) -> bool {
        self.records < self.most
    }
}

/// A refused connection's two frames.
fn refused(number: u16) -> [Vec<u8>; 2] {
    let client: IpAddr = "192.0.2.5".parse().unwrap();
    let server: IpAddr = "198.51.100.25".parse().unwrap();
    let port = 1_024 + number;
    let frame = |from, to, ports: (u16, u16), flags, ack| {
        let segment = Segment {
            source_port: ports.0,
            destination_port: ports.1,
            seq: 1,
            ack,
            flags: TcpFlags(flags),
            window: 64_240,
            ..Segment::default()
        };
        let packet = tcp(Header::new(from, to), &segment, &[]).unwrap();
        ethernet([2; 6], [4; 6], &[], &packet)
    };
    [
        frame(client, server, (port, 25), TcpFlags::SYN, 0),
        frame(server, client, (25, port), TcpFlags::RST | TcpFlags::ACK, 2),
    ]
}

/// Reads until nobody wants more; how many frames. `stop`: the connection at which reading panics.
fn read<E: Ears>(door: &mut Reading<E>, stop: Option<u16>) -> u64 {
    let id = door.open(None, "file", Foreign::from("test"), Some("pcap"));
    let mut number = 0;
    for connection in 0..CONNECTIONS {
        assert_ne!(stop, Some(connection), "as it was told");
        for data in refused(connection) {
            number += 1;
            let time = Timestamp(i64::from(connection) * SECOND / 100);
            let frame = Frame {
                number,
                interface: 0,
                link_type: 1,
                time,
                data: &data,
                original_len: data.len() as u32,
                control: false,
                position: 0,
            };
            door.frame(id, &frame);
        }
        if !door.wanted() {
            break;
        }
    }
    door.close(id, SourceEnd::default());
    door.finish();
    number
}

fn run(sink: &mut Counting, others: usize, stop: Option<u16>) -> u64 {
    let engine = Engine::new(Config::default());
    many_sides(engine, sink, 2, others, |door| read(door, stop))
}

#[test]
fn everything_is_read_and_judged() {
    for others in 0..3 {
        let mut sink = Counting::up_to(usize::MAX, false);
        assert_eq!(run(&mut sink, others, None), u64::from(CONNECTIONS) * 2);
        assert!(sink.records >= usize::from(CONNECTIONS), "{}", sink.records);
    }
}

#[test]
fn reading_ends_when_nobody_wants_more() {
    let mut sink = Counting::up_to(100, false);
    assert!(run(&mut sink, 0, None) < u64::from(CONNECTIONS));
}

#[test]
fn a_panic_of_who_reads_ends_all() {
    for others in 0..3 {
        let mut sink = Counting::up_to(usize::MAX, false);
        let run = AssertUnwindSafe(|| run(&mut sink, others, Some(CONNECTIONS / 2)));
        assert!(catch_unwind(run).is_err());
    }
}

#[test]
fn a_panic_of_who_judges_ends_all() {
    for others in 0..3 {
        let mut sink = Counting::up_to(100, true);
        let run = AssertUnwindSafe(|| run(&mut sink, others, None));
        assert!(catch_unwind(run).is_err());
    }
}
