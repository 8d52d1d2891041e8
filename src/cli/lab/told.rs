//! What `lab run` prints: what was broken beside what the client met, its capture shows, a probe finds, and what is true.
//!
//! It fits 80 columns and is read from top to bottom by somebody who has never seen the lab. Nothing is judged here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Named, Probes};
use crate::cli::{exit, output};
use crate::engine::record::Record;
use crate::lab::verify::{expected, verify, verify_lossy, verify_probe};
use crate::lab::{LabError, Probed, Run, Scenario};
use crate::present::{self, Clock, wrap};
use crate::report::Paint;

/// Lines of one section that are told one by one.
const LINES: usize = 12;
/// A path with more routers is not drawn in one line.
const DRAWN: usize = 8;

/// The page as it grows.
struct Page {
    text: String,
    paint: Paint,
    width: usize,
}

/// A line of a section, with the outcome whose mark it bears, if any.
struct Line {
    outcome: Option<&'static str>,
    text: String,
}

impl Line {
    fn plain(text: impl Into<String>) -> Line {
        Line {
            outcome: None,
            text: text.into(),
        }
    }

    fn marked(outcome: &'static str, text: String) -> Line {
        Line {
            outcome: Some(outcome),
            text,
        }
    }
}

impl Page {
    fn section(&mut self, heading: &str, lines: Vec<Line>) {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(self.text, "{}", self.paint.strong(heading));
        let more = lines.len().saturating_sub(LINES);
        for line in lines.into_iter().take(LINES) {
            self.line(&line);
        }
        if more > 0 {
            let _ = writeln!(self.text, "  … and {more} more");
        }
        self.text.push('\n');
    }

    fn line(&mut self, line: &Line) {
        let mark = line
            .outcome
            .map(|outcome| format!("{} ", self.paint.outcome(outcome, present::mark(outcome))));
        let indent = if mark.is_some() { 4 } else { 2 };
        for (at, part) in wrap(&line.text, self.width.saturating_sub(4))
            .iter()
            .enumerate()
        {
            let lead = match (&mark, at) {
                (Some(mark), 0) => format!("  {mark}"),
                (_, 0) => "  ".to_owned(),
                _ => " ".repeat(indent.max(4)),
            };
            let _ = writeln!(self.text, "{lead}{part}");
        }
    }
}

/// What was broken beside what was found.
pub(super) fn told(
    named: &Named,
    title: &str,
    scenario: &Scenario,
    run: &Run,
    probes: Probes,
    records: &[Record],
) -> Result<(String, u8), LabError> {
    let (paint, width) = output::manner(named.shared.color, false);
    let mut page = Page {
        text: String::new(),
        paint,
        width,
    };
    // What a client meets where packets get lost is no truth of a scenario's.
    let of_capture = match named.loss {
        Some(_) => Vec::new(),
        None => verify(&scenario.truth, &run.recording.frames, records),
    };
    let mut mismatches: Vec<String> = of_capture.iter().map(ToString::to_string).collect();
    let mut broken = vec![Line::plain(scenario.summary.clone())];
    if named.vary {
        broken.push(Line::plain(varied(scenario)));
    }
    page.section(title, broken);
    page.section("The network", network(scenario));
    page.section("What the client met", met(scenario, run));
    let took = run.took.as_secs_f64();
    let frames = present::counted(run.recording.frames.len() as u64, "frame", "frames");
    if !run.recording.frames.is_empty() {
        let heading = format!("What its capture shows ({frames})");
        page.section(&heading, verdicts(records));
    }
    let mut longest = took;
    for (spec, probed) in scenario.probe.iter().zip(probes) {
        let probed = probed?;
        longest = longest.max(probed.took.as_secs_f64());
        let mut found = vec![Line::plain(format!("mxray probe {}", shown(spec)))];
        found.extend(measured(&probed));
        page.section("What a probe finds", found);
        let verify = match named.loss {
            Some(_) => verify_lossy,
            None => verify_probe,
        };
        let wrong = verify(scenario, spec, &probed.report);
        mismatches.extend(wrong.iter().map(ToString::to_string));
    }
    page.section("The truth", truth(scenario));
    let agreed = mismatches.is_empty();
    if agreed {
        let all = match scenario.probe.is_empty() {
            true => "the capture shows what is true",
            false => "capture and probe find what is true",
        };
        let _ = writeln!(
            page.text,
            "{} {all} ({longest:.1} s).",
            paint.outcome("healthy", "✓ Agreed:")
        );
    } else {
        let _ = writeln!(page.text, "{}", paint.outcome("failed", "✗ Not agreed"));
        for mismatch in mismatches {
            page.line(&Line::plain(mismatch));
        }
    }
    further(&mut page, title, scenario);
    let code = if agreed { exit::FINE } else { exit::FAULT };
    Ok((page.text, code))
}

