//! A handshake and nothing else of the client: a monitor, or one that dislikes the certificate.

use super::*;
use crate::base::MILLISECOND;
use crate::diagnosis::{Judgement, Outcome, judge_connection};

/// A frame at that many milliseconds behind the ClientHello.
fn at(number: u64, milliseconds: i64) -> Mark {
    Mark {
        frame: FrameRef::new(SourceId(0), number),
        time: mark(1).time.plus(milliseconds * MILLISECOND),
    }
}

/// A handshake that is finished after 5 ms, and a greeting inside it after `greeted`, if any.
fn finished(version: u16, greeted: Option<i64>) -> TlsFacts {
    let mut tls = begun(version, sound());
    tls.client_finished = Some(at(6, 4));
    tls.server_finished = Some(at(7, 5));
    let greeting = greeted.map(|greeted| at(8, greeted));
    tls.application_data[Side::Server] = greeting.map(|greeting| (greeting, greeting));
    tls
}

/// The client closes after `leaves` ms, `way` ms away from the capture, for the `times`-th time.
fn judged(tls: &TlsFacts, leaves: i64, way: i64, times: u32) -> Judgement {
    let tcp = TcpFacts {
        rtt_client: Some(way * MILLISECOND),
        ..tcp()
    };
    ended(tls, &tcp, Side::Client, at(20, leaves), times)
}

/// One side closes.
fn ended(tls: &TlsFacts, tcp: &TcpFacts, by: Side, end: Mark, times: u32) -> Judgement {
    let context = Context {
        bare_handshakes: times,
        ..Context::default()
    };
    let (service, mode, dialogue) = (Service::Imaps, TlsMode::Implicit, Dialogue::default());
    let host = |ip: [u8; 4], port| Endpoint {
        ip: ip.into(),
        port,
    };
    judge_connection(&mut Connection {
        key: FlowKey {
            client: host([10, 0, 0, 5], 40_000),
            server: host([192, 0, 2, 10], 993),
            source: SourceId(0),
        },
        service,
        tls_mode: mode,
        tcp,
        dialogue: &dialogue,
        answers: &[],
        tls: Some(tls),
        ending: Ending::Closed {
            by,
            at: end,
            reset: false,
        },
        horizon: mark(120).time,
        context: &context,
        ladder: Ladder::climb(service, mode, tcp, &dialogue, Some(tls)),
        done: None,
    })
}

fn others(judgement: &Judgement) -> Vec<Code> {
    let others = judgement.verdict.alternatives.iter();
    others.map(|other| other.code).collect()
}

#[test]
fn a_greeting_that_crosses_the_leaving_proves_no_check() {
    // It came while the client looked at the certificate.
    for version in [0x0303, 0x0304] {
        let judgement = judged(&finished(version, Some(6)), 8, 0, 1);
        assert_eq!(judgement.outcome, Outcome::Incomplete);
        assert_eq!(others(&judgement), [Code::TlsCertRejected]);
        assert!(!judgement.is_check);
    }
    // Far away, seen at the server: the client cannot have read yet what it is to have left upon.
    let far = finished(0x0303, Some(280));
    assert!(!judged(&far, 305, 300, 1).is_check);
    // It left long after the greeting: upon something else.
    assert!(!judged(&finished(0x0303, Some(260)), 1_900, 0, 1).is_check);
    // Who stayed for the greeting and left behind it has accepted the certificate; so has who does it again and again.
    assert!(judged(&finished(0x0303, Some(359)), 882, 0, 1).is_check);
    let slow = finished(0x0303, Some(1_005));
    assert!(judged(&slow, 1_007, 0, 1).is_check);
    assert!(judged(&slow, 1_105, 100, 1).is_check);
    assert!(judged(&finished(0x0303, Some(6)), 8, 0, 3).is_check);
}

