//! Messages built by hand after RFC 1035, cut and broken in every place.

use proptest::prelude::{any, proptest};

use super::{Answer, RecordType, StreamDecoder, decode, looks_like_dns, rcode_name, type_name};
use crate::base::{FrameRef, Mark, Side, SourceId, Timestamp};

/// MX of Example.ORG: NOERROR, two answers (10 mail, 0 . ), OPT 1232 with DO and EDE 18 "no".
const ANSWER: &[u8] = b"\x12\x34\x81\x80\x00\x01\x00\x02\x00\x00\x00\x01\
\x07Example\x03ORG\x00\x00\x0f\x00\x01\
\xc0\x0c\x00\x0f\x00\x01\x00\x00\x01\x2c\x00\x09\x00\x0a\x04mail\xc0\x0c\
\xc0\x0c\x00\x0f\x00\x01\x00\x00\x01\x2c\x00\x03\x00\x00\x00\
\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x08\x00\x0f\x00\x04\x00\x12no";

fn mark() -> Mark {
    Mark {
        frame: FrameRef::new(SourceId(0), 1),
        time: Timestamp(0),
    }
}

#[test]
fn a_whole_message_is_read() {
    let message = decode(ANSWER, ANSWER.len() as u32).expect("a header");
    let (name, kind) = message.question.expect("a question");
    assert_eq!((name.as_str(), kind), ("example.org", RecordType::MX));
    assert_eq!(message.answers.len(), 2);
    assert_eq!(
        message.answers[0].answer,
        Answer::Mx(10, "mail.example.org".into())
    );
    assert_eq!(message.answers[0].ttl, 300);
    assert_eq!(message.answers[1].answer, Answer::Mx(0, "".into()));
    assert_eq!(message.edns_size, Some(1232));
    assert!(message.dnssec_ok);
    assert_eq!(message.extended_errors, [(18, "no".into())]);
    assert!(!message.incomplete);
    assert_eq!(message.malformed, None);
    assert!(looks_like_dns(ANSWER));
}

#[test]
fn a_cut_message_gives_what_is_there_and_is_not_called_malformed() {
    for end in 12..ANSWER.len() {
        let message = decode(&ANSWER[..end], ANSWER.len() as u32).expect("a header");
        assert!(message.incomplete, "{end}");
        assert_eq!(message.malformed, None, "{end}");
        assert_eq!(message.question.is_some(), end >= 29, "{end}");
        assert_eq!(
            message.answers.len(),
            (end >= 50) as usize + (end >= 65) as usize,
            "{end}"
        );
    }
    assert!(decode(&ANSWER[..11], 100).is_none());
}

#[test]
fn a_compression_loop_is_malformed() {
    let mut bytes = ANSWER.to_vec();
    bytes[12..14].copy_from_slice(&[0xC0, 0x0C]);
    let message = decode(&bytes, bytes.len() as u32).expect("a header");
    assert!(message.malformed.is_some());
    assert!(!looks_like_dns(&bytes));
}

#[test]
fn a_stream_is_the_same_split_anywhere() {
    let mut stream = vec![0, ANSWER.len() as u8];
    stream.extend_from_slice(ANSWER);
    stream.extend_from_within(..);
    for cut in 0..=stream.len() {
        let mut decoder = StreamDecoder::new();
        let mut out = Vec::new();
        decoder.data(Side::Server, mark(), &stream[..cut], &mut out);
        decoder.data(Side::Server, mark(), &stream[cut..], &mut out);
        assert_eq!(out.len(), 2, "{cut}");
        assert!(
            out.iter().all(|framed| framed.message.answers.len() == 2),
            "{cut}"
        );
    }
}

#[test]
fn a_gap_costs_the_messages_that_it_touches() {
    let mut stream = vec![0, ANSWER.len() as u8];
    stream.extend_from_slice(ANSWER);
    let mut decoder = StreamDecoder::new();
    let mut out = Vec::new();
    decoder.data(Side::Server, mark(), &stream[..40], &mut out);
    decoder.gap(Side::Server, mark(), 200, &mut out);
    assert_eq!(out.len(), 1);
    assert!(out[0].message.incomplete);
    decoder.data(
        Side::Server,
        mark(),
        b"in the middle of something",
        &mut out,
    );
    decoder.data(Side::Server, mark(), &stream, &mut out);
    assert_eq!(out.len(), 2);
    assert!(!out[1].message.incomplete);
}

#[test]
fn numbers_have_their_names() {
    assert_eq!(type_name(RecordType::AAAA), "AAAA");
    assert_eq!(type_name(RecordType(65_400)), "TYPE65400");
    assert_eq!(rcode_name(2), "SERVFAIL");
    assert_eq!(rcode_name(23), "BADCOOKIE");
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), wire in any::<u32>()) {
        let _ = decode(&bytes, wire);
        let _ = looks_like_dns(&bytes);
    }

    #[test]
    fn nothing_panics_near_a_real_message(at in 2..94usize, byte in any::<u8>(), end in 12..95usize) {
        let mut bytes = ANSWER.to_vec();
        if let Some(slot) = bytes.get_mut(at) {
            *slot = byte;
        }
        bytes.truncate(end);
        let _ = decode(&bytes, bytes.len() as u32);
        let mut out = Vec::new();
        StreamDecoder::new().data(Side::Client, mark(), &bytes, &mut out);
    }
}
