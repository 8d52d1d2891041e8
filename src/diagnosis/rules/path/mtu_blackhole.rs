//! `path.mtu-blackhole`: in one direction nothing above a size ever arrives, smaller packets do (RFC 2923 2.1).

use crate::base::{MILLISECOND, Mark, SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::flow::IcmpError;

/// Payload of the smallest segment whose loss can be a matter of size: 576 bytes less headers and options.
const SMALLEST: u32 = 500;
/// So many bytes that nobody saw were sent in packets that may have been too large.
const LARGE: u32 = 1_000;
/// Resends in a refused size from which on the refusal was not heard (the clock of verdicts: ≥ 3 transmissions).
const UNHEEDED: u32 = 3;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    for side in [Side::Server, Side::Client] {
        let mtu = &c.tcp.sides[side].mtu;
        let largest_arrived = c.tcp.sides[side].largest_arrived;
        let (from, to) = match side {
            Side::Client => (c.client().ip, c.server().ip),
            Side::Server => (c.server().ip, c.client().ip),
        };
        let claim = if let (Some(size), Some(first), Some(last)) =
            (mtu.smallest_dead, mtu.dead, mtu.dead_last)
        {
            // A router said that this size does not pass, and it is sent again and again: path MTU discovery that the sender does not take
            // part in. That proves by itself that size is what kills, whatever passed before the path changed.
            let unheeded = mtu.unheeded >= UNHEEDED;
            // A segment of that size that arrived speaks against it; so does a connection on which nothing comes back.
            if largest_arrived >= size && !unheeded
                || mtu.dead_transmissions < 3
                || last.time.since(first.time) < SECOND / 2
            {
                continue;
            }
            // A reset that comes on its heels answers it (RFC 9293 3.10.7.1): it arrived, at a host that knows the connection no more.
            if draws_reset(c, side, last) {
                continue;
            }
            // Captured beside who is to receive it, it came through all but the last link (a bridge to a container, say): more likely the
            // receiver itself does not take it, for its checksum or by a rule of its own.
            let arrives = c.captured_beside(side.other());
            // No link is that narrow (RFC 791 3.1: every host takes 576); what dies that small dies of something else.
            if size < SMALLEST {
                continue;
            }
            // A ClientHello that vanishes is this only when its tail got through.
            let hello = c.tls.and_then(|tls| tls.started[Side::Client]);
            if side == Side::Client
                && hello.is_some_and(|hello| !hello.is_before(first))
                && mtu.smaller_arrived_after.is_none()
                && !unheeded
            {
                continue;
            }
            // A peer that says again and again what was acknowledged does not get the acknowledgements: small packets vanish as well.
            let spoke = c.tcp.sides[side]
                .outstanding
                .is_some_and(|o| o.peer_acked_after && !o.peer_is_deaf);
            // What arrived before the capture began may have been as large, and the peer acknowledge that.
            let spoke = spoke && !c.began_late();
            let shown = mtu.smaller_arrived_after.is_some() || mtu.recovered.is_some() || unheeded;
            if !shown && !spoke {
                continue;
            }
            // Answers to an ICMP "too big" are path MTU discovery at work, not a black hole.
            let told = c.tcp.icmp.iter().find(|error| says_too_big(error, side));
            if told.is_some() && mtu.recovered.is_some() && !unheeded {
                continue;
            }
            // Where the refusal passes beside the sender, it is the sender that does not hear it.
            let deaf = unheeded && c.captured_beside(side);
            let place = match side {
                _ if !deaf => At::of(Where::Network),
                Side::Client => At::address(Where::Client, from),
                Side::Server => At::address(Where::Server, from),
            };
            let mut claim = Claim::new(
                Code::PathMtuBlackhole,
                place,
                last,
                match (arrives, mtu.smaller_arrived_after) {
                    _ if unheeded && largest_arrived < size => 0.92,
                    _ if unheeded => 0.8,
                    (true, _) => 0.5,
                    // The capture has the resends only: what became of the first one is not seen.
                    (false, Some(smaller)) if smaller.is_before(first) => 0.8,
                    (false, Some(_)) => 0.92,
                    (false, None) => 0.8,
                },
                match told {
                    Some(error) if unheeded => format!("Big packets from {from} to {to} vanish: {} says that they are too big for its link, and {from} goes on with {size} bytes of data.", error.sender),
                    _ => format!("Big packets from {from} to {to} vanish: {size} bytes of data never arrive, smaller packets do."),
                },
            )
            .since(first.time)
            .shown_by(format!("{size} bytes, sent {} times, never acknowledged", mtu.dead_transmissions))
            .because(first, format!("{size} bytes, first time"));
            if arrives && !unheeded {
                claim = claim
                    .or(
                        Code::TcpStalled,
                        0.45,
                        format!("{to} itself: checksums (tshark -o tcp.check_checksum:TRUE), rules of its own firewall"),
                    )
                    .because(last, format!("it was captured beside {to}"));
            }
            if let Some(mark) = mtu.smaller_arrived_after {
                let shown = if mark.is_before(first) {
                    "a smaller segment from behind it, which was not captured the first time, arrived"
                } else {
                    "a smaller segment sent after it arrived"
                };
                claim = claim.because(mark, shown);
                if mark.is_before(first) {
                    claim = claim.or(
                        Code::TcpStalled,
                        0.15,
                        "a capture further along: whether small packets pass there at that time",
                    );
                }
            }
            if let Some(mark) = mtu.recovered {
                claim = claim
                    .because(mark, "the same bytes got through in smaller pieces")
                    .weighing(Weight::Costly);
            }
            match told {
                Some(error) if unheeded => {
                    let limit = error.mtu.map_or("as long as that".to_owned(), |mtu| {
                        format!("over {mtu} bytes")
                    });
                    claim = claim
                        .because(
                            error.at,
                            format!("ICMP from {}: packets {limit} do not pass; {from} sends on in that size", error.sender),
                        )
                        .advise(format!("Look why {from} does not heed that ICMP: a rule of its own firewall (or one right before it) drops it, or path MTU discovery is switched off"));
                }
                Some(_) => {
                    claim = claim.because(
                        first,
                        "an ICMP \"fragmentation needed\" was sent and did not help",
                    );
                }
                None => {}
            }
            claim
        } else if let Some((mark, length)) = mtu.unfilled_gap {
            // A full-size segment that arrived before speaks against it; so does a hole that had no time to fill. Where the handshake was
            // not captured nobody knows what is full: what is large is enough.
            let full = full_size(c, side).unwrap_or(LARGE);
            if by_capture(c, side)
                || largest_arrived >= full
                || c.watched_after(mark.time) < 3 * SECOND
            {
                continue;
            }
            Claim::new(
                Code::PathMtuBlackhole,
                At::of(Where::Network),
                mark,
                0.75,
                format!("Big packets from {from} never arrive here, while later smaller ones do."),
            )
            .shown_by(format!(
                "a hole of {length} bytes before this segment never fills"
            ))
            .or(
                Code::PathLoss,
                0.2,
                "a capture at the sender: are the missing segments all of full size?",
            )
        } else if let Some((mark, size, rested)) = mtu.healed_gap {
            // One that arrived speaks against it; a router's word that came here was taken.
            let told = c.tcp.icmp.iter().any(|error| says_too_big(error, side));
            if by_capture(c, side) || largest_arrived >= size || told {
                continue;
            }
            Claim::new(
                Code::PathMtuBlackhole,
                At::of(Where::Network),
                mark,
                0.75,
                format!("Big packets from {from} never arrive here: what was to come in {size} bytes each came in smaller pieces, after {:.1} s.", rested as f64 / 1e9),
            )
            .shown_by("from here on whole packets are missing, which come in smaller pieces behind this segment")
            .weighing(Weight::Costly)
            .or(
                Code::PathLoss,
                0.2,
                "a capture at the sender: are the missing segments all of full size?",
            )
        } else if let Some((mark, length)) = c.unheard(side) {
            let asked = c.tcp.sides[side.other()].last_data;
            let waited = asked.map_or(0, |asked| mark.time.since(asked.time));
            if length < LARGE || largest_arrived >= LARGE || waited < 3 * SECOND {
                continue;
            }
            Claim::new(
                Code::PathMtuBlackhole,
                At::of(Where::Network),
                mark,
                0.7,
                format!("What {from} sent never arrives here, while its empty packets do."),
            )
            .shown_by(format!(
                "an empty segment that stands behind {length} bytes, none of which ever came"
            ))
            .or(
                Code::TcpStalled,
                0.25,
                "a connection with a small MSS: if it works, size is what kills",
            )
        } else {
            continue;
        };
        // After the end nothing is a fault; a 421 of a server that waited in vain for the data is no such end.
        let over = c.done.is_some_and(|done| done.time <= claim.since);
        if over && claim.weight == Weight::Fatal {
            continue;
        }
        // Elsewhere it passes, up to a sender that does not heed it.
        let claim = if claim.at.place != Where::Network {
            claim
        } else {
            claim.advise(format!("Let ICMP \"fragmentation needed\" (3/4, ICMPv6 2/0) through between {from} and {to}, or clamp the MSS at the tunnel"))
        };
        claims.push(claim.advise("nft: tcp flags syn tcp option maxseg size set rt mtu"));
        return;
    }
}

