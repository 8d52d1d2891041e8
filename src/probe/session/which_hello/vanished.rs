//! Every hello vanishes, whatever is in it: is it the hello, or the connection?

use super::super::claims::about;
use super::super::offer::Answer;
use super::Tried;
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Where};
use crate::probe::stage::trigger;

impl Tried<'_> {
    /// Nothing comes back of the connection, and whether hellos arrive is not known: they are not what it dies of.
    fn mute(&self) {
        let proof = Proof::Measured("duplicates of acknowledged bytes", self.context.now());
        let claim = Claim::new(
            Code::TcpStalled,
            At::of(Where::Network),
            proof,
            0.6,
            "After the first packets nothing comes back on this connection any more, whatever is sent.".to_owned(),
        )
        .shown_by("what the server had acknowledged, sent again all the way, draws no answer; every router before it still complains about short TTLs")
        .or(
            Code::TlsHelloDropped,
            0.3,
            "a capture at the server: whether the ClientHello arrives there",
        )
        .advise("Look at stateful devices between for rules and limits that end a connection after some packets, in the direction of the answers");
        self.context
            .measured(about(self.outcome, claim, Settles::Verdict));
    }

    /// Every hello vanishes, also those that fit into any packet, while the dialogue before it passed. Nothing else of that size
    /// was sent at that place of a connection, so that whatever follows so many bytes may vanish just as well.
    pub(super) fn whatever(
        &self,
        small: String,
        nameless: Option<Answer>,
        place: Option<&trigger::Placed>,
    ) {
        if self.code != Code::TlsHelloDropped {
            return;
        }
        if place.is_some_and(|place| place.mute) {
            return self.mute();
        }
        let mut claim = self.claim(
            0.6,
            "Every ClientHello vanishes on the way, large or small; what was sent before it on the same connection arrived.".to_owned(),
        )
        .or(
            Code::TcpStalled,
            0.3,
            "other data of that size at the same place of a connection: does it arrive?",
        );
        claim = self.shown(claim, small);
        if let Some(answer) = nameless {
            claim = self.shown(claim, format!("one without a name got {}", answer.says()));
        }
        claim = self.placed(claim, place);
        claim = claim.advise("Whoever runs the firewall between: allow TLS on this port (application filter, TLS inspection)");
        self.context
            .measured(about(self.outcome, claim, Settles::Verdict));
    }
}
