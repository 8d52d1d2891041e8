//! Records: what the engine hands back, in the shape of `mxray/report/v1`.
//!
//! They serialise to exactly what the contract prints, so no face has a model of its own. Unknown is null.

mod connection;
mod part;
mod path;
mod summary;

pub use connection::{
    CertificateInfo, Certificates, ConnectionRecord, EndpointInfo, Line, MailInfo, Pair,
    PerSideCount, PerSideMss, TcpInfo, TlsInfo,
};
pub use part::{
    AlternativeInfo, AtInfo, CodeOnly, EvidenceInfo, Moment, VerdictInfo, millis, two_digits,
};
pub use path::{HelloInfo, HopInfo, LossInfo, MtuInfo, PathRecord, TlsTaken};
pub use summary::{
    AttemptRecord, FindingRecord, LookupRecord, Record, RootCause, SourceRecord, Summary,
};
