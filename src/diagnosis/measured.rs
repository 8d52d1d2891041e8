//! What mxray measured by experiment, and how it weighs beside what the packets show.
//!
//! A probe's own connection is judged by its packets like any other. A measurement (a TTL walk, the statistics of SYNs,
//! a size search) then says more: where, how sure, what it was measured against. The rules of that stand here, once:
//! the same cause is placed, a cause that refines the packets' replaces it, and what went well stays well. A measurement
//! is written into the probe's own capture as text and read back from it, so that a replay judges alike. It refuses to
//! make a healthy connection a failed one, but for what a session of mxray's own went through with on purpose.

mod device;
#[cfg(test)]
mod tests;
mod text;

use std::net::{IpAddr, SocketAddr};

pub use text::{LONGEST, read_serves, read_until, serves, until};

use super::Code;
use super::judge::Judgement;
use super::verdict::{Alternative, Claim, Outcome, Verdict, Weight};
use crate::base::Foreign;

/// What a measurement is about.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// Connections to this server.
    Server(SocketAddr),
    /// Look-ups of this name and type at this resolver.
    Lookup {
        /// The resolver.
        resolver: IpAddr,
        /// The name, as asked for.
        name: Foreign,
        /// The type's number.
        kind: u16,
    },
    /// The run: a finding of the report.
    Run,
}

/// What a measurement may do to a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settles {
    /// It may place, refine or (where the packets say nothing) be the verdict.
    Verdict,
    /// It is what this very connection, which mxray held itself, would have died of: a probe lets a handshake finish that a
    /// client refuses, and says goodbye where a client cannot go on. It outranks an end that looks well, and whatever
    /// came later.
    Session,
    /// It is said beside the verdict, whatever that is.
    Finding,
    /// It stands for itself as a cause of the run, and explains silences met at that server: each connection keeps what its own
    /// packets show.
    Cause,
    /// It could be what looks like something else: a verdict that rests on silence keeps its name and loses its certainty, and
    /// what was only slow is this.
    Doubt,
    /// It is what this client of mxray's own lacks: other programs go on where it was turned away, so that an alert proves nothing
    /// of the server, and nobody's fault is named; or what it may have brought about itself, by all that it asked at once.
    Limit,
}

/// A measurement of mxray's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What it is about.
    pub about: About,
    /// What it shows; its evidence names the measurement.
    pub claim: Claim,
    /// What it may do to a verdict.
    pub settles: Settles,
}

/// (what was measured, what the packets alone say): the first is the same death, known better. Either may be a code or a
/// prefix ending in a dot or a dash.
const REFINES: &[(&str, &str)] = &[
    ("tcp.reset-by-path", "tcp.refused"),
    ("tcp.prohibited", "tcp.dropped"),
    ("tcp.option-dropped", "tcp.dropped"),
    ("tcp.listen-overflow", "tcp.dropped"),
    ("route.", "tcp.dropped"),
    ("route.loop", "route.unreachable"),
    ("tcp.reset-midstream-by-path", "tcp.reset-midstream"),
    ("tcp.reset-midstream-by-path", "tcp.reset-before-greeting"),
    // The handshake's ACK alone drew the reset: the hello that followed it at once had no part in it.
    ("tcp.reset-midstream-by-path", "tls.reset-on-hello"),
    ("dns.large-dropped", "dns.timeout"),
    ("dns.type-dropped", "dns.timeout"),
    ("dns.blocked", "dns.timeout"),
    ("dns.port-closed", "dns.timeout"),
    // What came is no DNS message, and no packet of the look-up.
    ("dns.bad-response", "dns.timeout"),
    // The error bears the resolver's address, and comes from nearer than the resolver is.
    ("dns.blocked", "dns.port-closed"),
    ("dns.truncated-no-tcp", "dns.timeout"),
    ("dns.bogus", "dns.servfail"),
    ("dns.filtered", "dns.nxdomain"),
    ("dns.filtered", "dns.no-address"),
    ("dns.filtered", "dns.servfail"),
    ("dns.forged", "dns."),
    ("route.", "dns.timeout"),
    ("path.mtu-blackhole", "tcp.stalled"),
    ("path.mtu-blackhole", "tls.no-reply"),
    ("path.mtu-blackhole", "tls.hello-dropped"),
    ("path.mtu-blackhole", "mail.command-timeout"),
    // Empty segments after the handshake vanish on the way: it is not the server's queue, and not its silence.
    ("tcp.stalled", "tcp.listen-overflow"),
    ("tcp.stalled", "mail.no-greeting"),
    // Nothing of the connection is answered any more, whatever is sent: the hello is not what it dies of.
    ("tcp.stalled", "tls.no-reply"),
    ("tcp.stalled", "tls.hello-dropped"),
    ("tls.hello-dropped", "tls.no-reply"),
    ("tls.hello-dropped", "tcp.stalled"),
    // A small hello on a connection of its own vanished as well.
    ("tls.hello-dropped", "path.mtu-blackhole"),
    ("tls.version", "tls.reset-on-hello"),
    ("tls.version", "tls.alert"),
    ("tls.version", "tls.cipher"),
    ("tls.cert-", "tls.cert-rejected"),
    // The alert of our own refusal, where its key log opens it: what it was refused for is known.
    ("tls.cert-", "tls.alert"),
    ("tls.client-", "tls.cert-rejected"),
    ("tls.dane-mismatch", "tls.cert-rejected"),
    ("tls.intercepted", "tls.cert-untrusted"),
    ("tls.intercepted", "tls.cert-incomplete-chain"),
    ("tls.intercepted", "tls.cert-self-signed"),
    ("tls.intercepted", "tls.cert-wrong-name"),
    ("tls.intercepted", "tls.cert-rejected"),
    ("mail.starttls-stripped", "mail.starttls-missing"),
    ("mail.starttls-stripped", "mail.starttls-refused"),
    ("mail.proxy-protocol", "mail.no-greeting"),
    ("tls.mutual-wait", "mail.no-greeting"),
];

