//! The law of honesty: less evidence may make a verdict weaker, never other.
//!
//! Every recording is cut before and after its frames, its frames are cut to 96 and 68 bytes, single frames and whole
//! directions are left out, frames close together change places, and what is left is judged again. A cause may become `unknown`, `ok`, or a
//! code that its page names; what was `ok` or `unknown` stays one of these. Flipped bytes never panic.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use mxray::base::Timestamp;
use mxray::diagnosis::Code;
use mxray::engine::record::Record;
use mxray::wire::{Net, dissect};

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
/// Versions of one recording with frames moved, how far at the most, and how close together they lie.
const MOVED: usize = 12;
const FURTHEST: usize = 3;
const CLOSE: i64 = 1_000_000;
/// Flipped versions of one recording.
const FLIPPED: usize = 30;

/// What may happen all the same: `(capture, what was done, from, to, the packets that justify it)`.
/// A capture that ends in `/` means the folder's, `*` those of somebody else's.
const EXCEPTIONS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "dns.nxdomain/near-search-list",
        "cut",
        "ok",
        "dns.nxdomain",
        "frame 4 is NXDOMAIN, and no name was asked for after it yet",
    ),
    (
        "dns.nxdomain/near-search-list",
        "frame left out",
        "ok",
        "dns.nxdomain",
        "frame 4 is NXDOMAIN; frames 5 and 6, the next name and its answer, are what redeems it",
    ),
    (
        "dns.truncated-no-tcp/near-tcp-works",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 4 is the truncated answer; without it the query of frame 3 is answered over TCP only, in frame 9",
    ),
    (
        "dns.truncated-no-tcp/reset",
        "begun late",
        "dns.truncated-no-tcp",
        "dns.port-closed",
        "frame 19 is the resolver's RST on TCP/53; the truncated answers over UDP came before",
    ),
    (
        "tcp.reset-by-path/",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 4 is the answer; without it the same question, asked again for the next connection, answers frame 3 late",
    ),
    (
        "tcp.options-stripped/",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 4 is the answer; without it the same question, asked again for the next connection, answers frame 3 late",
    ),
    (
        "dns.type-dropped/",
        "frame left out",
        "ok",
        "dns.timeout",
        "frame 5 is the only answer to a question for A that was asked more than once",
    ),
    (
        "dns.type-dropped/",
        "server unheard",
        "ok",
        "dns.timeout",
        "frame 5 is the only answer to a question for A that was asked more than once",
    ),
    (
        "dns.large-dropped/",
        "frame left out",
        "ok",
        "dns.timeout",
        "frame 5 is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "dns.large-dropped/",
        "server unheard",
        "ok",
        "dns.timeout",
        "frame 5 is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "tcp.option-dropped/near-first-syn-lost",
        "frame left out",
        "ok",
        "path.slow",
        "frame 6 is the SYN sent again; without it the SYN-ACK of frame 7 answers a SYN of a second before",
    ),
    (
        "tcp.idle-dropped/reset",
        "client unheard",
        "tcp.idle-dropped",
        "tcp.reset-midstream-by-path",
        "frame 21 is a device's RST; that the client's segment after a pause drew it is not to be seen",
    ),
    (
        "tcp.idle-dropped/reset",
        "frame left out",
        "tcp.idle-dropped",
        "tcp.reset-midstream-by-path",
        "frame 21 is a device's RST; that the client's segment after a pause drew it is not to be seen",
    ),
    (
        "tcp.reset-midstream-by-path/",
        "frame left out",
        "tcp.reset-midstream-by-path",
        "tcp.client-reset",
        "the frame left out is the RST in the server's name; what is left is the RST of the client's side",
    ),
    (
        "arkime_synthetic.pcap",
        "68 bytes",
        "unknown",
        "path.slow",
        "frames 378 and 379 are a SYN and a SYN-ACK 1 s apart; what is cut is the dialogue that made it no verdict",
    ),
    (
        "Teredo.pcap",
        "begun late",
        "ok",
        "dns.no-address",
        "frame 21 is the question for AAAA; without it nobody asked for more than the A that frame 24 says is not there",
    ),
    (
        "arkime_synthetic.pcap",
        "frame left out",
        "unknown",
        "path.slow",
        "frames 378 and 379 are a SYN and a SYN-ACK 1 s apart; the frame left out is of the dialogue that made it no verdict",
    ),
    (
        "v6.pcap",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 15 is the answer; without it the same question, asked again in frame 80, is answered 11 s after frame 14",
    ),
    (
        "Teredo.pcap",
        "frame left out",
        "ok",
        "dns.no-address",
        "frame 21 is the question for AAAA; without it nobody asked for more than the A that frame 24 says is not there",
    ),
    (
        "wikipedia-filtered-plus-udp.pcap",
        "cut",
        "ok",
        "dns.nxdomain",
        "frame 9 is NXDOMAIN for a name of the search list, and no name was asked for after it yet",
    ),
    (
        "wikipedia-filtered-plus-udp.pcap",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 7 is the answer; without it the same question, asked again, is what is answered",
    ),
    (
        "wikipedia.pcap",
        "cut",
        "ok",
        "dns.nxdomain",
        "frame 19 is NXDOMAIN for a name of the search list, and no name was asked for after it yet",
    ),
    (
        "wikipedia.pcap",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 17 is the answer; without it the same question, asked again, is what is answered",
    ),
    (
        "*",
        "frame left out",
        "ok",
        "dns.timeout",
        "what is left out is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "*",
        "frame left out",
        "unknown",
        "dns.timeout",
        "what is left out is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "*",
        "server unheard",
        "ok",
        "dns.timeout",
        "what is left out is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "*",
        "server unheard",
        "unknown",
        "dns.timeout",
        "what is left out is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "almost-resp.pcap",
        "moved",
        "unknown",
        "tcp.reset-midstream",
        "frame 11 is a RST; what it answers is read from the order",
    ),
    (
        "almost-resp.pcap",
        "moved with their times",
        "unknown",
        "tcp.reset-midstream",
        "frame 11 is a RST; what it answers is read from the order",
    ),
];

