//! A client that sets an account up and guesses: mail programs ask for the names that mail hosts of a domain usually have, all at once or one
//! after the other, and take the one that is there.
//!
//! RFC 6186 1 tells of that habit. One name that is not there is a wrong setting like any other; two of them, asked in a moment with one that is
//! there, are guesses, and nobody needs those that were wrong. Who has a name in its settings asks for it again and again. It judges nothing.

use super::denied;
use super::recent::{Recent, Seen};
use crate::base::{Foreign, Nanos, SECOND};
use crate::flow::lookup::LookupFacts;
use crate::proto::dns::RecordType;

/// Guesses of one account are no further apart.
const TOGETHER: Nanos = 5 * SECOND;
/// Names under which settings are looked for, which mostly are not there.
const SETTINGS: [&str; 2] = ["autoconfig", "autodiscover"];
/// Names of hosts that are tried.
const HOSTS: [&str; 10] = [
    "mail", "imap", "imap4", "imaps", "pop", "pop3", "pop3s", "smtp", "smtps", "mx",
];

fn is_host(label: &str) -> bool {
    HOSTS.iter().any(|host| label.eq_ignore_ascii_case(host))
}

/// The name that was there, where that one which was not was guessed as well.
pub(super) fn found(facts: &LookupFacts, recent: &Recent) -> Option<Foreign> {
    let (label, domain) = facts.name.as_str().split_once('.')?;
    let settings = SETTINGS.iter().any(|name| label.eq_ignore_ascii_case(name));
    if !(settings || is_host(label)) || !domain.contains('.') || !denied(facts) {
        return None;
    }
    let guessed = |other: &Seen<'_>| {
        let together = other.first.time.since(facts.first.time).abs() <= TOGETHER;
        let address = matches!(other.kind, RecordType::A | RecordType::AAAA);
        let parts = other.name.as_str().split_once('.');
        together
            && address
            && parts.is_some_and(|(of, under)| {
                let another = !of.eq_ignore_ascii_case(label);
                another && is_host(of) && under.eq_ignore_ascii_case(domain)
            })
    };
    let beside = || recent.of(facts.client).filter(guessed);
    let there = beside().find(|other| other.positive)?.name;
    let missed = || beside().any(|other| other.is_denied() && other.name != there);
    let asked_before = || {
        recent.of(facts.client).any(|other| {
            *other.name == facts.name && facts.first.time.since(other.first.time) > TOGETHER
        })
    };
    (settings || missed() && !asked_before()).then(|| there.clone())
}
