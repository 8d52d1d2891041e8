//! What a login, and whatever else was said within a TLS that only we can read, came to.
//!
//! A session that carried a credential gives its keys to nobody, so the engine sees opaque records. The replies are read
//! here with the same table as everywhere ([`crate::proto::mail::replies`]) and said as measurements, in the server's own words.

use super::ask::{Ask, SessionEnd, SessionOutcome, Stage, Untried};
use super::claims::about;
use crate::diagnosis::rules::mail::refusals::refusal;
use crate::diagnosis::{At, Claim, Code, Measured, Proof, Settles, Where};
use crate::proto::mail::replies::ReplyTable;
use crate::proto::mail::{Answer, Exchange, Family, Language, Phase, Reply, Verb};

/// What the measurement is called.
const LOGIN: &str = "login";
/// Within TLS, other than a login.
const INSIDE: &str = "dialogue within TLS";

/// Claims of a login and of what is opaque to the engine.
pub fn of(ask: &Ask, outcome: &SessionOutcome) -> Option<Measured> {
    match &outcome.end {
        SessionEnd::NoLogin(_) => not_tried(ask, outcome),
        SessionEnd::Said { after, .. } if outcome.opaque && outcome.tls.is_some() => {
            let reply = outcome.last.as_ref()?;
            said(outcome, *after, reply)
        }
        SessionEnd::Silent { after } if outcome.opaque && outcome.tls.is_some() => {
            let text = format!("The server never answered ({}).", after.name());
            let claim = Claim::new(
                Code::MailCommandTimeout,
                At::address(Where::Server, outcome.to.ip()),
                Proof::Measured(INSIDE, outcome.ended),
                0.8,
                text,
            );
            Some(about(outcome, claim, Settles::Session))
        }
        _ => None,
    }
}

/// A refusal in words, as the table reads it.
fn said(outcome: &SessionOutcome, after: Stage, reply: &Reply) -> Option<Measured> {
    let dialogue = &outcome.dialogue;
    let language = dialogue.language.unwrap_or(Language::Smtp);
    let (phase, verb) = asked(after, &dialogue.exchanges);
    let answer = ReplyTable::new()
        .read(language, phase, verb, reply, true)
        .unwrap_or(Answer {
            family: match after {
                Stage::Auth => Family::CredentialsRejected,
                _ => Family::Rejected,
            },
            origin: "the reply's class",
            by_text: false,
        });
    let said = refusal(answer.family);
    let proof = Proof::Measured(
        if after == Stage::Auth { LOGIN } else { INSIDE },
        reply.at.time,
    );
    let at = match said.place {
        Where::Server => At::address(Where::Server, outcome.to.ip()),
        place => At::of(place),
    };
    let sure = if answer.by_text { 0.95 } else { 0.88 };
    let mut claim = Claim::new(
        said.code,
        at,
        proof,
        sure,
        format!("{}: {}", said.says, reply.line),
    )
    .shown_by(format!("{}: {}", after.name(), reply.line));
    if let Some(seen) = &outcome.login
        && after == Stage::Auth
    {
        claim = claim.because(
            Proof::Measured(LOGIN, seen.at),
            format!("one login by {}, within TLS", seen.way),
        );
        if let Some(json) = &seen.json {
            claim = claim.because(
                Proof::Measured(LOGIN, seen.at),
                format!("the server's reason: {json}"),
            );
        }
    }
    for advice in said.advice {
        claim = claim.advise(*advice);
    }
    Some(about(outcome, claim, Settles::Session))
}

/// What the refused words answered.
fn asked(after: Stage, exchanges: &[Exchange]) -> (Phase, Option<Verb>) {
    let latest = exchanges.iter().rev().find_map(|exchange| {
        let command = exchange.command.as_ref()?;
        match command.verb {
            // The last reply of a login belongs to the command that began it.
            Verb::AuthStep => None,
            Verb::Quit => None,
            verb => Some((exchange.phase, verb)),
        }
    });
    match (after, latest) {
        (Stage::Greeting, _) | (_, None) => (Phase::Greeting, None),
        (_, Some((phase, verb))) => (phase, Some(verb)),
    }
}

/// The account was not tried because the server does not take it this way.
fn not_tried(ask: &Ask, outcome: &SessionOutcome) -> Option<Measured> {
    let login = ask.login.as_ref()?;
    // Without TLS nobody knows whether a login would work within it.
    outcome.tls.as_ref()?;
    let offer = outcome.after_tls.as_ref()?;
    let names = offer.mechanisms();
    let proof = Proof::Measured("capabilities", outcome.ended);
    let server = At::address(Where::Server, outcome.to.ip());
    let tokens = |name: &String| matches!(name.as_str(), "XOAUTH2" | "OAUTHBEARER");
    let claim = if login.has_password() && !names.is_empty() && names.iter().all(tokens) {
        Claim::new(
            Code::AuthOauthRequired,
            At::of(Where::Client),
            proof,
            0.9,
            "The server takes OAuth tokens only, and a password was given.".to_owned(),
        )
        .advise("Set the mail program to OAuth2; passwords are switched off for this server")
    } else if matches!(outcome.end, SessionEnd::NoLogin(Untried::NoWay(_))) {
        Claim::new(
            Code::AuthMechanismUnsupported,
            server,
            proof,
            0.85,
            "Server and client have no way of logging in in common.".to_owned(),
        )
        .advise("Compare the mechanisms on offer with what the mail program can do; another port may offer a login")
    } else {
        return None;
    };
    let offered = match names.is_empty() {
        true => "no mechanism is on offer within TLS".to_owned(),
        false => format!("on offer within TLS: {}", names.join(" ")),
    };
    Some(about(outcome, claim.shown_by(offered), Settles::Session))
}
