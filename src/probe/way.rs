//! Probes with chosen TTLs towards one port, or echo requests: one way to a host, walked.
//!
//! A way that never answers keeps one flow and one ISN, as a firewall expects of a SYN sent again. Where a RST is the
//! answer, nothing in it says which probe it is for, so each probe has a flow of its own. Without privilege ordinary sockets
//! send them (`plain`).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::mpsc;

use super::context::{Context, Reserved, Turn};
use super::control::Role;
use super::plain::Plain;
use super::plan::walk::{Heard, Walk};
use super::seen::{Direction, Seen, What, distance};
use super::syn::{self, Left, Syn};
use crate::base::{Nanos, Timestamp};
use crate::wire::TcpOptions;
use crate::wire::craft::{self, Header};

/// Flows that are kept open for late answers.
const FLOWS: usize = 64;

/// What the probes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SYNs of one flow.
    OneFlow(SocketAddr),
    /// SYNs, each of a flow of its own.
    Flows(SocketAddr),
    /// Echo requests.
    Echo(IpAddr),
}

impl Kind {
    /// What the way is called in evidence.
    pub fn name(self) -> String {
        match self {
            Kind::OneFlow(to) | Kind::Flows(to) => format!("port {}", to.port()),
            Kind::Echo(_) => "ping".to_owned(),
        }
    }

    /// The host that is asked.
    pub fn host(self) -> IpAddr {
        match self {
            Kind::OneFlow(to) | Kind::Flows(to) => to.ip(),
            Kind::Echo(host) => host,
        }
    }
}

struct Flow {
    reserved: Reserved,
    isn: u32,
    left: Vec<Left>,
}

struct Echo {
    ttl: u8,
    at: Timestamp,
    packets: mpsc::UnboundedReceiver<Seen>,
    answered: bool,
}

/// One way.
pub struct Way {
    /// What its probes are.
    pub kind: Kind,
    /// What was found.
    pub walk: Walk,
    why: &'static str,
    flows: Vec<Flow>,
    echoes: Vec<Echo>,
    /// Without privilege: probes that were not answered yet.
    plain: Vec<Plain>,
    fastest: Option<Nanos>,
    slowest: Nanos,
    /// The latest answer that was no time-exceeded.
    pub last_end: Option<Heard>,
    /// Its TOS or traffic class.
    pub last_tos: u8,
    /// Somebody else than the one who was asked sent a segment.
    pub stranger: Option<IpAddr>,
    anew: bool,
    /// Bytes of a probe's IP packet, where more than its headers need.
    size: u16,
    /// SYNs with no option but the MSS.
    bare: bool,
    /// TCP options of the latest SYN-ACK.
    pub last_options: Option<TcpOptions>,
    turn: Turn,
}

impl Way {
    /// A way of which nothing is known.
    pub fn new(kind: Kind, why: &'static str) -> Way {
        Way {
            kind,
            walk: Walk::default(),
            why,
            flows: Vec::new(),
            echoes: Vec::new(),
            plain: Vec::new(),
            fastest: None,
            slowest: 0,
            last_end: None,
            last_tos: 0,
            stranger: None,
            anew: false,
            size: 0,
            bare: false,
            last_options: None,
            turn: Turn::Ordinary,
        }
    }

    /// Its probes go before others to the same host, as long as something is to be known first there.
    pub fn first(mut self) -> Way {
        self.turn = Turn::First;
        self
    }

    /// SYNs with no option but the MSS.
    pub fn bare(mut self) -> Way {
        self.bare = true;
        self
    }

    /// Probes in IP packets of so many bytes.
    pub fn sized(mut self, size: u16) -> Way {
        self.size = size;
        self
    }

    /// From now on the probes are of a new flow.
    pub fn renew(&mut self) {
        self.collect();
        self.flows.clear();
    }

    /// The next probe opens the flow anew, from the same port with another ISN.
    pub fn renew_here(&mut self) {
        self.anew = true;
    }

    /// Our port, of a way of one flow.
    pub fn local_port(&self) -> Option<u16> {
        Some(self.flows.last()?.reserved.local.port())
    }

    /// Sends one probe. False when it could not be sent.
    pub async fn send(&mut self, context: &Context, ttl: u8) -> bool {
        self.send_marked(context, ttl, context.options().dscp << 2)
            .await
    }

