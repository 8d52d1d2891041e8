//! Which look-up led to which connection: addresses back to the names that a client had asked for.

use std::net::IpAddr;

use crate::base::{Few, Foreign, Mark, Nanos, Remembered, Timestamp};

/// Pairs of client and address, and clients, that are remembered at the least: what fills a hash table of 32,768 places.
const REMEMBERED: usize = 28_672;
/// Beginnings remembered of each client.
const OPENED: usize = 8;

/// A name that a client had looked up for an address.
#[derive(Clone, Debug)]
pub struct Found {
    /// The name asked for.
    pub name: Foreign,
    /// When it was answered.
    pub answered: Mark,
    /// How long the answer took.
    pub took: Nanos,
    /// Where a mail connection used it.
    pub used: Option<Mark>,
}

/// Names by client and address; the latest answer wins.
#[derive(Debug)]
pub struct Names {
    found: Remembered<(IpAddr, IpAddr), Found>,
    /// The latest mail connection of a client to an address: it mostly begins before its look-up is closed.
    uses: Remembered<(IpAddr, IpAddr), Mark>,
    /// Where each client's latest mail connections began; the oldest goes first.
    opened: Remembered<IpAddr, Few<Mark, OPENED>>,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            found: Remembered::new(REMEMBERED),
            uses: Remembered::new(REMEMBERED),
            opened: Remembered::new(REMEMBERED),
        }
    }
}

impl Names {
    /// An answer gave `address` to `client` for `name`.
    pub fn answered(
        &mut self,
        client: IpAddr,
        address: IpAddr,
        name: &Foreign,
        answered: Mark,
        took: Nanos,
    ) {
        let found = self.found.entry((client, address), || Found {
            name: name.clone(),
            answered,
            took,
            used: None,
        });
        if found.name != *name {
            found.name = name.clone();
            found.used = None;
        }
        found.answered = answered;
        found.took = took;
        if found.used.is_none() {
            let latest = self.uses.get(&(client, address)).copied();
            found.used = latest.filter(|mark| mark.time >= answered.time);
        }
    }

    /// Where `client` opened a mail connection within `span` after `time`.
    pub fn went_on(&self, client: IpAddr, time: Timestamp, span: Nanos) -> Option<Mark> {
        self.opened
            .get(&client)?
            .iter()
            .copied()
            .find(|mark| (0..=span).contains(&mark.time.since(time)))
    }

    /// A mail connection of `client` to `address` begins.
    pub fn use_address(&mut self, client: IpAddr, address: IpAddr, mark: Mark) {
        self.uses.insert((client, address), mark);
        let opened = self.opened.entry(client, Few::new);
        if opened.is_full() {
            opened.remove(0);
        }
        let _ = opened.try_push(mark);
        if let Some(found) = self.found.get_mut(&(client, address)) {
            found.used.get_or_insert(mark);
        }
    }

    /// What `client` had asked for before it opened a connection to `address` at `time`.
    pub fn of(&self, client: IpAddr, address: IpAddr, time: Timestamp) -> Option<&Found> {
        self.found
            .get(&(client, address))
            .filter(|found| found.answered.time <= time)
    }
}
