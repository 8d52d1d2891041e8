//! Who wants what a look-up asked for: a mail connection that uses it, or its name; or nobody, because a resolver asked it on its way to
//! something else.

use super::super::names::Names;
use super::denied;
use crate::base::{Mark, Nanos, SECOND};
use crate::diagnosis::{asks_a_list, is_underscored};
use crate::flow::lookup::LookupFacts;
use crate::proto::dns::{Answer, RecordType};

/// A connection that follows a look-up comes no later than this.
const FOLLOWS: Nanos = 30 * SECOND;

/// Whether that leads from a target's name to its servers.
pub(super) fn is_followed(kind: RecordType) -> bool {
    matches!(
        kind,
        RecordType::A | RecordType::AAAA | RecordType::MX | RecordType::SRV
    )
}

/// Where a mail connection used an address of the answer.
pub(super) fn used(facts: &LookupFacts, names: &Names) -> Option<Mark> {
    let reply = facts.answer()?;
    reply
        .message
        .answers
        .iter()
        .find_map(|record| match record.answer {
            Answer::Address(address) => names.used(facts.client, address, &facts.name),
            _ => None,
        })
}

/// Whether a mail connection used the answer; or, where no usable one came, the name, whose addresses the client had from elsewhere (another
/// resolver, or for the other family): the search that led to it began here.
pub(super) fn counts(facts: &LookupFacts, names: &Names) -> bool {
    let answered = facts.answer().is_some_and(|reply| {
        // No error (RFC 1035 4.1.1), or there is no such name.
        matches!(reply.message.rcode, 0 | 3)
    });
    let address = matches!(facts.kind, RecordType::A | RecordType::AAAA);
    if answered || !address {
        return used(facts, names).is_some();
    }
    let until = facts.last.time.plus(FOLLOWS);
    let asked = (facts.first.time, until);
    names.name_used(facts.client, &facts.name, asked)
}

/// Whether a resolver asks for addresses of that name only to find out which servers know what it was asked for (RFC 9156 2.3): nobody needs
/// an address of a name that no host has; and where a question is not to be followed up (RD=0, RFC 1035 4.1.1), that there is none is an answer
/// on the way like others. An error or silence is not.
pub(super) fn is_on_the_way(facts: &LookupFacts) -> bool {
    let mut queries = facts.queries.iter();
    let itself =
        denied(facts) && !facts.queries.is_empty() && queries.all(|query| !query.recursion_desired);
    itself || is_no_host(facts.name.as_str())
}

/// Whether names like that belong to records of other types: under underscored labels, and in the trees of reversed addresses (RFC 1035 3.5,
/// RFC 3596 2.5); or are questions to a list (RFC 5782 2, 4).
fn is_no_host(name: &str) -> bool {
    let reverse = ["in-addr.arpa", "ip6.arpa"];
    let within = |tree: &&str| {
        let below = name.len().checked_sub(tree.len());
        let end = below.and_then(|at| name.get(at..));
        let edge = below == Some(0)
            || below.is_some_and(|at| name.as_bytes().get(at.wrapping_sub(1)) == Some(&b'.'));
        edge && end.is_some_and(|end| end.eq_ignore_ascii_case(tree))
    };
    is_underscored(name) || asks_a_list(name) || reverse.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::is_no_host;

    #[test]
    fn names_that_no_host_has() {
        for name in [
            "1.20.10.in-addr.arpa",
            "10.IN-ADDR.arpa",
            "8.b.d.0.1.0.0.2.ip6.arpa",
            "ip6.arpa",
            "_dmarc.example.org",
            "s1._domainkey.example.org",
            "_tcp.mx1.example.org",
            "2.0.0.127.zen.example.org",
            "example.org.dbl.example.net",
        ] {
            assert!(is_no_host(name), "{name}");
        }
        for name in [
            "www.example.org",
            "mail_out.example.org",
            "my-in-addr.arpa",
            "in-addr.arpa.example.org",
            "arpa",
            "",
        ] {
            assert!(!is_no_host(name), "{name}");
        }
    }
}
