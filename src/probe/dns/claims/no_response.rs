//! What comes from the resolver's port in answer to questions, and is no DNS response.

use super::Subject;
use crate::diagnosis::{At, Claim, Code, Where};

/// `came` datagrams, none of which is a response (RFC 1035 4.1.1: QR), in answer to `tries` questions.
pub fn no_response(of: &Subject<'_>, came: u32, tries: u32) -> Claim {
    let resolver = of.resolver;
    Claim::new(
        Code::DnsBadResponse,
        At::address(Where::Resolver, resolver),
        of.proof("answers that are none"),
        0.9,
        format!(
            "What {resolver} answers {} with is no DNS response.",
            of.question
        ),
    )
    .shown_by(format!(
        "{tries} questions drew {came} datagrams from port 53 of {resolver}, and none of them is a DNS response"
    ))
    .advise(format!(
        "See what listens at UDP port 53 of {resolver}, and whether it is meant to be the resolver of this network"
    ))
    .advise("Record on both sides of the firewalls between and compare: a device that changes the message shows")
}
