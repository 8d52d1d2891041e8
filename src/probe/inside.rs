//! Probes inside an open connection: duplicates of bytes that were acknowledged long ago, with any TTL and size.
//!
//! The kernel opened the connection and goes on owning it; no firewall rule is needed. A segment whose bytes all lie before
//! what the server acknowledged is discarded by it and answered with an acknowledgement (RFC 9293 3.10.7.4), which names it
//! where duplicate SACKs are spoken (RFC 2883). So what stands on the path sees a packet of a living connection, and the
//! stream does not notice. A trigger is what the kernel would send next, with a TTL that does not reach the server. What an
//! answer means the stages say.

mod flow;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::mpsc;

use self::flow::Flow;
use super::context::Context;
use super::plan::loss::Fate;
use super::plan::size::Told;
use super::plan::walk::{Heard, Walk};
use super::seen::{Direction, Seen, What, distance};
use crate::base::{Nanos, Timestamp};
use crate::wire::TcpFlags;
use crate::wire::craft::{self, Header, Segment};

/// The window of the first probe: one that the kernel does not announce; others count down from it.
const WINDOW: u16 = 61_000;
/// What fills the bytes before the first that was ever said.
const FILLER: u8 = b'.';
/// An answer is waited for at the most so long.
const LONGEST: Duration = Duration::from_secs(3);
/// A window in which a large duplicate may look too old.
const NARROW: u16 = 4_096;
/// Lengths of ordinary duplicates.
const VARIED: usize = 64;
/// Payload of the shortest ordinary duplicate.
const SMALL: u16 = 8;

/// A probe that left.
#[derive(Clone, Copy, Debug)]
struct Sent {
    series: usize,
    ttl: u8,
    size: u16,
    id: u16,
    window: u16,
    seq: u32,
    number: usize,
    trigger: bool,
    at: Timestamp,
    answered: bool,
    /// Its patience is over; a late answer still counts.
    over: bool,
}

/// Probes that are remembered for late answers.
const REMEMBERED: usize = 512;

/// A connection to probe within.
pub struct Inside {
    local: SocketAddr,
    remote: SocketAddr,
    packets: mpsc::UnboundedReceiver<Seen>,
    flow: Flow,
    said: Vec<u8>,
    sent: Vec<Sent>,
    walks: Vec<Walk>,
    fastest: Option<Nanos>,
    slowest: Nanos,
    named: bool,
    told: Option<Told>,
    reset: Option<Heard>,
    /// What came of every probe, in the order in which they left.
    fates: Vec<(usize, Fate)>,
}

impl Inside {
    /// Of an open connection whose packets were followed from the first. `said`: what was written on it so far.
    pub fn new(
        local: SocketAddr,
        remote: SocketAddr,
        packets: mpsc::UnboundedReceiver<Seen>,
        said: Vec<u8>,
    ) -> Inside {
        Inside {
            local,
            remote,
            packets,
            flow: Flow::default(),
            said,
            sent: Vec::new(),
            walks: Vec::new(),
            fastest: None,
            slowest: 0,
            named: false,
            told: None,
            reset: None,
            fates: Vec::new(),
        }
    }

    /// The server.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Bytes were written on it.
    pub fn said(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
    }

    /// A new series of probes; each has a walk of its own.
    pub fn series(&mut self) -> usize {
        self.walks.push(Walk::default());
        self.walks.len() - 1
    }

    /// What a series found.
    pub fn walk(&self, series: usize) -> Walk {
        self.walks.get(series).cloned().unwrap_or_default()
    }

    /// Hops to the server, by its SYN-ACK.
    pub fn hops(&mut self) -> Option<u8> {
        self.collect();
        self.flow.hops
    }

    /// The TTL of the handshake's last segment, as it left.
    pub fn confirmed(&mut self) -> Option<u8> {
        self.collect();
        self.flow.confirmed
    }

    /// The largest IP packet that TCP would send here: the smaller of both MSS, and the headers (RFC 6691).
    pub fn largest(&mut self) -> Option<u16> {
        self.collect();
        // RFC 9293 3.7.1: without the option it is 536, over IPv6 1220.
        let (headers, default) = match self.local {
            SocketAddr::V4(_) => (40, 536),
            SocketAddr::V6(_) => (60, 1_220),
        };
        let ours = self.flow.our_mss?;
        // Firewalls that follow windows let old bytes pass as far back as one window.
        if self.flow.their_window < NARROW {
            return None;
        }
        let mss = ours.min(self.flow.their_mss.unwrap_or(default));
        Some(mss.saturating_add(headers))
    }

    /// Bytes of a segment before its payload.
    fn headers(&self) -> u16 {
        let ip = if self.local.is_ipv4() { 20 } else { 40 };
        ip + 20 + if self.flow.clocks.is_some() { 12 } else { 0 }
    }

