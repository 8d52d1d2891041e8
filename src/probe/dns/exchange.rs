//! Questions over our own sockets: the hands of [`Asking`].
//!
//! Every question has a socket of its own, so that the tap knows what it is for; it stays open for a while after the answer, so that a second answer – a forger's or the
//! forged one's – is heard and not refused by the kernel. Nothing is decided here.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;

use super::asking::{Asking, Fate, Step, TCP_PATIENCE, TcpEnd};
use super::echo;
use super::odds::Controls;
use super::question::{Question, Shape};
use crate::base::{Nanos, Timestamp};
use crate::probe::context::{Connect, ConnectError, Context};
use crate::probe::control::{Role, UDP};
use crate::probe::retold::Datagrams;
use crate::probe::seen::{Direction, Seen, What, distance};
use crate::proto::dns::{Message, decode};

/// A datagram at the most.
const DATAGRAM: usize = 65_535;
/// How long a second answer is listened for.
const SECOND_ANSWER: Duration = Duration::from_millis(1_500);
/// What is learned of loss meanwhile is looked at this often.
const LOOK: Nanos = 200_000_000;
/// Pings that tell silence from loss.
const PINGS: u32 = 16;

/// A server that is asked, and what is known of the way to it.
#[derive(Debug)]
pub struct Server {
    /// Address and port.
    pub address: SocketAddr,
    /// Its place in the list of resolvers, from 0.
    pub place: usize,
    pings: Mutex<Controls>,
    answers: AtomicU32,
    doubted: AtomicBool,
    pinged: AtomicBool,
}

impl Server {
    /// Nothing known yet.
    pub fn new(address: SocketAddr, place: usize) -> Arc<Server> {
        Arc::new(Server {
            address,
            place,
            pings: Mutex::default(),
            answers: AtomicU32::new(0),
            doubted: AtomicBool::new(false),
            pinged: AtomicBool::new(false),
        })
    }

    /// What became of pings to it.
    pub fn pings(&self) -> Controls {
        *self.pings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Questions that it answered.
    pub fn answers(&self) -> u32 {
        self.answers.load(Ordering::Relaxed)
    }

    /// It answered one more.
    pub fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Pings and answered questions: what a question's silence is held against.
    pub fn controls(&self) -> Controls {
        let mut controls = self.pings();
        if controls.answered == 0 {
            // Many hosts answer no ping: that says nothing while questions are answered.
            controls.lost = if self.answers() > 0 { 0 } else { controls.lost };
        }
        controls.answered = controls.answered.saturating_add(self.answers());
        controls
    }

    /// Nothing came for a question yet: from now on loss is measured.
    fn doubt(self: &Arc<Server>, context: &Context) {
        if self.doubted.swap(true, Ordering::Relaxed) {
            return;
        }
        let (server, context) = (self.clone(), context.clone());
        tokio::spawn(async move {
            let note = |answered| {
                server
                    .pings
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .count(answered);
            };
            echo::pings(&context, server.address.ip(), PINGS, note).await;
            server.pinged.store(true, Ordering::Relaxed);
        });
    }
}

/// What became of a question.
#[derive(Debug)]
pub struct Exchanged {
    /// How it ended; `None` when the run ended first.
    pub fate: Option<Fate>,
    /// When it began.
    pub started: Timestamp,
    /// Hops between the answer's sender and us, by its TTL.
    pub distance: Option<u8>,
    /// Datagrams of the server's that were captured on this host while its socket got nothing.
    pub untaken: u32,
    /// Datagrams that its socket got from the server's port and that are no DNS responses.
    pub strange: u32,
    /// A target that was silent for as long as silence is given: what still comes is heard here.
    pub rest: Option<Rest>,
}

impl Exchanged {
    /// Nothing came of it yet.
    pub fn begun(started: Timestamp) -> Exchanged {
        Exchanged {
            fate: None,
            started,
            distance: None,
            untaken: 0,
            strange: 0,
            rest: None,
        }
    }
}

/// A question whose silence was settled, and the socket that it left by.
pub struct Rest {
    asking: Asking,
    socket: UdpSocket,
    teller: Option<Datagrams>,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.asking.fmt(f)
    }
}

