//! `capture.one-way` beside a look-up: every flow of this client is one-directional, so that silence proves nothing.

use crate::diagnosis::lookup_view::Lookup;
use crate::diagnosis::principles::Absence;
use crate::diagnosis::{At, Claim, Code, Weight, Where};

/// Hears a look-up.
pub fn rule(l: &Lookup<'_>, claims: &mut Vec<Claim>) {
    if let Some(last) = l.facts.last_query
        && l.facts.reply_count == 0
        && l.absence() == Absence::Blind
    {
        claims.push(
            Claim::new(
                Code::CaptureOneWay,
                At::of(Where::Unknown),
                last,
                0.8,
                format!("Nothing at all comes back to {} in this capture.", l.facts.client),
            )
            .weighing(Weight::Finding)
            .advise("Capture both directions: at the client, or on a mirror port that copies received and sent frames"),
        );
    }
}
