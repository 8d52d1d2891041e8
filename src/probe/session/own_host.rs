//! A rule of this host itself cuts its connections with resets, in the server's name or in its own.
//!
//! A reset that a rule for outgoing packets makes in the server's name comes back over the loopback device, where nothing of the path
//! ever is. One that a rule for incoming packets makes in our name leaves like any other, but the kernel knows nothing of it and goes
//! on with the connection: who resets one himself has forgotten it (RFC 9293 3.5.2). What else could have sent it, the packets say.
//! It says nothing without a capture, and nothing of a server on this host.

use std::net::SocketAddr;

use super::ask::{SessionEnd, SessionOutcome};
use super::claims::about;
use crate::base::{MILLISECOND, Nanos};
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Where};
use crate::probe::Context;
use crate::probe::context::Segment;
use crate::probe::seen::distance;

/// What leaves so long after a reset was not on its way already: a kernel repeats nothing sooner (RFC 6298, Linux's minimum).
const LATER: Nanos = 200 * MILLISECOND;

/// What a rule of this host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// It answers what we send, in the server's name.
    Outgoing,
    /// It answers what comes in, in our name.
    Incoming {
        /// What came was the answer to our SYN.
        opening: bool,
    },
}

/// Says so where a rule of this host ended the session; true then.
pub(super) fn look(context: &Context, outcome: &SessionOutcome) -> bool {
    if matches!(outcome.end, SessionEnd::Fine | SessionEnd::Said { .. }) {
        return false;
    }
    let to = outcome.to;
    // Without a capture nobody saw a reset; on loopback everything is seen there.
    if !context.captures() || context.way_out(to.ip()).is_ok_and(|way| way.is_here) {
        return false;
    }
    let mut segments = context.segments_with(to);
    // Where the session has no end of its own, its connection was never opened.
    if let Some(local) = outcome.local {
        segments.retain(|one| one.is_at(local));
    }
    let Some((local, cut)) = cut(&segments) else {
        return false;
    };
    // It was under this rule from its first segment on: whatever it seems to have died of came later.
    let proof = Proof::Measured("capture on this host", outcome.started);
    let at = At::address(Where::Client, local.ip());
    let port = to.port();
    let claim = match cut {
        Cut::Outgoing => Claim::new(
            Code::TcpResetMidstreamByPath,
            at,
            proof,
            0.95,
            format!("A rule of this host itself resets connections to port {port}: the server never sees what it rejects."),
        )
        .shown_by(format!(
            "a RST in the name of {to} came over the loopback device; what the server itself sends comes over another"
        )),
        Cut::Incoming { opening } => {
            let (code, what) = match opening {
                true => (Code::TcpSynackLost, "The server's SYN-ACK"),
                false => (Code::TcpResetMidstreamByPath, "What the server sends"),
            };
            Claim::new(
                code,
                at,
                proof,
                0.93,
                format!("{what} from port {port} reaches this host, and a rule of this host rejects it with a reset."),
            )
            .shown_by(format!(
                "a RST left from {local}, and the kernel went on with the connection: it was not the kernel's"
            ))
        }
    };
    let claim = claim.advise(match cut {
        Cut::Outgoing => "Look at this host's rules for what goes out (nft list ruleset, iptables-save): reject with tcp reset",
        Cut::Incoming { .. } => "Look at this host's rules for what comes in (nft list ruleset, iptables-save): reject with tcp reset",
    });
    context.measured(about(outcome, claim, Settles::Session));
    true
}

