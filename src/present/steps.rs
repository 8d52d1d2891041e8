//! The packets of one connection or look-up in words: who sent what, whether it was answered, what came again.
//!
//! It is what a sequence diagram is drawn from, and it is evidence, not judgement: "answered" means that a later
//! packet of the other end acknowledges it, "unanswered" that none does in these frames. What a mail line says is
//! taken from the transcript, where secrets are masked; payload is never shown raw.

use std::net::IpAddr;

use crate::base::{Side, Timestamp};
use crate::engine::record::{ConnectionRecord, Line, LookupRecord};
use crate::proto::dns;
use crate::proto::tls::alert_name;
use crate::wire::{Icmp, Net, Tcp, Transport, dissect};

/// A frame as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// Its number in its source.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// LINKTYPE_ value.
    pub link_type: u16,
    /// Its length on the wire.
    pub original_len: u32,
    /// Its bytes.
    pub data: &'a [u8],
}

/// Who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// One of the two ends.
    End(Side),
    /// A device on the path, to that end.
    Path(IpAddr, Side),
}

/// What became of it, as far as these frames show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The other end acknowledged or answered it.
    Answered,
    /// It asked for an answer and none came.
    Unanswered,
    /// The same was sent again before an answer came.
    SentAgain,
    /// A device on the path sent an error about it.
    Stopped,
    /// It asks for nothing: an acknowledgement, a reset, an error.
    Unasked,
}

/// What kind of packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Part of TCP's handshake.
    Handshake,
    /// Carries data.
    Data,
    /// An acknowledgement alone.
    Ack,
    /// Ends the sender's direction.
    Fin,
    /// A reset.
    Reset,
    /// An ICMP error.
    Icmp,
    /// A DNS message.
    Dns,
}

/// One packet in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its frame.
    pub number: u64,
    /// When.
    pub time: Timestamp,
    /// Who sent it.
    pub sender: Sender,
    /// What it is.
    pub kind: Kind,
    /// In words: `SYN`, `250 OK`, `ClientHello`, `1,448 bytes`.
    pub label: String,
    /// The same bytes were sent before.
    pub again: bool,
    /// What became of it.
    pub fate: Fate,
    /// First sequence number, from the sender's initial one.
    pub seq: u32,
    /// Payload bytes on the wire.
    pub len: u32,
    /// Acknowledged up to here, from the other end's initial number.
    pub ack: Option<u32>,
    /// Window, scaled as announced.
    pub window: u32,
    /// Acknowledges what it acknowledged before and carries nothing, while data is missing: selective blocks are in it.
    pub selective: bool,
    /// TTL or hop limit as captured.
    pub ttl: u8,
}

#[derive(Clone, Copy, Default)]
struct End {
    isn: Option<u32>,
    shift: Option<u8>,
    /// The highest sequence number sent, from the initial one.
    sent: u32,
}

fn place(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

/// The packets of a connection.
pub fn connection_steps<'a>(
    record: &ConnectionRecord,
    frames: impl IntoIterator<Item = Captured<'a>>,
) -> Vec<Step> {
    let transcript: &[Line] = record.mail.as_ref().map_or(&[], |mail| &mail.transcript);
    let client: Option<IpAddr> = record.client.ip.parse().ok();
    let server: Option<IpAddr> = record.server.ip.parse().ok();
    let (Some(client), Some(server)) = (client, server) else {
        return Vec::new();
    };
    let mut ends = [End::default(); 2];
    let mut steps: Vec<Step> = Vec::new();
    for frame in frames {
        let packet = dissect(frame.link_type, frame.data, frame.original_len);
        let Net::Ip(ip) = &packet.net else { continue };
        match &packet.transport {
            Transport::Tcp(tcp) => {
                let from_client = (ip.source, tcp.source_port) == (client, record.client.port);
                let side = if from_client {
                    Side::Client
                } else {
                    Side::Server
                };
                steps.push(segment(&frame, side, ip.ttl, tcp, &mut ends, transcript));
            }
            Transport::Icmp(icmp) => {
                let Some(quote) = icmp.quote else { continue };
                let about = if quote.ip.source == client {
                    Side::Client
                } else {
                    Side::Server
                };
                let end = if about == Side::Client {
                    server
                } else {
                    client
                };
                let sender = if ip.source == end {
                    Sender::End(about.other())
                } else {
                    Sender::Path(ip.source, about)
                };
                let isn = ends.get(place(about)).and_then(|end| end.isn);
                let seq = quote.seq.zip(isn).map(|(seq, isn)| seq.wrapping_sub(isn));
                stop(&mut steps, about, seq);
                steps.push(Step {
                    number: frame.number,
                    time: frame.time,
                    sender,
                    kind: Kind::Icmp,
                    label: icmp_words(icmp),
                    again: false,
                    fate: Fate::Unasked,
                    seq: seq.unwrap_or(0),
                    len: 0,
                    ack: None,
                    window: 0,
                    selective: false,
                    ttl: ip.ttl,
                });
            }
            _ => {}
        }
    }
    settle(&mut steps);
    steps
}

