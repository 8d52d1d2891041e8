//! A verifier that lets every certificate through and remembers it: what it would have said is said afterwards.
//!
//! A probe wants to know what lies behind a bad certificate and must not leave a half-open handshake at a production server,
//! so the handshake is finished and the session ends with QUIT. Signatures of the handshake are checked all the same: who
//! does not hold the key is no server. What is sent to a server so accepted is never a credential; `auth` sees to that.

use std::sync::{Arc, Mutex};

use rustls::Error;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::chain::{self, Identity, Judged};
use crate::base::Timestamp;
use crate::proto::tls::ChainJudge;

/// The chain as sent, leaf first, once the server's Certificate message was read.
pub type Sent = Vec<Vec<u8>>;

/// The chain, and the OCSP response that came with it (DER; empty if none did).
type Shown = (Sent, Vec<u8>);

/// Takes every chain; the caller keeps a clone and asks it afterwards.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    seen: Arc<Mutex<Option<Shown>>>,
}

impl Recorder {
    /// The chain, leaf first; `None` when no Certificate message came.
    pub fn chain(&self) -> Option<Sent> {
        let seen = self.seen.lock().ok()?;
        seen.as_ref().map(|(sent, _)| sent.clone())
    }

    /// What the chain and what was stapled to it are worth; `None` when no Certificate message came.
    pub fn judged(&self, roots: &[Vec<u8>], who: &Identity, at: Timestamp) -> Option<Judged> {
        let seen = self.seen.lock().ok()?;
        let (sent, staple) = seen.as_ref()?;
        let mut judged = chain::judge(sent, roots, who, at);
        judged.heed(staple, roots, at);
        Some(judged)
    }
}

impl ChainJudge for Recorder {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        staple: &[u8],
        _now: UnixTime,
    ) -> Result<(), Error> {
        if let Ok(mut seen) = self.seen.lock() {
            let all = std::iter::once(leaf).chain(rest);
            let sent = all.map(|certificate| certificate.to_vec()).collect();
            *seen = Some((sent, staple.to_vec()));
        }
        Ok(())
    }
}
