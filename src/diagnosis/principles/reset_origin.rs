//! Who sent the reset, as far as packets tell.
//!
//! Hop distances are compared, not TTLs (nearest of 32, 64, 128, 255 minus TTL): two hops or more from the
//! same address's other packets count, three are sure; one is a hint that counts only beside another. A kernel's RST for a closed port and a firewall's
//! REJECT are alike but for distance, DSCP and flow label; without a difference the server is believed.
//! Never worded as an attack: a device between A and B.

use crate::base::{MILLISECOND, Mark, Nanos, SECOND, Side};
use crate::diagnosis::verdict::Claim;
use crate::diagnosis::view::Connection;
use crate::flow::{Reset, ResetTrigger};

/// A kernel that sent data of a connection so recently has not forgotten it: shorter than any idle time of a device.
const FRESH: Nanos = 30 * SECOND;
/// Packets of one host that overtake each other on the way are no further apart.
const OVERTAKEN: Nanos = SECOND;
/// Routers between a host that has an address and one to which it hands ports on.
const BEHIND: u8 = 8;
/// What arrives with so little left was sent with a TTL that just reaches this far, as a trace of the path is: no path is as long as it
/// would tell.
const TRACED: u8 = 4;

/// What speaks for or against the reset having been sent by the end whose address it carries.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Log-odds that something on the path sent it.
    pub score: f32,
    /// Each signal in words, for the evidence.
    pub signals: Vec<String>,
    /// Hop distance of the reset's sender to the capture point, when it differs from the host's.
    pub hops: Option<u8>,
    /// The host's own abort is another reset beside it: its process cut the connection, whichever of its resets came first.
    pub aborted: bool,
}

impl Origin {
    /// The packets contradict the claim that the host sent it.
    pub fn by_path(&self) -> bool {
        self.score >= 2.0
    }

    /// How sure, 0–1, that something on the path sent it.
    pub fn probability(&self) -> f32 {
        1.0 / (1.0 + (-self.score).exp())
    }
}

