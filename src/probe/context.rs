//! What every stage is given: sockets that are known to the tap, crafted packets, pacing, the clock, and where results go.
//!
//! Every socket of a run is made here, because a flow must be in the registry before its first packet leaves. Handles are
//! opened when the context is made; afterwards nothing needs privilege.

mod captured;
mod connect_error;
mod gathered;
mod pace;
mod sockets;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

pub use captured::{Answered, Segment, SynSent};
pub use connect_error::ConnectError;
pub use gathered::Unknowable;
pub use pace::{Ahead, Turn};
pub use sockets::{Connect, Opened, Reserved};

use self::pace::Pacing;
use self::sockets::Parities;
use super::auth::{Lockout, Login, Turnstile};
use super::control::Registry;
use super::host::Host;
use super::options::{Options, StageName};
use super::raw::Raw;
use super::recording::{Recording, Taken};
use super::retold;
use super::stage::local::{self, NoWay, Rules, Wanted, WayOut};
use super::tap::{Tap, TapError};
use super::tls::roots::Roots;
use crate::base::Timestamp;
use crate::engine::record::PathRecord;
use crate::privilege::Successor;
use crate::proto::Service;
use crate::wire::{Net, Packet};

/// The tap is quiet when nothing of ours came for so long.
const QUIET: Duration = Duration::from_millis(40);

/// Is told what is being done.
pub type Progress = Box<dyn Fn(StageName, &str) + Send + Sync>;

struct Inner {
    options: Options,
    tap: Option<Tap>,
    raw: Option<Raw>,
    registry: Mutex<Registry>,
    recording: Mutex<Recording>,
    paths: Mutex<Vec<PathRecord>>,
    unknowable: Mutex<Vec<Unknowable>>,
    /// Targets of which nothing is measured yet.
    unmeasured: Mutex<Vec<String>>,
    pacing: Arc<Pacing>,
    random: Mutex<Pcg32>,
    next_id: AtomicU16,
    last_frame: AtomicU64,
    /// Packets that the kernel had no room for, as of the last recording.
    lost: AtomicU64,
    started: Instant,
    /// When this round began: the deadline is a round's.
    round: Mutex<Instant>,
    /// Who logs in; gone, and wiped, once that is over.
    login: Mutex<Option<Arc<Login>>>,
    stop: watch::Receiver<bool>,
    progress: Progress,
    given_up: watch::Sender<Vec<SocketAddr>>,
    opened: Mutex<HashSet<SocketAddr>>,
    /// Servers to which a target's SYN was handed to the kernel: before that, pacing held it back and nobody else.
    handed: Mutex<HashSet<SocketAddr>>,
    turnstile: Turnstile,
    roots: Roots,
    held: Mutex<Vec<TcpStream>>,
    patient: AtomicUsize,
    rules: Option<Rules>,
    cautions: Mutex<Vec<String>>,
    barred: Mutex<HashSet<SocketAddr>>,
    hosts: Mutex<HashMap<IpAddr, Arc<Host>>>,
    parities: Parities,
}

/// While it lives, the deadline does not end the run.
pub struct Patience(Context);

impl Drop for Patience {
    fn drop(&mut self) {
        self.0.0.patient.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Shared by all stages of a run.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    /// Opens every handle that a run needs. Without privilege there is no tap and no raw socket; the error says why.
    /// `stop` turns true when the user wants no more; `progress` is told what is being done.
    pub fn open(
        mut options: Options,
        stop: watch::Receiver<bool>,
        progress: Progress,
    ) -> (Context, Option<TapError>) {
        let opened = Tap::open(options.interface.as_deref());
        let raw = Raw::open(options.interface.as_deref()).ok();
        let (tap, error) = match opened {
            Ok(tap) => (Some(tap), None),
            Err(error) => (None, Some(error)),
        };
        let listened = tap.as_ref().map(Tap::interfaces);
        let recording = Recording::on(listened.unwrap_or_else(|| vec![retold::interface()]));
        let seed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos() as u64);
        let mut lockout = Lockout::of_user();
        let login = options.login.take();
        if login.is_some()
            && let Some(lockout) = &mut lockout
            && let Err(why) = lockout.prepare(Successor::if_possible())
        {
            progress(
                StageName::Auth,
                &format!("a refused login will not be remembered: {why}"),
            );
        }
        let turnstile = Turnstile::new(lockout, options.auth_again);
        // While it is permitted.
        let rules = raw.as_ref().and_then(|_| Rules::read());
        let roots = Roots::load(&options.roots);
        let pacing = Pacing::new(options.rate);
        let context = Context(Arc::new(Inner {
            options,
            // Crafted packets without a tap would be sent blind.
            raw: raw.filter(|_| tap.is_some()),
            tap,
            registry: Mutex::default(),
            recording: Mutex::new(recording),
            paths: Mutex::default(),
            unknowable: Mutex::default(),
            unmeasured: Mutex::default(),
            pacing,
            random: Mutex::new(Pcg32::new(seed, u64::from(std::process::id()))),
            next_id: AtomicU16::new((seed >> 7) as u16),
            last_frame: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            started: Instant::now(),
            round: Mutex::new(Instant::now()),
            login: Mutex::new(login),
            stop,
            progress,
            given_up: watch::Sender::new(Vec::new()),
            opened: Mutex::default(),
            handed: Mutex::default(),
            turnstile,
            roots,
            held: Mutex::default(),
            patient: AtomicUsize::new(0),
            rules,
            cautions: Mutex::default(),
            barred: Mutex::default(),
            hosts: Mutex::default(),
            parities: Parities::default(),
        }));
        (context, error)
    }

