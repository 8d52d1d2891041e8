//! `dns.private-address`: a private address for a client that sits on the public Internet. Never a verdict.

use std::net::IpAddr;

use crate::diagnosis::judge_lookup::is_mail_name;
use crate::diagnosis::lookup_view::{Content, Lookup};
use crate::diagnosis::{At, Claim, Code, Weight, Where};

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    let facts = l.facts;
    let Some(Content::Positive(reply)) = l.content() else {
        return;
    };
    if is_private(facts.client) {
        return;
    }
    let Some(address) = l.addresses().find(|ip| is_private(*ip)) else {
        return;
    };
    // Blocklists answer with loopback addresses on purpose.
    let for_mail =
        l.context.mx_of.is_some() || l.context.used.is_some() || is_mail_name(facts.name.as_str());
    if !for_mail {
        return;
    }
    claims.push(
        Claim::new(
            Code::DnsPrivateAddress,
            At::address(Where::Resolver, facts.resolver),
            reply.at,
            0.8,
            format!("{} is {address}, a private address, for a client on the public Internet.", facts.name),
        )
        .shown_by(format!("answer {address}; the client is {}", facts.client))
        .weighing(Weight::Finding)
        .advise("Connect the VPN first, or ask a public resolver; the zone's owner keeps inside addresses out of the outside view"),
    );
}

/// RFC 1918, RFC 6598, RFC 4193, loopback and link-local.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || matches!(v4.octets(), [100, 64..=127, ..])
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
