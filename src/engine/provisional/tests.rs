//! Live use of the engine: what is shown before the end, under which number, and what replaces it.

use std::net::IpAddr;

use crate::base::{Foreign, MILLISECOND, SECOND, SourceId, Timestamp};
use crate::engine::record::{ConnectionRecord, Record};
use crate::engine::{Config, Engine, Input};
use crate::wire::TcpFlags;
use crate::wire::craft::{Header, Segment, ethernet, tcp};

const CLIENT: &str = "10.0.0.5";
const SERVER: &str = "192.0.2.10";

struct Live {
    engine: Engine,
    source: SourceId,
    number: u64,
    records: Vec<Record>,
}

impl Live {
    fn new() -> Live {
        Live::with_room(None)
    }

    /// With room for so many connections.
    fn with_room(flows: Option<usize>) -> Live {
        let mut engine = Engine::new(Config {
            live: true,
            flows,
            ..Config::default()
        });
        let source = engine.open_source("interface", Foreign::from("test0"), None);
        Live {
            engine,
            source,
            number: 0,
            records: Vec::new(),
        }
    }

    /// A segment at so many milliseconds. `from_client`: its sender.
    fn segment(&mut self, at: i64, ports: (u16, u16), seq: u32, ack: u32, flags: u8, text: &str) {
        let from_client = ports.0 > ports.1;
        let (from, to) = if from_client {
            (CLIENT, SERVER)
        } else {
            (SERVER, CLIENT)
        };
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let segment = Segment {
            source_port: ports.0,
            destination_port: ports.1,
            seq,
            ack,
            flags: TcpFlags(flags),
            window: 64_000,
            options: &[],
        };
        let packet = tcp(
            Header::new(address(from), address(to)),
            &segment,
            text.as_bytes(),
        )
        .expect("a segment");
        let data = ethernet([2; 6], [4; 6], &[], &packet);
        self.number += 1;
        let records = &mut self.records;
        self.engine.frame(
            &Input {
                source: self.source,
                number: self.number,
                interface: 0,
                link_type: 1,
                time: millisecond(at),
                data: &data,
                original_len: data.len() as u32,
                control: false,
            },
            &mut |record| records.push(record),
        );
    }

    /// Three SYNs in three seconds to a port, from `at` on.
    fn unanswered(&mut self, at: i64, port: u16) {
        for again in 0..4 {
            self.segment(
                at + again * 1_010,
                (50_000, port),
                100,
                0,
                TcpFlags::SYN,
                "",
            );
        }
    }

    fn handshake(&mut self, at: i64, client: u16, server: u16) {
        self.segment(at, (client, server), 100, 0, TcpFlags::SYN, "");
        self.segment(
            at + 10,
            (server, client),
            500,
            101,
            TcpFlags::SYN | TcpFlags::ACK,
            "",
        );
        self.segment(at + 11, (client, server), 101, 501, TcpFlags::ACK, "");
    }

    fn look(&mut self, at: i64) {
        let records = &mut self.records;
        self.engine
            .provisional(millisecond(at), 100, &mut |record| records.push(record));
    }

    fn tick(&mut self, at: i64) {
        let records = &mut self.records;
        self.engine.watched(self.source, millisecond(at));
        self.engine
            .tick(millisecond(at), &mut |record| records.push(record));
    }

    /// The connections among the records since the last call.
    fn connections(&mut self) -> Vec<ConnectionRecord> {
        self.records
            .drain(..)
            .filter_map(|record| match record {
                Record::Connection(connection) => Some(*connection),
                _ => None,
            })
            .collect()
    }
}

fn millisecond(at: i64) -> Timestamp {
    Timestamp(1_795_442_592 * SECOND + at * MILLISECOND)
}

#[test]
fn silence_is_shown_before_it_is_final_and_under_the_same_number() {
    let mut live = Live::new();
    live.handshake(0, 40_000, 587);
    live.segment(100, (50_000, 25), 100, 0, TcpFlags::SYN, "");
    live.look(1_000);
    let rows = live.connections();
    assert_eq!(rows.len(), 2, "a row for each at once");
    assert!(rows.iter().all(|row| row.verdict.code == "unknown"));
    live.unanswered(1_110, 25);
    live.look(5_000);
    let shown = live.connections();
    let dropped = shown
        .iter()
        .find(|row| row.server.port == 25)
        .expect("the dropped one");
    assert_eq!(dropped.verdict.code, "tcp.dropped");
    assert!(!dropped.verdict.is_final);
    assert_eq!(dropped.attempt, None);
    live.look(6_000);
    assert!(
        live.connections().is_empty(),
        "nothing changed, nothing said"
    );
    live.tick(200_000);
    let last = live.connections();
    let end = last
        .iter()
        .find(|row| row.server.port == 25)
        .expect("its last record");
    assert_eq!(end.id, dropped.id);
    assert_eq!(end.verdict.code, "tcp.dropped");
    assert!(end.verdict.is_final);
    assert!(end.attempt.is_some());
}

