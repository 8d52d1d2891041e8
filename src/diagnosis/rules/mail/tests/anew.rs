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
fn another_user_is_another_login_with_the_same_password() {
    let limit = "b NO [LIMIT] Maximum number of connections from user+IP exceeded";
    let bad = "a NO [AUTHENTICATIONFAILED] Login failed.";
    let end = |play: Play| play.c("c LOGOUT").s("* BYE\r\nc OK").fin(C);
    // A mail program that tries the bare name first, and then the whole address.
    let both = |second: &str| {
        let first = imap().c("a LOGIN jim secret").s(bad);
        codes(end(first.c(second).s(limit)))
    };
    let whole = both("b LOGIN jim@example.org secret");
    assert_eq!(whole, (Code::MailTooManyConnections, vec![WRONG]));
    let same = both("b LOGIN jim secret");
    assert_eq!(same, (WRONG, vec![Code::MailTooManyConnections]));
    let auth = |user: &str| {
        let first = ehlo()
            .c("AUTH LOGIN")
            .s("334 VXNlcm5hbWU6")
            .c("amlt")
            .s("334 UGFzc3dvcmQ6")
            .c("c2VjcmV0")
            .s("535 5.7.8 bad");
        let second = first
            .c("AUTH LOGIN")
            .s("334 VXNlcm5hbWU6")
            .c(user)
            .s("334 UGFzc3dvcmQ6")
            .c("c2VjcmV0")
            .s("454 4.7.0 Temporary authentication failure");
        codes(bye(second))
    };
    let whole = auth("amltQGV4YW1wbGUub3Jn");
    assert_eq!(whole, (Code::AuthServerFailure, vec![WRONG]));
    assert_eq!(auth("amlt"), (WRONG, vec![Code::AuthServerFailure]));
    let pop = |user: &str| {
        let first = Play::new(Service::Pop3)
            .s("+OK ready")
            .c("USER jim")
            .s("+OK")
            .c("PASS secret")
            .s("-ERR [AUTH] bad");
        let second = first
            .c(user)
            .s("+OK")
            .c("PASS secret")
            .s("-ERR [SYS/TEMP] Temporary authentication failure");
        codes(second.c("QUIT").s("+OK").fin(C))
    };
    let whole = pop("USER jim@example.org");
    assert_eq!(whole, (Code::AuthServerFailure, vec![WRONG]));
    assert_eq!(pop("USER jim"), (WRONG, vec![Code::AuthServerFailure]));
}

#[test]
fn a_recipient_that_was_refused_for_something_else_is_told_beside_the_first() {
    let refused = |first: &str, second: &str| {
        let play = mail(ehlo())
            .c("RCPT TO:<b@example.net>")
            .s(first)
            .c("RCPT TO:<c@example.net>")
            .s(second);
        codes(bye(play))
    };
    let grey = "450 4.2.0 <b@example.net>: Recipient address rejected: Greylisted";
    let unknown = "550 5.1.1 <c@example.net>: Recipient address rejected: User unknown";
    assert_eq!(
        refused(grey, unknown),
        (Code::MailGreylisted, vec![Code::MailRecipientRejected])
    );
    // The near misses: the same cause twice, and what only follows from the first.
    assert_eq!(
        refused(unknown, unknown),
        (Code::MailRecipientRejected, vec![])
    );
    assert_eq!(
        refused(unknown, "503 5.5.1 Error: need MAIL command"),
        (Code::MailRecipientRejected, vec![])
    );
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
