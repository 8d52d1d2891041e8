//! TLS as far as it is visible: records, hellos, certificates up to TLS 1.2, alerts, record sizes.
//!
//! It exists so that a handshake's death can be placed without keys, and looks inside where a key log
//! has them. It judges nothing and opens no trust store.

mod assembler;
mod certificate;
mod cipher;
mod dane;
mod decoder;
mod decrypt;
mod facts;
mod hello;
mod holder;
mod inside;
mod ja4;
mod keylog;
mod names;
mod ocsp;
mod p521;
mod progress;
mod reader;
mod record;
mod shared;
#[cfg(test)]
mod tests;
mod trust;

pub use certificate::{certificate, same_authority};
pub use dane::{Dane, TlsaRecord, dane};
pub use decoder::Decoder;
pub use facts::{
    Alert, Certificate, ClientHello, Handshake, Inside, OpaqueRecord, Refusal, ServerHello,
    TlsFacts, Version,
};
pub use holder::{ChainJudge, KeyHolder};
pub use inside::Piece;
pub use keylog::KeyLog;
pub use names::{alert_name, cipher_name, group_name};
pub use ocsp::{Revocation, Status, Unusable, revocation};
pub use p521::{ECDSA_P521_SHA256, ECDSA_P521_SHA384, ECDSA_P521_SHA512};
pub use record::{looks_like_client_hello, looks_like_record};
pub use shared::Shared;
pub use trust::{ChainFault, NameMatch, chain_verifies, name_match, name_matches};
