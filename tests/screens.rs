//! The screens of the terminal interface, without a terminal: every view at three sizes, with and without colour; random
//! keys and sizes; foreign text; bounds; and how long keys wait while thousands of connections arrive.

#[path = "support/screening.rs"]
mod screening;
mod support;
#[path = "support/touring.rs"]
mod touring;

use std::path::{Path, PathBuf};

use mxray::base::{Foreign, SECOND, Timestamp};
use mxray::engine::record::{
    ConnectionRecord, HopInfo, Line, LossInfo, MailInfo, Moment, MtuInfo, Pair, PathRecord, Record,
};
use mxray::privilege::Folder;
use mxray::tui::{
    Bounds, Death, Event, Headless, Kind, Playback, Setup, Speed, Timeline, controls,
};
use ratatui::crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (300, 100)];

/// Captures that together show every kind of death that has a panel of its own.
const SHOWN: [&str; 7] = [
    "ok/smtp-plain.pcapng",
    "auth.credentials-rejected/imap.pcapng",
    "tls.cert-expired/submission.pcapng",
    "tcp.prohibited/admin-v4.pcapng",
    "dns.nxdomain/typo.pcapng",
    "path.loss/one-in-nine.pcapng",
    "tcp.dropped/smtp-v4.pcapng",
];

fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("captures")
        .join(name)
}

fn setup(color: bool, ascii: bool, kind: Kind) -> Setup {
    let (mut setup, _) = screening::setup(kind);
    setup.look.color = color;
    setup.look.ascii = ascii;
    setup.probe = Some("one TCP connection, TLS and EHLO; nothing is sent as mail".to_owned());
    setup
}

/// Replays captures as one world each into an interface.
fn open(setup: Setup, names: &[&str], size: (u16, u16)) -> Headless {
    screening::play(setup, names, size).unwrap_or_else(|error| panic!("{names:?}: {error}"))
}

fn replay(screen: &mut Headless) {
    let start = Timestamp(1_795_442_592_000_000_000);
    screen.event(Event::Playback(Playback {
        paused: true,
        speed: Speed::Times(5),
        frames: 12,
        ended: false,
        rewinds: true,
    }));
    let death = |second: i64| Death {
        at: start.plus(second * SECOND),
        told: start.plus((second + 2) * SECOND),
    };
    screen.event(Event::Timeline(Timeline {
        first: start,
        last: start.plus(200 * SECOND),
        deaths: vec![death(20), death(90), death(91)],
    }));
}

/// The views by name, with the keys that lead there from the list.
const VIEWS: [(&str, &str); 12] = [
    ("list", ""),
    ("list-folded-by-cause", "f f f <Enter>"),
    ("list-filtered", "/ state:failed -dns <Enter>"),
    ("packets", "N <Enter>"),
    ("dialogue", "/ code:auth <Enter> g <Enter> 2"),
    ("tls", "/ code:tls <Enter> g <Enter> 3"),
    ("tcp", "/ code:path <Enter> g <Enter> 4"),
    ("dns", "/ code:dns <Enter> g <Enter> 5"),
    ("path", "/ code:tcp.prohibited <Enter> g <Enter> 6"),
    ("explain", "G <Enter> 7"),
    ("overview", "<Tab>"),
    ("help", "?"),
];

fn press(screen: &mut Headless, keys: &str) {
    for key in keys.split(' ') {
        screen.keys(key);
    }
}

/// A filter is typed with its blanks.
fn walk(screen: &mut Headless, keys: &str) {
    match keys.strip_prefix("/ ") {
        Some(rest) => {
            let (filter, after) = rest.split_once(" <Enter>").expect("an end of the filter");
            screen.keys("/");
            screen.keys(filter);
            screen.keys("<Enter>");
            press(screen, after.trim());
        }
        None => press(screen, keys),
    }
}

#[test]
fn every_view_at_three_sizes() {
    for (name, keys) in VIEWS {
        let mut told = String::new();
        for size in SIZES {
            let mut screen = open(setup(true, false, Kind::Replay), &SHOWN, size);
            walk(&mut screen, keys);
            told.push_str(&format!("{} × {}\n{}\n", size.0, size.1, screen.text()));
        }
        insta::assert_snapshot!(name, told);
    }
}

