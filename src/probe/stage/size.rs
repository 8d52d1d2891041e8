//! What sizes pass, and after which hop the large ones vanish.
//!
//! One large ping that comes back says enough of a healthy path. A host that answers none may be asked by a SYN that carries data, which
//! it acknowledges without: where only a large one stays unanswered, or where it is pings that do, or where a session died in silence, segments of an open connection are measured: on the very port, as large as TCP would send
//! them, small ones between them as control. A device that lowers the MSS makes a narrow link harmless, so a size that TCP
//! never sends is no fault. Large packets that vanish are placed by TTL, as scamper does (field C4).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::engine::record::{MtuInfo, PathRecord};
use crate::probe::GRANT;
use crate::probe::context::{Connect, Context};
use crate::probe::control::Role;
use crate::probe::inside::Inside;
use crate::probe::options::StageName;
use crate::probe::plan::size::{COPIES, Found, Search, Step};
use crate::probe::plan::walk::{Boundary, Heard, boundary};
use crate::probe::session::{self, Ask, Handover, SessionEnd, SessionOutcome, TlsWanted};
use crate::probe::tls::client::Hello;
use crate::probe::way::{Kind, Way, settle};
use crate::proto::Service;

/// A connection opened to place a fault: not sooner after the one before (manners: stock fail2ban counts).
const APART: Duration = Duration::from_millis(1_100);
/// A large packet that is not answered is waited for at least so long: slow links hold it up.
const LEAST: Duration = Duration::from_millis(400);
/// Rounds around a boundary at the most.
const FOCUS: u32 = 16;
/// Packets that a size search sends on a path without loss at the most, for the announcement.
pub const COST: u32 = 160;
/// The IP packet of a small SYN that carries data; a ping's is about as large by itself.
const CARRIES: u16 = 100;
/// An ordinary link (Ethernet).
const ORDINARY: u16 = 1_500;

/// What a connection of its own showed.
pub struct Sized {
    /// The sizes.
    pub found: Found,
    /// Where the large ones end.
    pub boundary: Option<Boundary>,
    /// How far a router that spoke of the size is.
    pub told_at: Option<u8>,
    /// The least that a link carries.
    least: u16,
    /// The most that was asked for.
    most: u16,
}

impl Sized {
    /// Whether segments of every size that TCP would send were seen to pass.
    pub fn is_whole(&self) -> bool {
        self.found.fails.is_none() && self.found.passes >= self.most
    }

    /// Whether packets of that many bytes vanish whatever is in them, in a way that no link does: below what every link carries.
    pub fn swallows(&self, bytes: usize) -> bool {
        self.found.passes < self.least && self.found.swallows(bytes)
    }

    /// Whether segments that TCP would send vanish, and nothing makes it send smaller ones.
    pub fn is_hole(&self) -> bool {
        self.found.sure
            && self.found.fails.is_some()
            // Below what every link carries (RFC 791, RFC 8200) it is something else than a link.
            && self.found.passes >= self.least
            && self.found.told.is_none_or(|told| told.useless())
    }
}

/// After a session with a server that opens: is its size a question, and what is the answer?
pub async fn look(context: &Context, ask: &Ask, outcome: &SessionOutcome, echo: Pings) {
    let to = outcome.to;
    if context.is_cancelled() {
        return;
    }
    // A ClientHello that died was looked into where it died.
    let silent =
        matches!(outcome.end, SessionEnd::Silent { after } if after != session::Stage::Tls);
    let fine = matches!(outcome.end, SessionEnd::Fine | SessionEnd::Said { .. });
    match echo {
        _ if !fine && !silent && !context.options().intensive => return,
        Pings::Large => {
            let bytes = ORDINARY.min(context.mtu_towards(to.ip()));
            context.path(of_sizes(to, large(context, to, Some(bytes))));
            if !context.options().intensive {
                return;
            }
        }
        Pings::Small => {}
        // A ClientHello of today was as large, and it passed.
        Pings::Unknown
            if fine
                && context.raw().is_some()
                && !filled(ask, outcome)
                && !context.options().intensive =>
        {
            match pair(context, Kind::Flows(to), "SYN").await {
                Pings::Large => return context.path(of_sizes(to, large(context, to, None))),
                Pings::Unknown => return,
                Pings::Small => {}
            }
        }
        Pings::Unknown if silent || context.options().intensive => {}
        Pings::Unknown => return,
    }
    if context.raw().is_none() {
        if echo == Pings::Small {
            context.unknowable(
                "whether large segments pass: large pings are not answered, small ones are",
                GRANT,
            );
        }
        return;
    }
    let Some(sized) = alone(context, ask, to).await else {
        return;
    };
    if !(filled(ask, outcome) && sized.is_hole()) {
        report(context, to, &sized);
    }
}

