//! Which look-up led to which connection: addresses back to the names that a client had asked for.

use std::net::IpAddr;

use arrayvec::ArrayVec;
use hashbrown::HashMap;

use crate::base::{Foreign, Mark, Nanos, Timestamp};

const REMEMBERED: usize = 65_536;
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
    /// Look-up keys (the desk's numbers).
    pub searches: Vec<u64>,
    /// The record numbers, once judged.
    pub used: Option<Mark>,
}

/// Names by client and address; the latest answer wins.
#[derive(Debug, Default)]
pub struct Names {
    found: HashMap<(IpAddr, IpAddr), Found, foldhash::fast::RandomState>,
    /// The latest mail connection of a client to an address: it mostly begins before its look-up is closed.
    uses: HashMap<(IpAddr, IpAddr), Mark, foldhash::fast::RandomState>,
    /// Where each client's latest mail connections began; the oldest goes first.
    opened: HashMap<IpAddr, ArrayVec<Mark, OPENED>, foldhash::fast::RandomState>,
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
        search: u64,
    ) {
        if self.found.len() >= REMEMBERED && !self.found.contains_key(&(client, address)) {
            return;
        }
        let found = self
            .found
            .entry((client, address))
            .or_insert_with(|| Found {
                name: name.clone(),
                answered,
                took,
                searches: Vec::new(),
                used: None,
            });
        if found.name != *name {
            found.searches.clear();
            found.used = None;
        }
        found.name = name.clone();
        found.answered = answered;
        found.took = took;
        if found.used.is_none() {
            let latest = self.uses.get(&(client, address)).copied();
            found.used = latest.filter(|mark| mark.time >= answered.time);
        }
        if found.searches.len() < 4 {
            found.searches.push(search);
        } else if let Some(last) = found.searches.last_mut() {
            *last = search;
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
        if self.uses.len() < REMEMBERED || self.uses.contains_key(&(client, address)) {
            self.uses.insert((client, address), mark);
        }
        if self.opened.len() < REMEMBERED || self.opened.contains_key(&client) {
            let opened = self.opened.entry(client).or_default();
            if opened.is_full() {
                opened.remove(0);
            }
            opened.push(mark);
        }
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
