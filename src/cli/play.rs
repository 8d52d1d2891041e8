//! A replay that is looked at: the inputs read at the speed that the user wants, stopped, stepped, sought.
//!
//! Speed only decides when a frame is handed to the engine, never which or in what order: the records are the same
//! at any speed. Going back means reading again from the start, which is quick and cannot be wrong.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::exit::{Strictness, Verdicts};
use super::feed::{Feed, Nothing, Sink};
use super::interrupt::Interrupt;
use crate::base::{Foreign, Nanos, SourceId, Timestamp};
use crate::capture::{Frame, Input, Mapping, OpenError};
use crate::engine::record::Record;
use crate::engine::{Config, Engine};
use crate::tui::{Control, Death, Event, Frames, Playback, Sender, Speed, Stats, Timeline};

/// Deaths marked on the time bar.
const DEATHS: usize = 10_000;
/// Between two looks at the time while reading at full speed, in frames.
const PACE: u64 = 256;
/// Between two words about where it stands.
const WORD: Duration = Duration::from_millis(100);

/// What is played.
pub struct Play {
    /// The inputs, in order.
    pub inputs: Vec<Input>,
    /// All of them are one world.
    pub merge: bool,
    /// The engine's settings.
    pub config: Config,
    /// Where frames are kept.
    pub frames: Frames,
    /// How fast.
    pub speed: Speed,
    /// What counts as a failure.
    pub strictness: Strictness,
}

/// Plays until the user leaves; gives the exit code of what was played.
pub fn play(play: &Play, events: &Sender, controls: &Receiver<Control>) -> Result<u8, Nothing> {
    let rewinds = play.inputs.iter().all(|input| match input {
        Input::Path(path) => path.is_file(),
        Input::Stdin => false,
    });
    std::thread::scope(|scope| {
        if rewinds && play.speed != Speed::Max {
            let events = events.clone();
            scope.spawn(move || scan(play, &events));
        }
        let mut player = Player {
            play,
            events,
            controls,
            speed: play.speed,
            paused: false,
            steps: 0,
            target: None,
            stop_there: false,
            pace: None,
            restart: None,
            left: false,
            rewinds,
            ended: false,
            position: Timestamp(0),
            timeline: Timeline::default(),
            scanning: rewinds && play.speed != Speed::Max,
            stats: Stats::default(),
            told: Instant::now(),
            mappings: HashMap::new(),
            verdicts: Verdicts::new(play.strictness.clone()),
        };
        player.run()
    })
}

/// Reads everything once for the time bar.
fn scan(play: &Play, events: &Sender) {
    let mut scan = Scan {
        timeline: Timeline::default(),
        position: Timestamp(0),
        events,
    };
    let inputs = play.inputs.iter().cloned().map(Ok).collect();
    let engine = Engine::new(play.config.clone());
    let read = Feed::new(engine, &mut scan, Interrupt::default(), false).run(inputs, play.merge);
    if read.is_ok() {
        // Who has left needs no time bar.
        let _ = events.send(Event::Timeline(scan.timeline));
    }
}

struct Scan<'a> {
    timeline: Timeline,
    position: Timestamp,
    events: &'a Sender,
}

impl Sink for Scan<'_> {
    fn source(&mut self, _: u32, _: &Foreign) {}

    fn frame(&mut self, _: SourceId, frame: &Frame<'_>) {
        extend(&mut self.timeline, frame.time);
        self.position = self.position.max(frame.time);
    }

    fn record(&mut self, record: Record) {
        mark(&mut self.timeline, &record, self.position);
    }

    fn refused(&mut self, _: &OpenError) {}

    fn wanted(&self) -> bool {
        !self.events.is_gone()
    }
}

fn extend(timeline: &mut Timeline, time: Timestamp) {
    if timeline.first.0 == 0 || time < timeline.first {
        timeline.first = time;
    }
    timeline.last = timeline.last.max(time);
}

