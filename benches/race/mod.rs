//! Whole processes against each other: alternating, medians, ratios; raw numbers kept with the machine's name.
//!
//! A time is the wall's, from start to end of the process, its output thrown away. Whoever is not installed does not run, and
//! is named. It changes nothing on the machine: the file is read once before, so that all find it in memory.

mod contender;
mod goals;
mod machine;
mod process;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufRead;
use std::path::Path;
use std::process::{Command, Stdio};

pub use contender::{Contender, Packed, all};
use flate2::{Compression, write::GzEncoder};
pub use machine::Machine;
use process::{Run, run};
use serde::Serialize;

use super::generator::{Counts, Manifest};

/// Whoever takes longer than this runs once only.
const PATIENCE: f64 = 5.0;

/// All runs of one contender on one file.
#[derive(Serialize)]
pub struct Result {
    /// Who.
    pub name: &'static str,
    /// Every run.
    pub runs: Vec<Run>,
}

impl Result {
    /// The median of the times, in seconds.
    pub fn seconds(&self) -> f64 {
        self.median(|run| run.seconds)
    }

    /// The median of the processor times, in seconds: what others do on the machine changes it less.
    pub fn processor(&self) -> f64 {
        self.median(|run| run.user + run.system)
    }

    fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        let mut times: Vec<f64> = self.runs.iter().map(of).collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Everything measured of one file.
#[derive(Serialize)]
pub struct Race {
    /// The case's name.
    pub case: &'static str,
    /// What is in it.
    pub manifest: Manifest,
    /// Who ran.
    pub results: Vec<Result>,
    /// mxray's greatest private memory, in bytes: what is not the mapped file; the median of as many runs.
    pub private: Option<u64>,
    /// The same where it is given the file ten times in a row; the mixed case alone.
    pub ten: Option<u64>,
    /// Processor time on one core for a capture of a quarter of the size, in seconds.
    pub quarter: Option<f64>,
}

impl Race {
    /// Runs everybody on a file, in turns.
    pub fn run(
        case: &'static str,
        file: &Path,
        manifest: Manifest,
        contenders: &[Contender],
        rounds: usize,
    ) -> std::result::Result<Race, String> {
        let mut results: Vec<Result> = contenders
            .iter()
            .map(|contender| Result {
                name: contender.name,
                runs: Vec::new(),
            })
            .collect();
        for packed in contenders.iter().filter_map(|one| one.packed) {
            pack(file, packed)?;
        }
        for round in 0..rounds.max(1) {
            for (contender, result) in contenders.iter().zip(&mut results) {
                if round > 0 && result.seconds() > PATIENCE {
                    continue;
                }
                let packed = contender
                    .packed
                    .map(|packed| file.with_extension(packed.extension()));
                let run = run(contender, packed.as_deref().unwrap_or(file))
                    .map_err(|error| format!("{} cannot run: {error}", contender.name))?;
                result.runs.push(run);
            }
        }
        let ours = contenders
            .iter()
            .find(|contender| contender.name == contender::OURS);
        let private = |times| process::private_memory(ours?, file, times).ok();
        let ten = (case == "mixed").then(|| private(10)).flatten();
        // As of times, the median: where two threads stand to each other changes it by a MiB.
        let mut runs: Vec<u64> = (0..rounds.max(1)).filter_map(|_| private(1)).collect();
        runs.sort_unstable();
        let private = runs.get(runs.len() / 2).copied();
        Ok(Race {
            case,
            manifest,
            results,
            private,
            ten,
            quarter: None,
        })
    }

