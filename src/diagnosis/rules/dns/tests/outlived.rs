//! An error that the same question outlived when it was put again.

use super::*;

#[test]
fn an_error_that_the_question_without_edns_outlived() {
    let mut refused = answered(facts(RecordType::A, &[0]), vec![reply(3, 1, Vec::new())]);
    for query in refused.queries.iter_mut() {
        query.edns_size = Some(4_096);
    }
    let mut context = witnessed();
    let outcome = |refused: &LookupFacts, context: &LookupContext| {
        let judgement = judge(refused, context, 9_000);
        assert_eq!(judgement.verdict.code, Code::DnsError);
        judgement.outcome
    };
    assert_eq!(outcome(&refused, &context), Outcome::Failed);
    let again = |rcode| sibling("mail.example.org", RecordType::A, rcode, rcode == Some(0));
    context.siblings = vec![again(Some(0))];
    assert_eq!(outcome(&refused, &context), Outcome::Degraded);
    // The near misses: it got an error again, or nothing; it was no matter of EDNS.
    for rcode in [Some(1), None] {
        context.siblings = vec![again(rcode)];
        assert_eq!(outcome(&refused, &context), Outcome::Failed, "{rcode:?}");
    }
    context.siblings = vec![again(Some(0))];
    for query in refused.queries.iter_mut() {
        query.edns_size = None;
    }
    assert_eq!(outcome(&refused, &context), Outcome::Failed);
}
