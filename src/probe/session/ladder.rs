//! Which TLS a server takes and the path lets through, asked hello by hello (`--intensive`).
//!
//! The plan is [`crate::probe::tls::ladder`]'s; here are its hands. Every hello has a connection of its own, behind STARTTLS where the
//! service begins in clear. A server that turns us away is left alone. What only dies in another shape is a finding, measured
//! against the hello that passed: the session that was judged is judged by itself.

use std::time::Duration;

use super::ask::{Ask, SessionEnd, SessionOutcome, Stage};
use super::claims::about;
use super::offer::{Answer, written};
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Weight, Where};
use crate::engine::record::PathRecord;
use crate::probe::Context;
use crate::probe::options::StageName;
use crate::probe::tls::ladder::{Ended, Ladder, Rung};

/// Between two connections: the user asked for all of them, and was told their count.
const APART: Duration = Duration::from_millis(250);
/// What these connections are called.
const WHY: &str = "TLS ladder";

/// Climbs the ladder where a session got as far as TLS.
pub async fn climb(context: &Context, ask: &Ask, outcome: &SessionOutcome) {
    let begun = matches!(
        outcome.end,
        SessionEnd::TlsFailed(_)
            | SessionEnd::Silent { after: Stage::Tls }
            | SessionEnd::Reset {
                after: Stage::Tls,
                ..
            }
    );
    // Where TLS was never reached it is no question of hellos.
    if outcome.tls.is_none() && !begun {
        return;
    }
    let to = outcome.to;
    let mut ladder = Ladder::new(ask.sni.as_deref());
    let mut left = None;
    let mut died = Vec::new();
    while let Some(rung) = ladder.rung() {
        if context.is_cancelled() {
            left = Some("the time was up (--deadline)".to_owned());
            break;
        }
        tokio::time::sleep(APART).await;
        context.progress(StageName::Tls, &format!("{to}: {}", rung.name));
        let hello = (&rung.shape, rung.how);
        let Some(answer) = written(context, ask, to, hello, WHY).await else {
            left = Some(format!(
                "the server let no connection more get as far as TLS ({})",
                rung.name
            ));
            break;
        };
        let ended = ended(answer);
        ladder.ended(&rung, &ended);
        if !answer.passes() {
            died.push((rung, answer));
        }
        if ladder.is_hopeless() {
            left = Some("no version of TLS got an answer".to_owned());
            break;
        }
    }
    let mut taken = ladder.taken();
    taken.left = left;
    context.path(PathRecord {
        target: to.ip().to_string(),
        port: Some(to.port()),
        tls: Some(taken),
        ..PathRecord::default()
    });
    // The control: the session's own hello was answered.
    let controlled = outcome.tls.is_some();
    for (rung, answer) in died
        .iter()
        .filter(|(rung, _)| controlled && rung.is_written())
    {
        say(context, outcome, rung, *answer);
    }
}

fn ended(answer: Answer) -> Ended {
    match answer {
        Answer::Hello(chosen) => Ended::Took {
            version: chosen.version,
            suite: chosen.suite,
        },
        Answer::Alert(_) => Ended::Refused(format!("refused by {}", answer.says())),
        _ => Ended::Died(answer.says()),
    }
}

/// A hello of that shape dies, and the session's own was answered.
fn say(context: &Context, outcome: &SessionOutcome, rung: &Rung, answer: Answer) {
    let (code, place) = match answer {
        // Acknowledged: it is there, and is waited with.
        Answer::Silent { acknowledged: true } => (Code::TlsNoReply, Where::Unknown),
        Answer::Silent { .. } => (Code::TlsHelloDropped, Where::Network),
        Answer::Ended => (Code::TlsResetOnHello, Where::Unknown),
        _ => return,
    };
    let claim = Claim::new(
        code,
        At::of(place),
        Proof::Measured(WHY, context.now()),
        0.85,
        format!(
            "A ClientHello {} does not get through to {}: it got {}.",
            rung.name,
            outcome.to,
            answer.says()
        ),
    )
    .weighing(Weight::Finding)
    .shown_by("the session's own hello, post-quantum and in one write, was answered")
    .advise("Whoever runs the server, load balancer or firewall: read a ClientHello until it is whole, in however many segments and records it comes (tldr.fail)");
    context.measured(about(outcome, claim, Settles::Finding));
}
