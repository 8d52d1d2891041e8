//! Five things stand for every verdict code: page, rule, scenario, capture with near miss, and the test
//! that loops over the folder. This test holds the catalogue, the pages and `captures/` together, and
//! replays every recording against the truth that was written by hand beside it.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use mxray::diagnosis::Code;
use mxray::engine::record::{ConnectionRecord, LookupRecord, Record, VerdictInfo};
use mxray::lab::truth::{ConnectionTruth, Death, LookupTruth, Outcome, Truth};
use mxray::wire::{Net, Transport, dissect};
use serde::Deserialize;

use support::{Captured, captures, files, in_parallel, judge_with, recordings};

/// A recording's largest size in bytes.
const LARGEST: u64 = 100_000;

/// Codes that only probing can prove, and why a capture cannot.
const ONLY_PROBING: &[(&str, &str)] = &[
    (
        "dns.inconsistent",
        "the same question put to several servers, which no client does",
    ),
    ("route.none", "no packet is sent at all"),
    (
        "tcp.rate-limited",
        "needs known rates of what was sent; a capture shows drops only",
    ),
    (
        "path.split",
        "one 5-tuple tried often against many tried once",
    ),
    ("tls.sts-mismatch", "the policy is fetched over HTTPS"),
    ("tls.intercepted", "the certificate seen by another path"),
    (
        "settings.hostname-typo",
        "what the user meant is known only from settings",
    ),
    (
        "settings.wrong-port",
        "what the user meant is known only from settings",
    ),
    (
        "settings.wrong-encryption",
        "what the user meant is known only from settings",
    ),
];

/// Codes that never are a verdict: what the evidence cannot show. They have no near miss of their own.
const FINDINGS_ONLY: &str = "capture.";

/// What is still owed: `(code, what, why)`, with what one of `rule`, `recording`, `near miss`. A line
/// that is no longer true fails the test, so the list only shrinks.
const NOT_YET: &[(&str, &str, &str)] = &[];

/// The headings of a page, in order.
const HEADINGS: [&str; 5] = [
    "## What it means",
    "## How it is known",
    "## What it does not prove",
    "## Not to be confused with",
    "## What to do",
];

/// What this test reads of a scenario; the lab reads, and checks, the rest.
#[derive(Deserialize)]
struct Scenario {
    summary: String,
    #[serde(default)]
    near_miss_of: Vec<String>,
    truth: Truth,
}

/// The scenarios below `captures/` by `CODE/NAME`.
fn scenarios() -> BTreeMap<String, Scenario> {
    let root = captures();
    let mut found = BTreeMap::new();
    for path in files(&root) {
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        let name = path.with_extension("");
        let name = name
            .strip_prefix(&root)
            .expect("below captures")
            .to_string_lossy()
            .replace('\\', "/");
        let text = fs::read_to_string(&path).expect("a scenario");
        let scenario: Scenario =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        found.insert(name, scenario);
    }
    assert!(
        found.len() > 200,
        "the scenarios are not where they are looked for"
    );
    found
}

fn pages_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnosis/rules")
}

fn page_path(code: Code) -> PathBuf {
    pages_folder()
        .join(code.name().replace('.', "/").replace('-', "_"))
        .with_extension("md")
}

fn only_probing(code: Code) -> bool {
    ONLY_PROBING.iter().any(|(name, _)| *name == code.name())
}

fn complain(law: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{law}\n  {}\n", faults.join("\n  "));
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let mut faults = Vec::new();
    let mut known = BTreeSet::new();
    for code in Code::ALL {
        let path = page_path(*code);
        match fs::read_to_string(&path) {
            Ok(text) if text == code.page() => {}
            Ok(_) => faults.push(format!(
                "{code}: the catalogue includes another page than {}",
                path.display()
            )),
            Err(_) => faults.push(format!("{code}: its page is not {}", path.display())),
        }
        known.insert(path);
        let page = code.page();
        let title = page.lines().next().unwrap_or_default();
        let said = title
            .strip_prefix(&format!("# {code} – "))
            .unwrap_or_default();
        if said.trim().is_empty() {
            faults.push(format!(
                "{code}: the page's first line is `{title}`, not `# {code} – what it is`"
            ));
        }
        let headings: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("## "))
            .map(str::trim_end)
            .collect();
        if headings != HEADINGS {
            faults.push(format!("{code}: the page's headings are {headings:?}"));
        }
        for (at, heading) in HEADINGS.iter().enumerate() {
            let body = page.split(heading).nth(1).unwrap_or_default();
            let body = HEADINGS
                .get(at + 1)
                .map_or(body, |next| body.split(next).next().unwrap_or_default());
            if body.trim().is_empty() {
                faults.push(format!("{code}: nothing stands under `{heading}`"));
            }
        }
    }
    for path in files(&pages_folder()) {
        if path.extension().is_some_and(|e| e == "md") && !known.contains(&path) {
            faults.push(format!("{}: a page without a code", path.display()));
        }
    }
    complain("Every code has its page, every page its code.", &faults);
}