    /// The size of an ordinary duplicate, each time another one: the server's duplicate SACK then names it.
    pub fn small(&self) -> u16 {
        let number = u16::try_from(self.fates.len() % VARIED).unwrap_or(0);
        self.headers().saturating_add(SMALL).saturating_add(number)
    }

    /// A reset came, as an answer to what.
    pub fn reset(&self) -> Option<Heard> {
        self.reset
    }

    /// What a router said of a packet that was too big, since it was last asked for.
    pub fn take_told(&mut self) -> Option<Told> {
        self.told.take()
    }

    /// Whether the server's acknowledgements name the probe that they answer.
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// Sends a duplicate of acknowledged bytes in an IP packet of that size. False when it cannot be.
    pub async fn duplicate(
        &mut self,
        context: &Context,
        series: usize,
        size: u16,
        ttl: u8,
    ) -> bool {
        self.collect();
        let Some(end) = self.flow.unacknowledged else {
            return false;
        };
        let length = usize::from(size.saturating_sub(self.headers()).max(1));
        let mut payload = vec![FILLER; length];
        // The end of what was said, as it was said.
        let known = self.said.len().min(length);
        let from = self.said.len() - known;
        if let (Some(place), Some(said)) =
            (payload.get_mut(length - known..), self.said.get(from..))
        {
            place.copy_from_slice(said);
        }
        let seq = end.wrapping_sub(length as u32);
        self.send(context, series, ttl, (seq, &payload), false)
            .await
    }

    /// Sends an empty segment one below the window, as a keep-alive (RFC 9293 3.8.4): no byte of the stream.
    pub async fn touch(&mut self, context: &Context, series: usize, ttl: u8) -> bool {
        self.collect();
        let Some(end) = self.flow.unacknowledged else {
            return false;
        };
        self.send(context, series, ttl, (end.wrapping_sub(1), &[]), false)
            .await
    }

    /// Sends a piece of what the kernel would send next, `at` bytes on.
    pub async fn trigger(
        &mut self,
        context: &Context,
        series: usize,
        (at, bytes): (u32, &[u8]),
        ttl: u8,
    ) -> bool {
        self.collect();
        let Some(next) = self.flow.next else {
            return false;
        };
        let seq = next.wrapping_add(at);
        self.send(context, series, ttl, (seq, bytes), true).await
    }

    async fn send(
        &mut self,
        context: &Context,
        series: usize,
        ttl: u8,
        (seq, payload): (u32, &[u8]),
        trigger: bool,
    ) -> bool {
        let (Some(raw), Some(ack)) = (context.raw(), self.flow.expects) else {
            return false;
        };
        context.spend(self.remote.ip(), 1).await;
        let mut options = Vec::new();
        if let Some((value, echo)) = self.flow.clocks {
            options.extend([1, 1, 8, 10]);
            options.extend(value.to_be_bytes());
            options.extend(echo.to_be_bytes());
        }
        let number = u16::try_from(self.sent.len() % 1_000).unwrap_or(0);
        let window = WINDOW - number;
        let id = context.next_id();
        let header = Header {
            ttl,
            id,
            tos: self.flow.tos,
            flow_label: self.flow.label,
            ..Header::new(self.local.ip(), self.remote.ip())
        };
        let push = if payload.is_empty() { 0 } else { TcpFlags::PSH };
        let segment = Segment {
            source_port: self.local.port(),
            destination_port: self.remote.port(),
            seq,
            ack,
            flags: TcpFlags(TcpFlags::ACK | push),
            window,
            options: &options,
        };
        let Ok(packet) = craft::tcp(header, &segment, payload) else {
            return false;
        };
        // Noted before it leaves: the tap may be faster.
        self.sent.push(Sent {
            series,
            ttl,
            size: u16::try_from(packet.len()).unwrap_or(u16::MAX),
            id,
            window,
            seq,
            number: self.fates.len(),
            trigger,
            at: context.now(),
            answered: false,
            over: false,
        });
        if raw.send(&packet, self.remote.ip()).is_err() {
            self.sent.pop();
            return false;
        }
        let fate = Fate {
            at: context.now(),
            answered: false,
        };
        self.fates.push((series, fate));
        if let Some(walk) = self.walks.get_mut(series) {
            walk.sent(ttl);
        }
        true
    }

    /// Takes in what has come so far.
    pub fn collect(&mut self) {
        while let Ok(seen) = self.packets.try_recv() {
            if self.is_ours(&seen) {
                continue;
            }
            self.answer(&seen);
            self.flow.see(&seen);
        }
    }

    /// Whether it is a probe on its way out.
    fn is_ours(&self, seen: &Seen) -> bool {
        let What::Tcp {
            flags, seq, window, ..
        } = &seen.what
        else {
            return false;
        };
        seen.direction == Direction::Out
            && !flags.syn()
            && self
                .sent
                .iter()
                .rev()
                .any(|sent| sent.seq == *seq && sent.window == *window)
    }

