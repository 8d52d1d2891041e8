//! Finding the server: rules about one look-up.
//!
//! A look-up has no stages; every rule gets the same view and stays silent where it has nothing to say.

mod astray;
mod bad_response;
mod filtered;
mod forged;
mod inconsistent;
mod large_dropped;
mod mail_exchangers;
mod negative;
mod one_way;
mod private_address;
mod rcode;
mod rejected;
mod slow;
mod tcp_closed;
mod timeout;
mod truncated_no_tcp;
mod type_dropped;

pub use filtered::withheld;
pub use inconsistent::{Told, weigh as judge_answers};
pub use negative::unheard;
pub use rejected::{refusal, serves};

use crate::diagnosis::Claim;
use crate::diagnosis::lookup_view::{AGAIN, Lookup};
use crate::flow::HopCount;

/// A rule about a look-up.
type Rule = fn(&Lookup<'_>, &mut Vec<Claim>);

/// Every rule of this stage.
const RULES: &[Rule] = &[
    timeout::rule,
    one_way::rule,
    type_dropped::rule,
    large_dropped::rule,
    large_dropped::shrunk,
    rejected::rule,
    tcp_closed::rule,
    truncated_no_tcp::rule,
    bad_response::rule,
    astray::rule,
    rcode::rule,
    filtered::rule,
    negative::rule,
    mail_exchangers::rule,
    forged::rule,
    slow::rule,
    private_address::rule,
];

/// From how far a reset came, and the resolver's answers.
fn nearer(reset: HopCount, answers: HopCount) -> String {
    format!(
        "; TTL {} is {} hops away, the resolver's answers come with TTL {} from {} hops",
        reset.ttl, reset.hops, answers.ttl, answers.hops
    )
}

/// Hears every rule on one look-up.
pub fn hear_lookup(lookup: &Lookup<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for rule in RULES {
        rule(lookup, &mut claims);
    }
    claims
}

#[cfg(test)]
mod tests;
