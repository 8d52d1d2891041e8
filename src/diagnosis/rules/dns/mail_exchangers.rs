//! What an MX answer says: `dns.null-mx`, `dns.no-mx`, and `dns.mx-unresolvable` for targets that no client may follow.
//!
//! RFC 7505 3: one record, preference 0, the root as target. RFC 5321 5.1: the target is a name, never an address, and without an MX the
//! domain's own address is tried. RFC 2181 10.3: the target is no alias.

use std::net::IpAddr;

use crate::diagnosis::lookup_view::{Content, Lookup};
use crate::diagnosis::{At, Claim, Code, Weight, Where};
use crate::proto::dns::{Answer, RecordType};

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let (facts, content) = (l.facts, l.content());
    let at = At::of(Where::Server);
    match content {
        Some(Content::Positive(reply)) if facts.kind == RecordType::MX => {
            let targets: Vec<&str> = reply
                .message
                .answers
                .iter()
                .filter_map(|record| match &record.answer {
                    Answer::Mx(_, target) => Some(target.as_str()),
                    _ => None,
                })
                .collect();
            if targets.is_empty() {
                return;
            }
            if targets.iter().all(|target| target.is_empty()) {
                claims.push(
                    Claim::new(
                        Code::DnsNullMx,
                        at,
                        reply.at,
                        0.98,
                        format!("{} accepts no mail, and says so: null MX.", facts.name),
                    )
                    .shown_by("MX 0 .")
                    .because(facts.first, format!("query for {}", l.question()))
                    .advise(format!("Sender: check {} for a typing error", facts.name))
                    .advise("The domain's owner replaces the null MX if mail is wanted"),
                );
                return;
            }
            let literals: Vec<&str> = targets
                .iter()
                .copied()
                .filter(|target| target.parse::<IpAddr>().is_ok())
                .collect();
            if let Some(literal) = literals.first() {
                let all = literals.len() == targets.len();
                claims.push(
                    Claim::new(
                        Code::DnsMxUnresolvable,
                        at,
                        reply.at,
                        0.95,
                        format!("The MX of {} names an address, {literal}, where only a host name may stand.", facts.name),
                    )
                    .shown_by(format!("MX {literal}"))
                    .because(facts.first, format!("query for {}", l.question()))
                    .advise(format!("Owner of {}: give the host a name and let the MX point to that", facts.name))
                    .weighing(if all { Weight::Fatal } else { Weight::Finding }),
                );
            }
        }
        Some(Content::NoData(reply) | Content::NoName(reply)) if facts.kind == RecordType::MX => {
            let mut addresses = l
                .same_name()
                .filter(|sibling| matches!(sibling.kind, RecordType::A | RecordType::AAAA))
                .peekable();
            // Asked for an address as well, and there is none: nothing to fall back to.
            let asked = addresses.peek().is_some();
            let lives = addresses.any(|sibling| sibling.positive);
            if (asked || matches!(content, Some(Content::NoName(_)))) && !lives {
                return;
            }
            claims.push(
                Claim::new(
                    Code::DnsNoMx,
                    at,
                    reply.at,
                    if lives { 0.95 } else { 0.7 },
                    format!("{} has no MX: senders try its own address.", facts.name),
                )
                .shown_by("NOERROR without an MX")
                .weighing(Weight::Finding)
                .advise(format!(
                    "Owner of {}: publish an MX, or \"MX 0 .\" if it takes no mail",
                    facts.name
                )),
            );
        }
        Some(Content::Positive(reply)) => {
            let Some(domain) = &l.context.mx_of else {
                return;
            };
            let alias = reply
                .message
                .answers
                .iter()
                .find(|record| record.kind == RecordType::CNAME && record.owner == facts.name);
            if let Some(Answer::Name(target)) = alias.map(|record| &record.answer) {
                claims.push(
                    Claim::new(
                        Code::DnsMxUnresolvable,
                        at,
                        reply.at,
                        0.6,
                        format!("The MX of {domain} names {}, an alias of {target}: not allowed, mostly works.", facts.name),
                    )
                    .shown_by(format!("CNAME {target}"))
                    .weighing(Weight::Finding)
                    .advise(format!("Owner of {domain}: let the MX name {target} itself")),
                );
            }
        }
        _ => {}
    }
}
