//! Connections built by hand: the same facts however the bytes are split, and no panic on anything.

mod chains;

use proptest::prelude::{any, proptest};

use super::{
    Decoder, Handshake, TlsFacts, Version, certificate, looks_like_client_hello, looks_like_record,
};
use crate::base::{FrameRef, MILLISECOND, Mark, Side, SourceId, Timestamp};

fn mark(number: u64) -> Mark {
    Mark {
        frame: FrameRef::new(SourceId(0), number),
        time: Timestamp(MILLISECOND.saturating_mul(number as i64)),
    }
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, 3, (body.len() >> 8) as u8, body.len() as u8];
    record.extend_from_slice(body);
    record
}

fn opaque(kind: u8, length: usize) -> Vec<u8> {
    record(kind, &vec![0xA5; length])
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, (body.len() >> 8) as u8, body.len() as u8];
    message.extend_from_slice(body);
    message
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut extension = kind.to_be_bytes().to_vec();
    extension.extend_from_slice(&(body.len() as u16).to_be_bytes());
    extension.extend_from_slice(body);
    extension
}

fn hello_body(ciphers: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[2, 0xAA, 0xBB]);
    body.extend_from_slice(&(ciphers.len() as u16).to_be_bytes());
    body.extend_from_slice(ciphers);
    body.extend_from_slice(&[1, 0]);
    let extensions = extensions.concat();
    body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
    body.extend_from_slice(&extensions);
    body
}

fn client_hello() -> Vec<u8> {
    let body = hello_body(
        &[0x0A, 0x0A, 0x13, 0x02, 0x13, 0x01, 0xC0, 0x2F],
        &[
            extension(0x2A2A, &[]),
            extension(0, b"\x00\x13\x00\x00\x10mail.example.org"),
            extension(10, &[0, 6, 0x3A, 0x3A, 0x11, 0xEC, 0x00, 0x1D]),
            extension(13, &[0, 4, 4, 3, 8, 4]),
            extension(16, b"\x00\x05\x04imap"),
            extension(43, &[6, 0x4A, 0x4A, 3, 4, 3, 3]),
            extension(51, &[0, 10, 0x11, 0xEC, 0, 1, 9, 0, 0x1D, 0, 1, 9]),
        ],
    );
    record(22, &message(1, &body))
}

