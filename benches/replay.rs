//! `cargo bench`: how long a whole diagnosis takes, beside what others take to read the same file.
//!
//!     cargo bench --bench replay                           every case, moderate sizes
//!     cargo bench --bench replay -- --case mixed --size 1GiB [--rounds 7] [--seed 1] [--alone]
//!     cargo bench --bench replay -- --generate FILE --case mixed --size 10GiB
//!
//! Captures are built below `target/bench` (`--folder DIR`) and are kept for the next run of the same recipe. `--alone`
//! leaves out everybody but mxray, `cat`, `tcpdump`, `gzip` and `zstd`. A capture of a quarter of the size is timed as well, and what was aimed at is printed beside what came out. The verdicts are compared with the manifest before anything is timed. Raw
//! numbers go to `runs/` beside the captures, one file per run, with the machine's name.

mod generator;
mod race;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use generator::{Case, Generator, Manifest, Recipe};
use race::{Machine, Race};
use serde::Serialize;

/// Sizes where none is asked for.
const MIXED: u64 = 128 << 20;
const OTHERS: u64 = 32 << 20;
/// The generator's own version: files of another one are built again.
const VERSION: u32 = 3;

struct Wish {
    cases: Vec<Case>,
    size: Option<u64>,
    seed: u64,
    rounds: usize,
    folder: PathBuf,
    generate: Option<PathBuf>,
    alone: bool,
}

/// One run's raw numbers.
#[derive(Serialize)]
struct Numbers<'a> {
    mxray: &'static str,
    seconds_since_1970: u64,
    machine: &'a Machine,
    races: Vec<Race>,
}

fn main() -> ExitCode {
    match wish().and_then(|wish| run(&wish)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn wish() -> Result<Wish, String> {
    let mut wish = Wish {
        cases: Vec::new(),
        size: None,
        seed: 1,
        rounds: 5,
        folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench"),
        generate: None,
        alone: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            // What cargo itself says to a bench.
            "--bench" => {}
            "--alone" => wish.alone = true,
            "--generate" => wish.generate = Some(value()?.into()),
            "--folder" => wish.folder = value()?.into(),
            "--size" => wish.size = Some(bytes(&value()?)?),
            "--seed" => wish.seed = number(&value()?)?,
            "--rounds" => wish.rounds = number(&value()?)?,
            "--case" => {
                let name = value()?;
                let known = Case::ALL.map(Case::name).join(", ");
                let case =
                    Case::from_name(&name).ok_or(format!("no case {name}; there are {known}"))?;
                wish.cases.push(case);
            }
            other => return Err(format!("what is {other}?")),
        }
    }
    if wish.cases.is_empty() {
        wish.cases = Case::ALL.to_vec();
    }
    Ok(wish)
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn bytes(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.split_at_checked(text.len().saturating_sub(3)) {
        Some((digits, "KiB")) => (digits, 10),
        Some((digits, "MiB")) => (digits, 20),
        Some((digits, "GiB")) => (digits, 30),
        _ => (text, 0),
    };
    Ok(number::<u64>(digits)? << shift)
}

fn run(wish: &Wish) -> Result<(), String> {
    let generator = Generator::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join("captures"))?;
    let recipe = |case: Case| Recipe {
        case,
        size: wish.size.unwrap_or(match case {
            Case::Mixed | Case::Failures => MIXED,
            _ => OTHERS,
        }),
        seed: wish.seed,
    };
    if let Some(path) = &wish.generate {
        let case = wish.cases.first().copied().unwrap_or(Case::Mixed);
        let manifest = build(&generator, &recipe(case), path)?;
        println!("{}", json(&manifest)?);
        return Ok(());
    }
    let runs = wish.folder.join("runs");
    fs::create_dir_all(&runs).map_err(|error| format!("{}: {error}", runs.display()))?;
    let machine = Machine::here();
    println!(
        "{}, {} cores, Linux {}",
        machine.processor, machine.cores, machine.kernel
    );
    let binary = Path::new(env!("CARGO_BIN_EXE_mxray"));
    let (contenders, missing) = race::all(binary, !wish.alone);
    for name in missing {
        println!("{name} is not installed and does not run");
    }
    let mut races = Vec::new();
    for case in &wish.cases {
        let (file, manifest) = prepared(&generator, &recipe(*case), &wish.folder)?;
        race::verify(binary, &file, &manifest.expected)
            .map_err(|why| format!("{}: {why}", file.display()))?;
        let mut race = Race::run(case.name(), &file, manifest, &contenders, wish.rounds)?;
        let whole = recipe(*case);
        let quarter = Recipe {
            size: whole.size / 4,
            ..whole
        };
        let (quarter, _) = prepared(&generator, &quarter, &wish.folder)?;
        race.compare(&quarter, &contenders, wish.rounds)?;
        print!("{}", race.table());
        races.push(race);
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let numbers = Numbers {
        mxray: env!("CARGO_PKG_VERSION"),
        seconds_since_1970: now,
        machine: &machine,
        races,
    };
    let path = runs.join(format!("{now}.json"));
    fs::write(&path, json(&numbers)?).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("\nraw numbers: {}", path.display());
    Ok(())
}

fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(value).map_err(|error| error.to_string())
}

fn build(generator: &Generator, recipe: &Recipe, path: &Path) -> Result<Manifest, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::create(path).map_err(failed)?;
    let file = BufWriter::with_capacity(1 << 20, file);
    generator.build(recipe, file).map_err(failed)
}

/// The capture of a recipe, and what is known of it.
fn prepared(
    generator: &Generator,
    recipe: &Recipe,
    folder: &Path,
) -> Result<(PathBuf, Manifest), String> {
    let name = format!(
        "{}-{}-{}-v{VERSION}",
        recipe.case.name(),
        recipe.size,
        recipe.seed
    );
    let (file, about) = (
        folder.join(format!("{name}.pcap")),
        folder.join(format!("{name}.json")),
    );
    let known = fs::read_to_string(&about)
        .ok()
        .and_then(|text| serde_json::from_str::<Manifest>(&text).ok());
    if let Some(manifest) = known
        && fs::metadata(&file).is_ok_and(|there| there.len() == manifest.bytes)
    {
        return Ok((file, manifest));
    }
    let manifest = build(generator, recipe, &file)?;
    fs::write(&about, json(&manifest)?).map_err(|error| format!("{}: {error}", about.display()))?;
    Ok((file, manifest))
}
