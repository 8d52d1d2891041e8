//! Each code by hand-made facts, and what looks like it and is not.

mod refused;
mod wordless;

use crate::base::{Foreign, FrameRef, Mark, SECOND, Side, SourceId, Timestamp};
use crate::diagnosis::arbiter::{Decision, decide};
use crate::diagnosis::{Code, Connection, Context, Ending, Ladder, Weight};
use crate::flow::{Endpoint, FlowKey, Opening, TcpFacts};
use crate::proto::mail::{Dialogue, Language};
use crate::proto::tls::{
    Alert, Certificate, ClientHello, OpaqueRecord, Refusal, ServerHello, TlsFacts, Version,
};
use crate::proto::{Service, TlsMode};

const DAY: i64 = 86_400;

/// Day 0 of these tests, counted from 1970: a capture whose clock was set.
const EPOCH: i64 = 20_000;

/// A frame at that many seconds of day 100.
fn mark(second: i64) -> Mark {
    Mark {
        frame: FrameRef::new(SourceId(0), second as u64 + 1),
        time: Timestamp(((EPOCH + 100) * DAY + second) * SECOND),
    }
}

fn hello(version: u16) -> ClientHello {
    ClientHello {
        at: mark(1),
        done: mark(1),
        length: 234,
        max_version: Version(version),
        min_version: None,
        sni: Some(Foreign::from("mail.example.org")),
        alpn: Vec::new(),
        ciphers: vec![0x1301],
        groups: Vec::new(),
        key_shares: Vec::new(),
        ja4: Foreign::default(),
        post_quantum: false,
        secure_renegotiation: true,
    }
}

fn certificate(from: i64, to: i64, name: &str, self_issued: bool) -> Certificate {
    Certificate {
        subject: Foreign::from("CN=mail.example.org"),
        issuer: Foreign::from("CN=Issuer"),
        not_before: Timestamp((EPOCH + from) * DAY * SECOND),
        not_after: Timestamp((EPOCH + to) * DAY * SECOND),
        names: vec![Foreign::from(name)],
        addresses: Vec::new(),
        common_name: None,
        self_issued,
        self_signed: self_issued,
        issued_by: (!self_issued).then_some(1),
        issuer_located: false,
        for_servers: true,
        key: "RSA",
        key_bits: 2048,
        signature: Foreign::from("sha256WithRSAEncryption"),
        weak: false,
        authority: false,
        der: Box::default(),
    }
}

fn sound() -> Vec<Certificate> {
    vec![
        certificate(1, 200, "mail.example.org", false),
        certificate(1, 900, "ca.example.org", true),
    ]
}

/// A handshake up to the ServerHello of that version, with that chain.
fn begun(version: u16, chain: Vec<Certificate>) -> TlsFacts {
    let mut tls = TlsFacts {
        client_hello: Some(hello(0x0304)),
        server_hello: Some(ServerHello {
            at: mark(2),
            version: Version(version),
            cipher: 0x1301,
            alpn: None,
            resumed: false,
            secure_renegotiation: true,
        }),
        certificate_seen: (!chain.is_empty()).then_some(mark(2)),
        certificates: chain,
        ..TlsFacts::default()
    };
    tls.started[Side::Client] = Some(mark(1));
    tls.started[Side::Server] = Some(mark(2));
    tls
}

fn alert(side: Side, description: u8) -> Alert {
    Alert {
        side,
        at: mark(3),
        fatal: true,
        description,
    }
}

fn tcp() -> TcpFacts {
    let mut tcp = TcpFacts::new(mark(0));
    tcp.opening = Opening::Syn;
    tcp.established = Some(mark(0));
    tcp.syn_acks.count = 1;
    for side in [Side::Client, Side::Server] {
        tcp.sides[side].segments = 4;
    }
    tcp
}