/// What a reader may do next.
fn further(page: &mut Page, title: &str, scenario: &Scenario) {
    let own = !title.contains('/');
    let code = scenario
        .truth
        .root_causes
        .iter()
        .flatten()
        .chain(scenario.truth.connection.iter().map(|one| &one.code))
        .chain(scenario.truth.lookup.iter().map(|one| &one.code))
        .find(|code| code.as_str() != "ok" && code.as_str() != "unknown");
    let mut next = Vec::new();
    next.extend(code.map(|code| format!("mxray explain {code}")));
    if !own {
        next.push(format!("mxray lab record {title} -w FILE.pcapng"));
        let folder = title.split('/').next().unwrap_or(title);
        next.push(format!("mxray lab list {folder}"));
    }
    for (at, one) in next.iter().enumerate() {
        let lead = if at == 0 { "  more   " } else { "         " };
        let _ = writeln!(page.text, "{lead}{}", page.paint.code(one));
    }
}

/// The path in one line, with a mark where something is broken, and what is broken there.
fn network(scenario: &Scenario) -> Vec<Line> {
    let path = &scenario.path;
    let hops = path.hop.len();
    let faulty = |hop: usize| scenario.fault.iter().any(|fault| fault.hop == hop);
    let clients = scenario.client.iter().flat_map(|client| &client.addresses);
    let six = clients.clone().count() > 0 && clients.clone().all(IpAddr::is_ipv6);
    let first = |addresses: &[IpAddr]| {
        let of_family = addresses.iter().find(|address| address.is_ipv6() == six);
        let any = of_family.or(addresses.first());
        any.map(ToString::to_string).unwrap_or_default()
    };
    let mut drawn = format!("client {}", first(&path.client));
    if hops <= DRAWN {
        for hop in 1..=hops {
            let mark = if faulty(hop) { " ✗" } else { "" };
            let _ = write!(drawn, " ── {hop}{mark}");
        }
    } else {
        let _ = write!(drawn, " ── {hops} routers");
    }
    let _ = write!(drawn, " ── server {}", first(&path.server));
    let mut lines = vec![Line::plain(drawn)];
    for fault in &scenario.fault {
        lines.push(Line::marked(
            "failed",
            format!("hop {} {}", fault.hop, fault.words()),
        ));
    }
    for (at, hop) in path.hop.iter().enumerate() {
        let behind = format!("the link behind hop {}", at.saturating_add(1));
        if let Some(mtu) = hop.link.mtu {
            let manner = match hop.link.too_big {
                crate::lab::path::link::TooBig::Tell => "and its router says so",
                crate::lab::path::link::TooBig::Silent => "and its router says nothing",
                crate::lab::path::link::TooBig::Bogus(_) => "and its router tells a wrong size",
            };
            lines.push(Line::marked(
                "failed",
                format!("{behind} takes packets of {mtu} bytes at the most, {manner}"),
            ));
        }
        if hop.link.loss.is_some() {
            lines.push(Line::marked("failed", format!("{behind} loses packets")));
        }
        if hop.link.delay_ms >= 100.0 {
            let slow = format!("{behind} takes {} ms each way", hop.link.delay_ms);
            lines.push(Line::marked("degraded", slow));
        }
    }
    lines
}

/// What each client said; those that said the same share a line.
fn met(scenario: &Scenario, run: &Run) -> Vec<Line> {
    let mut said: Vec<(String, usize)> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (at, words) in run.clients.iter().enumerate() {
        let service = scenario
            .client
            .get(at)
            .map_or("client", |client| client.service.name());
        let line = format!("{service}: {}", words.join("; "));
        match known.get(&line).and_then(|place| said.get_mut(*place)) {
            Some((_, count)) => *count += 1,
            None => {
                known.insert(line.clone(), said.len());
                said.push((line, 1));
            }
        }
    }
    said.into_iter()
        .map(|(line, count)| match count {
            1 => Line::plain(line),
            count => Line::plain(format!("{count} × {line}")),
        })
        .collect()
}

/// A probe as one types it.
fn shown(spec: &crate::lab::ProbeSpec) -> String {
    let mut words = spec.options.clone();
    words.push(spec.target.clone());
    words.join(" ")
}