    /// Measures a capture of the same kind and a quarter of the size.
    pub fn compare(
        &mut self,
        quarter: &Path,
        contenders: &[Contender],
        rounds: usize,
    ) -> std::result::Result<(), String> {
        let Some(ours) = contenders
            .iter()
            .find(|one| one.name == contender::ONE_CORE)
        else {
            return Ok(());
        };
        let mut result = Result {
            name: ours.name,
            runs: Vec::new(),
        };
        for _ in 0..rounds.max(1) {
            let run =
                run(ours, quarter).map_err(|error| format!("{} cannot run: {error}", ours.name))?;
            result.runs.push(run);
        }
        self.quarter = Some(result.processor());
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Result> {
        self.results.iter().find(|result| result.name == name)
    }

    fn seconds(&self, name: &str) -> Option<f64> {
        self.find(name).map(Result::seconds)
    }

    /// The table's lines: seconds, processor time, ratio to tcpdump.
    pub fn table(&self) -> String {
        let tcpdump = self.seconds(contender::COPY);
        let mut text = format!(
            "\n**{}**: {:.0} MiB, {} frames, {} connections and look-ups of mail; mxray's private memory {}\n\n\
             | | seconds | × tcpdump | processor |\n|---|---:|---:|---:|\n",
            self.case,
            self.manifest.bytes as f64 / f64::from(1 << 20),
            self.manifest.frames,
            self.manifest.expected.connections.values().sum::<u64>()
                + self.manifest.expected.lookups.values().sum::<u64>(),
            match self.private {
                Some(bytes) => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
                None => "not measured".to_owned(),
            },
        );
        for result in &self.results {
            let seconds = result.seconds();
            let ratio = match tcpdump {
                Some(tcpdump) => format!("{:.2}", seconds / tcpdump),
                None => "–".to_owned(),
            };
            text.push_str(&format!(
                "| {} | {seconds:.2} | {ratio} | {:.2} |\n",
                result.name,
                result.processor()
            ));
        }
        text.push_str(&goals::table(self));
        text
    }
}

/// Packs a file beside it, unless that was done before.
fn pack(file: &Path, how: Packed) -> std::result::Result<(), String> {
    let packed = file.with_extension(how.extension());
    if packed.exists() {
        return Ok(());
    }
    // What was broken off has another name.
    let begun = packed.with_extension("begun");
    let work = || -> std::io::Result<()> {
        let (mut from, into) = (File::open(file)?, File::create(&begun)?);
        match how {
            Packed::Gzip => {
                let mut into = GzEncoder::new(into, Compression::default());
                std::io::copy(&mut from, &mut into)?;
                into.finish()?;
            }
            Packed::Zstd => zstd::stream::copy_encode(from, into, 3)?,
        }
        std::fs::rename(&begun, &packed)
    };
    work().map_err(|error| format!("{}: {error}", packed.display()))
}

/// What `mxray replay` says of a file, counted. Fails when it differs from the manifest.
pub fn verify(binary: &Path, file: &Path, expected: &Counts) -> std::result::Result<(), String> {
    let mut child = Command::new(binary)
        .args(["replay", "--format", "ndjson", "-q"])
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut counts = Counts::default();
    let output = child.stdout.take().ok_or("no output")?;
    for line in std::io::BufReader::new(output).lines() {
        let line = line.map_err(|error| error.to_string())?;
        let record: serde_json::Value =
            serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let map: &mut BTreeMap<String, u64> = match record["record"].as_str() {
            Some("connection") => &mut counts.connections,
            Some("lookup") => &mut counts.lookups,
            Some("summary") => {
                counts.other = record["other"].as_u64().unwrap_or_default();
                continue;
            }
            _ => continue,
        };
        let code = record["verdict"]["code"].as_str().unwrap_or("none");
        *map.entry(code.to_owned()).or_default() += 1;
    }
    child.wait().map_err(|error| error.to_string())?;
    if counts == *expected {
        return Ok(());
    }
    let mut text = "verdicts differ from the manifest (code: expected, got)".to_owned();
    for (what, theirs, ours) in [
        ("connections", &expected.connections, &counts.connections),
        ("look-ups", &expected.lookups, &counts.lookups),
    ] {
        for code in theirs
            .keys()
            .chain(ours.keys().filter(|code| !theirs.contains_key(*code)))
        {
            let (want, got) = (theirs.get(code), ours.get(code));
            if want != got {
                let number = |count: Option<&u64>| count.copied().unwrap_or_default();
                text.push_str(&format!(
                    "\n  {what} {code}: {}, {}",
                    number(want),
                    number(got)
                ));
            }
        }
    }
    if expected.other != counts.other {
        text.push_str(&format!("\n  other: {}, {}", expected.other, counts.other));
    }
    Err(text)
}
