//! `mail.starttls-stripped`: STARTTLS was offered and removed on the way, and the client needed it (RFC 3207 6).
//!
//! Removed shows as a masked keyword of its length, or as the same server's offer elsewhere in the capture. Needed
//! means: the client asked for it and was refused, or was told that it must, or left a submission or mailbox server right
//! after the list. Never worded as an attack: mostly it is the operator's own firewall.

use crate::diagnosis::principles::{Check, check};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::proto::Service;
use crate::proto::mail::{Dialogue, Family, Oddity, Verb};

use super::progress::{
    Progress, Step, client_left, cut, has_oddity, listing, masked_starttls, masks_may_be_others,
    only_looked, readable, refuses, starttls_offered, step,
};

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if !readable(c)
        || c.tls.is_some()
        || c.dialogue.starttls_accepted.is_some()
        || c.dialogue.gaps > 0
    {
        return;
    }
    let Some(sign) = sign(c) else { return };
    // What was missed may have been the login after which no server offers it (RFC 9051 6.2.1).
    if matches!(sign, Sign::Elsewhere(_)) && c.partly_unseen() {
        return;
    }
    let Some(list) = listing(c.dialogue) else {
        return;
    };
    let refused = needed(c);
    let looked = refused.is_none()
        && client_left(c)
        && only_looked(c.dialogue)
        && !matches!(c.service, Service::Smtp | Service::Lmtp);
    if refused.is_none() && !looked {
        return;
    }
    let (masked, elsewhere) = match sign {
        Sign::Masked => (has_oddity(c.dialogue, Oddity::MaskedKeyword), None),
        Sign::Elsewhere(mark) => (None, Some(mark)),
    };
    let others = masked.is_some() && masks_may_be_others(c.dialogue);
    let confidence = match (&sign, looked) {
        // Servers without STARTTLS are rare, and the answer of one that has none was looked at above.
        (Sign::Masked, false) if others => 0.85,
        (Sign::Masked, true) if others => 0.7,
        (Sign::Masked, false) => 0.93,
        (Sign::Masked, true) => 0.8,
        (Sign::Elsewhere(_), false) => 0.65,
        (Sign::Elsewhere(_), true) => 0.45,
    };
    // A load balancer's look at one of several back ends is no fault; a masked word is one whoever looks.
    let is_check = elsewhere.is_some() && matches!(check(c), Check::Yes(_));
    let death = masked.unwrap_or(list.at);
    let mut claim = Claim::new(
        Code::MailStarttlsStripped,
        At::of(Where::Network),
        death,
        confidence,
        "STARTTLS is removed from the server's offer by a device on the way; the client needs it.".to_owned(),
    )
    .weighing(if is_check { Weight::Finding } else { Weight::Fatal })
    .shown_by(match sign {
        Sign::Masked if others => "words as long as STARTTLS, CHUNKING and SMTPUTF8 are overwritten with X in the server's list".to_owned(),
        Sign::Masked => "a word as long as STARTTLS is overwritten with X in the server's list".to_owned(),
        Sign::Elsewhere(_) => "no STARTTLS in the server's list".to_owned(),
    })
    .advise("Firewall's operator: allow TLS in SMTP inspection (Cisco ASA: allow-tls in the esmtp map, or no inspect esmtp)")
    .advise("Until then: implicit TLS on port 465, 993 or 995 goes past such a device");
    if let Some(mark) = elsewhere {
        claim = claim
            .because(
                mark,
                "the same server offers STARTTLS on another connection",
            )
            .or(
                Code::MailStarttlsMissing,
                0.3,
                "repeated connections: several back ends may differ; or a capture at the server",
            );
    } else {
        claim = claim.or(
            Code::MailStarttlsMissing,
            if others { 0.12 } else { 0.05 },
            "a capture at the server: whether its list has STARTTLS there",
        );
    }
    if let Some(index) = refused
        && let Some(exchange) = c.dialogue.exchanges.get(index)
        && let Some(reply) = &exchange.reply
    {
        claim = claim.because(reply.at, cut(reply.line.as_str(), 80));
    }
    claims.push(claim);
}

/// What shows that it was removed.
pub(super) enum Sign {
    /// A masked keyword of the length of STARTTLS.
    Masked,
    /// The same server offers it on another connection.
    Elsewhere(crate::base::Mark),
}

/// Whether something shows that STARTTLS was removed from the list.
pub(super) fn sign(c: &Connection<'_>) -> Option<Sign> {
    if starttls_offered(c.dialogue) != Some(false) {
        return None;
    }
    if masked_starttls(c.dialogue) {
        return (!known_and_not_offered(c.dialogue)).then_some(Sign::Masked);
    }
    c.context.starttls_elsewhere.map(Sign::Elsewhere)
}

/// The server's answer shows that STARTTLS reached it unmasked and is not to be had there: a command that it does not know gets
/// 500, one that it knows and does not do 502 (RFC 5321 4.2.4).
fn known_and_not_offered(dialogue: &Dialogue) -> bool {
    dialogue.exchanges.iter().any(|exchange| {
        let command = exchange.command.as_ref();
        let reply = exchange.reply.as_ref().filter(|reply| refuses(reply));
        command.is_some_and(|command| command.verb == Verb::Starttls)
            && reply.is_some_and(|reply| {
                let text = reply.text.as_str().to_ascii_lowercase();
                // What quotes a masked word got it masked.
                !text.contains("xxxx")
                    && (text.contains("not implemented") || text.contains("not advertised"))
            })
    })
}

/// The refusal that shows that the client needed it: of STARTTLS itself, or of anything for want of TLS.
fn needed(c: &Connection<'_>) -> Option<usize> {
    let progress = Progress::of(c);
    c.dialogue
        .exchanges
        .iter()
        .enumerate()
        .find_map(|(index, exchange)| {
            let reply = exchange.reply.as_ref().filter(|reply| refuses(reply))?;
            let step = step(c.dialogue, exchange);
            let family = c.answers.get(index).copied().flatten().map(|a| a.family);
            let for_tls = step == Step::Starttls
                || matches!(family, Some(Family::StarttlsRequired | Family::NeedsTls));
            (for_tls && !progress.further(index, step, reply.at.time)).then_some(index)
        })
}
