//! The server's side of the lab: embedded mail, DNS and other servers that do what a scenario says.
//!
//! They exist so that a fault can be provoked on a machine with nothing but the binary. Every
//! service has a thread and every connection another (a thread stays in the network namespace of
//! whoever spawned it, so [`Servers::start`] is called inside the server's). They refuse to be mail
//! servers: nothing is stored and nothing is delivered.

pub mod channel;
mod connection;
mod dns;
pub mod dns_message;
mod imap;
pub mod ocsp;
pub mod pki;
mod pop3;
mod raw;
pub mod sasl;
mod session;
mod sieve;
mod smtp;
pub mod spec;
pub mod stop;
mod texts;
pub mod tls;

pub use pki::Pki;
pub use spec::ServerSpec;
pub use stop::Stop;

use dns::Dns;
use session::Service;
use socket2::{Domain, Protocol, Socket, Type};
use spec::{Accept, CertificateKind, ServiceKind, ServiceSpec, Then};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where servers stand.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The host's addresses; services listen on all of them unless they say otherwise.
    pub addresses: Vec<IpAddr>,
    /// Takes any free port in place of the service's own (for tests on loopback); [`Servers::listening`] tells which.
    pub any_port: bool,
}

/// A service that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Its place in [`ServerSpec::services`].
    pub service: usize,
    /// What it speaks.
    pub kind: ServiceKind,
    /// Where. DNS listens on UDP and TCP of one port.
    pub address: SocketAddr,
}

/// How one connection to a server ended, as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// What the server speaks.
    pub kind: ServiceKind,
    /// The client's end.
    pub client: SocketAddr,
    /// In words; alerts by rustls's names.
    pub end: String,
}

/// Ends that are remembered; further ones are only counted.
const REMEMBERED: usize = 1_000;

/// The servers' memory.
#[derive(Debug, Default)]
struct Log {
    served: Mutex<(usize, Vec<Served>)>,
    more: Condvar,
}

impl Log {
    fn add(&self, served: Served) {
        let Ok(mut log) = self.served.lock() else {
            return;
        };
        log.0 = log.0.saturating_add(1);
        if log.1.len() < REMEMBERED {
            log.1.push(served);
        }
        self.more.notify_all();
    }
}

/// Running servers; dropping them ends every thread.
#[derive(Debug)]
pub struct Servers {
    listening: Vec<Listening>,
    stop: Arc<Stop>,
    log: Arc<Log>,
    threads: Vec<JoinHandle<()>>,
}

impl Servers {
    /// Makes the certificates that the scenario's services need; `now` in seconds since 1970.
    ///
    /// # Errors
    /// A sentence that says what could not be made.
    pub fn certificates(spec: &ServerSpec, now: u64) -> Result<Pki, String> {
        let mut wishes: Vec<(CertificateKind, Vec<String>)> = Vec::new();
        for service in &spec.services {
            let names = service
                .tls
                .names
                .clone()
                .unwrap_or_else(|| vec![spec.host.clone()]);
            wishes.push((service.tls.certificate, names));
        }
        Pki::new(now, &wishes).map_err(|error| format!("certificates: {error}"))
    }

    /// Listens with every service, in this thread's network namespace. When it returns, every port is open.
    ///
    /// # Errors
    /// A sentence that names the service and what the system or the scenario has against it.
    pub fn start(spec: &ServerSpec, ground: &Ground, pki: &Pki) -> Result<Servers, String> {
        let stop = Arc::new(Stop::new().map_err(|error| error.to_string())?);
        let mut servers = Servers {
            listening: Vec::new(),
            stop,
            log: Arc::default(),
            threads: Vec::new(),
        };
        for (index, service) in spec.services.iter().enumerate() {
            let name = format!("{:?}", service.kind).to_lowercase();
            servers
                .add(index, service, spec, ground, pki)
                .map_err(|why| format!("service {name}: {why}"))?;
        }
        Ok(servers)
    }

    /// What listens where.
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// How connections ended so far; waits until `count` have, but no longer than `patience`.
    pub fn served(&self, count: usize, patience: Duration) -> Vec<Served> {
        let Ok(log) = self.log.served.lock() else {
            return Vec::new();
        };
        match self
            .log
            .more
            .wait_timeout_while(log, patience, |log| log.0 < count)
        {
            Ok((log, _)) => log.1.clone(),
            Err(_) => Vec::new(),
        }
    }

    fn add(
        &mut self,
        index: usize,
        spec: &ServiceSpec,
        server: &ServerSpec,
        ground: &Ground,
        pki: &Pki,
    ) -> Result<(), String> {
        let port = match (ground.any_port, spec.port.or(spec.kind.port())) {
            (true, _) => 0,
            (false, Some(port)) => port,
            (false, None) => return Err("needs a port".to_owned()),
        };
        let mail = !matches!(spec.kind, ServiceKind::Dns | ServiceKind::Raw);
        let tls = match mail {
            true => Some(tls::configuration(&spec.tls, &server.host, pki)?),
            false => None,
        };
        let service = Arc::new(Service {
            spec: spec.clone(),
            host: server.host.clone(),
            accounts: server.accounts.clone(),
            tls,
        });
        let dns = match spec.kind {
            ServiceKind::Dns => Some(Arc::new(Dns::new(&spec.dns)?)),
            _ => None,
        };
        for &ip in if spec.addresses.is_empty() {
            &ground.addresses
        } else {
            &spec.addresses
        } {
            let at = SocketAddr::new(ip, port);
            let words = |error: io::Error| format!("{at}: {error}");
            let listener = listen(at, spec).map_err(words)?;
            let address = listener.local_addr().map_err(words)?;
            if let Some(dns) = dns.as_ref().filter(|_| !spec.dns.no_udp) {
                let socket = Arc::new(UdpSocket::bind(address).map_err(words)?);
                socket.set_nonblocking(true).map_err(words)?;
                let (dns, stop) = (dns.clone(), self.stop.clone());
                self.spawn("lab-dns", move || {
                    let _ = dns::serve_udp(&socket, &dns, &stop);
                })?;
            }
            self.listening.push(Listening {
                service: index,
                kind: spec.kind,
                address,
            });
            if dns.is_some() && spec.dns.no_tcp {
                continue;
            }
            let (service, dns, stop, log) = (
                service.clone(),
                dns.clone(),
                self.stop.clone(),
                self.log.clone(),
            );
            self.spawn("lab-listen", move || {
                connection::accept_all(&listener, &service, dns.as_ref(), &stop, &log)
            })?;
        }
        Ok(())
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), String> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(|error| error.to_string())?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop.ring();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A listening socket; connections inherit a small receive buffer when the scenario closes windows.
fn listen(at: SocketAddr, spec: &ServiceSpec) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(at),
        Type::STREAM.cloexec(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    let stops = |then: Then| then == Then::StopReading;
    if spec.accept == Accept::StopReading
        || stops(spec.greeting.then)
        || stops(spec.raw.then)
        || spec.cut.is_some_and(|cut| stops(cut.then))
        || spec.replies.iter().any(|rule| stops(rule.then))
    {
        socket.set_recv_buffer_size(4_096)?;
    }
    socket.bind(&at.into())?;
    let backlog = spec
        .backlog
        .and_then(|backlog| i32::try_from(backlog).ok())
        .unwrap_or(128);
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
