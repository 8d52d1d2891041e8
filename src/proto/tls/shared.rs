//! What all TLS decoders of an engine share: keys, and chains of certificates that were read before.
//!
//! A server sends the same chain to everyone, and reading it costs more than all the rest of a handshake because of its
//! signatures. What a chain says depends on its bytes alone, so it is read once; bounded.

use std::sync::{Arc, Mutex};

use super::facts::Certificate;
use super::keylog::KeyLog;
use crate::base::Remembered;

/// Chains remembered at the least.
const CHAINS: usize = 256;
/// Longer messages are read anew each time: memory stays below 2 × 256 × 16 KiB.
const LONGEST: usize = 16 << 10;

type Read = Remembered<Box<[u8]>, Arc<[Certificate]>>;

/// Shared by clones: one counter, since every connection has one.
#[derive(Clone, Default)]
pub struct Shared(Arc<Kept>);

#[derive(Default)]
struct Kept {
    keys: KeyLog,
    chains: Chains,
}

impl Shared {
    /// With that key log.
    pub fn with_keys(keys: KeyLog) -> Shared {
        let chains = Chains::default();
        Shared(Arc::new(Kept { keys, chains }))
    }

    pub(super) fn keys(&self) -> &KeyLog {
        &self.0.keys
    }

    pub(super) fn chains(&self) -> &Chains {
        &self.0.chains
    }
}

/// Certificate messages that were read before, of one version of the message.
pub(super) struct Chains(Mutex<[Read; 2]>);

impl Default for Chains {
    fn default() -> Chains {
        let empty = || Remembered::new(CHAINS);
        Chains(Mutex::new([empty(), empty()]))
    }
}

impl Chains {
    /// The chain in a Certificate message: as read before, else as `read` reads it. `tls13`: the form of the message.
    pub(super) fn of(
        &self,
        tls13: bool,
        body: &[u8],
        read: fn(&[u8]) -> Vec<Certificate>,
    ) -> Vec<Certificate> {
        let Ok(mut known) = self.0.lock() else {
            return read(body);
        };
        let [old, new] = &mut *known;
        let known = if tls13 { new } else { old };
        if let Some(chain) = known.get(body) {
            return chain.to_vec();
        }
        let chain = read(body);
        if body.len() <= LONGEST {
            known.insert(body.into(), chain.as_slice().into());
        }
        chain
    }
}
