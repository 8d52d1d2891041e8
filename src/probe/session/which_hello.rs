//! A ClientHello got silence or an end: what in it does not get through, and where (field B7, C8).
//!
//! Its size, what makes it large, or the name in it: one control after the other, each walked by TTL before it is sent, and the usual
//! hello in turns with one that passed, so that no back end is taken for a cause. What the
//! server does not answer although it arrives is told from what vanishes on the way by TCP's acknowledgement. A path that is too narrow for
//! large packets is no filter, and is looked for first.

mod narrow;
mod turns;
mod vanished;

use std::net::SocketAddr;
use std::time::Duration;

use super::ask::{Ask, SessionEnd, SessionOutcome, TlsWanted};
use super::claims::about;
use super::hold::{Handover, up_to};
use super::offer::{APART, Answer, hello, offer, offer_briefly, quiet};
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Where};
use crate::probe::options::StageName;
use crate::probe::stage::{size, trigger};
use crate::probe::tls::hello::{Highest, Shape};
use crate::probe::tls::ladder::LARGE;
use crate::probe::{Connect, Context, Role};

/// Nothing is sent for so long, and two round trips.
const UNASKED: Duration = Duration::from_millis(200);
/// What the measurements here are called.
const LADDER: &str = "ClientHello ladder";

/// What a control is to find out besides the answer to its hello.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Also {
    /// Whether it is reset although nothing is sent: where TLS begins at once the hello follows the handshake so closely that
    /// either may have drawn it.
    silence: bool,
    /// What sizes pass.
    sizes: bool,
    /// The MSS that is announced.
    mss: Option<u16>,
    /// Nothing but the answer, as one of several in turns.
    briefly: bool,
}

/// What a control showed.
struct Control {
    answer: Answer,
    /// It was reset before its hello was sent.
    unasked: bool,
    /// Where its hello dies.
    placed: Option<trigger::Placed>,
    sizes: Option<size::Sized>,
    /// Bytes of the IP packet that its hello makes, at least.
    packet: usize,
}

/// A hello on a control connection of its own, walked before it is sent.
async fn control(
    context: &Context,
    ask: &Ask,
    to: SocketAddr,
    shape: &Shape,
    why: &'static str,
    also: Also,
) -> Control {
    tokio::time::sleep(APART).await;
    context.progress(StageName::Tls, &format!("{to}: {why}"));
    let how = Connect {
        mss: also.mss,
        ..Connect::default()
    };
    let role = Role::Control(why);
    let Some(mut handed) = up_to(context, &quiet(ask), to, role, how, Handover::Handshake).await
    else {
        // Not even STARTTLS was reached: no answer to the hello, in any case.
        return Control {
            answer: Answer::Strange,
            unasked: false,
            placed: None,
            sizes: None,
            packet: 0,
        };
    };
    let hello = hello(context, shape);
    let mut sizes = None;
    if also.silence {
        tokio::time::sleep(handed.took * 2 + UNASKED).await;
        handed.inside.collect();
        if handed.inside.reset().is_some() {
            return Control {
                answer: Answer::Ended,
                unasked: true,
                placed: None,
                sizes,
                packet: 0,
            };
        }
    }
    if also.sizes && context.raw().is_some() && context.options().wants(StageName::Mtu) {
        sizes = size::inside(context, &mut handed.inside).await;
    }
    let mut placed = None;
    if also.mss.is_none() && !also.briefly && !sizes.as_ref().is_some_and(size::Sized::is_hole) {
        placed = trigger::walk(context, &mut handed.inside, &hello).await;
    }
    let answer = match also.briefly {
        true => offer_briefly(context, handed.stream, &hello).await,
        false => offer(context, handed.stream, &hello).await,
    };
    // It counts only where it dies without our help as well; the last mile only where nobody acknowledged.
    let unheard = matches!(
        answer,
        Answer::Silent {
            acknowledged: false
        }
    );
    let placed = placed.filter(|one| match (one.by_reset, one.last) {
        (true, _) => answer == Answer::Ended,
        (false, _) => unheard,
    });
    Control {
        answer,
        unasked: false,
        placed,
        sizes,
        packet: hello
            .len()
            .saturating_add(if to.is_ipv4() { 40 } else { 60 }),
    }
}