#[test]
fn the_time_bar_marks_deaths_and_where_it_stands() {
    let mut told = String::new();
    for size in SIZES {
        let mut screen = open(setup(true, false, Kind::Replay), &[], size);
        replay(&mut screen);
        screen.event(Event::Clock(Timestamp(
            1_795_442_592_000_000_000 + 60 * SECOND,
        )));
        told.push_str(&format!("{} × {}\n{}\n", size.0, size.1, screen.text()));
    }
    insta::assert_snapshot!("time-bar", told);
}

#[test]
fn a_walked_path_has_a_column_for_each_port() {
    let hop = |ttl: u8, address: Option<&str>, answered: u32| HopInfo {
        ttl,
        address: address.map(str::to_owned),
        rtt_ms: address.map(|_| f64::from(ttl) * 1.5),
        loss: None,
        sent: 3,
        answered,
    };
    let path = |port: u16, hops: Vec<HopInfo>| PathRecord {
        target: "192.0.2.10".to_owned(),
        port: Some(port),
        hops,
        mtu: (port == 443).then_some(MtuInfo {
            forward: Some(1_500),
            backward: None,
            blackhole_after_hop: None,
        }),
        loss: Some(LossInfo {
            rate: 0.0,
            low: 0.0,
            high: 0.04,
            sent: 100,
        }),
        tls: None,
    };
    let near = || vec![hop(1, Some("10.0.0.1"), 3), hop(2, Some("203.0.113.1"), 2)];
    let mut blocked = near();
    blocked.push(hop(3, None, 0));
    let mut open_port = near();
    open_port.push(hop(3, Some("192.0.2.10"), 3));
    let mut told = String::new();
    for size in SIZES {
        let mut screen = open(
            setup(true, false, Kind::Once),
            &["tcp.dropped/smtp-v4.pcapng"],
            size,
        );
        screen.event(Event::Record(Record::Path(path(25, blocked.clone()))));
        screen.event(Event::Record(Record::Path(path(443, open_port.clone()))));
        screen.keys("<Enter>6");
        told.push_str(&format!("{} × {}\n{}\n", size.0, size.1, screen.text()));
    }
    insta::assert_snapshot!("path-walked", told);
}

#[test]
fn colour_carries_nothing_alone() {
    for (name, keys) in VIEWS {
        for size in SIZES {
            let mut painted = open(setup(true, false, Kind::Replay), &SHOWN, size);
            let mut plain = open(setup(false, false, Kind::Replay), &SHOWN, size);
            walk(&mut painted, keys);
            walk(&mut plain, keys);
            assert_eq!(painted.text(), plain.text(), "{name}");
            assert!(plain.cells().iter().all(|(_, colored)| !colored), "{name}");
        }
    }
}

#[test]
fn in_ascii_nothing_else_reaches_the_terminal() {
    for (name, keys) in VIEWS {
        let mut screen = open(setup(true, true, Kind::Replay), &SHOWN, (120, 40));
        walk(&mut screen, keys);
        for (cell, _) in screen.cells() {
            assert!(
                cell.chars().all(|c| matches!(c, ' '..='~')),
                "{name}: {cell:?}"
            );
        }
    }
}

