//! A replay that is looked at: the inputs read at the speed that the user wants, stopped, stepped, sought.
//!
//! Speed only decides when a frame is handed to the engine, never which or in what order: the records are the same
//! at any speed. Going back means reading again from the start, which is quick and cannot be wrong.

mod timeline;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use self::timeline::{extend, mark, scan};
use super::afterword::Afterword;
use super::exit::{Strictness, Verdicts};
use super::feed::{Nothing, feed};
use super::interrupt::Interrupt;
use super::sides::Sink;
use crate::base::{Foreign, Nanos, SourceId, Timestamp};
use crate::capture::{Frame, Input, Mapping, OpenError};
use crate::engine::record::Record;
use crate::engine::{Config, Engine};
use crate::tui::{Control, Event, Frames, Playback, Sender, Speed, Stats, Timeline};

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

/// What was played when the user left.
pub struct Played {
    /// The exit code.
    pub code: u8,
    /// What is to be said of it.
    pub afterword: Afterword,
}

/// Plays until the user leaves.
pub fn play(play: &Play, events: &Sender, controls: &Receiver<Control>) -> Result<Played, Nothing> {
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
            afterword: Afterword::default(),
        };
        player.run()
    })
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
    afterword: Afterword,
}

impl Player<'_> {
    fn run(&mut self) -> Result<Played, Nothing> {
        loop {
            self.ended = false;
            self.stats = Stats::default();
            self.position = Timestamp(0);
            self.pace = None;
            if !self.scanning {
                self.timeline = Timeline::default();
            }
            self.verdicts = Verdicts::new(self.play.strictness.clone());
            self.afterword = Afterword::default();
            self.word();
            let inputs = self.play.inputs.iter().cloned().map(Ok).collect();
            let engine = Engine::new(self.play.config.clone());
            let merge = self.play.merge;
            feed(engine, self, inputs, merge, &Interrupt::default(), false)?;
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
                return Ok(Played {
                    code: self.verdicts.code(),
                    afterword: std::mem::take(&mut self.afterword),
                });
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
        self.send(Event::Source {
            id,
            name,
            beside: false,
        });
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
        // Of what was played until the user left there is a summary as well.
        self.afterword.see(&record);
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
mod tests;
