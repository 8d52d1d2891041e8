//! Five things stand for every verdict code: page, rule, scenario, capture with near miss, and the test
//! that loops over the folder. This test holds the catalogue, the pages and `captures/` together, and
//! replays every recording against the truth that was written by hand beside it.

#[path = "catalogue/by_probing.rs"]
mod by_probing;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use mxray::diagnosis::Code;
use mxray::lab::Frame;
use mxray::lab::truth::Truth;
use mxray::lab::verify::{anchors, verify};
use serde::Deserialize;

use support::{Captured, captures, files, in_parallel, judge_trusting, recordings};

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
    #[serde(default)]
    client: Vec<toml::Value>,
    #[serde(default)]
    probe: Vec<toml::Value>,
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
            let shaped = quoted.matches('.').count() == 1
                && quoted
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
        recorded.contains(name) && one.near_miss_of.iter().any(|of| of == code.name())
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
            let mut codes = truth
                .connection
                .iter()
                .map(|one| &one.code)
                .chain(truth.lookup.iter().map(|one| &one.code))
                .filter(|code| *code != "ok")
                .peekable();
            // Beside the near miss there may be a real one, to tell it from.
            let gets = codes.peek().is_some() && codes.all(|code| code == of);
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
            // Nobody but a probe speaks in it: there is nothing to be recorded.
            Err(_) if scenario.client.is_empty() && !scenario.probe.is_empty() => {}
            Err(_) => complain("no recording: `mxray lab record` makes it".to_owned()),
        }
    }
    for path in files(&captures()) {
        let scenario = path.with_extension("toml");
        match path.extension().and_then(|e| e.to_str()) {
            Some("toml" | "md") => {}
            Some("pcapng" | "pem") if scenario.exists() => {}
            _ => faults.push(format!("{}: nothing says what it is", path.display())),
        }
    }
    complain("Nothing is orphaned.", &faults);
}

/// Everything in which a recording's report differs from its truth, in words.
fn mismatches(path: &Path, truth: &Truth) -> Vec<String> {
    let captured = match Captured::read(path) {
        Ok(captured) => captured,
        Err(error) => return vec![error],
    };
    // Where the rule needs trust anchors they lie beside the recording.
    let roots = fs::read_to_string(path.with_extension("pem")).unwrap_or_default();
    let roots = match anchors(&roots) {
        Ok(roots) => roots,
        Err(error) => return vec![error.to_string()],
    };
    let (records, undeclared) = judge_trusting(&captured.frames, &captured.end, roots);
    let frames: Vec<Frame> = captured
        .frames
        .iter()
        .map(|frame| Frame {
            time: frame.time,
            bytes: frame.data.to_vec(),
            length: frame.original_len,
        })
        .collect();
    let wrong = verify(truth, &frames, &records);
    let undeclared = undeclared.iter().map(|(winner, other)| {
        format!("claims: {winner} and {other} meet, and claim_order.rs declares no order")
    });
    wrong
        .iter()
        .map(ToString::to_string)
        .chain(undeclared)
        .collect()
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
        for mismatch in mismatches {
            let _ = writeln!(table, "{name}: {mismatch}");
        }
    }
    assert!(
        table.is_empty(),
        "{wrong} of {} captures do not get their truth.\n\n{table}",
        entries.len()
    );
}
