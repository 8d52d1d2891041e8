//! Whole dialogues, split everywhere, cut everywhere, and noise.

use super::Decoder;
use super::dialogue::*;
use crate::base::{FrameRef, MILLISECOND, Mark, Side, SourceId, Timestamp};

mod mailbox;
mod rough;
mod torn;

type Script<'a> = &'a [(Side, &'a [u8])];

const C: Side = Side::Client;
const S: Side = Side::Server;

fn mark(number: u64) -> Mark {
    Mark {
        frame: FrameRef::new(SourceId(0), number),
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
                c.at.frame.number(),
                c.done.frame.number(),
                c.verb,
                c.text,
                c.bytes
            );
        }
        if let Some(r) = &exchange.reply {
            let _ = write!(
                out,
                "S[{}-{} {:?} {:?} {:?} {:?} {:?} {:?} n{} p{} {:?}]",
                r.at.frame.number(),
                r.done.frame.number(),
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
    let number = |m: Option<Mark>| m.map(|m| m.frame.number());
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
        number(dialogue.opaque),
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
            .map(|(o, m)| (*o, m.frame.number()))
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
            assert_eq!(dialogue.gaps, u32::from(to > from));
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
    assert_eq!((dialogue.messages, dialogue.data_bytes), (1, 30));
    assert!(dialogue.oddities.is_empty() && dialogue.in_data.is_none());
    assert_eq!(dialogue.software.as_ref().unwrap().as_str(), "Postfix");
    assert_eq!(dialogue.exchanges[6].command.as_ref().unwrap().bytes, 30);
    // The message is the client's, and begins behind the server's 354.
    let invited = dialogue.exchanges[5].reply.as_ref().unwrap().done;
    let message = dialogue.exchanges[6].command.as_ref().unwrap().at;
    assert!(invited.is_before(message));
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
        decoder.dialogue().starttls_accepted.unwrap().frame.number(),
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
