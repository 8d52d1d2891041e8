//! Authentication exchanges: who logs in, and what must not be shown.
//!
//! It exists so that a report can name the account while every blob of the exchange stays masked. It
//! decodes only the mechanisms whose messages name the account in clear (PLAIN, LOGIN, CRAM-MD5,
//! DIGEST-MD5, SCRAM, XOAUTH2, OAUTHBEARER, EXTERNAL) and verifies nothing.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::dialogue::{Dialogue, Mechanism};
use super::syntax::{contains, upper};
use crate::base::{Foreign, Secret};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The mechanism of that name (IANA SASL registry), case ignored.
pub(super) fn mechanism(name: &[u8]) -> Mechanism {
    let name = upper(name);
    match name.as_slice() {
        b"PLAIN" => Mechanism::Plain,
        b"LOGIN" => Mechanism::Login,
        b"CRAM-MD5" => Mechanism::CramMd5,
        b"DIGEST-MD5" => Mechanism::DigestMd5,
        b"XOAUTH2" => Mechanism::Xoauth2,
        b"OAUTHBEARER" => Mechanism::OauthBearer,
        b"GSSAPI" | b"GSS-SPNEGO" => Mechanism::Gssapi,
        b"NTLM" => Mechanism::Ntlm,
        b"EXTERNAL" => Mechanism::External,
        other if other.starts_with(b"SCRAM-") => Mechanism::Scram,
        other if other.starts_with(b"GS2-") => Mechanism::Gssapi,
        _ => Mechanism::Other,
    }
}

/// Decodes base64 as servers do, with or without padding.
pub(super) fn decode(blob: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(blob.trim_ascii()).ok()
}

/// The JSON of an OAuth refusal in a challenge (RFC 7628 3.2.2), if it is one.
pub(super) fn error_json(challenge: &[u8]) -> Option<Foreign> {
    let text = decode(challenge)?;
    let text = text.trim_ascii();
    (text.starts_with(b"{") && contains(text, b"status")).then(|| Foreign::from_bytes(text))
}

/// A running exchange.
#[derive(Clone, Copy)]
pub(super) struct Login {
    /// The mechanism asked for.
    pub mechanism: Mechanism,
    steps: u32,
    wants_password: Option<bool>,
}

impl Login {
    /// With the command that names the mechanism; forgets the account of an earlier attempt.
    pub fn start(mechanism: Mechanism, dialogue: &mut Dialogue) -> Login {
        dialogue.user = None;
        dialogue.secret = None;
        Login {
            mechanism,
            steps: 0,
            wants_password: None,
        }
    }

    /// A challenge of the server: the prompts of LOGIN say what comes next.
    pub fn challenge(&mut self, challenge: &[u8]) {
        if self.mechanism == Mechanism::Login
            && let Some(prompt) = decode(challenge)
        {
            if contains(&prompt, b"pass") {
                self.wants_password = Some(true);
            } else if contains(&prompt, b"user") || contains(&prompt, b"login") {
                self.wants_password = Some(false);
            }
        }
    }

    /// A message of the client, still in base64.
    pub fn message(&mut self, blob: &[u8], dialogue: &mut Dialogue) {
        let step = self.steps;
        self.steps = self.steps.saturating_add(1);
        let Some(text) = decode(blob) else { return };
        match self.mechanism {
            Mechanism::Plain => {
                let mut parts = text.split(|b| *b == 0);
                let authorize = parts.next().unwrap_or_default();
                let user = parts.next().unwrap_or_default();
                let user = if user.is_empty() { authorize } else { user };
                set_user(dialogue, user);
                set_secret(dialogue, parts.next().unwrap_or_default());
            }
            Mechanism::Login => match self.wants_password.take() {
                Some(true) => set_secret(dialogue, &text),
                Some(false) => set_user(dialogue, &text),
                None if step == 0 => set_user(dialogue, &text),
                None => set_secret(dialogue, &text),
            },
            Mechanism::CramMd5 => {
                if let Some(end) = text.iter().rposition(|b| *b == b' ') {
                    set_user(dialogue, text.get(..end).unwrap_or_default());
                }
            }
            Mechanism::DigestMd5 => {
                if let Some(user) = after(&text, b"username=\"", b'"') {
                    set_user(dialogue, user);
                }
            }
            Mechanism::Scram if step == 0 => {
                if let Some(user) = after(&text, b"n=", b',') {
                    set_user(dialogue, user);
                }
            }
            Mechanism::Xoauth2 | Mechanism::OauthBearer => {
                let user = after(&text, b"user=", 1).or_else(|| after(&text, b"a=", b','));
                if let Some(user) = user {
                    set_user(dialogue, user);
                }
                if let Some(token) = after(&text, b"auth=Bearer ", 1) {
                    set_secret(dialogue, token);
                }
            }
            Mechanism::External => set_user(dialogue, &text),
            _ => {}
        }
    }
}

