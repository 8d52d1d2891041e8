//! Whose turn it is: answers that never became whole, commands that are not, and refusals that did not end the work.

use super::{C, Play, S, bye, ehlo, imap, mail};
use crate::diagnosis::{Code, Outcome};
use crate::proto::Service;

fn pop() -> Play {
    Play::new(Service::Pop3)
        .s("+OK ready")
        .c("USER joe")
        .s("+OK")
        .c("PASS pw")
        .s("+OK 1 message")
}

fn pop_quits(play: Play) -> Play {
    play.c("QUIT").s("+OK bye").fin(C)
}

/// A multi-line answer ends with a line of a dot (RFC 1939 3).
#[test]
fn an_answer_of_pop3_without_its_dot_is_none() {
    for (asked, begun) in [
        ("RETR 1", "+OK 1000 octets\r\nSubject: x\r\n\r\nhel"),
        ("RETR 1", "+OK"),
        ("TOP 1 0", "+OK\r\nSubject: x"),
        ("LIST", "+OK\r\n1 1000"),
        ("UIDL", "+OK\r\n1 abc"),
        ("CAPA", "+OK\r\nUIDL"),
    ] {
        let open = || pop().c(asked).s(begun);
        open().fin(S).fails(Code::TcpClosedMidstream);
        let judgement = open().pause(60).fin(C).fails(Code::MailCommandTimeout);
        let summary = &judgement.verdict.summary;
        assert!(summary.contains("did not finish its answer"), "{summary}");
        let quits = open().pause(60).c("QUIT").fin(C);
        quits.fails(Code::MailCommandTimeout);
        // The server says goodbye to a client that waited; the client may have had enough.
        pop_quits(open().pause(60)).is(Outcome::Incomplete, &[]);
        open().fin(C).is(Outcome::Incomplete, &[]);
        // Near misses: the dot came; it may be in what was not captured.
        let whole = || open().s("\r\n.");
        pop_quits(whole()).is(Outcome::Healthy, &[]);
        whole().fin(S).is(Outcome::Healthy, &[]);
        pop_quits(whole().pause(300)).is(Outcome::Healthy, &[]);
        let unseen = open().lost(S, 500).fin(S).judge();
        assert_ne!(unseen.outcome, Outcome::Failed, "{asked}");
        let unseen = pop_quits(open().lost(S, 500)).judge();
        assert_ne!(unseen.outcome, Outcome::Failed, "{asked}");
    }
}

#[test]
fn pop3_in_a_pipeline_is_healthy() {
    let play = pop()
        .c("LIST\r\nUIDL\r\nRETR 1\r\nLIST 1\r\nQUIT")
        .s("+OK\r\n1 10\r\n.\r\n+OK\r\n1 x\r\n.\r\n+OK\r\n+OK no reply\r\n..\r\n.\r\n+OK 1 10\r\n+OK bye")
        .fin(C);
    let judgement = play.is(Outcome::Healthy, &[]);
    let summary = &judgement.verdict.summary;
    assert!(summary.starts_with("One message"), "{summary}");
}

const UNKNOWN_USER: &str =
    "550 5.1.1 <c@example.net>: Recipient address rejected: User unknown in table";

fn one_of_two() -> Play {
    mail(ehlo())
        .c("RCPT TO:<b@example.net>")
        .s("250 2.1.5 Ok")
        .c("RCPT TO:<c@example.net>")
        .s(UNKNOWN_USER)
}

/// The client goes on for the recipient that it has: what stops it then is the cause.
#[test]
fn the_last_recipient_refused_hides_no_later_death() {
    let full = "452 4.3.1 Insufficient system storage";
    bye(one_of_two().c("DATA").s(full)).fails(Code::MailServiceUnavailable);
    one_of_two()
        .c("DATA")
        .pause(60)
        .fin(C)
        .fails(Code::MailCommandTimeout);
    one_of_two()
        .c("DATA")
        .fin(S)
        .fails(Code::TcpClosedMidstream);
    // Near misses: it did not go on; nobody was accepted in this transaction.
    let judgement = bye(one_of_two()).fails(Code::MailRecipientRejected);
    let summary = &judgement.verdict.summary;
    assert!(!summary.contains("every"), "{summary}");
    let again = mail(one_of_two().c("RSET").s("250 2.0.0 Ok"))
        .c("RCPT TO:<c@example.net>")
        .s(UNKNOWN_USER)
        .c("DATA")
        .s("554 5.5.1 Error: no valid recipients");
    bye(again).fails(Code::MailRecipientRejected);
}

