//! From a domain to addresses: which questions a mail program asks next, given the answers so far.
//!
//! RFC 5321 5.1: MX first; its targets' addresses in the order of preference; without an MX the domain's own address. RFC 7505: `MX 0 .` ends it. RFC 6186 3,
//! RFC 8314 5.1 and RFC 5804 1.8: SRV for clients. It asks nobody; faults are told apart by who asks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::question::{Host, Question};
use crate::diagnosis::is_mail_name;
use crate::proto::Service;
use crate::proto::dns::{Answer, Record, RecordType};

/// Mail exchangers that are followed; the rest is only counted.
pub const EXCHANGERS: usize = 16;
/// Addresses kept for one name.
const ADDRESSES: usize = 32;
/// SRV records followed per service.
const TARGETS: usize = 4;

/// Services by the label of their SRV records.
pub const SERVICES: [(&str, Service); 7] = [
    ("_submissions", Service::Submissions),
    ("_submission", Service::Submission),
    ("_imaps", Service::Imaps),
    ("_imap", Service::Imap),
    ("_pop3s", Service::Pop3s),
    ("_pop3", Service::Pop3),
    ("_sieve", Service::Sieve),
];

/// What the name is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aim {
    /// A mail domain; with `services`, its SRV records are wanted as well.
    Domain {
        /// The domain.
        name: Host,
        /// SRV records are wanted.
        services: bool,
    },
    /// A host: its addresses.
    Host(Host),
    /// A domain if it has MX or mail SRV, else a host.
    Either(Host),
}

impl Aim {
    /// The name.
    pub fn name(&self) -> &Host {
        match self {
            Aim::Domain { name, .. } | Aim::Host(name) | Aim::Either(name) => name,
        }
    }
}

/// What an answer came to.
#[derive(Clone, Debug)]
pub enum Learned {
    /// Records.
    Records(Vec<Record>),
    /// NOERROR, none of that type.
    NoData,
    /// NXDOMAIN.
    NoName,
    /// No usable answer.
    Fault,
}

impl Learned {
    fn records(&self) -> &[Record] {
        match self {
            Learned::Records(records) => records,
            _ => &[],
        }
    }
}

/// A mail exchanger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanger {
    /// Preference; the lowest is tried first.
    pub preference: u16,
    /// The name.
    pub name: Host,
    /// Its addresses, as answered.
    pub addresses: Vec<IpAddr>,
    /// There is no MX: it is the domain itself.
    pub implicit: bool,
}

/// A service that a SRV record names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The service.
    pub service: Service,
    /// Priority; the lowest first.
    pub priority: u16,
    /// Weight among equals.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host.
    pub name: Host,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// What a chain came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// It has MX or mail SRV records.
    pub is_domain: bool,
    /// By preference.
    pub exchangers: Vec<Exchanger>,
    /// By SRV, in the order of [`SERVICES`] and priority.
    pub offered: Vec<Offered>,
    /// Services that a SRV record with target `.` says are not there (RFC 2782, RFC 6186 3.4).
    pub withheld: Vec<Service>,
    /// Addresses of the name itself.
    pub addresses: Vec<IpAddr>,
    /// `MX 0 .`: takes no mail.
    pub null_mx: bool,
    /// MX targets that are no names (addresses, the root beside others).
    pub unusable: Vec<String>,
    /// Exchangers beyond the bound.
    pub left_out: usize,
}

/// The questions and answers for one name, at one resolver.
#[derive(Clone, Debug)]
pub struct Chain {
    aim: Aim,
    kinds: Vec<RecordType>,
    known: BTreeMap<Question, Learned>,
}

impl Chain {
    /// Nothing known yet; `v4` and `v6` say which addresses are of use.
    pub fn new(aim: Aim, v4: bool, v6: bool) -> Chain {
        let kinds = [(v4, RecordType::A), (v6, RecordType::AAAA)];
        Chain {
            aim,
            kinds: kinds
                .into_iter()
                .filter_map(|(wanted, kind)| wanted.then_some(kind))
                .collect(),
            known: BTreeMap::new(),
        }
    }

    /// An answer.
    pub fn learn(&mut self, question: &Question, learned: Learned) {
        self.known.insert(question.clone(), learned);
    }

    /// What is known of a question.
    pub fn known(&self, question: &Question) -> Option<&Learned> {
        self.known.get(question)
    }

