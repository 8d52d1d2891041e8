//! Every rule, registered by one word.
//!
//! A rule is a function that gets the view of its stage and may push claims. It knows no other rule; what
//! outranks what stands in `claim_order`. The view exists only when its stage was reached.

pub mod auth;
pub mod capture;
pub mod dns;
pub mod mail;
pub mod path;
pub mod route;
pub mod tcp;
pub mod tls;

use super::{Claim, Connection};
use crate::proto::tls::TlsFacts;

/// A rule, by the stage whose view it gets.
pub enum Rule {
    /// Every connection.
    Any(fn(&Connection<'_>, &mut Vec<Claim>)),
    /// The TCP handshake was not completed.
    Closed(fn(&Connection<'_>, &mut Vec<Claim>)),
    /// The connection is open, or the capture began in its middle.
    Open(fn(&Connection<'_>, &mut Vec<Claim>)),
    /// TLS records were seen, or a ClientHello at least.
    Encrypted(fn(&Connection<'_>, &TlsFacts, &mut Vec<Claim>)),
    /// The service is mail and the connection is open.
    Mail(fn(&Connection<'_>, &mut Vec<Claim>)),
}

/// Every table of rules, by stage.
const TABLES: &[&[Rule]] = &[
    route::RULES,
    tcp::RULES,
    path::RULES,
    tls::RULES,
    mail::RULES,
    auth::RULES,
    capture::RULES,
];

/// Hears every rule on one connection.
pub fn hear_connection(c: &Connection<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    let open = c.open();
    let mail = open && c.service != crate::proto::Service::Other;
    for rule in TABLES.iter().flat_map(|table| table.iter()) {
        match rule {
            Rule::Any(rule) => rule(c, &mut claims),
            Rule::Closed(rule) if !open => rule(c, &mut claims),
            Rule::Open(rule) if open => rule(c, &mut claims),
            Rule::Encrypted(rule) => {
                if let Some(tls) = c.tls {
                    rule(c, tls, &mut claims);
                }
            }
            Rule::Mail(rule) if mail => rule(c, &mut claims),
            _ => {}
        }
    }
    claims
}