fn hear(
    service: Service,
    tcp: &TcpFacts,
    tls: Option<&TlsFacts>,
    ending: Ending,
) -> Vec<(Code, Weight)> {
    let context = Context {
        answered_near: true,
        ..Context::default()
    };
    let dialogue = Dialogue::default();
    let mode = match service.implicit_tls() {
        true => TlsMode::Implicit,
        false => TlsMode::Starttls,
    };
    claims(service, mode, tcp, tls, ending, &dialogue, &context)
}

fn claims(
    service: Service,
    tls_mode: TlsMode,
    tcp: &TcpFacts,
    tls: Option<&TlsFacts>,
    ending: Ending,
    dialogue: &Dialogue,
    context: &Context,
) -> Vec<(Code, Weight)> {
    let decision = decided(service, tls_mode, tcp, tls, ending, dialogue, context);
    let cause = decision.cause.map(|claim| (claim.code, claim.weight));
    cause
        .into_iter()
        .chain(
            decision
                .findings
                .iter()
                .map(|claim| (claim.code, claim.weight)),
        )
        .collect()
}

fn decided(
    service: Service,
    tls_mode: TlsMode,
    tcp: &TcpFacts,
    tls: Option<&TlsFacts>,
    ending: Ending,
    dialogue: &Dialogue,
    context: &Context,
) -> Decision {
    let end = |ip: [u8; 4], port| Endpoint {
        ip: ip.into(),
        port,
    };
    let connection = Connection {
        key: FlowKey {
            client: end([10, 0, 0, 5], 40_000),
            server: end([192, 0, 2, 10], 993),
            source: SourceId(0),
        },
        service,
        tls_mode,
        tcp,
        dialogue,
        answers: &[],
        tls,
        ending,
        horizon: mark(120).time,
        context,
        ladder: Ladder::climb(service, tls_mode, tcp, dialogue, tls),
        done: None,
    };
    decide(super::super::hear_connection(&connection))
}

fn left(second: i64) -> Ending {
    Ending::Closed {
        by: Side::Client,
        at: mark(second),
        reset: false,
    }
}

fn cause(tls: &TlsFacts) -> Option<Code> {
    hear(Service::Imaps, &tcp(), Some(tls), left(4))
        .first()
        .filter(|(_, weight)| *weight == Weight::Fatal)
        .map(|(code, _)| *code)
}

#[test]
fn clear_alerts_about_the_certificate() {
    let over = || vec![certificate(1, 50, "mail.example.org", false)];
    let early = || vec![certificate(150, 300, "mail.example.org", false)];
    let other = || vec![certificate(1, 200, "www.example.org", false)];
    let own = || vec![certificate(1, 200, "mail.example.org", true)];
    let alone = || vec![certificate(1, 200, "mail.example.org", false)];
    for (number, chain, expected) in [
        (44, sound(), Code::TlsCertRevoked),
        (45, over(), Code::TlsCertExpired),
        (45, sound(), Code::TlsClientClock),
        (42, early(), Code::TlsCertNotYetValid),
        (42, over(), Code::TlsCertExpired),
        (46, other(), Code::TlsCertWrongName),
        (48, own(), Code::TlsCertSelfSigned),
        (48, sound(), Code::TlsCertUntrusted),
        (46, sound(), Code::TlsCertRejected),
        (45, Vec::new(), Code::TlsCertExpired),
    ] {
        let mut tls = begun(0x0303, chain);
        tls.alerts = vec![alert(Side::Client, number)];
        assert_eq!(cause(&tls), Some(expected), "alert {number}");
    }
    let mut missing = begun(0x0303, alone());
    missing.certificates[0].issued_by = None;
    missing.alerts = vec![alert(Side::Client, 48)];
    assert_eq!(cause(&missing), Some(Code::TlsCertIncompleteChain));
}