/// What was done to a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    BeginsWith(usize),
    CutAfter(usize),
    Without(usize),
    Short(usize),
    ClientUnheard,
    ServerUnheard,
    /// Frames change places as capture hardware with several queues makes them; with their times, or each with the time of its place.
    Moved(Times, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Times {
    Kept,
    OfThePlace,
}

impl Loss {
    fn kind(self) -> &'static str {
        match self {
            Loss::BeginsWith(_) => "begun late",
            Loss::CutAfter(_) => "cut",
            Loss::Without(_) => "frame left out",
            Loss::Short(96) => "96 bytes",
            Loss::Short(_) => "68 bytes",
            Loss::ClientUnheard => "client unheard",
            Loss::ServerUnheard => "server unheard",
            Loss::Moved(Times::Kept, _) => "moved with their times",
            Loss::Moved(Times::OfThePlace, _) => "moved",
        }
    }

    fn place(self, frames: &[Kept]) -> String {
        match self {
            Loss::BeginsWith(at) => {
                format!("from frame {}", frames.get(at).map_or(0, |f| f.number))
            }
            Loss::CutAfter(at) => format!("after frame {}", frames.get(at).map_or(0, |f| f.number)),
            Loss::Without(at) => {
                format!("without frame {}", frames.get(at).map_or(0, |f| f.number))
            }
            Loss::Moved(_, round) => format!("in round {round}"),
            Loss::Short(_) | Loss::ClientUnheard | Loss::ServerUnheard => String::new(),
        }
    }
}

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