    /// Starts to listen; within the runtime.
    pub fn listen(&self) {
        if let Some(tap) = &self.0.tap {
            tap.start(self);
        }
    }

    /// What was asked for.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// The time, by the clock that stamps frames.
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// What is left of the deadline.
    pub fn left(&self) -> Duration {
        self.0
            .options
            .deadline
            .saturating_sub(lock(&self.0.round).elapsed())
    }

    /// Whether the user wants no more.
    pub fn is_interrupted(&self) -> bool {
        *self.0.stop.borrow()
    }

    /// Who logs in, in this round.
    pub fn login(&self) -> Option<Arc<Login>> {
        lock(&self.0.login).clone()
    }

    /// Nobody logs in from now on: it was tried, and the secret is wiped.
    pub fn no_more_logins(&self) {
        lock(&self.0.login).take();
    }

    /// Whether the run should end: Ctrl-C or the deadline.
    pub fn is_cancelled(&self) -> bool {
        *self.0.stop.borrow() || self.left().is_zero()
    }

    /// Ready when the run should end.
    pub async fn cancelled(&self) {
        let mut stop = self.0.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(self.left()) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Ready when the user wants no more; the deadline does not count.
    pub async fn interrupted(&self) {
        let mut stop = self.0.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Something waits that may outlast the deadline (a greeting, which may take a minute), until the guard is dropped.
    pub fn patience(&self) -> Patience {
        self.0.patient.fetch_add(1, Ordering::Relaxed);
        Patience(self.clone())
    }

    /// Whether something waits that may outlast the deadline.
    pub fn is_patient(&self) -> bool {
        self.0.patient.load(Ordering::Relaxed) > 0
    }

    /// Keeps a connection open until the run's recording is judged: our FIN would look like a client that lost patience.
    pub fn hold(&self, stream: TcpStream) {
        lock(&self.0.held).push(stream);
    }

    /// What is trusted here.
    pub fn roots(&self) -> &Roots {
        &self.0.roots
    }

    /// Lets logins pass one after the other.
    pub fn turnstile(&self) -> &Turnstile {
        &self.0.turnstile
    }

    /// What is spoken at a port that DNS or a document named: no capture could tell.
    pub fn serves(&self, port: u16, service: Service) {
        lock(&self.0.recording).serves(port, service);
    }

    /// The key log of a session of ours that carried no credential: for the engine and for `-w`.
    pub fn secrets(&self, lines: &str) {
        lock(&self.0.recording).secrets.push_str(lines);
    }

    /// This line may leave in clear and is a credential from `from` on: no recording holds that part. Before it is sent.
    pub fn conceal(&self, line: &[u8], from: usize) {
        lock(&self.0.recording).conceal(line, from);
    }

    /// Waits until a target may be sent so many packets more (`--rate`).
    pub async fn spend(&self, target: IpAddr, packets: u32) {
        self.spend_in(target, packets, Turn::Ordinary).await;
    }

    /// The same, with a say in the order.
    pub async fn spend_in(&self, target: IpAddr, packets: u32, turn: Turn) {
        self.0.pacing.spend(target, packets, turn).await;
    }

    /// Something of this target is to be known before all else: until the guard is dropped, only what says [`Turn::First`]
    /// leaves for it, for two seconds at the most.
    pub fn go_ahead(&self, target: IpAddr) -> Ahead {
        self.0.pacing.go_ahead(target)
    }

    /// What all services of an address share.
    pub fn host(&self, address: IpAddr) -> Arc<Host> {
        lock(&self.0.hosts).entry(address).or_default().clone()
    }

    /// A number nobody can guess from outside: ISNs, identifiers.
    pub fn random(&self) -> u32 {
        lock(&self.0.random).next_u32()
    }

    /// An IP identification of our own for crafted packets, never 0.
    pub fn next_id(&self) -> u16 {
        self.0.next_id.fetch_add(1, Ordering::Relaxed).max(1)
    }

    /// Crafted packets; `None` without privilege.
    pub fn raw(&self) -> Option<&Raw> {
        self.0.raw.as_ref()
    }

    /// Whether packets are captured.
    pub fn captures(&self) -> bool {
        self.0.tap.is_some()
    }

    /// The tap saw a frame.
    pub(super) fn tapped(
        &self,
        packet: &Packet<'_>,
        time: Timestamp,
        take: impl FnOnce() -> Taken,
    ) {
        let Some(classified) = lock(&self.0.registry).classify(packet, time) else {
            return;
        };
        self.0.last_frame.store(
            self.0.started.elapsed().as_millis() as u64,
            Ordering::Relaxed,
        );
        if let Net::Ip(ip) = &packet.net {
            self.0.pacing.left_for(ip.destination);
        }
        lock(&self.0.recording).add(Taken {
            control: classified.role.control(),
            ..take()
        });
        if let Some((seen, listener)) = classified.seen {
            let _ = listener.send(seen);
        }
    }

    /// Waits until the tap has seen what is under way: quiet for a moment, or `patience`.
    pub async fn settle(&self, patience: Duration) {
        let Some(tap) = &self.0.tap else {
            return;
        };
        let end = Instant::now() + patience;
        loop {
            tap.drain(self);
            let quiet = self
                .0
                .started
                .elapsed()
                .as_millis()
                .saturating_sub(u128::from(self.0.last_frame.load(Ordering::Relaxed)));
            if quiet >= QUIET.as_millis() || Instant::now() >= end {
                return;
            }
            tokio::time::sleep(QUIET / 4).await;
        }
    }

    /// The way out of this host towards a destination.
    pub fn way_out(&self, to: IpAddr) -> Result<WayOut, Option<NoWay>> {
        let options = &self.0.options;
        local::way_out(to, options.source, options.interface.as_deref())
    }

    /// The largest IP packet that leaves this host towards a destination; that of Ethernet where it cannot be known.
    pub fn mtu_towards(&self, to: IpAddr) -> u16 {
        let known = self.way_out(to).ok().and_then(|way| way.mtu);
        known.map_or(1_500, |mtu| u16::try_from(mtu).unwrap_or(u16::MAX))
    }

    /// Whether the kernel has learned since the beginning that the way to an address takes smaller packets only, and which: its further
    /// connections announce less (RFC 1191 3.1, RFC 6691 A).
    pub fn learned_mtu(&self, to: IpAddr) -> Option<u16> {
        let host = self.host(to);
        let (known, now) = (host.mtu.get()?, self.mtu_towards(to));
        (now < *known).then_some(now)
    }

    /// The rule of this host that keeps packets to a server here, as far as rules could be read.
    pub fn held_by(&self, protocol: &'static str, to: SocketAddr, way: &WayOut) -> Option<String> {
        self.0.rules.as_ref()?.blocking(Wanted {
            protocol,
            to,
            from: way.source?,
            device: &way.device,
        })
    }

    /// Whether any TCP or UDP packet to that port of a server was seen to leave.
    pub fn has_left(&self, to: SocketAddr) -> bool {
        lock(&self.0.registry).has_left(to)
    }

    /// Says what is being done.
    pub fn progress(&self, stage: StageName, text: &str) {
        (self.0.progress)(stage, text);
    }

    /// Forgets flows and pacing of a round that is over; the next one begins.
    pub fn forget(&self) {
        *lock(&self.0.round) = Instant::now();
        lock(&self.0.registry).clear();
        self.0.pacing.forget();
        lock(&self.0.opened).clear();
        lock(&self.0.barred).clear();
        lock(&self.0.hosts).clear();
        self.0.parities.forget();
        lock(&self.0.handed).clear();
        lock(&self.0.held).clear();
        self.0.given_up.send_modify(Vec::clear);
    }
}
