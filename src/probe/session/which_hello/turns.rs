//! The usual hello and a changed one in turns: is it the change, or whom the connection met?
//!
//! Behind one address stand several back ends, and before it several paths; each connection meets one of them. So what a changed
//! hello got once says nothing of the change: the usual one has to die each time, as it died at first, and the changed one to pass
//! each time between. Where the usual one is answered as well, no cause is named that lies in the hello.

use std::net::SocketAddr;

use super::super::claims::about;
use super::super::offer::Answer;
use super::{Also, LADDER, Tried, control};
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Where};
use crate::probe::context::Segment;
use crate::probe::tls::hello::{Highest, Shape};

/// Whether a turn is the usual hello's. Source ports are chosen by chance, so each connection meets either of two back ends: one that
/// is dead passes for a cause once in 32 times that a changed hello is tried.
const TURNS: [bool; 4] = [true, false, true, true];
/// The last turn is left out where each is a silence to be waited out in which not even TCP answers: no back end that accepted the
/// connection does so.
const UNHEARD: usize = 3;
/// Bytes of the smallest segment that begins a ClientHello; the commands before it are smaller.
const HELLO: u32 = 200;

/// What a turn says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The same as before.
    Same,
    /// One hello both lives and dies.
    Sometimes,
    /// Something else happened.
    Unclear,
}

/// The usual hello again: `died` is how it died at first.
fn usual(died: Answer, again: Answer) -> Turn {
    match again {
        _ if again == died => Turn::Same,
        _ if again.passes() => Turn::Sometimes,
        _ => Turn::Unclear,
    }
}

/// The usual one again where this host announces less than at first, as the path told it: it lives by that each time, or it is no
/// matter of size alone.
fn narrowed(again: Answer) -> Turn {
    match again.passes() {
        true => Turn::Same,
        false => Turn::Unclear,
    }
}

/// The usual one again where this host announces less than at first, and the change is no matter of that: that it passes now may be the
/// smaller segments' doing, and says nothing of the server.
fn no_longer_usual(died: Answer, again: Answer) -> Turn {
    match again == died {
        true => Turn::Same,
        false => Turn::Unclear,
    }
}

/// The changed one again, which passed at first.
fn changed(died: Answer, again: Answer) -> Turn {
    match again {
        _ if again.passes() => Turn::Same,
        _ if again == died => Turn::Sometimes,
        _ => Turn::Unclear,
    }
}

