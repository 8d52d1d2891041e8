//! Small dialogues, heard by every rule: the positive and the near miss of each code.

mod anew;
mod answers;
mod logins;
mod play;
mod starttls;
mod unseen;

pub(in crate::diagnosis::rules) use play::Play;
use play::{C, S, mark};

use crate::base::{MILLISECOND, SECOND};
use crate::diagnosis::{Code, Outcome, Where};
use crate::flow::{ByteRange, Outstanding};
use crate::proto::Service;

fn smtp() -> Play {
    Play::new(Service::Smtp).s("220 mx.example.net ESMTP Postfix")
}

fn ehlo() -> Play {
    smtp().c("EHLO client.example.org").s(
        "250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250 ENHANCEDSTATUSCODES",
    )
}

fn ehlo_bare() -> Play {
    smtp()
        .c("EHLO client.example.org")
        .s("250-mx.example.net\r\n250 SIZE 1000")
}

fn mail(play: Play) -> Play {
    play.c("MAIL FROM:<a@example.org>").s("250 2.1.0 Ok")
}

fn message(play: Play) -> Play {
    play.c("DATA")
        .s("354 go on")
        .c("Subject: x\r\n\r\nhello\r\n.")
}

fn bye(play: Play) -> Play {
    play.c("QUIT").s("221 2.0.0 Bye").fin(C)
}

fn imap() -> Play {
    Play::new(Service::Imap).s("* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] Dovecot ready.")
}

#[test]
fn a_delivery_is_healthy() {
    let play = mail(ehlo()).c("RCPT TO:<b@example.net>").s("250 2.1.5 Ok");
    bye(message(play).s("250 2.0.0 Ok: queued as 1")).is(Outcome::Healthy, &[]);
}

#[test]
fn all_recipients_refused_fails_at_the_first() {
    let play = mail(ehlo())
        .c("RCPT TO:<b@example.net>")
        .s("550 5.1.1 <b@example.net>: Recipient address rejected: User unknown")
        .c("RCPT TO:<c@example.net>")
        .s("550 5.1.1 <c@example.net>: Recipient address rejected: User unknown")
        .c("DATA")
        .s("554 5.5.1 Error: no valid recipients");
    let judgement = bye(play).fails(Code::MailRecipientRejected);
    assert_eq!(judgement.verdict.frame.map(|f| f.number()), Some(10));
    assert_eq!(judgement.verdict.at.place, Where::Server);
}

#[test]
fn one_recipient_of_two_refused_is_a_finding() {
    let play = mail(ehlo())
        .c("RCPT TO:<b@example.net>")
        .s("550 5.1.1 <b@example.net>: Recipient address rejected: User unknown")
        .c("RCPT TO:<c@example.net>")
        .s("250 2.1.5 Ok");
    bye(message(play).s("250 2.0.0 Ok")).is(Outcome::Healthy, &[Code::MailRecipientRejected]);
    let later = mail(ehlo())
        .c("RCPT TO:<c@example.net>")
        .s("250 2.1.5 Ok")
        .c("RCPT TO:<b@example.net>")
        .s("550 5.1.1 <b@example.net>: Recipient address rejected: User unknown");
    bye(message(later).s("250 2.0.0 Ok")).is(Outcome::Healthy, &[Code::MailRecipientRejected]);
}

#[test]
fn go_on_for_nobody_is_no_progress() {
    let play = mail(ehlo())
        .c("RCPT TO:<b@example.net>")
        .s("450 4.2.0 <b@example.net>: Recipient address rejected: Greylisted, see postgrey");
    bye(message(play).s("554 5.5.1 no valid recipients")).fails(Code::MailGreylisted);
}

#[test]
fn a_message_refused_at_the_dot_fails_there() {
    let play = mail(ehlo()).c("RCPT TO:<b@example.net>").s("250 2.1.5 Ok");
    bye(message(play).s("552 5.3.4 Error: message file too big")).fails(Code::MailMessageTooLarge);
}

