//! Witnesses: what else came back, so that the absence of an answer means something.
//!
//! That a SYN was never answered proves nothing if the capture shows no answers at all. This keeps, per client,
//! when anything came back to it. Bounded; it judges nothing.

use std::net::IpAddr;

use crate::base::{Nanos, Remembered, SECOND, Solo, Timestamp};

/// Clients and servers that are remembered at the least: the latest ones. What fills a hash table of 65,536 places.
const ADDRESSES: usize = 57_344;
/// Stretches of time per client; the oldest is forgotten.
const STRETCHES: usize = 64;
/// Answers no further apart than this are one stretch.
const JOIN: Nanos = 30 * SECOND;

#[derive(Debug, Default)]
struct Client {
    /// When something came back, in order.
    answered: Solo<(Timestamp, Timestamp), STRETCHES>,
    one_way: u32,
    two_way: u32,
}

impl Client {
    /// Whether anything came back to it at any time.
    fn heard(&self) -> bool {
        !self.answered.is_empty()
    }
}

/// What came back to whom.
#[derive(Debug)]
pub struct Witness {
    clients: Remembered<IpAddr, Client>,
    /// Flows of all clients that were seen in one direction only, and whether any was seen in both.
    one_way: bool,
    two_way: bool,
}

impl Default for Witness {
    fn default() -> Witness {
        Witness {
            clients: Remembered::new(ADDRESSES),
            one_way: false,
            two_way: false,
        }
    }
}

impl Witness {
    /// Something from another host arrived for `client`.
    pub fn came_back(&mut self, client: IpAddr, time: Timestamp) {
        let client = self.clients.entry(client, Client::default);
        if let Some((start, end)) = client.answered.last_mut() {
            let apart = time.since(*end);
            if apart <= 0 && time >= *start {
                return;
            }
            if apart > 0 && apart <= JOIN {
                *end = time;
                return;
            }
        }
        if client.answered.is_full() {
            client.answered.remove(0);
        }
        let _ = client.answered.try_push((time, time));
    }

    /// A flow of `client` was seen to its end: both directions of it, or one.
    pub fn flow(&mut self, client: IpAddr, both_directions: bool) {
        self.one_way |= !both_directions;
        self.two_way |= both_directions;
        let client = self.clients.entry(client, Client::default);
        let count = if both_directions {
            &mut client.two_way
        } else {
            &mut client.one_way
        };
        *count = count.saturating_add(1);
    }

    /// Whether anything came back to `client` at most `within` before or after `time`.
    pub fn answered_near(&self, client: IpAddr, time: Timestamp, within: Nanos) -> bool {
        self.clients.get(&client).is_some_and(|client| {
            client.answered.iter().any(|(start, end)| {
                time.plus(within) >= *start && time.plus(within.saturating_neg()) <= *end
            })
        })
    }

    /// Flows of `client` that were seen in one direction only, and in both.
    pub fn directions(&self, client: IpAddr) -> (u32, u32) {
        self.clients
            .get(&client)
            .map_or((0, 0), |client| (client.one_way, client.two_way))
    }

    /// Whether flows of `client` were seen and every one in one direction only; or no flow of it, and all of others so.
    pub fn one_way(&self, client: IpAddr) -> bool {
        match self.directions(client) {
            (0, 0) => {
                self.one_way
                    && !self.two_way
                    && !self.clients.get(&client).is_some_and(Client::heard)
            }
            directions => matches!(directions, (1.., 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Witness;
    use crate::base::{SECOND, Timestamp};

    #[test]
    fn an_answer_a_minute_away_is_a_witness_and_one_further_is_not() {
        let client = "10.0.0.5".parse().unwrap();
        let at = |seconds: i64| Timestamp(seconds * SECOND);
        let mut witness = Witness::default();
        witness.came_back(client, at(100));
        witness.came_back(client, at(120));
        assert!(witness.answered_near(client, at(40), 60 * SECOND));
        assert!(witness.answered_near(client, at(180), 60 * SECOND));
        assert!(!witness.answered_near(client, at(181), 60 * SECOND));
        assert!(!witness.answered_near(client, at(39), 60 * SECOND));
    }
}
