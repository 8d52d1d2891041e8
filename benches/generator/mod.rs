//! Captures for measuring and for tests: large, deterministic, with verdicts that are known.
//!
//! Real recordings (`captures/`) are cloned thousands of times under other addresses and ports, interleaved, and mixed
//! with bulk traffic that is no mail. Verdicts are known because a clone among many must be judged as one alone is, and
//! a recording is taken only if one alone is judged as its original. Same recipe, same bytes. It measures nothing.

mod bulk;
mod pcap;
mod rewrite;
mod scripts;
mod template;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{self, Write};
use std::path::Path;

use bulk::Bulk;
use pcap::Writer;
use rewrite::Identity;
use serde::{Deserialize, Serialize};
use template::Template;

/// Microseconds of capture time.
pub type Micros = u64;

const SECOND: Micros = 1_000_000;
/// When every capture begins: 2026-01-01T00:00:00Z.
const BEGIN: Micros = 1_767_225_600 * SECOND;
/// The last frame of every capture stands alone, so long after all others that everything was judged by then.
const SILENCE: Micros = 3 * 3_600 * SECOND;

/// What a capture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Clones of the recordings among 60 % of bulk bytes: nine in ten of such as are in order, as on a network that people work on.
    Mixed,
    /// The same with every recording as often as any other: two in three connections fail.
    Failures,
    /// One mail connection with one long message.
    OneConnection,
    /// Connections of three packets each.
    Short,
    /// SYNs that nobody answers.
    Syns,
    /// Mail sessions that are all open at the same time.
    OpenAtOnce,
    /// Nothing but look-ups.
    AllDns,
    /// Nothing but bulk traffic.
    Bulk,
}

impl Case {
    /// All of them.
    pub const ALL: [Case; 8] = [
        Case::Mixed,
        Case::Failures,
        Case::OneConnection,
        Case::Short,
        Case::Syns,
        Case::OpenAtOnce,
        Case::AllDns,
        Case::Bulk,
    ];

    /// Its name on command lines and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Case::Mixed => "mixed",
            Case::Failures => "failures",
            Case::OneConnection => "one-connection",
            Case::Short => "three-packets",
            Case::Syns => "syns",
            Case::OpenAtOnce => "open-at-once",
            Case::AllDns => "all-dns",
            Case::Bulk => "bulk",
        }
    }

    /// The case of that name.
    pub fn from_name(name: &str) -> Option<Case> {
        Case::ALL.into_iter().find(|case| case.name() == name)
    }
}

/// What determines every byte of a capture.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// What it holds.
    pub case: Case,
    /// How many bytes the file has, about.
    pub size: u64,
    /// Where chance begins.
    pub seed: u64,
}

/// What is known of a capture that was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Frames.
    pub frames: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Recordings or scripts that were cloned.
    pub templates: u64,
    /// How often all of them.
    pub clones: u64,
    /// What must be said of it.
    pub expected: Counts,
}

/// Verdicts, counted. Attempts are left out: whether a clone among many makes the attempts that one alone makes was not
/// established, so nothing is claimed of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Of connections.
    pub connections: BTreeMap<String, u64>,
    /// Of look-ups.
    pub lookups: BTreeMap<String, u64>,
    /// Connections and look-ups that are not mail.
    pub other: u64,
}

impl Counts {
    /// Every connection and look-up works.
    fn sound(&self) -> bool {
        self.connections
            .keys()
            .chain(self.lookups.keys())
            .all(|code| code == "ok")
    }

    fn add(&mut self, more: &Counts, times: u64) {
        for (mine, theirs) in [
            (&mut self.connections, &more.connections),
            (&mut self.lookups, &more.lookups),
        ] {
            for (code, count) in theirs {
                *mine.entry(code.clone()).or_default() += count * times;
            }
        }
        self.other += more.other * times;
    }
}

/// A seeded source of chance (SplitMix64).
pub struct Chance(u64);

impl Chance {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

/// Something that sends frames.
enum Unit<'a> {
    Clone {
        template: &'a Template,
        identity: Identity,
        start: Micros,
        next: usize,
    },
    Bulk(Box<Bulk>),
}

impl Unit<'_> {
    /// When its next frame is due.
    fn due(&self) -> Option<Micros> {
        match self {
            Unit::Clone {
                template,
                start,
                next,
                ..
            } => Some(start + template.frames.get(*next)?.after),
            Unit::Bulk(bulk) => bulk.due(),
        }
    }

    /// Makes that frame; gives its length on the wire.
    fn frame(&mut self, into: &mut Vec<u8>) -> u32 {
        match self {
            Unit::Clone {
                template,
                identity,
                next,
                ..
            } => {
                let frame = &template.frames[*next];
                *next += 1;
                into.clear();
                into.extend_from_slice(&frame.data);
                identity.put_on(into);
                frame.original_len
            }
            Unit::Bulk(bulk) => bulk.frame(into),
        }
    }
}

/// Builds captures.
pub struct Generator {
    recordings: Vec<Template>,
}

