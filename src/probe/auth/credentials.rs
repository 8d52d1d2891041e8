//! Who logs in, and with what.

use std::path::Path;

use zeroize::Zeroizing;

/// A way of logging in: a SASL mechanism, or the protocol's own command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN, never standardised.
    Login,
    /// CRAM-MD5 (RFC 2195).
    CramMd5,
    /// SCRAM-SHA-1 (RFC 5802).
    ScramSha1,
    /// SCRAM-SHA-256 (RFC 7677).
    ScramSha256,
    /// XOAUTH2 (Google, Microsoft).
    Xoauth2,
    /// OAUTHBEARER (RFC 7628).
    OauthBearer,
    /// IMAP LOGIN (RFC 9051 6.2.3), POP3 USER and PASS (RFC 1939 7).
    Command,
}

impl Way {
    /// The registered name, or the command's.
    pub fn name(self) -> &'static str {
        match self {
            Way::Plain => "PLAIN",
            Way::Login => "LOGIN",
            Way::CramMd5 => "CRAM-MD5",
            Way::ScramSha1 => "SCRAM-SHA-1",
            Way::ScramSha256 => "SCRAM-SHA-256",
            Way::Xoauth2 => "XOAUTH2",
            Way::OauthBearer => "OAUTHBEARER",
            Way::Command => "LOGIN command",
        }
    }

    /// By its registered name, case ignored.
    pub fn by_name(name: &str) -> Option<Way> {
        [
            Way::Plain,
            Way::Login,
            Way::CramMd5,
            Way::ScramSha1,
            Way::ScramSha256,
            Way::Xoauth2,
            Way::OauthBearer,
        ]
        .into_iter()
        .find(|way| way.name().eq_ignore_ascii_case(name))
    }
}

/// What proves it.
enum Proof {
    Password(Zeroizing<String>),
    Token(Zeroizing<String>),
}

/// An account and its secret. It has no `Debug`.
pub struct Login {
    user: String,
    proof: Proof,
    way: Option<Way>,
    plaintext: bool,
    unverified: bool,
}

impl Login {
    /// With a password.
    pub fn with_password(user: String, password: Zeroizing<String>) -> Login {
        Login {
            user,
            proof: Proof::Password(password),
            way: None,
            plaintext: false,
            unverified: false,
        }
    }

    /// With an OAuth token.
    pub fn with_token(user: String, token: Zeroizing<String>) -> Login {
        Login {
            proof: Proof::Token(token),
            ..Login::with_password(user, Zeroizing::default())
        }
    }

    /// Only by this way; by default the first that both sides have.
    pub fn by(mut self, way: Option<Way>) -> Login {
        self.way = way;
        self
    }

    /// Also without TLS: only when the user said so.
    pub fn allow_plaintext(mut self, allow: bool) -> Login {
        self.plaintext = allow;
        self
    }

    /// Also where the certificate does not validate: only when the user said so.
    pub fn allow_unverified(mut self, allow: bool) -> Login {
        self.unverified = allow;
        self
    }

    /// The account's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether a password proves it, not a token.
    pub fn has_password(&self) -> bool {
        matches!(self.proof, Proof::Password(_))
    }

    /// Whether it may be sent without TLS.
    pub fn plaintext_allowed(&self) -> bool {
        self.plaintext
    }

    /// Whether it may be sent to a server whose certificate does not validate.
    pub fn unverified_allowed(&self) -> bool {
        self.unverified
    }

    pub(super) fn only(&self) -> Option<Way> {
        self.way
    }

    pub(super) fn password(&self) -> Option<&str> {
        match &self.proof {
            Proof::Password(password) => Some(password),
            Proof::Token(_) => None,
        }
    }

    pub(super) fn token(&self) -> Option<&str> {
        match &self.proof {
            Proof::Token(token) => Some(token),
            Proof::Password(_) => None,
        }
    }

    /// The first line of a file (`--password-file`, `--token-file`), without its line end.
    ///
    /// # Errors
    /// A sentence that names the file, never what it holds.
    pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Login::first_line(&text).ok_or_else(|| format!("{}: is empty", path.display()))
    }

    /// The first line of a text, if there is anything in it.
    pub fn first_line(text: &str) -> Option<Zeroizing<String>> {
        let line = text.split(['\r', '\n']).next().unwrap_or_default();
        (!line.is_empty()).then(|| Zeroizing::new(line.to_owned()))
    }
}

/// From here on this process leaves no core dump and cannot be looked into by others of the same user: called before a secret
/// is read. Errors are returned, since a user who handed over a password should know.
///
/// # Errors
/// What the kernel said.
pub fn no_core_dumps() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, setrlimit};
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line() {
        let line = Login::first_line("pass word\r\nmore").expect("a line");
        assert_eq!(line.as_str(), "pass word");
        assert!(Login::first_line("\nx").is_none());
    }

    #[test]
    fn ways_have_their_registered_names() {
        assert_eq!(Way::by_name("scram-sha-256"), Some(Way::ScramSha256));
        assert_eq!(Way::by_name("LOGIN command"), None);
        assert_eq!(Way::by_name("NTLM"), None);
    }
}
