//! `auth.oauth-required` and `auth.mechanism-unsupported` for a client that left because of what was offered (RFC 7628,
//! RFC 4954 3).
//!
//! The packets do not say why it left: 0.6 at the most, and a finding when it was only a check. A login that was tried
//! and refused is the server's word, and another rule's.

use crate::diagnosis::principles::{Check, check};
use crate::diagnosis::rules::mail::progress::{
    Step, client_left, listing, offers, only_looked, readable, refuses, step,
};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::proto::mail::{Language, Mechanism};

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let dialogue = c.dialogue;
    if !readable(c)
        || dialogue.gaps > 0
        || dialogue.authenticated.is_some()
        || dialogue.mechanisms.is_empty()
        || !client_left(c)
        || !only_looked(dialogue)
    {
        return;
    }
    let Some(list) = listing(dialogue) else {
        return;
    };
    // What was listed before TLS says nothing of what is offered inside it.
    if dialogue
        .starttls_accepted
        .is_some_and(|accepted| accepted.time >= list.at.time)
    {
        return;
    }
    // A refusal is a reason of its own to leave; capability probes are none.
    let refused = dialogue.exchanges.iter().any(|exchange| {
        exchange.reply.as_ref().is_some_and(refuses)
            && step(dialogue, exchange) != Step::Probe
            && step(dialogue, exchange) != Step::Quit
    });
    if refused || passwords_welcome(c) {
        return;
    }
    let oauth =
        |mechanism: &Mechanism| matches!(mechanism, Mechanism::Xoauth2 | Mechanism::OauthBearer);
    let only_oauth = dialogue.mechanisms.iter().all(oauth);
    let (code, confidence, summary, advice) = if only_oauth {
        (
            Code::AuthOauthRequired,
            0.55,
            "The server takes logins with OAuth tokens only; the client left without trying.",
            "User: a client with modern authentication (method OAuth2); devices that cannot: a relay",
        )
    } else {
        (
            Code::AuthMechanismUnsupported,
            0.45,
            "The server takes no plain passwords here; the client left without trying to log in.",
            "Client: choose an authentication method that the server lists, or TLS first; many servers take passwords only inside TLS",
        )
    };
    let is_check = matches!(check(c), Check::Yes(_));
    claims.push(
        Claim::new(
            code,
            At::address(Where::Client, c.client().ip),
            list.at,
            if is_check { 0.4 } else { confidence },
            summary.to_owned(),
        )
        .weighing(if is_check {
            Weight::Finding
        } else {
            Weight::Fatal
        })
        .shown_by(format!("offered for logins: {}", names(c)))
        .advise(advice)
        .or(
            Code::TlsCertRejected,
            0.1,
            "the client's own log: why it left",
        ),
    );
}

/// Whether a name and a password would do: PLAIN or LOGIN, or the protocol's own login.
fn passwords_welcome(c: &Connection<'_>) -> bool {
    let dialogue = c.dialogue;
    let plain = dialogue
        .mechanisms
        .iter()
        .any(|m| matches!(m, Mechanism::Plain | Mechanism::Login));
    let own = match dialogue.language {
        Some(Language::Imap) => !offers(dialogue, "LOGINDISABLED"),
        Some(Language::Pop3) => offers(dialogue, "USER") || dialogue.capabilities.is_empty(),
        _ => false,
    };
    // On port 25 nobody leaves for want of a login.
    plain || own || !dialogue.is_mailbox() && c.service == crate::proto::Service::Smtp
}

fn names(c: &Connection<'_>) -> String {
    let mut text = String::new();
    for mechanism in c.dialogue.mechanisms.iter().take(8) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(match mechanism {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::CramMd5 => "CRAM-MD5",
            Mechanism::DigestMd5 => "DIGEST-MD5",
            Mechanism::Scram => "SCRAM",
            Mechanism::Xoauth2 => "XOAUTH2",
            Mechanism::OauthBearer => "OAUTHBEARER",
            Mechanism::Gssapi => "GSSAPI",
            Mechanism::Ntlm => "NTLM",
            Mechanism::External => "EXTERNAL",
            Mechanism::Other => "another",
        });
    }
    text
}
