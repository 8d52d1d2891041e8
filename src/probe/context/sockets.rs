//! The sockets of a run: every one is bound, and known to the tap, before its first packet leaves.
//!
//! Kernel connections, UDP sockets, and ports that are kept for crafted packets. It refuses to say what an answer means.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::Mutex;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{ConnectError, Context, Turn, lock};
use crate::probe::control::{FlowKey, Registry, Role, TCP, UDP};
use crate::probe::retold::{self, Teller};
use crate::probe::seen::Seen;
use crate::probe::stage::local;

/// Local ports that are chosen from (the kernel's default range).
const PORTS: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// Whether the next flow to a server leaves from an odd port or an even one.
#[derive(Debug, Default)]
pub(super) struct Parities(Mutex<HashMap<SocketAddr, u16>>);

impl Parities {
    /// 0 and 1 in turn.
    fn next(&self, remote: SocketAddr) -> u16 {
        let mut last = lock(&self.0);
        let last = last.entry(remote).or_default();
        *last ^= 1;
        *last
    }

    /// A round is over.
    pub(super) fn forget(&self) {
        lock(&self.0).clear();
    }
}

/// Whether a SYN was handed to the kernel is looked at this often.
const HANDED: Duration = Duration::from_millis(5);

/// How a kernel connection is opened.
#[derive(Clone, Copy, Debug)]
pub struct Connect {
    /// Given up after so long.
    pub patience: Duration,
    /// TTL of all its packets; the system's own without one.
    pub ttl: Option<u8>,
    /// TTL of what follows the SYN: the handshake's last segment then gets no farther, unless the answer comes before the kernel
    /// was told.
    pub held_back: Option<u8>,
    /// The MSS that is announced; the system's own without one.
    pub mss: Option<u16>,
    /// The source port; any without one.
    pub source_port: Option<u16>,
    /// When its SYN leaves where `--rate` holds packets back.
    pub turn: Turn,
}

impl Default for Connect {
    fn default() -> Connect {
        Connect {
            patience: Duration::from_secs(20),
            ttl: None,
            held_back: None,
            mss: None,
            source_port: None,
            turn: Turn::Ordinary,
        }
    }
}

/// An open connection.
pub struct Opened {
    /// The stream.
    pub stream: TcpStream,
    /// Our end.
    pub local: SocketAddr,
    /// How long it took to open.
    pub took: Duration,
    /// Retells what goes over it where nothing is captured.
    pub(in crate::probe) teller: Option<Teller>,
}

impl Opened {
    /// Ends it by a RST that goes all the way: the server, which may not know it as open, keeps nothing of it.
    pub fn abandon(self, to: IpAddr) {
        let socket = SockRef::from(&self.stream);
        let _ = set_ttl(&socket, to, 64);
        let _ = socket.set_linger(Some(Duration::ZERO));
    }
}

/// A TCP port of ours that crafted segments use: bound so that the kernel gives it to nobody else, and answers what comes
/// for it with its own RST, as for any half-open connection that nobody wants.
pub struct Reserved {
    _socket: Socket,
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Every packet of the flow, both ways.
    pub packets: mpsc::UnboundedReceiver<Seen>,
}

/// A connection that is being opened where no packet is captured: what the kernel tells of it.
struct Opening {
    /// The same socket: its queue of errors and its counts outlive the attempt.
    socket: Socket,
    teller: Teller,
}

impl Opening {
    /// The kernel's counts are looked at this often.
    const LOOK: Duration = Duration::from_millis(100);
    /// Silence is told after so long, and so many SYNs sent again (verdicts.md, "Silence has a clock").
    const SILENCE: (Duration, u8) = (Duration::from_millis(4_500), 3);

    fn new(context: &Context, socket: &Socket, port: u16, to: SocketAddr) -> Option<Opening> {
        let local = SocketAddr::new(context.source_for(to.ip()).ok()?, port);
        let teller = Teller::new(context, local, to)?;
        retold::want_errors(socket.as_fd(), to.ip(), true);
        let socket = socket.try_clone().ok()?;
        teller.syn(context.now());
        Some(Opening { socket, teller })
    }

