//! Which resolvers this machine uses, and how patiently: resolv.conf(5), or `--resolver`.
//!
//! The file is read by `resolv-conf`; limits and defaults are glibc's, because that is what mail programs suffer. Nothing is sent.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use resolv_conf::{Config, ScopedIp};

use super::question::Host;
use crate::base::{Nanos, SECOND};

/// Name servers of the file that count (glibc's MAXNS).
const MOST: usize = 3;
/// glibc's RES_MAXRETRANS: no timeout is longer, in seconds.
const LONGEST: u32 = 30;
/// glibc's RES_MAXRETRY.
const MOST_ATTEMPTS: u32 = 5;

/// How the machine looks names up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolvers {
    /// The servers, in the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// How long each is waited for.
    pub timeout: Nanos,
    /// How often the whole list is asked.
    pub attempts: u32,
    /// Each look-up starts with another server.
    pub rotate: bool,
    /// Domains that are appended to short names.
    pub search: Vec<Host>,
    /// Names with at least this many dots are asked as they are first.
    pub ndots: u32,
    /// Where this comes from, for the report.
    pub origin: &'static str,
}

impl Resolvers {
    /// What `--resolver` names; the rest as resolv.conf(5) has it by default.
    pub fn named(addresses: &[IpAddr]) -> Resolvers {
        Resolvers {
            servers: addresses
                .iter()
                .map(|ip| SocketAddr::new(*ip, 53))
                .collect(),
            origin: "--resolver",
            ..Resolvers::parse(b"", |_| None)
        }
    }

    /// Reads the text of `/etc/resolv.conf`. Lines that nobody understands are passed over, as glibc does; without a name server it
    /// is 127.0.0.1. `scope` gives the number of an interface, for link-local servers.
    pub fn parse(text: &[u8], scope: impl Fn(&str) -> Option<u32>) -> Resolvers {
        let (config, _) = Config::parse_with_errors(text);
        let servers: Vec<SocketAddr> = config
            .nameservers
            .iter()
            .take(MOST)
            .map(|server| address(server, &scope))
            .collect();
        Resolvers {
            servers: match servers.is_empty() {
                true => vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53)],
                false => servers,
            },
            timeout: Nanos::from(config.timeout.clamp(1, LONGEST)).saturating_mul(SECOND),
            attempts: config.attempts.clamp(1, MOST_ATTEMPTS),
            rotate: config.rotate,
            search: search(&config),
            ndots: config.ndots.min(15),
            origin: "/etc/resolv.conf",
        }
    }

    /// What a stub resolver asks for a name as typed, in its order (resolv.conf(5), `ndots` and `search`). A final dot says that the
    /// name is whole.
    ///
    /// # Errors
    /// As [`Host::parse`].
    pub fn candidates(&self, typed: &str) -> Result<Vec<Host>, String> {
        let bare = Host::parse(typed)?;
        if typed.ends_with('.') {
            return Ok(vec![bare]);
        }
        let dots = u32::try_from(bare.as_str().matches('.').count()).unwrap_or(u32::MAX);
        let mut found: Vec<Host> = self
            .search
            .iter()
            .filter_map(|domain| domain.below(bare.as_str()).ok())
            .collect();
        match dots >= self.ndots {
            true => found.insert(0, bare),
            false => found.push(bare),
        }
        Ok(found)
    }
}

fn address(server: &ScopedIp, scope: &impl Fn(&str) -> Option<u32>) -> SocketAddr {
    match server {
        ScopedIp::V6(ip, Some(zone)) => {
            let number = zone.parse().ok().or_else(|| scope(zone)).unwrap_or(0);
            SocketAddrV6::new(*ip, 53, 0, number).into()
        }
        other => SocketAddr::new(IpAddr::from(other), 53),
    }
}

fn search(config: &Config) -> Vec<Host> {
    config
        .get_last_search_or_domain()
        .filter_map(|domain| Host::parse(domain).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Resolvers;
    use crate::base::SECOND;

    fn parse(text: &str) -> Resolvers {
        Resolvers::parse(text.as_bytes(), |zone| (zone == "eth0").then_some(7))
    }

    #[test]
    fn defaults_are_those_of_glibc() {
        let empty = parse("# nothing\nnonsense here\n");
        assert_eq!(empty.servers, ["127.0.0.1:53".parse().expect("an address")]);
        assert_eq!((empty.timeout, empty.attempts), (5 * SECOND, 2));
        assert!(!empty.rotate && empty.search.is_empty());
    }

    #[test]
    fn the_first_three_servers_count() {
        let many = parse(
            "nameserver 10.0.0.53\nnameserver fe80::1%eth0\nnameserver 2001:db8::53\nnameserver 10.0.0.54\n\
             options timeout:1 attempts:9 rotate\n",
        );
        let texts: Vec<String> = many.servers.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["10.0.0.53:53", "[fe80::1%7]:53", "[2001:db8::53]:53"]
        );
        assert_eq!(
            (many.timeout, many.attempts, many.rotate),
            (SECOND, 5, true)
        );
    }

    #[test]
    fn short_names_are_searched() {
        let office = parse("search example.net sub.example.net\noptions ndots:2\n");
        let names = |typed: &str| -> Vec<String> {
            let hosts = office.candidates(typed).expect("a name");
            hosts.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            names("mail"),
            ["mail.example.net", "mail.sub.example.net", "mail"]
        );
        assert_eq!(names("mail.example.org."), ["mail.example.org"]);
        assert_eq!(names("a.b.example.org")[0], "a.b.example.org");
    }
}
