//! STARTTLS is demanded, by the settings or by a policy of the domain, and not on offer: does the server know it all the same, and is it offered by the same host elsewhere
//! (field B6, C11)?
//!
//! A server that does as STARTTLS says offers it, if it is not set up oddly: then the offer was taken out on the way. The same host over the other family, or on its other SMTP port, is asked for its listing, one connection each. A difference alone proves no
//! device: a server may be set up so, and a name may have several back ends, which their greetings tell apart. So that is
//! evidence beside what was found, never a verdict of its own.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::ask::{Ask, SessionOutcome, TlsWanted, Until};
use super::claims::{about, demanded};
use super::hold::hold;
use super::offer::{APART, alone, quiet};
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Where};
use crate::probe::tls::hello::{Highest, Shape};
use crate::probe::{Connect, Context, Role};
use crate::proto::Service;
use crate::proto::mail::Dialogue;

/// The other place opens, or does not matter.
const OPENS: Duration = Duration::from_secs(3);
/// Places that are asked.
const PLACES: usize = 2;
/// What is said to the server itself.
const UNASKED: &str = "STARTTLS that is not on offer";

/// Asks where else; `others` are all addresses of the host.
pub async fn offered(context: &Context, ask: &Ask, outcome: &SessionOutcome, others: &[IpAddr]) {
    let masked = outcome
        .before_tls
        .as_ref()
        .is_some_and(|offer| offer.masked);
    let Some(demanded) = demanded(ask, outcome).filter(|_| !masked) else {
        return;
    };
    if context.is_cancelled() {
        return;
    }
    let mut seen: Vec<(SocketAddr, bool, bool)> = Vec::new();
    for to in places(outcome.to, ask.service, others) {
        tokio::time::sleep(APART).await;
        let look = Ask {
            until: Until::Capabilities,
            tls: TlsWanted::IfOffered,
            ..quiet(ask)
        };
        let how = Connect {
            patience: OPENS,
            ..Connect::default()
        };
        let role = Role::Control("is STARTTLS offered elsewhere?");
        let other = hold(context, &look, to, role, how).await;
        if let Some(offer) = &other.before_tls {
            let same = greeting_name(&other.dialogue) == greeting_name(&outcome.dialogue);
            seen.push((to, offer.starttls(), same));
        }
    }
    let taken = takes(context, ask, outcome.to).await;
    if seen.is_empty() && !taken {
        return;
    }
    let proof = Proof::Measured("the listing elsewhere", context.now());
    let differs = seen.iter().any(|(_, offers, same)| *offers && *same);
    const TOLD: &str = "a capture at the server: does STARTTLS stand in the list that it sends?";
    let mut claim = if taken {
        // Postfix can be told to keep a keyword to itself (smtpd_discard_ehlo_keywords).
        let (stripped, missing) = if differs { (0.9, 0.08) } else { (0.8, 0.15) };
        Claim::new(
            Code::MailStarttlsStripped,
            At::of(Where::Network),
            Proof::Measured(UNASKED, context.now()),
            stripped,
            "The server starts TLS when it is told to, and its offer arrives without STARTTLS: a device on the way takes it out.".to_owned(),
        )
        .shown_by("STARTTLS, said on a second connection though it is not in the list, is followed and a ClientHello answered")
        .or(Code::MailStarttlsMissing, missing, TOLD)
        .advise("Look for a device that inspects mail on the way and switch that off (no inspect esmtp, or allow-tls), or use implicit TLS")
    } else {
        let (missing, stripped) = if differs { (0.75, 0.22) } else { (0.93, 0.05) };
        Claim::new(
            Code::MailStarttlsMissing,
            At::address(Where::Server, outcome.to.ip()),
            proof,
            missing,
            format!("{demanded}, and the server does not offer it."),
        )
        .or(Code::MailStarttlsStripped, stripped, TOLD)
    };
    for (at, (to, offers, same)) in seen.into_iter().enumerate() {
        let offers = if offers {
            "offers STARTTLS"
        } else {
            "does not offer STARTTLS either"
        };
        let who = if same {
            "the same name in its greeting"
        } else {
            "another name in its greeting"
        };
        let text = format!("{to} {offers} ({who})");
        claim = match at {
            0 if !taken => claim.shown_by(text),
            _ => claim.because(proof, text),
        };
    }
    if differs && !taken {
        claim = claim.advise("Server's operator: compare the TLS settings of both listeners; if they are alike, look for a device that inspects mail on the way");
    }
    context.measured(about(outcome, claim, Settles::Session));
}

/// Whether the server starts TLS although STARTTLS is not in its list.
async fn takes(context: &Context, ask: &Ask, to: SocketAddr) -> bool {
    let ask = Ask {
        tls: TlsWanted::Unoffered,
        ..ask.clone()
    };
    let shape = Shape::small(Highest::Tls13, ask.sni.as_deref());
    alone(context, &ask, to, &shape, UNASKED).await.passes()
}

/// The other family of the same host, and its other port for the same protocol in clear.
fn places(to: SocketAddr, service: Service, others: &[IpAddr]) -> Vec<SocketAddr> {
    let family = others
        .iter()
        .find(|address| address.is_ipv4() != to.is_ipv4());
    let port = match (service, to.port()) {
        (Service::Smtp | Service::Submission, 25) => Some(587),
        (Service::Smtp | Service::Submission, _) => Some(25),
        _ => None,
    };
    let family = family.map(|address| SocketAddr::new(*address, to.port()));
    let port = port.map(|port| SocketAddr::new(to.ip(), port));
    family.into_iter().chain(port).take(PLACES).collect()
}

/// The first word behind the greeting's code: the host's name in SMTP (RFC 5321 4.2).
fn greeting_name(dialogue: &Dialogue) -> Option<&str> {
    let greeting = dialogue
        .exchanges
        .iter()
        .find_map(|exchange| exchange.reply.as_ref())?;
    greeting.text.as_str().split_ascii_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::places;
    use crate::proto::Service;

    #[test]
    fn the_other_family_and_the_other_port() {
        let to = "192.0.2.10:587".parse().expect("an address");
        let both = ["192.0.2.10", "2001:db8::10"].map(|text| text.parse().expect("an address"));
        let found: Vec<String> = places(to, Service::Submission, &both)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["[2001:db8::10]:587", "192.0.2.10:25"]);
        assert!(places(to, Service::Imap, &both[..1]).is_empty());
    }
}
