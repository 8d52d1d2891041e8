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

/// With the finding that frames are missing.
const MISSED: &[Code] = &[Code::CaptureDropped];

fn rcpt(play: Play) -> Play {
    play.c("RCPT TO:<b@example.net>").s("250 2.1.5 Ok")
}

/// A reply comes before the hole of its command is known to be one.
fn overtaken(play: Play, answer: &str) -> Play {
    play.s(answer).lost(C, 20)
}

/// What is told beside it is not looked at here.
fn unknown(play: Play) {
    let judged = play.judge();
    assert_eq!(judged.outcome, Outcome::Incomplete, "{:?}", judged.verdict);
}

#[test]
fn behind_a_hole_a_refusal_is_no_work_done() {
    let hello = || overtaken(smtp(), "250 mx.example.net");
    // Which command a reply is to does not show: those behind the hole come late.
    let shifted = hello()
        .s("250 2.1.0 Ok")
        .s("250 2.1.5 Ok")
        .s("354 go on")
        .c("MAIL FROM:<a@example.org>")
        .c("RCPT TO:<b@example.net>")
        .c("DATA")
        .s("550 This message scored 12.1 spam points.");
    unknown(bye(shifted));
    // The command that was refused is what is missing.
    unknown(bye(overtaken(mail(ehlo()), "550 5.7.1 Access denied")));
    // Its answer is.
    unknown(bye(message(rcpt(mail(ehlo()))).lost(S, 40)));
    let pop = Play::new(Service::Pop3)
        .s("+OK ready")
        .c("USER joe")
        .s("+OK")
        .c("PASS x")
        .lost(S, 30);
    unknown(pop.c("QUIT").s("+OK bye").fin(C));
    let refused = mailbox().lost(S, 40).c("d SELECT Other").s("d NO No such");
    unknown(logout(refused));
}

#[test]
fn a_hole_elsewhere_leaves_work_what_it_is() {
    let sent = |play: Play| message(rcpt(mail(play))).s("250 2.0.0 Ok: queued as 1");
    bye(sent(overtaken(smtp(), "250 mx.example.net"))).is(Outcome::Healthy, MISSED);
    bye(sent(smtp().c("EHLO c").lost(S, 60))).is(Outcome::Healthy, MISSED);
    let rcpt_missing = overtaken(mail(ehlo()), "250 2.1.5 Ok");
    bye(message(rcpt_missing).s("250 2.0.0 Ok: queued as 1")).is(Outcome::Healthy, MISSED);
    // One recipient of two was refused, the message got through to the other.
    let one = rcpt(mail(ehlo().lost(S, 1)))
        .c("RCPT TO:<c@example.net>")
        .s("550 5.1.1 User unknown");
    let judged = bye(message(one).s("250 2.0.0 Ok: queued as 1")).judge();
    assert_eq!(judged.outcome, Outcome::Healthy, "{:?}", judged.verdict);
    // Of a mailbox something was granted; what else was asked is no matter.
    let opened = mailbox()
        .s("b OK [READ-WRITE] in")
        .c("d STATUS x (MESSAGES)");
    logout(opened.lost(S, 40)).is(Outcome::Healthy, MISSED);
}

#[test]
fn within_a_message_a_hole_moves_no_answer() {
    let half = || rcpt(mail(ehlo())).c("DATA").s("354 go on").c("Subject: x");
    let refused = || {
        half()
            .lost(C, 1448)
            .c("hello\r\n.")
            .s("552 5.3.4 message too large")
    };
    bye(refused()).fails(Code::MailMessageTooLarge);
    // The dot itself is missing: what came of the message is known, and no more than that.
    let judged = bye(half().lost(C, 1448).s("552 5.3.4 message too large")).judge();
    assert_ne!(judged.outcome, Outcome::Healthy, "{:?}", judged.verdict);
}

#[test]
fn who_acknowledges_what_nobody_captured_is_no_check() {
    let mut gone = Play::new(Service::Smtp).fin(C);
    gone.tcp.acked_unseen = 1;
    gone.is(Outcome::Incomplete, MISSED);
    let unanswered = smtp().c("EHLO monitor").lost(S, 60);
    bye(unanswered).is(Outcome::Incomplete, MISSED);
    // The near misses: it was welcome, and the goodbye is what is missing.
    let mut greeted = smtp().c("QUIT").fin(C);
    greeted.tcp.acked_unseen = 1;
    let judged = greeted.is(Outcome::Healthy, MISSED);
    assert!(judged.is_check);
}