#[test]
fn probes_that_are_refused_are_nothing() {
    let play = smtp()
        .c("EHLO client.example.org")
        .s("502 5.5.2 Error: command not recognized")
        .c("HELO client.example.org")
        .s("250 mx.example.net")
        .c("HELP")
        .s("502 5.5.1 no help");
    let play = mail(play).c("RCPT TO:<b@example.net>").s("250 2.1.5 Ok");
    bye(message(play).s("250 2.0.0 Ok")).is(Outcome::Healthy, &[]);
    imap()
        .c("a ID NIL")
        .s("a BAD unknown command")
        .c("b LOGIN joe pw")
        .s("b OK done")
        .c("c SELECT INBOX")
        .s("c OK done")
        .c("d LOGOUT")
        .s("* BYE bye\r\nd OK done")
        .fin(C)
        .is(Outcome::Healthy, &[]);
}

#[test]
fn silence_instead_of_a_greeting() {
    let judgement = Play::new(Service::Smtp)
        .pause(6)
        .fin(C)
        .fails(Code::MailNoGreeting);
    assert_eq!(judgement.verdict.frame.map(|f| f.number()), Some(3));
    assert!(judgement.verdict.is_final);
    let open = Play::new(Service::Imap).watched(31).judge();
    assert_eq!(open.verdict.code, Code::MailNoGreeting);
    assert!(!open.verdict.is_final);
}

#[test]
fn impatience_and_doubt_are_no_missing_greeting() {
    Play::new(Service::Smtp)
        .pause(3)
        .fin(C)
        .is(Outcome::Incomplete, &[]);
    // On a port of implicit TLS the same silence has its own code.
    Play::new(Service::Imaps)
        .pause(6)
        .fin(C)
        .fails(Code::TlsMutualWait);
    let mut doubtful = Play::new(Service::Smtp).pause(6).fin(C);
    doubtful.tcp.syn_acks_after_ack = 3;
    assert_ne!(doubtful.judge().verdict.code, Code::MailNoGreeting);
}

#[test]
fn a_late_greeting_costs() {
    let slow = Play::new(Service::Smtp)
        .pause(6)
        .s("220 mx.example.net ESMTP");
    let play = mail(slow.c("EHLO c").s("250-mx\r\n250 SIZE"))
        .c("RCPT TO:<b@example.net>")
        .s("250 Ok");
    let judgement = bye(message(play).s("250 Ok")).is(Outcome::Degraded, &[]);
    assert_eq!(judgement.verdict.code, Code::MailGreetingSlow);
    let teaser = Play::new(Service::Smtp)
        .s("220-mx.example.net ESMTP")
        .pause(6)
        .s("220 mx.example.net ESMTP");
    let judgement = bye(teaser.c("EHLO c").s("250 mx")).judge();
    assert!(judgement.verdict.summary.contains("postscreen"));
    let quick = Play::new(Service::Smtp).pause(2).s("220 mx ESMTP");
    assert_eq!(
        bye(quick.c("EHLO c").s("250 mx")).judge().verdict.code,
        Code::Ok
    );
}

#[test]
fn a_slow_answer_costs_and_a_patient_idle_does_not() {
    let play = mail(ehlo())
        .c("RCPT TO:<b@example.net>")
        .pause(12)
        .s("250 2.1.5 Ok");
    let judgement = bye(message(play).s("250 2.0.0 Ok")).is(Outcome::Degraded, &[]);
    assert_eq!(judgement.verdict.code, Code::MailSlowAnswer);
    let play = mail(ehlo()).c("RCPT TO:<b@example.net>").s("250 2.1.5 Ok");
    let dot = message(play).pause(30).s("250 2.0.0 Ok");
    bye(dot).is(Outcome::Healthy, &[]);
    imap()
        .c("a LOGIN joe pw")
        .s("a OK")
        .c("b SELECT INBOX")
        .s("b OK")
        .c("c IDLE")
        .s("+ idling")
        .pause(600)
        .c("DONE")
        .s("c OK")
        .c("d LOGOUT")
        .s("* BYE\r\nd OK")
        .fin(C)
        .is(Outcome::Healthy, &[]);
}

