//! TLS as far as it is visible: records, hellos, certificates up to TLS 1.2, alerts, record sizes.

mod facts;

pub use facts::{
    Alert, Certificate, ClientHello, Handshake, OpaqueRecord, Refusal, ServerHello, TlsFacts,
    Version,
};
