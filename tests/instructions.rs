//! How many instructions a replay takes, by case: a number that noise does not change, held against a reviewed baseline.
//!
//! Each case is mostly one stage: bulk traffic is reading and counting headers, one long connection is tracking and decoding,
//! unanswered SYNs are the table and judging, look-ups are DNS. Counted by callgrind in the build that the tests use, whose
//! optimisation is less than a release's: what counts is the change. A better number is written down with
//! `MXRAY_BASELINE=write cargo test --test instructions`, and read in review.

#[path = "../benches/generator/mod.rs"]
#[allow(dead_code)] // the bench takes the rest
mod generator;
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use generator::{Case, Generator, Recipe};
use serde::{Deserialize, Serialize};

/// Bytes of each capture.
const SIZE: u64 = 1 << 20;
/// Recordings of which the mixed case is made: named, so that a new recording changes no count.
const MIXED: [&str; 10] = [
    "ok/submission-starttls",
    "ok/imaps",
    "ok/lookup-then-imaps",
    "tcp.dropped/smtp-v4",
    "tcp.refused/closed-port",
    "tls.cert-expired/imaps",
    "auth.credentials-rejected/submission",
    "mail.greylisted/postgrey",
    "dns.timeout/dropped",
    "path.loss/one-in-nine",
];
/// What is allowed above the baseline with its own compiler and kind of machine, and with others: libraries choose their code by
/// what the processor can do.
const ALLOWED: f64 = 1.05;
const OTHERS: f64 = 1.25;

#[derive(Serialize, Deserialize)]
struct Baseline {
    /// The compiler that it was counted with, as `rustc --version` says.
    compiler: String,
    /// The processor, the C library and valgrind, as they name themselves.
    machine: String,
    /// Instructions by case.
    instructions: BTreeMap<String, u64>,
}

fn compiler() -> String {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .arg("--version")
        .output()
        .expect("the compiler is there");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map_or_else(|_| Vec::new(), |output| output.stdout);
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("", |(_, model)| model.trim());
    let library = first_line("getconf", &["GNU_LIBC_VERSION"]);
    let valgrind = first_line("valgrind", &["--version"]);
    format!("{model}, {library}, {valgrind}")
}

fn instructions(file: &Path) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env!("CARGO_BIN_EXE_mxray"))
        .args(["replay", "-q", "--format", "json"])
        .arg(file)
        .output()
        .expect("valgrind runs");
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .map(|(_, number)| number.trim().to_owned());
    collected
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("callgrind counted nothing: {text}"))
}

#[test]
fn no_stage_takes_more_instructions_than_its_baseline() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        let required = std::env::var_os("CI").is_some();
        assert!(!required, "valgrind is required here and not installed");
        println!("SKIPPED: valgrind is not installed");
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.toml");
    let folder = tempfile::tempdir().expect("a folder");
    let chosen = folder.path().join("chosen");
    for name in MIXED {
        let to = chosen.join(name);
        std::fs::create_dir_all(to.parent().expect("a code's folder")).expect("a folder");
        for end in ["toml", "pcapng"] {
            let from = support::captures().join(format!("{name}.{end}"));
            std::fs::copy(&from, to.with_extension(end))
                .unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        }
    }
    let generator = Generator::new(&chosen).expect("the recordings are there");
    let counted: BTreeMap<String, u64> = support::in_parallel(&Case::ALL, |case| {
        let file = folder.path().join(case.name());
        let recipe = Recipe {
            case: *case,
            size: SIZE,
            seed: 1,
        };
        let out = std::io::BufWriter::new(std::fs::File::create(&file).expect("a file"));
        generator.build(&recipe, out).expect("is written");
        (case.name().to_owned(), instructions(&file))
    })
    .into_iter()
    .collect();
    if std::env::var_os("MXRAY_BASELINE").is_some_and(|value| value == "write") {
        let baseline = Baseline {
            compiler: compiler(),
            machine: machine(),
            instructions: counted,
        };
        let text = toml::to_string(&baseline).expect("TOML");
        let head = "# Instructions of `mxray replay` by case, counted by tests/instructions.rs. Changed in review only.\n";
        std::fs::write(&path, format!("{head}{text}")).expect("is written");
        return;
    }
    let text = std::fs::read_to_string(&path).expect("the baseline is there");
    let baseline: Baseline = toml::from_str(&text).expect("TOML");
    let same = baseline.compiler == compiler() && baseline.machine == machine();
    let allowed = if same { ALLOWED } else { OTHERS };
    let mut slower = String::new();
    for (case, count) in &counted {
        let known = *baseline
            .instructions
            .get(case)
            .unwrap_or_else(|| panic!("no baseline for {case}"));
        let ratio = *count as f64 / known as f64;
        println!("{case}: {count} instructions, × {ratio:.3}");
        if ratio > allowed {
            slower.push_str(&format!("\n{case}: {count}, × {ratio:.3} of {known}"));
        }
    }
    assert!(
        slower.is_empty(),
        "more than × {allowed} of the baseline:{slower}"
    );
}