/// Notes a death; refusals on purpose are none.
fn mark(timeline: &mut Timeline, record: &Record, told: Timestamp) {
    let (outcome, verdict, ended) = match record {
        Record::Connection(record) => (record.outcome, &record.verdict, record.ended.0),
        Record::Lookup(record) => (record.outcome, &record.verdict, record.started.0),
        _ => return,
    };
    let counts = matches!(outcome, "failed" | "degraded") && verdict.class != Some("policy");
    if counts && timeline.deaths.len() < DEATHS {
        let at = verdict.time.map_or(ended, |moment| moment.0);
        timeline.deaths.push(Death { at, told });
    }
}

struct Player<'a> {
    play: &'a Play,
    events: &'a Sender,
    controls: &'a Receiver<Control>,
    speed: Speed,
    paused: bool,
    /// Frames to be played although it stands still.
    steps: u64,
    /// At full speed up to there.
    target: Option<Timestamp>,
    /// And then it stands still.
    stop_there: bool,
    /// When which moment was played: what the speed counts from.
    pace: Option<(Instant, Timestamp)>,
    /// Read again from the start, up to there.
    restart: Option<Timestamp>,
    left: bool,
    rewinds: bool,
    ended: bool,
    position: Timestamp,
    timeline: Timeline,
    /// Somebody else reads for the time bar.
    scanning: bool,
    stats: Stats,
    told: Instant,
    mappings: HashMap<u32, Arc<Mapping>>,
    verdicts: Verdicts,
}

impl Player<'_> {
    fn run(&mut self) -> Result<u8, Nothing> {
        loop {
            self.ended = false;
            self.stats = Stats::default();
            self.position = Timestamp(0);
            self.pace = None;
            if !self.scanning {
                self.timeline = Timeline::default();
            }
            self.verdicts = Verdicts::new(self.play.strictness.clone());
            self.word();
            let inputs = self.play.inputs.iter().cloned().map(Ok).collect();
            let engine = Engine::new(self.play.config.clone());
            let merge = self.play.merge;
            Feed::new(engine, self, Interrupt::default(), false).run(inputs, merge)?;
            if self.restart.is_none() && !self.left {
                self.ended = true;
                self.target = None;
                if !self.scanning {
                    // Deaths are told in the order of judging; the bar wants them in time.
                    self.timeline.deaths.sort_by_key(|death| death.told);
                    self.send(Event::Timeline(self.timeline.clone()));
                }
                self.word();
                self.send(Event::End);
            }
            while self.restart.is_none() && !self.left {
                match self.controls.recv() {
                    Ok(control) => self.control(control),
                    Err(_) => self.left = true,
                }
            }
            if self.left {
                return Ok(self.verdicts.code());
            }
            self.target = self.restart.take();
            self.stop_there = self.paused || self.speed == Speed::Max;
            self.paused = false;
            self.play.frames.clear();
            self.send(Event::Restart);
        }
    }

    fn send(&mut self, event: Event) {
        if self.events.send(event).is_err() {
            self.left = true;
        }
    }

    /// Says where it stands.
    fn word(&mut self) {
        self.told = Instant::now();
        let playback = Playback {
            paused: self.paused,
            speed: self.speed,
            frames: self.stats.packets,
            ended: self.ended,
            rewinds: self.rewinds,
        };
        let stats = self.stats;
        if self.position.0 != 0 {
            let position = self.position;
            self.send(Event::Clock(position));
        }
        self.send(Event::Stats(stats));
        self.send(Event::Playback(playback));
    }

    fn control(&mut self, control: Control) {
        match control {
            // From the end, going on means from the start.
            Control::Pause(_) if self.ended => self.again(Timestamp(0)),
            Control::Pause(paused) => {
                // What the user says last counts, also on the way to a moment that was sought.
                self.paused = paused;
                self.stop_there = paused;
            }
            Control::Step => {
                self.paused = true;
                self.steps = 1;
            }
            Control::Speed(speed) => {
                self.speed = speed;
                self.target = None;
            }
            Control::Seek(time) if time < self.position => self.again(time),
            Control::Seek(_) if self.ended => {}
            Control::Seek(time) => {
                self.target = Some(time);
                self.stop_there = self.paused || self.speed == Speed::Max;
                self.paused = false;
            }
            Control::Probe(_) => {}
            Control::Quit => self.left = true,
        }
        self.pace = None;
        if !self.left {
            self.word();
        }
    }

    fn again(&mut self, time: Timestamp) {
        if self.rewinds {
            self.restart = Some(time);
        }
    }

    /// Waits until the frame of that time is due, and does what the user wants meanwhile.
    fn wait(&mut self, time: Timestamp) {
        loop {
            match self.controls.try_recv() {
                Ok(control) => {
                    self.control(control);
                    continue;
                }
                Err(TryRecvError::Disconnected) => self.left = true,
                Err(TryRecvError::Empty) => {}
            }
            if self.left || self.restart.is_some() {
                return;
            }
            if let Some(target) = self.target {
                if time <= target {
                    return;
                }
                self.target = None;
                self.pace = None;
                self.paused = self.stop_there;
                self.word();
            }
            if self.paused {
                if self.steps > 0 {
                    self.steps -= 1;
                    return;
                }
                match self.controls.recv() {
                    Ok(control) => self.control(control),
                    Err(_) => self.left = true,
                }
                continue;
            }
            let Speed::Times(times) = self.speed else {
                return;
            };
            let (then, from) = *self
                .pace
                .get_or_insert((Instant::now(), self.position.max(Timestamp(1)).min(time)));
            // The first frame of all is played at once.
            if self.position.0 == 0 {
                self.pace = Some((then, time));
                return;
            }
            let ahead = time.since(from).max(0) / Nanos::from(times);
            let due = Duration::from_nanos(ahead.unsigned_abs());
            let left = due.saturating_sub(then.elapsed());
            if left.is_zero() {
                return;
            }
            match self.controls.recv_timeout(left.min(WORD)) {
                Ok(control) => self.control(control),
                Err(RecvTimeoutError::Timeout) => {
                    // The clock goes on between two frames.
                    let played = Nanos::try_from(then.elapsed().as_nanos()).unwrap_or(0);
                    let here = from
                        .plus(played.saturating_mul(Nanos::from(times)))
                        .min(time);
                    self.send(Event::Clock(here));
                }
                Err(RecvTimeoutError::Disconnected) => self.left = true,
            }
        }
    }
}

