//! Which names a typed host name may be a slip of: sans-IO, from lists of names that are known to serve mail.
//!
//! Only names from a source count – the built-in provider list, SRV, MX or autoconfig of the address's own domain. A name is close within two edits (an exchange of neighbours is one), or when
//! it stands under the same domain and its own domain's records name it. It refuses to invent names.

use serde::Deserialize;
use strsim::damerau_levenshtein;

use crate::probe::dns::question::Host;

/// Edits between a slip and what was meant.
const SLIP: usize = 2;
/// Suggestions at the most: each is asked for.
const MOST: usize = 6;

/// Where a name comes from; the order is that of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A SRV record of the domain.
    Srv,
    /// The domain's autoconfig document.
    Autoconfig,
    /// An MX record of the domain.
    Mx,
    /// The built-in list of providers.
    Provider,
    /// A usual name below the domain, which only DNS vouches for.
    Usual,
}

impl Origin {
    /// As people say it.
    pub fn says(self) -> &'static str {
        match self {
            Origin::Srv => "the domain's SRV records",
            Origin::Autoconfig => "the domain's autoconfig document",
            Origin::Mx => "the domain's MX",
            Origin::Provider => "the list of known providers",
            Origin::Usual => "the usual names below the domain",
        }
    }
}

/// A name that may have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The name.
    pub name: Host,
    /// Where it comes from.
    pub origin: Origin,
    /// Edits between it and what was typed.
    pub distance: usize,
}

#[derive(Deserialize)]
struct List {
    provider: Vec<Provider>,
}

#[derive(Deserialize)]
struct Provider {
    hosts: Vec<String>,
    #[allow(dead_code)] // read by the test that demands a source of every line
    source: String,
}

fn list() -> List {
    toml::from_str(include_str!("providers.toml")).unwrap_or(List {
        provider: Vec::new(),
    })
}

/// Hosts of the built-in list.
pub fn providers() -> Vec<Host> {
    let hosts = list()
        .provider
        .into_iter()
        .flat_map(|provider| provider.hosts);
    let mut names: Vec<Host> = hosts.filter_map(|host| Host::parse(&host).ok()).collect();
    names.sort();
    names.dedup();
    names
}

/// The domains whose records may name the host that was meant: the account's own, and those that the typed name stands under.
pub fn domains(typed: Option<&Host>, account: Option<&Host>) -> Vec<Host> {
    let mut found: Vec<Host> = account.into_iter().cloned().collect();
    let mut next = typed.and_then(Host::parent);
    while let Some(domain) = next {
        // A single label is a registry, not a domain with mail.
        if domain.as_str().contains('.') && !found.contains(&domain) {
            found.push(domain.clone());
        }
        next = domain.parent();
    }
    found.truncate(3);
    found
}

/// The names that are close to what was typed, best first.
pub fn suggestions(typed: &Host, known: &[(Host, Origin)]) -> Vec<Suggestion> {
    let mut found: Vec<Suggestion> = Vec::new();
    for (name, origin) in known {
        if name == typed || found.iter().any(|other| other.name == *name) {
            continue;
        }
        let distance = damerau_levenshtein(typed.as_str(), name.as_str());
        let neighbour = *origin != Origin::Provider && typed.parent() == name.parent();
        if distance <= SLIP || neighbour {
            found.push(Suggestion {
                name: name.clone(),
                origin: *origin,
                distance,
            });
        }
    }
    found.sort_by_key(|one| (one.distance > SLIP, one.distance, one.origin));
    found.truncate(MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::{Origin, domains, list, providers, suggestions};
    use crate::probe::dns::question::Host;

    fn host(name: &str) -> Host {
        Host::parse(name).expect("a name")
    }

    fn meant(typed: &str, known: &[(&str, Origin)]) -> Vec<String> {
        let known: Vec<(Host, Origin)> = known.iter().map(|(name, of)| (host(name), *of)).collect();
        suggestions(&host(typed), &known)
            .into_iter()
            .map(|one| one.name.to_string())
            .collect()
    }

    #[test]
    fn every_provider_has_a_source_and_readable_hosts() {
        let list = list();
        assert!(list.provider.len() > 20);
        for provider in &list.provider {
            assert!(provider.source.starts_with("ispdb/"), "{}", provider.source);
            for name in &provider.hosts {
                assert_eq!(host(name).as_str(), name);
            }
        }
    }

    #[test]
    fn slips_of_providers() {
        let known: Vec<(Host, Origin)> = providers()
            .into_iter()
            .map(|name| (name, Origin::Provider))
            .collect();
        for (typed, right) in [
            ("imap.gmial.com", "imap.gmail.com"),
            ("smpt.gmail.com", "smtp.gmail.com"),
            ("imap.web.ed", "imap.web.de"),
            ("outlok.office365.com", "outlook.office365.com"),
        ] {
            let found = suggestions(&host(typed), &known);
            assert_eq!(found[0].name.as_str(), right);
        }
        assert_eq!(suggestions(&host("mail.example.org"), &known), []);
    }

    #[test]
    fn own_records_name_what_was_meant() {
        let own = [
            ("mail.example.net", Origin::Mx),
            ("mx.example.org", Origin::Mx),
        ];
        assert_eq!(meant("mial.example.net", &own), ["mail.example.net"]);
        assert_eq!(meant("imap.example.net", &own), ["mail.example.net"]);
        assert_eq!(meant("zwx.example.com", &own), [""; 0]);
    }

    #[test]
    fn the_nearest_comes_first() {
        let own = [
            ("smtp.example.net", Origin::Srv),
            ("imap.example.net", Origin::Mx),
        ];
        assert_eq!(meant("iamp.example.net", &own)[0], "imap.example.net");
    }

    #[test]
    fn domains_of_a_name_and_an_account() {
        let account = host("example.org");
        let found = domains(Some(&host("mial.mail.example.net")), Some(&account));
        let names: Vec<&str> = found.iter().map(Host::as_str).collect();
        assert_eq!(names, ["example.org", "mail.example.net", "example.net"]);
    }
}
