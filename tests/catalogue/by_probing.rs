//! Every code that can be proved by experiment is reached by a probe of the lab, at the right place.
//!
//! The list is column A of the catalogue of verdicts, written by hand: what it demands, and of what kind the place is. The
//! suite of the lab's probes holds each scenario to what it says here.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{complain, scenarios};

/// How the place of a fault is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// By its distance: `hop` or `after_hop`.
    Hop,
    /// By its address.
    Address,
    /// By whose it is: `where`.
    Owner,
    /// It has none: two views of a name that differ, a look-up that answers.
    Nowhere,
}

use Place::{Address, Hop, Nowhere, Owner};

/// Codes that a probe has to reach, and what each has to know of the place.
const BY_PROBING: &[(&str, Place)] = &[
    ("dns.timeout", Hop),
    ("dns.blocked", Hop),
    ("dns.port-closed", Address),
    ("dns.servfail", Address),
    ("dns.bogus", Address),
    ("dns.filtered", Address),
    ("dns.nxdomain", Nowhere),
    ("dns.truncated-no-tcp", Address),
    ("dns.large-dropped", Address),
    ("dns.type-dropped", Hop),
    ("dns.slow", Address),
    ("dns.inconsistent", Nowhere),
    ("dns.forged", Hop),
    ("route.none", Owner),
    ("route.neighbor-unresolved", Address),
    ("route.duplicate-address", Address),
    ("route.unreachable", Hop),
    ("route.loop", Hop),
    ("tcp.dropped", Hop),
    ("tcp.refused", Address),
    ("tcp.reset-by-path", Hop),
    ("tcp.prohibited", Hop),
    ("tcp.rate-limited", Hop),
    ("tcp.intercepted", Hop),
    ("tcp.options-stripped", Owner),
    ("tcp.wrong-reply-address", Address),
    ("tcp.reset-before-greeting", Address),
    ("tcp.closed-before-greeting", Address),
    ("tcp.reset-midstream-by-path", Hop),
    ("tcp.idle-dropped", Owner),
    ("path.mtu-blackhole", Hop),
    ("path.loss", Hop),
    ("path.split", Hop),
    ("path.slow", Owner),
    ("tls.mutual-wait", Owner),
    ("tls.version", Address),
    ("tls.cipher", Address),
    ("tls.hello-dropped", Hop),
    ("tls.reset-on-hello", Hop),
    ("tls.cert-expired", Address),
    ("tls.cert-not-yet-valid", Address),
    ("tls.cert-self-signed", Address),
    ("tls.cert-untrusted", Address),
    ("tls.cert-incomplete-chain", Address),
    ("tls.cert-wrong-name", Address),
    ("tls.cert-weak", Address),
    ("tls.cert-revoked", Address),
    ("tls.dane-mismatch", Address),
    ("tls.sts-mismatch", Address),
    ("tls.intercepted", Hop),
    ("mail.starttls-missing", Address),
    ("mail.starttls-stripped", Owner),
    ("settings.hostname-typo", Nowhere),
    ("settings.wrong-port", Nowhere),
    ("settings.wrong-encryption", Nowhere),
];

/// What this test reads of a probe.
#[derive(Deserialize)]
struct Probe {
    code: Option<String>,
    #[serde(default)]
    findings: Vec<String>,
    hop: Option<u32>,
    after_hop: Option<u32>,
    address: Option<String>,
    #[serde(rename = "where")]
    owner: Option<String>,
}

impl Probe {
    fn knows(&self, place: Place) -> bool {
        match place {
            Hop => self.hop.is_some() || self.after_hop.is_some(),
            Address => self.address.is_some(),
            Owner => self.owner.is_some(),
            Nowhere => true,
        }
    }
}

#[test]
fn every_code_of_column_a_is_reached_by_a_probe_at_its_place() {
    let mut reached: BTreeSet<(String, Place)> = BTreeSet::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (name, scenario) in scenarios() {
        for probe in &scenario.probe {
            let probe: Probe = probe
                .clone()
                .try_into()
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            // Places are the root cause's; where there is none, the first finding's.
            let code = match probe.code.as_deref() {
                Some("ok") => probe.findings.first().cloned(),
                Some(code) => Some(code.to_owned()),
                None => scenario.truth.root_causes.iter().flatten().next().cloned(),
            };
            let Some(code) = code else { continue };
            for place in [Hop, Address, Owner, Nowhere] {
                if probe.knows(place) {
                    reached.insert((code.clone(), place));
                }
            }
            seen.insert(code);
        }
    }
    let faults: Vec<String> = BY_PROBING
        .iter()
        .filter(|(code, place)| !reached.contains(&((*code).to_owned(), *place)))
        .map(|(code, place)| match seen.contains(*code) {
            true => format!("{code}: no probe says its place ({place:?})"),
            false => format!("{code}: no probe reaches it"),
        })
        .collect();
    complain("What can be proved by experiment is.", &faults);
}
