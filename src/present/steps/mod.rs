//! The packets of one connection or look-up in words: who sent what, whether it was answered, what came again.
//!
//! It is what a sequence diagram is drawn from, and it is evidence, not judgement: "answered" means that a later
//! packet of the other end acknowledges it, "unanswered" that none does in these frames. What a mail line says is
//! taken from the transcript, where secrets are masked; payload is never shown raw.

mod lookup;
mod words;

use std::net::IpAddr;

pub use self::lookup::lookup_steps;
pub use self::words::icmp_words;
use self::words::words;
use crate::base::{PerSide, Side, Timestamp};
use crate::engine::record::{ConnectionRecord, Line};
use crate::flow::tcp::RecentSegments;
use crate::wire::{Net, Tcp, Transport, dissect};

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
    /// Window, scaled as announced; `None` when it announces none, or the snap length cut it off.
    pub window: Option<u32>,
    /// Acknowledges what it acknowledged before and carries nothing, while data is missing: selective blocks are in it.
    pub selective: bool,
    /// TTL or hop limit as captured.
    pub ttl: u8,
    /// Further copies of it that were captured: on its way through this machine, or by a mirror.
    pub copies: u32,
}

impl Step {
    /// A packet that asks for nothing and has no place among the bytes of a connection.
    fn unnumbered(
        frame: &Captured<'_>,
        ttl: u8,
        sender: Sender,
        kind: Kind,
        label: String,
    ) -> Step {
        Step {
            number: frame.number,
            time: frame.time,
            sender,
            kind,
            label,
            again: false,
            fate: Fate::Unasked,
            seq: 0,
            len: 0,
            ack: None,
            window: None,
            selective: false,
            ttl,
            copies: 0,
        }
    }
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
    let mut recent: PerSide<RecentSegments> = PerSide::default();
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
                let seen = &mut recent[side];
                if seen.copied_from(frame.time, ip, tcp).is_some() {
                    let copied = steps
                        .iter_mut()
                        .rev()
                        .find(|step| step.sender == Sender::End(side) && step.kind != Kind::Icmp);
                    if let Some(step) = copied {
                        step.copies = step.copies.saturating_add(1);
                    }
                    continue;
                }
                seen.push(frame.time, ip, tcp);
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
                let words = icmp_words(icmp);
                steps.push(Step {
                    seq: seq.unwrap_or(0),
                    ..Step::unnumbered(&frame, ip.ttl, sender, Kind::Icmp, words)
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
        again,
        fate: if consumed == 0 || reset {
            Fate::Unasked
        } else {
            Fate::Unanswered
        },
        seq,
        len: tcp.payload_len,
        ack,
        window: tcp.window.map(|window| u32::from(window) << shift),
        selective: tcp.options.sack_count > 0,
        ..Step::unnumbered(frame, ttl, Sender::End(side), kind, label)
    }
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
