//! Each code by hand-made facts, and what looks like it and is not.

mod astray;
mod half_seen;
mod negative;
mod outlived;
mod over_tcp;
mod silent;

use std::net::IpAddr;

use crate::base::{Few, Foreign, FrameRef, MILLISECOND, Mark, Solo, SourceId, Timestamp};
use crate::diagnosis::judge_lookup;
use crate::diagnosis::lookup_view::{Lookup, LookupContext, Sibling};
use crate::diagnosis::{Code, Judgement, Outcome, Where};
use crate::flow::HopCount;
use crate::flow::lookup::{LookupFacts, LookupIcmp, Query, Reply, TcpTry, Transport};
use crate::proto::dns::{Answer, Message, Record, RecordType};

/// A frame at that many milliseconds, numbered by them.
fn mark(ms: i64) -> Mark {
    Mark {
        frame: FrameRef::new(SourceId(0), ms as u64 + 1),
        time: Timestamp(ms * MILLISECOND),
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn facts(kind: RecordType, queries: &[i64]) -> LookupFacts {
    let mut facts = LookupFacts {
        source: SourceId(0),
        client: ip("10.0.0.5"),
        resolver: ip("10.0.0.1"),
        name: Foreign::from("mail.example.org"),
        kind,
        first: mark(queries[0]),
        last: mark(queries[0]),
        queries: Default::default(),
        tries: 0,
        last_query: None,
        replies: Solo::new(),
        reply_count: 0,
        mismatched: Few::new(),
        mismatched_count: 0,
        icmp: Default::default(),
        icmp_count: 0,
        over_tcp: None,
        astray: None,
    };
    for ms in queries {
        facts.queries.push(Query {
            at: mark(*ms),
            id: 7 + *ms as u16,
            port: 40_000,
            transport: Transport::Udp,
            edns_size: None,
            dnssec_ok: false,
            recursion_desired: true,
            checking_disabled: false,
            ttl: 64,
            ip_id: None,
        });
        facts.tries += 1;
        facts.last_query = Some(mark(*ms));
    }
    facts
}

/// An ICMP error about a query over UDP.
fn error(ms: i64, sender: &str, code: u8) -> LookupIcmp {
    LookupIcmp {
        at: mark(ms),
        sender: ip(sender),
        v6: false,
        kind: 3,
        code,
        hops: HopCount::of(60),
        quoted_ttl: 60,
        tcp: false,
        answers: None,
    }
}

fn reply(ms: i64, rcode: u16, answers: Vec<(RecordType, Answer)>) -> Reply {
    Reply {
        at: mark(ms),
        transport: Transport::Udp,
        port: 40_000,
        delay: Some(MILLISECOND),
        hops: HopCount::of(60),
        ip_id: None,
        message: Box::new(Message {
            id: 7,
            response: true,
            opcode: 0,
            question: Some((Foreign::from("mail.example.org"), RecordType::A)),
            questions: 1,
            rcode,
            truncated: false,
            authoritative: false,
            recursion_desired: true,
            recursion_available: true,
            authentic_data: false,
            checking_disabled: false,
            edns_size: None,
            dnssec_ok: false,
            extended_errors: Vec::new(),
            answers: answers
                .into_iter()
                .map(|(kind, answer)| Record {
                    owner: Foreign::from("mail.example.org"),
                    kind,
                    ttl: 300,
                    answer,
                })
                .collect(),
            authority: (0, false),
            length: 60,
            incomplete: false,
            malformed: None,
        }),
    }
}

fn address(text: &str) -> (RecordType, Answer) {
    (RecordType::A, Answer::Address(ip(text)))
}

fn answered(mut facts: LookupFacts, replies: Vec<Reply>) -> LookupFacts {
    facts.reply_count = replies.len() as u32;
    facts.replies = replies.into_iter().collect();
    facts
}

fn sibling(name: &str, kind: RecordType, rcode: Option<u16>, positive: bool) -> Sibling {
    Sibling {
        name: Foreign::from(name),
        kind,
        resolver: ip("10.0.0.1"),
        positive,
        rcode,
        first: mark(20),
        asked: None,
        answer: rcode.map(|_| mark(30)),
        length: 60,
    }
}

fn witnessed() -> LookupContext {
    LookupContext {
        answered_near: true,
        ..LookupContext::default()
    }
}

fn judge(facts: &LookupFacts, context: &LookupContext, horizon_ms: i64) -> Judgement {
    judge_lookup(&Lookup {
        facts,
        horizon: Timestamp(horizon_ms * MILLISECOND),
        context,
    })
}

fn code(facts: &LookupFacts, context: &LookupContext, horizon_ms: i64) -> Code {
    judge(facts, context, horizon_ms).verdict.code
}

#[test]
fn an_answer_is_ok_by_its_frame() {
    let facts = answered(
        facts(RecordType::A, &[0]),
        vec![reply(3, 0, vec![address("192.0.2.10")])],
    );
    let judgement = judge(&facts, &witnessed(), 10_000);
    assert_eq!(judgement.outcome, Outcome::Healthy);
    assert_eq!(judgement.verdict.frame, Some(mark(3).frame));
    assert!(judgement.findings.is_empty());
}

#[test]
fn who_goes_on_at_once_was_answered() {
    let tries = facts(RecordType::A, &[0, 5_000]);
    let context = LookupContext {
        went_on_untold: Some(mark(5_030)),
        ..witnessed()
    };
    assert_eq!(code(&tries, &context, 40_000), Code::Unknown);
    assert_eq!(code(&tries, &witnessed(), 40_000), Code::DnsTimeout);
}

#[test]
fn silence_has_a_clock() {
    let tries = facts(RecordType::A, &[0, 2_000, 4_000]);
    let judgement = judge(&tries, &witnessed(), 40_000);
    assert_eq!(judgement.verdict.code, Code::DnsTimeout);
    assert_eq!(judgement.verdict.frame, Some(mark(4_000).frame));
    assert!(judgement.verdict.is_final);
    let one = facts(RecordType::A, &[0]);
    assert_eq!(code(&one, &witnessed(), 4_900), Code::Unknown);
    assert_eq!(code(&one, &witnessed(), 5_000), Code::DnsTimeout);
    let two = facts(RecordType::A, &[0, 1_000]);
    assert_eq!(code(&two, &witnessed(), 2_900), Code::Unknown);
    assert_eq!(code(&two, &witnessed(), 3_000), Code::DnsTimeout);
    // Frames recorded twice are one try.
    let mut copied = facts(RecordType::A, &[0, 1]);
    for query in &mut copied.queries {
        query.id = 7;
    }
    assert_eq!(code(&copied, &witnessed(), 3_000), Code::Unknown);
}

#[test]
fn silence_needs_a_witness() {
    let tries = facts(RecordType::A, &[0, 2_000, 4_000]);
    let alone = judge(&tries, &LookupContext::default(), 40_000);
    assert!(alone.verdict.confidence <= 0.6);
    let blind = LookupContext {
        one_way: true,
        ..LookupContext::default()
    };
    let judgement = judge(&tries, &blind, 40_000);
    assert_eq!(judgement.verdict.code, Code::Unknown);
    assert_eq!(judgement.findings[0].code, Code::CaptureOneWay);
}

#[test]
fn one_type_that_is_never_answered() {
    let tries = facts(RecordType::AAAA, &[0, 2_000, 4_000]);
    let mut context = witnessed();
    context.siblings = vec![sibling("mail.example.org", RecordType::A, Some(0), true)];
    assert_eq!(code(&tries, &context, 40_000), Code::DnsTypeDropped);
    // Two programs that ask at once try once each.
    let at_once = facts(RecordType::AAAA, &[0, 2]);
    assert_ne!(code(&at_once, &context, 40_000), Code::DnsTypeDropped);
    context.siblings = vec![sibling("mail.example.org", RecordType::A, None, false)];
    assert_eq!(code(&tries, &context, 40_000), Code::DnsTimeout);
}

#[test]
fn fragments_that_never_became_whole() {
    let mut tries = facts(RecordType::MX, &[0, 2_000, 4_000]);
    for query in &mut tries.queries {
        query.edns_size = Some(4096);
    }
    let mut context = witnessed();
    context.stray_fragment = Some(mark(50));
    assert_eq!(code(&tries, &context, 40_000), Code::DnsLargeDropped);
    for query in &mut tries.queries {
        query.edns_size = None;
    }
    assert_eq!(code(&tries, &context, 40_000), Code::DnsTimeout);
}

#[test]
fn codes_of_the_answer() {
    let answers: [(u16, &[u16], Code); 15] = [
        (2, &[], Code::DnsServfail),
        (2, &[7], Code::DnsBogus),
        (2, &[22], Code::DnsServfail),
        (3, &[15], Code::DnsFiltered),
        (5, &[], Code::DnsRefused),
        (4, &[], Code::DnsError),
        (3, &[], Code::DnsNxdomain),
        (0, &[], Code::DnsNoAddress),
        // Other clients than this resolver are admitted by the zone's servers, or their keys could not be fetched.
        (2, &[9, 18, 22], Code::DnsServfail),
        (2, &[18], Code::DnsServfail),
        (2, &[22, 9, 23], Code::DnsServfail),
        // The near misses: a policy of the resolver; signatures that were seen; none to be had, and nothing unreachable.
        (0, &[18], Code::DnsFiltered),
        (2, &[7, 22], Code::DnsBogus),
        (2, &[9], Code::DnsBogus),
        (2, &[15, 22], Code::DnsFiltered),
    ];
    for (rcode, ede, expected) in answers {
        let mut answer = reply(3, rcode, Vec::new());
        answer.message.extended_errors =
            ede.iter().map(|code| (*code, Foreign::default())).collect();
        let judgement = judge(
            &answered(facts(RecordType::A, &[0]), vec![answer]),
            &witnessed(),
            9_000,
        );
        assert_eq!(judgement.verdict.code, expected);
        assert_eq!(judgement.outcome, Outcome::Failed);
        assert!(judgement.undeclared.is_empty());
    }
}

#[test]
fn a_denial_that_others_did_not_get_is_doubted() {
    let facts = answered(facts(RecordType::A, &[0]), vec![reply(3, 3, Vec::new())]);
    let mut context = witnessed();
    assert!(judge(&facts, &context, 9_000).verdict.confidence > 0.9);
    context.told_another = Some((ip("10.0.0.6"), mark(1_000)));
    let verdict = judge(&facts, &context, 9_000).verdict;
    assert_eq!(verdict.code, Code::DnsNxdomain);
    assert!(verdict.confidence <= 0.6);
    assert_eq!(verdict.alternatives[0].code, Code::DnsFiltered);
}

#[test]
fn silence_where_the_queries_arrive_is_the_resolvers() {
    let mut tries = facts(RecordType::A, &[0, 5_000, 10_000]);
    for query in &mut tries.queries {
        query.ttl = 60;
    }
    let place = |tries: &LookupFacts, ttl: Option<u8>| {
        let mut context = witnessed();
        context.resolver_answered = ttl.map(|ttl| (HopCount::of(ttl), mark(-1_000)));
        let judgement = judge(tries, &context, 40_000);
        assert_eq!(judgement.verdict.code, Code::DnsTimeout);
        judgement.verdict.at.place
    };
    assert_eq!(place(&tries, Some(64)), Where::Resolver);
    // The near misses: it said nothing yet; it is farther; both are on one link.
    assert_eq!(place(&tries, None), Where::Network);
    assert_eq!(place(&tries, Some(63)), Where::Network);
    for query in &mut tries.queries {
        query.ttl = 64;
    }
    assert_eq!(place(&tries, Some(64)), Where::Network);
}

#[test]
fn a_referral_can_be_read() {
    let mut referral = reply(3, 0, Vec::new());
    referral.message.authority = (2, false);
    let facts = answered(facts(RecordType::A, &[0]), vec![referral]);
    let verdict = judge(&facts, &witnessed(), 9_000).verdict;
    assert_eq!(verdict.code, Code::Unknown);
    assert!(verdict.summary.contains("refers to other servers"));
}

#[test]
fn an_error_that_was_outlived() {
    let facts = answered(
        facts(RecordType::A, &[0, 100]),
        vec![
            reply(3, 1, Vec::new()),
            reply(103, 0, vec![address("192.0.2.10")]),
        ],
    );
    assert_eq!(code(&facts, &witnessed(), 9_000), Code::Ok);
}

#[test]
fn cut_off_and_no_way_to_ask_again() {
    let mut cut = reply(3, 0, Vec::new());
    cut.message.truncated = true;
    let mut facts = answered(facts(RecordType::MX, &[0]), vec![cut]);
    assert_eq!(code(&facts, &witnessed(), 40_000), Code::Unknown);
    facts.over_tcp = Some(Box::new(TcpTry {
        syns: 3,
        first_syn: Some(mark(5)),
        last_syn: Some(mark(3_005)),
        syn_ack: None,
        reset: None,
    }));
    let judgement = judge(&facts, &witnessed(), 40_000);
    assert_eq!(judgement.verdict.code, Code::DnsTruncatedNoTcp);
    assert_eq!(judgement.verdict.frame, Some(mark(3_005).frame));
    let mut whole = reply(
        3_100,
        0,
        vec![(
            RecordType::MX,
            Answer::Mx(10, Foreign::from("mx.example.org")),
        )],
    );
    whole.transport = Transport::Tcp;
    facts.replies.push(whole);
    assert_eq!(
        judge(&facts, &witnessed(), 40_000).outcome,
        Outcome::Degraded
    );
}

#[test]
fn two_answers_that_contradict_each_other() {
    let two = vec![
        reply(1, 0, vec![address("198.51.100.66")]),
        reply(9, 0, vec![address("192.0.2.10")]),
    ];
    assert_eq!(
        code(
            &answered(facts(RecordType::A, &[0]), two.clone()),
            &witnessed(),
            9_000
        ),
        Code::DnsForged
    );
    // An answer for each try is no contradiction, and lists may be turned.
    let tried = answered(facts(RecordType::A, &[0, 8]), two);
    assert_ne!(code(&tried, &witnessed(), 9_000), Code::DnsForged);
    let turned = vec![
        reply(1, 0, vec![address("192.0.2.10"), address("192.0.2.11")]),
        reply(9, 0, vec![address("192.0.2.11")]),
    ];
    assert_eq!(
        code(
            &answered(facts(RecordType::A, &[0]), turned),
            &witnessed(),
            9_000
        ),
        Code::Ok
    );
}

#[test]
fn late_answers_cost() {
    let late = answered(
        facts(RecordType::A, &[0]),
        vec![reply(2_500, 0, vec![address("192.0.2.10")])],
    );
    let judgement = judge(&late, &witnessed(), 9_000);
    assert_eq!(
        (judgement.outcome, judgement.verdict.code),
        (Outcome::Degraded, Code::DnsSlow)
    );
    let again = answered(
        facts(RecordType::A, &[0, 500]),
        vec![reply(503, 0, vec![address("192.0.2.10")])],
    );
    assert_eq!(code(&again, &witnessed(), 9_000), Code::DnsSlow);
    // Who went on at once was answered: what it asks seconds later is another look-up.
    let unseen = LookupContext {
        answered_unseen: Some(mark(30)),
        ..witnessed()
    };
    assert_eq!(code(&again, &unseen, 9_000), Code::Ok);
    // Two programs at once, or two capture points 5 ms apart.
    let twice = answered(
        facts(RecordType::A, &[0, 5]),
        vec![reply(803, 0, vec![address("192.0.2.10")])],
    );
    assert_eq!(code(&twice, &witnessed(), 9_000), Code::Ok);
    let soon = answered(
        facts(RecordType::A, &[0]),
        vec![reply(500, 0, vec![address("192.0.2.10")])],
    );
    assert_eq!(code(&soon, &witnessed(), 9_000), Code::Ok);
}

#[test]
fn broken_answers() {
    let mut broken = reply(3, 0, Vec::new());
    broken.message.malformed = Some("a name is malformed");
    broken.message.incomplete = true;
    let facts_of = |reply| answered(facts(RecordType::A, &[0]), vec![reply]);
    assert_eq!(
        code(&facts_of(broken), &witnessed(), 9_000),
        Code::DnsBadResponse
    );
    // Cut by the capture, not by the sender.
    let mut cut = reply(3, 0, Vec::new());
    cut.message.incomplete = true;
    assert_eq!(code(&facts_of(cut), &witnessed(), 9_000), Code::Unknown);
    let mut stray = facts(RecordType::A, &[0, 2_000, 4_000]);
    stray
        .mismatched
        .push(reply(3, 0, vec![address("192.0.2.10")]));
    stray.mismatched_count = 1;
    assert_eq!(code(&stray, &witnessed(), 40_000), Code::DnsBadResponse);
    // The right answer to a port that did not ask. Near miss: what has neither the port nor the id of a question that was captured.
    for (id, expected) in [(7, Code::DnsBadResponse), (9_999, Code::Unknown)] {
        if let Some(reply) = stray.mismatched.iter_mut().next() {
            (reply.port, reply.message.id) = (50_000, id);
        }
        assert_eq!(code(&stray, &witnessed(), 40_000), expected);
    }
}

#[test]
fn addresses_that_nobody_can_reach() {
    let zero = answered(
        facts(RecordType::A, &[0]),
        vec![reply(3, 0, vec![address("0.0.0.0")])],
    );
    assert!(judge(&zero, &witnessed(), 9_000).verdict.confidence <= 0.6);
    let mut context = witnessed();
    context.other_addresses = vec![ip("192.0.2.10")];
    let judgement = judge(&zero, &context, 9_000);
    assert!(judgement.verdict.code == Code::DnsFiltered && judgement.verdict.confidence > 0.9);
    let inside = |client: &str| {
        let mut facts = answered(
            facts(RecordType::A, &[0]),
            vec![reply(3, 0, vec![address("10.1.2.3")])],
        );
        facts.client = ip(client);
        judge(&facts, &witnessed(), 9_000).findings.len()
    };
    assert_eq!((inside("10.0.0.5"), inside("203.0.113.7")), (0, 1));
}