#[test]
fn alerts_about_anything_else() {
    for (side, number, answered, expected) in [
        (Side::Server, 70, false, Code::TlsVersion),
        (Side::Server, 40, false, Code::TlsCipher),
        (Side::Client, 40, true, Code::TlsCipher),
        (Side::Server, 112, false, Code::TlsNameUnrecognized),
        (Side::Server, 116, true, Code::TlsClientCertRequired),
        (Side::Server, 80, false, Code::TlsAlert),
    ] {
        let mut tls = begun(0x0303, Vec::new());
        if !answered {
            tls.server_hello = None;
        }
        tls.alerts = vec![alert(side, number)];
        assert_eq!(cause(&tls), Some(expected), "alert {number}");
    }
    let mut empty = begun(0x0303, sound());
    empty.empty_client_certificate = Some(mark(3));
    empty.alerts = vec![alert(Side::Server, 40)];
    assert_eq!(cause(&empty), Some(Code::TlsClientCertRequired));
}

#[test]
fn an_alert_that_is_no_complaint() {
    let mut tls = begun(0x0303, sound());
    tls.alerts = vec![alert(Side::Client, 90)];
    assert_eq!(cause(&tls), None);
    tls.alerts = vec![Alert {
        fatal: false,
        ..alert(Side::Server, 112)
    }];
    assert_eq!(cause(&tls), None);
    tls.alerts = vec![alert(Side::Server, 80)];
    tls.client_finished = Some(mark(3));
    for side in [Side::Client, Side::Server] {
        tls.application_data[side] = Some((mark(3), mark(3)));
    }
    assert_eq!(cause(&tls), None);
}

#[test]
fn a_refusal_that_is_encrypted() {
    let mut tls = begun(0x0304, Vec::new());
    tls.server_finished = Some(mark(2));
    tls.refusal = Some(Refusal {
        side: Side::Client,
        at: mark(3),
    });
    assert_eq!(cause(&tls), Some(Code::TlsCertRejected));
    // The flight had not come to its end.
    tls.inside_record[Side::Server] = true;
    assert_eq!(cause(&tls), None);
    tls.inside_record[Side::Server] = false;
    // Half of it unseen: order and size prove nothing.
    tls.gaps.server = 1;
    assert_eq!(cause(&tls), None);
}

#[test]
fn a_certificate_of_the_client_that_the_server_dislikes_unseen() {
    let mut tls = begun(0x0304, Vec::new());
    tls.client_finished = Some(mark(3));
    tls.after_finished[Side::Server] = 1;
    tls.close_notify[Side::Server] = Some(mark(3));
    assert_eq!(cause(&tls), None, "no certificate at all");
    tls.client_certificate = Some(mark(3));
    assert_eq!(cause(&tls), Some(Code::TlsAlert));
    // Tickets or a greeting before it: the certificate was taken.
    tls.after_finished[Side::Server] = 2;
    assert_eq!(cause(&tls), None);
    tls.after_finished[Side::Server] = 1;
    // The server only answers the client's own close.
    tls.close_notify[Side::Client] = Some(mark(2));
    assert_eq!(cause(&tls), None);
    tls.close_notify[Side::Client] = None;
    tls.client_certificate = None;
    tls.empty_client_certificate = Some(mark(3));
    assert_eq!(cause(&tls), Some(Code::TlsClientCertRequired));
}

#[test]
fn quit_is_all_that_the_sender_says() {
    let mut tls = begun(0x0304, Vec::new());
    tls.client_finished = Some(mark(3));
    tls.application_data[Side::Client] = Some((mark(4), mark(4)));
    tls.after_finished[Side::Client] = 1;
    tls.opaque = vec![OpaqueRecord {
        side: Side::Client,
        at: mark(4),
        content_type: 23,
        length: 23,
    }];
    let dialogue = Dialogue {
        language: Some(Language::Smtp),
        starttls_accepted: Some(mark(1)),
        ..Dialogue::default()
    };
    let hear = |tls: &TlsFacts| {
        let heard = claims(
            Service::Smtp,
            TlsMode::Starttls,
            &tcp(),
            Some(tls),
            left(5),
            &dialogue,
            &Context::default(),
        );
        heard.first().map(|(code, _)| *code)
    };
    assert_eq!(hear(&tls), Some(Code::TlsCertRejected));
    // Another record before the end: EHLO, say.
    tls.after_finished[Side::Client] = 2;
    assert_ne!(hear(&tls), Some(Code::TlsCertRejected));
}

