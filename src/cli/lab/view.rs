//! `lab run --tui`: a scenario below the live view, for training.

use std::io;
use std::thread;

use super::{Named, chosen, enact, told};
use crate::base::SourceId;
use crate::capture::CaptureReader;
use crate::cli::exit;
use crate::cli::screen::{self, Screen};
use crate::engine::record::Record;
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
        let (run, probes) = enact(&shown)?;
        let records = show(&run.recording, &frames, &events)?;
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
    for event in told.chain([Event::Stats(stats), Event::End]) {
        // Who has left needs no more.
        if events.send(event).is_err() {
            break;
        }
    }
    Ok(records)
}