/// What is refused behind a PROXY header that was understood is refused for a reason of its own.
#[test]
fn behind_a_header_that_was_understood_a_refusal_means_what_it_says() {
    let header = "PROXY TCP4 192.0.2.5 192.0.2.10 50000 25";
    let smtp = || {
        Play::new(Service::Smtp)
            .c(header)
            .s("220 mx.example.net ESMTP")
    };
    let helo = "550 5.7.1 Invalid HELO";
    bye(smtp().c("EHLO c").s(helo)).fails(Code::MailHeloRejected);
    let judgement = smtp()
        .c("EHLO c")
        .s("421 4.3.2 Service not available")
        .fin(S)
        .judge();
    assert_ne!(judgement.verdict.code, Code::MailProxyProtocol);
    let judgement = pop_quits(
        Play::new(Service::Pop3)
            .c(header)
            .s("+OK ready")
            .c("USER joe")
            .s("-ERR [SYS/TEMP] try later"),
    )
    .judge();
    assert_ne!(judgement.verdict.code, Code::MailProxyProtocol);
    let judgement = Play::new(Service::Imap)
        .c(header)
        .s("* OK ready")
        .s("* BYE Server shutting down.")
        .fin(S)
        .judge();
    assert_ne!(judgement.verdict.code, Code::MailProxyProtocol);
    // Near misses: the header alone was there to be answered, with or without a greeting.
    let unknown = "502 5.5.2 Error: command not recognized";
    bye(smtp().s(unknown)).fails(Code::MailProxyProtocol);
    bye(Play::new(Service::Pop3)
        .c(header)
        .s("+OK ready")
        .s("-ERR Unknown command."))
    .fails(Code::MailProxyProtocol);
}

/// RFC 5321 4.2.3, RFC 3463 3: 550 stands for policy as well, subject 1 for an address, subject 7 for policy.
#[test]
fn a_refusal_at_the_recipient_need_not_be_about_it() {
    let refused = |reply: &str| bye(mail(ehlo()).c("RCPT TO:<c@d>").s(reply));
    let sure = refused("550 5.1.1 ZX-17").fails(Code::MailRecipientRejected);
    assert!(sure.verdict.confidence >= 0.85);
    for reply in ["550 ZX-17", "554 ZX-17", "550 5.0.0 ZX-17"] {
        let verdict = refused(reply).fails(Code::MailRecipientRejected).verdict;
        assert!(verdict.confidence <= 0.7, "{reply}");
        assert_eq!(verdict.alternatives[0].code, Code::MailRejected, "{reply}");
    }
    for reply in ["550 5.7.1 ZX-17", "554 5.7.0 ZX-17", "550 5.3.0 ZX-17"] {
        let verdict = refused(reply).fails(Code::MailRejected).verdict;
        assert_eq!(
            verdict.alternatives[0].code,
            Code::MailRecipientRejected,
            "{reply}"
        );
    }
    // The near misses: the words say more, and so does the detail (RFC 7293 14).
    refused("550 5.7.1 ZX-17 user unknown").fails(Code::MailRecipientRejected);
    refused("550 5.7.17 ZX-17").fails(Code::MailRecipientRejected);
}

