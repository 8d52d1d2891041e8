//! `probe --tui`: what was measured, in the live view.

use super::Arguments;
use crate::base::Foreign;
use crate::capture::Frame;
use crate::cli::exit::{self, Verdicts};
use crate::cli::screen;
use crate::diagnosis::Measured;
use crate::engine::Engine;
use crate::engine::record::{PathRecord, Record};
use crate::probe::Recording;
use crate::tui::{self, Event, Kind, Stats};

/// Shows a recording and the paths that were walked; gives back the exit code.
pub(super) fn run(
    arguments: &Arguments,
    mut engine: Engine,
    mut recording: Recording,
    paths: Vec<PathRecord>,
) -> u8 {
    let reporting = &arguments.reporting;
    let ports = match reporting.config() {
        Ok(config) => config.ports,
        Err(why) => return refused(&why),
    };
    let frames = screen::frames(&ports, true);
    let title = match arguments.targets.as_slice() {
        [one] => Foreign::from(one.as_str()).to_string(),
        several => format!("{} targets", several.len()),
    };
    let clock = reporting.style("probe", false).clock;
    let opened = arguments.screen.setup(
        format!("probe {title}"),
        Kind::Once,
        reporting.color,
        clock,
        frames.clone(),
    );
    let (mut setup, _controls) = match opened {
        Ok(opened) => opened,
        Err(why) => return refused(&why),
    };
    setup.report = Some(screen::reports(reporting, "probe"));
    let name = Foreign::from("probe");
    let source = engine.open_source("probe", name.clone(), None);
    let mut told = vec![Event::Source { id: source.0, name }];
    let mut stats = Stats::default();
    // Numbers are those of the engine: measurements come first.
    let measured = recording
        .measured
        .iter()
        .filter_map(Measured::to_text)
        .count();
    let interfaces = recording.interfaces.clone();
    for (number, frame) in (measured as u64 + 1..).zip(recording.frames()) {
        let link_type = interfaces
            .get(frame.interface)
            .map_or(1, |interface| interface.link_type);
        let kept = Frame {
            number,
            interface: 0,
            link_type,
            time: frame.time,
            data: &frame.data,
            original_len: frame.original_len,
            control: frame.control.is_some(),
            position: 0,
        };
        frames.add(source, &kept, None);
        stats.packets += 1;
        stats.bytes += u64::from(frame.original_len);
    }
    let mut verdicts = Verdicts::new(reporting.strictness());
    let mut tell = |record: Record| {
        verdicts.see(&record);
        told.push(Event::Record(record));
    };
    recording.feed(&mut engine, source, &mut tell);
    paths.into_iter().map(Record::Path).for_each(&mut tell);
    engine.finish(&mut tell);
    told.extend([Event::Stats(stats), Event::End]);
    // There is room for all of it: nothing waits.
    let (events, received) = tui::events(told.len());
    for event in told {
        let _ = events.try_send(event);
    }
    drop(events);
    // The view has a runtime of its own, which may not run within another.
    let left = std::thread::scope(|scope| {
        scope
            .spawn(|| arguments.screen.open(setup, received))
            .join()
    });
    match left {
        Ok(Ok(left)) => screen::code(left, verdicts.code()),
        Ok(Err(why)) => refused(&format!("the live view cannot be opened: {why}")),
        Err(_) => refused("the live view died"),
    }
}

fn refused(why: &str) -> u8 {
    eprintln!("mxray: {why}");
    exit::USAGE
}