/// The hello got silence or an end: does it depend on its size, or on the name in it (field B7, C8)?
pub(super) async fn which_hello(context: &Context, ask: &Ask, outcome: &SessionOutcome) {
    let (died, code) = match outcome.end {
        SessionEnd::Silent { .. } => ("nothing at all", Code::TlsHelloDropped),
        _ => ("the end of the connection", Code::TlsResetOnHello),
    };
    let tried = Tried {
        context,
        ask,
        outcome,
        died,
        code,
    };
    let small = Shape::small(Highest::Tls13, ask.sni.as_deref());
    let mut doubt = Doubt {
        tried: &tried,
        told: false,
    };
    doubt.told = experiments(&tried, &small).await;
}

/// One control after the other until it is told.
async fn experiments(tried: &Tried<'_>, small: &Shape) -> bool {
    let (context, ask, to) = (tried.context, tried.ask, tried.outcome.to);
    // It arrived: is the server silent, or its answer too large for the way back? No filter swallowed what TCP acknowledged.
    if tried.arrived() {
        return tried.backward(small).await;
    }
    // The server had it and answered, or small packets die as well: it is no matter of the hello, and the packets' verdict stands.
    if tried.outcome.hello_answered || tried.is_deaf() {
        return true;
    }
    let also = Also {
        silence: tried.code == Code::TlsResetOnHello && ask.tls == TlsWanted::Implicit,
        sizes: tried.code == Code::TlsHelloDropped,
        ..Also::default()
    };
    let first = control(context, ask, to, small, "a small ClientHello", also).await;
    if first.unasked {
        super::opening::place(context, ask, tried.outcome).await;
        return true;
    }
    if let Some(sizes) = &first.sizes {
        size::report(context, to, sizes);
        // Nothing as large as the hello gets there, whatever it says.
        if sizes.is_hole() {
            return true;
        }
        if sizes.swallows(first.packet) && !first.answer.passes() {
            tried.narrow(sizes, &first);
            return true;
        }
    }
    match first.answer {
        Answer::Hello(_) | Answer::Alert(_) => tried.size(small, first).await,
        Answer::Strange => false,
        Answer::Ended | Answer::Silent { .. } => tried.name(first).await,
    }
}

/// As long as nothing is told the packets' verdict is in doubt: also where the deadline ends the experiments, which drops them
/// between two steps.
struct Doubt<'a> {
    tried: &'a Tried<'a>,
    told: bool,
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.told && self.tried.code == Code::TlsHelloDropped {
            self.tried.untold();
        }
    }
}

struct Tried<'a> {
    context: &'a Context,
    ask: &'a Ask,
    outcome: &'a SessionOutcome,
    died: &'static str,
    code: Code,
}

