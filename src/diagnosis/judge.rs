//! From facts to one verdict: climb the ladder, hear every rule, let the arbiter decide.

use super::arbiter::{Decision, decide};
use super::ladder::{Ladder, Stage};
use super::principles::{
    Absence, Check, absence, check, delivered, done, gave_up_on_peer, may_measure,
};
use super::rules;
use super::unseen::{cut_short, doubtful_refusal, words_unseen, work_before_capture, work_unseen};
use super::verdict::{Claim, Outcome, Verdict, Weight};
use super::view::{Connection, Ending};
use super::{Code, Evidence};
use crate::base::{Mark, Side};
use crate::proto::mail::{Exchange, Family, Status, Verb};

/// The judgement of one connection or look-up.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// How it ended.
    pub outcome: Outcome,
    /// The root cause, `ok` or `unknown`.
    pub verdict: Verdict,
    /// Everything else worth saying.
    pub findings: Vec<Verdict>,
    /// How far it got.
    pub ladder: Ladder,
    /// A load balancer or monitor that only looked.
    pub is_check: bool,
    /// Pairs of fatal claims of which neither outranks the other: a gap in the catalogue.
    pub undeclared: Vec<(Code, Code)>,
}

/// Judges a connection. `connection.done` and `connection.ladder` are settled here.
pub fn judge_connection(connection: &mut Connection<'_>) -> Judgement {
    connection.done = done(connection);
    let checked = check(connection);
    let mut claims = rules::hear_connection(connection);
    claims.retain(|claim| may_measure(connection, claim.code));
    let decision = decide(claims);
    let mut ladder = connection.ladder;
    settle(connection, checked, decision, &mut ladder)
}

fn settle(
    c: &Connection<'_>,
    checked: Check,
    decision: Decision,
    ladder: &mut Ladder,
) -> Judgement {
    let Decision {
        cause,
        findings,
        undeclared,
    } = decision;
    let mut said = Vec::with_capacity(findings.len());
    said.extend(findings.into_iter().map(Verdict::from));
    let mut findings: Vec<Verdict> = said;
    let mut is_check = false;
    let (outcome, verdict) = match cause {
        Some(claim) if claim.weight == Weight::Fatal => (Outcome::Failed, Verdict::from(claim)),
        Some(claim) if claim.weight == Weight::Unsettled => {
            (Outcome::Incomplete, Verdict::from(claim))
        }
        Some(claim) => with_cost(c, claim, checked, ladder, &mut findings),
        None => {
            let (outcome, verdict, check) = without_cause(c, checked, ladder);
            is_check = check;
            (outcome, verdict)
        }
    };
    if is_check {
        for finding in &mut findings {
            finding.confidence = finding.confidence.min(0.5);
        }
    }
    Judgement {
        outcome,
        verdict,
        findings,
        ladder: *ladder,
        is_check,
        undeclared,
    }
}

/// A costly claim degrades what went well; on something unfinished it is only a finding.
fn with_cost(
    c: &Connection<'_>,
    claim: Claim,
    checked: Check,
    ladder: &mut Ladder,
    findings: &mut Vec<Verdict>,
) -> (Outcome, Verdict) {
    // Who only looked saw what it wanted to see, and waited for the way to it.
    let waited = claim.code == Code::PathSlow;
    let looked = waited && matches!(checked, Check::Yes(_)) && !cut_short(c);
    // Work that is not shown to have gone well is not known to have been degraded either.
    let shown = c.done.is_none() || !(is_unseen(c) || work_before_capture(c).is_some());
    let worked = (c.done.is_some() || ladder.has(Stage::Session) || looked) && shown;
    if worked {
        if c.done.is_some() || looked {
            finish(ladder);
        }
        return (Outcome::Degraded, Verdict::from(claim));
    }
    findings.push(Verdict::from(claim));
    (Outcome::Incomplete, unknown(c))
}

/// What would show that its work went well is not in view, or something of a refusal is.
fn is_unseen(c: &Connection<'_>) -> bool {
    doubtful_refusal(c) || cut_short(c) || work_unseen(c)
}

fn finish(ladder: &mut Ladder) {
    for stage in Stage::ALL {
        if stage != Stage::Done && !ladder.has(stage) {
            ladder.waive(stage);
        }
    }
    ladder.reach(Stage::Done);
}

