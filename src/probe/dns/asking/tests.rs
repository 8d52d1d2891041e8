//! The planner against simulated servers: what is sent when, and what it is taken for.

use super::{Asking, Fate, GAP, Manner, Step, TcpEnd};
use crate::base::{MILLISECOND, Nanos, SECOND, Timestamp};
use crate::probe::dns::odds::Controls;
use crate::probe::dns::question::{Host, Question, Shape};
use crate::proto::dns::{Message, RecordType, decode};

fn question() -> Question {
    let name = Host::parse("mail.example.net").expect("a name");
    Question::new(&name, RecordType::A)
}

fn response(id: u16, rcode: u16, truncated: bool) -> Message {
    let mut bytes = Shape::PLAIN.encode(id, &question()).expect("a message");
    bytes[2] |= if truncated { 0x82 } else { 0x80 };
    bytes[3] |= rcode as u8;
    decode(&bytes, bytes.len() as u32).expect("a header")
}

/// What a server does to the n-th transmission: after how long it says what.
type Server = fn(usize, Shape) -> Option<(Nanos, u16, bool)>;

struct Run {
    fate: Fate,
    sent: Vec<(Nanos, Shape)>,
    ended: Nanos,
}

fn run(mut asking: Asking, server: Server, tcp: Option<TcpEnd>, controls: Controls) -> Run {
    let mut now = Timestamp(0);
    let mut sent = Vec::new();
    let mut due: Vec<(Timestamp, Message)> = Vec::new();
    loop {
        asking.learn(controls, false);
        due.sort_by_key(|(at, _)| *at);
        if due.first().is_some_and(|(at, _)| *at <= now) {
            let (_, message) = due.remove(0);
            asking.heard(now, message, &[]);
        }
        match asking.step(now) {
            Step::Send(shape) => {
                let id = sent.len() as u16;
                asking.sent(now, id, shape);
                if let Some((after, rcode, truncated)) = server(sent.len(), shape) {
                    due.push((now.plus(after), response(id, rcode, truncated)));
                }
                sent.push((now.0, shape));
            }
            Step::OverTcp(_) => {
                let end = match tcp {
                    Some(end) => Err(end),
                    None => Ok((response(9, 0, false), Vec::new())),
                };
                asking.over_tcp(now.plus(MILLISECOND), now, end);
            }
            Step::Wait(until) => {
                let earliest = due.iter().map(|(at, _)| *at).min().unwrap_or(until);
                now = until.min(earliest).max(Timestamp(now.0 + 1));
            }
            Step::Settled => break,
        }
        assert!(now.0 < 60 * SECOND, "it ends");
    }
    let ended = now.0;
    let fate = asking.fate().expect("settled");
    Run { fate, sent, ended }
}

const CLEAN: Controls = Controls {
    answered: 16,
    lost: 0,
};

fn target() -> Asking {
    Asking::new(question(), Manner::target())
}