#[test]
fn an_expired_certificate_that_was_accepted_is_a_finding() {
    let mut tls = begun(0x0303, vec![certificate(1, 50, "mail.example.org", false)]);
    tls.client_finished = Some(mark(3));
    for side in [Side::Client, Side::Server] {
        tls.application_data[side] = Some((mark(3), mark(4)));
    }
    let heard = hear(Service::Imaps, &tcp(), Some(&tls), left(5));
    assert_eq!(heard, [(Code::TlsCertExpired, Weight::Finding)]);
    tls.certificates = sound();
    assert!(hear(Service::Imaps, &tcp(), Some(&tls), left(5)).is_empty());
}

#[test]
fn both_wait() {
    let mut tcp = tcp();
    tcp.sides[Side::Server].segments = 1;
    let heard = |ending| {
        hear(Service::Imaps, &tcp, None, ending)
            .first()
            .map(|(code, _)| *code)
    };
    assert_eq!(heard(left(6)), Some(Code::TlsMutualWait));
    assert_eq!(heard(left(4)), None);
    let clear = hear(Service::Imap, &tcp, None, left(6));
    assert!(clear.iter().all(|(code, _)| *code != Code::TlsMutualWait));
}

#[test]
fn what_follows_the_hello() {
    let mut tls = TlsFacts {
        client_hello: Some(hello(0x0304)),
        ..TlsFacts::default()
    };
    tls.started[Side::Client] = Some(mark(1));
    let mut tcp = tcp();
    tcp.sides[Side::Client].data_segments = 1;
    let heard = |ending| {
        hear(Service::Imaps, &tcp, Some(&tls), ending)
            .first()
            .map(|(code, _)| *code)
    };
    assert_eq!(heard(left(7)), Some(Code::TlsNoReply));
    assert_eq!(heard(left(3)), None);
    let closed = Ending::Closed {
        by: Side::Server,
        at: mark(2),
        reset: true,
    };
    assert_eq!(heard(closed), Some(Code::TlsResetOnHello));
}

#[test]
fn the_wrong_kind_of_port() {
    let mut tls = TlsFacts::default();
    tls.clear_text[Side::Client] = Some((mark(1), Foreign::from("a1 CAPABILITY")));
    tls.alerts = vec![alert(Side::Server, 50)];
    assert_eq!(cause(&tls), Some(Code::TlsPlaintextOnTlsPort));
    // Without an alert it is the server's silence that speaks, and one that answered was not silent.
    tls.alerts.clear();
    let closed = || Ending::Closed {
        by: Side::Server,
        at: mark(3),
        reset: false,
    };
    let heard = hear(Service::Imaps, &tcp(), Some(&tls), closed());
    assert_eq!(
        heard.first().map(|(code, _)| *code),
        Some(Code::TlsPlaintextOnTlsPort)
    );
    let mut answered = tcp();
    answered.sides[Side::Server].first_data = Some(mark(2));
    let heard = hear(Service::Imaps, &answered, Some(&tls), closed());
    let wrong = heard
        .iter()
        .any(|(code, _)| *code == Code::TlsPlaintextOnTlsPort);
    assert!(!wrong, "{heard:?}");
    let mut tls = TlsFacts {
        client_hello: Some(hello(0x0304)),
        ..TlsFacts::default()
    };
    tls.started[Side::Client] = Some(mark(1));
    tls.clear_text[Side::Server] = Some((mark(2), Foreign::from("* OK ready")));
    let heard = hear(Service::Imap, &tcp(), Some(&tls), left(4));
    assert_eq!(
        heard.first().map(|(code, _)| *code),
        Some(Code::TlsOnPlaintextPort)
    );
}
