//! Which TCP port is which mail service, as configured by `--ports` and `--as`.
//!
//! Ports are a first guess only: what is spoken decides afterwards.

use hashbrown::HashMap;

use crate::proto::Service;

/// Which TCP ports are mail, and of which service.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    only: Option<Vec<u16>>,
    assigned: HashMap<u16, Service, foldhash::fast::RandomState>,
    /// What is not mail is tracked all the same (`--all`).
    pub(super) everything: bool,
}

impl Ports {
    /// Restricts mail to these ports (`--ports`).
    pub fn only(&mut self, ports: Vec<u16>) {
        self.only = Some(ports);
    }

    /// Says what is spoken on a port (`--as`).
    pub fn assign(&mut self, port: u16, service: Service) {
        self.assigned.insert(port, service);
    }

    /// Says what is spoken on a port, unless somebody said otherwise before.
    pub fn suggest(&mut self, port: u16, service: Service) {
        self.assigned.entry(port).or_insert(service);
    }

    /// Also what is not mail gets a full tracker (`--all`).
    pub fn everything(&mut self) {
        self.everything = true;
    }

    /// All ports that are mail, ascending: what a live capture has to let through.
    pub fn mail(&self) -> Vec<u16> {
        (1..=u16::MAX)
            .filter(|port| self.service(*port).is_some())
            .collect()
    }

    /// The service of a port; `None` when it is not mail. A listed port without a known service is `Other`.
    pub fn service(&self, port: u16) -> Option<Service> {
        if let Some(service) = self.assigned.get(&port) {
            return Some(*service).filter(|service| *service != Service::Other);
        }
        match &self.only {
            Some(ports) => ports
                .contains(&port)
                .then(|| Service::of_port(port).unwrap_or(Service::Other)),
            None => Service::of_port(port),
        }
    }
}
