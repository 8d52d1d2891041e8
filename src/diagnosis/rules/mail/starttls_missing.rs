//! `mail.starttls-missing` as a finding: a check that looked at the list and left, and STARTTLS was not on it.
//!
//! That a client asked for it all the same and was refused says `reply`; what removed it says `starttls_stripped`.

use crate::diagnosis::principles::{Check, check};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::proto::mail::{Language, Verb};

use super::progress::{listing, masked_starttls, readable, starttls_offered};

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let language = c.dialogue.language;
    if !readable(c) || c.tls.is_some() || matches!(language, None | Some(Language::Lmtp)) {
        return;
    }
    let asked = c.dialogue.exchanges.iter().any(|exchange| {
        exchange
            .command
            .as_ref()
            .is_some_and(|command| matches!(command.verb, Verb::Ehlo | Verb::Capability))
    });
    if !asked
        || starttls_offered(c.dialogue) != Some(false)
        || masked_starttls(c.dialogue)
        || c.context.starttls_elsewhere.is_some()
        || c.dialogue.gaps > 0
        || !matches!(check(c), Check::Yes(_))
    {
        return;
    }
    let Some(list) = listing(c.dialogue) else {
        return;
    };
    claims.push(
        Claim::new(
            Code::MailStarttlsMissing,
            At::address(Where::Server, c.server().ip),
            list.at,
            0.4,
            format!("{} does not offer STARTTLS; the client looked and left.", c.server_text()),
        )
        .weighing(Weight::Finding)
        .shown_by("the server's list has no STARTTLS")
        .advise("If clients are to encrypt here: certificate and switch (Postfix smtpd_tls_security_level = may, Dovecot ssl = yes)"),
    );
}
