//! The screens of the terminal interface, without a terminal: every view at three sizes, with and without colour; random
//! keys and sizes; foreign text; bounds; and how long keys wait while thousands of connections arrive.

#[path = "screens/arriving.rs"]
mod arriving;
#[path = "support/screening.rs"]
mod screening;
mod support;
#[path = "support/touring.rs"]
mod touring;

use std::path::{Path, PathBuf};

use mxray::base::{Foreign, SECOND, Timestamp};
use mxray::engine::record::{
    ConnectionRecord, HopInfo, Line, LossInfo, MailInfo, MtuInfo, Pair, PathRecord, Record,
};
use mxray::privilege::Folder;
use mxray::tui::{Death, Event, Headless, Kind, Playback, Setup, Speed, Timeline, controls};
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
                beside: false,
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
fn a_packet_that_was_captured_twice_is_drawn_once() {
    // A bridge, a mirror port, or a router between two of the interfaces that are watched.
    let mut screen = open(
        setup(false, false, Kind::Replay),
        &["ok/duplicated.pcapng"],
        (120, 100),
    );
    screen.keys("/service:smtp<Enter>");
    screen.keys("<Enter>");
    let text = screen.text();
    assert!(text.contains("captured again on the way through"), "{text}");
    assert!(!text.contains(", again "), "{text}");
    screen.keys("4");
    let text = screen.text();
    assert!(text.contains("nothing was sent twice"), "{text}");
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
