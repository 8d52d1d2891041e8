//! The floors hold. One crate gets no help from the compiler here, so this test reads `src/**`.
//!
//! Imports run downwards only; below the line there is no clock, socket, file, thread, print or global;
//! what an outsider sends is parsed without `unsafe`, `unwrap` or indexing that can panic. Code under
//! `#[cfg(test)]` is free of all this. Every complaint names file, line and what to do.

#[path = "architecture/foreign.rs"]
mod foreign;
#[path = "architecture/reader.rs"]
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use reader::{Source, root, rust_files, sources, tokens, without_tests};

/// The floors, from the ground up. Modules that stand in one line are neighbours.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["wire"],
    &["proto"],
    &["flow"],
    &["diagnosis"],
    &["engine"],
    &["present"],
    // The line.
    &["capture", "probe", "lab", "privilege"],
    &["report", "tui"],
    &["cli"],
];

/// How many of the floors lie below the line.
const BELOW_THE_LINE: usize = 7;

/// `(file, what the line holds, why)`: what stands where it may not, and must.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "capture/window.rs",
        "unsafe",
        "mapping a file is unsafe by nature: another process may cut it; the reason stands beside it",
    ),
    (
        "capture/live/rebind.rs",
        "unsafe",
        "three calls of the kernel that no crate has; each says why it is sound, and no foreign byte passes there",
    ),
    (
        "capture/pcapng_writer.rs",
        "[0; 3][..padding]",
        "writes, never reads: the padding of what we wrote ourselves, masked with 3",
    ),
    (
        "wire/icmp.rs",
        "head[0]",
        "an array of 20 bytes, so the compiler checks the index",
    ),
    (
        "wire/ip.rs",
        "head[0]",
        "an array of 20 bytes, so the compiler checks the index",
    ),
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn below_the_line(source: &Source) -> bool {
    floor(source.module()).is_some_and(|floor| floor < BELOW_THE_LINE)
}

fn allowed(source: &Source, line: usize) -> bool {
    let text = source
        .text
        .lines()
        .nth(line.saturating_sub(1))
        .unwrap_or_default();
    ALLOWED
        .iter()
        .any(|(file, fragment, _)| source.name == *file && text.contains(fragment))
}

/// What is wrong at a token, unless it is allowed to stand there.
fn fault_at(source: &Source, at: usize, what: &str, remedy: &str) -> Option<String> {
    let line = source.line(at);
    (!allowed(source, line)).then(|| format!("src/{}:{line}: {what}: {remedy}", source.name))
}

fn complain(law: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{law}\n  {}\n", faults.join("\n  "));
}

#[test]
fn every_module_has_a_floor() {
    let faults: Vec<String> = sources()
        .iter()
        .filter(|source| source.name.contains('/') && floor(source.module()).is_none())
        .map(|source| {
            format!(
                "src/{}: `{}` is on no floor: put it on one, in FLOORS of this test and in lib.rs",
                source.name,
                source.module()
            )
        })
        .collect();
    complain("Every module stands on a floor.", &faults);
}

#[test]
fn imports_run_downwards_only() {
    let mut faults = Vec::new();
    for source in sources() {
        let Some(own) = floor(source.module()) else {
            continue;
        };
        for (module, line) in source.imports() {
            let Some(other) = floor(&module) else {
                continue;
            };
            if other > own {
                faults.push(format!(
                    "src/{}:{line}: `{}` uses `crate::{module}`, which is above it: hand the thing up as a return value, or move its type down",
                    source.name,
                    source.module()
                ));
            }
        }
    }
    complain("Imports run downwards only.", &faults);
}

#[test]
fn neighbours_on_a_floor_use_each_other_in_one_direction() {
    let mut uses: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources() {
        for (module, line) in source.imports() {
            if module != source.module()
                && floor(&module).is_some()
                && floor(source.module()).is_some()
            {
                uses.entry(source.module().to_owned())
                    .or_default()
                    .entry(module)
                    .or_insert_with(|| format!("src/{}:{line}", source.name));
            }
        }
    }
    let mut faults = Vec::new();
    for start in uses.keys() {
        // Everything that can be reached from it must not lead back.
        let mut open: Vec<&String> = uses[start].keys().collect();
        let mut seen = BTreeSet::new();
        while let Some(module) = open.pop() {
            if module == start {
                faults.push(format!("`{start}` leads back to itself; its own uses: {:?}: cut the circle at the weakest of them", uses[start]));
                break;
            }
            if seen.insert(module) {
                open.extend(uses.get(module).into_iter().flat_map(BTreeMap::keys));
            }
        }
    }
    for (from, to) in [("report", "tui"), ("tui", "report")] {
        if let Some(place) = uses.get(from).and_then(|uses| uses.get(to)) {
            faults.push(format!("{place}: `{from}` uses `{to}`: faces never import each other, what both need belongs into `present`"));
        }
    }
    complain("No circles.", &faults);
}

