//! How far the scenarios reach: every code has one and a near miss, and most codes are shown in several ways.
//!
//! A rule that was only ever tried on one protocol, over one version of IP, is a rule about that protocol. What a scenario
//! is tried on is read from its clients, or, where only a probe can show the code, from the probe's target.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use mxray::diagnosis::Code;
use mxray::lab::server::spec::ServiceKind;
use toml::{Table, Value};

#[path = "spread/grammar.rs"]
mod grammar;

use grammar::Grammar;

/// Codes that one way shows, and why there is no other.
const ONE_WAY: &[(&str, &str)] = &[(
    "capture.limit",
    "a bound of the engine's own, whatever the packets are",
)];

/// What is so where nothing is said.
const DEFAULT: &str = "the default: said by silence";
/// Packets alone seldom say at which hop something is.
const BY_PROBE: &str = "only a probe measures hops, and it has keys of its own";

/// What a scenario can say and none needs to, and why.
const UNSAID: &[(&str, &str)] = &[
    ("client.fallback=next", DEFAULT),
    ("client.tls.trust=lab", DEFAULT),
    ("fault.action.forget-idle.answer=silent", DEFAULT),
    ("fault.action.prohibit.quote=usual", DEFAULT),
    ("fault.action.reset.identification=zero", DEFAULT),
    ("fault.action.split.by=ports", DEFAULT),
    ("path.client_neighbor=answers", DEFAULT),
    ("path.hop.link.too_big=tell", DEFAULT),
    ("record.at=client", DEFAULT),
    ("server.services.accept=serve", DEFAULT),
    ("server.services.cut.then=continue", DEFAULT),
    ("server.services.dns.rules.action=answer", DEFAULT),
    ("server.services.raw.profile=script", DEFAULT),
    ("server.services.software=usual", DEFAULT),
    ("server.services.tls.certificate=valid", DEFAULT),
    ("server.services.tls.on_hello=handshake", DEFAULT),
    ("truth.connection.after_hop", BY_PROBE),
    ("truth.connection.hop", BY_PROBE),
    (
        "truth.connection.death=any",
        "every frame that a truth names has a meaning",
    ),
];

/// A scenario as far as this test reads it.
struct Scenario {
    name: String,
    table: Table,
}

impl Scenario {
    fn all() -> Vec<Scenario> {
        mxray::lab::shipped()
            .iter()
            .map(|one| {
                let name = one.title();
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
                let path = path.join(format!("{name}.toml"));
                let text = fs::read_to_string(&path).expect("what was shipped is there");
                let table = text.parse().expect("what was shipped can be read");
                Scenario { name, table }
            })
            .collect()
    }

    fn tables(&self, key: &str) -> impl Iterator<Item = &Table> {
        list(self.table.get(key)).filter_map(Value::as_table)
    }

    /// The codes that are true of it.
    fn shows(&self) -> BTreeSet<String> {
        let mut codes = BTreeSet::new();
        let truth = self.table.get("truth").and_then(Value::as_table);
        let truth = truth.expect("every scenario has a truth");
        let of = |table: &Table| {
            texts(table, "code")
                .chain(texts(table, "findings"))
                .collect::<Vec<_>>()
        };
        for judged in ["connection", "lookup"] {
            codes.extend(
                list(truth.get(judged))
                    .filter_map(Value::as_table)
                    .flat_map(of),
            );
        }
        codes.extend(texts(truth, "findings").chain(texts(truth, "root_causes")));
        codes.extend(self.tables("probe").flat_map(of));
        codes
    }