/// The latest segment of that side with that number met a device that sent an error.
fn stop(steps: &mut [Step], side: Side, seq: Option<u32>) {
    let met = steps.iter_mut().rev().find(|step| {
        step.sender == Sender::End(side)
            && step.kind != Kind::Icmp
            && seq.is_none_or(|seq| step.seq == seq)
    });
    if let Some(step) = met {
        step.fate = Fate::Stopped;
    }
}

fn segment(
    frame: &Captured<'_>,
    side: Side,
    ttl: u8,
    tcp: &Tcp<'_>,
    ends: &mut [End; 2],
    transcript: &[Line],
) -> Step {
    let other = ends.get(place(side.other())).copied().unwrap_or_default();
    let own = &mut ends[usize::from(side == Side::Server)];
    let flags = tcp.flags;
    let reset = flags.rst();
    let isn = match own.isn {
        // A new SYN with another number is a new beginning on the same ports.
        Some(isn) if !(flags.syn() && isn != tcp.seq) => isn,
        _ if reset => tcp.seq,
        _ => {
            // Without the SYN, numbers count from the first byte seen.
            let isn = if flags.syn() {
                tcp.seq
            } else {
                tcp.seq.wrapping_sub(1)
            };
            own.isn = Some(isn);
            own.sent = 0;
            isn
        }
    };
    if flags.syn() {
        own.shift = tcp.options.window_scale;
    }
    let shift = match (own.shift, other.shift, flags.syn()) {
        (Some(own), Some(_), false) => own.min(14),
        _ => 0,
    };
    let seq = tcp.seq.wrapping_sub(isn);
    let consumed = tcp
        .payload_len
        .saturating_add(u32::from(flags.syn()))
        .saturating_add(u32::from(flags.fin()));
    let last = seq.wrapping_add(consumed);
    let begun = own.sent > 0;
    let again = consumed > 0 && begun && last <= own.sent && seq < last;
    if consumed > 0 && last > own.sent && last.wrapping_sub(own.sent) < 1 << 30 {
        own.sent = last;
    }
    let ack = flags
        .ack()
        .then(|| other.isn.map(|isn| tcp.ack.wrapping_sub(isn)))
        .flatten();
    let (kind, label) = words(frame.number, side, tcp, transcript);
    Step {
        number: frame.number,
        time: frame.time,
        sender: Sender::End(side),
        kind,
        label,
        again,
        fate: if consumed == 0 || reset {
            Fate::Unasked
        } else {
            Fate::Unanswered
        },
        seq,
        len: tcp.payload_len,
        ack,
        window: u32::from(tcp.window) << shift,
        selective: tcp.options.sack_count > 0,
        ttl,
    }
}

