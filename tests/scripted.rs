//! Scripted conversations: what hosts send, what a capture shows, and what must be said about it, on one screen.
//!
//! Each case of `tests/scripted/*.talk` is played as written and in other manners that must not change its verdict:
//! other round trips, other capture points, IPv6, VLAN tags, a mirror port's duplicates, every byte in a segment of
//! its own, no TCP timestamps. With less to see (96 bytes of each frame, one direction, no beginning) a cause may become
//! `unknown` or nothing; it may never become another cause. `MXRAY_TALK=TEXT` plays only the cases whose
//! name contains it and prints what was said; with `MXRAY_TALK_PCAP=FOLDER` their frames are written there.

#[path = "scripted/dns.rs"]
mod dns;
#[path = "scripted/manners.rs"]
mod manners;
#[path = "scripted/player.rs"]
mod player;
#[path = "scripted/script.rs"]
mod script;
#[path = "scripted/stage.rs"]
mod stage;
mod support;
#[path = "scripted/tls.rs"]
mod tls;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mxray::diagnosis::Code;
use mxray::engine::SourceEnd;
use mxray::engine::record::{ConnectionRecord, Record};

use manners::{LESS, SAME};
use script::{Case, Expect};
use stage::{Manner, PLAIN};

/// What judging one case in one manner brought.
struct Played {
    connections: Vec<ConnectionRecord>,
    causes: BTreeSet<&'static str>,
    attempts: Vec<String>,
    lookups: Vec<String>,
    labels: std::collections::BTreeMap<String, u64>,
    undeclared: Vec<String>,
}

fn judge(case: &Case, manner: Manner) -> Played {
    let (stage, labels) = player::play(case, manner);
    let frames = stage.frames.iter().skip(manner.skip);
    if let Ok(folder) = std::env::var("MXRAY_TALK_PCAP") {
        let name = format!(
            "{}.{}.pcap",
            case.name.replace([' ', '/'], "_"),
            manner.name
        );
        fs::write(Path::new(&folder).join(name), pcap(&stage.frames)).expect("a file");
    }
    let (records, undeclared) = support::judge_with(frames, &SourceEnd::default());
    let mut played = Played {
        connections: Vec::new(),
        causes: BTreeSet::new(),
        attempts: Vec::new(),
        lookups: Vec::new(),
        labels,
        undeclared: undeclared
            .iter()
            .map(|(a, b)| format!("{} {}", a.name(), b.name()))
            .collect(),
    };
    for record in records {
        match record {
            Record::Connection(one) => played.connections.push(*one),
            Record::Attempt(one) => {
                played
                    .attempts
                    .push(format!("{} {}", one.outcome, one.verdict.code));
            }
            Record::Lookup(one) => {
                played.lookups.push(format!(
                    "{} {} {} {}",
                    one.name, one.kind, one.outcome, one.verdict.code
                ));
            }
            Record::Summary(one) => {
                played.causes = one.root_causes.iter().map(|cause| cause.code).collect();
            }
            _ => {}
        }
    }
    played.connections.retain(|one| one.service != "other");
    played.connections.sort_by_key(|one| one.id);
    played
}

/// A classic pcap file, microseconds.
fn pcap(frames: &[support::Kept]) -> Vec<u8> {
    let mut file = vec![
        0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
    ];
    for frame in frames {
        let micros = frame.time.0 / 1000;
        for word in [
            micros / 1_000_000,
            micros % 1_000_000,
            frame.data.len() as i64,
            i64::from(frame.original_len),
        ] {
            file.extend(u32::try_from(word).expect("fits").to_le_bytes());
        }
        file.extend(frame.data.iter());
    }
    file
}

fn show(one: &ConnectionRecord) -> String {
    let findings: Vec<String> = one
        .findings
        .iter()
        .map(|f| format!("{} {}", f.code, f.confidence))
        .collect();
    let others: Vec<&str> = one.verdict.alternatives.iter().map(|a| a.code).collect();
    format!(
        "{} {} {} {} at {} frame {:?} stage {} or {others:?} findings {findings:?}\n        {}",
        one.service,
        one.outcome,
        one.verdict.code,
        one.verdict.confidence,
        one.verdict.at.place,
        one.verdict.frame,
        one.stage,
        one.verdict.summary
    )
}