#[test]
fn below_the_line_there_is_no_clock_socket_file_thread_print_or_global() {
    const WORDS: &[(&str, &str)] = &[
        ("SystemTime", "time is an argument: take a `Timestamp`"),
        ("Instant", "time is an argument: take a `Timestamp`"),
        ("TcpStream", "no sockets here: take bytes, return bytes"),
        ("TcpListener", "no sockets here: take bytes, return bytes"),
        ("UdpSocket", "no sockets here: take bytes, return bytes"),
        ("UnixStream", "no sockets here: take bytes, return bytes"),
        ("ToSocketAddrs", "this looks up names: let the caller do it"),
        (
            "OnceLock",
            "no globals: keep it in the engine, or compute it in a const",
        ),
        (
            "LazyLock",
            "no globals: keep it in the engine, or compute it in a const",
        ),
        (
            "OnceCell",
            "no globals: keep it in the engine, or compute it in a const",
        ),
        ("thread_local", "no globals: keep it in the engine"),
        ("lazy_static", "no globals: keep it in the engine"),
    ];
    const MODULES: &[&str] = &["fs", "thread", "process", "env"];
    const CRATES: &[&str] = &[
        "libc",
        "rustix",
        "socket2",
        "tokio",
        "pcap",
        "pnet",
        "memmap2",
        "rustls_native_certs",
        "caps",
        "clap",
        "indicatif",
    ];
    const PRINTS: &[&str] = &["println", "eprintln", "print", "eprint", "dbg"];
    const INNER: &[&str] = &["mut", "Cell", "RefCell", "UnsafeCell", "Mutex", "RwLock"];
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| below_the_line(source)) {
        for at in 0..source.tokens.len() {
            let Some(word) = source.word(at) else {
                continue;
            };
            let mut fault =
                |what: &str, remedy: &str| faults.extend(fault_at(source, at, what, remedy));
            if let Some((_, remedy)) = WORDS.iter().find(|(name, _)| *name == word) {
                fault(&format!("`{word}`"), remedy);
            }
            let after_std =
                at >= 3 && source.path_sign(at - 2) && source.word(at - 3) == Some("std");
            if after_std && MODULES.contains(&word) {
                fault(
                    &format!("`std::{word}`"),
                    "input and output belong to the edge: capture, probe, lab, cli",
                );
            }
            if word == "std" && source.path_sign(at + 1) && source.sign(at + 3, '{') {
                let mut heads = Vec::new();
                source.heads(at + 3, &mut heads);
                for (head, _) in heads
                    .iter()
                    .filter(|(head, _)| MODULES.contains(&head.as_str()))
                {
                    fault(
                        &format!("`std::{head}`"),
                        "input and output belong to the edge: capture, probe, lab, cli",
                    );
                }
            }
            if matches!(word, "stdin" | "stdout" | "stderr") && source.sign(at + 1, '(') {
                fault(&format!("`{word}()`"), "return a record; faces print");
            }
            if CRATES.contains(&word)
                && source.path_sign(at + 1)
                && !(at >= 2 && source.path_sign(at - 2))
            {
                fault(
                    &format!("`{word}::`"),
                    "this crate reaches the outside; it belongs to the edge",
                );
            }
            if PRINTS.contains(&word) && source.sign(at + 1, '!') {
                fault(&format!("`{word}!`"), "return a record; faces print");
            }
            if word == "now" && at >= 2 && source.path_sign(at - 2) && source.sign(at + 1, '(') {
                fault("`::now()`", "time is an argument: take a `Timestamp`");
            }
            if word == "static" {
                let end = (at..source.tokens.len())
                    .find(|end| source.sign(*end, '=') || source.sign(*end, ';'))
                    .unwrap_or(at);
                let inner = (at..end)
                    .filter_map(|at| source.word(at))
                    .find(|word| INNER.contains(word) || word.starts_with("Atomic"));
                if let Some(inner) = inner {
                    fault(
                        &format!("a `static` with `{inner}`"),
                        "no globals: keep it in the engine",
                    );
                }
            }
        }
    }
    complain(
        "Below the line: no clock, socket, file, thread, print or global.",
        &faults,
    );
}