    /// The questions whose answers are needed now and not yet known; empty at the end.
    pub fn wanted(&self) -> Vec<Question> {
        let mut wanted = Vec::new();
        let name = self.aim.name();
        let mx = Question::new(name, RecordType::MX);
        match &self.aim {
            Aim::Host(_) => self.addresses_of(name, &mut wanted),
            Aim::Domain { services, .. } => {
                wanted.push(mx.clone());
                if *services {
                    self.services(&mut wanted);
                }
                self.behind(&mx, false, &mut wanted);
            }
            Aim::Either(_) => {
                wanted.push(mx.clone());
                self.services(&mut wanted);
                if is_mail_name(name.as_str()) {
                    self.addresses_of(name, &mut wanted);
                }
                self.behind(&mx, true, &mut wanted);
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        wanted
            .retain(|question| !self.known.contains_key(question) && seen.insert(question.clone()));
        wanted
    }

    /// Whether a mail program asks this, so that its answer is judged; else it only helps to find out what the name is.
    pub fn is_needed(&self, question: &Question) -> bool {
        match (&self.aim, question.kind) {
            // Called like a mail host, it is a domain all the same where it has an MX: then that is where its mail goes.
            (Aim::Either(name), RecordType::MX) => {
                !is_mail_name(name.as_str()) || !self.records(question).is_empty()
            }
            (Aim::Either(_), RecordType::SRV) => false,
            _ => true,
        }
    }

    fn services(&self, wanted: &mut Vec<Question>) {
        for (label, _) in SERVICES {
            let Some(question) = service_question(self.aim.name(), label) else {
                continue;
            };
            for record in self.records(&question).iter().take(TARGETS) {
                if let Answer::Srv(.., target) = &record.answer
                    && let Ok(host) = Host::parse(target.as_str())
                {
                    self.addresses_of(&host, wanted);
                }
            }
            wanted.push(question);
        }
    }

    /// What follows the answer to the MX question.
    fn behind(&self, mx: &Question, or_host: bool, wanted: &mut Vec<Question>) {
        match self.known.get(mx) {
            Some(Learned::Records(_)) => {
                for exchanger in self.exchangers().0.into_iter().take(EXCHANGERS) {
                    self.addresses_of(&exchanger.name, wanted);
                }
            }
            Some(Learned::NoData) => self.addresses_of(&mx.name, wanted),
            // A mail server defers when it cannot learn the MX (RFC 5321 5.1); a host's address may be there all the same.
            Some(Learned::Fault) if or_host => self.addresses_of(&mx.name, wanted),
            _ => {}
        }
    }

    fn addresses_of(&self, name: &Host, wanted: &mut Vec<Question>) {
        wanted.extend(self.kinds.iter().map(|kind| Question::new(name, *kind)));
    }

    fn records(&self, question: &Question) -> &[Record] {
        self.known.get(question).map_or(&[], Learned::records)
    }

    fn addresses(&self, name: &Host) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for kind in &self.kinds {
            for record in self.records(&Question::new(name, *kind)) {
                // No host has the unspecified address (RFC 1122 3.2.1.3, RFC 4291 2.5.2): filters answer with it.
                if let Answer::Address(address) = record.answer
                    && !address.is_unspecified()
                    && !found.contains(&address)
                    && found.len() < ADDRESSES
                {
                    found.push(address);
                }
            }
        }
        found
    }

    /// The exchangers that may be followed, by preference, and the targets that may not.
    fn exchangers(&self) -> (Vec<Exchanger>, Vec<String>) {
        let mut usable: Vec<Exchanger> = Vec::new();
        let mut unusable = Vec::new();
        for record in self.records(&Question::new(self.aim.name(), RecordType::MX)) {
            let Answer::Mx(preference, target) = &record.answer else {
                continue;
            };
            match Host::parse(target.as_str()) {
                Ok(name) if !usable.iter().any(|known| known.name == name) => {
                    usable.push(Exchanger {
                        preference: *preference,
                        addresses: self.addresses(&name),
                        name,
                        implicit: false,
                    });
                }
                Ok(_) => {}
                Err(_) => unusable.push(target.to_string()),
            }
        }
        usable.sort_by_key(|exchanger| exchanger.preference);
        (usable, unusable)
    }

    /// What is known by now.
    pub fn reached(&self) -> Reached {
        let name = self.aim.name();
        let mx = Question::new(name, RecordType::MX);
        let (mut exchangers, unusable) = self.exchangers();
        let null_mx = exchangers.is_empty() && unusable.iter().any(String::is_empty);
        let has_mx = !exchangers.is_empty() || !unusable.is_empty();
        let addresses = self.addresses(name);
        let domain = matches!(self.aim, Aim::Domain { .. });
        if !has_mx && domain && matches!(self.known.get(&mx), Some(Learned::NoData)) {
            exchangers.push(Exchanger {
                preference: 0,
                name: name.clone(),
                addresses: addresses.clone(),
                implicit: true,
            });
        }
        let (offered, withheld) = self.offered();
        let left_out = exchangers.len().saturating_sub(EXCHANGERS);
        exchangers.truncate(EXCHANGERS);
        Reached {
            is_domain: domain || has_mx || !offered.is_empty(),
            exchangers,
            offered,
            withheld,
            addresses,
            null_mx,
            unusable: unusable
                .into_iter()
                .filter(|target| !target.is_empty())
                .collect(),
            left_out,
        }
    }

    fn offered(&self) -> (Vec<Offered>, Vec<Service>) {
        let (mut offered, mut withheld) = (Vec::new(), Vec::new());
        for (label, service) in SERVICES {
            let Some(question) = service_question(self.aim.name(), label) else {
                continue;
            };
            let mut found = Vec::new();
            for record in self.records(&question) {
                let Answer::Srv(priority, weight, port, target) = &record.answer else {
                    continue;
                };
                match Host::parse(target.as_str()) {
                    Ok(name) => found.push(Offered {
                        service,
                        priority: *priority,
                        weight: *weight,
                        port: *port,
                        addresses: self.addresses(&name),
                        name,
                    }),
                    Err(_) if target.is_empty() => withheld.push(service),
                    Err(_) => {}
                }
            }
            found.sort_by_key(|one| (one.priority, std::cmp::Reverse(one.weight)));
            found.truncate(TARGETS);
            offered.extend(found);
        }
        (offered, withheld)
    }
}

/// The SRV question for a service of a domain.
pub fn service_question(domain: &Host, label: &str) -> Option<Question> {
    let name = domain.below(&format!("{label}._tcp")).ok()?;
    Some(Question::new(&name, RecordType::SRV))
}

#[cfg(test)]
mod tests;
