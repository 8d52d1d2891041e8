//! `dns.filtered`: the resolver withholds the address because of a list.
//!
//! It says so itself by an extended error (RFC 8914: 4 forged answer, 15 blocked, 16 censored, 17 filtered, 18 prohibited), or
//! gives 0.0.0.0, `::` or a known sinkhole.

use std::net::{IpAddr, Ipv4Addr};

use crate::base::Foreign;
use crate::diagnosis::lookup_view::{Content, Lookup};
use crate::diagnosis::{At, Claim, Code, Where};
use crate::proto::dns::Message;

/// The extended error by which a resolver says that it withholds a name: number, name and text (RFC 8914 4).
pub fn withheld(message: &Message) -> Option<(u16, &'static str, &Foreign)> {
    message.extended_errors.iter().find_map(|(code, text)| {
        let name = match code {
            4 => "forged answer",
            15 => "blocked",
            16 => "censored",
            17 => "filtered",
            // Who admits only some clients annotates REFUSED with it (4.19): `dns.refused`. With SERVFAIL, or beside what befell the
            // resolver on its way to the zone's servers (22, 23), it passes on that they admit it not.
            18 if !matches!(message.rcode, 2 | 5) && !unreached(message) => "prohibited",
            _ => return None,
        };
        Some((*code, name, text))
    })
}

/// The resolver says that it did not reach the zone's servers, or got nothing useful from them: no reachable authority, network error
/// (RFC 8914 4.23, 4.24).
pub fn unreached(message: &Message) -> bool {
    let mut errors = message.extended_errors.iter();
    errors.any(|(code, _)| matches!(code, 22 | 23))
}

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let Some(reply) = l.answer() else { return };
    let facts = l.facts;
    let named = withheld(&reply.message);
    let advice = || {
        format!(
            "Ask whoever runs {} to except {} from its list",
            facts.resolver, facts.name
        )
    };
    let at = At::address(Where::Resolver, facts.resolver);
    if let Some((number, name, text)) = named {
        let mut words = format!("extended error {number} ({name})");
        if !text.is_empty() {
            words.push_str(&format!(": \"{text}\""));
        }
        let claim = Claim::new(
            Code::DnsFiltered,
            at,
            reply.at,
            0.96,
            format!(
                "Resolver {} withholds {} by its filter: {name}.",
                facts.resolver, facts.name
            ),
        )
        .shown_by(words)
        .because(facts.first, format!("query for {}", l.question()))
        .advise(advice());
        claims.push(claim);
        return;
    }
    let Some(Content::Positive(_)) = l.content() else {
        return;
    };
    let Some(address) = l.addresses().next() else {
        return;
    };
    if !l.addresses().all(is_sinkhole) {
        return;
    }
    let elsewhere = l
        .context
        .other_addresses
        .iter()
        .find(|other| !is_sinkhole(**other));
    let mut claim = Claim::new(
        Code::DnsFiltered,
        at,
        reply.at,
        if elsewhere.is_some() { 0.93 } else { 0.6 },
        format!(
            "Resolver {} gives {address} for {}: no mail server can be there.",
            facts.resolver, facts.name
        ),
    )
    .shown_by(match elsewhere {
        Some(other) => format!("{address}; another resolver gives {other}"),
        None => format!("{address}"),
    })
    .because(facts.first, format!("query for {}", l.question()))
    .advise(advice());
    if elsewhere.is_none() {
        claim = claim.or(
            Code::DnsNoAddress,
            0.35,
            format!(
                "another resolver: dig @9.9.9.9 {}; the owner may publish {address} on purpose",
                facts.name
            ),
        );
    }
    claims.push(claim);
}

/// Addresses that filters answer with: the unspecified ones, Umbrella's and Fortinet's block pages, Palo Alto's sinkhole.
fn is_sinkhole(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_unspecified()
                || matches!(v4.octets(), [146, 112, 61, 104..=110])
                || v4 == Ipv4Addr::new(208, 91, 112, 55)
                || v4 == Ipv4Addr::new(72, 5, 65, 111)
        }
        IpAddr::V6(v6) => v6.is_unspecified(),
    }
}
