//! IMAP, POP3 and ManageSieve, split and cut everywhere.

use super::{C, S, split_everywhere};
use crate::proto::mail::dialogue::*;

#[test]
fn imap_with_literals_login_and_idle() {
    let decoder = split_everywhere(
        Language::Imap,
        &[
            (S, b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+ IDLE] Dovecot ready.\r\n"),
            (C, b"a LOGIN {3}\r\n"),
            (S, b"+ OK\r\n"),
            (C, b"joe {7+}\r\nhunter2\r\n"),
            (S, b"a OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n"),
            (C, b"b SELECT INBOX\r\nc FETCH 1 BODY[]\r\n"),
            (S, b"* 3 EXISTS\r\nb OK done\r\n* 1 FETCH (BODY[] {9}\r\nc NO x\r\n\r FLAGS ())\r\nc OK fetched\r\n"),
            (C, b"d APPEND Sent {8}\r\n"),
            (S, b"+ go\r\n"),
            (C, b"e NOOP\r\n\r\ne IDLE\r\n"),
            (S, b"d OK appended\r\n+ idling\r\n* 4 EXISTS\r\n"),
            (C, b"DONE\r\n"),
            (S, b"e OK idle\r\n"),
            (C, b"f LOGOUT\r\n"),
            (S, b"* BYE out\r\nf OK bye\r\n"),
        ],
    );
    let dialogue = decoder.dialogue();
    let asked: Vec<_> = dialogue
        .exchanges
        .iter()
        .filter_map(|e| Some((e.command.as_ref()?.verb, e.reply.as_ref()?.status)))
        .collect();
    assert_eq!(
        asked,
        [
            (Verb::Login, Status::Positive),
            (Verb::Select, Status::Positive),
            (Verb::Retrieve, Status::Positive),
            (Verb::Other, Status::Positive),
            (Verb::Idle, Status::Intermediate),
            (Verb::Idle, Status::Positive),
            (Verb::Quit, Status::Positive),
        ]
    );
    assert_eq!(
        dialogue.exchanges[1]
            .command
            .as_ref()
            .unwrap()
            .text
            .as_str(),
        "a LOGIN joe ***"
    );
    assert_eq!(
        dialogue.secret.as_ref().unwrap().reveal().as_str(),
        "hunter2"
    );
    assert!(!dialogue.idling && dialogue.goodbye.is_some() && dialogue.authenticated.is_some());
    assert_eq!(dialogue.messages, 1);
}

#[test]
fn imap_authenticate_and_quoted_login() {
    let decoder = split_everywhere(
        Language::Imap,
        &[
            (S, b"* OK hi\r\n"),
            (C, b"1 CAPABILITY\r\n"),
            (S, b"* CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS AUTH=PLAIN AUTH=SCRAM-SHA-256\r\n1 OK\r\n"),
            (C, b"2 AUTHENTICATE PLAIN\r\n"),
            (S, b"+ \r\n"),
            (C, b"AGpvZQBodW50ZXIy\r\n"),
            (S, b"2 NO [AUTHENTICATIONFAILED] no\r\n"),
            (C, b"3 login \"joe\" \"hunter2\"\r\n"),
            (S, b"3 BAD what\r\n"),
            (C, b"4 COMPRESS DEFLATE\r\n"),
            (S, b"4 OK now\r\n\x01\x02"),
        ],
    );
    let dialogue = decoder.dialogue();
    assert!(dialogue.offers("LOGINDISABLED"));
    assert_eq!(dialogue.mechanisms, [Mechanism::Plain, Mechanism::Scram]);
    let step = &dialogue.exchanges[3];
    assert_eq!(step.command.as_ref().unwrap().verb, Verb::AuthStep);
    assert_eq!(
        step.reply
            .as_ref()
            .unwrap()
            .response_code
            .as_ref()
            .unwrap()
            .as_str(),
        "AUTHENTICATIONFAILED"
    );
    assert_eq!(
        dialogue.exchanges[4]
            .command
            .as_ref()
            .unwrap()
            .text
            .as_str(),
        "3 LOGIN joe ***"
    );
    assert!(dialogue.opaque.is_some() && decoder.is_over(S));
}