#[test]
fn a_command_that_is_never_answered() {
    let judgement = mail(ehlo())
        .c("RCPT TO:<b@example.net>")
        .pause(8)
        .fin(C)
        .fails(Code::MailCommandTimeout);
    assert_eq!(judgement.verdict.frame.map(|f| f.number()), Some(9));
    mail(ehlo())
        .c("RCPT TO:<b@example.net>")
        .pause(8)
        .c("QUIT")
        .fin(C)
        .fails(Code::MailCommandTimeout);
    mail(ehlo())
        .c("RCPT TO:<b@example.net>")
        .pause(2)
        .fin(C)
        .is(Outcome::Incomplete, &[]);
    let play = mail(ehlo()).c("RCPT TO:<b@example.net>").s("250 Ok");
    message(play).watched(60).is(Outcome::Incomplete, &[]);
    let play = mail(ehlo()).c("RCPT TO:<b@example.net>").s("250 Ok");
    message(play).watched(125).fails(Code::MailCommandTimeout);
    imap()
        .c("a LOGIN joe pw")
        .s("a OK")
        .c("b IDLE")
        .s("+ idling")
        .watched(1_800)
        .is(Outcome::Incomplete, &[]);
}

#[test]
fn other_protocols_are_not_mail() {
    Play::new(Service::Smtp)
        .s("SSH-2.0-OpenSSH_9.6")
        .fin(C)
        .fails(Code::MailNotMail);
    Play::new(Service::Imap)
        .c("a CAPABILITY")
        .s("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nConnection: close\r\n\r\n<html></html>")
        .fin(S)
        .fails(Code::MailNotMail);
    let odd = Play::new(Service::Smtp).s("220 SSH-2.0 gateway, HTTP/1.1 not spoken here");
    bye(odd.c("EHLO c").s("250-mx\r\n250 STARTTLS")).is(Outcome::Healthy, &[]);
    let ftp = Play::new(Service::Smtp)
        .s("220 ProFTPD Server (ftp.example.net)")
        .c("EHLO c")
        .s("500 EHLO not understood");
    bye(ftp).fails(Code::MailNotMail);
}

#[test]
fn a_proxy_header_that_is_refused() {
    let play = Play::new(Service::Smtp)
        .c("PROXY TCP4 192.0.2.5 192.0.2.10 50000 25")
        .s("220 mx.example.net ESMTP Postfix")
        .s("502 5.5.2 Error: command not recognized");
    bye(play).fails(Code::MailProxyProtocol);
    let play = Play::new(Service::Smtp)
        .c("PROXY TCP4 192.0.2.5 192.0.2.10 50000 25")
        .s("220 mx.example.net ESMTP Postfix");
    let play = mail(play.c("EHLO c").s("250-mx\r\n250 STARTTLS"))
        .c("RCPT TO:<b@example.net>")
        .s("550 5.1.1 <b@example.net>: User unknown");
    bye(play).fails(Code::MailRecipientRejected);
    Play::new(Service::Smtp)
        .s("503 Command refused, required Proxy negotiation failed")
        .fin(S)
        .fails(Code::MailProxyProtocol);
}

#[test]
fn goodbye_for_idleness_matters_only_with_work_undone() {
    let judgement = mail(ehlo())
        .pause(300)
        .s("421 4.4.2 mx.example.net Error: timeout exceeded")
        .fin(S)
        .fails(Code::MailIdleTimeout);
    assert_eq!(judgement.verdict.at.place, Where::Client);
    imap()
        .c("a LOGIN joe pw")
        .s("a OK")
        .c("b SELECT INBOX")
        .s("b OK")
        .pause(1_800)
        .s("* BYE Disconnected for inactivity.")
        .fin(S)
        .is(Outcome::Healthy, &[Code::MailIdleTimeout]);
}

/// The client's FIN, sent so many times in 13 s and never acknowledged.
fn in_vain(play: Play, transmissions: u32) -> Play {
    let mut play = play.fin(C);
    let first = play.tcp.last;
    let last = mark(first.frame.number() + 9, first.time.0 + 13 * SECOND);
    let client = &mut play.tcp.sides[C];
    client.fin_acked = false;
    client.outstanding.set(Some(Outstanding {
        range: ByteRange { start: 90, end: 91 },
        first,
        missed: None,
        last,
        transmissions,
        fin_only: true,
        peer_spoke_after: false,
        peer_acked_after: false,
        peer_is_deaf: false,
        packet_len: 52,
        idle_before: 12 * SECOND,
    }));
    play
}