/// The codes that a page names in backticks. Wireshark's filters look alike and stand on lines of their own.
fn named(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut filter = false;
    for line in page.lines() {
        if line.starts_with("- ") || line.starts_with('#') || line.trim().is_empty() {
            filter = line.contains("Wireshark:");
        }
        if filter {
            continue;
        }
        for quoted in line.split('`').skip(1).step_by(2) {
            let stage = quoted.split_once('.').map_or("", |(stage, _)| stage);
            let shaped = quoted
                .chars()
                .all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '-'))
                && !quoted.ends_with(['.', '-']);
            let staged = Code::ALL
                .iter()
                .any(|code| code.stage() == stage && code.name() != stage);
            if staged && shaped || matches!(quoted, "ok" | "unknown") {
                found.insert(quoted.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_code_named_on_a_page_exists() {
    let mut faults = Vec::new();
    for code in Code::ALL {
        for name in named(code.page()) {
            if Code::from_name(&name).is_none() {
                faults.push(format!("{code}: its page names `{name}`, which is no code"));
            }
        }
    }
    complain("Every code in backticks exists.", &faults);
}

/// What a code lacks of `rule`, `recording`, `near miss`.
fn owed(
    code: Code,
    scenarios: &BTreeMap<String, Scenario>,
    recorded: &BTreeSet<String>,
    rules: &str,
) -> Vec<&'static str> {
    let mut owed = Vec::new();
    if matches!(code, Code::Ok | Code::Unknown) || only_probing(code) {
        return owed;
    }
    let variant = format!("Code::{code:?}");
    let ruled = rules.match_indices(&variant).any(|(at, _)| {
        !rules[at + variant.len()..].starts_with(|next: char| next.is_alphanumeric())
    });
    if !ruled {
        owed.push("rule");
    }
    let shows = |truth: &Truth| {
        let name = code.name();
        truth
            .connection
            .iter()
            .any(|one| one.code == name || one.findings.iter().any(|f| f == name))
            || truth
                .lookup
                .iter()
                .any(|one| one.code == name || one.findings.iter().any(|f| f == name))
            || truth.findings.iter().any(|f| f == name)
            || truth.root_causes.iter().flatten().any(|f| f == name)
    };
    let folder = format!("{code}/");
    if !scenarios.iter().any(|(name, one)| {
        name.starts_with(&folder) && recorded.contains(name) && shows(&one.truth)
    }) {
        owed.push("recording");
    }
    let near = |(name, one): (&String, &Scenario)| {
        recorded.contains(name)
            && one.near_miss_of.iter().any(|of| of == code.name())
            && !shows(&one.truth)
    };
    if !code.name().starts_with(FINDINGS_ONLY) && !scenarios.iter().any(near) {
        owed.push("near miss");
    }
    owed
}

#[test]
fn every_code_has_its_rule_its_recording_and_its_near_miss() {
    let scenarios = scenarios();
    let recorded: BTreeSet<String> = recordings().into_keys().collect();
    let mut rules = String::new();
    for folder in ["src/diagnosis", "src/engine"] {
        for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.ends_with(".rs")
                && !matches!(
                    name.as_str(),
                    "catalogue.rs" | "claim_order.rs" | "tests.rs"
                )
            {
                rules.push_str(&fs::read_to_string(&path).expect("a source file"));
            }
        }
    }
    let mut faults = Vec::new();
    for code in Code::ALL {
        let owed = owed(*code, &scenarios, &recorded, &rules);
        for what in &owed {
            if !NOT_YET
                .iter()
                .any(|(name, listed, _)| *name == code.name() && listed == what)
            {
                faults.push(format!("(\"{code}\", \"{what}\", \"…\") is owed: provide it, or list it in NOT_YET with a reason"));
            }
        }
        for (name, listed, _) in NOT_YET {
            if *name == code.name() && !owed.contains(listed) {
                faults.push(format!(
                    "{code} has its {listed} now: strike the line from NOT_YET"
                ));
            }
        }
    }
    for (name, ..) in NOT_YET
        .iter()
        .map(|(name, what, _)| (name, what))
        .chain(ONLY_PROBING.iter().map(|(name, why)| (name, why)))
    {
        if Code::from_name(name).is_none() {
            faults.push(format!("`{name}` is listed in this test and is no code"));
        }
    }
    complain("Five things stand for every code.", &faults);
}

#[test]
fn nothing_in_captures_is_orphaned() {
    let scenarios = scenarios();
    let mut faults = Vec::new();
    let exists = |name: &str| Code::from_name(name).is_some();
    for (name, scenario) in &scenarios {
        let folder = name.split('/').next().unwrap_or_default();
        let mut complain = |text: String| faults.push(format!("captures/{name}.toml: {text}"));
        if !exists(folder) {
            complain(format!("its folder is no code: {folder}"));
        }
        if scenario.summary.trim().is_empty() {
            complain("no summary".to_owned());
        }
        let truth = &scenario.truth;
        let connections = truth.connection.iter().flat_map(|one| {
            std::iter::once(&one.code)
                .chain(&one.or)
                .chain(&one.findings)
        });
        let lookups = truth.lookup.iter().flat_map(|one| {
            std::iter::once(&one.code)
                .chain(&one.or)
                .chain(&one.findings)
        });
        let others = truth
            .never
            .iter()
            .chain(&truth.findings)
            .chain(truth.root_causes.iter().flatten());
        for code in connections
            .chain(lookups)
            .chain(others)
            .chain(&scenario.near_miss_of)
        {
            if !exists(code) {
                complain(format!("`{code}` is no code"));
            }
        }
        for of in &scenario.near_miss_of {
            let gets = truth.connection.iter().any(|one| one.code == *of)
                || truth.lookup.iter().any(|one| one.code == *of);
            if gets {
                complain(format!("a near miss of {of} that gets it"));
            }
        }
        let recording = captures().join(name).with_extension("pcapng");
        let probed = Code::from_name(folder).is_some_and(only_probing);
        match fs::metadata(&recording) {
            Ok(file) if file.len() > LARGEST => complain(format!(
                "its recording has {} bytes, more than {LARGEST}",
                file.len()
            )),
            Ok(_) => {}
            Err(_) if probed => {}
            Err(_) => complain("no recording: `mxray lab record` makes it".to_owned()),
        }
    }
    for path in files(&captures()) {
        let scenario = path.with_extension("toml");
        match path.extension().and_then(|e| e.to_str()) {
            Some("toml" | "md") => {}
            Some("pcapng") if scenario.exists() => {}
            _ => faults.push(format!("{}: nothing says what it is", path.display())),
        }
    }
    complain("Nothing is orphaned.", &faults);
}

/// One mismatch: what of the capture, what was to be, what is.
type Mismatch = (String, String, String);

fn findings(found: &[VerdictInfo]) -> Vec<&'static str> {
    found.iter().map(|finding| finding.code).collect()
}