fn refines(measured: Code, seen: Code) -> bool {
    let names = |pattern: &str, code: Code| {
        if pattern.ends_with(['.', '-']) {
            code.name().starts_with(pattern)
        } else {
            code.name() == pattern
        }
    };
    REFINES
        .iter()
        .any(|(finer, plain)| names(finer, measured) && names(plain, seen))
}

/// Deaths that are known by a silence, which the loss of packets may be as well.
const SILENT: [Code; 5] = [
    Code::MailCommandTimeout,
    Code::MailNoGreeting,
    Code::TlsNoReply,
    Code::TlsHelloDropped,
    Code::TcpStalled,
];
/// What a doubted verdict is sure of at the most, and how likely the other is then.
const DOUBTED: (f32, f32) = (0.55, 0.4);

/// A death that is known by SYNs that vanish, which a limit of new connections may have swallowed among many.
const SWALLOWED: Code = Code::TcpDropped;
/// What such a limit may say instead.
const TURNED_OFF: [Code; 3] = [Code::TcpDropped, Code::TcpRefused, Code::TcpProhibited];

/// Something else may have been what the verdict names.
fn doubt(judgement: &mut Judgement, claim: &Claim) {
    let verdict = &mut judgement.verdict;
    let other = |code: Code| Alternative {
        code,
        confidence: DOUBTED.1,
        told_apart_by: match claim.code {
            Code::TcpRateLimited => format!("the same port asked alone: {}", claim.summary),
            _ => format!("the same again when nothing is lost: {}", claim.summary),
        },
    };
    // A hello that vanishes is a large packet that does: each may be the other.
    let hello = claim.code == Code::TlsHelloDropped && verdict.code == Code::PathMtuBlackhole;
    let silent = match claim.code {
        Code::TcpRateLimited => TURNED_OFF.contains(&verdict.code),
        other => SILENT.contains(&verdict.code) && verdict.code != other,
    };
    if judgement.outcome == Outcome::Failed && (silent || hello) {
        verdict.confidence = verdict.confidence.min(DOUBTED.0);
        verdict.alternatives.retain(|one| one.code != claim.code);
        verdict.alternatives.push(other(claim.code));
        add_evidence(verdict, claim);
    } else if claim.code == Code::TcpRateLimited {
        late(judgement);
    } else if judgement.outcome == Outcome::Degraded && verdict.code == Code::MailSlowAnswer {
        replace(verdict, claim);
        verdict.alternatives.push(other(Code::MailSlowAnswer));
    }
}

/// Ends that a client brings upon itself by what it does not offer.
const TURNED_AWAY: [Code; 3] = [Code::TlsCipher, Code::TlsVersion, Code::TlsAlert];

/// It opened, only later than it would have where this run had asked it alone.
fn late(judgement: &mut Judgement) {
    if judgement.outcome == Outcome::Degraded && judgement.verdict.code == Code::PathSlow {
        excuse(judgement);
    }
}

/// It was turned away for what it lacks itself, or for how much it asked: no verdict stands for that, and what another client would die
/// of is an alternative.
fn limit(judgement: &mut Judgement, claim: &Claim) {
    let seen = &judgement.verdict;
    let own_doing = match claim.code {
        Code::TcpRateLimited => seen.code == SWALLOWED,
        _ => TURNED_AWAY.contains(&seen.code),
    };
    if judgement.outcome != Outcome::Failed || !own_doing {
        if claim.code == Code::TcpRateLimited {
            late(judgement);
        }
        return;
    }
    let mut verdict = Verdict {
        frame: seen.frame,
        time: seen.time,
        evidence: seen.evidence.clone(),
        advice: claim.advice.clone(),
        alternatives: claim.alternatives.clone(),
        ..Verdict::without_fault(Code::Unknown, claim.summary.clone(), None)
    };
    add_evidence(&mut verdict, claim);
    judgement.verdict = verdict;
    judgement.outcome = Outcome::Incomplete;
}