/// It says that a packet of that side is too big for a link (RFC 1191 4, RFC 4443 3.2).
fn says_too_big(error: &IcmpError, side: Side) -> bool {
    error.quoted == side
        && matches!(
            (error.v6, error.kind, error.code),
            (false, 3, 4) | (true, 2, _)
        )
}

/// The other side reset within about a round trip of that segment, the latest of `side`.
fn draws_reset(c: &Connection<'_>, side: Side, last: Mark) -> bool {
    let towards = side.other();
    let whole = c.tcp.rtt_server.zip(c.tcp.rtt_client);
    let rtt = c.tcp.min_rtt[towards].or(whole.map(|(there, here)| there.saturating_add(here)));
    let soon = rtt
        .unwrap_or(0)
        .saturating_mul(2)
        .saturating_add(10 * MILLISECOND);
    let newest = c.tcp.sides[side]
        .last
        .is_none_or(|newest| newest.frame == last.frame);
    newest
        && c.tcp.resets.iter().any(|reset| {
            reset.side == towards
                && last.is_before(reset.at)
                && reset.at.time.since(last.time) <= soon
        })
}

/// Payload of a segment that counts as full size from that side: the receiver's MSS less room for options.
fn full_size(c: &Connection<'_>, side: Side) -> Option<u32> {
    let receiver = match side {
        Side::Client => c.tcp.syn_acks.seen.first(),
        Side::Server => c.tcp.syns.seen.first(),
    };
    receiver
        .and_then(|handshake| handshake.options.mss)
        .map(|mss| u32::from(mss).saturating_sub(40))
}

/// Lost by the capture, not by the path: then the other side acknowledged it.
fn by_capture(c: &Connection<'_>, side: Side) -> bool {
    c.tcp.cut_frames > 0 || c.tcp.acked_unseen > 0 || c.tcp.capture_gaps[side] > 0
}