impl Tried<'_> {
    fn claim(&self, sure: f32, summary: String) -> Claim {
        let proof = Proof::Measured(LADDER, self.context.now());
        Claim::new(self.code, At::of(Where::Network), proof, sure, summary).shown_by(format!(
            "the hello of a current client (about 1,500 bytes) got {}",
            self.died
        ))
    }

    fn shown(&self, claim: Claim, text: String) -> Claim {
        claim.because(Proof::Measured(LADDER, self.context.now()), text)
    }

    /// The claim at the place that a control found.
    fn placed(&self, mut claim: Claim, placed: Option<&trigger::Placed>) -> Claim {
        let Some(placed) = placed else {
            return claim;
        };
        claim.at = placed.at;
        claim.summary = format!("{} It dies {}.", claim.summary, placed.says());
        let proof = Proof::Measured("TTL walk inside a connection", self.context.now());
        claim.because(
            proof,
            format!("the hello with growing TTL: {}", placed.shown),
        )
    }

    /// The hello that died in silence reached the server: TCP acknowledged it.
    fn arrived(&self) -> bool {
        self.outcome.acknowledged == Some(true) && self.code == Code::TlsHelloDropped
    }

    /// The server does not get the acknowledgements either.
    fn is_deaf(&self) -> bool {
        self.code == Code::TlsHelloDropped
            && self.outcome.local.is_some_and(|local| {
                turns::is_deaf(&self.context.segments_with(self.outcome.to), local)
            })
    }

    /// The hello is acknowledged and nothing comes: the server, or its large packets that vanish on the way back? True when it
    /// was said, or when it is known to be neither.
    async fn backward(&self, small: &Shape) -> bool {
        let to = self.outcome.to;
        let mss = if to.is_ipv4() { 536 } else { 1_220 };
        let headers = if to.is_ipv4() { 40 } else { 60 };
        if let Some(local) = self.outcome.local
            && turns::answered_larger(&self.context.segments_with(to), local, mss + headers)
        {
            return true;
        }
        let why = "the same ClientHello where the server may send small segments only";
        let also = Also {
            mss: Some(mss),
            ..Also::default()
        };
        let same = Shape {
            post_quantum: true,
            ..small.clone()
        };
        let second = control(self.context, self.ask, to, &same, why, also).await;
        match second.answer {
            Answer::Hello(_) => {}
            // Nothing comes in small packets either: it is no matter of size.
            Answer::Silent { acknowledged: true } => return true,
            _ => return false,
        }
        let learned = match self.in_turns(&same, also.mss).await {
            Ok(learned) => learned,
            Err(told) => return told,
        };
        let proof = Proof::Measured("handshake with a small MSS", self.context.now());
        let mut claim = Claim::new(
            Code::PathMtuBlackhole,
            At::of(Where::Network),
            proof,
            0.93,
            format!("The server's large packets vanish on the way back; with packets of {} bytes at the most the handshake goes on.", mss + headers),
        )
        .shown_by(format!("a ClientHello on a connection with MSS {mss} got {}", second.answer.says()));
        claim = self.shown(
            claim,
            "the same with the usual MSS was acknowledged and never answered".to_owned(),
        );
        if let Some(mtu) = learned {
            // The usual hello could not be tried again as it was.
            claim = self.shown(
                claim,
                format!("meanwhile the path told this host that it takes {mtu} bytes, and further connections announce no more"),
            );
            claim.confidence = 0.85;
            claim = claim.or(
                Code::TlsNoReply,
                0.1,
                "a capture at the server: does it send its answer again and again?",
            );
        }
        let claim = claim
            .advise("Ask whoever runs the narrow link to let ICMP fragmentation-needed (IPv6: packet-too-big) out to the server")
            .advise("Until then: clamp the MSS of SYN-ACKs there (nft: tcp flags syn tcp option maxseg size set rt mtu)");
        self.context
            .measured(about(self.outcome, claim, Settles::Verdict));
        size::backward(self.context, to).await;
        true
    }

    /// Nothing tells a filter from a narrow link: what the packets say stands with less certainty.
    fn untold(&self) {
        let proof = Proof::Measured(LADDER, self.context.now());
        let hole = (
            Code::PathMtuBlackhole,
            "Whether large packets pass was not measured.",
        );
        let filter = (
            Code::TlsHelloDropped,
            "Whether large packets other than a ClientHello pass was not measured.",
        );
        // What TCP acknowledged no filter swallowed.
        for (code, summary) in [hole]
            .into_iter()
            .chain((!self.arrived()).then_some(filter))
        {
            let at = At::of(Where::Network);
            let claim = Claim::new(code, at, proof, 0.4, summary.to_owned())
                .shown_by("the experiments that tell a filter from a narrow link came to no end");
            self.context
                .measured(about(self.outcome, claim, Settles::Doubt));
        }
    }

    /// A small one passes: is it the size, or what makes it large? True when it was told.
    async fn size(&self, small: &Shape, first: Control) -> bool {
        let padded = Shape {
            padded_to: Some(LARGE),
            ..small.clone()
        };
        let why = "a large ClientHello without a post-quantum share";
        let also = Also::default();
        let control = control(self.context, self.ask, self.outcome.to, &padded, why, also).await;
        let second = control.answer;
        if second == Answer::Strange {
            return false;
        }
        let changed = if second.passes() { &padded } else { small };
        if let Err(told) = self.in_turns(changed, None).await {
            return told;
        }
        // Where the path's sizes were measured, large packets as such do pass.
        let sized = first.sizes.as_ref().is_some_and(size::Sized::is_whole);
        let first = first.answer;
        let (summary, settles) = match second.passes() {
            true => (
                "A ClientHello with a post-quantum key share is not let through; without it one of the same size is.",
                Settles::Verdict,
            ),
            // Large packets that vanish altogether look the same: the path's MTU is measured elsewhere and decides.
            false => (
                "A ClientHello that does not fit into one segment is not let through; a small one is.",
                match first {
                    _ if self.code == Code::TlsResetOnHello || sized => Settles::Verdict,
                    _ => Settles::Finding,
                },
            ),
        };
        let mut claim = self.claim(0.85, summary.to_owned());
        claim = self.shown(
            claim,
            format!("a small one on a second connection got {}", first.says()),
        );
        claim = self.shown(
            claim,
            format!(
                "a padded one of {LARGE} bytes without that share got {}",
                second.says()
            ),
        );
        claim = claim
            .advise("Whoever runs the firewall or load balancer before the server: let it read a ClientHello that spans segments (tldr.fail)")
            .advise("Until then clients can leave post-quantum groups out (OpenSSL: Groups = X25519:P-256)");
        claim = self.placed(claim, control.placed.as_ref());
        if !second.passes() && !sized {
            claim = claim.or(
                Code::PathMtuBlackhole,
                0.12,
                "the path's MTU: do other large packets pass?",
            );
        }
        if settles == Settles::Finding {
            claim = claim.weighing(crate::diagnosis::Weight::Finding);
        }
        self.context.measured(about(self.outcome, claim, settles));
        settles == Settles::Verdict
    }

    /// A small one does not pass either, so it is not the size: is it the name in it? True when it was told.
    async fn name(&self, first: Control) -> bool {
        let place = first.placed;
        let first = first.answer;
        let vanished = matches!(
            first,
            Answer::Silent {
                acknowledged: false
            }
        );
        let small = format!("a small one on another connection got {}", first.says());
        let Some(name) = self.ask.sni.as_deref() else {
            if vanished {
                self.whatever(small, None, place.as_ref());
            }
            return vanished;
        };
        // As large as the one that died, so that only the name differs.
        let nameless = Shape {
            post_quantum: true,
            ..Shape::small(Highest::Tls13, None)
        };
        let why = "a ClientHello without a name";
        let also = Also::default();
        let second = control(
            self.context,
            self.ask,
            self.outcome.to,
            &nameless,
            why,
            also,
        )
        .await;
        let second = second.answer;
        if second.passes() {
            if let Err(told) = self.in_turns(&nameless, None).await {
                return told;
            }
            let mut claim = self.claim(
                0.93,
                format!("A ClientHello that names {name} is not let through; one without a name is: something filters by the name."),
            );
            claim = self.shown(claim, small);
            claim = self.shown(
                claim,
                format!("a large one without a name got {}", second.says()),
            );
            claim = self.placed(claim, place.as_ref());
            claim = claim.advise("Whoever runs the firewall between: look for a rule on this name (SNI, web filter, TLS policy)");
            self.context
                .measured(about(self.outcome, claim, Settles::Verdict));
        } else if vanished {
            self.whatever(small, Some(second), place.as_ref());
        } else if let Some(place) = place.filter(|place| place.by_reset && !vanished) {
            // Named or not, large or small: it draws a reset before it can have reached the server.
            let mut claim = self.claim(
                0.93,
                "A device on the way resets every ClientHello before the server sees it."
                    .to_owned(),
            );
            claim = self.shown(claim, small);
            claim = self.placed(claim, Some(&place));
            claim = claim.advise("Whoever runs the device there: allow TLS on this port (application filter, TLS inspection)");
            self.context
                .measured(about(self.outcome, claim, Settles::Verdict));
        } else {
            return false;
        }
        true
    }
}