    /// Sends one probe with a TOS.
    pub async fn send_marked(&mut self, context: &Context, ttl: u8, tos: u8) -> bool {
        context.spend_in(self.kind.host(), 1, self.turn).await;
        let sent = match self.kind {
            _ if context.raw().is_none() => self.plainly(context, ttl, tos),
            Kind::Echo(host) => self.echo(context, host, ttl, tos),
            Kind::OneFlow(to) => self.syn(context, to, ttl, tos, self.flows.is_empty()),
            Kind::Flows(to) => self.syn(context, to, ttl, tos, true),
        };
        if sent {
            self.walk.sent(ttl);
        }
        sent
    }

    /// By an ordinary socket: always a flow of its own.
    fn plainly(&mut self, context: &Context, ttl: u8, tos: u8) -> bool {
        let probe = match self.kind {
            Kind::Echo(host) => Plain::echo(context, host, ttl, tos, self.size),
            Kind::OneFlow(to) | Kind::Flows(to) => Plain::syn(context, to, ttl, tos),
        };
        let Ok(probe) = probe else {
            return false;
        };
        if self.plain.len() >= FLOWS {
            self.collect();
            self.plain.truncate(FLOWS - 1);
        }
        self.plain.push(probe);
        true
    }

    fn syn(&mut self, context: &Context, to: SocketAddr, ttl: u8, tos: u8, fresh: bool) -> bool {
        if fresh {
            let Ok(reserved) = context.reserve(to, Role::Control(self.why)) else {
                return false;
            };
            if self.flows.len() >= FLOWS {
                self.collect();
                self.flows.remove(0);
            }
            self.flows.push(Flow {
                reserved,
                isn: context.random(),
                left: Vec::new(),
            });
        }
        let anew = std::mem::take(&mut self.anew);
        let Some(flow) = self.flows.last_mut() else {
            return false;
        };
        if anew {
            flow.isn = context.random();
            flow.left.clear();
        }
        let probe = Syn {
            ttl,
            tos,
            bare: self.bare,
            size: self.size,
            ..Syn::ordinary(context, flow.isn)
        };
        let number = u16::try_from(flow.left.len()).unwrap_or(u16::MAX);
        match syn::send(context, &flow.reserved, probe, number) {
            Ok(left) => {
                flow.left.push(left);
                true
            }
            Err(_) => false,
        }
    }

    /// Ends what the latest SYN of a way of one flow half-opened, in case the kernel's own RST got lost.
    pub async fn undo(&self, context: &Context) {
        if let (Some(flow), true) = (self.flows.last(), context.raw().is_some()) {
            context.spend(self.kind.host(), 1).await;
            let _ = syn::undo(context, &flow.reserved, flow.isn);
        }
    }

    fn echo(&mut self, context: &Context, host: IpAddr, ttl: u8, tos: u8) -> bool {
        let Some(raw) = context.raw() else {
            return false;
        };
        let Ok(source) = context.source_for(host) else {
            return false;
        };
        let id = context.next_id();
        let packets = context.echoes(host, id, Role::Control(self.why));
        let header = Header {
            ttl,
            tos,
            id: context.next_id(),
            ..Header::new(source, host)
        };
        let kind = if host.is_ipv4() { 8 } else { 128 };
        let word = u32::from(id) << 16 | 1;
        let mut payload = b"mxray probes this path..".to_vec();
        let headers = if host.is_ipv4() { 28 } else { 48 };
        let wanted = usize::from(self.size.saturating_sub(headers));
        payload.resize(payload.len().max(wanted), b'.');
        let Ok(packet) = craft::icmp(header, kind, 0, word, &payload) else {
            return false;
        };
        let at = context.now();
        if raw.send(&packet, host).is_err() {
            return false;
        }
        if self.echoes.len() >= FLOWS {
            self.echoes.remove(0);
        }
        self.echoes.push(Echo {
            ttl,
            at,
            packets,
            answered: false,
        });
        true
    }

