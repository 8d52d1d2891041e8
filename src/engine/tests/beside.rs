//! What shows only where the capture was taken, and beside other connections.

use super::super::record::{ConnectionRecord, Record};
use super::{Capture, address};
use crate::wire::TcpFlags;
use crate::wire::craft::{Header, Segment, ethernet, icmp, tcp};

const CLIENT: &str = "10.0.0.5";
const SERVER: &str = "192.0.2.10";
const ROUTER: &str = "192.0.2.1";
const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const FIN: u8 = TcpFlags::FIN;
const RST: u8 = TcpFlags::RST;

/// How frames look at the point of capture.
#[derive(Clone, Copy)]
pub struct View {
    /// With which TTL packets of the client, and of the server, are seen.
    pub ttls: (u8, u8),
    /// From which stations.
    pub macs: ([u8; 6], [u8; 6]),
    /// On every interface of a router between them, whose own station that is, each packet coming in and going out.
    pub both_ways: bool,
}

impl View {
    fn with(ttls: (u8, u8)) -> View {
        View {
            ttls,
            macs: ([2; 6], [4; 6]),
            both_ways: false,
        }
    }
}

/// A connection that is played into a capture.
pub struct Talk<'a> {
    pub capture: &'a mut Capture,
    pub view: View,
    pub client: (&'a str, u16),
    pub server: (&'a str, u16),
    /// Next sequence numbers.
    pub next: (u32, u32),
}

impl<'a> Talk<'a> {
    pub fn new(
        capture: &'a mut Capture,
        view: View,
        client: (&'a str, u16),
        port: u16,
    ) -> Talk<'a> {
        Talk {
            capture,
            view,
            client,
            server: (SERVER, port),
            next: (1_000, 5_000),
        }
    }

    fn packet(&self, by_client: bool, flags: u8, text: &str) -> (Vec<u8>, u8) {
        let (from, to, seq, ack) = if by_client {
            (self.client, self.server, self.next.0, self.next.1)
        } else {
            (self.server, self.client, self.next.1, self.next.0)
        };
        let segment = Segment {
            source_port: from.1,
            destination_port: to.1,
            seq,
            ack: if flags & ACK == 0 { 0 } else { ack },
            flags: TcpFlags(flags),
            window: if flags & RST == 0 { 64_000 } else { 0 },
            options: &[],
        };
        let ttl = if by_client {
            self.view.ttls.0
        } else {
            self.view.ttls.1
        };
        let header = Header {
            ttl,
            ..Header::new(address(from.0), address(to.0))
        };
        (
            tcp(header, &segment, text.as_bytes()).expect("a segment"),
            ttl,
        )
    }

    /// A segment, its sequence numbers counted.
    pub fn says(&mut self, at: i64, by_client: bool, flags: u8, text: &str) {
        let (packet, _) = self.packet(by_client, flags, text);
        let (client, server) = self.view.macs;
        let (from, to) = if by_client {
            (client, server)
        } else {
            (server, client)
        };
        if self.view.both_ways {
            self.capture.raw(
                at,
                &cooked(from, if by_client { 7 } else { 8 }, false, &packet),
            );
            let mut on = packet.clone();
            on[8] -= 1;
            self.capture.raw(
                at,
                &cooked([6; 6], if by_client { 8 } else { 7 }, true, &on),
            );
        } else {
            self.capture.raw(at, &ethernet(from, to, &[], &packet));
        }
        let counted = text.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        let next = if by_client {
            &mut self.next.0
        } else {
            &mut self.next.1
        };
        *next = next.wrapping_add(counted);
    }

    /// The same again.
    pub fn again(&mut self, at: i64, by_client: bool, flags: u8, text: &str) {
        let counted = text.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        let next = if by_client {
            &mut self.next.0
        } else {
            &mut self.next.1
        };
        *next = next.wrapping_sub(counted);
        self.says(at, by_client, flags, text);
    }

    /// Opened, and the server greets.
    pub fn opens(&mut self, at: i64) {
        self.says(at, true, SYN, "");
        self.says(at + 1, false, SYN | ACK, "");
        self.says(at + 21, true, ACK, "");
        self.says(at + 22, false, ACK, "220 mail.example ESMTP\r\n");
        self.says(at + 42, true, ACK, "EHLO client.example\r\n");
        self.says(at + 43, false, ACK, "250 mail.example\r\n");
        self.says(at + 63, true, ACK, "");
    }

    /// Opened, and closed in order.
    pub fn whole(&mut self, at: i64) {
        self.opens(at);
        self.says(at + 70, true, ACK, "QUIT\r\n");
        self.says(at + 71, false, ACK, "221 bye\r\n");
        self.says(at + 72, false, FIN | ACK, "");
        self.says(at + 92, true, FIN | ACK, "");
        self.says(at + 93, false, ACK, "");
    }

    /// SYNs that nothing answers.
    pub fn silent(&mut self, at: i64) {
        self.says(at, true, SYN, "");
        for later in [1_000, 3_000, 7_000] {
            self.again(at + later, true, SYN, "");
        }
    }
}

/// A frame of LINKTYPE_LINUX_SLL2.
fn cooked(from: [u8; 6], interface: u8, outgoing: bool, packet: &[u8]) -> Vec<u8> {
    let kind = if outgoing { 4 } else { 0 };
    let mut frame = vec![8, 0, 0, 0, 0, 0, 0, interface, 0, 1, kind, 6];
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(packet);
    frame
}

fn connections(capture: Capture) -> Vec<ConnectionRecord> {
    let mut all: Vec<ConnectionRecord> = capture
        .records()
        .into_iter()
        .filter_map(|record| match record {
            Record::Connection(one) => Some(*one),
            _ => None,
        })
        .collect();
    all.sort_by_key(|one| one.client.port);
    all
}

/// Code, and place.
fn said(one: &ConnectionRecord) -> (&'static str, &'static str) {
    (one.verdict.code, one.verdict.at.place)
}

/// SYNs to port 25, whose client also asks port 143 of the same host.
fn unanswered(ttls: (u8, u8)) -> ConnectionRecord {
    let mut capture = Capture::new(1_500);
    let view = View::with(ttls);
    Talk::new(&mut capture, view, (CLIENT, 40_001), 587).whole(0);
    Talk::new(&mut capture, view, (CLIENT, 40_002), 25).silent(200);
    Talk::new(&mut capture, view, (CLIENT, 40_003), 587).whole(60_000);
    connections(capture).swap_remove(1)
}

/// Whether that is among the alternatives.
fn may_be(connection: &ConnectionRecord, code: &str) -> bool {
    let mut others = connection.verdict.alternatives.iter();
    others.any(|other| other.code == code)
}

#[test]
fn what_arrives_at_the_server_is_dropped_by_the_server() {
    let beside = unanswered((62, 64));
    assert_eq!(said(&beside), ("tcp.dropped", "server"));
    assert!(beside.verdict.confidence <= 0.8);
    assert!(may_be(&beside, "tcp.listen-overflow"));
    // The near misses: captured beside the client, and on the one link of both.
    assert_eq!(said(&unanswered((64, 62))), ("tcp.dropped", "network"));
    assert_eq!(said(&unanswered((64, 64))), ("tcp.dropped", "network"));
}

#[test]
fn who_looks_for_the_path_with_syns_expects_no_answer() {
    // mtr -T: the kernel of the client sends the same SYN with a TTL of 1 again and again, and routers do not say that it ran out.
    assert_eq!(unanswered((64, 62)).verdict.code, "tcp.dropped");
    let traced = |ttl: u8| {
        let mut capture = Capture::new(1_500);
        let view = View::with((64, 62));
        Talk::new(&mut capture, view, (CLIENT, 40_001), 25).whole(0);
        for port in 40_002..40_005 {
            let view = View::with((ttl, 62));
            Talk::new(&mut capture, view, (CLIENT, port), 25)
                .silent(200 + i64::from(port - 40_002));
        }
        Talk::new(&mut capture, view, (CLIENT, 40_005), 25).whole(60_000);
        let codes: Vec<_> = connections(capture)
            .iter()
            .map(|one| one.verdict.code)
            .collect();
        codes
    };
    assert!(!traced(1).contains(&"tcp.dropped"));
    // The near miss: SYNs as a host sends them, seen behind many routers.
    assert!(traced(40).contains(&"tcp.dropped"));
}

#[test]
fn a_reset_that_never_came_in_was_made_by_the_capturing_host() {
    let rejected = |outgoing: bool, interface: u8| {
        let mut capture = Capture::new(1_500);
        capture.link_type = 276;
        let view = View {
            both_ways: true,
            ..View::with((63, 64))
        };
        Talk::new(&mut capture, view, (CLIENT, 40_001), 143).opens(0);
        let mut talk = Talk::new(&mut capture, view, (CLIENT, 40_002), 25);
        let (syn, _) = talk.packet(true, SYN, "");
        talk.next = (1_001, 0);
        let (reset, _) = talk.packet(false, RST | ACK, "");
        let capture_on = &mut *talk.capture;
        capture_on.raw(200, &cooked([2; 6], 7, false, &syn));
        capture_on.raw(200, &cooked([4; 6], interface, outgoing, &reset));
        connections(capture).swap_remove(1).verdict.code
    };
    assert_eq!(rejected(true, 7), "tcp.reset-by-path");
    // The near miss: it came in from the server.
    assert_eq!(rejected(false, 8), "tcp.refused");
}

/// After a rest the client's next command is answered by a RST of the server's kernel; then a new connection works.
fn forgotten(ttls: (u8, u8), reset_ttl: u8) -> ConnectionRecord {
    let mut capture = Capture::new(1_500);
    let mut talk = Talk::new(&mut capture, View::with(ttls), (CLIENT, 40_001), 25);
    talk.opens(0);
    talk.says(40_000, true, ACK, "MAIL FROM:<a@client.example>\r\n");
    talk.view.ttls.1 = reset_ttl;
    // A RST without ACK stands at the number that the segment acknowledged (RFC 9293 3.5.2).
    talk.says(40_001, false, RST, "");
    Talk::new(&mut capture, View::with(ttls), (CLIENT, 40_002), 25).whole(41_000);
    connections(capture).swap_remove(0)
}

#[test]
fn beside_the_server_a_reset_of_its_host_after_a_rest_is_the_hosts_doing() {
    let beside = forgotten((62, 64), 64);
    assert_eq!(said(&beside), ("tcp.idle-dropped", "server"));
    assert!(beside.verdict.confidence <= 0.8);
    assert!(may_be(&beside, "tcp.reset-midstream"));
    // Elsewhere a NAT that forgot looks the same, and a firewall before the server is nearer.
    let afar = forgotten((64, 62), 62);
    assert_eq!(afar.verdict.code, "tcp.idle-dropped");
    assert!(afar.verdict.confidence <= 0.8);
    let nearer = forgotten((64, 62), 63);
    assert_eq!(nearer.verdict.code, "tcp.idle-dropped");
    assert!(nearer.verdict.confidence > 0.9);
}

/// After a rest nothing answers what the client sends; `code`: of an ICMP error (type 3) that `sender` sends that long after it.
fn gone(error: Option<(&str, u8, i64)>) -> ConnectionRecord {
    let mut capture = Capture::new(1_500);
    let mut talk = Talk::new(&mut capture, View::with((64, 62)), (CLIENT, 40_001), 25);
    talk.opens(0);
    let words = "MAIL FROM:<a@client.example>\r\n";
    let (quoted, _) = talk.packet(true, ACK, words);
    talk.says(40_000, true, ACK, words);
    let mut error = error;
    for later in [300, 900, 2_000, 4_500, 9_000] {
        if let Some((sender, code, delay)) = error.take_if(|(_, _, delay)| *delay < later) {
            let header = Header::new(address(sender), address(CLIENT));
            let told = icmp(header, 3, code, 0, &quoted).expect("an error");
            talk.capture
                .raw(40_000 + delay, &ethernet([4; 6], [2; 6], &[], &told));
        }
        talk.again(40_000 + later, true, ACK, words);
    }
    Talk::new(&mut capture, View::with((64, 62)), (CLIENT, 40_002), 143).silent(60_000);
    connections(capture).swap_remove(0)
}

#[test]
fn a_router_that_cannot_reach_the_host_says_why_it_is_silent_after_a_rest() {
    assert_eq!(gone(None).verdict.code, "tcp.idle-dropped");
    let down = gone(Some((ROUTER, 1, 3_100)));
    assert_eq!(said(&down), ("tcp.stalled", "network"));
    assert!(
        format!("{:?}", down.verdict.evidence).contains("ARP"),
        "{:?}",
        down.verdict.evidence
    );
    // The near misses: a rule that rejects what it forgot; and the server's own.
    assert_eq!(
        gone(Some((ROUTER, 13, 310))).verdict.code,
        "tcp.idle-dropped"
    );
    let own = gone(Some((SERVER, 1, 310)));
    assert_eq!(said(&own), ("tcp.stalled", "server"));
}
