//! STARTTLS is demanded and not on offer: is it offered by the same host elsewhere (field B6, C11)?
//!
//! The same host over the other family, or on its other SMTP port, is asked for its listing, one connection each. A difference alone proves no
//! device: a server may be set up so, and a name may have several back ends, which their greetings tell apart. So it is
//! evidence beside what was found, with stripping as the alternative, never a verdict of its own.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::ask::{Ask, SessionEnd, SessionOutcome, TlsWanted, Until};
use super::claims::about;
use super::hold::hold;
use super::offer::{APART, quiet};
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Where};
use crate::probe::{Connect, Context, Role};
use crate::proto::Service;
use crate::proto::mail::Dialogue;

/// The other place opens, or does not matter.
const OPENS: Duration = Duration::from_secs(3);
/// Places that are asked.
const PLACES: usize = 2;

/// Asks where else; `others` are all addresses of the host.
pub async fn offered(context: &Context, ask: &Ask, outcome: &SessionOutcome, others: &[IpAddr]) {
    let masked = outcome
        .before_tls
        .as_ref()
        .is_some_and(|offer| offer.masked);
    if outcome.end != SessionEnd::NotOffered || masked || context.is_cancelled() {
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
    if seen.is_empty() {
        return;
    }
    let proof = Proof::Measured("the listing elsewhere", context.now());
    let differs = seen.iter().any(|(_, offers, same)| *offers && *same);
    let (missing, stripped) = if differs { (0.75, 0.22) } else { (0.93, 0.05) };
    let mut claim = Claim::new(
        Code::MailStarttlsMissing,
        At::address(Where::Server, outcome.to.ip()),
        proof,
        missing,
        "The settings demand STARTTLS, and the server does not offer it.".to_owned(),
    )
    .or(
        Code::MailStarttlsStripped,
        stripped,
        "a capture at the server: does STARTTLS stand in the list that it sends?",
    );
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
            0 => claim.shown_by(text),
            _ => claim.because(proof, text),
        };
    }
    if differs {
        claim = claim.advise("Server's operator: compare the TLS settings of both listeners; if they are alike, look for a device that inspects mail on the way");
    }
    context.measured(about(outcome, claim, Settles::Session));
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
