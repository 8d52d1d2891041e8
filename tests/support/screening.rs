//! The terminal interface without a terminal, on shipped captures: for tests of its screens, and for the recorded tour.

use std::path::Path;
use std::sync::mpsc::Receiver;

use mxray::base::{Foreign, SourceId};
use mxray::capture::{CaptureReader, Input, OpenError};
use mxray::engine::{Config, Engine, SourceEnd};
use mxray::flow::Ports;
use mxray::present::Clock;
use mxray::tui::{Bounds, Control, Event, Frames, Headless, Kind, Look, Setup, Stats, controls};

/// A view on nothing yet, in colour, and where the user's wishes arrive.
pub fn setup(kind: Kind) -> (Setup, Receiver<Control>) {
    let (control, wishes) = controls();
    let setup = Setup {
        title: "replay captures".to_owned(),
        kind,
        look: Look {
            color: true,
            ascii: false,
            clock: Clock::default(),
        },
        frames: Frames::new(Ports::default(), false, Frames::DEFAULT),
        control,
        save: None,
        report: None,
        probe: None,
        bounds: Bounds::default(),
        filter: String::new(),
    };
    (setup, wishes)
}

/// Plays captures of this repository, as one world each, into an interface of that size.
#[allow(dead_code)] // not every user of this file plays
pub fn play(
    setup: Setup,
    names: &[&str],
    (columns, lines): (u16, u16),
) -> Result<Headless, OpenError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let frames = setup.frames.clone();
    let mut screen = Headless::new(setup, columns, lines);
    let mut engine = Engine::new(Config::default());
    let mut told = Vec::new();
    let mut stats = Stats::default();
    for name in names {
        let mut reader = CaptureReader::open(&Input::Path(root.join(name)))?;
        let id: SourceId = engine.open_source("file", Foreign::from(*name), Some("pcapng"));
        let mapping = reader.mapping();
        while let Some(frame) = reader.next_frame() {
            frames.add(id, &frame, mapping.as_ref());
            stats.packets += 1;
            stats.bytes += u64::from(frame.original_len);
            engine.frame(&frame.of(id), &mut |record| {
                told.push(Event::Record(record))
            });
        }
        engine.close_source(id, SourceEnd::default(), &mut |record| {
            told.push(Event::Record(record));
        });
    }
    engine.finish(&mut |record| told.push(Event::Record(record)));
    for event in told {
        screen.event(event);
    }
    screen.event(Event::Stats(stats));
    Ok(screen)
}
