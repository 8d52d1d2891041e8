//! Gaps, devices that rewrite, odd line ends, noise, and very long sessions.

use super::{C, S, mark, play, split_everywhere, verbs};
use crate::base::Side;
use crate::proto::mail::Decoder;
use crate::proto::mail::dialogue::*;

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
fn a_reply_whose_last_line_is_lost_ends_where_the_client_goes_on() {
    let opening: [(Side, &[u8]); 3] = [
        (S, b"220 mx ESMTP\r\n"),
        (C, b"EHLO me\r\n"),
        (S, b"250-mx\r\n250-PIPELINING\r\n250-SI"),
    ];
    let mut decoder = play(Language::Smtp, &opening);
    decoder.gap(S, mark(4), 30);
    decoder.data(C, mark(5), b"MAIL FROM:<a@b>\r\n");
    decoder.data(S, mark(6), b"451 4.3.0 later\r\n");
    let said = [
        (None, Some(220)),
        (Some(Verb::Ehlo), Some(250)),
        (Some(Verb::Mail), Some(451)),
    ];
    assert_eq!(verbs(&decoder), said);
    let dialogue = decoder.dialogue();
    let last = dialogue.exchanges.last().and_then(|one| one.reply.as_ref());
    assert_eq!(last.expect("a reply").text.as_str(), "later");
    assert!(dialogue.offers("PIPELINING"));

    // Another code is another reply, also where the command between is lost.
    let mut decoder = play(Language::Smtp, &opening);
    decoder.gap(S, mark(4), 30);
    decoder.gap(C, mark(5), 17);
    decoder.data(S, mark(6), b"451 4.3.0 later\r\n");
    let dialogue = decoder.dialogue();
    let last = dialogue.exchanges.last().and_then(|one| one.reply.as_ref());
    assert_eq!(last.expect("a reply").text.as_str(), "later");

    // Near miss: what follows the hole with the same code, before the client says anything, is the same reply.
    let mut decoder = play(Language::Smtp, &opening);
    decoder.gap(S, mark(4), 30);
    decoder.data(S, mark(5), b"250 HELP\r\n");
    decoder.data(C, mark(6), b"MAIL FROM:<a@b>\r\n");
    decoder.data(S, mark(7), b"250 2.1.0 Ok\r\n");
    let said = [
        (None, Some(220)),
        (Some(Verb::Ehlo), Some(250)),
        (Some(Verb::Mail), Some(250)),
    ];
    assert_eq!(verbs(&decoder), said);
    assert!(decoder.dialogue().offers("HELP"));
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

#[test]
fn a_server_that_saw_the_end_of_the_message_has_it() {
    let message = |answer: &'static [u8]| {
        play(
            Language::Smtp,
            &[
                (S, b"220 mx ESMTP\r\n"),
                (C, b"EHLO me\r\n"),
                (S, b"250 mx\r\n"),
                (C, b"MAIL FROM:<a@b>\r\n"),
                (S, b"250 ok\r\n"),
                (C, b"RCPT TO:<c@d>\r\n"),
                (S, b"250 ok\r\n"),
                (C, b"DATA\r\n"),
                (S, b"354 go\r\n"),
                (C, b"Subject: x\r\n\r\nhello\r\n."),
                (S, answer),
            ],
        )
    };
    let accepted = message(b"250 2.0.0 Message accepted\r\n");
    assert_eq!(accepted.dialogue().messages, 1);
    assert!(accepted.dialogue().in_data.is_none());
    // A refusal may come while the client is still sending.
    let refused = message(b"552 5.3.4 too big\r\n");
    assert!(refused.dialogue().in_data.is_some());
}