/// RFC 2033 4.2: after the dot one reply for each recipient that was accepted.
#[test]
fn a_message_by_lmtp_is_answered_once_for_each_recipient() {
    let sent = || {
        mail(
            Play::new(Service::Lmtp)
                .s("220 mx LMTP ready")
                .c("LHLO client.example.org")
                .s("250-mx\r\n250 PIPELINING"),
        )
        .c("RCPT TO:<b@example.net>")
        .s("250 2.1.5 Ok")
        .c("RCPT TO:<c@example.net>")
        .s("250 2.1.5 Ok")
        .c("DATA")
        .s("354 go on")
        .c("Subject: x\r\n\r\nhello\r\n.")
    };
    let stored = "250 2.0.0 <b@example.net> Saved";
    sent().s(stored).fin(S).fails(Code::TcpClosedMidstream);
    let judgement = sent()
        .s(stored)
        .pause(130)
        .fin(C)
        .fails(Code::MailCommandTimeout);
    let summary = &judgement.verdict.summary;
    assert!(summary.contains("for every recipient"), "{summary}");
    let quits = sent().s(stored).pause(130).c("QUIT").fin(C);
    quits.fails(Code::MailCommandTimeout);
    bye(sent().s(stored).pause(130)).is(Outcome::Incomplete, &[]);
    // Near misses: both have their answer, in one piece or in two; one of them is refused.
    bye(sent().s(stored).s(stored)).is(Outcome::Healthy, &[]);
    bye(sent().s(&format!("{stored}\r\n{stored}"))).is(Outcome::Healthy, &[]);
    let full = "452 4.2.2 <c@example.net> Mailbox full";
    bye(sent().s(stored).s(full)).is(Outcome::Healthy, &[Code::MailMailboxFull]);
}

#[test]
fn a_greeting_that_never_ends_is_no_check() {
    let half = || Play::new(Service::Smtp).s("220-mx.example.net ESMTP");
    let judgement = half().pause(60).c("QUIT").fin(C).judge();
    assert_ne!(judgement.outcome, Outcome::Healthy);
    // Near misses: its end came; the client did not wait for it.
    let whole = half().s("220 ready").c("QUIT").s("221 Bye").fin(C);
    assert_eq!(whole.judge().verdict.code, Code::Ok);
    half().c("QUIT").fin(C).is(Outcome::Healthy, &[]);
}

/// RFC 9051 4.3: after the server's `+` the literal is the client's to send.
#[test]
fn a_literal_that_was_asked_for_is_the_clients_turn() {
    for begun in ["a LOGIN {3}", "a LOGIN joe {2}", "a CREATE {5}"] {
        imap()
            .c(begun)
            .s("+ OK")
            .pause(40)
            .fin(C)
            .is(Outcome::Incomplete, &[]);
        // Near miss: it was never asked for.
        imap()
            .c(begun)
            .pause(40)
            .fin(C)
            .fails(Code::MailCommandTimeout);
    }
    imap()
        .c("a LOGIN {3+}")
        .pause(40)
        .fin(C)
        .is(Outcome::Incomplete, &[]);
    // Near miss: the command is whole.
    imap()
        .c("a LOGIN {3}")
        .s("+ OK")
        .c("joe {2}")
        .s("+ OK")
        .c("pw")
        .pause(40)
        .fin(C)
        .fails(Code::MailCommandTimeout);
}

/// A server that wants a login first (RFC 4954 6) is answered with one.
#[test]
fn what_becomes_of_the_login_that_was_asked_for() {
    let wanted = || {
        ehlo()
            .c("MAIL FROM:<a@example.org>")
            .s("530 5.7.0 Authentication required")
    };
    let login = "AUTH PLAIN AGpvZQBwdw==";
    bye(wanted()).fails(Code::AuthRequired);
    bye(wanted()
        .c(login)
        .s("535 5.7.8 Error: authentication failed"))
    .fails(Code::AuthCredentialsRejected);
    let let_in = || wanted().c(login).s("235 2.7.0 Authentication successful");
    bye(let_in()).is(Outcome::Incomplete, &[Code::AuthRequired]);
    let sent = mail(let_in())
        .c("RCPT TO:<b@example.net>")
        .s("250 2.1.5 Ok");
    bye(super::message(sent).s("250 2.0.0 Ok")).is(Outcome::Healthy, &[Code::AuthRequired]);
    bye(let_in()
        .c("MAIL FROM:<a@example.org>")
        .s("530 5.7.0 Authentication required"))
    .fails(Code::AuthRequired);
}

/// Postfix says of what its policy server defers that the address was rejected (SMTPD_POLICY_README).
#[test]
fn a_policy_server_that_asks_to_come_back_is_a_greylist() {
    for words in [
        "451 4.7.1 <b@example.net>: Recipient address rejected: Intentional policy rejection, please try again later",
        "450 4.7.1 <b@example.net>: Recipient address rejected: Policy Rejection- Please try later.",
    ] {
        let play = mail(ehlo()).c("RCPT TO:<b@example.net>").s(words);
        bye(play).fails(Code::MailGreylisted);
    }
}