    /// Takes in what has come so far; returns how many answers that were.
    pub fn collect(&mut self) -> usize {
        let mut heard = Vec::new();
        for flow in &mut self.flows {
            while let Ok(seen) = flow.reserved.packets.try_recv() {
                let Some(answer) = syn::answer(&seen, flow.isn) else {
                    continue;
                };
                if matches!(answer.heard, Heard::Open { .. }) {
                    self.last_options = answer.options;
                }
                if answer.options.is_some() && answer.from != flow.reserved.remote.ip() {
                    self.stranger = Some(answer.from);
                }
                let place = flow
                    .left
                    .iter()
                    .position(|left| answer.which.is(left))
                    .or_else(|| {
                        flow.left
                            .iter()
                            .rposition(|left| left.at <= answer.at && !left.answered)
                    });
                if let Some(left) = place.and_then(|place| flow.left.get_mut(place))
                    && !left.answered
                {
                    left.answered = true;
                    heard.push((left.ttl, answer.heard, answer.at.since(left.at).max(0)));
                }
            }
        }
        for echo in &mut self.echoes {
            while let Ok(seen) = echo.packets.try_recv() {
                if seen.direction == Direction::Out || echo.answered {
                    continue;
                }
                self.last_tos = seen.ip.tos;
                let answer = match &seen.what {
                    What::Echo { .. } => Heard::Open {
                        distance: distance(seen.ip.ttl),
                    },
                    what if what.time_exceeded() => Heard::Exceeded(seen.ip.source),
                    What::Icmp { kind, code, .. } => Heard::Refused {
                        from: seen.ip.source,
                        kind: *kind,
                        code: *code,
                    },
                    _ => continue,
                };
                echo.answered = true;
                heard.push((echo.ttl, answer, seen.time.since(echo.at).max(0)));
            }
        }
        let patience = i64::try_from(self.patience().as_nanos()).unwrap_or(i64::MAX);
        self.plain.retain(|probe| match probe.hear() {
            Some(answer) => {
                heard.push((probe.ttl, answer, probe.age()));
                false
            }
            // Before the kernel sends it again.
            None => probe.age() < patience,
        });
        let count = heard.len();
        for (ttl, answer, took) in heard {
            self.fastest = Some(self.fastest.map_or(took, |known| known.min(took)));
            self.slowest = self.slowest.max(took);
            if !matches!(answer, Heard::Exceeded(_)) {
                self.last_end = Some(answer);
            }
            self.walk.heard(ttl, answer, took);
        }
        count
    }

    /// How long to wait for answers, as far as round trips are known.
    pub fn patience(&self) -> Duration {
        let slowest = Duration::from_nanos(u64::try_from(self.slowest).unwrap_or(0));
        if self.fastest.is_none() {
            return Duration::from_millis(1_000);
        }
        (slowest * 2 + Duration::from_millis(100)).min(Duration::from_secs(3))
    }

    /// The fastest answer.
    pub fn fastest(&self) -> Option<Nanos> {
        self.fastest
    }
}

/// Sends to both ways at each of these TTLs, then waits and takes in what came.
pub async fn round(context: &Context, ways: &mut [&mut Way], ttls: &[u8]) {
    for ttl in ttls {
        for way in ways.iter_mut() {
            way.send(context, *ttl).await;
        }
    }
    settle(ways).await;
}

/// Waits for answers as long as the slowest of the ways may need.
pub async fn settle(ways: &mut [&mut Way]) {
    // What no tap stamped is as old as the look at it.
    let is_plain = ways.iter().any(|way| !way.plain.is_empty());
    let step = Duration::from_millis(if is_plain { 2 } else { 20 });
    let mut waited = Duration::ZERO;
    loop {
        for way in ways.iter_mut() {
            way.collect();
        }
        let open = ways.iter().any(|way| !way.all_answered());
        let patience = ways
            .iter()
            .filter(|way| way.fastest.is_some())
            .map(|way| way.patience())
            .max()
            .unwrap_or(Duration::from_millis(1_000));
        if !open || waited >= patience {
            return;
        }
        tokio::time::sleep(step).await;
        waited += step;
    }
}

impl Way {
    fn all_answered(&self) -> bool {
        self.flows
            .iter()
            .all(|flow| flow.left.iter().all(|left| left.answered))
            && self.echoes.iter().all(|echo| echo.answered)
            && self.plain.is_empty()
    }
}