/// Weighs one reset of a connection. Sources of the weights: measured shapes of kernel, process and firewall
/// resets on Linux; RFC 5961 3.2 for sequence numbers; Weaver et al., NDSS 2009, for data after a reset.
pub fn reset_origin(c: &Connection<'_>, reset: &Reset) -> Origin {
    let mut origin = Origin::default();
    let mut add = |score: f32, text: String| {
        origin.score += score;
        origin.signals.push(text);
    };
    let direction = &c.tcp.sides[reset.side];
    let baseline = direction
        .hops
        .or(direction.syn_hops)
        .or(if reset.side == Side::Server {
            c.context.server_hops
        } else {
            None
        });
    let mut distant = None;
    // A host that looks for the path within its connection sends segments with small TTLs; one that others of its segments came with
    // says nothing against it.
    let usual = direction.ttls.contains(&reset.hops.ttl);
    let in_line = in_line(c, reset);
    let abort = is_abort(c, reset);
    // Beside the host's own abort others of its resets are what its kernel answers to the rest of that connection, though one of them
    // overtook it.
    let aborted = c.tcp.resets.iter().any(|other| {
        let together = other.at.time.since(reset.at.time).abs() <= OVERTAKEN;
        let host = c.tcp.sides[other.side].ttls.contains(&other.hops.ttl) && !other.data_after;
        let another = other.side == reset.side && other.at != reset.at;
        another && together && host && is_abort(c, other)
    });
    let baseline = baseline.filter(|base| base.ttl > TRACED);
    if let Some(base) = baseline.filter(|_| !usual) {
        let difference = base.hops.abs_diff(reset.hops.hops);
        // Farther than a SYN-ACK that is all there is: it may be the SYN-ACK that a device sent (a SYN proxy), and the host's own reset.
        let only_opened = direction.hops.is_none() && direction.syn_hops.is_some();
        // Farther than on other connections: ports may be handed on to hosts behind the one that has the address. Nobody hands on that far;
        // who answers in another's name may begin with any TTL.
        let elsewhere = direction.hops.is_none() && direction.syn_hops.is_none();
        let behind = elsewhere && difference <= BEHIND;
        let doubtful = (only_opened || behind) && reset.hops.hops > base.hops;
        // The host's initial TTL may legitimately differ between stacks' packets; equal TTL is decisive for equality.
        if difference >= 2 && doubtful && elsewhere {
            let text = format!(
                "TTL {}, {} hops away, where other ports of the host answer with TTL {} from {}: a host behind it, or one of them is not the host's",
                reset.hops.ttl, reset.hops.hops, base.ttl, base.hops
            );
            add(0.9, text);
        } else if difference >= 2 && doubtful {
            let text = format!(
                "TTL {}, {} hops away, where the SYN-ACK came with TTL {} from {}: one of them is not the host's",
                reset.hops.ttl, reset.hops.hops, base.ttl, base.hops
            );
            add(0.9, text);
        } else if difference >= 2 && base.ttl != reset.hops.ttl {
            distant = Some(reset.hops.hops);
            let text = format!(
                "TTL {} is {} hops away, the host's other packets come with TTL {} from {} hops",
                reset.hops.ttl, reset.hops.hops, base.ttl, base.hops
            );
            add(if difference >= 3 { 3.5 } else { 2.2 }, text);
        } else if difference == 1 && base.ttl != reset.hops.ttl {
            // One hop may be the gateway or load balancer that owns the address, or a route that moved. It is the owner, or as
            // well may be, where the address answers from there on other ports.
            let owner = reset.side == Side::Server && c.context.answers_with(reset.hops.ttl);
            let text = format!(
                "TTL {} where the host's other packets come with TTL {}: one hop apart{}",
                reset.hops.ttl,
                base.ttl,
                if owner {
                    ", as the address answers elsewhere"
                } else {
                    ""
                }
            );
            add(if owner { 0.5 } else { 0.9 }, text);
        }
    }
    // What a host hands on it shows coming in before it goes out; what it never showed coming in it made.
    let here = direction.made_here.or(match reset.side {
        Side::Server => c.context.server_is_here,
        Side::Client => None,
    });
    if reset.made_here == Some(true) && here == Some(false) {
        add(
            3.5,
            "the capturing host itself made it, and the host's other packets come in from elsewhere"
                .to_owned(),
        );
    }
    // RFC 9293 3.5.2: a RST without ACK says "no such connection". The kernel that acknowledged data of it a moment ago,
    // and closed nothing since, has it; its own abort carries ACK, and the timestamps of the flow.
    let bare = !reset.flags.ack() && !reset.timestamps && reset.window == Some(0);
    // A number beyond all that was captured of the host is one that its peer acknowledged, or its own next one: what lies between,
    // its FIN perhaps, was not captured.
    if bare
        && !aborted
        && !reset.ahead
        && reset.trigger == ResetTrigger::Established
        && !reset.after_own_fin
        && direction
            .last_data
            .or_else(|| agreed(c, reset))
            .is_some_and(|last| (0..FRESH).contains(&reset.at.time.since(last.time)))
    {
        add(
            1.3,
            "it says \"no such connection\" seconds after the host went along with it".to_owned(),
        );
    }
    if reset.data_after {
        add(
            4.0,
            "the host went on sending after \"its\" reset".to_owned(),
        );
    }
    if reset.seq_exact == Some(false) && !reset.ahead && reset.trigger == ResetTrigger::Established
    {
        add(
            1.0,
            "its sequence number is not the next one of the host".to_owned(),
        );
    }
    if reset.ip_id_copied {
        add(
            1.5,
            "its IP identification copies the other side's".to_owned(),
        );
    }
    if !aborted && let Some((weight, text)) = too_soon(c, reset) {
        add(weight, text);
    }
    // What comes from the host's own distance may come from the host. Its packet filter writes no flow label, nor do some kernels in what
    // belongs to no socket (RFC 6437 3: a source need not); and another machine of its network may have taken the address over.
    let own_distance = usual || baseline.is_some_and(|base| base.ttl == reset.hops.ttl);
    if let (Some(0), Some(label)) = (reset.flow_label, direction.flow_label)
        && label != 0
    {
        add(
            if own_distance { 0.6 } else { 3.0 },
            format!("its IPv6 flow label is 0, the host's packets carry 0x{label:05x}"),
        );
    }
    if reset.other_mac {
        add(
            if own_distance { 0.6 } else { 1.0 },
            "it came from another neighbour than the host's packets".to_owned(),
        );
    }
    if abort && distant.is_none() {
        origin.score -= 5.0;
        origin.signals.clear();
    } else if in_line {
        // A device copies an identification or makes one up (Weaver et al.): it does not count on where the host stopped.
        origin.score -= 2.0;
    }
    origin.hops = distant;
    origin.aborted = aborted;
    origin
}

