//! What is cloned: the frames of a recording or of a script, and what the engine says of one alone.

use std::path::{Path, PathBuf};

use mxray::base::Foreign;
use mxray::capture::{CaptureReader, Input};
use mxray::engine::record::Record;
use mxray::engine::{Config, Engine, Input as Frame, SourceEnd};

use super::pcap::NOTHING;
use super::rewrite::{Identity, Normaliser};
use super::{BEGIN, Counts, Micros, SILENCE};

/// The longest recording that is cloned.
const LONGEST: Micros = 120 * super::SECOND;
/// The engine looks for what is ripe this often.
const STEP: Micros = 100_000;
/// The most frames of one.
const FRAMES: usize = 400;

/// A frame of a template.
pub struct Kept {
    /// Microseconds after the template's begin.
    pub after: Micros,
    /// Its bytes, with normal addresses.
    pub data: Vec<u8>,
    /// Its length on the wire.
    pub original_len: u32,
}

/// What is cloned.
pub struct Template {
    /// Its frames.
    pub frames: Vec<Kept>,
    /// What they take in a file.
    pub bytes: u64,
    /// What is said of one clone.
    pub expected: Counts,
}

impl Template {
    /// From frames with normal addresses.
    pub fn new(frames: Vec<Kept>) -> Template {
        let bytes = frames.iter().map(|kept| 16 + kept.data.len() as u64).sum();
        // Some look-ups count only in a world without mail: the others of a large capture are mail.
        let mail = super::scripts::three_packets();
        let beside = Company {
            frames: &mail,
            identity: Identity::new(0),
        };
        let mut expected = judge(&frames, Identity::new(1), Some(&beside));
        expected.take_away(&judge(&mail, Identity::new(0), None));
        Template {
            frames,
            bytes,
            expected,
        }
    }
}

/// The recordings that may be cloned: plain Ethernet, whole, short, and judged alike when silence follows.
pub fn recordings(folder: &Path) -> Result<Vec<Template>, String> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)
        .map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    paths.sort();
    Ok(paths.iter().filter_map(|path| recording(path)).collect())
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|name| name == "pcapng") {
            into.push(path);
        }
    }
    Ok(())
}

fn recording(path: &Path) -> Option<Template> {
    let mut reader = CaptureReader::open(&Input::Path(path.to_owned())).ok()?;
    let mut normaliser = Normaliser::default();
    let (mut frames, mut original) = (Vec::new(), Vec::new());
    let mut begin = None;
    while let Some(frame) = reader.next_frame() {
        if frame.link_type != 1 || frame.control || original.len() > FRAMES {
            return None;
        }
        let time = u64::try_from(frame.time.0).ok()? / 1_000;
        let after = time.checked_sub(*begin.get_or_insert(time))?;
        let mut data = frame.data.to_vec();
        original.push(Kept {
            after,
            data: data.clone(),
            original_len: frame.original_len,
        });
        if !carries(&data) {
            continue;
        }
        normaliser.normalise(&mut data)?;
        frames.push(Kept {
            after,
            data,
            original_len: frame.original_len,
        });
    }
    let summary = reader.summary();
    let whole = summary.damage.is_none() && summary.dropped == 0;
    let short = frames.last()?.after <= LONGEST;
    if !whole || !short || !reader.key_log().text().is_empty() {
        return None;
    }
    let template = Template::new(frames);
    let itself = judged(&original, None);
    let told = template.expected != Counts::default();
    (told
        && itself.connections == template.expected.connections
        && itself.lookups == template.expected.lookups)
        .then_some(template)
}

/// Whether a frame is TCP, UDP or an ICMP error over IP: what clones have. Neighbour discovery is of the link, which all of
/// them share.
fn carries(frame: &[u8]) -> bool {
    let at = |place: usize| frame.get(place).copied().unwrap_or_default();
    match (at(12), at(13)) {
        (8, 0) => match at(23) {
            6 | 17 => true,
            1 => matches!(at(14 + usize::from(at(14) & 15) * 4), 3 | 11 | 12),
            _ => false,
        },
        (0x86, 0xDD) => match at(20) {
            6 | 17 => true,
            58 => matches!(at(54), 1..=4),
            _ => false,
        },
        _ => false,
    }
}

/// Other frames of the same world.
pub struct Company<'a> {
    frames: &'a [Kept],
    identity: Identity,
}

/// What the engine says of a clone of these frames, with silence after them.
fn judge(frames: &[Kept], identity: Identity, beside: Option<&Company<'_>>) -> Counts {
    let cloned = |frames: &[Kept], identity: Identity| -> Vec<Kept> {
        let mut clones = Vec::with_capacity(frames.len());
        for frame in frames {
            let mut data = frame.data.clone();
            identity.put_on(&mut data);
            clones.push(Kept { data, ..*frame });
        }
        clones
    };
    let mut all = cloned(frames, identity);
    if let Some(company) = beside {
        all.extend(cloned(company.frames, company.identity));
        all.sort_by_key(|frame| frame.after);
    }
    judged(&all, Some(SILENCE))
}

/// What the engine says of frames; `silence`: what follows them before the capture ends.
fn judged(frames: &[Kept], silence: Option<Micros>) -> Counts {
    let mut engine = Engine::new(Config::default());
    let mut counts = Counts::default();
    let mut see = |record: Record| counts.see(&record);
    let source = engine.open_source("file", Foreign::from("template"), None);
    let last = frames.last().map_or(0, |kept| kept.after);
    let mut take = |number: u64, after: Micros, data: &[u8], original_len: u32| {
        let frame = Frame {
            source,
            number,
            interface: 0,
            link_type: 1,
            time: at(after),
            data,
            original_len,
            control: false,
        };
        engine.frame(&frame, &mut see);
    };
    let mut before = 0;
    for (number, kept) in (1..).zip(frames) {
        // In a large capture time passes in small steps, between the frames of a clone as well.
        while silence.is_some() && before + STEP < kept.after {
            before += STEP;
            take(number, before, &NOTHING, 60);
        }
        before = kept.after;
        take(number, kept.after, &kept.data, kept.original_len);
    }
    if let Some(silence) = silence {
        let steps = (1..3_000).map(|step| step * STEP);
        let long = (31..).map(|step| step * 10_000_000);
        let during = steps.chain(long).take_while(|after| *after < silence);
        for (number, after) in (10_000..).zip(during.chain([silence])) {
            take(number, last + after, &NOTHING, 60);
        }
    }
    engine.close_source(source, SourceEnd::default(), &mut see);
    engine.finish(&mut see);
    counts
}

fn at(after: Micros) -> mxray::base::Timestamp {
    mxray::base::Timestamp(i64::try_from((BEGIN + after) * 1_000).unwrap_or(i64::MAX))
}

impl Counts {
    fn take_away(&mut self, less: &Counts) {
        for (mine, theirs) in [
            (&mut self.connections, &less.connections),
            (&mut self.lookups, &less.lookups),
        ] {
            for (code, count) in theirs {
                if let Some(left) = mine.get_mut(code) {
                    *left -= count;
                }
            }
            mine.retain(|_, count| *count > 0);
        }
        self.other -= less.other;
    }

    /// Counts a record of the engine.
    pub fn see(&mut self, record: &Record) {
        let (counts, code) = match record {
            Record::Connection(connection) => (&mut self.connections, connection.verdict.code),
            Record::Lookup(lookup) => (&mut self.lookups, lookup.verdict.code),
            Record::Summary(summary) => {
                self.other += summary.other;
                return;
            }
            _ => return,
        };
        *counts.entry(code.to_owned()).or_default() += 1;
    }
}