fn excepted(name: &str, kind: &str, from: &str, to: &str) -> bool {
    EXCEPTIONS.iter().any(|(capture, done, was, is, _)| {
        let named = *capture == name
            || capture.ends_with('/') && name.starts_with(capture)
            || *capture == "*" && !name.contains('/');
        named && *done == kind && *was == from && *is == to
    })
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

fn shortened(frame: &Kept, snaplen: usize) -> Kept {
    let data = frame
        .data
        .get(..snaplen)
        .map_or_else(|| Arc::clone(&frame.data), Arc::from);
    Kept {
        data,
        ..frame.clone()
    }
}

/// Frames that lie close together change places, none by more than a few.
fn moved(frames: &[Kept], times: Times, round: usize) -> Vec<Kept> {
    let mut chance = Chance::of(&format!("{} {round}", frames.len()));
    let mut places: Vec<usize> = (0..frames.len()).collect();
    let mut at = 0;
    while at + 1 < frames.len() {
        let with = at + 1 + chance.below(FURTHEST);
        let near = frames
            .get(with)
            .is_some_and(|other| other.time.since(frames[at].time).abs() <= CLOSE);
        if near && chance.below(2) == 0 {
            places.swap(at, with);
            at = with;
        }
        at += 1;
    }
    let place = |(at, from): (usize, &usize)| {
        let frame = frames[*from].clone();
        match times {
            Times::Kept => frame,
            Times::OfThePlace => Kept {
                time: frames[at].time,
                ..frame
            },
        }
    };
    let mut changed: Vec<Kept> = places.iter().enumerate().map(place).collect();
    for (at, frame) in changed.iter_mut().enumerate() {
        frame.number = frames[at].number;
    }
    changed
}

fn ends(frame: &Kept) -> Option<(IpAddr, IpAddr)> {
    match dissect(frame.link_type, &frame.data, frame.original_len).net {
        Net::Ip(ip) => Some((ip.source, ip.destination)),
        Net::Arp(_) | Net::None => None,
    }
}

fn after(captured: &Captured, loss: Loss, clients: &BTreeSet<IpAddr>) -> Vec<Record> {
    let frames = &captured.frames;
    let end = &captured.end;
    match loss {
        Loss::BeginsWith(at) => judge(frames.iter().skip(at), end),
        Loss::CutAfter(at) => judge(frames.iter().take(at + 1), end),
        Loss::Without(out) => judge(
            frames
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != out)
                .map(|(_, frame)| frame),
            end,
        ),
        Loss::Short(snaplen) => {
            let short: Vec<Kept> = frames.iter().map(|f| shortened(f, snaplen)).collect();
            judge(&short, end)
        }
        Loss::Moved(times, round) => judge(&moved(frames, times, round), end),
        Loss::ClientUnheard => judge(
            frames
                .iter()
                .filter(|frame| ends(frame).is_none_or(|(source, _)| !clients.contains(&source))),
            end,
        ),
        Loss::ServerUnheard => judge(
            frames
                .iter()
                .filter(|frame| ends(frame).is_none_or(|(_, to)| !clients.contains(&to))),
            end,
        ),
    }
}

/// What was said about less evidence and must not be: key, how often, and the first case in words.
type Violations = BTreeMap<(String, &'static str, &'static str, &'static str), (usize, String)>;

fn examine(name: &str, captured: &Captured, sample: usize, pages: &Pages) -> Violations {
    let records = captured.judge();
    let whole = judged(&records);
    let clients = addresses(&records);
    let mut chance = Chance::of(name);
    let count = captured.frames.len();
    let mut losses = vec![Loss::ClientUnheard, Loss::ServerUnheard];
    losses.extend(SNAPLENS.map(Loss::Short));
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
            if pages.allow(was, now.code) || excepted(name, loss.kind(), was, now.code) {
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
        examine(name, &captured, SAMPLE, &pages)
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
                examine(&name, &captured, FOREIGN_SAMPLE, &pages)
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
