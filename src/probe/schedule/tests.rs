//! Hours and days of rounds in simulated time, with services that break and mend.

use std::time::Duration;

use super::{Look, SESSIONS, Schedule, goes_on, look};
use crate::base::{SECOND, Timestamp};
use crate::probe::history::{History, Seen};
use crate::probe::metrics;

const EVERY: Duration = Duration::from_secs(30);
const HOUR: u64 = 3_600;

/// A service, and when it is down or shows a bad certificate, by the seconds since the run began.
struct Simulated {
    what: &'static str,
    is: fn(u64) -> &'static str,
}

/// Down for ten minutes every two hours.
fn regular(at: u64) -> &'static str {
    match at % (2 * HOUR) {
        3_600..4_200 => "tcp.dropped",
        _ => "ok",
    }
}

/// Its certificate ends after three hours, for good.
fn lapsed(at: u64) -> &'static str {
    if at < 3 * HOUR {
        "ok"
    } else {
        "tls.cert-expired"
    }
}

/// Down in every second round.
fn flapping(at: u64) -> &'static str {
    if at / 30 % 2 == 1 {
        "tcp.dropped"
    } else {
        "ok"
    }
}

const WORLD: [Simulated; 4] = [
    Simulated {
        what: "192.0.2.1:25",
        is: |_| "ok",
    },
    Simulated {
        what: "192.0.2.2:25",
        is: regular,
    },
    Simulated {
        what: "192.0.2.3:993",
        is: lapsed,
    },
    Simulated {
        what: "192.0.2.4:587",
        is: flapping,
    },
];

/// What a measurement of a service shows at a time, `whole` or as far as its greeting.
fn shown(one: &Simulated, at: u64, whole: bool) -> Seen {
    let code = match (one.is)(at) {
        "tls.cert-expired" if !whole => "ok",
        code => code,
    };
    Seen {
        what: one.what.to_owned(),
        name: None,
        code,
        failed: code != "ok",
        unknown: false,
        text: "It is so.".to_owned(),
        stage: match code {
            "ok" => "done",
            "tls.cert-expired" => "tls",
            _ => "tcp",
        },
        reached: match (code, whole) {
            ("ok", true) => vec!["route", "tcp", "greeting", "tls", "done"],
            ("tcp.dropped", _) => vec!["route"],
            _ => vec!["route", "tcp", "greeting"],
        },
        rtt_ms: (code == "ok").then_some(20.0),
    }
}