#[test]
fn the_first_screen_says_what_died_where_and_what_to_do() {
    let mut screen = open(
        setup(false, false, Kind::Once),
        &["tcp.dropped/smtp-v4.pcapng"],
        (80, 24),
    );
    let text = screen.text();
    for said in [
        "tcp.dropped",
        "SYN packets vanish",
        "where",
        "in the network",
        " do ",
        "Ask whoever",
    ] {
        assert!(text.contains(said), "{said:?} is missing:\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80));
}

/// Numbers from a seed (SplitMix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

#[test]
fn every_view_survives_a_thousand_random_keys_and_sizes() {
    const KEYS: [KeyCode; 16] = [
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::F(1),
        KeyCode::Null,
    ];
    for (seed, (name, keys)) in VIEWS.into_iter().enumerate() {
        let mut random = Seeded(seed as u64 + 1);
        let mut screen = open(setup(true, seed % 2 == 0, Kind::Replay), &SHOWN, (80, 24));
        walk(&mut screen, keys);
        for step in 0..1_000 {
            match random.below(10) {
                0 => screen.resize(random.below(320) as u16, random.below(110) as u16),
                1 => screen.mouse(MouseEvent {
                    kind: MouseEventKind::Down(MouseButton::Left),
                    column: random.below(330) as u16,
                    row: random.below(120) as u16,
                    modifiers: KeyModifiers::NONE,
                }),
                2..=4 => screen.key(KEYS[random.below(KEYS.len())], KeyModifiers::NONE),
                5 => {
                    let letter = (b'a' + random.below(26) as u8) as char;
                    screen.key(KeyCode::Char(letter), KeyModifiers::CONTROL);
                }
                6 if random.below(20) == 0 => replay(&mut screen),
                6 if random.below(40) == 0 => screen.event(Event::Restart),
                _ => {
                    let letter = (b' ' + random.below(95) as u8) as char;
                    screen.key(KeyCode::Char(letter), KeyModifiers::NONE);
                }
            }
            screen.tick(Timestamp(step * SECOND / 5));
            if random.below(4) == 0 {
                let cells = screen.cells();
                assert!(
                    cells.iter().all(|(cell, _)| cell.chars().count() <= 1),
                    "{name}"
                );
            }
        }
    }
}

fn a_connection() -> ConnectionRecord {
    let path = capture("tcp.prohibited/admin-v4.pcapng");
    let records = support::replay(&path).expect("a capture");
    records
        .into_iter()
        .find_map(|record| match record {
            Record::Connection(record) => Some(*record),
            _ => None,
        })
        .expect("a connection")
}

#[test]
fn foreign_text_moves_hides_and_forges_nothing() {
    let nasty = "\u{1b}[2J\u{1b}]0;x\u{7}\r\n\u{202e}gnp.exe\u{200b}\u{301}\u{301}\u{301}\u{1f469}\u{200d}\u{1f4bb}\u{5d0}日本\u{9b}31m";
    let foreign = Foreign::from_bytes(nasty.as_bytes());
    let mut record = a_connection();
    record.server.name = Pair::Name(Some(foreign.clone()));
    record.verdict.summary = format!("{foreign} and {foreign}");
    record.verdict.advice = vec![foreign.to_string()];
    record.mail = Some(MailInfo {
        software: Some(foreign.clone()),
        capabilities: vec![foreign.clone()],
        user: Some(foreign.clone()),
        transcript: vec![Line {
            frame: 5,
            from: "server",
            text: foreign.clone(),
            time: record.started.0,
        }],
    });
    for keys in ["", "<Enter>", "<Enter> 2", "<Enter> 7", "<Tab>", "f f f"] {
        for size in SIZES {
            let mut screen = Headless::new(setup(true, false, Kind::Live), size.0, size.1);
            screen.event(Event::Source {
                id: 0,
                name: foreign.clone(),
            });
            screen.event(Event::Record(Record::Connection(Box::new(record.clone()))));
            press(&mut screen, keys);
            for (cell, _) in screen.cells() {
                let mut chars = cell.chars();
                let (first, more) = (chars.next(), chars.next());
                assert!(more.is_none(), "two characters in a cell: {cell:?}");
                let Some(c) = first else { continue };
                let code = c as u32;
                let harmless = !c.is_control()
                    && !(0x300..=0x36f).contains(&code)
                    && !(0x590..=0x8ff).contains(&code)
                    && !(0x200b..=0x200f).contains(&code)
                    && !(0x202a..=0x202e).contains(&code)
                    && code < 0x1_0000;
                assert!(harmless, "{c:?} reached the terminal");
            }
        }
    }
}

#[test]
fn rows_are_bounded_and_what_left_is_said() {
    let mut bounded = setup(false, false, Kind::Live);
    bounded.bounds = Bounds {
        rows: 1_000,
        bytes: 64 << 20,
    };
    let mut screen = Headless::new(bounded, 100, 30);
    let record = a_connection();
    for id in 0..5_000 {
        let mut one = record.clone();
        one.id = id;
        one.attempt = Some(id);
        if id % 2 == 0 {
            one.outcome = "healthy";
        }
        screen.event(Event::Record(Record::Connection(Box::new(one))));
    }
    screen.tick(Timestamp(SECOND));
    let text = screen.text();
    assert!(text.contains("4,000 older rows left"), "{text}");
    // What failed outlives what was healthy.
    assert!(text.contains("tcp.prohibited"), "{text}");
}

#[test]
fn the_selection_stays_on_its_row_while_others_arrive() {
    let mut screen = Headless::new(setup(false, false, Kind::Live), 100, 30);
    let record = a_connection();
    let arrive = |screen: &mut Headless, from: u64, to: u64| {
        for id in from..to {
            let mut one = record.clone();
            one.id = id;
            one.attempt = Some(id);
            one.client.ip = format!("10.0.{}.{}", id / 250, id % 250);
            one.started = Moment(record.started.0.plus(id as i64));
            screen.event(Event::Record(Record::Connection(Box::new(one))));
        }
    };
    arrive(&mut screen, 0, 40);
    screen.keys("kkk");
    screen.keys("Y");
    arrive(&mut screen, 40, 400);
    screen.keys("Y");
    assert_eq!(screen.copied[0], screen.copied[1]);
    assert!(
        screen.copied[0].contains("10.0.0.36"),
        "{}",
        screen.copied[0]
    );
    // By server, others come between; the row is the same.
    screen.keys("sss");
    arrive(&mut screen, 400, 500);
    screen.keys("Y");
    assert_eq!(screen.copied[0], screen.copied[2]);
}

#[test]
fn refusals_of_a_busy_server_are_folded_and_skipped_until_asked_for() {
    let mut screen = Headless::new(setup(false, false, Kind::Live), 100, 30);
    let record = a_connection();
    for id in 0..20 {
        let mut one = record.clone();
        one.id = id;
        one.attempt = Some(id);
        if id != 7 {
            one.verdict.code = "mail.blocklisted";
            one.verdict.class = Some("policy");
        }
        screen.event(Event::Record(Record::Connection(Box::new(one))));
    }
    let text = screen.text();
    assert!(text.contains("19"), "{text}");
    assert_eq!(text.matches("mail.blocklisted").count(), 0, "{text}");
    screen.keys("gn");
    assert!(screen.text().contains("tcp.prohibited"));
    screen.keys("/class:policy<Enter>");
    let text = screen.text();
    assert!(text.matches("mail.blocklisted").count() > 10, "{text}");
}

#[test]
fn a_final_record_replaces_the_provisional_one() {
    let mut screen = Headless::new(setup(false, false, Kind::Live), 100, 30);
    let mut record = a_connection();
    record.outcome = "incomplete";
    record.verdict.code = "unknown";
    record.verdict.is_final = false;
    screen.event(Event::Record(Record::Connection(Box::new(record))));
    assert!(screen.text().contains('◐'));
    screen.event(Event::Record(Record::Connection(Box::new(a_connection()))));
    let text = screen.text();
    assert!(
        text.contains("tcp.prohibited") && text.contains("✗ 1"),
        "{text}"
    );
    assert!(!text.contains('◐'), "{text}");
}

#[test]
fn a_frozen_view_stands_still_while_the_capture_goes_on() {
    let mut screen = Headless::new(setup(false, false, Kind::Live), 100, 30);
    let record = a_connection();
    screen.event(Event::Record(Record::Connection(Box::new(record.clone()))));
    screen.keys(" ");
    for id in 1..50 {
        let mut one = record.clone();
        one.id = id;
        screen.event(Event::Record(Record::Connection(Box::new(one))));
    }
    let rows = |text: &str| text.lines().filter(|line| line.starts_with('✗')).count();
    let text = screen.text();
    assert_eq!(rows(&text), 1, "{text}");
    assert!(text.contains("FROZEN"), "{text}");
    // A filter looks at what is frozen, not at what came since.
    screen.keys("/10.<Enter>");
    assert_eq!(rows(&screen.text()), 1);
    screen.keys("<Esc>");
    screen.keys(" ");
    assert!(rows(&screen.text()) > 10);
}

#[test]
fn the_selected_connection_is_saved_and_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut saving = setup(false, false, Kind::Replay);
    saving.save = Some(Folder::open(folder.path(), None).expect("the folder"));
    let mut screen = open(saving, &["tcp.prohibited/admin-v4.pcapng"], (100, 30));
    screen.keys("N");
    screen.keys("w");
    screen.keys("w");
    let saved = support::files(folder.path());
    assert_eq!(saved.len(), 2, "a second time is a second file");
    let records = support::replay(&saved[0]).expect("a capture");
    let code = records.iter().find_map(|record| match record {
        Record::Connection(record) => Some(record.verdict.code),
        _ => None,
    });
    assert_eq!(code, Some("tcp.prohibited"));
}

#[test]
fn probing_asks_first_and_says_what_it_sends() {
    let (control, wishes) = controls();
    let mut asking = setup(false, false, Kind::Live);
    asking.control = control;
    let mut screen = open(asking, &["tcp.prohibited/admin-v4.pcapng"], (80, 24));
    screen.keys("Np");
    assert!(screen.text().contains("nothing is sent as mail"));
    assert!(wishes.try_recv().is_err());
    screen.keys("n");
    assert!(wishes.try_recv().is_err());
    screen.keys("py");
    assert!(
        matches!(wishes.try_recv(), Ok(mxray::tui::Control::Probe(target)) if target.port == 25)
    );
}

/// This thread's time on the processor: what else the machine does is not counted.
fn worked() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn ten_thousand_connections_a_second_leave_keys_answered_within_100_ms() {
    let record = a_connection();
    for fold in ["", "ff", "fff", "ss", "/10.0.7<Enter>"] {
        let mut screen = Headless::new(setup(true, false, Kind::Live), 300, 100);
        screen.keys(fold);
        let (mut id, mut slowest) = (0u64, std::time::Duration::ZERO);
        // Six seconds of it, a picture each 33 ms.
        for picture in 0..180i64 {
            let arriving: Vec<ConnectionRecord> = (0..333)
                .map(|_| {
                    id += 1;
                    let mut one = record.clone();
                    one.id = id;
                    one.attempt = Some(id);
                    one.client.ip = format!("10.0.{}.{}", id % 20, id % 250);
                    one.outcome = if id % 10 == 0 { "failed" } else { "healthy" };
                    one
                })
                .collect();
            let before = worked();
            for one in arriving {
                screen.event(Event::Record(Record::Connection(Box::new(one))));
            }
            screen.keys("k");
            screen.tick(Timestamp(picture * 33_000_000));
            screen.text();
            slowest = slowest.max(worked() - before);
        }
        assert!(slowest.as_millis() < 100, "{fold:?}: {slowest:?}");
    }
}

#[test]
fn until_a_row_is_chosen_the_latest_death_is_told() {
    let mut screen = Headless::new(setup(false, false, Kind::Live), 80, 24);
    let record = a_connection();
    let tell = |screen: &mut Headless, ids: std::ops::Range<u64>, outcome: &'static str| {
        for id in ids {
            let mut one = record.clone();
            one.id = id;
            one.attempt = Some(id);
            one.outcome = outcome;
            if outcome == "healthy" {
                one.verdict.code = "ok";
                one.verdict.class = None;
            }
            one.client.ip = format!("10.0.{}.{}", id / 250, id % 250);
            screen.event(Event::Record(Record::Connection(Box::new(one))));
        }
    };
    tell(&mut screen, 0..3, "healthy");
    tell(&mut screen, 3..4, "failed");
    tell(&mut screen, 4..200, "healthy");
    let text = screen.text();
    // What is healthy goes by, and what died is told below.
    assert!(text.contains("10.0.0.199"), "{text}");
    assert!(
        text.contains("✗ tcp.prohibited") && text.contains(" do "),
        "{text}"
    );
    screen.keys("<Enter>");
    assert!(screen.text().contains("10.0.0.3:"));
    // A row that was chosen stays.
    screen.keys("<Esc>G");
    assert!(!screen.text().contains("✗ tcp.prohibited"));
    screen.event(Event::End);
    assert!(!screen.text().contains("✗ tcp.prohibited"));
}

#[test]
fn at_the_end_the_most_harmful_cause_is_selected() {
    let mut screen = open(
        setup(false, false, Kind::Once),
        &[
            "tcp.dropped/smtp-v4.pcapng",
            "auth.credentials-rejected/imap.pcapng",
            "ok/smtp-plain.pcapng",
        ],
        (80, 24),
    );
    screen.event(Event::End);
    let text = screen.text();
    assert!(
        text.contains("✗ tcp.dropped") && text.contains("Ask whoever"),
        "{text}"
    );
}

#[test]
fn the_recorded_tour_is_what_the_program_draws() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tour");
    let kept = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    for (name, _, keys) in touring::STOPS {
        let drawn = touring::draw(keys).expect("captures");
        assert!(
            kept(&format!("{name}.svg")) == drawn,
            "{name} is stale: cargo run --example tour"
        );
    }
    assert_eq!(kept("README.md"), touring::page());
}
