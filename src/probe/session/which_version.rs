//! A ClientHello got an alert: what the server would have taken.
//!
//! One hello with all that clients have offered in twenty years, a second one of TLS 1.0 for servers that cannot even be offered
//! more. What the server then chooses says why nothing was in common: its version, its suite, its group or its signature algorithm.
//! Where it chooses something that every client has, the alert had another reason, and nothing is said. Where it chooses what most
//! programs offer and this one lacks, the alert is this client's own doing, and the server is not blamed.

use super::ask::{Ask, SessionOutcome};
use super::claims::about;
use super::offer::{Answer, alone};
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Where};
use crate::probe::Context;
use crate::probe::tls::flight::Chosen;
use crate::probe::tls::hello::{Highest, Shape};
use crate::probe::tls::ladder::{Unusual, unusual};
use crate::proto::tls::cipher_name;

/// The version on the wire.
const TLS12: u16 = 0x0303;

/// The hello got an alert: what does the server speak?
pub(super) async fn which_version(context: &Context, ask: &Ask, outcome: &SessionOutcome) {
    let name = ask.sni.as_deref();
    let why = "a ClientHello with all that clients ever offered";
    let mut offered = "everything from TLS 1.0 to 1.3";
    let mut answer = alone(context, ask, outcome.to, &Shape::wide(name), why).await;
    if matches!(answer, Answer::Alert(_) | Answer::Ended) {
        // Version intolerance.
        offered = "TLS 1.0";
        let old = Shape::small(Highest::Tls10, name);
        answer = alone(context, ask, outcome.to, &old, "a ClientHello of TLS 1.0").await;
    }
    let Answer::Hello(chosen) = answer else {
        return;
    };
    let mut chosen = chosen;
    // TLS 1.3 hides who signed with what; what comes before it does not.
    if chosen.version > TLS12 && unusual(chosen).is_none() {
        let below = Shape {
            highest: Highest::Tls12,
            ..Shape::wide(name)
        };
        let why = "the same below TLS 1.3";
        if let Answer::Hello(older) = alone(context, ask, outcome.to, &below, why).await {
            (chosen, offered) = (older, "everything from TLS 1.0 to 1.2");
        }
    }
    let Some((claim, settles)) = claim(context, outcome, chosen) else {
        return;
    };
    let suite = cipher_name(chosen.suite).unwrap_or("a suite without a name");
    let claim = claim.shown_by(format!(
        "offered {offered}, the server chose {} with {suite}",
        spoken(chosen.version)
    ));
    context.measured(about(outcome, claim, settles));
}

/// As people write it.
fn spoken(version: u16) -> &'static str {
    Highest::ALL
        .into_iter()
        .find(|known| known.number() == version)
        .map_or("SSL 3.0", Highest::name)
}

fn claim(context: &Context, outcome: &SessionOutcome, chosen: Chosen) -> Option<(Claim, Settles)> {
    let at = At::address(Where::Server, outcome.to.ip());
    let proof = Proof::Measured("ClientHello ladder", context.now());
    if chosen.version < TLS12 {
        let text = format!(
            "The server speaks {} at the most, which current clients refuse (RFC 8996).",
            spoken(chosen.version)
        );
        let claim = Claim::new(Code::TlsVersion, at, proof, 0.95, text);
        let claim = claim.advise(
            "Server's operator: switch TLS 1.2 and 1.3 on (a newer TLS library, if there are none)",
        );
        return Some((claim, Settles::Verdict));
    }
    let Unusual {
        what,
        is_widely_known,
    } = unusual(chosen)?;
    let advice = "Server's operator: allow ECDHE with x25519 or P-256 and AES-GCM or ChaCha20, and a certificate with an RSA 2048 or P-256 key";
    if !is_widely_known {
        let text = format!(
            "Server and this client have no cryptography in common: of all that was ever used, the server chose {what}; clients of today refuse it."
        );
        let claim = Claim::new(Code::TlsCipher, at, proof, 0.93, text).advise(advice);
        return Some((claim, Settles::Verdict));
    }
    let text = format!(
        "The server takes {what}, which this client lacks: programs built on OpenSSL or GnuTLS may well connect, so what lies behind the handshake is not known."
    );
    let claim = Claim::new(Code::TlsCipher, at, proof, 0.3, text)
        .or(
            Code::TlsCipher,
            0.3,
            format!("whether the client in question offers {what}"),
        )
        .advise(format!(
            "Try with the program in question, or openssl s_client -connect {}",
            outcome.to
        ))
        .advise(advice);
    Some((claim, Settles::Limit))
}