/// What came of a run.
#[derive(Default)]
struct Run {
    history: History,
    rounds: u64,
    logins: u64,
    lines: Vec<String>,
    /// Each session: of which service, when, and whether a change of state was worth it.
    sessions: Vec<(&'static str, Duration, bool)>,
    /// What the bookkeeping takes after each hour, in characters of its debug text.
    sizes: Vec<usize>,
}

/// The loop of `--every`, with the world's answers for packets and a counter for a clock.
fn run(span: Duration) -> Run {
    let mut schedule = Schedule::new(EVERY, Some(span));
    let mut run = Run::default();
    let mut now = Duration::ZERO;
    loop {
        let whole = schedule.begin();
        run.rounds += 1;
        run.logins += u64::from(whole);
        let at = now.as_secs();
        let mut seen = Vec::new();
        for one in &WORLD {
            let standing = run.history.standing(one.what);
            let first = match whole {
                true => Look::Whole,
                false => look(schedule.is_due(one.what, now), standing),
            };
            let glance = shown(one, at, first == Look::Whole);
            let change = first != Look::Whole && goes_on(first, standing, !glance.failed);
            // A SYN that nothing answers is no session.
            let opens = (one.is)(at) != "tcp.dropped";
            if first.is_session() {
                schedule.held(one.what.to_owned(), now);
                run.sessions.extend(opens.then_some((one.what, now, false)));
            } else if change {
                schedule.held(one.what.to_owned(), now);
                run.sessions.extend(opens.then_some((one.what, now, true)));
            }
            seen.push(match change {
                true => shown(one, at, true),
                false => glance,
            });
        }
        let time =
            Timestamp(1_790_000_000 * SECOND).plus(i64::try_from(at).expect("short") * SECOND);
        let changes = run.history.round(time, &seen, whole);
        run.lines.extend(changes.iter().map(|change| change.line()));
        if at.is_multiple_of(HOUR) {
            let text = format!("{:?}{schedule:?}", run.history);
            run.sizes.push(text.len());
        }
        // A round takes two seconds.
        let Some(next) = schedule.next(now + Duration::from_secs(2)) else {
            break;
        };
        now = next;
    }
    run
}

#[test]
fn eight_hours_are_told_as_they_were() {
    let run = run(Duration::from_secs(8 * HOUR));
    assert_eq!(run.rounds, 961);
    assert_eq!(run.logins, 1, "logins are the first round's");
    let lines_of = |what: &str| run.lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(lines_of("192.0.2.1:25"), 1);
    // The beginning, and two for each of four outages.
    assert_eq!(lines_of("192.0.2.2:25"), 9, "{:#?}", run.lines);
    assert_eq!(lines_of("192.0.2.4:587"), 961);
    let summary = run.history.summary();
    let line = |what: &str| {
        let line = summary.lines().find(|line| line.contains(what));
        line.unwrap_or_default().to_owned()
    };
    assert!(summary.starts_with("961 rounds in 8 h 0 min"), "{summary}");
    assert!(line("192.0.2.1:25").contains("never failed in 961 rounds"));
    let regular = line("192.0.2.2:25");
    for part in [
        "tcp.dropped: broke 4 times, 40 min in all, 10 min at the longest",
        "failed in 80 of 961 rounds",
        "regularly: every 2 h 0 min for 10 min",
    ] {
        assert!(regular.contains(part), "{part}: {regular}");
    }
    let flapping = line("192.0.2.4:587");
    assert!(flapping.contains("broke 480 times"), "{flapping}");
    assert!(
        flapping.contains("regularly: every 60 s for 30 s"),
        "{flapping}"
    );
}

#[test]
fn rounds_that_end_at_the_greeting_say_nothing_of_what_is_behind_it() {
    let run = run(Duration::from_secs(8 * HOUR));
    // The certificate that lapses shows nothing before its TLS: a round that ends at the greeting takes nothing back and adds nothing.
    let lines: Vec<&String> = run
        .lines
        .iter()
        .filter(|line| line.contains(":993"))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn sessions_are_five_minutes_apart_but_for_a_change() {
    let run = run(Duration::from_secs(24 * HOUR));
    for one in &WORLD {
        let held = run.sessions.iter().filter(|(what, ..)| *what == one.what);
        let times: Vec<(Duration, bool)> = held.map(|(_, at, change)| (*at, *change)).collect();
        for two in times.windows(2) {
            let [(before, _), (after, change)] = two else {
                continue;
            };
            assert!(
                *change || *after - *before >= SESSIONS,
                "{}: {before:?} and {after:?}",
                one.what
            );
        }
        assert!(times.len() <= 1 + 24 * 12, "{}: {}", one.what, times.len());
    }
    let well = run
        .sessions
        .iter()
        .filter(|(what, ..)| *what == "192.0.2.1:25");
    assert_eq!(well.count(), 1 + 24 * 12);
}

#[test]
fn the_seventh_day_takes_no_more_memory_than_the_sixth() {
    let run = run(Duration::from_secs(7 * 24 * HOUR));
    assert_eq!(run.rounds, 7 * 24 * 120 + 1);
    // By then all is remembered that ever is: numbers grow by digits, and nothing else does.
    let (sixth, seventh) = (run.sizes[6 * 24], run.sizes[7 * 24]);
    assert!(seventh <= sixth + sixth / 50, "{sixth} and {seventh}");
    let summary = run.history.summary();
    assert!(
        summary.starts_with("20161 rounds in 168 h 0 min"),
        "{summary}"
    );
    assert!(
        summary.contains("broke 84 times, 14 h 0 min in all"),
        "{summary}"
    );
    let text = metrics::render(&run.history);
    assert!(text.contains("mxray_outages_total"), "{text}");
    let outages = text
        .lines()
        .find(|line| line.starts_with("mxray_outages_total{") && line.contains("192.0.2.2"));
    assert!(outages.is_some_and(|line| line.ends_with(" 84")), "{text}");
}

#[test]
fn a_long_round_leaves_out_those_that_it_ran_over() {
    let schedule = Schedule::new(EVERY, Some(Duration::from_secs(120)));
    let next = |seconds| schedule.next(Duration::from_secs(seconds));
    assert_eq!(next(2), Some(Duration::from_secs(30)));
    assert_eq!(next(75), Some(Duration::from_secs(90)));
    assert_eq!(next(30), Some(Duration::from_secs(60)));
    assert_eq!(next(119), Some(Duration::from_secs(120)));
    assert_eq!(next(121), None);
}