/// An ordinary packet of full size passes.
fn large(context: &Context, to: SocketAddr, backward: Option<u16>) -> MtuInfo {
    MtuInfo {
        forward: Some(ORDINARY.min(context.mtu_towards(to.ip()))),
        backward,
        blackhole_after_hop: None,
    }
}

/// A ClientHello of today fills a segment: where it got through, none of that size can vanish.
fn filled(ask: &Ask, outcome: &SessionOutcome) -> bool {
    outcome.tls.is_some() && ask.hello == Hello::Current
}

/// What pings say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pings {
    /// A large one came back.
    Large,
    /// Only small ones do.
    Small,
    /// None does.
    Unknown,
}

/// A large ping; where it is not answered, again, with small ones beside it.
pub async fn pings(context: &Context, to: SocketAddr) -> Pings {
    pair(context, Kind::Echo(to.ip()), "ping").await
}

/// A large probe; where it is not answered, again, with small ones beside it. A small SYN has data as well: there are firewalls
/// that let none pass that has.
async fn pair(context: &Context, kind: Kind, name: &str) -> Pings {
    let to = kind.host();
    context.progress(StageName::Mtu, &format!("a large {name} to {to}"));
    let large = ORDINARY.min(context.mtu_towards(to));
    let mut big = Way::new(kind, "does a large packet pass?").sized(large);
    let mut small = Way::new(kind, "control of a large packet").sized(CARRIES);
    // An ordinary SYN of a port that opens tells how long an answer takes.
    let mut clock = matches!(kind, Kind::Flows(_))
        .then(|| Way::new(kind, "control of a SYN that carries data"));
    for turn in 0..4 {
        let mut ways = vec![&mut big, &mut small];
        ways.extend(&mut clock);
        for way in &mut ways {
            way.send(context, 64).await;
        }
        settle(&mut ways).await;
        if turn == 1 && small.last_end.is_none() {
            return Pings::Unknown;
        }
        // A router that says how large it may be makes it no fault, and the session's own sizes count then.
        if matches!(big.last_end, Some(Heard::Open { .. })) {
            return Pings::Large;
        }
        if big.last_end.is_some() || context.is_cancelled() {
            return Pings::Unknown;
        }
    }
    match small.last_end {
        Some(Heard::Open { .. }) => Pings::Small,
        _ => Pings::Unknown,
    }
}

/// On a connection opened for it.
async fn alone(context: &Context, ask: &Ask, to: SocketAddr) -> Option<Sized> {
    tokio::time::sleep(APART).await;
    let quiet = Ask {
        login: None,
        envelope: None,
        ..ask.clone()
    };
    let role = Role::Control("what sizes pass within a connection");
    let how = Connect::default();
    let mut handed = session::up_to(context, &quiet, to, role, how, Handover::Begin).await?;
    let sized = inside(context, &mut handed.inside).await;
    farewell(ask, &mut handed.stream).await;
    sized
}

/// Ends a connection that was only looked at, as its protocol wants it.
pub async fn farewell(ask: &Ask, stream: &mut tokio::net::TcpStream) {
    let words: &[u8] = match ask.service {
        _ if ask.tls == TlsWanted::Implicit => b"",
        Service::Imap | Service::Imaps => b"z LOGOUT\r\n",
        Service::Sieve => b"LOGOUT\r\n",
        _ => b"QUIT\r\n",
    };
    let _ = stream.write_all(words).await;
    let _ = stream.shutdown().await;
}

