//! A replay gives the same at any speed, and stops where it is told to.

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
        std::thread::spawn(move || play(&playing, &sender, &wanted).expect("captures").code);
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