impl Tried<'_> {
    /// How the usual hello died.
    fn death(&self) -> Answer {
        match self.code {
            Code::TlsHelloDropped => Answer::Silent {
                acknowledged: self.arrived(),
            },
            _ => Answer::Ended,
        }
    }

    /// Whether it is the change that lets a hello pass, by turns. Else whether anything was said instead. Where the change is how large
    /// the server's segments may be, the kernel may make it by itself meanwhile: the MTU that it learned then comes back.
    pub(super) async fn in_turns(
        &self,
        shape: &Shape,
        mss: Option<u16>,
    ) -> Result<Option<u16>, bool> {
        let mut learned = None;
        let died = self.death();
        let same = Shape {
            post_quantum: true,
            ..Shape::small(Highest::Tls13, self.ask.sni.as_deref())
        };
        let turns = match died {
            Answer::Silent {
                acknowledged: false,
            } => UNHEARD,
            _ => TURNS.len(),
        };
        for is_usual in TURNS.into_iter().take(turns) {
            let turn = if is_usual {
                let why = "the usual ClientHello again, in turns with a changed one";
                let known = self.context.learned_mtu(self.outcome.to.ip());
                let again = self.once(&same, None, why).await;
                learned = learned.or(known);
                match (known, mss) {
                    (Some(_), Some(_)) => narrowed(again),
                    (Some(_), None) => no_longer_usual(died, again),
                    (None, _) => usual(died, again),
                }
            } else {
                let why = "the changed ClientHello again, in turns with the usual one";
                changed(died, self.once(shape, mss, why).await)
            };
            self.is_same(turn)?;
        }
        Ok(learned)
    }

    async fn once(&self, shape: &Shape, mss: Option<u16>, why: &'static str) -> Answer {
        let also = Also {
            mss,
            briefly: true,
            ..Also::default()
        };
        let once = control(self.context, self.ask, self.outcome.to, shape, why, also);
        once.await.answer
    }

    fn is_same(&self, turn: Turn) -> Result<(), bool> {
        match turn {
            Turn::Same => Ok(()),
            Turn::Sometimes => Err(self.sometimes()),
            Turn::Unclear => Err(false),
        }
    }

    /// The same hello lives and dies: nothing in it is the cause. False where it may as well be what gets lost.
    fn sometimes(&self) -> bool {
        let to = self.outcome.to;
        let proof = Proof::Measured(LADDER, self.context.now());
        let claim = match self.code {
            Code::TlsHelloDropped if !self.arrived() => return false,
            Code::TlsHelloDropped => Claim::new(
                Code::TlsNoReply,
                At::address(Where::Server, to.ip()),
                proof,
                0.55,
                format!("{to} takes some ClientHellos and says nothing, and answers others that are the same: one of several back ends hangs."),
            )
            .or(
                Code::PathMtuBlackhole,
                0.2,
                "a capture at the server: does it answer in large packets on one of several paths?",
            ),
            _ => Claim::new(
                Code::TlsResetOnHello,
                At::address(Where::Unknown, to.ip()),
                proof,
                0.55,
                format!("Some connections to {to} are ended at the ClientHello, and others that are the same go on: one of several back ends or paths."),
            )
            .or(
                Code::TcpResetMidstreamByPath,
                0.3,
                "a capture at the server: does it send the reset?",
            ),
        };
        let claim = claim
            .shown_by(format!(
                "the hello of a current client got {} in the session; on connections that differed only in their source port it both passed and died",
                self.died
            ))
            .advise(format!(
                "Look at every host that answers for {to} behind a balancing device: on one of them TLS does not work"
            ));
        self.context
            .measured(about(self.outcome, claim, Settles::Verdict));
        true
    }
}

/// Whether the server's answer to a hello begins with a segment in a packet larger than that, which was captured here: then none of
/// that size vanishes on the way back, whatever became of it on this host. The end of an answer whose beginning vanished is no such.
pub(super) fn answered_larger(segments: &[Segment], local: SocketAddr, packet: u16) -> bool {
    let mut asked = false;
    // The server's next byte.
    let mut next = None;
    for one in segments.iter().filter(|one| one.is_at(local)) {
        if one.outward {
            asked |= one.payload >= HELLO;
        } else if asked && one.payload > 0 {
            return next == Some(one.seq) && one.length > u32::from(packet);
        } else {
            let syn = u32::from(one.flags.syn());
            next = Some(one.seq.wrapping_add(one.payload).wrapping_add(syn));
        }
    }
    false
}

/// Whether the server, after a hello left, twice or more sent again what had been captured here before, each time after a segment
/// without payload that acknowledged it: those, which are small, do not reach it either. Once may be one that got lost, and of copies
/// that came while this host sent nothing small none shows anything, since the hello may have taken the acknowledgement with it.
pub(super) fn is_deaf(segments: &[Segment], local: SocketAddr) -> bool {
    let (mut asked, mut acknowledged, mut again) = (false, false, 0);
    let mut known: Vec<(u32, u32)> = Vec::new();
    for one in segments.iter().filter(|one| one.is_at(local)) {
        let range = (one.seq, one.payload);
        match one.outward {
            true if one.payload == 0 => acknowledged = asked,
            true => asked |= one.payload >= HELLO,
            false if one.payload == 0 => {}
            false if known.contains(&range) => {
                again += u32::from(std::mem::take(&mut acknowledged));
            }
            false => known.push(range),
        }
    }
    again >= 2
}

#[cfg(test)]
mod tests {
    use super::{
        Answer, Turn, answered_larger, changed, is_deaf, narrowed, no_longer_usual, usual,
    };
    use crate::base::Timestamp;
    use crate::probe::context::Segment;
    use crate::wire::TcpFlags;

    const HANGS: Answer = Answer::Silent { acknowledged: true };
    const VANISHES: Answer = Answer::Silent {
        acknowledged: false,
    };