impl Rest {
    /// Hears what comes until that time; how it ended after all, if an answer came.
    pub async fn late(mut self, context: &Context, until: Timestamp) -> Option<Fate> {
        let mut buffer = vec![0; DATAGRAM];
        self.asking.reopen();
        while !self.asking.is_settled() {
            let left = until.since(context.now());
            if left <= 0 {
                return None;
            }
            tokio::select! {
                got = self.socket.recv(&mut buffer) => {
                    // An ICMP error is no answer, and its socket goes on.
                    let Ok(length) = got else { continue };
                    let bytes = buffer.get(..length).unwrap_or_default();
                    if let Some(teller) = &self.teller {
                        teller.received(bytes);
                    }
                    hear(&mut self.asking, context.now(), bytes);
                }
                () = tokio::time::sleep(Duration::from_nanos(left.unsigned_abs())) => {}
                () = context.cancelled() => return None,
            }
        }
        // What comes for the other transmissions is taken too, and not refused by the kernel.
        let socket = self.socket;
        tokio::spawn(async move {
            tokio::time::sleep(2 * SECOND_ANSWER).await;
            drop(socket);
        });
        self.asking.fate()
    }
}

/// Puts a question until it is settled.
pub async fn exchange(
    context: &Context,
    server: &Arc<Server>,
    role: Role,
    mut asking: Asking,
) -> Exchanged {
    let mut exchanged = Exchanged::begun(context.now());
    let mut taken = false;
    let socket = match context.udp(server.address, role, None).await {
        Ok(socket) => socket,
        Err(error) => {
            exchanged.fate = Some(Fate::Unsendable(error.to_string()));
            return exchanged;
        }
    };
    let port = socket.local_addr().map_or(0, |local| local.port());
    let mut packets = context.follow(UDP, port, server.address);
    let mut buffer = vec![0; DATAGRAM];
    let teller = socket
        .local_addr()
        .ok()
        .and_then(|local| Datagrams::new(context, local, server.address));
    let mut latest = Vec::new();
    loop {
        asking.learn(server.controls(), server.answers() > 0);
        if asking.is_doubtful() {
            server.doubt(context);
        }
        let now = context.now();
        match asking.step(now) {
            Step::Send(shape) => {
                let sent = send(context, server, &socket, &mut asking, shape).await;
                if let (Some(teller), Some(bytes)) = (&teller, sent) {
                    teller.sent(&bytes);
                    latest = bytes;
                }
            }
            Step::OverTcp(shape) => {
                let asked = context.now();
                let end = over_tcp(context, server.address, role, asking.question(), shape).await;
                asking.over_tcp(context.now(), asked, end);
            }
            Step::Wait(until) => {
                let wait = until.since(now).clamp(1, LOOK);
                tokio::select! {
                    got = socket.recv(&mut buffer) => match got {
                        Ok(length) => {
                            taken = true;
                            let bytes = buffer.get(..length).unwrap_or_default();
                            if let Some(teller) = &teller {
                                teller.received(bytes);
                            }
                            let is_response = hear(&mut asking, context.now(), bytes);
                            exchanged.strange += u32::from(!is_response);
                        }
                        // The ICMP error itself is seen by the tap, or told by the kernel.
                        Err(_) => {
                            let told = |teller: &Datagrams| teller.errors(socket.as_fd(), &latest);
                            if teller.as_ref().is_some_and(|teller| !told(teller)) {
                                asking.rejected(None);
                            }
                        }
                    },
                    Some(seen) = packets.recv() => notice(&seen, &mut asking, &mut exchanged),
                    () = tokio::time::sleep(Duration::from_nanos(wait.unsigned_abs())) => {}
                    () = context.cancelled() => return exchanged,
                }
            }
            Step::Settled => break,
        }
    }
    while let Ok(seen) = packets.try_recv() {
        notice(&seen, &mut asking, &mut exchanged);
    }
    if taken {
        exchanged.untaken = 0;
    }
    if asking.is_silent() && role == Role::Target {
        let rest = asking.clone();
        exchanged.fate = asking.fate();
        exchanged.rest = Some(Rest {
            asking: rest,
            socket,
            teller,
        });
        return exchanged;
    }
    exchanged.fate = asking.fate();
    if matches!(exchanged.fate, Some(Fate::Answered(_))) {
        server.answered();
        // The tap may be a moment behind the socket.
        if exchanged.distance.is_none() && context.captures() {
            let seen = tokio::time::timeout(Duration::from_millis(60), answer_packet(&mut packets));
            exchanged.distance = seen.await.ok().flatten();
        }
        tokio::spawn(async move {
            tokio::time::sleep(SECOND_ANSWER).await;
            drop(socket);
        });
    }
    exchanged
}

async fn answer_packet(packets: &mut tokio::sync::mpsc::UnboundedReceiver<Seen>) -> Option<u8> {
    loop {
        let seen = packets.recv().await?;
        if seen.direction == Direction::In && matches!(seen.what, What::Udp(_)) {
            return Some(distance(seen.ip.ttl));
        }
    }
}