/// Measures within an open connection that nobody uses meanwhile. `None` where it answers no duplicates at all.
pub async fn inside(context: &Context, inside: &mut Inside) -> Option<Sized> {
    let to = inside.remote();
    context.progress(StageName::Mtu, &format!("what sizes pass to {to}"));
    let most = inside.largest()?;
    let small = inside.small();
    let control = inside.series();
    // Twice alone: do answers come, and do they say for what?
    for _ in 0..3 {
        let small = inside.small();
        inside.duplicate(context, control, small, 64).await;
        inside.settle(LEAST).await;
    }
    if inside.count(control, 64).0 == 0 {
        return None;
    }
    let most = most.min(context.mtu_towards(to.ip()));
    let mut search = Search::new(small, most);
    let mut told_by = None;
    let mut vain = Vec::new();
    let found = loop {
        match search.step() {
            Step::Done(found) => break found,
            Step::Try(size) => {
                let large = inside.series();
                let before = inside.count(control, 64);
                for _ in 0..COPIES {
                    for (series, size) in [(large, size), (control, inside.small())] {
                        inside.duplicate(context, series, size, 64).await;
                        // What is not named may only be asked one by one.
                        if !inside.is_named() {
                            inside.settle(LEAST).await;
                        }
                    }
                }
                inside.settle(LEAST).await;
                let after = inside.count(control, 64);
                let (answered, _) = inside.count(large, 64);
                match inside.take_told() {
                    Some(told) => {
                        told_by = Some(told);
                        search.told(told);
                    }
                    None => {
                        if answered == 0 {
                            vain.push((large, size));
                        }
                        search.saw(size, answered, (after.0 - before.0, after.1 - before.1));
                    }
                }
            }
        }
        if context.is_cancelled() {
            return None;
        }
    };
    // An answer that came late after all is an answer.
    let fails = found.fails.unwrap_or(u16::MAX);
    let late = vain
        .iter()
        .any(|(series, size)| *size >= fails && inside.count(*series, 64).0 > 0);
    if late {
        return None;
    }
    let mut sized = Sized {
        found,
        boundary: None,
        told_at: None,
        least: if to.is_ipv4() { 552 } else { 1_280 },
        most,
    };
    let hole = sized.is_hole() && found.told.is_none();
    if (hole || told_by.is_some_and(|told| told.bogus()))
        && context.options().wants(StageName::Trace)
    {
        let placed = place(context, inside, found).await;
        sized.told_at =
            told_by.and_then(|told| (1..=30).find(|ttl| inside.router(*ttl) == Some(told.from)));
        sized.boundary = Some(placed);
    }
    Some(sized)
}

/// Walks the large size against a small one.
async fn place(context: &Context, inside: &mut Inside, found: Found) -> Boundary {
    let hops = inside.hops().unwrap_or(16);
    let to = inside.remote();
    context.progress(
        StageName::Trace,
        &format!("where large packets to {to} vanish"),
    );
    let (large, small) = (inside.series(), inside.series());
    let fails = found.fails.unwrap_or(ORDINARY);
    let all: Vec<u8> = (1..=hops.clamp(1, 30)).rev().collect();
    let mut rounds = 0;
    loop {
        let seen = boundary(&inside.walk(large), &inside.walk(small));
        let around: Vec<u8> = match rounds < 2 {
            true => all.clone(),
            false => {
                let next = seen.beyond.map_or(seen.after_hop + 1, |beyond| beyond.ttl);
                let mut around = vec![next, seen.after_hop];
                around.retain(|ttl| *ttl > 0);
                around
            }
        };
        for ttl in around {
            for (series, size) in [(small, inside.small()), (large, fails)] {
                inside.duplicate(context, series, size, ttl).await;
            }
        }
        inside.settle(LEAST).await;
        rounds += 1;
        let seen = boundary(&inside.walk(large), &inside.walk(small));
        if seen.sure && rounds >= 4 || rounds >= FOCUS || context.is_cancelled() {
            return seen;
        }
    }
}

/// What comes back, by pings: said only where segments toward the server are known to pass at any size.
pub async fn backward(context: &Context, to: SocketAddr) {
    context.progress(
        StageName::Mtu,
        &format!("what sizes come back from {}", to.ip()),
    );
    let most = ORDINARY.min(context.mtu_towards(to.ip()));
    let small = if to.is_ipv4() { 52 } else { 72 };
    let mut search = Search::new(small, most);
    let found = loop {
        let size = match search.step() {
            Step::Done(found) => break found,
            Step::Try(size) => size,
        };
        let mut large = Way::new(Kind::Echo(to.ip()), "what sizes come back").sized(size);
        let mut control = Way::new(Kind::Echo(to.ip()), "control of what sizes come back");
        for _ in 0..COPIES {
            large.send(context, 64).await;
            control.send(context, 64).await;
        }
        settle(&mut [&mut large, &mut control]).await;
        let count = |way: &Way| way.walk.at(64).map_or(0, |rung| rung.ends.min(rung.sent));
        // An error of a router's is about the way forward, which segments measured.
        let refused = matches!(large.last_end, Some(Heard::Refused { .. }));
        if refused || count(&control) == 0 || context.is_cancelled() {
            return;
        }
        search.saw(size, count(&large), (count(&control), COPIES));
    };
    let mtu = MtuInfo {
        forward: None,
        backward: found.sure.then_some(found.passes),
        blackhole_after_hop: None,
    };
    context.path(of_sizes(to, mtu));
}