impl Sink for Player<'_> {
    fn source(&mut self, id: u32, name: &Foreign) {
        let name = name.clone();
        self.send(Event::Source { id, name });
    }

    fn mapped(&mut self, id: u32, mapping: Arc<Mapping>) {
        self.mappings.insert(id, mapping);
    }

    fn frame(&mut self, source: SourceId, frame: &Frame<'_>) {
        if self.left || self.restart.is_some() {
            return;
        }
        let free = self.speed == Speed::Max && !self.paused && self.target.is_none();
        if !free || self.stats.packets.is_multiple_of(PACE) {
            self.wait(frame.time);
            if self.left || self.restart.is_some() {
                return;
            }
        }
        self.position = self.position.max(frame.time);
        self.stats.packets += 1;
        self.stats.bytes += u64::from(frame.original_len);
        if !self.scanning {
            extend(&mut self.timeline, frame.time);
        }
        let mapping = self.mappings.get(&source.0);
        self.play.frames.add(source, frame, mapping);
        let look =
            self.paused || self.stats.packets.is_multiple_of(PACE) || self.speed != Speed::Max;
        if self.paused || (look && self.target.is_none() && self.told.elapsed() >= WORD) {
            self.word();
        }
    }

    fn record(&mut self, record: Record) {
        if self.left || self.restart.is_some() {
            return;
        }
        self.verdicts.see(&record);
        if !self.scanning {
            mark(&mut self.timeline, &record, self.position);
        }
        self.send(Event::Record(record));
    }

    fn refused(&mut self, error: &OpenError) {
        let time = self.position;
        self.send(Event::Notice {
            time,
            text: error.to_string(),
        });
    }

    fn wanted(&self) -> bool {
        !self.left && self.restart.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc::Sender as Wishes;

    use super::{Play, play};
    use crate::base::{SECOND, Timestamp};
    use crate::capture::Input;
    use crate::cli::exit::Strictness;
    use crate::engine::Config;
    use crate::engine::record::Record;
    use crate::flow::Ports;
    use crate::tui::{Control, Event, Frames, Receiver, Speed, controls, events};

    /// A replay on a thread of its own, and both ends of the talk with it.
    fn started(speed: Speed) -> (Receiver, Wishes<Control>, std::thread::JoinHandle<u8>) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
        let inputs = [
            "tcp.dropped/smtp-v4.pcapng",
            "tls.cert-expired/submission.pcapng",
        ];
        let playing = Play {
            inputs: inputs.map(|name| Input::Path(root.join(name))).to_vec(),
            merge: false,
            config: Config::default(),
            frames: Frames::new(Ports::default(), false, Frames::DEFAULT),
            speed,
            strictness: Strictness::default(),
        };
        let (sender, receiver) = events(1_024);
        let (wishes, wanted) = controls();
        let player =
            std::thread::spawn(move || play(&playing, &sender, &wanted).expect("captures"));
        (receiver, wishes, player)
    }

    /// The records until the end, as a report would print them; a restart makes them void.
    fn told(receiver: &mut Receiver) -> Vec<String> {
        let mut records: Vec<String> = Vec::new();
        while let Some(event) = receiver.wait() {
            match event {
                Event::Record(record) => records.push(json(&record)),
                Event::Restart => records.clear(),
                Event::End => return records,
                _ => {}
            }
        }
        panic!("it ended without an end");
    }

    fn json(record: &Record) -> String {
        serde_json::to_string(record).expect("a record")
    }

    #[test]
    fn records_are_the_same_in_the_same_order_at_any_speed_and_after_going_back() {
        let (mut receiver, wishes, player) = started(Speed::Max);
        let full = told(&mut receiver);
        assert!(full.iter().any(|record| record.contains("tcp.dropped")));
        // Back to the middle, and on from there packet by packet, then at once.
        wishes.send(Control::Seek(Timestamp(1))).unwrap();
        for _ in 0..5 {
            wishes.send(Control::Step).unwrap();
        }
        wishes.send(Control::Pause(false)).unwrap();
        assert_eq!(told(&mut receiver), full);
        wishes.send(Control::Quit).unwrap();
        assert_eq!(player.join().unwrap(), 1);

        let (mut receiver, wishes, player) = started(Speed::Times(1_000));
        assert_eq!(told(&mut receiver), full);
        wishes.send(Control::Quit).unwrap();
        player.join().unwrap();
    }

    #[test]
    fn a_seek_ends_at_the_moment_and_stands_still() {
        let (mut receiver, wishes, player) = started(Speed::Max);
        let mut timeline = None;
        loop {
            match receiver.wait().expect("more") {
                Event::Timeline(made) => timeline = Some(made),
                Event::End => break,
                _ => {}
            }
        }
        let timeline = timeline.expect("a timeline");
        assert!(timeline.deaths.len() >= 2, "{timeline:?}");
        let wanted = timeline.first.plus(2 * SECOND);
        wishes.send(Control::Seek(wanted)).unwrap();
        let mut clock = Timestamp(0);
        loop {
            match receiver.wait().expect("more") {
                Event::Clock(time) => clock = time,
                Event::Playback(playback) if playback.paused => break,
                Event::End => panic!("it played on"),
                _ => {}
            }
        }
        assert!(
            clock <= wanted && wanted.since(clock) < 2 * SECOND,
            "{clock:?} {wanted:?}"
        );
        wishes.send(Control::Quit).unwrap();
        player.join().unwrap();
    }
}
