//! Where a command dies, after which the session was silent or reset: the same command, walked inside a connection of its own.
//!
//! Up to that command the second session is the first; then what would be written, within TLS the very record, leaves with a
//! growing TTL that never reaches the server. A place counts because the first session died of the same command without any of this.
//! A login is never said again.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::ask::{Ask, SessionEnd, SessionOutcome, Stage};
use super::claims::about;
use super::hold::{Handover, up_to};
use crate::diagnosis::{Claim, Code, Proof, Settles};
use crate::probe::stage::trigger;
use crate::probe::{Connect, Context, Role};

/// Between two connections to one server.
const APART: Duration = Duration::from_millis(1_100);
/// An answer to the command.
const ANSWER: Duration = Duration::from_secs(6);

/// Places the death of a session that ended after `stage`.
pub async fn place(context: &Context, ask: &Ask, outcome: &SessionOutcome, stage: Stage) {
    let walked = matches!(
        stage,
        Stage::Capabilities | Stage::Starttls | Stage::CapabilitiesInside | Stage::Transaction
    );
    // What only who is logged in may say cannot be reached again.
    if !walked || outcome.login.is_some() || context.raw().is_none() {
        return;
    }
    tokio::time::sleep(APART).await;
    let why = "the command that died, with growing TTL";
    let quiet = Ask {
        login: None,
        ..ask.clone()
    };
    let (role, how) = (Role::Control(why), Connect::default());
    let handover = Handover::Before(stage);
    let Some(mut handed) = up_to(context, &quiet, outcome.to, role, how, handover).await else {
        return;
    };
    let Some(placed) = trigger::walk(context, &mut handed.inside, &handed.next).await else {
        let _ = handed.stream.shutdown().await;
        return;
    };
    let reset = matches!(outcome.end, SessionEnd::Reset { .. });
    // Without our help: the same command, at the full TTL. A connection that a reset ended already says nothing more.
    let died = if placed.by_reset {
        reset
    } else {
        let mut buffer = [0u8; 64];
        let written = handed.stream.write_all(&handed.next).await.is_ok();
        let read = tokio::time::timeout(ANSWER, handed.stream.read(&mut buffer)).await;
        written && !reset && !matches!(read, Ok(Ok(1..)))
    };
    if !died || placed.last {
        return;
    }
    let verb = match outcome.tls.is_some() {
        true => format!("a record within TLS ({})", stage.name())
            .as_str()
            .into(),
        false => {
            let verb = handed.next.split(u8::is_ascii_whitespace).next();
            crate::base::Foreign::bounded(verb.unwrap_or_default(), 16)
        }
    };
    let proof = Proof::Measured("TTL walk inside a connection", context.now());
    let claim = match placed.by_reset {
        true => Claim::new(
            Code::TcpResetMidstreamByPath,
            placed.at,
            proof,
            0.95,
            format!(
                "A device {} resets the connection when it sees {verb}; the server never does.",
                placed.says()
            ),
        ),
        false => Claim::new(
            Code::TcpStalled,
            placed.at,
            proof,
            0.93,
            format!(
                "What follows {verb} vanishes {}; the connection itself gets farther.",
                placed.says()
            ),
        ),
    };
    let claim = claim
        .shown_by(format!("{verb} with growing TTL on a second connection: {}", placed.shown))
        .because(
            Proof::Measured("the session without this", outcome.ended),
            format!("the session that sent it at once died of it too, after its {}", stage.name()),
        )
        .advise(format!(
            "Ask whoever runs the device {} to look for an application filter (mail inspection, IPS) on port {}",
            placed.says(),
            outcome.to.port()
        ));
    context.measured(about(outcome, claim, Settles::Verdict));
}