#[test]
fn nothing_is_printed_in_a_way_that_panics() {
    const PRINTS: &[&str] = &["println", "eprintln", "print", "eprint", "dbg"];
    let mut faults = Vec::new();
    for source in sources() {
        let printed = (0..source.tokens.len()).filter(|at| {
            let word = source.word(*at);
            word.is_some_and(|word| PRINTS.contains(&word)) && source.sign(at + 1, '!')
        });
        faults.extend(printed.filter_map(|at| {
            let remedy = "it panics where it cannot be written: `cli::aside`, or a writer that is asked how it went";
            fault_at(&source, at, &format!("`{}!`", source.word(at)?), remedy)
        }));
    }
    complain("What cannot be printed costs no report.", &faults);
}

#[test]
fn every_file_opens_with_what_it_is_and_stays_small() {
    let mut faults = Vec::new();
    let mut paths = Vec::new();
    rust_files(&root(), &mut paths);
    rust_files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"),
        &mut paths,
    );
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source file");
        let name = path
            .strip_prefix(env!("CARGO_MANIFEST_DIR"))
            .expect("in the project")
            .display()
            .to_string();
        let lines = text.lines().count();
        if lines > 1_000 {
            faults.push(format!(
                "{name}: {lines} lines: split it where its subject splits; 300 are a good length"
            ));
        }
        if !text.trim_start().starts_with("//!") {
            faults.push(format!(
                "{name}:1: no `//!`: say what it is, why it exists and what it refuses to do"
            ));
        }
    }
    complain(
        "Every file opens with `//!` and has at most 1,000 lines.",
        &faults,
    );
}

#[test]
fn names_say_something() {
    const EMPTY: [&str; 8] = [
        "utils", "util", "common", "helpers", "helper", "manager", "misc", "stuff",
    ];
    let mut faults = Vec::new();
    for source in sources() {
        if source
            .name
            .trim_end_matches(".rs")
            .split(['/', '_'])
            .any(|part| EMPTY.contains(&part))
        {
            faults.push(format!(
                "src/{}:1: the name says nothing: name it after what it holds",
                source.name
            ));
        }
        for at in 0..source.tokens.len() {
            if source.word(at) == Some("dir")
                && source.sign(at + 1, ':')
                && source.word(at + 2) == Some("bool")
            {
                faults.push(format!(
                    "src/{}:{}: `dir: bool`: use `Side`",
                    source.name,
                    source.line(at)
                ));
            }
            if source.word(at) == Some("mod")
                && source
                    .word(at + 1)
                    .is_some_and(|name| EMPTY.contains(&name))
            {
                faults.push(format!(
                    "src/{}:{}: the module's name says nothing: name it after what it holds",
                    source.name,
                    source.line(at)
                ));
            }
        }
    }
    complain("Names are the field's words.", &faults);
}

#[test]
fn exceptions_are_still_needed() {
    let sources = sources();
    let faults: Vec<String> = ALLOWED
        .iter()
        .filter(|(file, fragment, _)| {
            !sources
                .iter()
                .any(|source| source.name == *file && source.text.contains(fragment))
        })
        .map(|(file, fragment, _)| {
            format!("src/{file} holds no `{fragment}` any more: strike the line from ALLOWED")
        })
        .collect();
    complain("ALLOWED only shrinks.", &faults);
}

#[test]
fn the_reader_of_sources_skips_comments_strings_and_tests() {
    let text = "//! crate::cli\n/* crate::tui /* nested */ */ use crate::{base::{Side, Mark}, wire};\nlet s = \"crate::lab\"; let c = '\"'; let b = b'\\''; r#\"crate::\"x\"# ;\n\
                #[cfg(test)]\nmod tests { use crate::cli; fn f() { x[0] } }\n#[cfg(test)]\nmod chaos;\nfn f<'a>() -> crate::proto::X {}\n";
    let (kept, modules) = without_tests(tokens(text));
    let source = Source {
        name: "flow/x.rs".to_owned(),
        text: text.to_owned(),
        tokens: kept,
    };
    let imports: Vec<(String, usize)> = source.imports();
    let expected =
        [("base", 2), ("wire", 2), ("proto", 8)].map(|(module, line)| (module.to_owned(), line));
    assert_eq!(imports, expected);
    assert_eq!(modules, ["chaos"]);
    assert_eq!(source.text.lines().count(), 8);
}
