//! What is measured of an address once, for all services that it has.
//!
//! Whether large packets pass and how far a host is do not depend on the port that is asked; a healthy host would pay for them
//! again and again. What a device may treat by its port is measured for each.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, MutexGuard, OnceCell};

use super::stage::near::Far;
use super::stage::size::Pings;

/// One address.
#[derive(Debug, Default)]
pub struct Host {
    services: AtomicUsize,
    turn: Mutex<()>,
    /// The largest packet towards it, as this host's kernel knew before anything was sent there: connections announce as much.
    pub mtu: OnceLock<u16>,
    /// Whether large pings come back.
    pub pings: OnceCell<Pings>,
    /// How far it is.
    pub far: OnceCell<Far>,
}

impl Host {
    /// A service more is spoken to.
    pub fn serves(&self) {
        self.services.fetch_add(1, Ordering::Relaxed);
    }

    /// Services that are spoken to; one at the least.
    pub fn services(&self) -> usize {
        self.services.load(Ordering::Relaxed).max(1)
    }

    /// Waits until nobody else has connections half open there.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}