fn server_hello(tls13: bool) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend_from_slice(&[9; 32]);
    body.push(0);
    if tls13 {
        body.extend_from_slice(&[0x13, 0x02, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
    } else {
        body.extend_from_slice(&[0xC0, 0x2F, 0, 0, 0]);
    }
    record(22, &message(2, &body))
}

const CCS: &[u8] = &[20, 3, 3, 0, 1, 1];

/// A session as turns; each turn is one frame.
fn play(turns: &[(Side, Vec<u8>)], chunk: usize) -> TlsFacts {
    let mut decoder = Decoder::new();
    for (number, (side, bytes)) in turns.iter().enumerate() {
        for piece in bytes.chunks(chunk) {
            decoder.data(*side, mark(number as u64 + 1), piece);
        }
    }
    decoder.facts().clone()
}

fn tls13(tail: &[(Side, Vec<u8>)]) -> Vec<(Side, Vec<u8>)> {
    let flight = [
        server_hello(true),
        CCS.to_vec(),
        opaque(23, 32),
        opaque(23, 900),
        opaque(23, 69),
    ];
    let mut turns = vec![
        (Side::Client, client_hello()),
        (Side::Server, flight.concat()),
    ];
    turns.extend_from_slice(tail);
    turns
}

#[test]
fn a_client_hello_is_read() {
    let facts = play(&[(Side::Client, client_hello())], 10_000);
    let hello = facts.client_hello.expect("a hello");
    assert_eq!(hello.sni.expect("a name").as_str(), "mail.example.org");
    assert_eq!(hello.alpn.first().map(|p| p.as_str()), Some("imap"));
    assert_eq!(
        (hello.max_version, hello.min_version),
        (Version(0x0304), Some(Version(0x0303)))
    );
    assert_eq!(hello.ciphers, [0x1302, 0x1301, 0xC02F]);
    assert_eq!(hello.groups, [0x11EC, 0x001D]);
    assert_eq!(hello.key_shares, [0x11EC, 0x001D]);
    assert!(hello.post_quantum);
    assert!(
        hello.ja4.as_str().starts_with("t13d0306ip_"),
        "{}",
        hello.ja4
    );
}

#[test]
fn a_session_of_tls13_is_the_same_split_anywhere() {
    let finished = [CCS.to_vec(), opaque(23, 69), opaque(23, 45)].concat();
    let turns = tls13(&[
        (Side::Client, finished),
        (Side::Server, [opaque(23, 250), opaque(23, 250)].concat()),
        (Side::Server, opaque(23, 120)),
        (Side::Client, [opaque(23, 23), opaque(23, 19)].concat()),
    ]);
    let whole = play(&turns, 10_000);
    assert_eq!(whole.version(), Some(Version(0x0304)));
    assert_eq!(whole.client_finished, Some(mark(3)));
    assert_eq!(whole.server_finished, Some(mark(2)));
    assert_eq!(whole.application_data.client, Some((mark(3), mark(6))));
    // Two tickets that the client had already spoken before, in doubt until it spoke again; it did.
    assert_eq!(
        whole.application_data.server.map(|(_, last)| last),
        Some(mark(5))
    );
    assert_eq!(whole.close_notify.client, Some(mark(6)));
    assert_eq!(whole.refusal, None);
    assert_eq!(whole.lost, None);
    for chunk in [1, 2, 3, 7] {
        assert_eq!(
            format!("{:?}", play(&turns, chunk)),
            format!("{whole:?}"),
            "{chunk}"
        );
    }
}

#[test]
fn tickets_alone_are_no_greeting_and_a_greeting_is() {
    let finished = (Side::Client, opaque(23, 69));
    let tickets = (Side::Server, [opaque(23, 250), opaque(23, 250)].concat());
    let facts = play(&tls13(&[finished.clone(), tickets.clone()]), 10_000);
    assert_eq!(facts.application_data.server, None);
    assert_eq!(facts.after_finished.server, 2);
    let facts = play(
        &tls13(&[finished, tickets, (Side::Server, opaque(23, 60))]),
        10_000,
    );
    assert_eq!(facts.application_data.server, Some((mark(5), mark(5))));
}

#[test]
fn an_alert_instead_of_finished_is_a_refusal_and_after_it_is_none() {
    let refused = play(&tls13(&[(Side::Client, opaque(23, 19))]), 10_000);
    assert_eq!(refused.refusal.map(|refusal| refusal.at), Some(mark(3)));
    assert_eq!(refused.client_finished, None);
    let both = [opaque(23, 69), opaque(23, 19)].concat();
    let closed = play(&tls13(&[(Side::Client, both)]), 10_000);
    assert_eq!(closed.refusal, None);
    assert_eq!(closed.close_notify.client, Some(mark(3)));
}

#[test]
fn a_client_certificate_before_finished_is_no_refusal() {
    let flight = [opaque(23, 25), opaque(23, 69)].concat();
    let facts = play(&tls13(&[(Side::Client, flight)]), 10_000);
    assert_eq!(
        (facts.refusal, facts.client_finished),
        (None, Some(mark(3)))
    );
}

#[test]
fn a_clear_alert_and_an_encrypted_one_of_tls12() {
    let turns = [
        (Side::Client, client_hello()),
        (
            Side::Server,
            [server_hello(false), record(22, &message(14, &[]))].concat(),
        ),
        (Side::Client, record(21, &[2, 48])),
    ];
    let facts = play(&turns, 1);
    assert_eq!(facts.alerts.len(), 1);
    assert!(
        facts
            .alerts
            .iter()
            .all(|a| a.fatal && a.description == 48 && a.at == mark(3))
    );
    assert_eq!(facts.server_hello_done, Some(mark(2)));

    let turns = [
        turns[0].clone(),
        turns[1].clone(),
        (Side::Client, [CCS.to_vec(), opaque(22, 40)].concat()),
        (Side::Server, [CCS.to_vec(), opaque(22, 40)].concat()),
        (Side::Client, opaque(23, 30)),
        (Side::Server, [opaque(23, 60), opaque(21, 26)].concat()),
    ];
    let facts = play(&turns, 1);
    assert_eq!(
        (facts.client_finished, facts.server_finished),
        (Some(mark(3)), Some(mark(4)))
    );
    assert_eq!(facts.application_data.server, Some((mark(6), mark(6))));
    assert_eq!(facts.close_notify.server, Some(mark(6)));
    assert!(facts.server_hello.is_some_and(|hello| !hello.resumed));
}

#[test]
fn text_is_not_tls() {
    let turns = [
        (Side::Client, client_hello()),
        (Side::Server, b"220 mail.example.org ESMTP\r\n".to_vec()),
    ];
    let whole = play(&turns, 10_000);
    assert_eq!(whole.lost, Some((Side::Server, mark(2))));
    let text = whole.clear_text.server.clone().expect("text").1;
    assert_eq!(text.as_str(), "220 mail.example.org ESMTP\\x0d\\x0a");
    assert_eq!(format!("{:?}", play(&turns, 1)), format!("{whole:?}"));
}

#[test]
fn a_gap_in_a_record_is_passed_and_one_beyond_it_is_searched() {
    let mut decoder = Decoder::new();
    let bytes = opaque(23, 1_000);
    decoder.data(Side::Server, mark(1), bytes.get(..100).expect("there"));
    decoder.gap(Side::Server, mark(2), 905);
    decoder.data(Side::Server, mark(2), &opaque(23, 50));
    assert_eq!(decoder.facts().opaque_records.server, 2);
    assert_eq!(decoder.facts().lost, None);
    decoder.gap(Side::Server, mark(3), 77);
    assert_eq!(decoder.facts().lost, Some((Side::Server, mark(3))));
    decoder.data(Side::Server, mark(3), &[0x5A; 60]);
    decoder.data(Side::Server, mark(4), &opaque(23, 50));
    assert_eq!(decoder.facts().lost, None);
    assert_eq!(decoder.facts().opaque_records.server, 3);
}

#[test]
fn an_sslv2_hello_is_one() {
    let hello = [
        0x80, 0x1C, 1, 3, 1, 0, 3, 0, 0, 0, 16, 0, 0, 0x2F, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 1, 1,
    ];
    assert!(looks_like_client_hello(&hello));
    let facts = play(&[(Side::Client, hello.to_vec())], 1);
    let hello = facts.client_hello.expect("a hello");
    assert_eq!(
        (hello.max_version, hello.ciphers.as_slice()),
        (Version(0x0301), &[0x2F][..])
    );
    assert_eq!(
        facts.handshake.first().map(|seen| seen.0),
        Some(Handshake::ClientHello)
    );
}

#[test]
fn looks_are_not_deceived_by_text() {
    assert!(looks_like_client_hello(&client_hello()));
    assert!(!looks_like_client_hello(b"EHLO mail.example.org\r\n"));
    assert!(!looks_like_client_hello(b"\x16\x03"));
    assert!(looks_like_record(&client_hello()));
    assert!(!looks_like_record(b"220 mail.example.org ESMTP\r\n"));
}

proptest! {
    #[test]
    fn nothing_panics(pieces in proptest::collection::vec(
        (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..80), 0..100u64), 0..20)) {
        let mut decoder = Decoder::new();
        for (client, bytes, gap) in &pieces {
            let side = if *client { Side::Client } else { Side::Server };
            decoder.data(side, mark(1), bytes);
            decoder.gap(side, mark(1), gap.saturating_sub(80));
        }
        for (_, bytes, _) in &pieces {
            let _ = certificate(bytes);
        }
    }

    #[test]
    fn nothing_panics_near_a_real_session(at in 0..400usize, byte in any::<u8>(), gap in 0..300u64) {
        let turns = tls13(&[(Side::Client, opaque(23, 69)), (Side::Server, opaque(23, 100))]);
        let mut decoder = Decoder::new();
        for (side, mut bytes) in turns {
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
            let (head, tail) = bytes.split_at(at.min(bytes.len()));
            decoder.data(side, mark(1), head);
            decoder.gap(side, mark(1), gap);
            decoder.data(side, mark(1), tail);
        }
    }
}
