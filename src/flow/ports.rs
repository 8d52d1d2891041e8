//! Which TCP port is which mail service, as configured by `--ports` and `--as`.
//!
//! Ports are a first guess only: what is spoken decides afterwards. Who is the client is guessed by them where no SYN says it.

use hashbrown::HashMap;

use super::endpoint::Endpoint;
use crate::proto::Service;
use crate::wire::Tcp;

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

    /// Whether a mail port is rather the reserved port that a client took for itself: programs that must prove to be
    /// root's bind one of 512 to 1023 (rresvport(3); Linux' NFS client takes 665 to 1023), where 587, 993 and 995 lie.
    /// The other side then is a service that asks for that: NFS and its helpers, the r-commands, printing, rpcbind. Not
    /// for a port of which the user said what it is.
    pub fn is_reserved_source(&self, port: u16, peer: u16) -> bool {
        let asks = matches!(peer, 1..=511 | 512..=515 | 2049 | 4045 | 20048);
        (512..=1023).contains(&port)
            && asks
            && !self.assigned.contains_key(&port)
            && self.service(peer).is_none()
    }

    /// Who opened it: the sender of the SYN; the receiver of the SYN-ACK; else the side without the mail port; else
    /// the higher port.
    pub(super) fn roles(
        &self,
        from: Endpoint,
        to: Endpoint,
        tcp: &Tcp<'_>,
    ) -> (Endpoint, Endpoint) {
        let sender_is_server = if tcp.flags.syn() {
            tcp.flags.ack()
        } else {
            match (
                self.service(from.port).is_some(),
                self.service(to.port).is_some(),
            ) {
                (true, false) => !self.is_reserved_source(from.port, to.port),
                (false, true) => self.is_reserved_source(to.port, from.port),
                _ => (from.port, from.ip) < (to.port, to.ip),
            }
        };
        if sender_is_server {
            (to, from)
        } else {
            (from, to)
        }
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