/// The record of sizes alone; the walk stands beside it.
fn of_sizes(to: SocketAddr, mtu: MtuInfo) -> PathRecord {
    PathRecord {
        target: to.ip().to_string(),
        port: Some(to.port()),
        hops: Vec::new(),
        mtu: Some(mtu),
        loss: None,
        tls: None,
    }
}

/// What usually leaves so much room (field C4); a hint, not evidence.
fn tunnel(passes: u16) -> Option<&'static str> {
    Some(match passes {
        1_492 => "PPPoE",
        1_480 => "an IP-in-IP or 6in4 tunnel",
        1_476 => "GRE",
        1_454 => "PPPoE of some providers",
        1_436..=1_438 => "IPsec",
        1_420 => "WireGuard",
        1_400 => "a VPN of a cloud provider",
        1_280 => "a tunnel set to IPv6's least MTU",
        _ => return None,
    })
}

/// Says what was found.
pub fn report(context: &Context, to: SocketAddr, sized: &Sized) {
    let found = &sized.found;
    let hole = sized.is_hole();
    let placed = sized.boundary.as_ref().filter(|found| found.sure);
    let after_hop = placed.map(|found| found.after_hop);
    context.path(of_sizes(
        to,
        MtuInfo {
            forward: Some(found.passes).filter(|_| found.fails.is_none() || found.sure),
            backward: None,
            blackhole_after_hop: after_hop.filter(|_| hole && found.told.is_none()),
        },
    ));
    let Some(fails) = found
        .fails
        .filter(|_| found.sure && found.passes >= sized.least)
    else {
        return;
    };
    let headers = if to.is_ipv4() { 40 } else { 60 };
    let clamp = found.passes.saturating_sub(headers);
    let cure = format!(
        "Until it is mended: clamp the MSS to {clamp} at the narrow link (nft: tcp flags syn tcp option maxseg size set {clamp}), or lower the MTU of this host's route to {}",
        found.passes
    );
    let mut at = At::of(Where::Network);
    let proof = Proof::Measured("size search", context.now());
    let counted = format!(
        "within an open connection {} of {} small segments were acknowledged meanwhile; of {} of {fails} bytes and more none",
        found.small.0, found.small.1, found.unanswered
    );
    let claim = match found.told {
        Some(told) if told.useless() || told.bogus() => {
            at.address = Some(told.from);
            at.hop = sized.told_at;
            let summary = format!(
                "{} says that packets of {} bytes are too big and names an MTU of {}, which helps no sender: {} bytes pass.",
                told.from, told.about, told.mtu, found.passes
            );
            let weight = match told.useless() {
                true => Weight::Fatal,
                false => Weight::Finding,
            };
            Claim::new(Code::PathMtuBlackhole, at, proof, 0.93, summary)
                .weighing(weight)
                .advise(format!("Ask whoever runs {} to send the next hop's MTU in fragmentation-needed (RFC 1191 4)", told.from))
        }
        Some(_) => return,
        None => {
            let mut confidence = 0.93;
            let mut where_to = "on the way".to_owned();
            if let Some(placed) = placed {
                at.after_hop = Some(placed.after_hop);
                at.address = placed.router;
                confidence = 0.97;
                let here = placed
                    .router
                    .map_or_else(String::new, |router| format!(" ({router})"));
                where_to = format!("after hop {}{here}", placed.after_hop);
            }
            let hint = tunnel(found.passes)
                .map_or_else(String::new, |what| format!(" ({what} leaves so much)"));
            let summary = format!(
                "Packets of more than {} bytes vanish {where_to} without a word; smaller ones of the same connection arrive{hint}.",
                found.passes
            );
            Claim::new(Code::PathMtuBlackhole, at, proof, confidence, summary)
                .advise("Ask whoever runs the router there to let ICMP fragmentation-needed (IPv6: packet-too-big) out, and firewalls to let it in")
        }
    };
    let mut claim = claim.shown_by(counted).advise(cure);
    if let Some(placed) = placed
        && let Some(beyond) = placed.beyond
    {
        claim = claim.because(
            Proof::Measured("TTL walk of large segments", context.now()),
            format!(
                "hop {} answered {}/{} segments of {fails} bytes; TTL {} {}/{} small ones and none of {} large ones",
                placed.after_hop, placed.forwarded.0, placed.forwarded.1, beyond.ttl, beyond.reference.0, beyond.reference.1, beyond.target
            ),
        );
    }
    context.measured(Measured {
        about: About::Server(to),
        claim,
        settles: Settles::Session,
    });
}
