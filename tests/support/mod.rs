//! What the tests share: a capture in, its records out.
#![allow(dead_code)] // every test takes what it needs

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use mxray::base::{Foreign, SourceId, Timestamp};

use mxray::capture::{CaptureReader, Input};
use mxray::diagnosis::Code;
use mxray::engine::record::Record;
use mxray::engine::{Config, Engine, Input as Frame, SourceEnd};

/// Replays one capture file through the engine.
pub fn replay(path: &Path) -> Result<Vec<Record>, String> {
    replay_with(path, Config::default())
}

/// The same with settings.
pub fn replay_with(path: &Path, config: Config) -> Result<Vec<Record>, String> {
    let mut reader =
        CaptureReader::open(&Input::Path(path.to_owned())).map_err(|error| error.to_string())?;
    let mut engine = Engine::new(config);
    let mut records = Vec::new();
    let source = engine.open_source("file", reader.name().clone(), None);
    while let Some(frame) = reader.next_frame() {
        engine.frame(&frame.of(source), &mut |record| records.push(record));
    }
    let summary = reader.summary();
    if let Some(until) = summary.watched {
        engine.watched(source, until);
    }
    engine.close_source(source, summary.end(), &mut |record| records.push(record));
    engine.finish(&mut |record| records.push(record));
    Ok(records)
}

/// Every file below a folder, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A frame that a test may change: its bytes are its own.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// LINKTYPE_ value.
    pub link_type: u16,
    /// When it was captured.
    pub time: Timestamp,
    /// What was captured.
    pub data: Arc<[u8]>,
    /// Its length on the wire.
    pub original_len: u32,
    /// One of mxray's own control packets.
    pub control: bool,
}

impl Kept {
    /// The frame as the engine takes it, as one of that source.
    pub fn of(&self, source: SourceId) -> Frame<'_> {
        Frame {
            source,
            number: self.number,
            interface: 0,
            link_type: self.link_type,
            time: self.time,
            data: &self.data,
            original_len: self.original_len,
            control: self.control,
        }
    }
}

/// A capture in memory.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Its frames in order.
    pub frames: Vec<Kept>,
    /// What it said at its end.
    pub end: SourceEnd,
}

impl Captured {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Captured, String> {
        let mut reader = CaptureReader::open(&Input::Path(path.to_owned()))
            .map_err(|error| error.to_string())?;
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame() {
            frames.push(Kept {
                number: frame.number,
                link_type: frame.link_type,
                time: frame.time,
                data: frame.data.into(),
                original_len: frame.original_len,
                control: frame.control,
            });
        }
        let end = reader.summary().end();
        Ok(Captured { frames, end })
    }

    /// What the engine says about it.
    pub fn judge(&self) -> Vec<Record> {
        judge(&self.frames, &self.end)
    }
}

/// What an engine says about these frames.
pub fn judge<'a>(frames: impl IntoIterator<Item = &'a Kept>, end: &SourceEnd) -> Vec<Record> {
    judge_with(frames, end).0
}

/// The same, and the pairs of claims that met without being declared.
pub fn judge_with<'a>(
    frames: impl IntoIterator<Item = &'a Kept>,
    end: &SourceEnd,
) -> (Vec<Record>, Vec<(Code, Code)>) {
    judge_trusting(frames, end, Vec::new())
}

/// The same with trust anchors (DER), as `--roots` gives them.
pub fn judge_trusting<'a>(
    frames: impl IntoIterator<Item = &'a Kept>,
    end: &SourceEnd,
    roots: Vec<Vec<u8>>,
) -> (Vec<Record>, Vec<(Code, Code)>) {
    // The table of replies is built once for all of them.
    static SETTINGS: OnceLock<Config> = OnceLock::new();
    let mut engine = Engine::new(Config {
        roots: Arc::new(roots),
        ..SETTINGS.get_or_init(Config::default).clone()
    });
    let mut records = Vec::new();
    let source: SourceId = engine.open_source("file", Foreign::from("memory"), None);
    for frame in frames {
        engine.frame(&frame.of(source), &mut |record| records.push(record));
    }
    engine.close_source(source, end.clone(), &mut |record| records.push(record));
    engine.finish(&mut |record| records.push(record));
    let undeclared = engine.undeclared().collect();
    (records, undeclared)
}

/// A seeded source of chance (SplitMix64): the same seed, the same choices.
pub struct Chance(u64);

impl Chance {
    /// From a text, so that every file has choices of its own.
    pub fn of(text: &str) -> Chance {
        // FNV-1a.
        let seed = text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        Chance(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound.max(1) as u64).unwrap_or(0)
    }

    /// At most `most` different numbers below `bound`, ascending; all of them when they fit.
    pub fn some_below(&mut self, bound: usize, most: usize) -> Vec<usize> {
        if bound <= most {
            return (0..bound).collect();
        }
        let mut chosen = std::collections::BTreeSet::new();
        while chosen.len() < most {
            chosen.insert(self.below(bound));
        }
        chosen.into_iter().collect()
    }
}

/// The project's own folder of recordings.
pub fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

/// The recordings below `captures/`, each under `CODE/NAME`.
pub fn recordings() -> BTreeMap<String, PathBuf> {
    let root = captures();
    files(&root)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "pcapng"))
        .map(|path| {
            let name = path.with_extension("");
            let name = name.strip_prefix(&root).expect("below captures");
            (name.to_string_lossy().replace('\\', "/"), path)
        })
        .collect()
}

/// Does something with every entry on all cores; the results in the order of the entries.
pub fn in_parallel<T: Sync, R: Send>(entries: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut mine = Vec::new();
                    loop {
                        let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let Some(entry) = entries.get(at) else {
                            return mine;
                        };
                        mine.push((at, work(entry)));
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a worker"))
            .collect()
    });
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// The codes that a page names in backticks.
pub fn named_on(page: &str) -> std::collections::BTreeSet<&'static str> {
    page.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| Code::from_name(quoted).map(Code::name))
        .collect()
}