impl Generator {
    /// Reads the recordings below a folder and keeps those that may be cloned.
    pub fn new(captures: &Path) -> Result<Generator, String> {
        let recordings = template::recordings(captures)?;
        if recordings.is_empty() {
            return Err(format!("no recording in {}", captures.display()));
        }
        Ok(Generator { recordings })
    }

    /// Builds one capture (classic pcap, microseconds).
    pub fn build(&self, recipe: &Recipe, out: impl Write) -> io::Result<Manifest> {
        let scripts;
        let (templates, every, bulk): (&[Template], Micros, u64) = match recipe.case {
            Case::Mixed | Case::Failures => (&self.recordings, 2_000, 60),
            Case::OneConnection | Case::Bulk => (&[], 2_000, 100),
            Case::Short | Case::Syns | Case::OpenAtOnce | Case::AllDns => {
                scripts = scripts::of(recipe.case).map_err(io::Error::other)?;
                (&scripts, 100, 0)
            }
        };
        let mut run = Run {
            writer: Writer::new(out, BEGIN)?,
            chance: Chance(recipe.seed),
            heap: BinaryHeap::new(),
            units: Vec::new(),
            free: Vec::new(),
            frame: Vec::new(),
        };
        let mut manifest = Manifest {
            templates: templates.len() as u64,
            ..Manifest::default()
        };
        let choice = Choice::of(templates, recipe.case == Case::Mixed);
        if recipe.case == Case::OneConnection {
            manifest.expected.connections.insert("ok".to_owned(), 1);
            run.start(Unit::Bulk(Box::new(Bulk::mail(BEGIN, recipe.size))));
        } else {
            let (mut planned, mut in_bulk, mut now, mut bulks) = (0_u64, 0_u64, BEGIN, 0_u32);
            while planned < recipe.size {
                run.advance(now)?;
                now += every;
                if bulk > 0 && in_bulk * 100 <= planned * bulk {
                    let bytes = 20_000 + run.chance.below(1_000_000);
                    let flow = Bulk::new(now, bulks, bytes, &mut run.chance);
                    bulks += 1;
                    in_bulk += flow.planned();
                    planned += flow.planned();
                    manifest.expected.other += 1;
                    run.start(Unit::Bulk(Box::new(flow)));
                    continue;
                }
                let Some(template) = choice.next(&mut run.chance) else {
                    break;
                };
                let identity = Identity::new(u32::try_from(manifest.clones).unwrap_or(u32::MAX));
                manifest.clones += 1;
                manifest.expected.add(&template.expected, 1);
                planned += template.bytes;
                run.start(Unit::Clone {
                    template,
                    identity,
                    start: now,
                    next: 0,
                });
            }
        }
        run.advance(Micros::MAX)?;
        run.writer.last_frame(SILENCE)?;
        (manifest.frames, manifest.bytes) = run.writer.finish()?;
        Ok(manifest)
    }
}

/// What the next clone is made of.
struct Choice<'a> {
    all: Vec<&'a Template>,
    /// Those that are in order, when they are to come more often.
    sound: Vec<&'a Template>,
}

impl<'a> Choice<'a> {
    fn of(templates: &'a [Template], mostly_sound: bool) -> Choice<'a> {
        let sound = |template: &&Template| mostly_sound && template.expected.sound();
        Choice {
            all: templates.iter().collect(),
            sound: templates.iter().filter(sound).collect(),
        }
    }

    fn next(&self, chance: &mut Chance) -> Option<&'a Template> {
        let from = if !self.sound.is_empty() && chance.below(10) > 0 {
            &self.sound
        } else {
            &self.all
        };
        from.get(chance.below(from.len() as u64) as usize).copied()
    }
}

struct Run<'a, W: Write> {
    writer: Writer<W>,
    chance: Chance,
    heap: BinaryHeap<Reverse<(Micros, u64, usize)>>,
    units: Vec<Option<Unit<'a>>>,
    free: Vec<usize>,
    frame: Vec<u8>,
}

impl<'a, W: Write> Run<'a, W> {
    fn start(&mut self, unit: Unit<'a>) {
        let Some(due) = unit.due() else { return };
        let place = self.free.pop().unwrap_or_else(|| {
            self.units.push(None);
            self.units.len() - 1
        });
        self.units[place] = Some(unit);
        let tie = self.chance.below(u64::MAX);
        self.heap.push(Reverse((due, tie, place)));
    }

    /// Writes every frame that is due before `until`.
    fn advance(&mut self, until: Micros) -> io::Result<()> {
        while let Some(Reverse((due, tie, place))) = self.heap.peek().copied()
            && due < until
        {
            self.heap.pop();
            let Some(unit) = self.units[place].as_mut() else {
                continue;
            };
            let original_len = unit.frame(&mut self.frame);
            self.writer.frame(due, &self.frame, original_len)?;
            match unit.due() {
                Some(next) => self.heap.push(Reverse((next, tie, place))),
                None => {
                    self.units[place] = None;
                    self.free.push(place);
                }
            }
        }
        Ok(())
    }
}