/// What a segment is in words.
fn words(number: u64, side: Side, tcp: &Tcp<'_>, transcript: &[Line]) -> (Kind, String) {
    let flags = tcp.flags;
    if flags.rst() {
        return (Kind::Reset, "RST".to_owned());
    }
    if flags.syn() {
        let name = if flags.ack() { "SYN-ACK" } else { "SYN" };
        return (Kind::Handshake, name.to_owned());
    }
    let kind = if flags.fin() {
        Kind::Fin
    } else if tcp.payload_len > 0 {
        Kind::Data
    } else {
        Kind::Ack
    };
    if tcp.payload_len == 0 {
        let name = if flags.fin() { "FIN" } else { "ACK" };
        return (kind, name.to_owned());
    }
    let said: Vec<&Line> = transcript
        .iter()
        .filter(|line| line.frame == number && line.from == side.name())
        .collect();
    let mut label = match (said.as_slice(), tls_words(tcp.payload)) {
        ([], Some(words)) => words,
        ([], None) => super::counted(u64::from(tcp.payload_len), "byte", "bytes"),
        ([one], _) => one.text.to_string(),
        ([first, rest @ ..], _) => format!("{} (+{} lines)", first.text, rest.len()),
    };
    if flags.fin() {
        label.push_str(", FIN");
    }
    (kind, label)
}

/// The TLS records that begin in a segment, when it begins with one (RFC 8446 5.1).
fn tls_words(payload: &[u8]) -> Option<String> {
    let mut rest = payload;
    let mut said: Vec<String> = Vec::new();
    let mut data = 0u64;
    while let [content @ 20..=23, 3, 0..=4, high, low, body @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        match (content, body) {
            (20, _) => {}
            (21, [level @ 1..=2, what, ..]) if len == 2 => {
                let level = if *level == 2 { "fatal alert" } else { "alert" };
                said.push(format!("{level} {} ({what})", alert_name(*what)));
            }
            (21, _) => said.push("encrypted alert".to_owned()),
            (22, [kind, ..]) => said.push(handshake(*kind).to_owned()),
            _ => data = data.saturating_add(len as u64),
        }
        rest = body.get(len..).unwrap_or(&[]);
    }
    if data > 0 {
        said.push(format!(
            "{} encrypted",
            super::counted(data, "byte", "bytes")
        ));
    }
    said.dedup();
    if said.is_empty() {
        return (payload.first() == Some(&20)).then(|| "ChangeCipherSpec".to_owned());
    }
    Some(format!("TLS {}", said.join(", ")))
}

/// Handshake messages in clear (RFC 8446 4, RFC 5246 7.4); anything else is encrypted.
fn handshake(kind: u8) -> &'static str {
    match kind {
        0 => "HelloRequest",
        1 => "ClientHello",
        2 => "ServerHello",
        4 => "NewSessionTicket",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        22 => "CertificateStatus",
        _ => "encrypted handshake",
    }
}

/// An ICMP error in words, with its numbers (RFC 792, RFC 1812 5.2.7.1, RFC 4443).
pub fn icmp_words(icmp: &Icmp<'_>) -> String {
    let name = match (icmp.v6, icmp.kind, icmp.code) {
        (false, 3, 0) => "network unreachable",
        (false, 3, 1) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 4) => "fragmentation needed",
        (false, 3, 9) => "network administratively prohibited",
        (false, 3, 10) => "host administratively prohibited",
        (false, 3, 13) => "communication administratively prohibited",
        (false, 11, 0) | (true, 3, 0) => "time exceeded",
        (true, 1, 0) => "no route to destination",
        (true, 1, 1) => "administratively prohibited",
        (true, 1, 3) => "address unreachable",
        (true, 1, 5) => "source address failed policy",
        (true, 1, 6) => "reject route",
        (true, 2, _) => "packet too big",
        (false, 3, _) | (true, 1, _) => "destination unreachable",
        _ => "error",
    };
    let mtu = icmp
        .mtu
        .map_or_else(String::new, |mtu| format!(", MTU {mtu}"));
    format!("ICMP {name} ({}/{}){mtu}", icmp.kind, icmp.code)
}

