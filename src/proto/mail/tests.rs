//! Whole dialogues, split everywhere, cut everywhere, and noise.

use super::Decoder;
use super::dialogue::*;
use crate::base::{FrameRef, MILLISECOND, Mark, Side, SourceId, Timestamp};

type Script<'a> = &'a [(Side, &'a [u8])];

const C: Side = Side::Client;
const S: Side = Side::Server;

fn mark(number: u64) -> Mark {
    Mark {
        frame: FrameRef {
            source: SourceId(0),
            number,
        },
        time: Timestamp(i64::try_from(number).unwrap() * 10 * MILLISECOND),
    }
}

fn play(language: Language, script: Script) -> Decoder {
    let mut decoder = Decoder::new(language);
    for (number, (side, bytes)) in (1..).zip(script) {
        decoder.data(*side, mark(number), bytes);
    }
    decoder
}

/// Everything that a dialogue holds, as text, so that two of them can be compared.
pub(in crate::proto) fn describe(dialogue: &Dialogue) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for exchange in &dialogue.exchanges {
        let _ = write!(out, "{:?} ", exchange.phase);
        if let Some(c) = &exchange.command {
            let secret = c.secret.as_ref().map(|s| s.reveal().as_str().to_owned());
            let _ = write!(
                out,
                "C[{}-{} {:?} {:?} {secret:?} {}] ",
                c.at.frame.number, c.done.frame.number, c.verb, c.text, c.bytes
            );
        }
        if let Some(r) = &exchange.reply {
            let _ = write!(
                out,
                "S[{}-{} {:?} {:?} {:?} {:?} {:?} {:?} n{} p{} {:?}]",
                r.at.frame.number,
                r.done.frame.number,
                r.status,
                r.code,
                r.enhanced,
                r.response_code,
                r.text,
                r.line,
                r.lines,
                r.pauses,
                r.sasl_error
            );
        }
        out.push('\n');
    }
    let number = |m: Option<Mark>| m.map(|m| m.frame.number);
    let _ = write!(
        out,
        "{:?} {:?} {} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} tls{:?}/{:?} z{:?} auth{:?} m{} q{:?} g{:?} idle{} data{:?} {} gaps{} {:?} apop{}",
        dialogue.language,
        number(dialogue.greeting_started),
        dialogue.greeted,
        dialogue.omitted,
        dialogue.capabilities,
        dialogue.mechanisms,
        dialogue.software,
        dialogue.server_name,
        dialogue.client_name,
        dialogue.user,
        dialogue
            .secret
            .as_ref()
            .map(|s| s.reveal().as_str().to_owned()),
        number(dialogue.starttls_asked),
        number(dialogue.starttls_accepted),
        number(dialogue.compressed),
        number(dialogue.authenticated),
        dialogue.messages,
        number(dialogue.quit),
        number(dialogue.goodbye),
        dialogue.idling,
        number(dialogue.in_data),
        dialogue.data_bytes,
        dialogue.gaps,
        dialogue
            .oddities
            .iter()
            .map(|(o, m)| (*o, m.frame.number))
            .collect::<Vec<_>>(),
        dialogue.apop_offered,
    );
    out
}

/// The whole script, every chunk cut at every place, and byte by byte: the same facts.
fn split_everywhere(language: Language, script: Script) -> Decoder {
    let whole = play(language, script);
    let expected = describe(whole.dialogue());
    let mut bytewise = Decoder::new(language);
    for (number, (side, bytes)) in (1..).zip(script) {
        for byte in bytes.chunks(1) {
            bytewise.data(*side, mark(number), byte);
        }
    }
    assert_eq!(describe(bytewise.dialogue()), expected, "byte by byte");
    for cut in 0..script.len() {
        for at in 1..script[cut].1.len() {
            let mut decoder = Decoder::new(language);
            for (number, (side, bytes)) in (1..).zip(script) {
                if number == cut as u64 + 1 {
                    let (head, tail) = bytes.split_at(at);
                    let used = decoder.data(*side, mark(number), head);
                    if used == head.len() {
                        decoder.data(*side, mark(number), tail);
                    }
                } else {
                    decoder.data(*side, mark(number), bytes);
                }
            }
            assert_eq!(
                describe(decoder.dialogue()),
                expected,
                "chunk {cut} cut at {at}"
            );
        }
    }
    gaps_everywhere(language, script);
    whole
}

/// Each chunk missing, or its head or tail: nothing panics, no secret is shown, and the gap is counted.
fn gaps_everywhere(language: Language, script: Script) {
    for lost in 0..script.len() {
        let length = script[lost].1.len();
        for (from, to) in [(0, length), (0, length / 2), (length / 2, length)] {
            let mut decoder = Decoder::new(language);
            for (number, (side, bytes)) in (1..).zip(script) {
                if number == lost as u64 + 1 {
                    decoder.data(*side, mark(number), &bytes[..from]);
                    decoder.gap(*side, mark(number), (to - from) as u64);
                    decoder.data(*side, mark(number), &bytes[to..]);
                } else {
                    decoder.data(*side, mark(number), bytes);
                }
            }
            let dialogue = decoder.dialogue();
            assert_eq!(dialogue.gaps, 1);
            for exchange in &dialogue.exchanges {
                if let Some(command) = &exchange.command {
                    for secret in ["hunter2", "aHVudGVyMg==", "AGpvZQBodW50ZXIy"] {
                        assert!(!command.text.as_str().contains(secret), "{}", command.text);
                    }
                }
            }
        }
    }
}

fn verbs(decoder: &Decoder) -> Vec<(Option<Verb>, Option<u16>)> {
    decoder
        .dialogue()
        .exchanges
        .iter()
        .map(|e| {
            (
                e.command.as_ref().map(|c| c.verb),
                e.reply.as_ref().and_then(|r| r.code),
            )
        })
        .collect()
}

#[test]
fn a_pipelined_delivery() {
    let decoder = split_everywhere(
        Language::Smtp,
        &[
            (S, b"220-mx.example.org ESMTP Postfix\r\n220 go\r\n"),
            (C, b"EHLO me\r\n"),
            (S, b"250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-AUTH PLAIN LOGIN\r\n250-AUTH=CRAM-MD5\r\n250-STARTTLS\r\n250 CHUNKING\r\n"),
            (C, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n"),
            (S, b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 <e@f>: User unknown\r\n354 go\r\n"),
            (C, b"Subject: x\r\n\r\n..dot\r\n.not\r\n.\r\nQUIT\r\n"),
            (S, b"250 2.0.0 Ok: queued\r\n221 2.0.0 Bye\r\n"),
        ],
    );
    assert_eq!(
        verbs(&decoder),
        [
            (None, Some(220)),
            (Some(Verb::Ehlo), Some(250)),
            (Some(Verb::Mail), Some(250)),
            (Some(Verb::Rcpt), Some(250)),
            (Some(Verb::Rcpt), Some(550)),
            (Some(Verb::DataStart), Some(354)),
            (Some(Verb::Data), Some(250)),
            (Some(Verb::Quit), Some(221)),
        ]
    );
    let dialogue = decoder.dialogue();
    assert!(dialogue.offers("starttls") && dialogue.offers("SIZE"));
    assert_eq!(
        dialogue.mechanisms,
        [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5]
    );
    assert_eq!((dialogue.messages, dialogue.data_bytes), (1, 31));
    assert!(dialogue.oddities.is_empty() && dialogue.in_data.is_none());
    assert_eq!(dialogue.software.as_ref().unwrap().as_str(), "Postfix");
    assert_eq!(dialogue.exchanges[6].command.as_ref().unwrap().bytes, 31);
}

#[test]
fn chunks_are_counted_not_searched() {
    let decoder = split_everywhere(
        Language::Smtp,
        &[
            (S, b"220 mx ESMTP\r\n"),
            (C, b"EHLO me\r\n"),
            (S, b"250-mx\r\n250 CHUNKING\r\n"),
            (C, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 9\r\nQUIT\r\n.\r\nBDAT 3 LAST\r\nabcNOOP\r\n"),
            (S, b"250 ok\r\n250 ok\r\n250 ok\r\n250 queued\r\n250 noop\r\n"),
            (C, b"BDAT 99999999999999999999 LAST\r\nBDAT -5\r\n"),
            (S, b"501 bad\r\n501 bad\r\n"),
        ],
    );
    let codes: Vec<_> = verbs(&decoder).into_iter().skip(4).collect();
    assert_eq!(
        codes,
        [
            (Some(Verb::Data), Some(250)),
            (Some(Verb::DataLast), Some(250)),
            (Some(Verb::Noop), Some(250)),
            (Some(Verb::DataLast), Some(501)),
            (Some(Verb::Data), Some(501)),
        ]
    );
    assert!(decoder.dialogue().quit.is_none());
    assert_eq!(decoder.dialogue().messages, 1);
}

#[test]
fn logins_are_masked_and_the_account_is_known() {
    let decoder = split_everywhere(
        Language::Smtp,
        &[
            (S, b"220 mx ESMTP\r\n"),
            (C, b"EHLO me\r\n"),
            (S, b"250-mx\r\n250 AUTH PLAIN LOGIN XOAUTH2\r\n"),
            (C, b"AUTH LOGIN\r\n"),
            (S, b"334 VXNlcm5hbWU6\r\n"),
            (C, b"am9l\r\n"),
            (S, b"334 UGFzc3dvcmQ6\r\n"),
            (C, b"aHVudGVyMg==\r\n"),
            (S, b"535 5.7.8 Error: authentication failed\r\n"),
            (C, b"AUTH PLAIN AGpvZQBodW50ZXIy\r\n"),
            (S, b"235 2.7.0 ok\r\n"),
        ],
    );
    let dialogue = decoder.dialogue();
    assert_eq!(dialogue.user.as_ref().unwrap().as_str(), "joe");
    assert_eq!(
        dialogue.secret.as_ref().unwrap().reveal().as_str(),
        "hunter2"
    );
    assert!(dialogue.authenticated.is_some());
    let shown: Vec<_> = dialogue
        .exchanges
        .iter()
        .filter_map(|e| e.command.as_ref())
        .map(|c| c.text.as_str())
        .collect();
    assert_eq!(
        shown,
        ["EHLO me", "AUTH LOGIN", "***", "***", "AUTH PLAIN ***"]
    );

    let refused = split_everywhere(
        Language::Smtp,
        &[
            (S, b"220 mx ESMTP\r\n"),
            (C, b"EHLO me\r\n"),
            (S, b"250 mx\r\n"),
            (C, b"AUTH XOAUTH2 dXNlcj1qb2UBYXV0aD1CZWFyZXIgdG9rAQE=\r\n"),
            (S, b"334 eyJzdGF0dXMiOiI0MDAifQ==\r\n"),
            (C, b"\r\n"),
            (S, b"535 5.7.8 no\r\n"),
        ],
    );
    let dialogue = refused.dialogue();
    assert_eq!(
        dialogue.exchanges[2]
            .reply
            .as_ref()
            .unwrap()
            .sasl_error
            .as_ref()
            .unwrap()
            .as_str(),
        "{\"status\":\"400\"}"
    );
    assert_eq!(
        dialogue.exchanges[3].command.as_ref().unwrap().verb,
        Verb::AuthStep
    );
    assert_eq!(dialogue.user.as_ref().unwrap().as_str(), "joe");
}

#[test]
fn clear_text_ends_at_the_exact_byte() {
    let mut decoder = play(
        Language::Smtp,
        &[
            (S, b"220 mx ESMTP\r\n"),
            (C, b"EHLO me\r\n"),
            (S, b"250-mx\r\n250 STARTTLS\r\n"),
            (C, b"STARTTLS\r\n"),
        ],
    );
    let reply = b"220 2.0.0 Ready\r\n\x16\x03";
    assert_eq!(decoder.data(S, mark(5), reply), reply.len() - 2);
    assert_eq!(decoder.data(C, mark(6), b"\x16\x03\x01"), 0);
    assert_eq!(
        decoder.dialogue().starttls_accepted.unwrap().frame.number,
        5
    );
    assert!(decoder.dialogue().oddities.is_empty());
}

#[test]
fn lmtp_answers_once_per_recipient() {
    let decoder = split_everywhere(
        Language::Lmtp,
        &[
            (S, b"220 mx LMTP\r\n"),
            (C, b"LHLO me\r\n"),
            (S, b"250 mx\r\n"),
            (
                C,
                b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nRCPT TO:<g@h>\r\nDATA\r\n",
            ),
            (S, b"250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n"),
            (C, b"x\r\n.\r\nQUIT\r\n"),
            (S, b"250 ok\r\n452 4.2.2 full\r\n221 bye\r\n"),
        ],
    );
    let codes: Vec<_> = verbs(&decoder).into_iter().skip(7).collect();
    assert_eq!(
        codes,
        [
            (Some(Verb::Data), Some(250)),
            (Some(Verb::Quit), Some(221)),
            (Some(Verb::Data), Some(452))
        ]
    );
    assert_eq!(decoder.dialogue().language, Some(Language::Lmtp));
}

#[test]
fn a_device_that_masks_is_seen() {
    let decoder = split_everywhere(
        Language::Smtp,
        &[
            (
                S,
                b"220 ****************************0****...2*0\r\n"
                    .split_at(33)
                    .0,
            ),
            (S, b"\r\n"),
            (C, b"EHLO me\r\n"),
            (S, b"250-mx\r\n250-XXXXXXXA\r\n250 SIZE\r\n"),
            (C, b"XXXX\r\n"),
            (S, b"500 #5.5.1 command not recognized\r\n"),
        ],
    );
    let seen: Vec<_> = decoder
        .dialogue()
        .oddities
        .iter()
        .map(|(o, _)| *o)
        .collect();
    assert_eq!(seen, [Oddity::MaskedBanner, Oddity::MaskedKeyword]);
    let last = decoder.dialogue().exchanges.last().unwrap();
    assert_eq!(last.command.as_ref().unwrap().verb, Verb::Masked);
    assert_eq!(last.reply.as_ref().unwrap().enhanced.unwrap().subject, 5);
}

#[test]
fn odd_talk_is_written_down() {
    let early = split_everywhere(
        Language::Smtp,
        &[
            (C, b"EHLO me\r\n"),
            (S, b"220 mx ESMTP\r\n"),
            (S, b"250 mx\r\n"),
            (S, b"250 what\r\n"),
            (S, b"421 4.4.2 bye\r\n"),
        ],
    );
    let seen: Vec<_> = early.dialogue().oddities.iter().map(|(o, _)| *o).collect();
    assert_eq!(seen, [Oddity::EarlyTalker, Oddity::Unsolicited]);
    assert!(early.dialogue().goodbye.is_some());
    assert_eq!(
        verbs(&early),
        [
            (Some(Verb::Ehlo), Some(250)),
            (None, Some(220)),
            (None, Some(250)),
            (None, Some(421))
        ]
    );
    let other = split_everywhere(
        Language::Imap,
        &[(S, b"+OK Dovecot ready.\r\n"), (C, b"a CAPABILITY\r\n")],
    );
    assert_eq!(other.dialogue().oddities[0].0, Oddity::OtherMailProtocol);
    assert_eq!(other.dialogue().language, Some(Language::Pop3));
    let http = split_everywhere(
        Language::Smtp,
        &[(C, b"GET / HTTP/1.1\r\n"), (S, b"HTTP/1.1 400 Bad\r\n\r\n")],
    );
    assert_eq!(http.dialogue().oddities[0].0, Oddity::Http);
}

#[test]
fn line_ends_of_every_kind() {
    for end in ["\r\n", "\n", "\r"] {
        let text: Vec<String> = [
            "220 mx ESMTP",
            "EHLO me",
            "250-mx@250 SIZE",
            "QUIT",
            "221 bye",
            "",
        ]
        .iter()
        .map(|line| format!("{}{end}", line.replace('@', end)))
        .collect();
        let sides = [S, C, S, C, S, C];
        let script: Vec<(Side, &[u8])> = sides
            .iter()
            .zip(&text)
            .map(|(side, line)| (*side, line.as_bytes()))
            .collect();
        let decoder = split_everywhere(Language::Smtp, &script);
        assert_eq!(
            verbs(&decoder),
            [
                (None, Some(220)),
                (Some(Verb::Ehlo), Some(250)),
                (Some(Verb::Quit), Some(221))
            ],
            "{end:?}"
        );
        assert!(decoder.dialogue().offers("SIZE"));
    }
}

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
    assert!(dialogue.compressed.is_some() && decoder.is_over(S));
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

#[test]
fn a_gap_in_message_data_does_not_lose_the_dialogue() {
    let mut decoder = play(
        Language::Smtp,
        &[
            (S, b"220 mx ESMTP\r\n"),
            (C, b"EHLO me\r\n"),
            (S, b"250 mx\r\n"),
            (C, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
            (S, b"250 ok\r\n250 ok\r\n354 go\r\n"),
            (C, b"Subject: x\r\n"),
        ],
    );
    decoder.gap(C, mark(7), 1_000);
    decoder.data(S, mark(8), b"250 queued\r\n");
    decoder.data(C, mark(9), b"QUIT\r\n");
    decoder.data(S, mark(10), b"221 bye\r\n");
    let dialogue = decoder.dialogue();
    assert_eq!(dialogue.messages, 1);
    assert!(dialogue.quit.is_some() && dialogue.goodbye.is_some());
    assert_eq!(verbs(&decoder).last(), Some(&(Some(Verb::Quit), Some(221))));
    assert!(dialogue.oddities.is_empty());
}

#[test]
fn a_lost_reply_does_not_shift_the_following_ones() {
    let mut decoder = play(
        Language::Smtp,
        &[(S, b"220 mx ESMTP\r\n"), (C, b"EHLO me\r\n")],
    );
    decoder.gap(S, mark(3), 30);
    decoder.data(C, mark(4), b"MAIL FROM:<a@b>\r\n");
    decoder.data(S, mark(5), b"550 5.7.1 no\r\n");
    assert_eq!(
        verbs(&decoder),
        [
            (None, Some(220)),
            (Some(Verb::Ehlo), None),
            (Some(Verb::Mail), Some(550))
        ]
    );
}

#[test]
fn long_sessions_stay_bounded() {
    let mut decoder = play(Language::Smtp, &[(S, b"220 mx ESMTP\r\n")]);
    for number in 0..5_000 {
        decoder.data(C, mark(number), b"NOOP\r\n");
        decoder.data(S, mark(number), b"250 ok\r\n");
    }
    let dialogue = decoder.dialogue();
    assert!(dialogue.exchanges.len() <= crate::base::limits::EXCHANGES);
    assert_eq!(dialogue.exchanges.len() as u64 + dialogue.omitted, 5_001);
    assert!(dialogue.exchanges.iter().all(|e| e.reply.is_some()));
}

proptest::proptest! {
    #[test]
    fn noise_never_panics(
        pieces in proptest::collection::vec(
            (proptest::bool::ANY, 0u8..8, proptest::collection::vec(proptest::num::u8::ANY, 0..60)),
            0..40,
        ),
        language in 0usize..5,
    ) {
        const WORDS: &[&[u8]] = &[
            b"220 x\r\n", b"DATA\r\n", b"BDAT 7\r\n", b"a LOGIN {4}\r\n", b"AUTH LOGIN\r\n", b"354 x\r\n", b"RETR 1\r\n", b"+OK\r\n",
        ];
        let language = [Language::Smtp, Language::Lmtp, Language::Imap, Language::Pop3, Language::Sieve][language];
        let mut decoder = Decoder::new(language);
        for (number, (client, kind, noise)) in (1u64..).zip(&pieces) {
            let side = if *client { C } else { S };
            match kind {
                0 => decoder.gap(side, mark(number), noise.len() as u64),
                1..=3 => { decoder.data(side, mark(number), noise); }
                word => { decoder.data(side, mark(number), WORDS[usize::from(*word) % WORDS.len()]); }
            }
        }
        proptest::prop_assert!(decoder.dialogue().exchanges.len() <= crate::base::limits::EXCHANGES);
    }
}