    /// What it is tried on: service or look-up, and version of IP.
    fn ways(&self) -> BTreeSet<String> {
        let clients = self.tables("client").map(|client| {
            let resolve = client.get("resolve").and_then(Value::as_table);
            let six = |key| texts(client, key).any(|address| address.contains(':'));
            let asked_over_six = resolve.is_some_and(|resolve| {
                texts(resolve, "resolvers").any(|address| address.contains(':'))
            });
            let family = if six("addresses") || asked_over_six {
                6
            } else {
                4
            };
            let only = resolve.and_then(|resolve| resolve.get("only")).is_some();
            let what = match resolve.filter(|_| only) {
                Some(resolve) => format!(
                    "look-up {}",
                    texts(resolve, "types").collect::<Vec<_>>().join(" ")
                ),
                None => texts(client, "service").collect(),
            };
            format!("{what} over IPv{family}")
        });
        let mut ways: BTreeSet<String> = clients.collect();
        if ways.is_empty() {
            ways.extend(
                self.tables("probe")
                    .flat_map(|probe| texts(probe, "target").collect::<Vec<_>>()),
            );
        }
        ways
    }
}

/// The entries of a list; one alone counts as a list.
fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
    .iter()
}

fn texts(table: &Table, key: &str) -> std::vec::IntoIter<String> {
    let found: Vec<String> = list(table.get(key))
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect();
    found.into_iter()
}

#[test]
fn every_code_is_shown_in_several_ways_and_has_a_near_miss() {
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut near: BTreeMap<String, usize> = BTreeMap::new();
    for scenario in Scenario::all() {
        for code in scenario.shows() {
            shown.entry(code).or_default().extend(scenario.ways());
        }
        for code in texts(&scenario.table, "near_miss_of") {
            *near.entry(code).or_default() += 1;
        }
    }
    let mut faults = Vec::new();
    for code in Code::ALL {
        let name = code.name();
        if matches!(code, Code::Ok | Code::Unknown) {
            continue;
        }
        let ways = shown.get(name).map_or(0, BTreeSet::len);
        let excused = ONE_WAY.iter().any(|(listed, _)| *listed == name);
        match ways {
            0 => faults.push(format!("{name}: no scenario shows it")),
            1 if !excused => faults.push(format!(
                "{name}: shown on {:?} alone: show it on another protocol or version of IP, or list it in ONE_WAY with a reason",
                shown[name]
            )),
            1 => {}
            _ if excused => faults.push(format!("{name}: strike it from ONE_WAY")),
            _ => {}
        }
        if !near.contains_key(name) {
            faults.push(format!("{name}: nothing looks like it and must not get it"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_service_is_seen_healthy_over_both_versions_of_ip() {
    let healthy: BTreeSet<String> = Scenario::all()
        .iter()
        .filter(|scenario| scenario.name.starts_with("ok/"))
        .flat_map(Scenario::ways)
        .collect();
    let missing: Vec<String> = ServiceKind::MAIL
        .iter()
        .flat_map(|service| [4, 6].map(|family| format!("{} over IPv{family}", service.name())))
        .filter(|way| !healthy.contains(way))
        .collect();
    assert!(missing.is_empty(), "never healthy: {missing:?}");
}

#[test]
fn every_fault_and_every_property_is_used() {
    let said: BTreeSet<String> = Scenario::all()
        .iter()
        .flat_map(|scenario| grammar::said(&scenario.table))
        .collect();
    let grammar = Grammar::whole();
    for witness in [
        "fault.action.syn-proxy.mss",
        "path.hop.link.loss.burst.enter",
    ] {
        assert!(grammar.keys.contains(witness), "{witness} is not found");
    }
    let mut unsaid = grammar.unsaid(&said);
    let needless: Vec<&str> = UNSAID
        .iter()
        .map(|(listed, _)| *listed)
        .filter(|listed| !unsaid.remove(*listed))
        .collect();
    assert!(unsaid.is_empty(), "no scenario says {unsaid:#?}");
    assert!(needless.is_empty(), "strike from UNSAID: {needless:?}");
}

#[test]
fn the_list_covers_the_catalogue() {
    let listed: BTreeSet<String> = mxray::lab::shipped()
        .into_iter()
        .map(|one| one.code)
        .collect();
    let missing: Vec<&str> = Code::ALL
        .iter()
        .map(|code| code.name())
        .filter(|name| !listed.contains(*name))
        .collect();
    assert!(
        missing.is_empty(),
        "`mxray lab list` does not speak of {missing:?}"
    );
}
