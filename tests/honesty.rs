//! The law of honesty: less evidence may make a verdict weaker, never other.
//!
//! Every recording is cut before and after its frames, its frames are cut to 96 and 68 bytes, single frames, bursts, random ones and
//! whole directions are left out, frames close together change places, and what is left is judged again. A cause may become `unknown`, `ok`, or a
//! code that its page names; what was `ok` or `unknown` stays one of these. Flipped bytes never panic.

#[path = "honesty/exceptions.rs"]
mod exceptions;
#[path = "honesty/losses.rs"]
mod losses;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use mxray::base::Timestamp;
use mxray::diagnosis::Code;
use mxray::engine::record::Record;

use exceptions::{EXCEPTIONS, excepted};
use losses::{Holes, Loss, Times, after};
use support::{Captured, Chance, Kept, files, in_parallel, judge, named_on, recordings};

/// Cuts, and single frames left out, of one recording.
const SAMPLE: usize = 400;
/// The same of a capture of somebody else's.
const FOREIGN_SAMPLE: usize = 200;
/// Files of somebody else's, at most.
const FOREIGN_FILES: usize = 1_000;
/// Frames of such a file, at most: longer ones are for other tests.
const FOREIGN_FRAMES: usize = 3_000;
/// Bytes that a short snap length leaves of a frame: headers and some words, and (tcpdump's old default) IPv6 without the
/// end of TCP's header.
const SNAPLENS: [usize; 2] = [96, 68];
/// Versions of one recording with frames moved.
const MOVED: usize = 12;
/// Versions of one recording with each kind of holes; of somebody else's none, since hardly one of those is without holes.
const HOLES: usize = 25;
/// Flipped versions of one recording.
const FLIPPED: usize = 30;

/// A connection or look-up as the evidence identifies it, whoever is taken for the client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Connection((String, u16), (String, u16)),
    Lookup(String, String, String, String),
}

struct Judged {
    subject: Subject,
    from: Timestamp,
    to: Timestamp,
    code: &'static str,
    frame: Option<u64>,
}

fn judged(records: &[Record]) -> Vec<Judged> {
    let mut found = Vec::new();
    for record in records {
        match record {
            Record::Connection(one) => {
                let mut ends = [
                    (one.client.ip.clone(), one.client.port),
                    (one.server.ip.clone(), one.server.port),
                ];
                ends.sort();
                let [low, high] = ends;
                found.push(Judged {
                    subject: Subject::Connection(low, high),
                    from: one.started.0,
                    to: one.ended.0,
                    code: one.verdict.code,
                    frame: one.verdict.frame,
                });
            }
            Record::Lookup(one) => found.push(Judged {
                subject: Subject::Lookup(
                    one.client.clone(),
                    one.resolver.clone(),
                    one.name.to_string(),
                    one.kind.clone(),
                ),
                from: one.started.0,
                to: Timestamp(i64::MAX),
                code: one.verdict.code,
                frame: one.verdict.frame,
            }),
            _ => {}
        }
    }
    found
}

/// What the whole evidence said about the same thing.
fn before<'a>(whole: &'a [Judged], now: &Judged) -> Option<&'a Judged> {
    let same = || whole.iter().filter(|one| one.subject == now.subject);
    same()
        .find(|one| {
            one.from <= now.to
                && now.from <= one.to
                && matches!(one.subject, Subject::Connection(..))
        })
        .or_else(|| {
            same()
                .filter(|one| one.from <= now.from)
                .max_by_key(|one| one.from)
        })
        .or_else(|| same().next())
}

/// The codes that a page names, worked out once.
struct Pages(BTreeMap<&'static str, BTreeSet<&'static str>>);

impl Pages {
    fn new() -> Pages {
        Pages(
            Code::ALL
                .iter()
                .map(|code| (code.name(), named_on(code.page())))
                .collect(),
        )
    }

    fn allow(&self, from: &str, to: &str) -> bool {
        let harmless = |code: &str| matches!(code, "ok" | "unknown");
        from == to
            || harmless(to)
            || !harmless(from) && self.0.get(from).is_some_and(|named| named.contains(to))
    }
}

fn addresses(records: &[Record]) -> BTreeSet<IpAddr> {
    records
        .iter()
        .filter_map(|record| match record {
            Record::Connection(one) => one.client.ip.parse().ok(),
            Record::Lookup(one) => one.client.parse().ok(),
            _ => None,
        })
        .collect()
}