/// Whether the segments of a connection show such a rule, and at which end of ours.
fn cut(segments: &[Segment]) -> Option<(SocketAddr, Cut)> {
    segments
        .iter()
        .enumerate()
        .filter(|(_, reset)| reset.flags.rst())
        .find_map(|(number, reset)| {
            let mut same = segments.iter().filter(|one| one.local == reset.local);
            let after = segments.iter().skip(number);
            let found = match reset.outward {
                false => (reset.inside
                    && same.any(|one| !one.outward && !one.inside && !one.flags.rst()))
                .then_some(Cut::Outgoing),
                true if reset.inside || distance(reset.ttl) != 0 => None,
                true => {
                    let on = after.filter(|one| one.local == reset.local).find(|one| {
                        one.outward && !one.flags.rst() && one.at.since(reset.at) >= LATER
                    })?;
                    // A SYN with another number begins another connection.
                    let again =
                        same.any(|one| one.outward && one.at < reset.at && one.seq == on.seq);
                    (!on.flags.syn() || again).then_some(Cut::Incoming {
                        opening: on.flags.syn(),
                    })
                }
            };
            Some((reset.local, found?))
        })
}

#[cfg(test)]
mod tests {
    use super::{Cut, cut};
    use crate::base::{MILLISECOND, Timestamp};
    use crate::probe::context::Segment;
    use crate::wire::TcpFlags;

    const SYN: u8 = TcpFlags::SYN;
    const ACK: u8 = TcpFlags::ACK;
    const RST: u8 = TcpFlags::RST;

    /// A segment so many milliseconds after the first; `ours` leaves, with that sequence number.
    fn segment(ms: i64, ours: bool, flags: u8, seq: u32) -> Segment {
        Segment {
            at: Timestamp(ms * MILLISECOND),
            local: "10.77.1.2:36111".parse().expect("an address"),
            outward: ours,
            inside: false,
            ttl: if ours { 64 } else { 62 },
            flags: TcpFlags(flags),
            seq,
            length: 60,
            payload: 0,
        }
    }

    fn found(segments: &[Segment]) -> Option<Cut> {
        cut(segments).map(|(_, cut)| cut)
    }

    #[test]
    fn a_reset_over_loopback_is_a_rule_for_what_goes_out() {
        let opened = [
            segment(0, true, SYN, 1),
            segment(1, false, SYN | ACK, 9),
            segment(2, true, ACK, 2),
        ];
        let mut reset = segment(5, false, RST, 10);
        let mut all = opened.to_vec();
        all.push(reset);
        // From the server, or from a device on the way.
        assert_eq!(found(&all), None);
        (reset.inside, reset.ttl) = (true, 64);
        all[3] = reset;
        assert_eq!(found(&all), Some(Cut::Outgoing));
        // A proxy on this very host: all of it is seen there.
        for one in &mut all {
            one.inside = true;
        }
        assert_eq!(found(&all), None);
    }

    #[test]
    fn a_reset_that_the_kernel_knows_nothing_of_is_a_rule_for_what_comes_in() {
        let refused = [
            segment(0, true, SYN, 1),
            segment(1, false, SYN | ACK, 9),
            segment(1, true, RST, 2),
        ];
        // A half-open connection that nobody wants: so ends every SYN of a scan.
        assert_eq!(found(&refused), None);
        let mut again = refused.to_vec();
        again.push(segment(1_004, true, SYN, 1));
        assert_eq!(found(&again), Some(Cut::Incoming { opening: true }));
        // The port was used again: another connection.
        again[3] = segment(1_004, true, SYN, 77);
        assert_eq!(found(&again), None);
        let mut open = vec![
            segment(0, true, SYN, 1),
            segment(1, false, SYN | ACK, 9),
            segment(2, true, ACK, 2),
            segment(5, false, ACK, 10),
            segment(5, true, RST, 50),
        ];
        // It closed over unread bytes, and its FIN was on its way.
        open.push(segment(6, true, TcpFlags::FIN | ACK, 50));
        assert_eq!(found(&open), None);
        open.push(segment(15_000, true, TcpFlags::PSH | ACK, 50));
        assert_eq!(found(&open), Some(Cut::Incoming { opening: false }));
        // In our name, but from farther away.
        open[4].ttl = 61;
        assert_eq!(found(&open), None);
    }
}