fn without_cause(
    c: &Connection<'_>,
    checked: Check,
    ladder: &mut Ladder,
) -> (Outcome, Verdict, bool) {
    match checked {
        Check::Yes(_) if cut_short(c) || words_unseen(c) => {}
        // It may have read the greeting and disliked the certificate all the same.
        Check::Yes(at) if is_wordless(c) && disliked(c, at).is_some() => {
            return (Outcome::Incomplete, wordless_leave(c, at), false);
        }
        Check::Yes(at) => {
            finish(ladder);
            let text = "The client looked and left, as load balancers and monitors do.".to_owned();
            return (
                Outcome::Healthy,
                Verdict::without_fault(Code::Ok, text, Some(at)),
                true,
            );
        }
        // A client that dislikes a certificate polls as regularly as a monitor: where its fault is in view, repetition proves nothing.
        Check::BareHandshake(at) if c.context.bare_handshakes >= 3 && disliked(c, at).is_none() => {
            finish(ladder);
            let text = format!(
                "A bare TLS handshake, {} times by the same client: a monitor.",
                c.context.bare_handshakes
            );
            return (
                Outcome::Healthy,
                Verdict::without_fault(Code::Ok, text, Some(at)),
                true,
            );
        }
        Check::BareHandshake(at) => {
            return (Outcome::Incomplete, wordless_leave(c, at), false);
        }
        Check::No => {}
    }
    if let Some(at) = c.done {
        if c.one_sided() || is_unseen(c) {
            return (Outcome::Incomplete, unknown(c), false);
        }
        if let Some(refused) = work_before_capture(c) {
            let mut verdict = unknown(c);
            if let Some(refused) = refused {
                verdict.summary =
                    "The capture begins in the middle: something was refused, and what it was is not in it.".to_owned();
                verdict.frame = Some(refused.frame);
                verdict.time = Some(refused.time);
            }
            return (Outcome::Incomplete, verdict, false);
        }
        if let Some(star) = took_login_back(c) {
            let mut verdict = unknown(c);
            verdict.summary =
                "The client took its login back and did nothing else; why is not said.".to_owned();
            verdict.frame = Some(star.frame);
            verdict.time = Some(star.time);
            return (Outcome::Incomplete, verdict, false);
        }
        if let Some(login) = logged_in_and_left(c) {
            let mut verdict = unknown(c);
            verdict.summary =
                "The client logged in as it was told to and did not ask again; why is not said."
                    .to_owned();
            verdict.frame = Some(login.frame);
            verdict.time = Some(login.time);
            return (Outcome::Incomplete, verdict, false);
        }
        finish(ladder);
        let text = match (c.dialogue.messages, c.tls.is_some()) {
            (0, _) => "It did its work and ended in order.".to_owned(),
            (1, _) => "One message went through; ended in order.".to_owned(),
            (n, _) => format!("{n} messages went through; ended in order."),
        };
        return well(text, at);
    }
    if let Some(at) = opaque_abort(c) {
        finish(ladder);
        let text = "Encrypted data went both ways, the server had answered everything, the client cut the connection.".to_owned();
        return well(text, at);
    }
    if let Some(at) = cut_behind_message(c) {
        finish(ladder);
        let text = match c.dialogue.messages {
            1 => "One message went through; nothing was under way when the connection was cut."
                .to_owned(),
            n => format!(
                "{n} messages went through; nothing was under way when the connection was cut."
            ),
        };
        return well(text, at);
    }
    (Outcome::Incomplete, unknown(c), false)
}

/// No check, and nothing was wrong by then.
fn well(text: String, at: Mark) -> (Outcome, Verdict, bool) {
    let verdict = Verdict::without_fault(Code::Ok, text, Some(at));
    (Outcome::Healthy, verdict, false)
}

/// A message went through, nothing was begun since, and a reset ended the connection: where.
fn cut_behind_message(c: &Connection<'_>) -> Option<Mark> {
    let Ending::Closed {
        at, reset: true, ..
    } = c.ending
    else {
        return None;
    };
    let unsure = || doubtful_refusal(c) || cut_short(c) || work_before_capture(c).is_some();
    (delivered(c).is_some() && !unsure()).then_some(at)
}

/// A fault of the certificate that this client may have left for: the code, and what is wrong.
fn disliked(c: &Connection<'_>, at: Mark) -> Option<(Code, String)> {
    rules::tls::fault_in_view(c.tls?, at)
}

/// Nothing of the client's came within TLS.
fn is_wordless(c: &Connection<'_>) -> bool {
    c.tls
        .is_some_and(|tls| tls.application_data[Side::Client].is_none())
}