    /// Tells of SYNs that are sent again; ready when it is silence.
    async fn watch(opening: &Option<Opening>, context: &Context) {
        let Some(opening) = opening else {
            return std::future::pending().await;
        };
        let (start, mut told) = (Instant::now(), 0);
        loop {
            tokio::time::sleep(Opening::LOOK).await;
            let again = retold::syns_again(opening.socket.as_fd());
            if again > told {
                opening.teller.syn(context.now());
                told = again;
            }
            let (span, count) = Opening::SILENCE;
            if start.elapsed() >= span && told >= count {
                return;
            }
        }
    }

    fn failed(&self, context: &Context, error: &io::Error) {
        let now = context.now();
        let by_icmp = self.teller.errors_of_syn(self.socket.as_fd(), now);
        if !by_icmp && error.raw_os_error() == Some(libc::ECONNREFUSED) {
            self.teller.refused(now);
        }
    }
}

impl Context {
    /// Our address towards a destination, as the kernel would choose it.
    pub fn source_for(&self, to: IpAddr) -> io::Result<IpAddr> {
        if let Some(source) = self
            .0
            .options
            .source
            .filter(|s| s.is_ipv4() == to.is_ipv4())
        {
            return Ok(source);
        }
        let socket = Socket::new(family(to), Type::DGRAM, Some(Protocol::UDP))?;
        self.bind_device(&socket)?;
        socket.connect(&SockAddr::from(SocketAddr::new(to, 53)))?;
        socket
            .local_addr()?
            .as_socket()
            .map(|address| address.ip())
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
    }

    fn bind_device(&self, socket: &Socket) -> io::Result<()> {
        match &self.0.options.interface {
            Some(name) => socket.bind_device(Some(name.as_bytes())),
            None => Ok(()),
        }
    }

