//! What a server staples about the revocation of its certificate, taken into the judgement of its chain.
//!
//! Nobody is asked: neither the issuer's responder nor its lists, which a probe was not told to reach. A server that staples its
//! own revocation is refused by every client that reads what it is sent. A response that cannot be believed is said, because
//! clients that look at it refuse it too, but proves nothing about the certificate.

use super::chain::{Fault, Judged};
use crate::base::Timestamp;
use crate::diagnosis::Code;
use crate::diagnosis::rules::tls::certificate_words as words;
use crate::proto::tls::{Status, revocation};

impl Judged {
    /// Takes in the OCSP response `staple` (DER; empty where none came) at the time `at`. The issuer is looked for in the chain
    /// and among `roots` (DER).
    pub fn heed(&mut self, staple: &[u8], roots: &[Vec<u8>], at: Timestamp) {
        let Some((leaf, rest)) = self.chain.split_first().filter(|_| !staple.is_empty()) else {
            return;
        };
        let others = rest.iter().map(|other| &*other.der);
        let others = others.chain(roots.iter().map(Vec::as_slice));
        let said = match revocation(staple, &leaf.der, others, at) {
            Ok(said) => said,
            Err(why) => {
                self.staple = Some(why.to_string());
                return;
            }
        };
        match said.status {
            Status::Good => {}
            Status::Unknown => {
                self.staple = Some(format!("{} does not know the certificate", said.responder));
            }
            Status::Revoked { since, reason } => {
                let text = format!(
                    "{}: so says the OCSP response of {} that the server staples, signed by {}.",
                    words::revoked(leaf, since, reason),
                    words::date(said.this_update),
                    said.responder
                );
                let fault = Fault {
                    code: Code::TlsCertRevoked,
                    sure: 0.97,
                    text,
                    otherwise: None,
                };
                // Behind dates and trust, before what only some clients look at.
                let behind = self.faults.iter().position(|fault| {
                    matches!(fault.code, Code::TlsCertWrongName | Code::TlsCertWeak)
                });
                self.faults
                    .insert(behind.unwrap_or(self.faults.len()), fault);
            }
        }
    }
}
