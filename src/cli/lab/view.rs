//! `lab run --tui`: a scenario below the live view, for training.

use std::io;
use std::thread;

use serde_json::Value;

use super::{Named, Probes, chosen, enact, told};
use crate::base::{Foreign, SourceId, Timestamp};
use crate::capture::CaptureReader;
use crate::cli::exit;
use crate::cli::screen::{self, Screen};
use crate::engine::record::{PathRecord, Record};
use crate::flow::Ports;
use crate::lab::verify::replay;
use crate::lab::{self, LabError, Recording};
use crate::present::Clock;
use crate::tui::{self, Event, Frames, Kind, Stats};

/// Runs the scenario below the live view. The truth is told afterwards, so that there is something to find out.
pub(super) fn run(named: &Named, screen: &Screen) -> Result<(String, u8), LabError> {
    let (title, scenario) = chosen(named)?;
    // Comes before any thread.
    lab::claim()?;
    let frames = screen::frames(&Ports::default(), false);
    let (setup, _controls) = screen
        .setup(
            format!("lab {}", named.name),
            Kind::Once,
            named.shared.color,
            Clock::default(),
            frames.clone(),
        )
        .map_err(LabError::Name)?;
    let (events, received) = tui::events(screen::EVENTS);
    let shown = scenario.clone();
    let running = thread::spawn(move || -> Result<_, LabError> {
        let doing = "the scenario runs in a network of its own, and a probe measures it";
        let _ = events.send(Event::Doing(doing.to_owned()));
        let (run, probes) = enact(&shown)?;
        let records = show(&run.recording, &probes, &frames, &events)?;
        Ok((run, probes, records))
    });
    let left = screen
        .open(setup, received)
        .map_err(|source| system("open the live view", source))?;
    // What still runs belongs to its own threads and ends with the process.
    if !running.is_finished() {
        return Ok((String::new(), screen::code(left, exit::INTERRUPTED)));
    }
    let (run, probes, records) = running
        .join()
        .map_err(|_| LabError::Thread("the scenario"))??;
    let (text, code) = told(named, &title, &scenario, &run, probes, &records)?;
    Ok((text, screen::code(left, code)))
}

fn system(what: &'static str, source: io::Error) -> LabError {
    LabError::System { what, source }
}

/// Sends a recording into the view, by way of the file that it would be.
fn show(
    recording: &Recording,
    probes: &Probes,
    frames: &Frames,
    events: &tui::Sender,
) -> Result<Vec<Record>, LabError> {
    let file = recording
        .pcapng()
        .map_err(|source| system("write a recording", source))?;
    let reader = CaptureReader::from_reader("lab", Box::new(io::Cursor::new(file)));
    let mut reader = reader.map_err(|error| LabError::Nonsense(error.to_string()))?;
    let mut stats = Stats::default();
    while let Some(frame) = reader.next_frame() {
        frames.add(SourceId(0), &frame, None);
        stats.packets += 1;
        stats.bytes += u64::from(frame.original_len);
    }
    let records = replay(recording)?;
    let told = records.iter().cloned().map(Event::Record);
    let walked = probes
        .iter()
        .flatten()
        .flat_map(|probed| paths(&probed.report));
    let walked = walked.map(|path| Event::Record(Record::Path(path)));
    let time = recording
        .frames
        .last()
        .map_or(Timestamp(0), |frame| frame.time);
    let found = probes.iter().flatten().flat_map(|probed| {
        let found = found(&probed.report);
        let target = paths(&probed.report)
            .into_iter()
            .next()
            .map(|path| path.target);
        let kept = target
            .zip(found.clone())
            .map(|(server, found)| Event::Probed { server, found });
        let text = found.map(|found| format!("a probe finds {found}"));
        let told = text.map(|text| Event::Notice { time, text });
        kept.into_iter().chain(told)
    });
    let end = [Event::Stats(stats), Event::End];
    for event in told.chain(walked).chain(found).chain(end) {
        // Who has left needs no more.
        if events.send(event).is_err() {
            break;
        }
    }
    Ok(records)
}

/// The paths that a probe walked, out of its report.
fn paths(report: &Value) -> Vec<PathRecord> {
    serde_json::from_value(report["paths"].clone()).unwrap_or_default()
}

/// What a probe from the client's place found, in one sentence.
fn found(report: &Value) -> Option<String> {
    let cause = report["summary"]["root_causes"].as_array()?.first()?;
    let text = format!("{}: {}", cause["code"].as_str()?, cause["text"].as_str()?);
    Some(Foreign::from(text.as_str()).to_string())
}
