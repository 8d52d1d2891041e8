//! MTA-STS (RFC 8461): what a domain's policy demands of its mail exchangers, and whether one fits.
//!
//! Pure: a TXT record, a policy's text and a host name in; facts out. It fetches nothing and trusts nobody: whoever
//! hands a policy in has validated the certificate that it came under (RFC 8461 3.3), and follows no redirect.

/// Patterns that are kept.
const PATTERNS: usize = 256;

/// What a sender does when an exchanger does not fit (RFC 8461 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It does not deliver.
    Enforce,
    /// It delivers and reports.
    Testing,
    /// There is no policy any more.
    None,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What follows from it.
    pub mode: Mode,
    /// Host names or, with `*.` in front, one label more.
    pub mx: Vec<String>,
    /// The domain that publishes it.
    pub domain: String,
}

/// Whether a TXT record announces a policy (RFC 8461 3.1). With two of them there is none.
pub fn announces(text: &str) -> bool {
    text.trim()
        .strip_prefix("v=STSv1")
        .is_some_and(|rest| rest.trim_start().starts_with(';') && rest.contains("id="))
}

impl Policy {
    /// Reads a policy (RFC 8461 3.2); `None` when it lacks what it must have.
    pub fn read(domain: &str, text: &str) -> Option<Policy> {
        let (mut version, mut mode, mut age, mut mx) = (false, None, false, Vec::new());
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            match key.trim() {
                "version" => version = value == "STSv1",
                "mode" => {
                    mode = match value {
                        "enforce" => Some(Mode::Enforce),
                        "testing" => Some(Mode::Testing),
                        "none" => Some(Mode::None),
                        _ => None,
                    }
                }
                "max_age" => age = value.parse::<u32>().is_ok(),
                "mx" if mx.len() < PATTERNS => {
                    mx.push(value.trim_end_matches('.').to_ascii_lowercase());
                }
                _ => {}
            }
        }
        let mode = mode.filter(|mode| *mode == Mode::None || !mx.is_empty())?;
        (version && age).then(|| Policy {
            mode,
            mx,
            domain: domain.to_owned(),
        })
    }

    /// Whether an exchanger is among those that it allows (RFC 8461 4.1: a wildcard stands for one whole label).
    pub fn allows(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.mx
            .iter()
            .any(|pattern| match pattern.strip_prefix("*.") {
                Some(rest) => host
                    .split_once('.')
                    .is_some_and(|(first, parent)| !first.is_empty() && parent == rest),
                None => *pattern == host,
            })
    }

    /// Whether a sender delivers to nobody who does not fit.
    pub fn enforces(&self) -> bool {
        self.mode == Mode::Enforce
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, Policy, announces};

    const TEXT: &str = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.net\r\nmx: *.example.org\r\nmax_age: 86400\r\n";

    #[test]
    fn a_wildcard_is_one_label() {
        let policy = Policy::read("example.net", TEXT).expect("a policy");
        assert!(policy.enforces());
        assert!(policy.allows("Mail.example.net.") && policy.allows("mx1.example.org"));
        assert!(!policy.allows("a.b.example.org") && !policy.allows("example.org"));
        assert!(!policy.allows("mx.mail.example.net"));
    }

    #[test]
    fn what_lacks_a_part_is_no_policy() {
        for missing in [
            "version: STSv1\r\n",
            "mode: enforce\r\n",
            "max_age: 86400\r\n",
        ] {
            assert_eq!(
                Policy::read("x", &TEXT.replace(missing, "")),
                None,
                "{missing}"
            );
        }
        assert_eq!(
            Policy::read("x", "version: STSv1\nmode: enforce\nmax_age: 1\n"),
            None
        );
        let none = Policy::read("x", "version: STSv1\nmode: none\nmax_age: 1\n").expect("one");
        assert_eq!(none.mode, Mode::None);
    }

    #[test]
    fn a_record_announces_a_policy() {
        assert!(announces("v=STSv1;id=20261101") && announces("v=STSv1; id=1;"));
        assert!(!announces("v=STSv1") && !announces("v=spf1 -all") && !announces("v=STSv10;id=1"));
    }
}