    fn answer(&mut self, seen: &Seen) {
        if seen.direction == Direction::Out {
            return;
        }
        let (place, heard) = match &seen.what {
            What::Icmp {
                kind,
                code,
                mtu,
                quote,
                v6,
            } => {
                let found = self.sent.iter().rposition(|sent| {
                    quote.seq == Some(sent.seq)
                        && quote.ip.id.is_none_or(|id| id == sent.id)
                        && quote.window.is_none_or(|window| window == sent.window)
                });
                let Some(place) = found else { return };
                let too_big = matches!((v6, kind, code), (false, 3, 4) | (true, 2, _));
                if too_big && let Some(sent) = self.sent.get(place) {
                    self.told = Some(Told {
                        from: seen.ip.source,
                        mtu: mtu.unwrap_or(0),
                        about: sent.size,
                    });
                }
                let heard = match seen.what.time_exceeded() {
                    true => Heard::Exceeded(seen.ip.source),
                    false => Heard::Refused {
                        from: seen.ip.source,
                        kind: *kind,
                        code: *code,
                    },
                };
                (place, heard)
            }
            What::Tcp { flags, .. } if flags.rst() => {
                let heard = Heard::Reset {
                    distance: distance(seen.ip.ttl),
                    tos: seen.ip.tos,
                    label: seen.ip.flow_label,
                };
                self.reset.get_or_insert(heard);
                let Some(place) = self.sent.iter().rposition(|sent| sent.trigger) else {
                    return;
                };
                (place, heard)
            }
            What::Tcp {
                flags,
                options,
                payload_len: 0,
                ..
            } if flags.ack() && !flags.syn() && !flags.fin() => {
                let heard = Heard::Open {
                    distance: distance(seen.ip.ttl),
                };
                let Some(place) = self.acknowledged(options.sack_blocks().first().copied()) else {
                    return;
                };
                (place, heard)
            }
            _ => return,
        };
        let Some(sent) = self.sent.get_mut(place).filter(|sent| !sent.answered) else {
            return;
        };
        sent.answered = true;
        if let Some((_, fate)) = self.fates.get_mut(sent.number) {
            fate.answered = true;
        }
        let took = seen.time.since(sent.at).max(0);
        self.fastest = Some(self.fastest.map_or(took, |known| known.min(took)));
        self.slowest = self.slowest.max(took);
        if let Some(walk) = self.walks.get_mut(sent.series) {
            walk.heard(sent.ttl, heard, took);
        }
    }

    /// Which probe an acknowledgement answers: by its duplicate SACK, or the only one that is under way.
    fn acknowledged(&mut self, block: Option<(u32, u32)>) -> Option<usize> {
        if let Some((left, _)) = block {
            let place = self
                .sent
                .iter()
                .position(|sent| sent.seq == left && !sent.answered && !sent.trigger);
            self.named |= place.is_some();
            return place;
        }
        let mut open = self
            .sent
            .iter()
            .enumerate()
            .filter(|(_, sent)| !sent.answered && !sent.over && !sent.trigger);
        let (place, _) = open.next()?;
        (!self.named && open.next().is_none()).then_some(place)
    }

    /// What came of each probe of a series, in their order.
    pub fn fates(&self, series: usize) -> Vec<Fate> {
        let of = |(known, fate): &(usize, Fate)| (*known == series).then_some(*fate);
        self.fates.iter().filter_map(of).collect()
    }

    /// How many probes of a series with a TTL were answered, of those sent.
    pub fn count(&self, series: usize, ttl: u8) -> (u32, u32) {
        let rung = self.walks.get(series).and_then(|walk| walk.at(ttl));
        rung.map_or((0, 0), |rung| {
            ((rung.exceeded + rung.ends).min(rung.sent), rung.sent)
        })
    }

    /// Waits for the answers to what is under way, as long as they may need and at least so long where one stays away.
    pub async fn settle(&mut self, least: Duration) {
        let step = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        loop {
            self.collect();
            let slowest = Duration::from_nanos(u64::try_from(self.slowest).unwrap_or(0));
            let patience = match self.fastest {
                None => Duration::from_millis(1_000),
                Some(_) => (slowest * 2 + Duration::from_millis(100)).clamp(least, LONGEST),
            };
            let open = self.sent.iter().any(|sent| !sent.answered && !sent.over);
            if !open || waited >= patience || self.reset.is_some() {
                break;
            }
            tokio::time::sleep(step).await;
            waited += step;
        }
        for sent in &mut self.sent {
            sent.over = true;
        }
        let over = self.sent.len().saturating_sub(REMEMBERED);
        self.sent.drain(..over);
    }

    /// The router at a distance, as some series heard it.
    pub fn router(&self, ttl: u8) -> Option<IpAddr> {
        self.walks.iter().find_map(|walk| walk.at(ttl)?.router)
    }
}
