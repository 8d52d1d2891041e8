//! The record of a path that a probe walked: hops, size, loss.

use serde::{Deserialize, Serialize};

/// A path to one address and port, as one flow sees it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct PathRecord {
    /// The address.
    pub target: String,
    /// The port; null where no port was used.
    pub port: Option<u16>,
    /// What was found at each distance, nearest first.
    pub hops: Vec<HopInfo>,
    /// What sizes pass; null when not measured.
    pub mtu: Option<MtuInfo>,
    /// How many packets are lost; null when not measured.
    pub loss: Option<LossInfo>,
    /// What TLS passes there; null when not measured (`--intensive`).
    #[serde(default)]
    pub tls: Option<TlsTaken>,
}

/// What TLS a server takes, as hellos on connections of their own found out.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct TlsTaken {
    /// Versions, the oldest first.
    pub versions: Vec<String>,
    /// Versions that drew neither a choice nor an alert, and what came instead.
    pub unknown_versions: Vec<String>,
    /// Suites by their IANA names, in the server's order where it has one.
    pub suites: Vec<String>,
    /// Groups by their IANA names.
    pub groups: Vec<String>,
    /// What a hello without a server name got; null when there is no name.
    pub without_name: Option<String>,
    /// Hellos of other sizes and splits.
    pub hellos: Vec<HelloInfo>,
    /// Why the ladder was left before its end; null when it was not.
    pub left: Option<String>,
}

/// A hello of another size or split.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct HelloInfo {
    /// What it was.
    pub hello: String,
    /// What it got.
    pub answer: String,
    /// The server's own answer came.
    pub passes: bool,
}

/// What answered at one distance.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct HopInfo {
    /// The distance.
    pub ttl: u8,
    /// Who answered; null when nobody did.
    pub address: Option<String>,
    /// The fastest round trip in milliseconds.
    pub rtt_ms: Option<f64>,
    /// The share of packets that nobody answered, 0–1. A router may also just be slow to complain.
    pub loss: Option<f64>,
    /// Packets sent with this distance.
    pub sent: u32,
    /// Packets answered.
    pub answered: u32,
}

/// What sizes pass.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct MtuInfo {
    /// The largest IP packet that reaches the target, in bytes.
    pub forward: Option<u16>,
    /// The largest IP packet that comes back, in bytes.
    pub backward: Option<u16>,
    /// The last hop that bigger packets still reach, where they vanish without a word.
    pub blackhole_after_hop: Option<u8>,
}

/// Loss with its 95 % interval, as shares of 1.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct LossInfo {
    /// Lost of sent.
    pub rate: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// How many were sent.
    pub sent: u32,
}
