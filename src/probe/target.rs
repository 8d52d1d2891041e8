//! TARGET: what a user names, and what he means by it.
//!
//! A domain, a host, `user@domain`, `host:port`, or a URL as a mail client's settings would be. Nothing is looked up
//! here: whether a bare name is a domain with mail or just a host only DNS can say. RFC 5321, 8314 (URL schemes by the
//! services' names), 3986 3.2.2 (IPv6 in brackets).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::proto::Service;

/// The longest host name (RFC 1035 2.3.4).
const LONGEST_NAME: usize = 253;

/// A host as it was typed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, in lower case, without a final dot.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(address) => address.fmt(f),
        }
    }
}

/// How TLS is to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsWish {
    /// From the first byte.
    Implicit,
    /// STARTTLS, and nothing without it.
    Required,
    /// STARTTLS if it is offered.
    Offered,
}

/// One service as a user set it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    /// Protocol.
    pub service: Service,
    /// TLS.
    pub tls: TlsWish,
    /// Port.
    pub port: u16,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A name: a domain if it has MX or mail SRV, else a host.
    Domain(String),
    /// An address of a host: its mail ports.
    Address(IpAddr),
    /// A mailbox: its domain's services.
    Mailbox {
        /// Before the @.
        user: String,
        /// After it.
        domain: String,
    },
    /// A host and a port, no more known.
    Port {
        /// The host.
        host: Host,
        /// The port.
        port: u16,
    },
    /// A client's setting, to be checked.
    Settings {
        /// The host.
        host: Host,
        /// Protocol, TLS and port.
        setting: Setting,
        /// An account named in the URL.
        user: Option<String>,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Domain(name) => f.write_str(name),
            Target::Address(address) => address.fmt(f),
            Target::Mailbox { user, domain } => write!(f, "{user}@{domain}"),
            Target::Port { host, port } => endpoint(f, host, *port),
            Target::Settings { host, setting, .. } => {
                write!(f, "{}://", setting.service.name())?;
                endpoint(f, host, setting.port)
            }
        }
    }
}

fn endpoint(f: &mut fmt::Formatter<'_>, host: &Host, port: u16) -> fmt::Result {
    match host {
        Host::Address(address) => fmt::Display::fmt(&SocketAddr::new(*address, port), f),
        Host::Name(name) => write!(f, "{name}:{port}"),
    }
}

/// The standard port of a service and how it uses TLS (RFC 8314 3.3, 7.3; RFC 5804).
fn scheme(name: &str) -> Option<Setting> {
    let (service, tls, port) = match name {
        "smtp" => (Service::Smtp, TlsWish::Offered, 25),
        "submission" => (Service::Submission, TlsWish::Required, 587),
        "smtps" | "submissions" => (Service::Submissions, TlsWish::Implicit, 465),
        "imap" => (Service::Imap, TlsWish::Offered, 143),
        "imaps" => (Service::Imaps, TlsWish::Implicit, 993),
        "pop3" => (Service::Pop3, TlsWish::Offered, 110),
        "pop3s" => (Service::Pop3s, TlsWish::Implicit, 995),
        "sieve" => (Service::Sieve, TlsWish::Offered, 4190),
        _ => return None,
    };
    Some(Setting { service, tls, port })
}

/// The setting of a port that is known by its number.
pub fn setting_of_port(port: u16) -> Option<Setting> {
    let service = Service::of_port(port)?;
    let tls = if service.implicit_tls() {
        TlsWish::Implicit
    } else {
        TlsWish::Offered
    };
    Some(Setting { service, tls, port })
}

impl Target {
    /// The name that has to be looked up; an address has none.
    pub fn name(&self) -> Option<&str> {
        match self {
            Target::Port { host, .. } | Target::Settings { host, .. } => match host {
                Host::Name(name) => Some(name),
                Host::Address(_) => None,
            },
            Target::Domain(name) | Target::Mailbox { domain: name, .. } => Some(name),
            Target::Address(_) => None,
        }
    }

    /// Reads what a user typed. The error is a sentence that says what would be right.
    pub fn parse(text: &str) -> Result<Target, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("an empty target: name a domain, host, host:port or URL".to_owned());
        }
        if let Some((name, rest)) = text.split_once("://") {
            return url(text, name, rest);
        }
        if let Some((user, domain)) = text.rsplit_once('@') {
            if user.is_empty() {
                return Err(format!("{text:?} has nothing before the @"));
            }
            return Ok(Target::Mailbox {
                user: user.to_owned(),
                domain: name(domain)?,
            });
        }
        let (host, port) = authority(text)?;
        Ok(match (host, port) {
            (host, Some(port)) => Target::Port { host, port },
            (Host::Name(name), None) => Target::Domain(name),
            (Host::Address(address), None) => Target::Address(address),
        })
    }
}