    fn prepare(&self, socket: &Socket, to: IpAddr, port: Option<u16>) -> io::Result<u16> {
        self.bind_device(socket)?;
        let any = match to {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let source = self
            .0
            .options
            .source
            .filter(|source| source.is_ipv4() == to.is_ipv4())
            .unwrap_or(any);
        if port.is_some() {
            socket.set_reuse_address(true)?;
        }
        match port {
            Some(port) => socket.bind(&SockAddr::from(SocketAddr::new(source, port)))?,
            None => self.bind_somewhere(socket, source, None)?,
        }
        set_tos(socket, to, self.0.options.dscp << 2)?;
        socket
            .local_addr()?
            .as_socket()
            .map(|address| address.port())
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
    }

    /// Binds to a port by chance: the kernel's own choice is all odd or all even, which a hash may send one way.
    /// Flows to one server get odd and even ports in turn, so that a hash that looks no farther is met by few of them.
    fn bind_somewhere(
        &self,
        socket: &Socket,
        source: IpAddr,
        remote: Option<SocketAddr>,
    ) -> io::Result<()> {
        let parity = remote.map(|remote| self.0.parities.next(remote));
        for _ in 0..16 {
            let port =
                PORTS.start() + (self.random() % u32::from(PORTS.end() - PORTS.start())) as u16;
            let port = parity.map_or(port, |parity| port & !1 | parity);
            match socket.bind(&SockAddr::from(SocketAddr::new(source, port))) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                other => return other,
            }
        }
        socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))
    }

    fn enter(&self, key: FlowKey, role: Role, listener: Option<mpsc::UnboundedSender<Seen>>) {
        let mut registry = lock(&self.0.registry);
        if registry.enter(key, role, listener) {
            if let Some(hop) = local::next_hop(key.remote.ip()) {
                registry.enter_neighbor(hop);
            }
            self.admit(&registry);
        }
    }

    fn admit(&self, registry: &Registry) {
        if let Some(tap) = &self.0.tap {
            let hosts: Vec<IpAddr> = registry.hosts().collect();
            tap.admit(&hosts);
        }
    }

    /// A socket that waits for nothing, with a TTL, bound as the run's options want it: for probes without privilege.
    pub fn plain(
        &self,
        to: IpAddr,
        (kind, protocol): (Type, Protocol),
        ttl: u8,
        tos: u8,
    ) -> io::Result<Socket> {
        let socket = Socket::new(family(to), kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        set_ttl(&socket, to, ttl)?;
        self.prepare(&socket, to, None)?;
        set_tos(&socket, to, tos)?;
        Ok(socket)
    }

    /// Opens a TCP connection with the kernel's own means.
    pub async fn connect(
        &self,
        to: SocketAddr,
        role: Role,
        how: Connect,
    ) -> Result<Opened, ConnectError> {
        self.open_to(to, role, how, None).await
    }

    /// The same, and every packet of it from the first SYN on, both ways.
    pub async fn connect_followed(
        &self,
        to: SocketAddr,
        role: Role,
        how: Connect,
    ) -> Result<(Opened, mpsc::UnboundedReceiver<Seen>), ConnectError> {
        let (sender, packets) = mpsc::unbounded_channel();
        let opened = self.open_to(to, role, how, Some(sender)).await?;
        Ok((opened, packets))
    }

    async fn open_to(
        &self,
        to: SocketAddr,
        role: Role,
        how: Connect,
        listener: Option<mpsc::UnboundedSender<Seen>>,
    ) -> Result<Opened, ConnectError> {
        let socket = Socket::new(family(to.ip()), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if let Some(ttl) = how.ttl {
            set_ttl(&socket, to.ip(), ttl)?;
        }
        if let Some(mss) = how.mss {
            socket.set_tcp_mss(u32::from(mss))?;
        }
        let port = self.prepare(&socket, to.ip(), how.source_port)?;
        let key = FlowKey {
            protocol: TCP,
            local_port: port,
            remote: to,
        };
        self.enter(key, role, listener);
        self.spend_in(to.ip(), 1, how.turn).await;
        if role == Role::Target {
            lock(&self.0.handed).insert(to);
        }
        let start = Instant::now();
        let mut opening = Opening::new(self, &socket, port, to);
        let mut given_up = self.0.given_up.subscribe();
        let stream = tokio::select! {
            stream = opens(socket, to, how.held_back) => match stream {
                Ok(stream) => stream,
                Err(error) => {
                    if let Some(opening) = &opening {
                        opening.failed(self, &error);
                    }
                    let error = ConnectError::from(error);
                    // It was open until then.
                    if role == Role::Target && matches!(error, ConnectError::Reset) {
                        lock(&self.0.opened).insert(to);
                    }
                    return Err(error);
                }
            },
            () = Opening::watch(&opening, self) => return Err(ConnectError::Timeout),
            () = tokio::time::sleep(how.patience.min(self.left())) => return Err(ConnectError::Timeout),
            _ = given_up.wait_for(|list| list.contains(&to)) => return Err(ConnectError::Timeout),
            () = self.cancelled() => return Err(ConnectError::Timeout),
        };
        let local = stream.local_addr()?;
        if let Some(opening) = &mut opening {
            opening.teller.opened(self.now());
            retold::want_errors(opening.socket.as_fd(), to.ip(), false);
        }
        if role == Role::Target {
            lock(&self.0.opened).insert(to);
        }
        Ok(Opened {
            stream,
            local,
            took: start.elapsed(),
            teller: opening.map(|opening| opening.teller),
        })
    }

    /// Ready when a target's first SYN to that server was handed to the kernel: `--rate` may hold it back for long.
    pub async fn handed(&self, server: SocketAddr) {
        while !lock(&self.0.handed).contains(&server) && !self.is_cancelled() {
            tokio::time::sleep(HANDED).await;
        }
    }

    /// Whether a target connection to that server was opened in this round.
    pub fn is_open(&self, server: SocketAddr) -> bool {
        lock(&self.0.opened).contains(&server)
    }

    /// Enough is known of this server: connections to it that are still being opened end now.
    pub fn give_up(&self, server: SocketAddr) {
        self.0.given_up.send_modify(|list| list.push(server));
    }

    /// A UDP socket that is connected to one address; the tap knows it. `ttl`: of all its packets.
    pub async fn udp(&self, to: SocketAddr, role: Role, ttl: Option<u8>) -> io::Result<UdpSocket> {
        let socket = Socket::new(family(to.ip()), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if let Some(ttl) = ttl {
            set_ttl(&socket, to.ip(), ttl)?;
        }
        let port = self.prepare(&socket, to.ip(), None)?;
        let key = FlowKey {
            protocol: UDP,
            local_port: port,
            remote: to,
        };
        self.enter(key, role, None);
        if !self.captures() {
            retold::want_errors(socket.as_fd(), to.ip(), true);
        }
        socket.connect(&SockAddr::from(to))?;
        UdpSocket::from_std(socket.into())
    }

    /// Every packet of a flow from now on, both ways. `local_port` is ours.
    pub fn follow(
        &self,
        protocol: u8,
        local_port: u16,
        remote: SocketAddr,
    ) -> mpsc::UnboundedReceiver<Seen> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let key = FlowKey {
            protocol,
            local_port,
            remote,
        };
        lock(&self.0.registry).listen(key, sender);
        receiver
    }

    /// A TCP port of ours for crafted segments to one address.
    pub fn reserve(&self, remote: SocketAddr, role: Role) -> io::Result<Reserved> {
        let source = self.source_for(remote.ip())?;
        let socket = Socket::new(family(remote.ip()), Type::STREAM, Some(Protocol::TCP))?;
        self.bind_device(&socket)?;
        self.bind_somewhere(&socket, source, Some(remote))?;
        let local = socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let (sender, packets) = mpsc::unbounded_channel();
        let key = FlowKey {
            protocol: TCP,
            local_port: local.port(),
            remote,
        };
        self.enter(key, role, Some(sender));
        Ok(Reserved {
            _socket: socket,
            local,
            remote,
            packets,
        })
    }

    /// Echo requests of an identifier of ours to a host: what comes back.
    pub fn echoes(&self, host: IpAddr, id: u16, role: Role) -> mpsc::UnboundedReceiver<Seen> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut registry = lock(&self.0.registry);
        if registry.enter_echo(host, id, role, sender) {
            self.admit(&registry);
        }
        receiver
    }

    /// A neighbour that packets go by: its ARP and NDP belong to the evidence.
    pub fn neighbor(&self, neighbor: IpAddr) {
        lock(&self.0.registry).enter_neighbor(neighbor);
    }
}

