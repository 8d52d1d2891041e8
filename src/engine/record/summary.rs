//! Records around the connections: sources, look-ups, attempts, findings, the summary.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{AtInfo, CodeOnly, ConnectionRecord, Moment, PathRecord, VerdictInfo};
use crate::base::Foreign;

/// Anything that the engine hands back; `"record"` names it in NDJSON.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "record", rename_all = "lowercase")]
#[allow(clippy::large_enum_variant)] // a look-up is common and short-lived: boxing it would cost more than it saves
pub enum Record {
    /// An input, when it is finished.
    Source(SourceRecord),
    /// A look-up.
    Lookup(LookupRecord),
    /// A connection.
    Connection(Box<ConnectionRecord>),
    /// An attempt, when it is complete.
    Attempt(AttemptRecord),
    /// A finding that belongs to no connection and no look-up.
    Finding(FindingRecord),
    /// A path that a probe measured.
    Path(PathRecord),
    /// The end.
    Summary(Summary),
}

/// An input.
#[derive(Clone, Debug, Serialize)]
pub struct SourceRecord {
    /// Number, from 0.
    pub id: u32,
    /// `file`, `stdin`, `interface`, `lab`.
    pub kind: &'static str,
    /// Its name.
    pub name: Foreign,
    /// `pcap`, `pcapng`.
    pub format: Option<&'static str>,
    /// Frames read.
    pub packets: u64,
    /// Bytes of these frames on the wire.
    pub bytes: u64,
    /// First frame's time.
    pub first: Option<Moment>,
    /// Last frame's time.
    pub last: Option<Moment>,
    /// Frames that the capture itself says it lost.
    pub dropped: u64,
    /// What is wrong with the input; null when nothing is.
    pub damage: Option<String>,
    /// What the reader has to know of how it was measured; left out when there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A look-up.
#[derive(Clone, Debug, Serialize)]
pub struct LookupRecord {
    /// Number, from 0.
    pub id: u64,
    /// The attempt it belongs to; null in a provisional record, where it is not known yet.
    pub attempt: Option<u64>,
    /// Who asked.
    pub client: String,
    /// Who was asked.
    pub resolver: String,
    /// `udp` or `tcp`: the transport of the last try.
    pub transport: &'static str,
    /// The name.
    pub name: Foreign,
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The RCODE; null without an answer.
    pub rcode: Option<String>,
    /// What was answered: addresses, targets.
    pub answers: Vec<Foreign>,
    /// Queries sent.
    pub tries: u32,
    /// From the first query to the answer.
    pub rtt_ms: Option<f64>,
    /// When the first query was sent; for faces, not in JSON.
    #[serde(skip)]
    pub started: Moment,
    /// `healthy`, `degraded`, `failed`, `incomplete`.
    pub outcome: &'static str,
    /// The root cause.
    pub verdict: VerdictInfo,
    /// What else is worth saying.
    pub findings: Vec<VerdictInfo>,
    /// The source.
    pub source: u32,
    /// Frames of the query and the answer, and tries between.
    pub frames: Vec<u64>,
}

/// What a client did for one purpose.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptRecord {
    /// Number, from 0.
    pub id: u64,
    /// Who.
    pub client: String,
    /// The service; null for look-ups alone.
    pub service: Option<&'static str>,
    /// Name or address of what it wanted.
    pub target: Foreign,
    /// How it ended.
    pub outcome: &'static str,
    /// Why.
    pub verdict: CodeOnly,
    /// Connections, in order.
    pub connections: Vec<u64>,
    /// Look-ups, in order.
    pub lookups: Vec<u64>,
}

/// A finding that belongs to no connection and no look-up.
#[derive(Clone, Debug, Serialize)]
pub struct FindingRecord {
    /// The source it is about.
    pub source: Option<u32>,
    /// The finding.
    #[serde(flatten)]
    pub verdict: VerdictInfo,
}

/// One fault behind any number of connections.
#[derive(Clone, Debug, Serialize)]
pub struct RootCause {
    /// The code.
    pub code: &'static str,
    /// Its class.
    pub class: Option<&'static str>,
    /// Where.
    pub at: AtInfo,
    /// Connections that died of it.
    pub connections: Vec<u64>,
    /// Look-ups that died of it.
    pub lookups: Vec<u64>,
    /// How many attempts it cost; further connections are only counted beyond the bound on the lists.
    #[serde(skip)]
    pub attempts: u64,
    /// One sentence.
    pub text: String,
    /// What to do.
    pub advice: Vec<String>,
}

/// The verdict of the run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Attempts judged.
    pub attempts: u64,
    /// Connections judged.
    pub connections: u64,
    /// Attempts that were healthy.
    pub healthy: u64,
    /// Attempts that were degraded.
    pub degraded: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts of which too little was seen.
    pub incomplete: u64,
    /// Connections and look-ups that are not mail.
    pub other: u64,
    /// Connections of load balancers and monitors.
    pub checks: u64,
    /// Verdicts of attempts, counted.
    pub by_code: BTreeMap<&'static str, u64>,
    /// What is behind it all, most harmful first.
    pub root_causes: Vec<RootCause>,
}