/// The server's agreement to the connection, where it has said nothing else. Not what came from nearer than the reset: that may be a SYN
/// proxy's, and the host behind it know of nothing.
fn agreed(c: &Connection<'_>, reset: &Reset) -> Option<Mark> {
    let from = c.tcp.sides[reset.side].syn_hops?;
    let answer = c.tcp.syn_acks.seen.last()?;
    (reset.side == Side::Server && reset.hops.hops <= from.hops).then_some(answer.at)
}

/// It stands in the line of the host's own packets: the next of its counter, from a distance of theirs.
fn in_line(c: &Connection<'_>, reset: &Reset) -> bool {
    let usual = c.tcp.sides[reset.side].ttls.contains(&reset.hops.ttl);
    usual && reset.ip_id_continues && !reset.ip_id_copied
}

/// A process abort carries the flow's timestamps, its own IP-ID line and a real window: a device would have to track them.
/// Where no timestamps were agreed on (RFC 7323 3.2) there are none to carry.
fn is_abort(c: &Connection<'_>, reset: &Reset) -> bool {
    let stamped = reset.timestamps
        || untimed(c) && in_line(c, reset) && reset.seq_exact == Some(true) && !reset.data_after;
    stamped && reset.window != Some(0) && reset.flags.ack()
}

/// It came before anything could reach the host and come back: how much that weighs, and in words.
fn too_soon(c: &Connection<'_>, reset: &Reset) -> Option<(f32, String)> {
    // A reset answers no reset (RFC 9293 3.10.7): after the other side's, both ends cut the connection by themselves.
    let mut others = c.tcp.resets.iter();
    if others.any(|other| other.side != reset.side && other.at.is_before(reset.at)) {
        return None;
    }
    let (delay, (min, whole)) = reset.answers.zip(round_trip(c, reset.side))?;
    let sooner = delay >= 0
        && min.saturating_sub(delay) >= MILLISECOND
        && delay.saturating_mul(10) < min.saturating_mul(6);
    if reset.trigger != ResetTrigger::Established || !sooner {
        return None;
    }
    let (delay, min) = (delay as f64 / 1e6, min as f64 / 1e6);
    // Acknowledgements alone may all have been held back (RFC 1122 4.2.3.2): the path may be shorter than any of them shows.
    Some((
        if whole { 2.5 } else { 0.6 },
        format!(
            "it came {delay:.1} ms after the packet it answers; the shortest round trip is {min:.1} ms"
        ),
    ))
}

/// The connection was opened without timestamps: one of the two did not offer them (RFC 7323 3.2).
fn untimed(c: &Connection<'_>) -> bool {
    let tcp = c.tcp;
    let mut opening = tcp.syns.seen.iter().chain(&tcp.syn_acks.seen);
    opening.any(|one| one.options.whole && !one.options.timestamps)
}

/// The shortest round trip to that side and back, and whether the handshake was seen: of it each segment is answered at once, while
/// what acknowledges data may wait for the next command (RFC 1122 4.2.3.2).
fn round_trip(c: &Connection<'_>, side: Side) -> Option<(Nanos, bool)> {
    let handshake = match side {
        Side::Client => c.tcp.rtt_client,
        Side::Server => c.tcp.rtt_server,
    };
    let acknowledged = c.tcp.min_rtt[side]?;
    Some(match handshake {
        Some(opened) => (acknowledged.min(opened), true),
        None => (acknowledged, false),
    })
}

/// What the reset says in words: RFC 9293 3.5.3 allows text in it, and some devices use it to explain themselves.
pub fn with_words(claim: Claim, reset: &Reset) -> Claim {
    match &reset.payload {
        Some(text) => claim.because(reset.at, format!("the reset itself says: {text}")),
        None => claim,
    }
}