/// The frames that may be meant by a word for a connection's death.
fn deaths(captured: &Captured, of: &ConnectionRecord, death: Death) -> Vec<u64> {
    let address = |ip: &str| ip.parse::<IpAddr>().expect("an address in the record");
    let (client, server) = (address(&of.client.ip), address(&of.server.ip));
    let mut found = Vec::new();
    for frame in &captured.frames {
        if frame.time < of.started.0 || frame.time > of.ended.0 {
            continue;
        }
        let packet = dissect(frame.link_type, &frame.data, frame.original_len);
        let Net::Ip(ip) = &packet.net else { continue };
        match &packet.transport {
            Transport::Tcp(tcp) => {
                let from_client = ip.source == client
                    && tcp.source_port == of.client.port
                    && tcp.destination_port == of.server.port;
                let from_server = ip.destination == client
                    && tcp.destination_port == of.client.port
                    && tcp.source_port == of.server.port;
                if !from_client && !from_server {
                    continue;
                }
                let flags = tcp.flags;
                let data = tcp.payload_len > 0;
                let fits = match death {
                    Death::LastSyn => flags.syn() && !flags.ack(),
                    Death::SynAck | Death::LastSynAck => flags.syn() && flags.ack(),
                    Death::Rst => flags.rst(),
                    Death::ServerFin => from_server && flags.fin(),
                    Death::ClientFin => from_client && flags.fin(),
                    Death::LastClientData | Death::FirstClientData => from_client && data,
                    Death::LastServerData | Death::FirstServerData => from_server && data,
                    Death::HandshakeAck => {
                        from_client && flags.ack() && !flags.syn() && !flags.rst()
                    }
                    Death::ZeroWindow => {
                        tcp.window == 0 && !flags.syn() && !flags.fin() && !flags.rst()
                    }
                    Death::Any => true,
                    Death::Icmp | Death::LastQuery | Death::Answer => false,
                };
                if fits {
                    found.push(frame.number);
                }
            }
            Transport::Icmp(icmp) if matches!(death, Death::Icmp | Death::Any) => {
                let quoted = icmp.quote.as_ref().is_some_and(|quote| {
                    (quote.ip.source == client && quote.ip.destination == server)
                        || (quote.ip.source == server && quote.ip.destination == client)
                });
                if quoted {
                    found.push(frame.number);
                }
            }
            _ => {}
        }
    }
    chosen(found, death)
}

