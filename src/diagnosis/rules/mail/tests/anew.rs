//! A login that is refused, and another one behind it that is refused for something else.

use super::*;

fn login(play: Play, tag: &str, password: &str, answer: &str) -> Play {
    play.c(&format!("{tag} LOGIN jim {password}")).s(answer)
}

fn first() -> Play {
    login(
        imap(),
        "a",
        "bad",
        "a NO [AUTHENTICATIONFAILED] Login failed.",
    )
}

fn codes(play: Play) -> (Code, Vec<Code>) {
    let judgement = play.judge();
    let found = judgement.findings.iter().map(|finding| finding.code);
    (judgement.verdict.code, found.collect())
}

const WRONG: Code = Code::AuthCredentialsRejected;

#[test]
fn what_the_other_password_got_ended_the_work() {
    let limit = "b NO [LIMIT] Maximum number of connections from user+IP exceeded";
    let end = |play: Play| play.c("c LOGOUT").s("* BYE\r\nc OK").fin(C);
    let found = codes(end(login(first(), "b", "secret", limit)));
    assert_eq!(found, (Code::MailTooManyConnections, vec![WRONG]));
    // Thrown out in the place of an answer.
    let out = first()
        .c("b LOGIN jim secret")
        .s("* BYE [ALERT] Fatal error: not owned by the correct uid");
    assert_eq!(
        codes(out.fin(S)),
        (Code::MailServiceUnavailable, vec![WRONG])
    );
    let auth = |password: &str, answer: &str| {
        ehlo()
            .c("AUTH PLAIN AGppbQBiYWQ=")
            .s("535 5.7.8 bad")
            .c(password)
            .s(answer)
    };
    let busy = "454 4.7.0 Temporary authentication failure";
    let found = codes(bye(auth("AUTH PLAIN AGppbQBzZWNyZXQ=", busy)));
    assert_eq!(found, (Code::AuthServerFailure, vec![WRONG]));
    // A trouble that passed: what was judged then is the cause.
    let passed = login(
        imap(),
        "a",
        "bad",
        "a NO [UNAVAILABLE] Temporary authentication failure.",
    );
    let found = codes(end(login(
        passed,
        "b",
        "bad",
        "b NO [AUTHENTICATIONFAILED] no",
    )));
    assert_eq!(found, (WRONG, vec![Code::AuthServerFailure]));

    // The near misses: the same password, of which the first answer holds; an answer to a challenge, which is another one each time.
    let found = codes(end(login(first(), "b", "bad", limit)));
    assert_eq!(found, (WRONG, vec![Code::MailTooManyConnections]));
    let found = codes(bye(auth("AUTH PLAIN AGppbQBiYWQ=", busy)));
    assert_eq!(found, (WRONG, vec![Code::AuthServerFailure]));
    let challenge = |play: Play, step: &str, answer: &str| {
        play.c("AUTH CRAM-MD5").s("334 PDE+").c(step).s(answer)
    };
    let cram = challenge(
        challenge(ehlo(), "amltIDEx", "535 5.7.8 bad"),
        "amltIDIy",
        busy,
    );
    assert_eq!(codes(bye(cram)), (WRONG, vec![Code::AuthServerFailure]));
    // What follows from the first, and what says the same.
    let locked = "b NO [UNAVAILABLE] Too many login failures, try again later";
    assert_eq!(
        codes(end(login(first(), "b", "secret", locked))),
        (WRONG, vec![])
    );
    assert_eq!(
        codes(end(login(first(), "b", "secret", "b NO Login failed."))),
        (WRONG, vec![])
    );
    // It was let in with the other one.
    let worked = login(first(), "b", "secret", "b OK in")
        .c("d SELECT INBOX")
        .s("d OK");
    assert_eq!(codes(end(worked)), (Code::Ok, vec![WRONG]));
}

#[test]
fn a_server_that_waited_for_a_header_says_only_that_it_is_in_trouble() {
    let waited = |seconds, text: &str| Play::new(Service::Submission).pause(seconds).s(text).fin(S);
    let others = |play: Play| -> Vec<Code> {
        let judgement = play.judge();
        assert_eq!(judgement.verdict.code, Code::MailServiceUnavailable);
        judgement
            .verdict
            .alternatives
            .iter()
            .map(|other| other.code)
            .collect()
    };
    let local = "421 4.3.0 mx.example.net Server local error";
    assert_eq!(others(waited(6, local)), [Code::MailProxyProtocol]);
    // The near misses: at once, late for another reason, in the middle.
    assert_eq!(others(waited(0, local)), []);
    assert_eq!(others(waited(20, local)), []);
    assert_eq!(others(ehlo().pause(5).s(local).fin(S)), []);
}

#[test]
fn what_is_said_into_a_closed_connection_is_not_what_it_ended_after() {
    let judgement = mail(ehlo())
        .pause(8)
        .fin(S)
        .c("RCPT TO:<b@example.net>")
        .fails(Code::TcpClosedMidstream);
    let summary = &judgement.verdict.summary;
    assert!(
        summary.contains("after MAIL FROM:<a@example.org>"),
        "{summary}"
    );
    let shown = judgement
        .verdict
        .evidence
        .iter()
        .any(|one| one.text.contains("for 8 s"));
    assert!(shown, "{:?}", judgement.verdict.evidence);
    // The near miss: it had said that before.
    let judgement = mail(ehlo())
        .c("RCPT TO:<b@example.net>")
        .fin(S)
        .fails(Code::TcpClosedMidstream);
    let summary = &judgement.verdict.summary;
    assert!(summary.contains("after RCPT"), "{summary}");
    assert!(
        judgement
            .verdict
            .evidence
            .iter()
            .all(|one| !one.text.contains("nobody had said"))
    );
}
