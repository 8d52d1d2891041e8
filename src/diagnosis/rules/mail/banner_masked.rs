//! `mail.banner-masked`: a firewall's SMTP inspection rewrites the dialogue: `220 ****`, `XXXX` in keywords or commands.
//!
//! Source of the predicates: Postfix `src/smtp/smtp_proto.c` (PIX workaround), Cisco's `inspect esmtp`. A finding while
//! mail goes through; fatal when a masked command was refused and nothing worked after it.

use crate::base::Mark;
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::proto::mail::{Oddity, Verb};

use super::progress::{Progress, cut, has_oddity, readable, refuses};

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if !readable(c) {
        return;
    }
    let banner = has_oddity(c.dialogue, Oddity::MaskedBanner);
    let keyword = has_oddity(c.dialogue, Oddity::MaskedKeyword);
    let masked_command = c
        .dialogue
        .exchanges
        .iter()
        .enumerate()
        .find(|(_, exchange)| {
            exchange
                .command
                .as_ref()
                .is_some_and(|command| command.verb == Verb::Masked)
        });
    let command: Option<Mark> = masked_command
        .and_then(|(_, exchange)| exchange.command.as_ref())
        .map(|command| command.at);
    let Some(first) = [banner, keyword, command]
        .into_iter()
        .flatten()
        .min_by_key(|mark| mark.time)
    else {
        return;
    };
    let refused = masked_command.and_then(|(index, exchange)| {
        let reply = exchange.reply.as_ref().filter(|reply| refuses(reply))?;
        let lost = c.dialogue.messages == 0 && !Progress::of(c).anything_after(index);
        lost.then_some(reply)
    });
    // A server can be set up to show stars; masked keywords or commands it does not make itself.
    let confidence = if keyword.is_some() || command.is_some() {
        0.93
    } else {
        0.8
    };
    let mut claim = Claim::new(
        Code::MailBannerMasked,
        At::of(Where::Network),
        refused.map_or(first, |reply| reply.at),
        confidence,
        "A device on the way rewrites the SMTP dialogue: parts of it are overwritten with * or X.".to_owned(),
    )
    .weighing(if refused.is_some() {
        Weight::Fatal
    } else {
        Weight::Finding
    })
    .since(first.time)
    .advise("Firewall's operator: switch SMTP inspection off (Cisco ASA: no inspect esmtp), or allow-tls and no mask-banner in its esmtp map")
    .advise("Do not test by typing into telnet through such a device: single characters become XXXX");
    if let Some(reply) = refused {
        claim = claim.shown_by(format!(
            "a masked command is refused: {}",
            cut(reply.line.as_str(), 80)
        ));
    }
    for (mark, text) in [
        (banner, "the greeting consists of 2, 0, * and blanks only"),
        (
            keyword,
            "a keyword in the server's list is overwritten with X",
        ),
        (command, "a command is overwritten with X"),
    ] {
        if let Some(mark) = mark {
            claim = if refused.is_none() && mark.frame == first.frame {
                claim.shown_by(text)
            } else {
                claim.because(mark, text)
            };
        }
    }
    claims.push(claim);
}