/// Says of every packet that asks for an answer whether one came.
fn settle(steps: &mut [Step]) {
    for side in [Side::Client, Side::Server] {
        // From the end: the highest acknowledgement that is still to come, and what was sent again since.
        for at in 0..steps.len() {
            let Some(step) = steps.get(at) else { break };
            if step.sender != Sender::End(side) || step.fate != Fate::Unanswered {
                continue;
            }
            let (seq, last) = (step.seq, end_of(step));
            let mut fate = Fate::Unanswered;
            for later in steps.get(at.saturating_add(1)..).unwrap_or(&[]) {
                if later.sender == Sender::End(side.other()) {
                    if later.ack.is_some_and(|ack| ack >= last) {
                        fate = Fate::Answered;
                        break;
                    }
                } else if later.sender == Sender::End(side)
                    && later.again
                    && later.seq <= seq
                    && end_of(later) > seq
                {
                    fate = Fate::SentAgain;
                    break;
                }
            }
            if let Some(step) = steps.get_mut(at) {
                step.fate = fate;
            }
        }
    }
}

fn end_of(step: &Step) -> u32 {
    let control = match step.kind {
        Kind::Handshake | Kind::Fin => 1,
        _ => 0,
    };
    step.seq.saturating_add(step.len).saturating_add(control)
}

/// The packets of a look-up over UDP; over TCP it has segments like any connection and none are told.
pub fn lookup_steps<'a>(
    record: &LookupRecord,
    frames: impl IntoIterator<Item = Captured<'a>>,
) -> Vec<Step> {
    let client: Option<IpAddr> = record.client.parse().ok();
    let mut asked: Vec<u16> = Vec::new();
    let mut steps = Vec::new();
    for frame in frames {
        let packet = dissect(frame.link_type, frame.data, frame.original_len);
        let Net::Ip(ip) = &packet.net else { continue };
        let side = if Some(ip.source) == client {
            Side::Client
        } else {
            Side::Server
        };
        let (sender, kind, label, again) = match &packet.transport {
            Transport::Udp(udp) => {
                let Some(message) = dns::decode(udp.payload, udp.payload_len) else {
                    continue;
                };
                let again = !message.response && !asked.is_empty();
                if !message.response {
                    asked.push(message.id);
                }
                (Sender::End(side), Kind::Dns, dns_words(&message), again)
            }
            Transport::Icmp(icmp) => (
                Sender::Path(ip.source, Side::Client),
                Kind::Icmp,
                icmp_words(icmp),
                false,
            ),
            Transport::Tcp(tcp) => {
                let (kind, label) = words(frame.number, side, tcp, &[]);
                (Sender::End(side), kind, label, false)
            }
            Transport::None | Transport::Fragment(_) => continue,
        };
        let asks = sender == Sender::End(Side::Client) && kind == Kind::Dns;
        steps.push(Step {
            number: frame.number,
            time: frame.time,
            sender,
            kind,
            label,
            again,
            fate: if asks {
                Fate::Unanswered
            } else {
                Fate::Unasked
            },
            seq: 0,
            len: 0,
            ack: None,
            window: 0,
            selective: false,
            ttl: ip.ttl,
        });
    }
    let mut answered = Fate::Unanswered;
    for step in steps.iter_mut().rev() {
        if step.sender == Sender::End(Side::Server) {
            answered = Fate::Answered;
        } else if step.kind == Kind::Icmp {
            answered = Fate::Stopped;
        } else if step.fate == Fate::Unanswered {
            step.fate = answered;
            if step.again {
                answered = Fate::SentAgain;
            }
        }
    }
    steps
}

fn dns_words(message: &dns::Message) -> String {
    let question = match &message.question {
        Some((name, kind)) => format!("{name} {}", dns::type_name(*kind)),
        None => "no question".to_owned(),
    };
    if !message.response {
        return format!("{question}?");
    }
    let cut = if message.truncated { ", truncated" } else { "" };
    match (message.rcode, message.answers.len()) {
        (0, 0) => format!("no data{cut}"),
        (0, count) => format!("{}{cut}", super::counted(count as u64, "record", "records")),
        (rcode, _) => format!("{}{cut}", dns::rcode_name(rcode)),
    }
}
