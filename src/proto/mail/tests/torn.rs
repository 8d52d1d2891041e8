//! Replies whose end was not captured: what their first bytes say, and what they do not.

use super::{C, S, mark, play};
use crate::base::Side;
use crate::proto::mail::Decoder;
use crate::proto::mail::dialogue::*;

/// The script, and then the beginning of a line of the server whose rest is missing.
fn torn(language: Language, script: &[(Side, &[u8])], begun: &[u8]) -> Decoder {
    let mut decoder = play(language, script);
    let number = script.len() as u64 + 1;
    decoder.data(S, mark(number), begun);
    decoder.gap(S, mark(number), 40);
    decoder
}

/// Status of each reply, and whether it is in doubt.
fn replies(decoder: &Decoder) -> Vec<(Option<Status>, bool)> {
    let exchanges = decoder.dialogue().exchanges.iter();
    exchanges
        .map(|one| (one.reply.as_ref().map(|reply| reply.status), one.unsure))
        .collect()
}

const OK: (Option<Status>, bool) = (Some(Status::Positive), false);

#[test]
fn a_torn_reply_shows_its_status_and_not_its_words() {
    let begun: &[(Side, &[u8])] = &[
        (S, b"* OK ready\r\n"),
        (C, b"a LOGIN joe x\r\n"),
        (S, b"a OK in\r\n"),
        (C, b"b SELECT INBOX\r\n"),
    ];
    let mut decoder = torn(Language::Imap, begun, b"b NO [INUSE] Mailbox is lock");
    decoder.data(C, mark(9), b"c LOGOUT\r\n");
    decoder.data(S, mark(10), b"c OK done\r\n");
    let no = (Some(Status::Negative), true);
    assert_eq!(replies(&decoder), [OK, OK, no, OK]);
    let reply = decoder.dialogue().exchanges[2].reply.clone().expect("NO");
    assert_eq!(reply.text.as_str(), "");
    assert_eq!(reply.line.as_str(), "b NO [INUSE] Mailbox is lock");

    let begun: &[(Side, &[u8])] = &[(S, b"220 mx ESMTP\r\n"), (C, b"MAIL FROM:<a@b>\r\n")];
    let decoder = torn(Language::Smtp, begun, b"452 4.5.3 too many mess");
    assert_eq!(replies(&decoder), [OK, (Some(Status::Transient), true)]);
    let decoder = torn(Language::Smtp, begun, b"250 2.1.0 O");
    assert_eq!(replies(&decoder), [OK, OK]);

    // The near misses: the status itself is torn, more lines follow, the client is asked to go on, or the line is no reply.
    for line in [&b"45"[..], b"452", b"452-4.5.3 too", b"354 End data"] {
        let decoder = torn(Language::Smtp, begun, line);
        assert_eq!(replies(&decoder), [OK, (None, false)]);
    }
    let begun: &[(Side, &[u8])] = &[(S, b"* OK ready\r\n"), (C, b"a SELECT INBOX\r\n")];
    for line in [
        &b"* 12 EXIS"[..],
        b"* NO disk is f",
        b"a NO",
        b"a N",
        b"b NO x",
        b"+ go",
    ] {
        let decoder = torn(Language::Imap, begun, line);
        assert_eq!(replies(&decoder), [OK, (None, false)]);
    }
}

#[test]
fn a_torn_greeting_is_the_greeting() {
    let later = |mut decoder: Decoder| {
        for (number, (side, line)) in (10..).zip([
            (C, &b"USER joe\r\n"[..]),
            (S, b"+OK\r\n"),
            (C, b"PASS x\r\n"),
            (S, b"-ERR [AUTH] no\r\n"),
        ]) {
            decoder.data(side, mark(number), line);
        }
        decoder
    };
    let no = (Some(Status::Negative), false);
    let decoder = later(torn(Language::Pop3, &[], b"+OK vm Cyrus"));
    assert_eq!(replies(&decoder), [OK, OK, no]);
    assert!(decoder.dialogue().greeted && decoder.dialogue().authenticated.is_none());
    // What cannot be read of it is not made up for by the next answer.
    let decoder = later(torn(Language::Pop3, &[], b"+O"));
    assert_eq!(replies(&decoder), [OK, no]);
    assert!(!decoder.dialogue().greeted && decoder.dialogue().authenticated.is_none());
}

#[test]
fn what_a_torn_reply_opens_begins_in_the_hole() {
    let begun: &[(Side, &[u8])] = &[(S, b"220 mx ESMTP\r\n"), (C, b"STARTTLS\r\n")];
    let mut decoder = torn(Language::Smtp, begun, b"220 2.0.0 Read");
    assert!(decoder.dialogue().starttls_accepted.is_none() && !decoder.is_over(S));
    // The client follows the invitation.
    assert_eq!(decoder.data(C, mark(9), &[0x16, 3, 1, 0]), 0);
    assert!(decoder.dialogue().starttls_accepted.is_some());
}

#[test]
fn a_torn_line_of_a_listing_is_no_reply() {
    let begun: &[(Side, &[u8])] = &[
        (S, b"+OK ready\r\n"),
        (C, b"CAPA\r\n"),
        (S, b"+OK list\r\nTOP\r\n"),
    ];
    let decoder = torn(Language::Pop3, begun, b"-ERR is what it is ca");
    assert_eq!(replies(&decoder), [OK, OK]);
    assert!(!decoder.dialogue().offers("-ERR"));
}
