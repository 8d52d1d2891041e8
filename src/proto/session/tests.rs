//! What streams turn out to be: prefaces, unknown ports, TLS where it is expected and where not.

use super::Session;
use crate::base::{FrameRef, Mark, Side, SourceId, Timestamp};
use crate::proto::mail::tests::describe;
use crate::proto::mail::{Oddity, Verb};
use crate::proto::{Service, TlsMode};

const C: Side = Side::Client;
const S: Side = Side::Server;

type Script<'a> = &'a [(Side, &'a [u8])];

fn mark(number: u64) -> Mark {
    Mark {
        frame: FrameRef::new(SourceId(0), number),
        time: Timestamp(0),
    }
}

fn summary(session: &Session) -> String {
    let facts = session.facts();
    let tls = facts
        .tls
        .map(|tls| (tls.started.client.is_some(), tls.started.server.is_some()));
    format!(
        "{:?} {:?} {} {:?} {:?} {:?} {tls:?}\n{}",
        facts.service,
        facts.tls_mode,
        facts.mail,
        facts.foreign.map(|(what, at)| (what, at.frame.number())),
        facts.tunnel,
        facts.tls_on_clear_port.map(|at| at.frame.number()),
        describe(facts.dialogue)
    )
}

/// Plays a script whole and byte by byte; both must come to the same.
fn play(service: Option<Service>, script: Script) -> Session {
    let mut whole = Session::new(service);
    let mut bytewise = Session::new(service);
    for (number, (side, bytes)) in (1..).zip(script) {
        whole.data(*side, mark(number), bytes);
        for byte in bytes.chunks(1) {
            bytewise.data(*side, mark(number), byte);
        }
    }
    assert_eq!(summary(&whole), summary(&bytewise));
    whole
}

#[test]
fn mail_on_an_unknown_port_is_claimed_only_when_certain() {
    let claims: &[(Script, Option<Service>)] = &[
        (
            &[(S, b"220 mx.example ESMTP Postfix\r\n")],
            Some(Service::Smtp),
        ),
        (&[(S, b"220 mx.example LMTP\r\n")], Some(Service::Lmtp)),
        (&[(S, b"220 ready\r\n")], None),
        (
            &[(S, b"220 ready\r\n"), (C, b"EHLO me\r\n")],
            Some(Service::Smtp),
        ),
        (&[(S, b"220 ready\r\n"), (C, b"USER joe\r\n")], None),
        (
            &[(S, b"220 ProFTPD Server ready.\r\n"), (C, b"AUTH TLS\r\n")],
            None,
        ),
        (
            &[
                (S, b"200 news.example NNTP ready\r\n"),
                (C, b"MODE READER\r\n"),
            ],
            None,
        ),
        (&[(C, b"EHLO me\r\n")], None),
        (
            &[(C, b"EHLO me\r\n"), (S, b"250 mx\r\n")],
            Some(Service::Smtp),
        ),
        (
            &[(S, b"* OK [CAPABILITY IMAP4rev1] ready\r\n")],
            Some(Service::Imap),
        ),
        (
            &[(S, b"* OK ready\r\n"), (C, b"a1 LOGIN a b\r\n")],
            Some(Service::Imap),
        ),
        (&[(S, b"* OK ready\r\n"), (C, b"what\r\n")], None),
        (&[(S, b"+OK POP3 ready\r\n")], Some(Service::Pop3)),
        (&[(S, b"+OK\r\n"), (C, b"CAPA\r\n")], Some(Service::Pop3)),
        (&[(C, b"AUTH secret\r\n"), (S, b"+OK\r\n")], None),
        (
            &[(S, b"\"IMPLEMENTATION\" \"x\"\r\n")],
            Some(Service::Sieve),
        ),
        (
            &[(C, b"GET / HTTP/1.1\r\n"), (S, b"HTTP/1.1 200 OK\r\n")],
            None,
        ),
        (&[(S, b"SSH-2.0-OpenSSH\r\n")], None),
        (&[(C, b"\x16\x03\x01\x02\x00\x01")], None),
        (&[(S, b"\x00\x01\x02\x03\r\n")], None),
    ];
    for (script, service) in claims {
        let session = play(None, script);
        assert_eq!(
            session.facts().service,
            *service,
            "{:?}",
            String::from_utf8_lossy(script[0].1)
        );
        assert_eq!(session.facts().mail, service.is_some());
    }
    assert_eq!(
        play(None, &[(S, b"SSH-2.0-x\r\n")])
            .facts()
            .foreign
            .unwrap()
            .0,
        Oddity::Ssh
    );
    assert!(!play(None, &[(C, b"GET / HTTP/1.1\r\n")]).wants_more());
    assert!(play(None, &[(C, b"EHLO me\r\n")]).wants_more());
}

#[test]
fn what_was_held_back_is_read() {
    let session = play(
        None,
        &[
            (S, b"220 ready\r\n"),
            (C, b"EHLO me\r\n"),
            (S, b"250-mx\r\n250 STARTTLS\r\n"),
            (C, b"QUIT\r\n"),
            (S, b"221 bye\r\n"),
        ],
    );
    let facts = session.facts();
    assert_eq!(facts.dialogue.exchanges.len(), 3);
    assert_eq!(facts.dialogue.greeting_started.unwrap().frame.number(), 1);
    assert!(facts.dialogue.oddities.is_empty());
}

#[test]
fn starttls_switches_at_the_byte() {
    let session = play(
        Some(Service::Submission),
        &[
            (S, b"220 mx ESMTP\r\n"),
            (C, b"EHLO me\r\n"),
            (S, b"250-mx\r\n250 STARTTLS\r\n"),
            (C, b"STARTTLS\r\n"),
            (S, b"220 go\r\n"),
            (C, b"\x16\x03\x01\x00\x05hello"),
            (S, b"\x16\x03\x03\x00\x05hello"),
        ],
    );
    let facts = session.facts();
    assert_eq!(facts.tls_mode, TlsMode::Starttls);
    let tls = facts.tls.unwrap();
    assert_eq!(tls.started.client.unwrap().frame.number(), 6);
    assert_eq!(tls.started.server.unwrap().frame.number(), 7);
    assert_eq!(facts.dialogue.exchanges.len(), 3);
    assert!(facts.dialogue.oddities.is_empty() && facts.tls_on_clear_port.is_none());
}

#[test]
fn an_sslv2_hello_after_starttls_is_no_clear_text() {
    let mut hello = vec![0x80, 0x34, 1, 0, 2, 0, 0x1B, 0, 0, 0, 0x10];
    hello.resize(2 + 0x34, 0);
    let session = play(
        Some(Service::Smtp),
        &[
            (S, b"220 mx ESMTP\r\n"),
            (C, b"STARTTLS\r\n"),
            (S, b"220 go\r\n"),
            (C, &hello),
            (S, b"\x15\x03\x01\x00\x02\x02\x46"),
        ],
    );
    let facts = session.facts();
    assert!(facts.dialogue.oddities.is_empty());
    let tls = facts.tls.expect("TLS");
    let hello = tls.client_hello.as_ref().expect("a hello");
    assert_eq!(hello.max_version.0, 2);
    assert_eq!(tls.alerts.len(), 1);
}

#[test]
fn clear_text_after_starttls_is_read_on() {
    let session = play(
        Some(Service::Imap),
        &[
            (S, b"* OK hi\r\n"),
            (C, b"a STARTTLS\r\n"),
            (S, b"a OK go\r\n"),
            (C, b"b LOGIN joe pw\r\n"),
            (S, b"b OK in\r\n"),
        ],
    );
    let facts = session.facts();
    assert_eq!(facts.dialogue.oddities[0].0, Oddity::ClearAfterStarttls);
    assert!(facts.dialogue.authenticated.is_some());
}

#[test]
fn an_alert_to_clear_text_after_starttls_is_read() {
    let asked: &[(Side, &[u8])] = &[
        (S, b"220 mx ESMTP\r\n"),
        (C, b"EHLO me\r\n"),
        (S, b"250-mx\r\n250 STARTTLS\r\n"),
        (C, b"STARTTLS\r\n"),
        (S, b"220 go\r\n"),
        (C, b"MAIL FROM:<a@b.c>\r\n"),
    ];
    let mut said = asked.to_vec();
    said.push((S, b"\x15\x03\x03\x00\x02\x02\x0a"));
    let session = play(Some(Service::Smtp), &said);
    let facts = session.facts();
    let alert = facts.tls.unwrap().alerts[0];
    assert_eq!((alert.side, alert.fatal, alert.description), (S, true, 10));
    assert!(facts.dialogue.exchanges[3].reply.is_none());
}

#[test]
fn tls_and_clear_text_on_the_wrong_port() {
    let hello = b"\x16\x03\x01\x00\x05hello".as_slice();
    let wrong = play(
        Some(Service::Submission),
        &[(C, hello), (S, b"220 mx ESMTP\r\n")],
    );
    let facts = wrong.facts();
    assert_eq!(facts.tls_on_clear_port.unwrap().frame.number(), 1);
    assert!(facts.dialogue.greeted);
    assert_eq!(facts.tls_mode, TlsMode::Implicit);
    let clear = play(
        Some(Service::Submissions),
        &[(C, b"EHLO me\r\n"), (S, b"\x15\x03\x01\x00\x02\x02\x46")],
    );
    let facts = clear.facts();
    assert!(facts.clear_on_tls_port.client.is_some() && facts.clear_on_tls_port.server.is_none());
    assert_eq!(facts.tls_mode, TlsMode::Implicit);
    assert_eq!(
        facts.dialogue.exchanges[0].command.as_ref().unwrap().verb,
        Verb::Ehlo
    );
}

#[test]
fn prefaces_are_taken_off() {
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x19\x00\x19EHLO me\r\n";
    for first in [
        &b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\nEHLO me\r\n"[..],
        v2,
    ] {
        let session = play(
            Some(Service::Smtp),
            &[(C, first), (S, b"220 mx ESMTP\r\n250 mx\r\n")],
        );
        let facts = session.facts();
        assert!(facts.dialogue.proxy_preface.is_some());
        let words = facts.dialogue.proxy_length as usize + b"EHLO me\r\n".len();
        assert_eq!(words, first.len());
        assert_eq!(facts.dialogue.client_name.as_ref().unwrap().as_str(), "me");
    }
    let socks = play(
        None,
        &[
            (C, b"\x05\x01\x00"),
            (S, b"\x05\x00"),
            (C, b"\x05\x01\x00\x03\x02mx\x02\x4b"),
            (
                S,
                b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00220 mx ESMTP\r\n",
            ),
            (C, b"EHLO me\r\n"),
        ],
    );
    let facts = socks.facts();
    assert_eq!(facts.tunnel.unwrap().port, Some(587));
    assert_eq!(facts.service, Some(Service::Submission));
    assert_eq!(facts.dialogue.exchanges.len(), 2);
    let connect = play(
        None,
        &[
            (C, b"CONNECT mx:25 HTTP/1.1\r\n\r\n"),
            (S, b"HTTP/1.1 200 ok\r\n\r\n"),
            (S, b"220 mx ESMTP\r\n"),
        ],
    );
    assert_eq!(connect.facts().service, Some(Service::Smtp));
    assert!(connect.facts().dialogue.greeted);
    // A spammer asks a mail server to CONNECT: that is no tunnel.
    let probe = play(
        Some(Service::Smtp),
        &[
            (C, b"CONNECT x:25 HTTP/1.0\r\n\r\n"),
            (S, b"220 mx ESMTP\r\n"),
        ],
    );
    assert!(probe.facts().tunnel.is_none() && probe.facts().dialogue.greeted);
}

#[test]
fn a_security_layer_is_not_read() {
    let layered: Script = &[
        (S, b"* OK ready\r\n"),
        (C, b"a AUTHENTICATE GSSAPI\r\n"),
        (S, b"+ \r\n"),
        (C, b"YIIB\r\n"),
        (S, b"a OK [CAPABILITY IMAP4rev1] done\r\n"),
        (C, b"\0\0\0\x07\x12 \r\n\x99\0\x80"),
        (S, b"\0\0\0\x05* BYE"),
    ];
    let session = play(Some(Service::Imap), layered);
    let dialogue = session.facts().dialogue;
    assert_eq!(dialogue.opaque.map(|at| at.frame.number()), Some(6));
    assert_eq!(dialogue.exchanges.len(), 3);
    assert!(dialogue.goodbye.is_none());
    // Before the login it is nothing of the kind.
    let early: Script = &[(S, b"* OK ready\r\n"), (C, b"\0\0\0\x07")];
    let session = play(Some(Service::Imap), early);
    assert!(session.facts().dialogue.opaque.is_none());
}

#[test]
fn a_capture_from_the_middle_claims_nothing() {
    let mut session = Session::new(Some(Service::Smtp));
    session.gap(C, mark(1), 0);
    session.gap(S, mark(1), 0);
    session.data(S, mark(2), b"250 ok\r\n");
    session.data(C, mark(3), b"RCPT TO:<a@b>\r\n");
    session.data(S, mark(4), b"550 5.1.1 no\r\n");
    let facts = session.facts();
    assert!(!facts.dialogue.greeted && facts.dialogue.oddities.is_empty());
    let last = facts.dialogue.exchanges.last().unwrap();
    assert_eq!(last.command.as_ref().unwrap().verb, Verb::Rcpt);
    assert_eq!(last.reply.as_ref().unwrap().code, Some(550));
}

proptest::proptest! {
    #[test]
    fn noise_never_panics(
        port in 0usize..5,
        pieces in proptest::collection::vec(
            (proptest::bool::ANY, proptest::bool::ANY, proptest::collection::vec(proptest::num::u8::ANY, 0..80)),
            0..30,
        ),
    ) {
        let port = [None, Some(Service::Smtp), Some(Service::Imaps), Some(Service::Pop3), Some(Service::Sieve)][port];
        let mut session = Session::new(port);
        for (number, (client, gap, bytes)) in (1u64..).zip(&pieces) {
            let side = if *client { C } else { S };
            if *gap && bytes.len() < 8 {
                session.gap(side, mark(number), bytes.len() as u64);
            } else {
                session.data(side, mark(number), bytes);
            }
        }
        proptest::prop_assert!(session.facts().dialogue.exchanges.len() <= crate::base::limits::EXCHANGES);
    }
}

#[test]
fn a_first_word_that_begins_as_a_preface_loses_and_gains_no_byte() {
    let imap: Script = &[
        (S, b"* OK ready\r\n"),
        (C, b"PRGK0 CAPABILITY\r\n"),
        (S, b"* CAPABILITY IMAP4rev1\r\nPRGK0 OK done\r\n"),
    ];
    let session = play(Some(Service::Imap), imap);
    let facts = session.facts();
    let answered = facts.dialogue.exchanges.iter().any(|exchange| {
        let command = exchange.command.as_ref();
        command.is_some_and(|command| command.verb == Verb::Capability) && exchange.reply.is_some()
    });
    assert!(answered, "{}", summary(&session));
    for first in [b"PASS sesame\r\n".as_slice(), b"CAPA\r\n", b"\r\nNOOP\r\n"] {
        let session = play(Some(Service::Pop3), &[(C, first)]);
        let unknown = session.facts().dialogue.exchanges.iter().any(|exchange| {
            let command = exchange.command.as_ref();
            command.is_none_or(|command| command.verb == Verb::Unknown)
        });
        assert!(!unknown, "{}", summary(&session));
    }
}