/// The first or the last of those that fit; where the word says neither, all.
fn chosen(found: Vec<u64>, death: Death) -> Vec<u64> {
    match death {
        Death::LastSyn
        | Death::LastSynAck
        | Death::LastQuery
        | Death::LastClientData
        | Death::LastServerData => found.last().copied().into_iter().collect(),
        Death::ZeroWindow | Death::Any => found,
        _ => found.first().copied().into_iter().collect(),
    }
}

/// The same for a look-up.
fn lookup_deaths(captured: &Captured, of: &LookupRecord, death: Death) -> Vec<u64> {
    let client: IpAddr = of.client.parse().expect("an address in the record");
    let mut found = Vec::new();
    for frame in captured
        .frames
        .iter()
        .filter(|frame| of.frames.contains(&frame.number))
    {
        let packet = dissect(frame.link_type, &frame.data, frame.original_len);
        let Net::Ip(ip) = &packet.net else { continue };
        let is_icmp = matches!(packet.transport, Transport::Icmp(_));
        let fits = match death {
            Death::LastQuery => ip.source == client && !is_icmp,
            Death::Answer => ip.destination == client && !is_icmp,
            Death::Icmp => is_icmp,
            Death::Any => true,
            Death::Rst => matches!(&packet.transport, Transport::Tcp(tcp) if tcp.flags.rst()),
            Death::LastSyn => matches!(&packet.transport, Transport::Tcp(tcp) if tcp.flags.opens()),
            _ => false,
        };
        if fits {
            found.push(frame.number);
        }
    }
    chosen(found, death)
}

/// What truth and record have in common to compare.
struct Expected<'a> {
    outcome: Outcome,
    code: &'a str,
    or: &'a [String],
    place: Option<&'static str>,
    findings: &'a [String],
}

fn compare(
    what: &str,
    expected: &Expected<'_>,
    outcome: &str,
    verdict: &VerdictInfo,
    found: &[VerdictInfo],
    into: &mut Vec<Mismatch>,
) {
    let mut wrong = |should: String, is: String| into.push((what.to_owned(), should, is));
    let other = expected.or.iter().any(|code| code == verdict.code);
    if verdict.code != expected.code && !other {
        wrong(
            format!("{} {}", expected.outcome.name(), expected.code),
            format!("{outcome} {}: {}", verdict.code, verdict.summary),
        );
        return;
    }
    // Another code that is right as well brings its own outcome, where it has only one.
    let right = match verdict.code {
        "ok" if other => "healthy",
        "unknown" if other => "incomplete",
        _ => expected.outcome.name(),
    };
    if outcome != right {
        wrong(right.to_owned(), outcome.to_owned());
    }
    if let Some(place) = expected.place
        && verdict.at.place != place
    {
        wrong(format!("at {place}"), format!("at {}", verdict.at.place));
    }
    for code in expected.findings {
        if !found.iter().any(|finding| finding.code == code) {
            wrong(
                format!("finding {code}"),
                format!("findings {:?}", findings(found)),
            );
        }
    }
}

fn fits_connection(truth: &ConnectionTruth, one: &ConnectionRecord) -> bool {
    truth
        .service
        .as_ref()
        .is_none_or(|service| service == one.service)
        && truth.port.is_none_or(|port| port == one.server.port)
        && truth
            .server
            .is_none_or(|server| one.server.ip.parse() == Ok(server))
}