#[test]
fn an_answer_that_breaks_off_with_everything_else_is_no_command_timeout() {
    let fetch = || {
        let play = imap().c("a LOGIN joe pw").s("a OK").c("b SELECT INBOX");
        let play = play.s("* 1 EXISTS\r\nb OK").c("c FETCH 1 (BODY[])");
        play.s("* 1 FETCH (BODY[] {20000}\r\nSubject: hi")
    };
    in_vain(fetch().pause(12), 8).fails(Code::TcpStalled);
    // Near misses: it is too early to tell; the server hears; nothing of the answer came.
    let play = in_vain(fetch().pause(12), 2);
    assert_eq!(play.judge().verdict.code, Code::Unknown);
    fetch().pause(12).fin(C).fails(Code::MailCommandTimeout);
    let silent = || mail(ehlo()).c("RCPT TO:<b@example.net>").pause(12);
    let verdict = in_vain(silent(), 8).fails(Code::MailCommandTimeout).verdict;
    assert!(verdict.confidence <= 0.5);
    let or: Vec<Code> = verdict.alternatives.iter().map(|or| or.code).collect();
    assert_eq!(or, [Code::TcpStalled]);
    let verdict = in_vain(silent(), 2).fails(Code::MailCommandTimeout).verdict;
    assert_eq!(verdict.confidence, 0.8);
}

#[test]
fn a_time_counts_only_where_the_clock_holds() {
    let waited = || ehlo().c("MAIL FROM:<a@example.net>").pause(60).fin(C);
    waited().fails(Code::MailCommandTimeout);
    let mut slept = waited();
    slept.tcp.clock_doubt.set(slept.tcp.idle.first().copied());
    assert_eq!(slept.judge().verdict.code, Code::Unknown);
    let mut apart = waited();
    apart.tcp.clock_error = 7 * SECOND;
    assert_eq!(apart.judge().verdict.code, Code::Unknown);
    // A mirror port's frames change places by far less than anything that is measured.
    let mut mirrored = waited();
    mirrored.tcp.clock_error = MILLISECOND;
    mirrored.fails(Code::MailCommandTimeout);
}

#[test]
fn greetings_that_refuse() {
    let refused = |text: &str| Play::new(Service::Smtp).s(text).fin(S);
    refused("554 mx.example.net No SMTP service here").fails(Code::MailGreetingRejected);
    refused("421 4.7.0 mx.example.net Error: too many connections from 192.0.2.5")
        .fails(Code::MailTooManyConnections);
    Play::new(Service::Imap)
        .s("* BYE Temporary problem, please try again later")
        .fin(S)
        .fails(Code::MailServiceUnavailable);
}

#[test]
fn commands_out_of_order_end_the_work() {
    let play = ehlo()
        .c("RCPT TO:<b@example.net>")
        .s("503 5.5.1 Error: need MAIL command");
    bye(play).fails(Code::MailProtocolError);
    let nonsense = ehlo().c("XYZZY").s("500 5.5.2 Error: bad syntax");
    bye(nonsense).fails(Code::MailProtocolError);
}

#[test]
fn a_mailbox_command_refused_after_others_worked_is_a_finding() {
    let play = imap()
        .c("a LOGIN joe pw")
        .s("a OK")
        .c("b SELECT INBOX")
        .s("b OK")
        .c("c STATUS Foo (MESSAGES)")
        .s("c NO Mailbox does not exist");
    play.c("d LOGOUT")
        .s("* BYE\r\nd OK")
        .fin(C)
        .is(Outcome::Healthy, &[Code::MailRejected]);
}

#[test]
fn a_refusal_at_the_very_end_of_a_capture_is_not_yet_a_verdict() {
    let judgement = imap()
        .c("a LOGIN joe wrong")
        .s("a NO [AUTHENTICATIONFAILED] Authentication failed.")
        .judge();
    assert_eq!(judgement.outcome, Outcome::Incomplete);
    let later = imap()
        .c("a LOGIN joe wrong")
        .s("a NO [AUTHENTICATIONFAILED] Authentication failed.")
        .watched(10)
        .fails(Code::AuthCredentialsRejected);
    assert!(!later.verdict.is_final);
}

#[test]
fn a_masked_command_that_is_refused_is_the_firewalls_doing() {
    let play = Play::new(Service::Smtp)
        .s("220 *****************")
        .c("XXXX client.example.org")
        .s("500 5.5.1 Command unrecognized: \"XXXX client.example.org\"");
    bye(play).fails(Code::MailBannerMasked);
}