#[test]
fn a_handshake_and_then_silence_is_a_server_that_never_greets() {
    let no_greeting = |tls: &TlsFacts, leaves| {
        let verdict = judged(tls, leaves, 0, 1).verdict;
        (verdict.code == Code::MailNoGreeting).then_some(verdict.confidence)
    };
    let mut silent = finished(0x0303, None);
    let sure = no_greeting(&silent, 8_000).expect("it waited for a greeting");
    // What follows may be tickets, or a short greeting that looks like one.
    silent.after_finished[Side::Server] = 2;
    let less = no_greeting(&silent, 8_000).expect("tickets are no greeting");
    assert!(less < sure, "{less} {sure}");
    silent.after_finished[Side::Server] = 1;
    assert_eq!(
        no_greeting(&silent, 8_000),
        None,
        "a single record may be the greeting"
    );
    silent.after_finished[Side::Server] = 2;
    // Near misses: it left sooner, said goodbye sooner, was greeted, said something itself, or was not seen whole.
    assert_eq!(no_greeting(&silent, 4_000), None);
    assert_eq!(
        others(&judged(&silent, 4_000, 0, 1)),
        [Code::TlsCertRejected]
    );
    silent.close_notify[Side::Client] = Some(at(8, 30));
    assert_eq!(no_greeting(&silent, 8_000), None);
    silent.close_notify[Side::Client] = None;
    silent.gaps.server = 1;
    assert_eq!(no_greeting(&silent, 8_000), None);
    silent.gaps.server = 0;
    silent.application_data[Side::Client] = Some((at(9, 50), at(9, 50)));
    assert_eq!(no_greeting(&silent, 8_000), None);
    assert_eq!(no_greeting(&finished(0x0303, Some(260)), 8_000), None);
}

#[test]
fn a_server_that_left_before_it_was_asked_served_nobody() {
    // It greets with a goodbye, and the client's login crosses that.
    for version in [0x0303, 0x0304] {
        let mut tls = finished(version, Some(20));
        let mut facts = tcp();
        facts.sides[Side::Server].fin = Some(at(9, 21));
        let asked =
            |tls: &mut TlsFacts, when| tls.application_data[Side::Client] = Some((when, when));
        asked(&mut tls, at(10, 22));
        let outcome = |tls: &TlsFacts| ended(tls, &facts, Side::Server, at(9, 21), 1).outcome;
        assert_eq!(outcome(&tls), Outcome::Incomplete, "{version:x}");
        tls.close_notify[Side::Server] = Some(at(8, 21));
        assert_eq!(outcome(&tls), Outcome::Incomplete, "{version:x}");
        // Near misses: it was asked before that, and what was not captured may have been asked before.
        asked(&mut tls, at(8, 20));
        assert_eq!(outcome(&tls), Outcome::Healthy, "{version:x}");
        asked(&mut tls, at(10, 22));
        tls.gaps.client = 1;
        assert_eq!(outcome(&tls), Outcome::Healthy, "{version:x}");
    }
}

#[test]
fn regular_handshakes_are_no_monitor_where_the_fault_is_in_view() {
    let mut tls = finished(0x0303, None);
    let wanted = |tls: &mut TlsFacts, name: &str| {
        let hello = tls.client_hello.as_mut().expect("a hello");
        hello.sni = Some(Foreign::from(name));
    };
    wanted(&mut tls, "wrong.example.org");
    for times in [1, 4] {
        let judgement = judged(&tls, 8, 0, times);
        assert_eq!(judgement.outcome, Outcome::Incomplete, "{times}");
        let both = [Code::TlsCertWrongName, Code::TlsCertRejected];
        assert_eq!(others(&judgement), both, "{times}");
    }
    // Near misses: nothing is wrong with it, and nothing of it is seen.
    wanted(&mut tls, "mail.example.org");
    assert!(judged(&tls, 8, 0, 4).is_check);
    let mut unseen = finished(0x0304, None);
    unseen.certificates.clear();
    wanted(&mut unseen, "wrong.example.org");
    assert!(judged(&unseen, 8, 0, 4).is_check);
    assert_eq!(others(&judged(&unseen, 8, 0, 2)), [Code::TlsCertRejected]);
    // A weak algorithm is nothing that clients leave for without a word.
    wanted(&mut tls, "mail.example.org");
    tls.certificates[0].weak = true;
    assert!(judged(&tls, 8, 0, 4).is_check);
}
