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

/// Shared by clones.
#[derive(Clone, Default)]
pub struct Shared {
    /// The key log.
    pub keys: KeyLog,
    chains: Chains,
}

impl Shared {
    /// With that key log.
    pub fn with_keys(keys: KeyLog) -> Shared {
        Shared {
            keys,
            chains: Chains::default(),
        }
    }

    pub(super) fn chains(&self) -> Chains {
        self.chains.clone()
    }
}

/// Certificate messages that were read before, of one version of the message.
#[derive(Clone)]
pub(super) struct Chains(Arc<Mutex<[Read; 2]>>);

impl Default for Chains {
    fn default() -> Chains {
        let empty = || Remembered::new(CHAINS);
        Chains(Arc::new(Mutex::new([empty(), empty()])))
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