    #[test]
    fn a_hello_that_is_answered_at_times_is_no_cause() {
        assert_eq!(usual(HANGS, HANGS), Turn::Same);
        assert_eq!(usual(HANGS, Answer::Alert(40)), Turn::Sometimes);
        assert_eq!(changed(HANGS, Answer::Alert(40)), Turn::Same);
        assert_eq!(changed(HANGS, HANGS), Turn::Sometimes);
        assert_eq!(usual(Answer::Ended, Answer::Ended), Turn::Same);
        // The usual one is none any more where the kernel announces less.
        assert_eq!(narrowed(Answer::Alert(40)), Turn::Same);
        assert_eq!(narrowed(HANGS), Turn::Unclear);
        assert_eq!(no_longer_usual(HANGS, Answer::Alert(40)), Turn::Unclear);
        assert_eq!(no_longer_usual(HANGS, HANGS), Turn::Same);
        // Another death: it proves neither.
        assert_eq!(usual(VANISHES, HANGS), Turn::Unclear);
        assert_eq!(usual(HANGS, Answer::Strange), Turn::Unclear);
        assert_eq!(changed(VANISHES, Answer::Ended), Turn::Unclear);
    }

    const LOCAL: &str = "10.77.1.2:45858";

    /// A segment of that connection, with bytes from `seq` on.
    fn segment(outward: bool, seq: u32, payload: u32) -> Segment {
        Segment {
            at: Timestamp(0),
            local: LOCAL.parse().expect("an address"),
            outward,
            inside: false,
            ttl: 64,
            flags: TcpFlags(TcpFlags::ACK),
            seq,
            length: payload + 52,
            payload,
        }
    }

    #[test]
    fn an_answer_that_came_in_a_large_packet_vanished_nowhere() {
        let local = LOCAL.parse().expect("an address");
        let segment = |outward: bool, payload: u32| segment(outward, 1, payload);
        let hello = [segment(true, 0), segment(true, 1_448), segment(true, 21)];
        let with = |answer: &[Segment]| answered_larger(&[&hello[..], answer].concat(), local, 576);
        assert!(with(&[segment(false, 0), segment(false, 1_252)]));
        // The end of a flight fits into a small packet, its beginning vanished.
        assert!(!with(&[segment(false, 0), segment(false, 300)]));
        let tail = Segment {
            seq: 2_897,
            ..segment(false, 900)
        };
        assert!(!with(&[segment(false, 0), tail]));
        // What came before the hello was large, and may have been smaller than what vanishes.
        assert!(!answered_larger(
            &[&[segment(false, 700)], &hello[..]].concat(),
            local,
            576
        ));
    }

    #[test]
    fn a_server_that_says_again_what_was_acknowledged_hears_no_small_packets_either() {
        let local = LOCAL.parse().expect("an address");
        let (go_ahead, hello) = (segment(false, 109, 30), segment(true, 29, 1_448));
        let acknowledged = segment(true, 1_496, 0);
        let with = |more: &[Segment]| is_deaf(&[&[go_ahead, hello][..], more].concat(), local);
        let round = [go_ahead, acknowledged, hello];
        assert!(with(&[&round[..], &round[..], &round[..]].concat()));
        // Its acknowledgement got lost once, or it says something else.
        assert!(!with(&[&round[..], &round[..]].concat()));
        assert!(!with(&[go_ahead, acknowledged, hello, hello]));
        // Copies that waited somewhere and came together, before anything small was sent.
        let late = [
            hello,
            go_ahead,
            go_ahead,
            go_ahead,
            acknowledged,
            acknowledged,
            acknowledged,
            hello,
        ];
        assert!(!with(&late));
        assert!(!with(&[segment(false, 139, 30), segment(false, 169, 30)]));
        // What it said again before the hello left is no matter of now.
        assert!(!is_deaf(&[go_ahead, go_ahead, go_ahead, hello], local));
        let other = "10.77.1.2:53941".parse().expect("an address");
        assert!(!is_deaf(&[hello, go_ahead, go_ahead, go_ahead], other));
    }
}