/// What was said about less evidence and must not be: key, how often, and the first case in words.
type Violations = BTreeMap<(String, &'static str, &'static str, &'static str), (usize, String)>;

fn examine(
    name: &str,
    captured: &Captured,
    sample: usize,
    rounds: usize,
    pages: &Pages,
) -> Violations {
    let records = captured.judge();
    let whole = judged(&records);
    let clients = addresses(&records);
    let mut chance = Chance::of(name);
    let count = captured.frames.len();
    let mut losses = vec![Loss::ClientUnheard, Loss::ServerUnheard];
    losses.extend(SNAPLENS.map(Loss::Short));
    for round in 0..rounds {
        for holes in [Holes::Burst, Holes::Few, Holes::Many, Holes::OneSide] {
            losses.push(Loss::Holes(holes, round));
        }
    }

    for round in 0..MOVED {
        losses.push(Loss::Moved(Times::Kept, round));
        losses.push(Loss::Moved(Times::OfThePlace, round));
    }
    losses.extend(
        chance
            .some_below(count.saturating_sub(1), sample)
            .into_iter()
            .map(Loss::CutAfter),
    );
    losses.extend(
        chance
            .some_below(count, sample)
            .into_iter()
            .map(Loss::BeginsWith),
    );
    losses.extend(
        chance
            .some_below(count, sample)
            .into_iter()
            .map(Loss::Without),
    );
    let mut found = Violations::new();
    for loss in losses {
        for now in judged(&after(captured, loss, &clients)) {
            let was = before(&whole, &now).map_or("unknown", |was| was.code);
            if pages.allow(was, now.code) || excepted(name, loss, was, now.code) {
                continue;
            }
            let entry = found
                .entry((name.to_owned(), loss.kind(), was, now.code))
                .or_insert_with(|| {
                    let place = loss.place(&captured.frames);
                    (
                        0,
                        format!("{place} {:?} shown by frame {:?}", now.subject, now.frame),
                    )
                });
            entry.0 += 1;
        }
    }
    found
}

fn complain(violations: &[Violations]) {
    let mut table = String::new();
    for ((name, kind, was, is), (times, example)) in violations.iter().flatten() {
        let _ = writeln!(
            table,
            "{name} | {kind} | {was} → {is} | {times} | {example}"
        );
    }
    assert!(
        table.is_empty(),
        "With less evidence a verdict must not become another.\n\ncapture | what was done | verdict | times | first\n{table}"
    );
}

fn wanted(name: &str) -> bool {
    std::env::var("MXRAY_ONLY").map_or(true, |only| name.contains(&only))
}

#[test]
fn less_evidence_never_makes_another_verdict() {
    let pages = Pages::new();
    let entries: Vec<(String, PathBuf)> = recordings()
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .collect();
    assert!(!entries.is_empty(), "no recordings");
    let found = in_parallel(&entries, |(name, path)| {
        let captured = Captured::read(path).expect("a capture");
        examine(name, &captured, SAMPLE, HOLES, &pages)
    });
    complain(&found);
}

/// Captures of somebody else's, a seeded sample of those that are set.
fn foreign() -> Option<Vec<PathBuf>> {
    let Some(folders) = std::env::var_os("MXRAY_EXTRA_CAPTURES") else {
        eprintln!("SKIPPED: MXRAY_EXTRA_CAPTURES names no folder of captures");
        return None;
    };
    let mut found = Vec::new();
    for folder in std::env::split_paths(&folders) {
        let mail = folder.join("mail");
        found.extend(files(if mail.is_dir() { &mail } else { &folder }));
    }
    let chosen = Chance::of("foreign").some_below(found.len(), FOREIGN_FILES);
    Some(
        chosen
            .into_iter()
            .filter_map(|at| found.get(at).cloned())
            .collect(),
    )
}

#[test]
fn less_evidence_of_somebody_elses_never_makes_another_verdict() {
    let Some(paths) = foreign() else { return };
    let pages = Pages::new();
    let found = in_parallel(&paths, |path| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match Captured::read(path) {
            Ok(captured) if captured.frames.len() <= FOREIGN_FRAMES => {
                examine(&name, &captured, FOREIGN_SAMPLE, 0, &pages)
            }
            _ => Violations::new(),
        }
    });
    complain(&found);
}

/// Flips, cuts and lengthens what it likes.
fn spoiled(frame: &Kept, chance: &mut Chance) -> Kept {
    let mut data = frame.data.to_vec();
    for _ in 0..=chance.below(3) {
        let at = chance.below(data.len());
        if let Some(byte) = data.get_mut(at) {
            *byte ^= u8::try_from(1 << chance.below(8)).unwrap_or(1);
        }
    }
    // Headers are where lengths stand.
    let at = chance.below(70);
    if let Some(byte) = data.get_mut(at) {
        *byte = [0, 0xFF, 0x7F, 0x80][chance.below(4)];
    }
    if chance.below(6) == 0 {
        data.truncate(chance.below(data.len() + 1));
    }
    let original_len = match chance.below(8) {
        0 => u32::MAX,
        1 => 0,
        _ => frame.original_len,
    };
    let time = match chance.below(40) {
        0 => Timestamp(i64::MAX),
        1 => Timestamp(i64::MIN),
        2 => Timestamp(0),
        _ => frame.time,
    };
    Kept {
        data: data.into(),
        original_len,
        time,
        ..frame.clone()
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let entries: Vec<(String, PathBuf)> = recordings()
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .collect();
    let found = in_parallel(&entries, |(name, path)| {
        let captured = Captured::read(path).expect("a capture");
        let mut broken = Vec::new();
        for round in 0..FLIPPED {
            let mut chance = Chance::of(&format!("{name} {round}"));
            // From a few frames to every frame.
            let every = [1, 4, 16][round % 3];
            let frames: Vec<Kept> = captured
                .frames
                .iter()
                .map(|frame| {
                    if chance.below(every) == 0 {
                        spoiled(frame, &mut chance)
                    } else {
                        frame.clone()
                    }
                })
                .collect();
            let outcome = catch_unwind(AssertUnwindSafe(|| judge(&frames, &captured.end)));
            match outcome {
                Ok(records) => {
                    // What comes out can be printed, whatever came in.
                    if serde_json::to_string(&records).is_err() {
                        broken.push(format!(
                            "{name}, round {round}: the records do not serialise"
                        ));
                    }
                }
                Err(_) => broken.push(format!("{name}, round {round}: a panic, its message above")),
            }
        }
        broken
    });
    let broken: Vec<String> = found.into_iter().flatten().collect();
    assert!(
        broken.is_empty(),
        "Foreign bytes must not panic.\n  {}\n",
        broken.join("\n  ")
    );
}

#[test]
fn exceptions_name_codes_that_exist() {
    for (capture, _, from, to, why) in EXCEPTIONS {
        assert!(
            Code::from_name(from).is_some() && Code::from_name(to).is_some(),
            "{capture}: {from} → {to}"
        );
        assert!(why.len() > 20, "{capture}: the packets that justify it");
    }
}
