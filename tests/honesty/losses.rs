//! What a capture may lack, and what is judged of the rest.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use mxray::engine::record::Record;
use mxray::wire::{Net, dissect};

use crate::support::{Captured, Chance, Kept, judge};

/// Frames change places by this many at the most, where they lie this close together, in nanoseconds.
const FURTHEST: usize = 3;
const CLOSE: i64 = 1_000_000;

/// What was done to a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    BeginsWith(usize),
    CutAfter(usize),
    Without(usize),
    Holes(Holes, usize),
    Short(usize),
    ClientUnheard,
    ServerUnheard,
    /// Frames change places as capture hardware with several queues makes them; with their times, or each with the time of its place.
    Moved(Times, usize),
}

/// How a capture loses several frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holes {
    /// Two to six in a row.
    Burst,
    /// One in ten.
    Few,
    /// One in three.
    Many,
    /// One in four of what one side sends.
    OneSide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Times {
    Kept,
    OfThePlace,
}

impl Loss {
    pub fn kind(self) -> &'static str {
        match self {
            Loss::BeginsWith(_) => "begun late",
            Loss::CutAfter(_) => "cut",
            Loss::Without(_) => "frame left out",
            Loss::Holes(Holes::Burst, _) => "burst lost",
            Loss::Holes(Holes::Few, _) => "one in ten lost",
            Loss::Holes(Holes::Many, _) => "one in three lost",
            Loss::Holes(Holes::OneSide, _) => "one in four of a side lost",
            Loss::Short(96) => "96 bytes",
            Loss::Short(_) => "68 bytes",
            Loss::ClientUnheard => "client unheard",
            Loss::ServerUnheard => "server unheard",
            Loss::Moved(Times::Kept, _) => "moved with their times",
            Loss::Moved(Times::OfThePlace, _) => "moved",
        }
    }

    pub fn place(self, frames: &[Kept]) -> String {
        match self {
            Loss::BeginsWith(at) => {
                format!("from frame {}", frames.get(at).map_or(0, |f| f.number))
            }
            Loss::CutAfter(at) => format!("after frame {}", frames.get(at).map_or(0, |f| f.number)),
            Loss::Without(at) => {
                format!("without frame {}", frames.get(at).map_or(0, |f| f.number))
            }
            Loss::Moved(_, round) => format!("in round {round}"),
            Loss::Holes(holes, round) => {
                let kept: Vec<String> = left_out(frames, holes, round)
                    .iter()
                    .map(|at| frames[*at].number.to_string())
                    .collect();
                format!("round {round}: without {}", kept.join(","))
            }
            Loss::Short(_) | Loss::ClientUnheard | Loss::ServerUnheard => String::new(),
        }
    }
}

fn shortened(frame: &Kept, snaplen: usize) -> Kept {
    let data = frame
        .data
        .get(..snaplen)
        .map_or_else(|| Arc::clone(&frame.data), Arc::from);
    Kept {
        data,
        ..frame.clone()
    }
}

/// The frames that such a capture does not have.
fn left_out(frames: &[Kept], holes: Holes, round: usize) -> BTreeSet<usize> {
    let mut chance = Chance::of(&format!("{} {holes:?} {round}", frames.len()));
    let count = frames.len();
    match holes {
        Holes::Burst => {
            let first = chance.below(count);
            let len = 2 + chance.below(5);
            (first..(first + len).min(count)).collect()
        }
        Holes::Few => (0..count).filter(|_| chance.below(10) == 0).collect(),
        Holes::Many => (0..count).filter(|_| chance.below(3) == 0).collect(),
        Holes::OneSide => {
            let whose = frames.get(chance.below(count)).and_then(ends);
            let of_it = |at: &usize| {
                whose.is_some_and(|(from, _)| {
                    ends(&frames[*at]).is_some_and(|(source, _)| source == from)
                })
            };
            (0..count)
                .filter(of_it)
                .filter(|_| chance.below(4) == 0)
                .collect()
        }
    }
}

/// Frames that lie close together change places, none by more than a few.
fn moved(frames: &[Kept], times: Times, round: usize) -> Vec<Kept> {
    let mut chance = Chance::of(&format!("{} {round}", frames.len()));
    let mut places: Vec<usize> = (0..frames.len()).collect();
    let mut at = 0;
    while at + 1 < frames.len() {
        let with = at + 1 + chance.below(FURTHEST);
        let near = frames
            .get(with)
            .is_some_and(|other| other.time.since(frames[at].time).abs() <= CLOSE);
        if near && chance.below(2) == 0 {
            places.swap(at, with);
            at = with;
        }
        at += 1;
    }
    let place = |(at, from): (usize, &usize)| {
        let frame = frames[*from].clone();
        match times {
            Times::Kept => frame,
            Times::OfThePlace => Kept {
                time: frames[at].time,
                ..frame
            },
        }
    };
    let mut changed: Vec<Kept> = places.iter().enumerate().map(place).collect();
    for (at, frame) in changed.iter_mut().enumerate() {
        frame.number = frames[at].number;
    }
    changed
}

fn ends(frame: &Kept) -> Option<(IpAddr, IpAddr)> {
    match dissect(frame.link_type, &frame.data, frame.original_len).net {
        Net::Ip(ip) => Some((ip.source, ip.destination)),
        Net::Arp(_) | Net::None => None,
    }
}

pub fn after(captured: &Captured, loss: Loss, clients: &BTreeSet<IpAddr>) -> Vec<Record> {
    let frames = &captured.frames;
    let end = &captured.end;
    match loss {
        Loss::BeginsWith(at) => judge(frames.iter().skip(at), end),
        Loss::CutAfter(at) => judge(frames.iter().take(at + 1), end),
        Loss::Without(out) => judge(
            frames
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != out)
                .map(|(_, frame)| frame),
            end,
        ),
        Loss::Holes(holes, round) => {
            let out = left_out(frames, holes, round);
            let kept = frames
                .iter()
                .enumerate()
                .filter(|(at, _)| !out.contains(at));
            judge(kept.map(|(_, frame)| frame), end)
        }
        Loss::Short(snaplen) => {
            let short: Vec<Kept> = frames.iter().map(|f| shortened(f, snaplen)).collect();
            judge(&short, end)
        }
        Loss::Moved(times, round) => judge(&moved(frames, times, round), end),
        Loss::ClientUnheard => judge(
            frames
                .iter()
                .filter(|frame| ends(frame).is_none_or(|(source, _)| !clients.contains(&source))),
            end,
        ),
        Loss::ServerUnheard => judge(
            frames
                .iter()
                .filter(|frame| ends(frame).is_none_or(|(_, to)| !clients.contains(&to))),
            end,
        ),
    }
}
