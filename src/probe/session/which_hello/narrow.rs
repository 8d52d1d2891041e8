//! Not even a small ClientHello is small enough: the length of the packet is what does not get through, not the hello in it.

use super::super::claims::about;
use super::{Control, Tried};
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Where};
use crate::probe::stage::size;

impl Tried<'_> {
    /// Whatever has the size even of a small hello vanishes: that it is a hello has no part in it.
    pub(super) fn narrow(&self, sizes: &size::Sized, first: &Control) {
        let found = &sizes.found;
        let proof = Proof::Measured("size search", self.context.now());
        let (mut at, mut place) = (At::of(Where::Network), "on the way".to_owned());
        if let Some(placed) = &first.placed {
            (at, place) = (placed.at, placed.says());
        }
        let claim = Claim::new(
            Code::PathMtuBlackhole,
            at,
            proof,
            0.8,
            format!(
                "Packets of more than {} bytes vanish {place}, whatever is in them; smaller ones of the same connection arrive. No link is so narrow: something drops by length.",
                found.passes
            ),
        )
        .shown_by(format!(
            "within an open connection {} of {} small segments were acknowledged meanwhile; of {} of {} bytes and more none",
            found.small.0,
            found.small.1,
            found.unanswered,
            found.fails.unwrap_or_default()
        ))
        .or(
            Code::TlsHelloDropped,
            0.15,
            "a ClientHello in segments below that size: does it get through?",
        )
        .advise("Whoever runs the firewall between: look for a rule on the length of packets");
        let claim = self.shown(
            claim,
            format!(
                "a small ClientHello, in a packet of {} bytes, got {}",
                first.packet,
                first.answer.says()
            ),
        );
        self.context
            .measured(about(self.outcome, claim, Settles::Session));
    }
}
