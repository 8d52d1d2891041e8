//! A connection of ours as its packets show it: what was said and acknowledged, and what a segment of it looks like.

use crate::probe::seen::{Direction, Seen, What, distance};

/// A connection as its packets show it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flow {
    /// The next byte that our kernel will send.
    pub(super) next: Option<u32>,
    /// The first byte of ours that was not acknowledged.
    pub(super) unacknowledged: Option<u32>,
    /// What our kernel acknowledged.
    pub(super) expects: Option<u32>,
    /// Our latest TSval and the server's.
    pub(super) clocks: Option<(u32, u32)>,
    /// The MSS that our SYN announced.
    pub(super) our_mss: Option<u16>,
    /// The MSS of their SYN-ACK.
    pub(super) their_mss: Option<u16>,
    /// Its window.
    pub(super) their_window: u16,
    /// IPv6 flow label of our packets.
    pub(super) label: u32,
    /// TOS or traffic class of our packets.
    pub(super) tos: u8,
    /// Hops to the server, by the TTL of its SYN-ACK.
    pub(super) hops: Option<u8>,
    /// The TTL with which our kernel first acknowledged anything: the handshake's last segment.
    pub(super) confirmed: Option<u8>,
}

/// Which of the two ends is farther along (RFC 9293 3.4: modulo 2^32).
fn later(one: u32, other: u32) -> u32 {
    if one.wrapping_sub(other) as i32 > 0 {
        one
    } else {
        other
    }
}

impl Flow {
    /// Takes in a packet of it, either way.
    pub(super) fn see(&mut self, seen: &Seen) {
        let What::Tcp {
            flags,
            seq,
            ack,
            options,
            payload_len,
            window,
            ..
        } = &seen.what
        else {
            return;
        };
        let length = payload_len.wrapping_add(u32::from(flags.syn()) + u32::from(flags.fin()));
        match seen.direction {
            Direction::Out => {
                let end = seq.wrapping_add(length);
                self.next = Some(self.next.map_or(end, |known| later(known, end)));
                if flags.ack() {
                    self.expects = Some(self.expects.map_or(*ack, |known| later(known, *ack)));
                    self.confirmed.get_or_insert(seen.ip.ttl);
                }
                if flags.syn() {
                    self.our_mss = options.mss;
                }
                if let Some((value, echoed)) = options.timestamps {
                    self.clocks = Some((value, echoed));
                }
                self.label = seen.ip.flow_label.unwrap_or(0);
                self.tos = seen.ip.tos;
            }
            Direction::In if flags.rst() => {}
            Direction::In => {
                if flags.ack() {
                    let known = self.unacknowledged;
                    self.unacknowledged = Some(known.map_or(*ack, |known| later(known, *ack)));
                }
                if flags.syn() {
                    self.their_mss = options.mss;
                    self.their_window = *window;
                    self.hops = Some(distance(seen.ip.ttl).saturating_add(1));
                    if options.timestamps.is_none() {
                        self.clocks = None;
                    }
                }
                if let (Some((value, _)), Some((theirs, _))) = (self.clocks, options.timestamps) {
                    self.clocks = Some((value, theirs));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::later;

    #[test]
    fn sequence_numbers_go_round() {
        assert_eq!(later(5, 9), 9);
        assert_eq!(later(3, u32::MAX - 2), 3);
        assert_eq!(later(7, 7), 7);
    }
}