#[test]
fn a_healthy_server_is_asked_once() {
    let run = run(
        target(),
        |_, _| Some((20 * MILLISECOND, 0, false)),
        None,
        CLEAN,
    );
    assert_eq!(run.sent.len(), 1);
    match run.fate {
        Fate::Answered(answer) => {
            assert_eq!((answer.rtt, answer.tries), (20 * MILLISECOND, 1));
            assert!(answer.settles());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn silence_on_a_clean_path_is_settled_in_five_seconds_and_keeps_the_clock() {
    let run = run(target(), |_, _| None, None, CLEAN);
    assert!(
        matches!(run.fate, Fate::Silent { tries: 4, .. }),
        "{:?}",
        run.fate
    );
    let (first, last) = (run.sent[0].0, run.sent[run.sent.len() - 1].0);
    assert!(last - first >= 2 * SECOND);
    assert!(run.ended - last >= 2 * SECOND, "a retry unanswered for 2 s");
    assert!(run.ended < 5 * SECOND, "{}", run.ended);
}

#[test]
fn identical_questions_are_never_more_than_two_a_second() {
    let lossy = Controls {
        answered: 8,
        lost: 8,
    };
    let run = run(target(), |_, _| None, None, lossy);
    for pair in run.sent.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= GAP && GAP > SECOND / 2);
    }
    assert!(run.sent.len() > 20, "loss wants more: {}", run.sent.len());
}

#[test]
fn a_lost_question_is_asked_again_and_then_without_edns() {
    let second = run(
        target(),
        |n, _| (n == 1).then_some((MILLISECOND, 0, false)),
        None,
        CLEAN,
    );
    assert_eq!(second.sent.len(), 2);
    // A device that swallows EDNS.
    let plain = run(
        target(),
        |_, shape| shape.edns.is_none().then_some((MILLISECOND, 0, false)),
        None,
        CLEAN,
    );
    assert_eq!(plain.sent.len(), 3);
    assert!(matches!(plain.fate, Fate::Answered(_)));
}

#[test]
fn an_old_server_that_refuses_edns_is_asked_without_at_once() {
    let run = run(
        target(),
        |_, shape| Some((MILLISECOND, u16::from(shape.edns.is_some()), false)),
        None,
        CLEAN,
    );
    assert_eq!(run.sent.len(), 2);
    assert!(run.ended < SECOND / 10);
    assert!(matches!(run.fate, Fate::Answered(answer) if answer.message.rcode == 0));
}

#[test]
fn a_cut_off_answer_is_fetched_over_tcp() {
    let cut: Server = |_, _| Some((MILLISECOND, 0, true));
    let fetched = run(target(), cut, None, CLEAN);
    assert!(matches!(fetched.fate, Fate::Answered(answer) if answer.truncated));
    let closed = run(target(), cut, Some(TcpEnd::Refused), CLEAN);
    assert!(matches!(closed.fate, Fate::NoTcp(TcpEnd::Refused)));
}

#[test]
fn one_icmp_error_is_not_believed_two_are() {
    let mut asking = target();
    asking.sent(Timestamp(0), 1, Shape::PLAIN);
    let router = Some(("192.0.2.1".parse().expect("an address"), 3, 13));
    asking.rejected(router);
    assert_eq!(
        asking.step(Timestamp(GAP)),
        Step::Send(Shape::with_room(4_096))
    );
    asking.sent(Timestamp(GAP), 2, Shape::PLAIN);
    asking.rejected(None);
    assert_eq!(asking.step(Timestamp(2 * GAP)), Step::Settled);
    assert!(matches!(asking.fate(), Some(Fate::Rejected(error)) if error == router));
}

#[test]
fn strangers_answers_are_passed_over() {
    let mut asking = target();
    asking.sent(Timestamp(0), 7, Shape::PLAIN);
    asking.heard(Timestamp(1), response(8, 0, false), &[]);
    let mut query = response(7, 0, false);
    query.response = false;
    asking.heard(Timestamp(1), query, &[]);
    let mut other = response(7, 0, false);
    other.question = Some(("not-mail.example.net".into(), RecordType::A));
    asking.heard(Timestamp(1), other, &[]);
    assert!(matches!(asking.step(Timestamp(2)), Step::Wait(_)));
    asking.heard(Timestamp(3), response(7, 3, false), &[]);
    assert_eq!(asking.step(Timestamp(3)), Step::Settled);
}

#[test]
fn a_control_gives_up_a_gap_after_its_last_try() {
    let asking = Asking::new(question(), Manner::control(Shape::PLAIN, 2));
    let run = run(asking, |_, _| None, None, Controls::default());
    assert!(matches!(run.fate, Fate::Silent { tries: 2, .. }));
    assert_eq!(run.ended, 2 * GAP);
}

#[test]
fn an_answer_after_the_silence_is_heard_when_it_is_listened_for() {
    let silent = || {
        let mut asking = target();
        asking.learn(CLEAN, false);
        let mut now = Timestamp(0);
        let mut id = 0;
        loop {
            match asking.step(now) {
                Step::Send(shape) => {
                    asking.sent(now, id, shape);
                    id += 1;
                }
                Step::Wait(until) => now = until,
                _ => return asking,
            }
        }
    };
    let late = Timestamp(49 * SECOND / 10);
    let mut closed = silent();
    assert!(closed.is_silent());
    closed.heard(late, response(0, 0, false), &[]);
    assert!(closed.is_silent());
    let mut open = silent();
    open.reopen();
    open.heard(late, response(0, 0, true), &[]);
    assert!(!open.is_settled(), "what is cut off is no answer");
    open.heard(late, response(0, 0, false), &[]);
    match open.fate() {
        Some(Fate::Answered(answer)) => assert_eq!(answer.after, late.0),
        other => panic!("{other:?}"),
    }
    // What ended otherwise stays as it ended.
    let mut failed = target();
    failed.failed("no route".to_owned());
    failed.reopen();
    assert!(failed.is_settled());
}
