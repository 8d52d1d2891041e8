//! `probe --tui`: the live view, opened before the first packet leaves.
//!
//! While it is measured an engine of its own is handed what the tap sees, and says what is open and what is wrong so far. At
//! the end everything is judged again as a whole, measurements included, as the report without a view is: the view begins
//! again with that.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::sync::watch;

use super::{Arguments, Files, login, spoken};
use crate::base::{Foreign, MILLISECOND, SourceId, Timestamp};
use crate::capture::Frame;
use crate::cli::afterword::Afterword;
use crate::cli::aside;
use crate::cli::exit::{self, Verdicts};
use crate::cli::screen;
use crate::engine::record::{PathRecord, Record};
use crate::engine::{Config, Engine, Input};
use crate::privilege::Successor;
use crate::probe::{self, Context, Options, Recording, TapError, Target};
use crate::tui::{self, Control, Event, Frames, Kind, Sender, Stats};

/// What was measured is looked at this often.
const LOOK: Duration = Duration::from_millis(100);
/// A frame reaches the recording at most so late.
const LATE: i64 = 300 * MILLISECOND;
/// Connections that are judged in one look.
const PORTION: usize = 1_024;

/// Measures below the view; gives back the exit code.
pub(super) fn run(
    arguments: &Arguments,
    targets: &[Target],
    options: Options,
    config: Config,
    mut files: Files,
    successor: Option<Successor>,
) -> u8 {
    let reporting = &arguments.reporting;
    let frames = screen::frames(&config.ports, true);
    let title = match arguments.targets.as_slice() {
        [one] => Foreign::from(one.as_str()).to_string(),
        _ => format!("{} targets", targets.len()),
    };
    let clock = reporting.style("probe", false).clock;
    let opened = arguments.screen.setup(
        format!("probe {title}"),
        Kind::Once,
        reporting.color,
        clock,
        frames.clone(),
    );
    let (mut setup, controls) = match opened {
        Ok(opened) => opened,
        Err(why) => return refused(&why),
    };
    setup.report = Some(screen::reports(reporting, "probe"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return refused(&format!("no asynchronous runtime: {error}")),
    };
    let (events, received) = tui::events(screen::EVENTS);
    let (stop, stopped) = watch::channel(false);
    let doing = events.clone();
    let progress = Box::new(move |stage: probe::StageName, text: &str| {
        // The next word about it comes soon.
        let _ = doing.try_send(Event::Doing(format!("{} {text}", stage.name())));
    });
    let (context, failed) = {
        let _entered = runtime.enter();
        Context::open(options, stopped, progress)
    };
    if let Err(error) = login::give_up(arguments, successor) {
        aside::say(&error);
        return exit::NOT_PERMITTED;
    }
    let untold = failed.map(|why| match why {
        TapError::NotPermitted => {
            "capturing is not permitted: packets are not seen, and nothing can be judged (mxray doctor)"
                .to_owned()
        }
        TapError::Other(why) => format!("nothing can be captured: {why}"),
    });
    let mut onlooker = Onlooker::new(&config, events, frames, controls);
    std::thread::scope(|scope| {
        let view = scope.spawn(|| arguments.screen.open(setup, received));
        if let Some(text) = untold {
            let time = context.now();
            onlooker.send(Event::Notice { time, text });
        }
        runtime.block_on(async {
            context.listen();
            tokio::select! {
                _ = probe::run(&context, targets) => {}
                () = onlooker.look_on(&context, &stop) => {}
            }
        });
        let told = finish(
            arguments,
            targets,
            config,
            &context,
            &mut files,
            &mut onlooker,
        );
        match (view.join(), told) {
            (Ok(Ok(left)), Ok((code, afterword))) => {
                afterword.print(reporting, "probe");
                screen::code(left, code)
            }
            (Ok(Ok(_)), Err(why)) => refused(&why),
            (Ok(Err(why)), _) => refused(&format!("the live view cannot be opened: {why}")),
            (Err(_), _) => refused("the live view died"),
        }
    })
}

fn refused(why: &str) -> u8 {
    aside::say(&why);
    exit::USAGE
}

/// What the view is told while it is measured.
struct Onlooker {
    engine: Engine,
    source: SourceId,
    events: Sender,
    frames: Frames,
    controls: Receiver<Control>,
    stats: Stats,
    paths: usize,
}

impl Onlooker {
    fn new(
        config: &Config,
        events: Sender,
        frames: Frames,
        controls: Receiver<Control>,
    ) -> Onlooker {
        let mut engine = Engine::new(Config {
            live: true,
            ..config.clone()
        });
        let name = Foreign::from("probe");
        let source = engine.open_source("probe", name.clone(), None);
        let onlooker = Onlooker {
            engine,
            source,
            events,
            frames,
            controls,
            stats: Stats::default(),
            paths: 0,
        };
        onlooker.send(Event::Source {
            id: source.0,
            name,
            beside: false,
        });
        onlooker
    }

    /// Who has left needs no more.
    fn send(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Looks again and again, until the user leaves and what was begun has come to its end.
    async fn look_on(&mut self, context: &Context, stop: &watch::Sender<bool>) {
        loop {
            tokio::time::sleep(LOOK).await;
            if self.controls.try_iter().any(|one| one == Control::Quit) || self.events.is_gone() {
                stop.send_replace(true);
            }
            self.look(context);
        }
    }

    fn look(&mut self, context: &Context) {
        let known = usize::try_from(self.stats.packets).unwrap_or(usize::MAX);
        let (frames, paths) = context.gathered_since(known, self.paths);
        self.paths += paths.len();
        let now = context.now();
        let (engine, events) = (&mut self.engine, &self.events);
        // The thread of the measurements must not wait for the view; what finds no room is told at the end.
        let mut tell = |record| drop(events.try_send(Event::Record(record)));
        for (link_type, taken) in frames {
            self.stats.packets += 1;
            self.stats.bytes += u64::from(taken.original_len);
            let number = self.stats.packets;
            self.frames
                .add(self.source, &frame(number, link_type, &taken), None);
            engine.frame(&input(self.source, number, link_type, &taken), &mut tell);
        }
        let settled = now.plus(-LATE);
        engine.tick(settled, &mut tell);
        engine.provisional(settled, PORTION, &mut tell);
        paths.into_iter().map(Record::Path).for_each(&mut tell);
        let _ = events.try_send(Event::Clock(now));
        let _ = events.try_send(Event::Stats(self.stats));
    }

    /// Everything, judged as a whole.
    fn begin_again(
        &mut self,
        config: Config,
        mut recording: Recording,
        paths: Vec<PathRecord>,
        verdicts: &mut Verdicts,
        afterword: &mut Afterword,
        until: Timestamp,
    ) {
        self.frames.clear();
        self.send(Event::Restart);
        let mut engine = Engine::new(config);
        let name = Foreign::from("probe");
        let source = engine.open_source("probe", name.clone(), None);
        self.send(Event::Source {
            id: source.0,
            name,
            beside: false,
        });
        let mut stats = Stats::default();
        let links: Vec<u16> = recording
            .interfaces
            .iter()
            .map(|one| one.link_type)
            .collect();
        let first = recording.first_number();
        for (number, taken) in (first..).zip(recording.frames()) {
            let link_type = links.get(taken.interface).copied().unwrap_or(1);
            self.frames
                .add(source, &frame(number, link_type, taken), None);
            stats.packets += 1;
            stats.bytes += u64::from(taken.original_len);
        }
        let events = &self.events;
        let mut tell = |record: Record| {
            verdicts.see(&record);
            afterword.see(&record);
            let _ = events.send(Event::Record(record));
        };
        recording.feed(&mut engine, source, &mut tell);
        paths.into_iter().map(Record::Path).for_each(&mut tell);
        engine.finish(&mut tell);
        self.send(Event::Clock(until));
        self.send(Event::Stats(stats));
        self.send(Event::End);
    }
}

/// The recording is written and judged.
fn finish(
    arguments: &Arguments,
    targets: &[Target],
    config: Config,
    context: &Context,
    files: &mut Files,
    onlooker: &mut Onlooker,
) -> Result<(u8, Afterword), String> {
    let (mut recording, paths, unknowable) = context.take();
    let until = context.now();
    recording.end(until);
    for (port, service) in spoken(targets) {
        recording.serves(port, service);
    }
    let written = files
        .keep(&mut recording)
        .map_err(|error| format!("the packets cannot be written: {error}"));
    let mut verdicts = Verdicts::new(arguments.reporting.strictness());
    let mut afterword = Afterword::default();
    onlooker.begin_again(
        config,
        recording,
        paths,
        &mut verdicts,
        &mut afterword,
        until,
    );
    for one in unknowable {
        let text = one.says();
        onlooker.send(Event::Notice { time: until, text });
    }
    let left = context.left_unmeasured();
    written.map(|()| (verdicts.code_of_probe(&left), afterword))
}

fn frame(number: u64, link_type: u16, taken: &probe::Taken) -> Frame<'_> {
    Frame {
        number,
        interface: 0,
        link_type,
        time: taken.time,
        data: &taken.data,
        original_len: taken.original_len,
        control: taken.control.is_some(),
        position: 0,
    }
}

fn input(source: SourceId, number: u64, link_type: u16, taken: &probe::Taken) -> Input<'_> {
    Input {
        source,
        number,
        interface: u32::try_from(taken.interface).unwrap_or(u32::MAX),
        link_type,
        time: taken.time,
        data: &taken.data,
        original_len: taken.original_len,
        control: taken.control.is_some(),
    }
}