/// What is wrong with one connection's record, if anything.
fn wrong(expect: &Expect, one: &ConnectionRecord, played: &Played, manner: Manner) -> Vec<String> {
    let mut found = Vec::new();
    let verdict = &one.verdict;
    if !expect
        .outcome
        .split('|')
        .any(|outcome| outcome == one.outcome)
        || !expect.codes.iter().any(|code| code == verdict.code)
    {
        found.push(format!(
            "wanted {} {}",
            expect.outcome,
            expect.codes.join("|")
        ));
    }
    for (key, value) in &expect.terms {
        let number = || value.parse::<f64>().expect("a number");
        let holds = match key.as_str() {
            "at" => value.split('|').any(|place| place == verdict.at.place),
            "class" => verdict.class == Some(value.as_str()),
            "below" => verdict.confidence <= number(),
            "above" => verdict.confidence >= number(),
            "stage" => one.stage == value,
            "service" => one.service == value,
            "intent" => one.intent == Some(value.as_str()),
            "tls" => one.tls_mode == value,
            // Where the words end, in segments of a few bytes, a label does not say.
            "frame" => manner.chunk.is_some() || verdict.frame == played.labels.get(value).copied(),
            other => panic!("{other}: no such term"),
        };
        if !holds {
            found.push(format!("wanted {key}={value}"));
        }
    }
    let has = |code: &String| one.findings.iter().any(|finding| finding.code == code);
    for code in &expect.findings {
        if !has(code) {
            found.push(format!("wanted the finding {code}"));
        }
    }
    for code in &expect.no_findings {
        if has(code) {
            found.push(format!("wanted no finding {code}"));
        }
    }
    for code in &expect.alternatives {
        if !verdict.alternatives.iter().any(|other| other.code == code) {
            found.push(format!("wanted the alternative {code}"));
        }
    }
    for code in &expect.not {
        if has(code) || verdict.code == code {
            found.push(format!("wanted no {code}"));
        }
    }
    found
}

/// Checks one case in one manner; what is wrong, in words.
fn check(case: &Case, manner: Manner, less: bool) -> Vec<String> {
    let played = judge(case, manner);
    let mut found = Vec::new();
    let mut complain = |text: String| found.push(text);
    if std::env::var_os("MXRAY_TALK").is_some() {
        println!(
            "{} [{}]: {} frames",
            case.name,
            manner.name,
            played.labels.len()
        );
        for one in &played.connections {
            println!("    {}", show(one));
        }
        println!(
            "    causes {:?} attempts {:?} look-ups {:?}",
            played.causes, played.attempts, played.lookups
        );
    }
    for pair in &played.undeclared {
        complain(format!("undeclared pair {pair}"));
    }
    if less {
        // Mapping records to expectations needs all of them; else every record is held against all.
        let allowed: BTreeSet<&str> = case
            .expects
            .iter()
            .flat_map(|expect| {
                let alternatives = expect.alternatives.iter();
                let seen = expect.codes.iter().chain(&expect.findings);
                seen.chain(alternatives).chain(&expect.weaker)
            })
            .map(String::as_str)
            .chain(["ok", "unknown"])
            .collect();
        for one in &played.connections {
            // A weaker claim may stand that names the truth as its alternative.
            let named = one
                .verdict
                .alternatives
                .iter()
                .any(|a| allowed.contains(a.code));
            if !named && !allowed.contains(one.verdict.code) {
                complain(format!("with less to see: {}", show(one)));
            }
        }
        return found;
    }
    if played.connections.len() != case.expects.len() {
        let all: Vec<String> = played.connections.iter().map(show).collect();
        complain(format!(
            "{} connections, wanted {}: {all:?}",
            all.len(),
            case.expects.len()
        ));
        return found;
    }
    let mut failed = false;
    for (expect, one) in case.expects.iter().zip(&played.connections) {
        let faults = wrong(expect, one, &played, manner);
        if !faults.is_empty() {
            complain(format!("{}\n      is {}", faults.join("; "), show(one)));
        }
        failed |= matches!(one.outcome, "failed" | "degraded");
    }
    let causes: Vec<&str> = played.causes.iter().copied().collect();
    match &case.causes {
        Some(wanted) => {
            let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
            if wanted != played.causes {
                complain(format!("root causes {causes:?}, wanted {wanted:?}"));
            }
        }
        None if !failed && !played.causes.is_empty() && case.lookups.is_empty() => {
            complain(format!("root causes {causes:?} of nothing that failed"));
        }
        None => {}
    }
    if let Some(wanted) = &case.attempts
        && *wanted != played.attempts
    {
        complain(format!("attempts {:?}, wanted {wanted:?}", played.attempts));
    }
    for wanted in &case.lookups {
        if !played.lookups.contains(wanted) {
            complain(format!("look-ups {:?}, wanted {wanted}", played.lookups));
        }
    }
    found
}

