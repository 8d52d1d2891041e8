//! What is silent, and what beside it tells why.

use super::*;

#[test]
fn a_type_is_dropped_only_where_the_address_was_found_out() {
    let tries = facts(RecordType::MX, &[0, 2_000, 4_000]);
    let mut context = witnessed();
    // Whoever fails at the name itself may give up on one question before another.
    for (rcode, expected) in [
        (0, Code::DnsTypeDropped),
        (2, Code::DnsTimeout),
        (3, Code::DnsTimeout),
        (5, Code::DnsTimeout),
    ] {
        let address = sibling("mail.example.org", RecordType::A, Some(rcode), false);
        context.siblings = vec![address];
        assert_eq!(code(&tries, &context, 40_000), expected, "{rcode}");
    }
}

#[test]
fn what_is_silent_in_small_as_well_is_no_matter_of_size() {
    let sized = |sizes: [Option<u16>; 3]| {
        let mut tries = facts(RecordType::MX, &[0, 2_000, 4_000]);
        for (query, size) in tries.queries.iter_mut().zip(sizes) {
            query.edns_size = size;
        }
        tries
    };
    let room = Some(4_096);
    let mut context = witnessed();
    context.small_answer = Some(mark(50));
    let tries = sized([room; 3]);
    assert_eq!(code(&tries, &context, 40_000), Code::DnsLargeDropped);
    // Without room no long answer comes, and this one did not come either.
    for small in [None, Some(512)] {
        let tries = sized([room, room, small]);
        assert_eq!(
            code(&tries, &context, 40_000),
            Code::DnsTimeout,
            "{small:?}"
        );
    }
    // Nor did an address of that name; that of another resolver shows nothing.
    let mut address = sibling("mail.example.org", RecordType::A, None, false);
    context.siblings = vec![address.clone()];
    assert_eq!(code(&tries, &context, 40_000), Code::DnsTimeout);
    address.resolver = ip("10.0.0.2");
    context.siblings = vec![address];
    assert_eq!(code(&tries, &context, 40_000), Code::DnsLargeDropped);
}
