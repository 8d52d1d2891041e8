//! What is said, mechanism by mechanism and protocol by protocol.

use super::*;
use crate::base::{FrameRef, Mark, SourceId, Timestamp};

fn reply(status: Status, text: &str) -> Reply {
    let mark = Mark {
        frame: FrameRef::new(SourceId(0), 0),
        time: Timestamp(0),
    };
    Reply {
        at: mark,
        done: mark,
        status,
        code: None,
        enhanced: None,
        response_code: None,
        text: Foreign::from(text),
        line: Foreign::from(text),
        lines: 1,
        pauses: 0,
        sasl_error: None,
    }
}

fn offer(lines: &[&str]) -> Capabilities {
    Capabilities {
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        masked: false,
    }
}

fn joe() -> Arc<Login> {
    Arc::new(Login::with_password(
        "tim".into(),
        Zeroizing::new("tanstaaftanstaaf".into()),
    ))
}

fn text(turn: &Turn) -> String {
    String::from_utf8_lossy(&turn.line).into_owned()
}

#[test]
fn plain_goes_with_the_command_where_the_protocol_allows() {
    let (_, turn) = Talk::begin(joe(), Language::Smtp, &offer(&["AUTH PLAIN LOGIN"]), true)
        .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(text(&turn), "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
    assert!(!turn.shown.contains("dGFuc3RhYWZ0"));
    let (mut talk, turn) = Talk::begin(joe(), Language::Imap, &offer(&["AUTH=PLAIN"]), true)
        .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(text(&turn), "AUTHENTICATE PLAIN");
    let turn = talk
        .answer(&reply(Status::Intermediate, ""))
        .expect("a line");
    assert_eq!(text(&turn), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
    assert!(talk.answer(&reply(Status::Negative, "no")).is_none());
}

#[test]
fn the_example_of_rfc_2195() {
    let (mut talk, _) = Talk::begin(joe(), Language::Imap, &offer(&["AUTH=CRAM-MD5"]), true)
        .unwrap_or_else(|why| panic!("{why}"));
    let challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
    let turn = talk
        .answer(&reply(Status::Intermediate, challenge))
        .expect("a line");
    assert_eq!(
        text(&turn),
        "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"
    );
    assert_eq!(STANDARD.decode(&turn.shown).expect("base64"), b"tim ***");
}

#[test]
fn commands_where_there_is_no_mechanism() {
    let (_, turn) = Talk::begin(joe(), Language::Imap, &offer(&["IMAP4REV1"]), true)
        .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(text(&turn), "LOGIN \"tim\" \"tanstaaftanstaaf\"");
    assert_eq!(turn.shown, "LOGIN \"tim\" \"***\"");
    assert!(Talk::begin(joe(), Language::Imap, &offer(&["LOGINDISABLED"]), true).is_err());
    let (mut talk, turn) = Talk::begin(joe(), Language::Pop3, &offer(&["USER"]), true)
        .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(text(&turn), "USER tim");
    let turn = talk.answer(&reply(Status::Positive, "")).expect("a line");
    assert_eq!(
        (text(&turn).as_str(), turn.shown.as_str()),
        ("PASS tanstaaftanstaaf", "PASS ***")
    );
    assert!(talk.answer(&reply(Status::Negative, "no")).is_none());
}

#[test]
fn a_token_wants_a_mechanism_for_tokens() {
    let login = || {
        Arc::new(Login::with_token(
            "joe@example.test".into(),
            Zeroizing::new("tok".into()),
        ))
    };
    assert!(Talk::begin(login(), Language::Smtp, &offer(&["AUTH PLAIN"]), true).is_err());
    let (mut talk, turn) = Talk::begin(
        login(),
        Language::Smtp,
        &offer(&["AUTH PLAIN XOAUTH2"]),
        true,
    )
    .unwrap_or_else(|why| panic!("{why}"));
    let blob = text(&turn)
        .rsplit(' ')
        .next()
        .map(str::to_owned)
        .expect("a blob");
    assert_eq!(
        STANDARD.decode(blob).expect("base64"),
        b"user=joe@example.test\x01auth=Bearer tok\x01\x01"
    );
    let turn = talk
        .answer(&reply(Status::Intermediate, "e30="))
        .expect("a line");
    assert_eq!(text(&turn), "");
}

#[test]
fn nothing_is_shown_in_clear_first_and_nothing_twice() {
    let (talk, _) = Talk::begin(
        joe(),
        Language::Smtp,
        &offer(&["AUTH PLAIN LOGIN SCRAM-SHA-256"]),
        false,
    )
    .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(talk.way(), "SCRAM-SHA-256");
    let (mut talk, _) = Talk::begin(joe(), Language::Smtp, &offer(&["AUTH SCRAM-SHA-256"]), true)
        .unwrap_or_else(|why| panic!("{why}"));
    let turn = talk
        .answer(&reply(Status::Intermediate, "bm9uc2Vuc2U="))
        .expect("a line");
    assert_eq!(text(&turn), "*");
    assert!(!talk.accepts());
}