/// `=` is an empty initial response (RFC 5034 4, RFC 4959 3): the message that names the account is still to come.
#[test]
fn an_empty_initial_response_is_no_message() {
    for (language, begin, go_on) in [
        (
            Language::Pop3,
            b"AUTH SCRAM-SHA-256 =\r\n".as_slice(),
            b"+ \r\n".as_slice(),
        ),
        (
            Language::Imap,
            b"1 AUTHENTICATE SCRAM-SHA-256 =\r\n",
            b"+ \r\n",
        ),
        (Language::Smtp, b"AUTH SCRAM-SHA-256 =\r\n", b"334 \r\n"),
    ] {
        let greeting: &[u8] = match language {
            Language::Pop3 => b"+OK hi\r\n",
            Language::Imap => b"* OK hi\r\n",
            _ => b"220 mx ESMTP\r\n",
        };
        let name = b"biwsbj1qb2Uscj14\r\n";
        let decoder = split_everywhere(
            language,
            &[(S, greeting), (C, begin), (S, go_on), (C, name)],
        );
        let user = decoder.dialogue().user.as_ref().map(|user| user.as_str());
        assert_eq!(user, Some("joe"), "{language:?}");
    }
}

#[test]
fn pop3_listings_and_mail() {
    let decoder = split_everywhere(
        Language::Pop3,
        &[
            (S, b"+OK Dovecot ready. <1.2@mx>\r\n"),
            (C, b"CAPA\r\n"),
            (S, b"+OK\r\nSASL PLAIN LOGIN\r\nSTLS\r\nUIDL\r\n.\r\n"),
            (C, b"USER joe\r\nPASS hunter2 \r\n"),
            (S, b"+OK\r\n+OK in\r\n"),
            (C, b"LIST\r\nLIST 1\r\nRETR 1\r\nUIDL\r\nQUIT\r\n"),
            (S, b"+OK 1\r\n1 100\r\n.\r\n+OK 1 100\r\n+OK 100\r\n+OK not a reply\r\n..\r\n.\r\n-ERR no\r\n+OK bye\r\n"),
        ],
    );
    let dialogue = decoder.dialogue();
    let asked: Vec<_> = dialogue
        .exchanges
        .iter()
        .filter_map(|e| {
            Some((
                e.command.as_ref()?.verb,
                e.reply.as_ref()?.status,
                e.reply.as_ref()?.lines,
            ))
        })
        .collect();
    assert_eq!(
        asked,
        [
            (Verb::Capability, Status::Positive, 5),
            (Verb::User, Status::Positive, 1),
            (Verb::Pass, Status::Positive, 1),
            (Verb::Other, Status::Positive, 3),
            (Verb::Other, Status::Positive, 1),
            (Verb::Retrieve, Status::Positive, 2),
            (Verb::Other, Status::Negative, 1),
            (Verb::Quit, Status::Positive, 1),
        ]
    );
    assert!(dialogue.apop_offered && dialogue.offers("STLS"));
    assert_eq!(dialogue.mechanisms, [Mechanism::Plain, Mechanism::Login]);
    assert_eq!(dialogue.user.as_ref().unwrap().as_str(), "joe");
    assert_eq!(
        dialogue.exchanges[3]
            .command
            .as_ref()
            .unwrap()
            .text
            .as_str(),
        "PASS ***"
    );
}

#[test]
fn sieve_greets_with_capabilities() {
    let decoder = split_everywhere(
        Language::Sieve,
        &[
            (S, b"\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n\"SASL\" \"PLAIN LOGIN\"\r\n\"STARTTLS\"\r\nOK \"Dovecot ready.\"\r\n"),
            (C, b"AUTHENTICATE \"PLAIN\" {16+}\r\nAGpvZQBodW50ZXIy\r\n"),
            (S, b"NO (AUTH-TOO-WEAK) {4}\r\nweak\r\n"),
            (C, b"AUTHENTICATE \"LOGIN\"\r\n"),
            (S, b"\"VXNlcm5hbWU6\"\r\n"),
            (C, b"\"am9l\"\r\n"),
            (S, b"\"UGFzc3dvcmQ6\"\r\n"),
            (C, b"{12+}\r\naHVudGVyMg==\r\n"),
            (S, b"OK\r\n"),
            (C, b"LISTSCRIPTS\r\nLOGOUT\r\n"),
            (S, b"\"a\" ACTIVE\r\nOK\r\nOK \"Logout\"\r\n"),
        ],
    );
    let dialogue = decoder.dialogue();
    assert!(dialogue.greeted && dialogue.offers("STARTTLS"));
    assert_eq!(dialogue.mechanisms, [Mechanism::Plain, Mechanism::Login]);
    let first = dialogue.exchanges[1].reply.as_ref().unwrap();
    assert_eq!(
        (
            first.text.as_str(),
            first.response_code.as_ref().unwrap().as_str()
        ),
        ("weak", "AUTH-TOO-WEAK")
    );
    assert_eq!(dialogue.user.as_ref().unwrap().as_str(), "joe");
    assert_eq!(
        dialogue.secret.as_ref().unwrap().reveal().as_str(),
        "hunter2"
    );
    assert!(dialogue.authenticated.is_some() && dialogue.quit.is_some());
}