#[test]
fn a_late_answer_replaces_a_silence() {
    let mut live = Live::new();
    live.unanswered(0, 25);
    live.look(5_000);
    let shown = live.connections();
    assert_eq!(shown[0].verdict.code, "tcp.dropped");
    live.segment(
        7_000,
        (25, 50_000),
        500,
        101,
        TcpFlags::SYN | TcpFlags::ACK,
        "",
    );
    live.segment(7_001, (50_000, 25), 101, 501, TcpFlags::ACK, "");
    live.segment(
        7_100,
        (25, 50_000),
        501,
        101,
        TcpFlags::ACK | TcpFlags::PSH,
        "220 mx ESMTP\r\n",
    );
    live.segment(7_101, (50_000, 25), 101, 515, TcpFlags::ACK, "");
    live.look(7_200);
    let shown = live.connections();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].id, 0);
    assert_ne!(shown[0].verdict.code, "tcp.dropped");
    assert!(shown[0].reached.contains(&"greeting"));
}

#[test]
fn a_missing_greeting_is_noticed_without_a_packet() {
    let mut live = Live::new();
    live.handshake(0, 50_000, 25);
    live.look(500);
    assert_eq!(live.connections()[0].verdict.code, "unknown");
    for at in (1..=29).map(|second| second * 1_000) {
        live.look(at);
    }
    assert!(live.connections().is_empty());
    live.look(31_000);
    let shown = live.connections();
    assert_eq!(shown[0].verdict.code, "mail.no-greeting");
    assert!(!shown[0].verdict.is_final);
}

#[test]
fn a_connection_that_makes_room_is_not_blamed_for_what_it_would_have_said_later() {
    for (room, code) in [(None, "mail.command-timeout"), (Some(1), "unknown")] {
        let mut live = Live::with_room(room);
        live.handshake(0, 50_000, 25);
        let push = TcpFlags::ACK | TcpFlags::PSH;
        live.segment(20, (25, 50_000), 501, 101, push, "220 mx ESMTP\r\n");
        live.segment(30, (50_000, 25), 101, 515, push, "EHLO me.example\r\n");
        live.segment(31, (25, 50_000), 515, 118, TcpFlags::ACK, "");
        live.segment(400_000, (50_001, 587), 100, 0, TcpFlags::SYN, "");
        live.tick(8_400_000);
        let ended = live.connections();
        let first = ended.iter().find(|one| one.server.port == 25);
        assert_eq!(first.expect("it ended").verdict.code, code, "{room:?}");
    }
}

#[test]
fn unanswered_syns_that_make_room_have_said_what_they_can() {
    let mut live = Live::with_room(Some(1));
    live.handshake(-100, 40_000, 587);
    live.unanswered(0, 25);
    live.handshake(60_000, 50_001, 465);
    live.tick(61_000);
    let ended = live.connections();
    let first = ended.iter().find(|one| one.server.port == 25);
    assert_eq!(first.expect("it ended").verdict.code, "tcp.dropped");
}

#[test]
fn an_idle_mailbox_is_healthy_and_not_forgotten() {
    let minute = 60_000;
    let mut live = Live::new();
    live.handshake(0, 50_000, 143);
    let push = TcpFlags::ACK | TcpFlags::PSH;
    live.segment(
        20,
        (143, 50_000),
        501,
        101,
        push,
        "* OK IMAP4rev1 ready\r\n",
    );
    live.segment(30, (50_000, 143), 101, 523, push, "a LOGIN u p\r\n");
    live.segment(40, (143, 50_000), 523, 114, push, "a OK in\r\n");
    live.segment(50, (50_000, 143), 114, 532, push, "b IDLE\r\n");
    live.segment(60, (143, 50_000), 532, 122, push, "+ idling\r\n");
    live.segment(61, (50_000, 143), 122, 542, TcpFlags::ACK, "");
    for at in (1..=129).map(|at| at * minute) {
        live.tick(at);
        live.look(at);
    }
    let shown = live.connections();
    let last = shown.last().expect("a row");
    assert!(shown.iter().all(|row| !row.verdict.is_final));
    assert_eq!((last.outcome, last.verdict.code), ("healthy", "ok"));
    live.segment(
        129 * minute,
        (143, 50_000),
        542,
        122,
        push,
        "* 1 EXISTS\r\n",
    );
    live.tick(131 * minute);
    assert!(live.connections().iter().all(|row| !row.verdict.is_final));
    live.tick(260 * minute);
    assert_eq!(
        live.connections().len(),
        1,
        "after 2 h 10 min without a segment it is judged"
    );
}

#[test]
fn lost_frames_weaken_the_silence_of_their_time_only() {
    let confidence = |lost: &[(i64, i64)]| {
        let mut live = Live::new();
        live.handshake(0, 40_000, 587);
        for (from, to) in lost {
            let (from, to) = (millisecond(*from), millisecond(*to));
            live.engine.lost(live.source, from, to, 7);
        }
        live.unanswered(100_000, 25);
        live.segment(100_500, (587, 40_000), 501, 101, TcpFlags::ACK, "");
        live.look(105_000);
        let shown = live.connections();
        let row = shown.iter().find(|row| row.server.port == 25);
        row.expect("a row").verdict.confidence
    };
    let sure = confidence(&[]);
    assert_eq!(confidence(&[(10_000, 11_000)]), sure);
    assert!(confidence(&[(101_000, 102_000)]) < sure);
}
