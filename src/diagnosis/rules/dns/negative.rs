//! Negative answers: `dns.nxdomain`, `dns.no-address`, and `dns.mx-unresolvable` for the target of an MX.
//!
//! NXDOMAIN and NODATA as RFC 2308 2 defines them. A and AAAA are two look-ups of one name: a negative one beside a positive one is no fault, and two
//! negative ones carry the same code. A miss of a search list is no fault when another name of the search is answered, nor is a
//! guess when another one of the client's is there. Blocklists say *not listed* by NXDOMAIN.

use crate::base::{Mark, SECOND};
use crate::diagnosis::judge_lookup::asks_a_list;
use crate::diagnosis::lookup_view::{Content, Lookup, Sibling};
use crate::diagnosis::{At, Claim, Code, Where};
use crate::proto::dns::{Answer, RecordType, type_name};

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    claims.extend(denial(l).filter(|_| l.asked_again().is_none()));
}

/// Where the client asked again for what this denies: what it went by is what came later, if anything did.
pub fn unheard(l: &Lookup<'_>) -> Option<Mark> {
    l.asked_again().filter(|_| denial(l).is_some())
}

/// What the answer denies, if somebody needs it.
fn denial(l: &Lookup<'_>) -> Option<Claim> {
    let facts = l.facts;
    let (reply, missing) = match l.content() {
        Some(Content::NoName(reply)) => (reply, true),
        Some(Content::NoData(reply)) => (reply, false),
        _ => return None,
    };
    let address = matches!(facts.kind, RecordType::A | RecordType::AAAA);
    // What an MX names is needed, whatever it is called.
    let listed = l.context.mx_of.is_none() && asks_a_list(facts.name.as_str());
    if !(address || facts.kind == RecordType::MX && missing) || listed {
        return None;
    }
    let others = || l.same_name().filter(|sibling| sibling.kind != facts.kind);
    let partners =
        || others().filter(|sibling| matches!(sibling.kind, RecordType::A | RecordType::AAAA));
    // Another type of the same name has records: the name exists, whatever this answer says.
    let lives = if address {
        partners().any(|p| p.positive)
    } else {
        others().any(|o| o.positive)
    };
    let guess = address && l.context.found_elsewhere.is_some() && l.context.mx_of.is_none();
    if lives || guess || found_in_search(l, reply.at.time) {
        return None;
    }
    // A mail domain needs no address of its own: its mail goes where the MX leads (RFC 5321 5.1).
    if address && !missing && others().any(|o| o.kind == RecordType::MX && o.positive) {
        return None;
    }
    let decided = |sibling: &Sibling| matches!(sibling.rcode, Some(0 | 3));
    if !missing {
        // The other family was not answered, or with an error: the fault stands there.
        if partners().next().is_some() && !partners().any(decided) {
            return None;
        }
        // Nobody expects an IPv6 address everywhere.
        let alone = partners().next().is_none();
        if alone && facts.kind == RecordType::AAAA {
            return None;
        }
        // A resolver asks for A of names on its way to what it was asked for (RFC 9156 2.3): they need only exist.
        let mut queries = facts.queries.iter();
        if alone && !facts.queries.is_empty() && queries.all(|query| !query.recursion_desired) {
            return None;
        }
    }
    let missing = missing || partners().any(|sibling| sibling.rcode == Some(3));
    let (name, kind) = (&facts.name, type_name(facts.kind));
    // The answer names the alias, and NXDOMAIN is said of where it leads (RFC 6604 3).
    let alias = reply
        .message
        .answers
        .iter()
        .filter(|record| record.kind == RecordType::CNAME)
        .filter_map(|record| match &record.answer {
            Answer::Name(target) => Some(target),
            _ => None,
        })
        .next_back()
        .filter(|target| missing && *target != name);
    let (code, place, confidence, summary, advice) = match (&l.context.mx_of, missing, alias) {
        (Some(domain), true, Some(target)) => (
            Code::DnsMxUnresolvable,
            Where::Server,
            0.95,
            format!(
                "The MX of {domain} names {name}, which is an alias of {target}, and there is no such name."
            ),
            format!(
                "Owner of {domain}: let the MX name a host that exists; an MX must not name an alias (RFC 2181 10.3)"
            ),
        ),
        (None, true, Some(target)) => (
            Code::DnsNxdomain,
            Where::Server,
            0.95,
            format!("{name} is an alias of {target}, and there is no such name: {target}."),
            format!("Owner of {name}: correct its CNAME, or create {target}"),
        ),
        (Some(domain), true, None) => (
            Code::DnsMxUnresolvable,
            Where::Server,
            0.95,
            format!("The MX of {domain} names {name}, and there is no such name."),
            format!(
                "Owner of {domain}: correct the MX, or create {name} (a missing final dot in the zone is typical)"
            ),
        ),
        (Some(domain), false, _) => (
            Code::DnsMxUnresolvable,
            Where::Server,
            0.92,
            format!("The MX of {domain} names {name}, which has no address."),
            format!("Owner of {domain}: give {name} an A or AAAA record, or correct the MX"),
        ),
        (None, true, None) => (
            Code::DnsNxdomain,
            Where::Client,
            0.95,
            format!("There is no such name: {name}."),
            format!(
                "Compare {name} letter by letter with the provider's instructions, or create it"
            ),
        ),
        (None, false, _) => (
            Code::DnsNoAddress,
            Where::Server,
            if partners().next().is_some() {
                0.95
            } else {
                0.85
            },
            format!("{name} exists, but has no address."),
            format!("Owner of {name}: add an A or AAAA record to the last name of its CNAME chain"),
        ),
    };
    let shown = if missing {
        format!("{kind}: NXDOMAIN")
    } else {
        format!("{kind}: NOERROR without such a record")
    };
    let mut claim = Claim::new(code, At::of(place), reply.at, confidence, summary)
        .shown_by(shown)
        .because(facts.first, format!("query for {}", l.question()))
        .advise(advice);
    let elsewhere = l
        .same_name()
        .find(|sibling| sibling.resolver != facts.resolver && sibling.positive);
    if let Some(sibling) = elsewhere {
        claim.confidence = 0.7;
        claim = claim.or(
            Code::DnsFiltered,
            0.25,
            format!(
                "{} has an answer to the same question: a filter, or another view of the zone",
                sibling.resolver
            ),
        );
    }
    // One resolver has one truth for all, but for views, filters and back ends that differ.
    if let Some((other, at)) = l.context.told_another {
        claim.confidence = f32::min(claim.confidence, 0.6);
        claim = claim
            .because(
                at,
                format!("the same resolver gives {other} an answer to the same question"),
            )
            .or(
                Code::DnsFiltered,
                0.2,
                "the same question from both clients at once: a filter or a view by client",
            );
    }
    Some(claim)
}