fn fits_lookup(truth: &LookupTruth, one: &LookupRecord) -> bool {
    truth.name.as_ref().is_none_or(|name| {
        name.trim_end_matches('.')
            .eq_ignore_ascii_case(one.name.as_str().trim_end_matches('.'))
    }) && truth.kind.as_ref().is_none_or(|kind| *kind == one.kind)
        && truth
            .resolver
            .is_none_or(|resolver| one.resolver.parse() == Ok(resolver))
}

fn connections(
    captured: &Captured,
    truth: &Truth,
    found: &[&ConnectionRecord],
    into: &mut Vec<Mismatch>,
) {
    let mut counts = vec![0usize; truth.connection.len()];
    let mut seen = vec![0usize; truth.connection.len()];
    for one in found {
        let what = format!(
            "{}:{} → {}:{} #{}",
            one.client.ip, one.client.port, one.server.ip, one.server.port, one.id
        );
        let mut hit = None;
        for (at, entry) in truth.connection.iter().enumerate() {
            if !fits_connection(entry, one) {
                continue;
            }
            seen[at] += 1;
            if hit.is_none() && entry.nth.is_none_or(|nth| nth == seen[at]) {
                hit = Some((at, entry));
            }
        }
        let Some((at, entry)) = hit else {
            into.push((
                what,
                "no such connection".to_owned(),
                format!("{} {}", one.outcome, one.verdict.code),
            ));
            continue;
        };
        counts[at] += 1;
        let expected = Expected {
            outcome: entry.outcome,
            code: &entry.code,
            or: &entry.or,
            place: entry.place.map(|place| place.name()),
            findings: &entry.findings,
        };
        compare(
            &what,
            &expected,
            one.outcome,
            &one.verdict,
            &one.findings,
            into,
        );
        if one.verdict.code != entry.code {
            continue;
        }
        let at = &one.verdict.at;
        for (name, should, is) in [
            ("hop", entry.hop, at.hop),
            ("after_hop", entry.after_hop, at.after_hop),
        ] {
            if let Some(should) = should
                && is.map(u32::from) != Some(should)
            {
                into.push((
                    what.clone(),
                    format!("{name} {should}"),
                    format!("{name} {is:?}"),
                ));
            }
        }
        if let Some(death) = entry.death {
            let right = deaths(captured, one, death);
            if !one
                .verdict
                .frame
                .is_some_and(|frame| right.contains(&frame))
            {
                into.push((
                    what.clone(),
                    format!("dies at frame {right:?} ({death:?})"),
                    format!("{:?}", one.verdict.frame),
                ));
            }
        }
        if entry.intent.is_some() && entry.intent.as_deref() != one.intent {
            into.push((
                what.clone(),
                format!("intent {:?}", entry.intent),
                format!("{:?}", one.intent),
            ));
        }
        if let Some(most) = entry.at_most
            && one.verdict.confidence > most + 0.005
        {
            into.push((
                what.clone(),
                format!("at most {most} sure"),
                one.verdict.confidence.to_string(),
            ));
        }
    }
    for (entry, count) in truth.connection.iter().zip(counts) {
        if entry.count.map_or(count == 0, |should| should != count) {
            let should = entry
                .count
                .map_or("at least 1".to_owned(), |count| count.to_string());
            into.push((
                format!(
                    "connections with {:?} {:?} {:?}",
                    entry.service, entry.port, entry.nth
                ),
                should,
                count.to_string(),
            ));
        }
    }
}

