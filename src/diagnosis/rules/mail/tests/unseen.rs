//! An orderly end, and what it ended is cut or older than the capture.

use super::*;

fn mailbox() -> Play {
    imap().c("a LOGIN joe x").s("a OK in").c("b SELECT INBOX")
}

fn logout(play: Play) -> Play {
    play.c("c LOGOUT").s("* BYE bye\r\nc OK done").fin(C)
}

/// With the finding that frames are cut.
const CUT: &[Code] = &[Code::CaptureSnaplen];
/// With the finding that the capture begins in the middle.
const LATE: &[Code] = &[Code::CaptureMidStream];

#[test]
fn a_refusal_whose_words_are_cut_is_no_work_done() {
    logout(mailbox().cut("b NO [INUSE] Mailbox is lock")).is(Outcome::Incomplete, CUT);
    logout(mailbox().cut("b N")).is(Outcome::Incomplete, CUT);
    let again = |play: Play| {
        play.c("RSET")
            .s("250 2.0.0 Ok")
            .c("MAIL FROM:<c@example.org>")
    };
    let sent = || {
        let play = mail(ehlo()).c("RCPT TO:<b@example.net>").s("250 2.1.5 Ok");
        message(play).s("250 2.0.0 Ok: queued as 1")
    };
    bye(again(sent()).cut("452 4.5.3 too many messages th")).is(Outcome::Incomplete, CUT);
    // What was thrown out by words that are cut ended by them.
    let out = mailbox()
        .s("b OK")
        .c("d NOOP")
        .cut("* BYE [ALERT] Fatal er")
        .fin(S);
    out.is(Outcome::Incomplete, CUT);
    // The near misses: it was granted, as the first bytes say; it was tried again and granted; nothing was asked.
    logout(mailbox().cut("b OK [READ-WRITE] Select compl")).is(Outcome::Healthy, CUT);
    let tried = mailbox().cut("b NO [INUSE] Mailbox is lock");
    logout(tried.c("d SELECT INBOX").s("d OK in")).is(Outcome::Healthy, CUT);
    let fetched = mailbox()
        .cut("* 12 EXISTS")
        .c("d FETCH 1 BODY[]")
        .s("* 1 FETCH (BODY[] {4}\r\nabcd)");
    logout(fetched.cut("d O")).is(Outcome::Healthy, CUT);
    bye(sent().c("NOOP").cut("25")).is(Outcome::Healthy, CUT);
}

#[test]
fn a_cut_greeting_shifts_no_answer() {
    let pop = |asked: Play| {
        asked
            .c("USER joe")
            .s("+OK Name is a valid mailbox")
            .c("PASS x")
            .s("-ERR [AUTH] Invalid login")
            .c("QUIT")
            .s("+OK")
            .fin(S)
    };
    for greeting in ["+OK vm Cyrus POP3", "+"] {
        pop(Play::new(Service::Pop3).cut(greeting)).fails(Code::AuthCredentialsRejected);
    }
}

#[test]
fn the_end_of_a_session_says_nothing_of_its_beginning() {
    let smtp = || Play::late(Service::Submission);
    bye(smtp()).is(Outcome::Incomplete, LATE);
    smtp()
        .s("221 2.0.0 Bye")
        .fin(S)
        .is(Outcome::Incomplete, LATE);
    let refused = bye(smtp().s("530 5.7.0 Authentication required")).judge();
    assert_eq!(refused.outcome, Outcome::Incomplete);
    assert_eq!(refused.verdict.frame.map(|f| f.number()), Some(4));
    logout(Play::late(Service::Imap)).is(Outcome::Incomplete, LATE);
    // The near misses: work was seen to be granted.
    let open = Play::late(Service::Imap)
        .c("x FETCH 1 (FLAGS)")
        .s("* 1 FETCH (FLAGS ())\r\nx OK done");
    logout(open).is(Outcome::Healthy, LATE);
    let sent = smtp().c("RCPT TO:<b@example.net>").s("250 2.1.5 Ok");
    bye(message(sent).s("250 2.0.0 Ok: queued as 1")).is(Outcome::Healthy, LATE);
    bye(smtp()
        .s("530 5.7.0 Authentication required")
        .c("AUTH PLAIN AGEAYg==")
        .s("235 ok")
        .c("MAIL FROM:<a@b>")
        .s("250 Ok")
        .c("RCPT TO:<b@example.net>")
        .s("250 2.1.5 Ok")
        .c("DATA")
        .s("354 go")
        .c("x\r\n.")
        .s("250 Ok: queued"))
    .is(Outcome::Healthy, LATE);
}