/// The cases of the scripts, those that are asked for.
fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripted");
    let mut files: Vec<_> = support::files(&folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "talk"))
        .collect();
    if let Ok(extra) = std::env::var("MXRAY_TALK_FILE") {
        files = vec![extra.into()];
    }
    let only = std::env::var("MXRAY_TALK").ok();
    let mut cases = Vec::new();
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a script");
        for case in script::parse(&text) {
            assert!(
                names.insert(case.name.clone()),
                "{} stands twice",
                case.name
            );
            if only
                .as_ref()
                .is_none_or(|only| case.name.contains(only.as_str()))
            {
                cases.push(case);
            }
        }
    }
    assert!(!cases.is_empty(), "no scripts");
    cases
}

/// The codes that may be said of a case with less to see: what is expected, and what the pages of that name.
fn weaker(case: &Case) -> BTreeSet<&str> {
    let mut allowed: BTreeSet<&str> = ["ok", "unknown"].into();
    for expect in &case.expects {
        allowed.extend(expect.codes.iter().map(String::as_str));
        allowed.extend(expect.findings.iter().map(String::as_str));
        allowed.extend(expect.alternatives.iter().map(String::as_str));
        allowed.extend(expect.weaker.iter().map(String::as_str));
        for code in &expect.codes {
            // What was `ok` or `unknown` stays one of these.
            if let Some(code) = Code::from_name(code)
                && !matches!(code.name(), "ok" | "unknown")
            {
                allowed.extend(support::named_on(code.page()));
            }
        }
    }
    allowed
}

/// A capture misses one frame, whichever: what is lost may have been the answer, never becomes another cause.
#[test]
fn no_frame_left_out_makes_another_verdict() {
    let cases = cases();
    let found = support::in_parallel(&cases, |case| {
        let (stage, _) = player::play(case, PLAIN);
        let allowed = weaker(case);
        let mut found = Vec::new();
        for out in 0..stage.frames.len() {
            let kept = stage.frames.iter().enumerate();
            let kept = kept.filter(|(at, _)| *at != out).map(|(_, frame)| frame);
            let (records, _) = support::judge_with(kept, &SourceEnd::default());
            for record in &records {
                let Record::Connection(one) = record else {
                    continue;
                };
                if one.service != "other" && !allowed.contains(one.verdict.code) {
                    found.push(format!(
                        "{} without frame {}: {}",
                        case.name,
                        out + 1,
                        show(one)
                    ));
                }
            }
        }
        found
    });
    let faults: Vec<String> = found.into_iter().flatten().collect();
    assert!(
        faults.is_empty(),
        "{} verdicts of less evidence are other ones:\n  {}",
        faults.len(),
        faults.join("\n  ")
    );
}

/// What servers say: each line of the table is a conversation.
#[test]
fn replies_get_the_code_that_the_table_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripted/replies.tsv");
    let only = std::env::var("MXRAY_TALK").ok();
    let mut cases = script::replies(&fs::read_to_string(file).expect("the table"));
    cases.retain(|case| {
        only.as_ref()
            .is_none_or(|only| case.name.contains(only.as_str()))
    });
    let manners = [SAME[0], SAME[10]];
    let found = support::in_parallel(&cases, |case| {
        let run = |manner: &Manner| {
            let run = std::panic::catch_unwind(|| check(case, *manner, false));
            run.unwrap_or_else(|_| vec!["panicked".to_owned()])
        };
        let faults: Vec<String> = manners.iter().flat_map(run).collect();
        faults
            .first()
            .map(|fault| format!("{}: {fault}", case.name))
    });
    let faults: Vec<String> = found.into_iter().flatten().collect();
    assert!(
        faults.is_empty(),
        "{} of {} replies were read wrongly:\n  {}",
        faults.len(),
        cases.len(),
        faults.join("\n  ")
    );
}

#[test]
fn conversations_get_the_verdict_that_their_script_says() {
    let cases = cases();
    let jobs: Vec<(&Case, Manner, bool)> = cases
        .iter()
        .flat_map(|case| {
            let same = SAME.iter().map(move |manner| (case, *manner, false));
            same.chain(LESS.iter().map(move |manner| (case, *manner, true)))
        })
        .filter(|(case, manner, _)| {
            let name = manner.name.to_owned();
            (case.only.is_empty() || case.only.contains(&name)) && !case.never.contains(&name)
        })
        .collect();
    let found = support::in_parallel(&jobs, |(case, manner, less)| {
        let run = std::panic::catch_unwind(|| check(case, *manner, *less));
        run.unwrap_or_else(|_| vec!["panicked".to_owned()])
            .into_iter()
            .map(|fault| format!("{} [{}]: {fault}", case.name, manner.name))
            .collect::<Vec<_>>()
    });
    let faults: Vec<String> = found.into_iter().flatten().collect();
    assert!(
        faults.is_empty(),
        "{} of {} plays went wrong:\n  {}",
        faults.len(),
        jobs.len(),
        faults.join("\n  ")
    );
}
