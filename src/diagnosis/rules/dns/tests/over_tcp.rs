//! What becomes of questions over TCP, and who says so.

use super::{address, answered, code, error, facts, judge, mark, reply, witnessed};
use crate::base::Mark;
use crate::diagnosis::lookup_view::LookupContext;
use crate::diagnosis::{Code, Where};
use crate::flow::HopCount;
use crate::flow::lookup::{LookupFacts, LookupIcmp, TcpTry};
use crate::proto::dns::RecordType;

/// A SYN to TCP/53, and a RST to it that comes with that TTL.
fn reset(ttl: u8) -> Option<Box<TcpTry>> {
    Some(Box::new(TcpTry {
        syns: 1,
        first_syn: Some(mark(10)),
        last_syn: Some(mark(10)),
        syn_ack: None,
        reset: Some((mark(11), HopCount::of(ttl))),
    }))
}

/// An ICMP error that quotes that SYN.
fn error_over_tcp(ms: i64, sender: &str, code: u8) -> LookupIcmp {
    LookupIcmp {
        tcp: true,
        ..error(ms, sender, code)
    }
}

/// An answer over UDP, from four hops, that is cut off.
fn cut_off() -> LookupFacts {
    let mut reply = reply(3, 0, Vec::new());
    reply.message.truncated = true;
    answered(facts(RecordType::A, &[0]), vec![reply])
}

#[test]
fn who_resets_what_was_cut_off_shows_by_its_distance() {
    // The resolver itself; from nearer; and from farther, where the port may be handed on to.
    for (ttl, place, named) in [
        (60, Where::Resolver, true),
        (63, Where::Network, false),
        (50, Where::Resolver, true),
    ] {
        let mut facts = cut_off();
        facts.over_tcp = reset(ttl);
        let verdict = judge(&facts, &witnessed(), 40_000).verdict;
        assert_eq!(verdict.code, Code::DnsTruncatedNoTcp);
        assert_eq!(
            (verdict.at.place, verdict.at.address.is_some()),
            (place, named)
        );
    }
}

#[test]
fn a_refusal_by_icmp_of_what_was_cut_off_has_no_clock() {
    let mut facts = cut_off();
    facts.over_tcp = Some(Box::new(TcpTry {
        reset: None,
        ..*reset(64).unwrap()
    }));
    facts.icmp.push(error_over_tcp(11, "10.0.0.9", 13));
    facts.icmp_count = 1;
    let verdict = judge(&facts, &witnessed(), 200).verdict;
    assert_eq!(verdict.code, Code::DnsTruncatedNoTcp);
    assert_eq!(verdict.frame, Some(mark(11).frame));
    assert_eq!(verdict.at.address, Some("10.0.0.9".parse().unwrap()));
    // The near miss: that a segment is too big refuses nothing.
    facts.icmp = [error_over_tcp(11, "10.0.0.9", 4)].into_iter().collect();
    assert_eq!(code(&facts, &witnessed(), 200), Code::Unknown);
}

/// What is said of three questions over UDP that nobody answered, and a RST from one hop, when the resolver answered another one.
fn refused(answer: Option<(u8, Mark)>) -> Code {
    let mut facts = facts(RecordType::A, &[0, 2_000, 4_000]);
    facts.over_tcp = reset(63);
    let context = LookupContext {
        resolver_answered: answer.map(|(ttl, at)| (HopCount::of(ttl), at)),
        ..witnessed()
    };
    code(&facts, &context, 40_000)
}

#[test]
fn a_port_that_is_reset_from_nearer_than_the_resolver_is_not_closed() {
    assert_eq!(refused(None), Code::DnsPortClosed);
    assert_eq!(refused(Some((52, mark(5)))), Code::DnsBlocked);
    // It serves DNS, and refuses TCP itself: why this question got no answer is not told. Long before it did, and may have ended since.
    assert_eq!(refused(Some((63, mark(5)))), Code::Unknown);
    assert_eq!(refused(Some((63, mark(-90_000)))), Code::DnsPortClosed);
    let positive = vec![reply(3, 0, vec![address("192.0.2.10")])];
    let mut served = answered(facts(RecordType::A, &[0]), positive);
    served.over_tcp = reset(63);
    assert_eq!(code(&served, &witnessed(), 40_000), Code::Ok);
}
