//! What is known of a server in whose place a device on the way answers.
//!
//! The device was measured (`tcp.intercepted`): it opened the connection. It may be a SYN proxy that hands everything on (RFC 4987 3.5), or
//! one that speaks itself, and then the greeting, the offer and the certificate are its own. So nothing that was seen before
//! the server surely spoke is laid upon the server.

use super::add_evidence;
use crate::diagnosis::Code;
use crate::diagnosis::judge::Judgement;
use crate::diagnosis::verdict::{Alternative, At, Claim, Outcome, Verdict, Where};

/// Deaths that the packets lay upon the server because they bear its address.
const BY_WHO_OPENED: [Code; 3] = [
    Code::TcpResetBeforeGreeting,
    Code::TcpClosedBeforeGreeting,
    Code::MailNoGreeting,
];
/// What such a verdict is sure of at the most where a device answers in the server's place.
const IN_ITS_PLACE: f32 = 0.7;

/// A device on the way was measured to open connections in the server's name: what dies before the server's first word died at the device,
/// and of the server nothing is known.
pub(super) fn in_its_place(judgement: &mut Judgement, claim: &Claim) {
    for finding in &mut judgement.findings {
        unsettle(finding, claim);
    }
    let verdict = &mut judgement.verdict;
    if judgement.outcome != Outcome::Failed {
        return;
    }
    unsettle(verdict, claim);
    if verdict.code == Code::MailGreetingRejected {
        // A proxy refuses itself; one that only opens for others (RFC 4987 3.5) passes the server's word on.
        verdict.at = At::of(Where::Unknown);
        verdict.confidence = verdict.confidence.min(IN_ITS_PLACE);
        verdict.summary = format!(
            "{} Whether that is the server's word or the device's that answers in its place is not known.",
            verdict.summary
        );
        verdict.advice.splice(0..0, claim.advice.iter().cloned());
        return add_evidence(verdict, claim);
    }
    if !BY_WHO_OPENED.contains(&verdict.code) {
        return;
    }
    verdict.at = claim.at;
    verdict.confidence = verdict.confidence.min(IN_ITS_PLACE);
    verdict.summary = format!(
        "{} That was the device which answers in the server's place, and whether a server behind it is alive is not known.",
        verdict.summary
    );
    verdict.advice.splice(0..0, claim.advice.iter().cloned());
    add_evidence(verdict, claim);
}

/// What looks like the server's fault and may be what such a device does: the same, if it is the device's.
const OR_THE_DEVICE: [(Code, Code); 6] = [
    (Code::TlsCertSelfSigned, Code::TlsIntercepted),
    (Code::TlsCertUntrusted, Code::TlsIntercepted),
    (Code::TlsCertIncompleteChain, Code::TlsIntercepted),
    (Code::TlsCertWrongName, Code::TlsIntercepted),
    (Code::TlsDaneMismatch, Code::TlsIntercepted),
    (Code::MailStarttlsMissing, Code::MailStarttlsStripped),
];
/// What such a verdict is sure of at the most, and how likely the device's doing is at the least.
const UNSETTLED: (f32, f32) = (0.55, 0.4);

/// Whose certificate, or whose offer, it is does not show where a device answers first.
fn unsettle(verdict: &mut Verdict, claim: &Claim) {
    let mut pairs = OR_THE_DEVICE.iter();
    let Some((_, other)) = pairs.find(|(seen, _)| *seen == verdict.code) else {
        return;
    };
    verdict.at = At::of(Where::Unknown);
    verdict.confidence = verdict.confidence.min(UNSETTLED.0);
    verdict.summary = format!(
        "{} Whether that is the server's doing or the device's that answers in its place is not known.",
        verdict.summary
    );
    verdict.alternatives.retain(|one| one.code != *other);
    verdict.alternatives.push(Alternative {
        code: *other,
        confidence: UNSETTLED.1,
        told_apart_by: "the same server asked from another network, or a look at the server itself"
            .to_owned(),
    });
    verdict.advice.splice(0..0, claim.advice.iter().cloned());
    add_evidence(verdict, claim);
}