/// Lets measurements weigh in on a judgement made from packets.
pub fn weigh<'a>(judgement: &mut Judgement, measured: impl Iterator<Item = &'a Measured>) {
    let mut device = None;
    for one in measured {
        let claim = &one.claim;
        if claim.code == Code::TcpIntercepted {
            device = Some(claim);
        }
        match one.settles {
            Settles::Doubt => {
                doubt(judgement, claim);
                continue;
            }
            Settles::Limit => {
                limit(judgement, claim);
                continue;
            }
            _ => {}
        }
        let works = matches!(judgement.outcome, Outcome::Healthy | Outcome::Degraded);
        if judgement.verdict.code == claim.code && claim.code != Code::Ok {
            place(&mut judgement.verdict, claim);
            if judgement.outcome == Outcome::Degraded && claim.weight == Weight::Finding {
                excuse(judgement);
            }
        } else if one.settles == Settles::Session && decides(judgement, claim) {
            judgement
                .findings
                .retain(|finding| finding.code != claim.code);
            judgement.verdict = Verdict::from(claim.clone());
            judgement.outcome = Outcome::Failed;
            judgement.is_check = false;
        } else if one.settles == Settles::Session
            && claim.weight == Weight::Costly
            && judgement.outcome == Outcome::Healthy
        {
            // It worked, and every connection here pays for it.
            judgement.verdict = Verdict::from(claim.clone());
            judgement.outcome = Outcome::Degraded;
            judgement.is_check = false;
        } else if one.settles == Settles::Verdict
            && claim.weight == Weight::Fatal
            && !works
            && (judgement.verdict.code == Code::Unknown
                || refines(claim.code, judgement.verdict.code))
        {
            replace(&mut judgement.verdict, claim);
            judgement.outcome = Outcome::Failed;
        } else if let Some(known) = judgement
            .findings
            .iter_mut()
            .find(|finding| finding.code == claim.code)
        {
            place(known, claim);
        } else {
            judgement.findings.push(Verdict::from(claim.clone()));
        }
    }
    if let Some(claim) = device {
        device::in_its_place(judgement, claim);
    }
}

/// The same for a connection whose SYN was answered, in the packets: what was measured of unanswered ones does not say what became of it.
/// Later than the probe waited, the answer leaves an `unknown`.
pub fn weigh_answered<'a>(
    judgement: &mut Judgement,
    measured: impl Iterator<Item = &'a Measured> + Clone,
) {
    if judgement.verdict.code != Code::Unknown {
        weigh(judgement, measured);
        return;
    }
    let dropped = |one: &&Measured| one.claim.code == Code::TcpDropped;
    if measured.clone().any(|one| dropped(&one)) {
        judgement.verdict.summary = "The SYN was answered after all, later than was waited for: it was not dropped, and how the connection would have gone on is not known.".to_owned();
    }
    weigh(judgement, measured.filter(|one| !dropped(one)));
}

/// Repetition showed that what it cost was a moment's trouble and not the rule: it is said beside a healthy verdict.
fn excuse(judgement: &mut Judgement) {
    let ok = Verdict {
        frame: judgement.verdict.frame,
        time: judgement.verdict.time,
        ..Verdict::without_fault(
            Code::Ok,
            "It worked; what it cost once did not come again.".to_owned(),
            None,
        )
    };
    let finding = std::mem::replace(&mut judgement.verdict, ok);
    judgement.findings.push(finding);
    judgement.outcome = Outcome::Healthy;
}

/// Whether what a session of ours would have died of is its verdict: the packets show no death of it, or the same one under a
/// vaguer name, or a later one.
fn decides(judgement: &Judgement, claim: &Claim) -> bool {
    if claim.weight != Weight::Fatal {
        return false;
    }
    judgement.outcome != Outcome::Failed
        || refines(claim.code, judgement.verdict.code)
        || judgement
            .verdict
            .time
            .is_some_and(|time| time >= claim.since)
}

/// The same cause, known better: where, how sure, what to do. The frame stays the packets'.
fn place(verdict: &mut Verdict, claim: &Claim) {
    let at = &mut verdict.at;
    at.place = claim.at.place;
    at.address = claim.at.address.or(at.address);
    at.hop = claim.at.hop.or(at.hop);
    at.after_hop = claim.at.after_hop.or(at.after_hop);
    verdict.summary.clone_from(&claim.summary);
    verdict.confidence = claim.confidence;
    verdict.is_final = !claim.provisional;
    if !claim.advice.is_empty() {
        verdict.advice.clone_from(&claim.advice);
    }
    verdict.alternatives.clone_from(&claim.alternatives);
    add_evidence(verdict, claim);
}

/// The same death under its better name; the frame of death stays the packets'.
fn replace(verdict: &mut Verdict, claim: &Claim) {
    let finer = Verdict::from(claim.clone());
    let (frame, time) = (verdict.frame, verdict.time);
    let shown = std::mem::take(&mut verdict.evidence);
    *verdict = Verdict {
        frame,
        time: time.or(finer.time),
        evidence: shown,
        ..finer
    };
    add_evidence(verdict, claim);
}

fn add_evidence(verdict: &mut Verdict, claim: &Claim) {
    for piece in claim.evidence() {
        if !verdict.evidence.contains(piece) {
            verdict.evidence.push(piece.clone());
        }
    }
    verdict.evidence.sort_by_key(|piece| piece.proof.time());
}
