//! How fast packets leave for a target (`--rate`), and which of them first where more want to leave than may.
//!
//! Everything that is sent is paid for here, what the kernel sends by itself afterwards. Order is by asking, but for what a
//! provisional verdict waits for. It knows no packet and sends none.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::lock;

/// Everything else of a target waits at the most so long for what is to be known first.
const AHEAD: Duration = Duration::from_millis(1_800);

/// When a packet leaves where more want to leave than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// In the order of asking.
    Ordinary,
    /// Before all others: a provisional verdict waits for it.
    First,
}

/// Packets that one target may get now, how many were paid for, and how many the tap saw leave.
struct Pace {
    tokens: f64,
    at: Instant,
    sent: u64,
    left: u64,
    /// How many go ahead of all others, and until when at the most.
    ahead: usize,
    until: Instant,
}

impl Pace {
    fn new(limit: Limit, now: Instant) -> Pace {
        Pace {
            tokens: limit.burst,
            at: now,
            sent: 0,
            left: 0,
            ahead: 0,
            until: now,
        }
    }

    /// Pays for so many packets; else says how long to wait before it is worth asking again.
    fn pay(&mut self, limit: Limit, packets: u32, turn: Turn, now: Instant) -> Option<Duration> {
        let earned = (now - self.at).as_secs_f64() * limit.rate;
        self.tokens = (self.tokens + earned).min(limit.burst);
        self.at = now;
        let held = turn == Turn::Ordinary && self.ahead > 0 && now < self.until;
        if self.tokens < 1.0 || held {
            let wait = (1.0 - self.tokens).max(0.25) / limit.rate;
            return Some(Duration::from_secs_f64(wait));
        }
        // A big request is paid for afterwards.
        self.tokens -= f64::from(packets);
        self.sent = self.sent.saturating_add(u64::from(packets));
        None
    }

    /// A packet left that nobody may have paid for.
    fn left(&mut self) {
        self.left = self.left.saturating_add(1);
        if self.left > self.sent {
            self.sent = self.left;
            self.tokens -= 1.0;
        }
    }

    fn go_ahead(&mut self, now: Instant) {
        if self.ahead == 0 {
            self.until = now + AHEAD;
        }
        self.ahead += 1;
    }
}

/// What may leave at once, and what follows within a second: together the rate.
#[derive(Clone, Copy, Debug)]
struct Limit {
    burst: f64,
    rate: f64,
}

impl Limit {
    fn of(rate: u32) -> Limit {
        let rate = f64::from(rate.max(1));
        let burst = (rate / 10.0).max(1.0);
        Limit {
            burst,
            rate: (rate - burst).max(rate / 2.0),
        }
    }
}

/// The pace of all targets.
pub(super) struct Pacing {
    limit: Limit,
    targets: Mutex<HashMap<IpAddr, Pace>>,
}

impl Pacing {
    /// `rate`: packets a second to one target.
    pub(super) fn new(rate: u32) -> Arc<Pacing> {
        Arc::new(Pacing {
            limit: Limit::of(rate),
            targets: Mutex::default(),
        })
    }

    fn with<T>(&self, target: IpAddr, what: impl FnOnce(&mut Pace, Instant) -> T) -> T {
        let now = Instant::now();
        let mut targets = lock(&self.targets);
        let pace = targets.entry(target);
        what(pace.or_insert_with(|| Pace::new(self.limit, now)), now)
    }

    /// Waits until so many packets more may leave.
    pub(super) async fn spend(&self, target: IpAddr, packets: u32, turn: Turn) {
        while let Some(wait) =
            self.with(target, |pace, now| pace.pay(self.limit, packets, turn, now))
        {
            tokio::time::sleep(wait).await;
        }
    }

    /// A packet left. What the kernel sends by itself, acknowledgements and resets, is paid for afterwards.
    pub(super) fn left_for(&self, target: IpAddr) {
        if let Some(pace) = lock(&self.targets).get_mut(&target) {
            pace.left();
        }
    }

    /// Until the guard is dropped, or [`AHEAD`] is over, only [`Turn::First`] leaves.
    pub(super) fn go_ahead(self: &Arc<Self>, target: IpAddr) -> Ahead {
        self.with(target, Pace::go_ahead);
        Ahead(self.clone(), target)
    }

    /// A round is over.
    pub(super) fn forget(&self) {
        lock(&self.targets).clear();
    }
}

/// While it lives, what is to be known first of a target leaves first.
pub struct Ahead(Arc<Pacing>, IpAddr);

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some(pace) = lock(&self.0.targets).get_mut(&self.1) {
            pace.ahead = pace.ahead.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{AHEAD, Limit, Pace, Turn};

    /// Asks every millisecond from `from` to `to`; how many packets may leave.
    fn leave(pace: &mut Pace, turn: Turn, from: Instant, to: Instant) -> u32 {
        let (mut now, mut count) = (from, 0);
        while now < to {
            match pace.pay(Limit::of(50), 1, turn, now) {
                None => count += 1,
                Some(_) => now += Duration::from_millis(1),
            }
        }
        count
    }

    #[test]
    fn no_more_than_the_rate_within_a_second_and_nearly_as_many() {
        let begun = Instant::now();
        let mut pace = Pace::new(Limit::of(50), begun);
        let second = begun + Duration::from_secs(1);
        let count = leave(&mut pace, Turn::Ordinary, begun, second);
        assert!((45..=50).contains(&count), "{count}");
    }

    #[test]
    fn what_the_kernel_sends_is_paid_for_afterwards() {
        let begun = Instant::now();
        let mut pace = Pace::new(Limit::of(50), begun);
        assert_eq!(pace.pay(Limit::of(50), 1, Turn::Ordinary, begun), None);
        for _ in 0..30 {
            pace.left();
        }
        let half = begun + Duration::from_millis(500);
        assert_eq!(leave(&mut pace, Turn::First, begun, half), 0);
    }

    #[test]
    fn what_a_verdict_waits_for_leaves_first_and_not_for_ever() {
        let begun = Instant::now();
        let mut pace = Pace::new(Limit::of(50), begun);
        pace.go_ahead(begun);
        let (soon, end) = (begun + AHEAD / 2, begun + AHEAD);
        assert_eq!(leave(&mut pace, Turn::Ordinary, begun, soon), 0);
        assert!(leave(&mut pace, Turn::First, soon, end) > 20);
        let later = end + Duration::from_millis(500);
        assert!(leave(&mut pace, Turn::Ordinary, end, later) > 10);
    }
}