fn lookups(captured: &Captured, truth: &Truth, found: &[&LookupRecord], into: &mut Vec<Mismatch>) {
    let mut counts = vec![0usize; truth.lookup.len()];
    for one in found {
        let what = format!("{} {} at {}", one.name, one.kind, one.resolver);
        let Some((at, entry)) = truth
            .lookup
            .iter()
            .enumerate()
            .find(|(_, entry)| fits_lookup(entry, one))
        else {
            // Only those that the truth speaks of; a look-up that is well needs no words.
            if one.outcome != "healthy" {
                into.push((
                    what,
                    "no such look-up".to_owned(),
                    format!("{} {}", one.outcome, one.verdict.code),
                ));
            }
            continue;
        };
        counts[at] += 1;
        let expected = Expected {
            outcome: entry.outcome,
            code: &entry.code,
            or: &entry.or,
            place: entry.place.map(|place| place.name()),
            findings: &entry.findings,
        };
        compare(
            &what,
            &expected,
            one.outcome,
            &one.verdict,
            &one.findings,
            into,
        );
        if let Some(death) = entry.death
            && one.verdict.code == entry.code
        {
            let right = lookup_deaths(captured, one, death);
            if !one
                .verdict
                .frame
                .is_some_and(|frame| right.contains(&frame))
            {
                into.push((
                    what.clone(),
                    format!("dies at frame {right:?} ({death:?})"),
                    format!("{:?}", one.verdict.frame),
                ));
            }
        }
    }
    for (entry, count) in truth.lookup.iter().zip(counts) {
        if entry.count.map_or(count == 0, |should| should != count) {
            let should = entry
                .count
                .map_or("at least 1".to_owned(), |count| count.to_string());
            into.push((
                format!("look-ups of {:?} {:?}", entry.name, entry.kind),
                should,
                count.to_string(),
            ));
        }
    }
}

/// Everything in which a recording's report differs from its truth.
fn mismatches(path: &Path, truth: &Truth) -> Vec<Mismatch> {
    let mut wrong = Vec::new();
    let captured = match Captured::read(path) {
        Ok(captured) => captured,
        Err(error) => return vec![("file".to_owned(), "a capture".to_owned(), error)],
    };
    let (records, undeclared) = judge_with(&captured.frames, &captured.end);
    let (mut conns, mut looks, mut own, mut causes) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for record in &records {
        match record {
            Record::Connection(one) => conns.push(&**one),
            Record::Lookup(one) => looks.push(one),
            Record::Finding(one) => own.push(one.verdict.code),
            Record::Summary(summary) => {
                causes.extend(summary.root_causes.iter().map(|cause| cause.code))
            }
            Record::Source(_) | Record::Attempt(_) => {}
        }
    }
    conns.sort_by_key(|one| (one.started, one.id));
    connections(&captured, truth, &conns, &mut wrong);
    lookups(&captured, truth, &looks, &mut wrong);
    let mut said: Vec<&str> = own.iter().chain(&causes).copied().collect();
    for (verdict, found) in conns
        .iter()
        .map(|one| (&one.verdict, &one.findings))
        .chain(looks.iter().map(|one| (&one.verdict, &one.findings)))
    {
        said.push(verdict.code);
        said.extend(findings(found));
    }
    for code in &truth.never {
        if said.contains(&code.as_str()) {
            wrong.push((
                "report".to_owned(),
                format!("never {code}"),
                "it is said".to_owned(),
            ));
        }
    }
    for code in &truth.findings {
        if !own.contains(&code.as_str()) {
            wrong.push((
                "report".to_owned(),
                format!("finding {code}"),
                format!("{own:?}"),
            ));
        }
    }
    if let Some(should) = &truth.root_causes {
        let mut should: Vec<&str> = should.iter().map(String::as_str).collect();
        should.sort_unstable();
        causes.sort_unstable();
        if should != causes {
            wrong.push((
                "root causes".to_owned(),
                format!("{should:?}"),
                format!("{causes:?}"),
            ));
        }
    }
    for (winner, other) in undeclared {
        wrong.push((
            "claims".to_owned(),
            format!("an order of {winner} and {other} in claim_order.rs"),
            "none is declared".to_owned(),
        ));
    }
    wrong
}

#[test]
fn every_capture_gets_its_truth() {
    let scenarios = scenarios();
    let wanted = std::env::var("MXRAY_ONLY").unwrap_or_default();
    let entries: Vec<(String, PathBuf)> = recordings()
        .into_iter()
        .filter(|(name, _)| scenarios.contains_key(name) && name.contains(&wanted))
        .collect();
    assert!(!entries.is_empty(), "no recordings");
    let results = in_parallel(&entries, |(name, path)| {
        mismatches(path, &scenarios[name].truth)
    });
    let mut table = String::new();
    let mut wrong = 0;
    for ((name, _), mismatches) in entries.iter().zip(&results) {
        wrong += usize::from(!mismatches.is_empty());
        for (what, should, is) in mismatches {
            let _ = writeln!(table, "{name} | {what} | {should} | {is}");
        }
    }
    assert!(
        table.is_empty(),
        "{wrong} of {} captures do not get their truth.\n\ncapture | what | should be | is\n{table}",
        entries.len()
    );
}