/// Hands a SYN to the kernel and waits until the connection is open.
async fn opens(socket: Socket, to: SocketAddr, held_back: Option<u8>) -> io::Result<TcpStream> {
    let Some(ttl) = held_back else {
        return TcpSocket::from_std_stream(socket.into()).connect(to).await;
    };
    match socket.connect(&SockAddr::from(to)) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        other => other?,
    }
    // The SYN has left. Where its answer comes from nearby, the ACK may have left as well: who asked for this looks at its TTL.
    set_ttl(&socket, to.ip(), ttl)?;
    let stream = TcpStream::from_std(socket.into())?;
    stream.writable().await?;
    // That a TTL ran out is told as an error as well, and ends nothing.
    match stream.take_error()? {
        Some(error) if stream.peer_addr().is_err() => Err(error),
        _ => Ok(stream),
    }
}

fn set_ttl(socket: &Socket, to: IpAddr, ttl: u8) -> io::Result<()> {
    match to {
        IpAddr::V4(_) => socket.set_ttl_v4(u32::from(ttl)),
        IpAddr::V6(_) => socket.set_unicast_hops_v6(u32::from(ttl)),
    }
}

fn set_tos(socket: &Socket, to: IpAddr, tos: u8) -> io::Result<()> {
    match (to, u32::from(tos)) {
        (_, 0) => Ok(()),
        (IpAddr::V4(_), tos) => socket.set_tos_v4(tos),
        (IpAddr::V6(_), tos) => socket.set_tclass_v6(tos),
    }
}

fn family(address: IpAddr) -> Domain {
    if address.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    }
}
