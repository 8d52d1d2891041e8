//! Whole dialogues with a server that is a function: what is sent, in which order, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::ask::{Ask, Envelope, SessionEnd, Stage, TlsSeen, TlsWanted};
use super::driver::{Driver, Event, Next};
use crate::base::{MILLISECOND, Timestamp};
use crate::probe::auth::Login;
use crate::probe::tls::client::{Agreed, Failure};
use crate::proto::Service;
use crate::proto::tls::Version;

/// What the server does after a line, or at first (`""`).
enum Server {
    Says(&'static str),
    Silent,
    Closes,
}

use Server::{Closes, Says, Silent};

struct Run {
    sent: Vec<String>,
    end: SessionEnd,
    driver: Driver,
    held: bool,
}

fn ask(service: Service, tls: TlsWanted) -> Ask {
    let to: SocketAddr = "192.0.2.10:25".parse().expect("an address");
    Ask {
        helo: "client.example.test".into(),
        ..Ask::new(service, tls, to)
    }
}

/// Runs a session; `server` is asked with each line and whether TLS is up. Every line takes 10 ms.
fn run(ask: Ask, trusted: bool, server: impl Fn(&str, bool) -> Server) -> Run {
    let mut now = Timestamp(1_790_000_000_000_000_000);
    let mut driver = Driver::new(Arc::new(ask), now);
    let (mut sent, mut secure, mut held) = (Vec::new(), false, false);
    let mut pending = Some(server("", false));
    for _ in 0..200 {
        now = now.plus(10 * MILLISECOND);
        match driver.then() {
            Next::Write { bytes, .. } => {
                let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                driver.on(Event::Written, now);
                pending = Some(server(&line, secure));
                sent.push(line);
            }
            Next::Read { until } => match pending.take() {
                Some(Says(text)) if !text.is_empty() => {
                    driver.on(Event::Bytes(text.as_bytes()), now)
                }
                Some(Closes) => driver.on(Event::Closed, now),
                _ => {
                    now = until;
                    driver.on(Event::Silence, now);
                }
            },
            Next::Handshake { .. } => {
                secure = true;
                if trusted {
                    driver.trust();
                }
                sent.push("<TLS>".into());
                pending = Some(server("<TLS>", true));
                let agreed = Agreed {
                    version: Version(0x0304),
                    suite: 0x1301,
                    group: None,
                };
                driver.on(
                    Event::Secured(TlsSeen {
                        agreed,
                        sent: Vec::new(),
                        at: now,
                    }),
                    now,
                );
            }
            next @ (Next::Close | Next::Hold) => {
                held = matches!(next, Next::Hold);
                break;
            }
        }
    }
    Run {
        sent,
        end: driver.end().cloned().expect("an end"),
        driver,
        held,
    }
}

fn postfix(line: &str, secure: bool) -> Server {
    match (line, secure) {
        ("", _) => Says("220 mx.example.test ESMTP Postfix\r\n"),
        ("<TLS>", _) => Silent,
        ("STARTTLS", _) => Says("220 2.0.0 Ready to start TLS\r\n"),
        ("QUIT", _) => Says("221 2.0.0 Bye\r\n"),
        (line, false) if line.starts_with("EHLO") => {
            Says("250-mx.example.test\r\n250-SIZE 1000\r\n250 STARTTLS\r\n")
        }
        (line, true) if line.starts_with("EHLO") => {
            Says("250-mx.example.test\r\n250-SIZE 1000\r\n250 AUTH PLAIN LOGIN\r\n")
        }
        (line, _) if line.starts_with("MAIL") => Says("250 2.1.0 Ok\r\n"),
        (line, _) if line.starts_with("RCPT TO:<good@") => Says("250 2.1.5 Ok\r\n"),
        (line, _) if line.starts_with("RCPT") => Says("550 5.1.1 User unknown\r\n"),
        (line, _) if line.starts_with("AUTH PLAIN") => {
            Says("235 2.7.0 Authentication successful\r\n")
        }
        _ => Says("502 5.5.2 Error: command not recognized\r\n"),
    }
}

#[test]
fn a_healthy_exchanger_is_asked_little_and_left_politely() {
    let run = run(ask(Service::Smtp, TlsWanted::IfOffered), true, postfix);
    let ehlo = "EHLO client.example.test";
    assert_eq!(run.sent, [ehlo, "STARTTLS", "<TLS>", ehlo, "QUIT"]);
    assert_eq!(run.end, SessionEnd::Fine);
    assert_eq!(run.driver.facts.reached, Some(Stage::CapabilitiesInside));
    let before = run.driver.facts.before_tls.expect("a listing");
    let after = run.driver.facts.after_tls.expect("a listing");
    assert!(before.starttls() && !after.starttls());
    assert_eq!(after.mechanisms(), ["PLAIN", "LOGIN"]);
}

#[test]
fn recipients_are_asked_for_and_data_never() {
    let mut ask = ask(Service::Smtp, TlsWanted::None);
    ask.envelope = Some(Envelope {
        from: String::new(),
        to: vec!["bad@example.test".into(), "good@example.test".into()],
    });
    let run = run(ask, true, postfix);
    assert_eq!(
        run.sent.get(1..),
        Some(
            &[
                "MAIL FROM:<>".to_owned(),
                "RCPT TO:<bad@example.test>".into(),
                "RCPT TO:<good@example.test>".into(),
                "QUIT".into(),
            ][..]
        )
    );
    assert_eq!(run.end, SessionEnd::Fine);
}

#[test]
fn no_byte_before_the_last_greeting_line_and_none_after_421() {
    let run = run(
        ask(Service::Smtp, TlsWanted::IfOffered),
        true,
        |line, _| match line {
            "" => Says("220-mx.example.test ESMTP\r\n"),
            _ => Silent,
        },
    );
    assert!(run.sent.is_empty());
    assert_eq!(run.end, SessionEnd::NoGreeting);
    let run = self::run(
        ask(Service::Smtp, TlsWanted::IfOffered),
        true,
        |line, secure| match line {
            "STARTTLS" => Says("421 4.7.0 Too many errors\r\n"),
            line => postfix(line, secure),
        },
    );
    assert_eq!(run.sent, ["EHLO client.example.test", "STARTTLS"]);
    assert!(matches!(
        run.end,
        SessionEnd::Said {
            after: Stage::Starttls,
            ..
        }
    ));
}

#[test]
fn what_is_wanted_and_not_there_ends_the_session() {
    let bare = |line: &str, secure| match line {
        line if line.starts_with("EHLO") => Says("250 mx.example.test\r\n"),
        line => postfix(line, secure),
    };
    let run = run(ask(Service::Submission, TlsWanted::Required), true, bare);
    assert_eq!(run.end, SessionEnd::NotOffered);
    assert_eq!(run.sent.last().map(String::as_str), Some("QUIT"));
    let run = self::run(
        ask(Service::Smtp, TlsWanted::IfOffered),
        true,
        |line, secure| match line {
            "STARTTLS" => Says("454 4.7.0 TLS not available due to local problem\r\n"),
            line => postfix(line, secure),
        },
    );
    assert!(matches!(
        run.end,
        SessionEnd::Said {
            after: Stage::Starttls,
            ..
        }
    ));
    assert_eq!(run.sent.last().map(String::as_str), Some("QUIT"));
    let run = self::run(
        ask(Service::Smtp, TlsWanted::None),
        true,
        |line, secure| match line {
            line if line.starts_with("EHLO") => Says("500 5.5.1 what?\r\n"),
            line if line.starts_with("HELO") => Says("250 hello\r\n"),
            line => postfix(line, secure),
        },
    );
    assert_eq!(run.end, SessionEnd::Fine);
}

#[test]
fn imap_pop3_and_sieve_alike() {
    let run = run(
        ask(Service::Imap, TlsWanted::Required),
        true,
        |line, secure| match (line.split_once(' ').map_or(line, |(_, rest)| rest), secure) {
            ("", false) => Says("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n"),
            ("CAPABILITY", false) => {
                Says("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK done\r\n")
            }
            ("STARTTLS", false) => Says("a2 OK begin\r\n"),
            ("CAPABILITY", true) => Says("* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na3 OK done\r\n"),
            ("LOGOUT", true) => Says("* BYE bye\r\na4 OK done\r\n"),
            _ => Silent,
        },
    );
    let lines = [
        "a1 CAPABILITY",
        "a2 STARTTLS",
        "<TLS>",
        "a3 CAPABILITY",
        "a4 LOGOUT",
    ];
    assert_eq!(run.sent, lines);
    assert_eq!(run.end, SessionEnd::Fine);
    let run = self::run(
        ask(Service::Pop3, TlsWanted::IfOffered),
        true,
        |line, secure| match (line, secure) {
            ("", false) => Says("+OK ready\r\n"),
            ("CAPA", false) => Says("+OK list\r\nSTLS\r\nUSER\r\n.\r\n"),
            ("STLS", false) => Says("+OK begin\r\n"),
            ("CAPA", true) => Says("+OK list\r\nUSER\r\nSASL PLAIN\r\n.\r\n"),
            ("QUIT", true) => Says("+OK bye\r\n"),
            _ => Silent,
        },
    );
    assert_eq!(run.sent, ["CAPA", "STLS", "<TLS>", "CAPA", "QUIT"]);
    assert_eq!(
        run.driver.facts.after_tls.expect("a listing").mechanisms(),
        ["PLAIN"]
    );
    let run = self::run(
        ask(Service::Sieve, TlsWanted::Required),
        true,
        |line, secure| {
            let listing = "\"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"PLAIN\"\r\nOK \"hello\"\r\n";
            match (line, secure) {
                ("", false) => Says(
                    "\"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"\"\r\n\"STARTTLS\"\r\nOK \"hello\"\r\n",
                ),
                ("STARTTLS", false) => Says("OK \"begin\"\r\n"),
                ("<TLS>" | "CAPABILITY", true) => Says(listing),
                ("LOGOUT", true) => Says("OK \"bye\"\r\n"),
                _ => Silent,
            }
        },
    );
    assert_eq!(run.sent, ["STARTTLS", "<TLS>", "CAPABILITY", "LOGOUT"]);
    assert_eq!(
        run.driver.facts.after_tls.expect("a listing").mechanisms(),
        ["PLAIN"]
    );
}

fn with_login(tls: TlsWanted) -> Ask {
    let login = Login::with_password("joe@example.test".into(), Zeroizing::new("pw".into()));
    Ask {
        login: Some(Arc::new(login)),
        ..ask(Service::Submission, tls)
    }
}

#[test]
fn a_login_needs_tls_and_a_certificate_that_validates() {
    let good = run(with_login(TlsWanted::Required), true, postfix);
    assert!(good.sent.iter().any(|line| line.starts_with("AUTH PLAIN ")));
    assert_eq!(good.end, SessionEnd::Fine);
    assert_eq!(good.driver.facts.reached, Some(Stage::Auth));
    // What may be remembered names the account and not the secret.
    let dialogue = good.driver.dialogue();
    assert_eq!(
        dialogue.user.as_ref().map(|u| u.as_str()),
        Some("joe@example.test")
    );
    assert_eq!(
        dialogue
            .secret
            .as_ref()
            .map(|s| s.reveal().as_str().to_owned()),
        Some("***".into())
    );
    for (tls, trusted) in [(TlsWanted::Required, false), (TlsWanted::None, true)] {
        let run = run(with_login(tls), trusted, postfix);
        assert!(matches!(run.end, SessionEnd::NoLogin(_)), "{:?}", run.end);
        assert!(!run.sent.iter().any(|line| line.starts_with("AUTH")));
        assert_eq!(run.sent.last().map(String::as_str), Some("QUIT"));
    }
}

#[test]
fn one_login_and_no_second_after_a_refusal() {
    let run = run(
        with_login(TlsWanted::Required),
        true,
        |line, secure| match line {
            line if line.starts_with("AUTH") => Says("535 5.7.8 Error: authentication failed\r\n"),
            line => postfix(line, secure),
        },
    );
    let logins = run
        .sent
        .iter()
        .filter(|line| line.starts_with("AUTH"))
        .count();
    assert_eq!(logins, 1);
    assert!(matches!(
        run.end,
        SessionEnd::Said {
            after: Stage::Auth,
            ..
        }
    ));
    let seen = run.driver.facts.login.expect("a login");
    assert!(!seen.accepted);
    assert_eq!(seen.reply.code, Some(535));
}

#[test]
fn what_is_no_mail_is_said_and_left() {
    let run = run(
        ask(Service::Smtp, TlsWanted::IfOffered),
        true,
        |line, _| match line {
            "" => Says("SSH-2.0-OpenSSH_9.9\r\n"),
            _ => Silent,
        },
    );
    assert_eq!(run.end, SessionEnd::NotMail("SSH-2.0-OpenSSH_9.9".into()));
    assert!(run.sent.is_empty());
    // A strange line before a true greeting is waited out.
    let run = self::run(
        ask(Service::Smtp, TlsWanted::None),
        true,
        |line, secure| match line {
            "" => Says("hello there\r\n220 mx.example.test ESMTP\r\n"),
            line => postfix(line, secure),
        },
    );
    assert_eq!(run.end, SessionEnd::Fine);
}

#[test]
fn given_up_before_a_greeting_the_connection_is_held() {
    let now = Timestamp(1_790_000_000_000_000_000);
    let mut driver = Driver::new(Arc::new(ask(Service::Smtp, TlsWanted::IfOffered)), now);
    assert!(matches!(driver.then(), Next::Read { .. }));
    driver.on(Event::Stop, now.plus(7_000 * MILLISECOND));
    assert!(matches!(driver.then(), Next::Hold));
    assert_eq!(driver.end(), Some(&SessionEnd::GaveUp));
}

#[test]
fn ends_name_the_stage() {
    let run = run(
        ask(Service::Smtp, TlsWanted::IfOffered),
        true,
        |line, secure| match line {
            line if line.starts_with("EHLO") => Closes,
            line => postfix(line, secure),
        },
    );
    let after = Stage::Capabilities;
    assert_eq!(
        run.end,
        SessionEnd::Reset {
            after,
            by_fin: true
        }
    );
    assert!(!run.held);
    let run = self::run(
        ask(Service::Smtp, TlsWanted::IfOffered),
        true,
        |line, secure| match line {
            line if line.starts_with("EHLO") => Silent,
            line => postfix(line, secure),
        },
    );
    assert_eq!(run.end, SessionEnd::Silent { after });
    let mut driver = Driver::new(
        Arc::new(ask(Service::Imaps, TlsWanted::Implicit)),
        Timestamp(0),
    );
    assert!(matches!(driver.then(), Next::Handshake { .. }));
    driver.on(Event::Failed(Failure::Alert(40)), Timestamp(1));
    assert_eq!(
        driver.end(),
        Some(&SessionEnd::TlsFailed(Failure::Alert(40)))
    );
}
