//! What is trusted here: the system's roots and what `--roots` adds.
//!
//! It reads the store that the mail programs of this machine read as well (`rustls-native-certs`: SSL_CERT_FILE,
//! SSL_CERT_DIR, else the distribution's bundle), once, before privileges are given up. A store that cannot be read
//! is said, because without it every certificate looks untrusted.

use std::sync::Arc;

/// The roots, DER, and where they came from.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// All of them.
    pub der: Arc<Vec<Vec<u8>>>,
    /// How many the system gave.
    pub of_system: usize,
    /// How many `--roots` gave.
    pub given: usize,
    /// Why the system gave none or not all, if so.
    pub trouble: Option<String>,
}

impl Roots {
    /// Reads the system's store and adds `given`.
    pub fn load(given: &[Vec<u8>]) -> Roots {
        let found = rustls_native_certs::load_native_certs();
        let mut der: Vec<Vec<u8>> = found.certs.iter().map(|root| root.to_vec()).collect();
        let of_system = der.len();
        der.extend(given.iter().cloned());
        Roots {
            der: Arc::new(der),
            of_system,
            given: given.len(),
            trouble: found.errors.first().map(ToString::to_string),
        }
    }

    /// Whether "not trusted" means anything: an empty store trusts nobody.
    pub fn can_judge(&self) -> bool {
        !self.der.is_empty()
    }
}