/// The bytes between `prefix` and `end`, the prefix at the start or after a separator.
fn after<'a>(text: &'a [u8], prefix: &[u8], end: u8) -> Option<&'a [u8]> {
    let mut start = 0usize;
    while let Some(rest) = text.get(start..) {
        let found = rest
            .windows(prefix.len())
            .position(|w| w.eq_ignore_ascii_case(prefix))?;
        let position = start.saturating_add(found);
        let value = position.saturating_add(prefix.len());
        let before = position.checked_sub(1).and_then(|i| text.get(i));
        if before.is_none_or(|b| matches!(b, b',' | b' ' | 1)) {
            let value = text.get(value..)?;
            let stop = value.iter().position(|b| *b == end).unwrap_or(value.len());
            return value.get(..stop);
        }
        start = value;
    }
    None
}

/// Notes the account.
pub(super) fn set_user(dialogue: &mut Dialogue, user: &[u8]) {
    if !user.is_empty() {
        dialogue.user = Some(Foreign::bounded(user, 256));
    }
}

/// Notes the password or token.
pub(super) fn set_secret(dialogue: &mut Dialogue, secret: &[u8]) {
    if !secret.is_empty() {
        dialogue.secret = Some(Secret::new(Foreign::bounded(secret, 4_096)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(mechanism: Mechanism, messages: &[&[u8]]) -> (String, String) {
        let mut dialogue = Dialogue::default();
        let mut login = Login::start(mechanism, &mut dialogue);
        for message in messages {
            login.message(BASE64.encode(message).as_bytes(), &mut dialogue);
        }
        let user = dialogue.user.map(|user| user.as_str().to_owned());
        let secret = dialogue.secret.map(|s| s.reveal().as_str().to_owned());
        (user.unwrap_or_default(), secret.unwrap_or_default())
    }

    #[test]
    fn accounts_and_secrets_are_told_apart() {
        let both = |u: &str, s: &str| (u.to_owned(), s.to_owned());
        assert_eq!(told(Mechanism::Plain, &[b"\0joe\0pw"]), both("joe", "pw"));
        assert_eq!(told(Mechanism::Login, &[b"joe", b"pw"]), both("joe", "pw"));
        assert_eq!(
            told(
                Mechanism::Xoauth2,
                &[b"user=joe@x\x01auth=Bearer tok\x01\x01"]
            ),
            both("joe@x", "tok")
        );
        assert_eq!(
            told(
                Mechanism::OauthBearer,
                &[b"n,a=joe@x,\x01host=h\x01auth=Bearer tok\x01\x01"]
            ),
            both("joe@x", "tok")
        );
        assert_eq!(
            told(Mechanism::Scram, &[b"n,,n=joe,r=abc"]),
            both("joe", "")
        );
        assert_eq!(
            told(Mechanism::CramMd5, &[b"joe 0123abcd"]),
            both("joe", "")
        );
    }

    #[test]
    fn an_oauth_refusal_is_decoded() {
        let blob = BASE64.encode(br#"{"status":"400","schemes":"Bearer"}"#);
        assert!(error_json(blob.as_bytes()).is_some());
        assert!(error_json(b"VXNlcm5hbWU6").is_none());
    }
}