/// A handshake that was finished, and nothing else: a monitor looks like a client that dislikes the certificate.
fn wordless_leave(c: &Connection<'_>, at: Mark) -> Verdict {
    let mut verdict = unknown(c);
    verdict.summary = "The client finished the TLS handshake and left without a word: a monitor, or it disliked the certificate.".to_owned();
    verdict.frame = Some(at.frame);
    verdict.time = Some(at.time);
    verdict.evidence = vec![Evidence {
        proof: at.into(),
        text: "the client ends the connection".to_owned(),
    }];
    let other = |code, confidence| super::Alternative {
        code,
        confidence,
        told_apart_by: "the client's own log, or the same client doing it again and again"
            .to_owned(),
    };
    let seen = c.tls.and_then(|tls| tls.certificate_seen);
    if let Some((code, why)) = disliked(c, at) {
        verdict.evidence.push(Evidence {
            proof: seen.unwrap_or(at).into(),
            text: why,
        });
        let mut likelier = other(code, 0.45);
        likelier.told_apart_by = "the client's own log: whether it minds that".to_owned();
        verdict.alternatives = vec![likelier, other(Code::TlsCertRejected, 0.2)];
    } else {
        verdict.alternatives = vec![other(Code::TlsCertRejected, 0.3)];
    }
    verdict
}

/// The client cancelled a login by `*` (RFC 4954 4, RFC 9051 6.2.2, RFC 5034 4), which the server confirmed, and nothing was done after:
/// where. It may have found what the server said wanting, or have had no password.
fn took_login_back(c: &Connection<'_>) -> Option<Mark> {
    if c.dialogue.messages > 0 || c.dialogue.authenticated.is_some() {
        return None;
    }
    let star = |exchange: &Exchange| {
        let command = exchange.command.as_ref()?;
        let taken = command.verb == Verb::AuthStep && command.text.as_str().trim() == "*";
        let confirmed = exchange
            .reply
            .as_ref()
            .is_some_and(|reply| matches!(reply.status, Status::Negative | Status::Bad));
        (taken && confirmed).then_some(command.at)
    };
    c.dialogue.exchanges.iter().rev().find_map(star)
}

/// The server refused something for want of a login (RFC 4954 6), the client then logged in and asked for nothing more: where. What it
/// came for was not done.
fn logged_in_and_left(c: &Connection<'_>) -> Option<Mark> {
    let login = c
        .dialogue
        .authenticated
        .filter(|_| c.dialogue.messages == 0)?;
    let exchanges = &c.dialogue.exchanges;
    let wanted = exchanges.iter().zip(c.answers).any(|(exchange, answer)| {
        let asked = exchange.command.as_ref();
        answer.is_some_and(|answer| answer.family == Family::AuthRequired)
            && asked.is_some_and(|command| command.at.is_before(login))
    });
    let asked_again = exchanges.iter().any(|exchange| {
        let asked = exchange.command.as_ref();
        asked.is_some_and(|command| {
            let idle = matches!(
                command.verb,
                Verb::Quit | Verb::Noop | Verb::Helo | Verb::Auth(_) | Verb::AuthStep
            );
            !idle && login.is_before(command.at)
        })
    });
    (wanted && !asked_again && !c.partly_unseen()).then_some(login)
}

/// An opaque stream, all acknowledged, the server spoke last, the client resets: healthy.
fn opaque_abort(c: &Connection<'_>) -> Option<Mark> {
    let tls = c.tls.filter(|_| !c.reads_inside())?;
    let (Some(client), Some(server)) = (
        tls.application_data[Side::Client],
        tls.application_data[Side::Server],
    ) else {
        return None;
    };
    let Ending::Closed {
        by: Side::Client,
        at,
        reset: true,
    } = c.ending
    else {
        return None;
    };
    // The reset itself may be what acknowledges the server's last words.
    let acknowledged = c
        .tcp
        .resets
        .iter()
        .any(|reset| reset.side == Side::Client && reset.acks_all);
    let owed = c.tcp.sides[Side::Client].outstanding.is_some()
        || c.tcp.sides[Side::Server].outstanding.is_some() && !acknowledged;
    if !owed && server.1.time >= client.1.time && !gave_up_on_peer(c, Side::Client) {
        Some(at)
    } else {
        None
    }
}

/// Why nothing can be said, in words.
fn unknown(c: &Connection<'_>) -> Verdict {
    let text = if c.one_sided()
        || absence(c) == Absence::Blind && c.tcp.sides[Side::Server].segments == 0
    {
        "Only one direction was captured: what the other side said cannot be known."
    } else if c.context.refused_cut.is_some() && c.tcp.sides[Side::Server].segments == 0 {
        "An ICMP error came while the SYNs went unanswered; the capture cut what it quotes, so that it may be about them."
    } else if c.tcp.cut_frames > 0 && c.dialogue.exchanges.is_empty() && c.tls.is_none() {
        "The capture holds headers only: the dialogue cannot be read."
    } else if c.began_late() {
        "The capture begins in the middle and shows no fault."
    } else if matches!(c.ending, Ending::Open) {
        "The capture ends while the connection is open; no fault as far as it goes."
    } else {
        "The connection ended early, and the packets do not say why."
    };
    let shown = match c.ending {
        Ending::Closed { at, .. } => at,
        Ending::Open => c.tcp.last,
    };
    Verdict::without_fault(Code::Unknown, text.to_owned(), Some(shown))
}