/// What a variation's network looks like.
fn varied(scenario: &Scenario) -> String {
    let hops = &scenario.path.hop;
    let delay: f64 = hops.iter().map(|hop| 2.0 * hop.link.delay_ms).sum();
    let lossy = hops.iter().any(|hop| hop.link.loss.is_some());
    let at: Vec<String> = scenario
        .fault
        .iter()
        .map(|fault| fault.hop.to_string())
        .collect();
    format!(
        "variation {}: {} hops, {delay:.0} ms there and back, {} losses, faults at hop {}",
        scenario.seed,
        hops.len(),
        if lossy { "some" } else { "no" },
        if at.is_empty() {
            "none".to_owned()
        } else {
            at.join(", ")
        }
    )
}

/// A line for each root cause that a probe found.
fn measured(probed: &Probed) -> Vec<Line> {
    let causes = probed.report["summary"]["root_causes"].as_array();
    let mut lines = Vec::new();
    for cause in causes.into_iter().flatten() {
        let hop = |name: &str| cause["at"][name].as_u64();
        lines.push(Line::marked(
            "failed",
            format!(
                "{}{}: {}",
                cause["code"].as_str().unwrap_or("?"),
                place(hop("hop"), hop("after_hop")),
                cause["text"].as_str().unwrap_or_default()
            ),
        ));
    }
    if lines.is_empty() {
        lines.push(Line::marked("healthy", "nothing is wrong".to_owned()));
    }
    lines
}

fn place(hop: Option<u64>, after_hop: Option<u64>) -> String {
    match (hop, after_hop) {
        (Some(hop), _) => format!(" at hop {hop}"),
        (None, Some(hop)) => format!(" after hop {hop}"),
        (None, None) => String::new(),
    }
}

/// A line for each verdict that replay gave, what is wrong first.
fn verdicts(records: &[Record]) -> Vec<Line> {
    let clock = Clock::default();
    let mut blocks: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Connection(record) => Some(present::connection(record, &clock)),
            Record::Lookup(record) => Some(present::lookup(record, &clock)),
            _ => None,
        })
        .collect();
    blocks.sort_by_key(|block| match block.outcome {
        "failed" => 0,
        "degraded" => 1,
        "healthy" => 3,
        _ => 2,
    });
    let mut lines: Vec<Line> = blocks
        .iter()
        .map(|block| {
            let text = format!("{} {}: {}", block.code, block.target, block.summary);
            Line::marked(block.outcome, text)
        })
        .collect();
    if lines.is_empty() {
        lines.push(Line::plain("no connection and no look-up for mail"));
    }
    lines
}

/// A line for everything that the scenario says is true.
fn truth(scenario: &Scenario) -> Vec<Line> {
    let truth = &scenario.truth;
    let mut lines = Vec::new();
    for one in &truth.connection {
        let mut which = Vec::new();
        which.extend(one.nth.map(|nth| format!("number {nth}")));
        which.extend(one.service.clone());
        which.extend(one.server.map(|server| format!("to {server}")));
        which.extend(one.port.map(|port| format!("to port {port}")));
        lines.push(says(
            "connection",
            &which,
            one.outcome.name(),
            &one.code,
            &one.or,
        ));
    }
    for one in &truth.lookup {
        let mut which = Vec::new();
        which.extend(one.kind.clone());
        which.extend(one.name.as_ref().map(|name| format!("of {name}")));
        lines.push(says(
            "look-up",
            &which,
            one.outcome.name(),
            &one.code,
            &one.or,
        ));
    }
    for spec in &scenario.probe {
        let causes = expected(scenario, spec).unwrap_or_default();
        let outcome = if causes.is_empty() {
            "healthy"
        } else {
            "failed"
        };
        let causes = if causes.is_empty() {
            "nothing wrong".to_owned()
        } else {
            causes.join(", ")
        };
        let at = place(spec.hop.map(u64::from), spec.after_hop.map(u64::from));
        lines.push(Line::marked(
            outcome,
            format!("{causes}{at}: the probe of {}", spec.target),
        ));
    }
    if !truth.never.is_empty() {
        lines.push(Line::plain(format!("never {}", truth.never.join(", "))));
    }
    lines
}

fn says(what: &str, which: &[String], outcome: &'static str, code: &str, or: &[String]) -> Line {
    let or = if or.is_empty() {
        String::new()
    } else {
        format!(" or {}", or.join(", "))
    };
    let which = if which.is_empty() {
        format!("every {what}")
    } else {
        format!("{what} {}", which.join(" "))
    };
    let aside = match outcome {
        "degraded" => ", at a cost",
        "incomplete" => ", incomplete",
        _ => "",
    };
    Line::marked(outcome, format!("{code}{or}: {which}{aside}"))
}