/// Another name of the same search was answered: one continues the other by a suffix, or it was asked for straight after this miss.
fn found_in_search(l: &Lookup<'_>, missed: crate::base::Timestamp) -> bool {
    if l.context.mx_of.is_some() {
        return false;
    }
    let own = l.facts.name.as_str();
    l.context.siblings.iter().any(|sibling| {
        let other = sibling.name.as_str();
        let wait = sibling.first.time.since(missed);
        // Nobody knows whether there is the name without the suffix, which is the one that the client wants: the fault stands there.
        let suffixed = continues(own, other)
            && other.contains('.')
            && sibling.kind == l.facts.kind
            && !matches!(sibling.rcode, Some(0 | 3));
        suffixed
            || sibling.positive
                && other != own
                && (continues(own, other)
                    || continues(other, own)
                    || same_label(own, other) && (0..=SECOND).contains(&wait))
    })
}

/// Whether `long` is `short` with a suffix of whole labels. A country alone is no suffix of a search list: `mail.example.com.au` is another host than
/// `mail.example.com`.
fn continues(long: &str, short: &str) -> bool {
    let suffix = long
        .strip_prefix(short)
        .and_then(|rest| rest.strip_prefix('.'));
    suffix.is_some_and(|suffix| suffix.len() != 2)
}

fn same_label(a: &str, b: &str) -> bool {
    a.split('.').next() == b.split('.').next()
}
