//! What arrives while somebody looks: rows stay bounded, the selection stays where it is, keys are answered.

use mxray::base::{Foreign, SECOND, Timestamp};
use mxray::engine::record::{ConnectionRecord, Moment, Record};
use mxray::tui::{Bounds, Event, Headless, Kind, Playback, Speed, Timeline};

use super::{a_connection, setup};

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

fn arrives(screen: &mut Headless, record: ConnectionRecord) {
    screen.event(Event::Record(Record::Connection(Box::new(record))));
}

#[test]
fn what_a_probe_from_here_opened_is_shown_and_counts_nowhere() {
    let mut screen = Headless::new(setup(false, false, Kind::Live), 100, 30);
    for (id, name, beside) in [(0, "eth0", false), (7, "probe of 192.0.2.10:25", true)] {
        screen.event(Event::Source {
            id,
            name: Foreign::from(name),
            beside,
        });
    }
    let watched = a_connection();
    let own = ConnectionRecord {
        id: 1_000,
        attempt: Some(1_000),
        source: 7,
        ..watched.clone()
    };
    arrives(&mut screen, watched);
    arrives(&mut screen, own);
    let text = screen.text();
    assert!(text.contains("✗ 1 ") && text.contains("✗p"), "{text}");
    screen.keys("<Tab>");
    let text = screen.text();
    assert!(text.contains(", 1 attempt"), "{text}");
}

#[test]
fn what_cost_time_stands_behind_what_failed() {
    let mut screen = Headless::new(setup(false, false, Kind::Live), 100, 30);
    let record = a_connection();
    for id in 0..3 {
        let mut slow = ConnectionRecord {
            id,
            attempt: Some(id),
            outcome: "degraded",
            ..record.clone()
        };
        slow.verdict.code = "path.loss";
        arrives(&mut screen, slow);
    }
    let failed = ConnectionRecord {
        id: 9,
        attempt: Some(9),
        ..record
    };
    arrives(&mut screen, failed);
    screen.keys("<Tab>");
    let text = screen.text();
    let at = |words: &str| {
        text.find(words)
            .unwrap_or_else(|| panic!("{words}: {text}"))
    };
    assert!(at("✗ tcp.prohibited") < at("~ path.loss"), "{text}");
    screen.keys("<Tab>f");
    let text = screen.text();
    assert!(text.contains("✗ 1 ~ 3 "), "{text}");
}

#[test]
fn before_anything_came_the_list_says_what_is_captured() {
    let mut screen = Headless::new(setup(false, false, Kind::Live), 80, 24);
    let text = "captured are TCP ports 25, 110, 143, 465, 587, 993 and 995, DNS, ICMP, ARP and NDP; all else is left out";
    let notices = ["capturing eth0", "something", "more", text];
    for text in notices {
        screen.event(Event::Notice {
            time: Timestamp(SECOND),
            text: text.to_owned(),
        });
    }
    let words = screen.text();
    let words: Vec<&str> = words.split_whitespace().collect();
    assert!(words.join(" ").contains(text), "{words:?}");
}

#[test]
fn a_bar_over_several_days_tells_the_day() {
    let mut screen = Headless::new(setup(false, false, Kind::Replay), 80, 24);
    // 2026-11-23 14:03:12.
    let first = Timestamp(1_795_442_592_000_000_000);
    screen.event(Event::Playback(Playback {
        paused: true,
        speed: Speed::Max,
        frames: 1,
        ended: false,
        rewinds: true,
    }));
    screen.event(Event::Clock(first));
    for (last, shown, other) in [
        (first.plus(60 * SECOND), " 14:03:12 ", "2026-11-23"),
        (first.plus(200_000 * SECOND), " 2026-11-23 14:03:12 ", "\0"),
    ] {
        screen.event(Event::Timeline(Timeline {
            first,
            last,
            deaths: Vec::new(),
        }));
        let text = screen.text();
        let bar = text.lines().nth_back(1).unwrap_or_default();
        assert!(bar.contains(shown) && !bar.contains(other), "{bar}");
    }
}

/// This thread's time on the processor: what else the machine does is not counted.
fn worked() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Six seconds of ten thousand connections each, a picture every 33 ms: the longest that a key and its picture took.
fn slowest_of_six_seconds(record: &ConnectionRecord, fold: &str) -> std::time::Duration {
    let mut screen = Headless::new(setup(true, false, Kind::Live), 300, 100);
    screen.keys(fold);
    let (mut id, mut slowest) = (0u64, std::time::Duration::ZERO);
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
    slowest
}

#[test]
fn ten_thousand_connections_a_second_leave_keys_answered_within_100_ms() {
    let record = a_connection();
    for fold in ["", "ff", "fff", "ss", "/10.0.7<Enter>"] {
        // Who shares caches and memory with this thread makes it slower, never faster.
        let tries: Vec<_> = (0..3)
            .map(|_| slowest_of_six_seconds(&record, fold).as_millis())
            .take_while(|slowest| *slowest >= 100)
            .collect();
        assert!(tries.len() < 3, "{fold:?}: {tries:?} ms");
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