fn url(text: &str, name: &str, rest: &str) -> Result<Target, String> {
    let lower = name.to_ascii_lowercase();
    let setting = scheme(&lower).ok_or_else(|| {
        format!(
            "{name:?} in {text:?} is no mail service: smtp, smtps, submission, submissions, imap, imaps, pop3, pop3s, sieve"
        )
    })?;
    let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => {
            if user.contains(':') {
                return Err(
                    "a password does not belong into a URL: use --user with --password-file or --password-env"
                        .to_owned(),
                );
            }
            (Some(user.to_owned()), rest)
        }
        None => (None, rest),
    };
    let (host, port) = authority(rest)?;
    Ok(Target::Settings {
        host,
        setting: Setting {
            port: port.unwrap_or(setting.port),
            ..setting
        },
        user,
    })
}

fn authority(text: &str) -> Result<(Host, Option<u16>), String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((Host::Address(address), None));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest
            .split_once(']')
            .ok_or_else(|| format!("{text:?} lacks its ]"))?;
        let address: IpAddr = inside
            .parse()
            .map_err(|_| format!("{inside:?} is no IPv6 address"))?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(number(text, port)?),
            None if after.is_empty() => None,
            None => return Err(format!("{text:?} has something after its ]")),
        };
        return Ok((Host::Address(address), port));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(number(text, port)?)),
        None => (text, None),
    };
    let host = match host.parse::<IpAddr>() {
        Ok(address) => Host::Address(address),
        Err(_) => Host::Name(name(host)?),
    };
    Ok((host, port))
}

fn number(text: &str, port: &str) -> Result<u16, String> {
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("{port:?} in {text:?} is no port (1–65535)")),
    }
}

/// Letters, digits, hyphens and underscores in labels of 1 to 63 (RFC 1123 2.1). International names must be typed in
/// their ASCII form.
fn name(text: &str) -> Result<String, String> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if bare.len() > LONGEST_NAME || !bare.split('.').all(label) {
        return Err(if bare.is_ascii() {
            format!("{text:?} is no host name")
        } else {
            format!("{text:?} is not ASCII: write it as its xn-- form")
        });
    }
    Ok(bare.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{Host, Setting, Target, TlsWish};
    use crate::proto::Service;

    fn parsed(text: &str) -> Target {
        Target::parse(text).unwrap()
    }

    #[test]
    fn everything_that_the_contract_names() {
        assert_eq!(
            parsed("Example.org."),
            Target::Domain("example.org".to_owned())
        );
        assert_eq!(
            parsed("192.0.2.10"),
            Target::Address("192.0.2.10".parse().unwrap())
        );
        assert_eq!(
            parsed("anna@example.org"),
            Target::Mailbox {
                user: "anna".to_owned(),
                domain: "example.org".to_owned()
            }
        );
        assert_eq!(
            parsed("mail.example.org:2525"),
            Target::Port {
                host: Host::Name("mail.example.org".to_owned()),
                port: 2525
            }
        );
        assert_eq!(
            parsed("[2001:db8::1]:25"),
            Target::Port {
                host: Host::Address("2001:db8::1".parse().unwrap()),
                port: 25
            }
        );
        assert_eq!(
            parsed("2001:db8::1"),
            Target::Address("2001:db8::1".parse().unwrap())
        );
    }

    #[test]
    fn a_scheme_is_protocol_and_tls() {
        let cases = [
            ("smtp", Service::Smtp, TlsWish::Offered, 25),
            ("smtps", Service::Submissions, TlsWish::Implicit, 465),
            ("submission", Service::Submission, TlsWish::Required, 587),
            ("submissions", Service::Submissions, TlsWish::Implicit, 465),
            ("imap", Service::Imap, TlsWish::Offered, 143),
            ("IMAPS", Service::Imaps, TlsWish::Implicit, 993),
            ("pop3", Service::Pop3, TlsWish::Offered, 110),
            ("pop3s", Service::Pop3s, TlsWish::Implicit, 995),
            ("sieve", Service::Sieve, TlsWish::Offered, 4190),
        ];
        for (scheme, service, tls, port) in cases {
            assert_eq!(
                parsed(&format!("{scheme}://mail.example.org/")),
                Target::Settings {
                    host: Host::Name("mail.example.org".to_owned()),
                    setting: Setting { service, tls, port },
                    user: None
                }
            );
        }
        let Target::Settings { setting, user, .. } = parsed("imap://anna@[2001:db8::1]:1143")
        else {
            panic!("a URL is settings");
        };
        assert_eq!((setting.port, user.as_deref()), (1143, Some("anna")));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for wrong in [
            "",
            "http://example.org",
            "mail example.org",
            "host:0",
            "host:70000",
            "[::1",
            "[::1]x",
            "@example.org",
            "imap://anna:secret@host",
            "bücher.example",
            "a..b",
        ] {
            assert!(Target::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