async fn send(
    context: &Context,
    server: &Server,
    socket: &UdpSocket,
    asking: &mut Asking,
    shape: Shape,
) -> Option<Vec<u8>> {
    context.spend(server.address.ip(), 1).await;
    let id = (context.random() >> 8) as u16;
    let bytes = match shape.encode(id, asking.question()) {
        Ok(bytes) => bytes,
        Err(why) => {
            asking.failed(why);
            return None;
        }
    };
    // An ICMP error of the transmission before may be reported here first.
    let mut sent = socket.send(&bytes).await;
    let waiting = [libc::ECONNREFUSED, libc::EHOSTUNREACH, libc::EACCES];
    if sent.as_ref().is_err_and(|error| {
        error
            .raw_os_error()
            .is_some_and(|number| waiting.contains(&number))
    }) {
        if !context.captures() {
            asking.rejected(None);
        }
        sent = socket.send(&bytes).await;
    }
    match sent {
        Ok(_) => {
            asking.sent(context.now(), id, shape);
            Some(bytes)
        }
        Err(error) => {
            asking.failed(error.to_string());
            None
        }
    }
}

/// Whether it is a DNS response at all, to whatever (RFC 1035 4.1.1).
fn hear(asking: &mut Asking, now: Timestamp, bytes: &[u8]) -> bool {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let message = decode(bytes, length);
    let is_response = message.as_ref().is_some_and(|message| message.response);
    if let Some(message) = message {
        asking.heard(now, message, bytes);
    }
    is_response
}

fn notice(seen: &Seen, asking: &mut Asking, exchanged: &mut Exchanged) {
    match &seen.what {
        What::Udp(_) if seen.direction == Direction::In => {
            exchanged.distance.get_or_insert(distance(seen.ip.ttl));
            // A fragment alone gets to no socket, and that is nobody's rule (RFC 791 3.2).
            if seen.ip.fragment.is_none() {
                exchanged.untaken = exchanged.untaken.saturating_add(1);
            }
        }
        What::Icmp { v6, kind, code, .. } if is_refusal(*v6, *kind) => {
            asking.rejected(Some((seen.ip.source, *kind, *code)));
        }
        _ => {}
    }
}

/// Destination unreachable (RFC 792, RFC 4443 3.1), in any code but "too big".
pub fn is_refusal(v6: bool, kind: u8) -> bool {
    matches!((v6, kind), (false, 3) | (true, 1))
}

/// One question over TCP (RFC 7766).
///
/// # Errors
/// How it failed.
pub async fn over_tcp(
    context: &Context,
    server: SocketAddr,
    role: Role,
    question: &Question,
    shape: Shape,
) -> Result<(Message, Vec<u8>), TcpEnd> {
    let patience = Duration::from_nanos(TCP_PATIENCE.unsigned_abs());
    let how = Connect {
        patience,
        ..Connect::default()
    };
    let opened = context.connect(server, role, how).await;
    let opened = opened.map_err(|error| match error {
        ConnectError::Refused | ConnectError::Reset => TcpEnd::Refused,
        ConnectError::Timeout => TcpEnd::Silent,
        _ => TcpEnd::Unreachable,
    })?;
    let (mut stream, mut teller) = (opened.stream, opened.teller);
    let id = (context.random() >> 8) as u16;
    let bytes = shape.encode(id, question).map_err(|_| TcpEnd::NoAnswer)?;
    let mut framed = u16::try_from(bytes.len())
        .map_err(|_| TcpEnd::NoAnswer)?
        .to_be_bytes()
        .to_vec();
    framed.extend(bytes);
    let talk = async {
        stream.write_all(&framed).await?;
        if let Some(teller) = &mut teller {
            teller.sent(&framed);
        }
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        if let Some(teller) = &mut teller {
            teller.received(&[&length.to_be_bytes()[..], &answer].concat());
            teller.finished();
        }
        Ok::<_, std::io::Error>(answer)
    };
    let answer = match tokio::time::timeout(patience, talk).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) if error.raw_os_error() == Some(libc::ECONNRESET) => {
            return Err(TcpEnd::Refused);
        }
        Ok(Err(_)) | Err(_) => return Err(TcpEnd::NoAnswer),
    };
    let length = u32::try_from(answer.len()).unwrap_or(u32::MAX);
    match decode(&answer, length) {
        Some(message) if message.id == id && message.response => Ok((message, answer)),
        _ => Err(TcpEnd::NoAnswer),
    }
}

/// The address of a server, for progress and reports.
pub fn shown(server: &Server) -> IpAddr {
    server.address.ip()
}
