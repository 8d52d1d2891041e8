//! Who keeps connections: any thread of a replay that has nothing better to do.
//!
//! A shard with its work lies on a [`Desk`]. The thread that reads works there while enough epochs are on their way, the one that judges
//! while none is ready, and where there are more cores some threads do nothing else. So two cores have two threads that are busy
//! to the end, instead of four that wait for each other. One thread works at a desk at a time and takes its batches in their order, so
//! what is seen does not depend on who worked. Nobody waits for a desk, and it knows nothing of reading or judging.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, OnceLock};
use std::thread::{self, Thread};

use crate::engine::{Batch, Place, Shard, Sighting};

/// What was seen, with its place.
pub type Seen = Vec<(Place, Sighting)>;

/// A shard, its way in and its way out.
struct Keeping {
    shard: Shard,
    batches: Receiver<Batch>,
    /// Batches that were worked off.
    empty: Sender<Batch>,
    told: Sender<Seen>,
    /// Lists that were heard.
    heard: Receiver<Seen>,
}

impl Keeping {
    /// Works one batch off, if one is there.
    fn work(&mut self) {
        let Ok(mut batch) = self.batches.try_recv() else {
            return;
        };
        let mut seen = self.heard.try_recv().unwrap_or_default();
        batch.work(&mut self.shard, &mut seen);
        batch.clear();
        // Who gets these is gone only when it panicked, or wants no more.
        let _ = self.empty.send(batch);
        let _ = self.told.send(seen);
    }
}

/// Where a shard is worked on.
pub struct Desk {
    /// Batches that nobody has begun.
    waiting: AtomicUsize,
    keeping: Mutex<Keeping>,
}

impl Desk {
    /// A desk with a shard.
    pub fn new(
        shard: Shard,
        batches: Receiver<Batch>,
        empty: Sender<Batch>,
        told: Sender<Seen>,
        heard: Receiver<Seen>,
    ) -> Desk {
        let keeping = Keeping {
            shard,
            batches,
            empty,
            told,
            heard,
        };
        Desk {
            waiting: AtomicUsize::new(0),
            keeping: Mutex::new(keeping),
        }
    }

    /// Works one batch off. False if somebody else is here, or was and left none.
    fn work(&self, crew: &Crew) -> bool {
        let Ok(mut keeping) = self.keeping.try_lock() else {
            return false;
        };
        if self.waiting.load(Ordering::Acquire) == 0 {
            return false;
        }
        let _alarm = crew.alarm();
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        keeping.work();
        // The judge, whom the alarm wakes, must find nobody here.
        drop(keeping);
        true
    }
}

/// All who work on a replay, and what they tell each other of their work.
pub struct Crew {
    desks: Vec<Desk>,
    /// Epochs that were judged.
    judged: AtomicU64,
    /// Nothing more is to be done: all was judged, or a thread panicked.
    over: AtomicBool,
    /// False when nobody wants more.
    wanted: AtomicBool,
    judge: Thread,
    reader: OnceLock<Thread>,
    /// Threads that do nothing else.
    others: OnceLock<Vec<Thread>>,
}

impl Crew {
    /// The thread that calls it judges.
    pub fn new(desks: Vec<Desk>) -> Crew {
        Crew {
            desks,
            judged: AtomicU64::new(0),
            over: AtomicBool::new(false),
            wanted: AtomicBool::new(true),
            judge: thread::current(),
            reader: OnceLock::new(),
            others: OnceLock::new(),
        }
    }

    /// The thread that calls it reads.
    pub fn reads(&self) {
        let _ = self.reader.set(thread::current());
    }

    /// These do nothing but keep connections.
    pub fn joined(&self, others: Vec<Thread>) {
        let _ = self.others.set(others);
    }

    /// A batch was sent to each desk.
    pub fn sent(&self) {
        for desk in &self.desks {
            desk.waiting.fetch_add(1, Ordering::Release);
        }
        self.judge.unpark();
        for other in self.others.get().into_iter().flatten() {
            other.unpark();
        }
    }

    /// Works off one batch, of the desk that is furthest behind if it is free. False if there is none, or whoever is at that desk
    /// goes on.
    pub fn help(&self) -> bool {
        let waiting = |desk: &&Desk| desk.waiting.load(Ordering::Acquire);
        let behind = self.desks.iter().max_by_key(waiting);
        let desks = behind.into_iter().chain(&self.desks);
        let mut desks = desks.filter(|desk| waiting(desk) > 0);
        desks.any(|desk| desk.work(self))
    }

    /// Keeps connections until all is over.
    pub fn keep(&self) {
        while !self.is_over() {
            if !self.help() {
                thread::park();
            }
        }
    }

    /// An epoch was judged; whether more is wanted.
    pub fn judged(&self, wanted: bool) {
        self.judged.fetch_add(1, Ordering::Release);
        self.wanted.store(wanted, Ordering::Relaxed);
        if let Some(reader) = self.reader.get() {
            reader.unpark();
        }
    }

    /// Wakes the judge when it goes; everybody, for the last time, after a panic.
    pub fn alarm(&self) -> Alarm<'_> {
        Alarm(self)
    }

    /// How many epochs were judged.
    pub fn epochs(&self) -> u64 {
        self.judged.load(Ordering::Acquire)
    }

    /// Nothing more is to be done, and nobody is to wait.
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.wake();
    }

    /// See [`Crew::end`].
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Whether more is to be read.
    pub fn wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) && !self.is_over()
    }

    fn wake(&self) {
        self.judge.unpark();
        if let Some(reader) = self.reader.get() {
            reader.unpark();
        }
        for other in self.others.get().into_iter().flatten() {
            other.unpark();
        }
    }
}

/// See [`Crew::alarm`].
pub struct Alarm<'a>(&'a Crew);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end();
        } else {
            self.0.judge.unpark();
        }
    }
}
