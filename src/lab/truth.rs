//! What is true about a scenario, written by hand from understanding and before the rule.
//!
//! It speaks of connections and look-ups by what they are, and of the frame of death by its meaning, so
//! that it holds for every recording of the scenario.

use std::net::IpAddr;

use serde::Deserialize;

/// The whole truth about a scenario.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Truth {
    /// What every judged connection must be; the first entry that fits one counts. A connection that fits none is an error.
    pub connection: Vec<ConnectionTruth>,
    /// The same for look-ups.
    pub lookup: Vec<LookupTruth>,
    /// Codes that must appear nowhere: not as verdict, finding or root cause.
    pub never: Vec<String>,
    /// The codes of the report's root causes, in any order; absent: not checked.
    pub root_causes: Option<Vec<String>>,
    /// Codes that must stand among the report's own findings.
    pub findings: Vec<String>,
}

/// What a connection must be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionTruth {
    /// Which: of this service.
    pub service: Option<String>,
    /// Which: to this port of the server.
    pub port: Option<u16>,
    /// Which: to this server.
    pub server: Option<IpAddr>,
    /// Which: the n-th of those that fit, from 1, in the order of their SYNs.
    pub nth: Option<usize>,
    /// How many fit; absent: at least one, 0: none.
    pub count: Option<usize>,
    /// `healthy`, `degraded`, `failed`, `incomplete`.
    pub outcome: Outcome,
    /// The verdict's code.
    pub code: String,
    /// Codes that are right as well, where the packets leave room (they stand in `alternatives`).
    pub or: Vec<String>,
    /// Whose doing it is.
    #[serde(rename = "where")]
    pub place: Option<Place>,
    /// The culprit's distance.
    pub hop: Option<u32>,
    /// The last distance that still got through.
    pub after_hop: Option<u32>,
    /// The verdict's frame, by meaning.
    pub death: Option<Death>,
    /// Codes that must stand among its findings.
    pub findings: Vec<String>,
    /// `check`.
    pub intent: Option<String>,
    /// The confidence must not exceed this.
    pub at_most: Option<f64>,
}

/// What a look-up must be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LookupTruth {
    /// Which: for this name.
    pub name: Option<String>,
    /// Which: of this type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Which: asked of this resolver.
    pub resolver: Option<IpAddr>,
    /// How many fit; absent: at least one, 0: none.
    pub count: Option<usize>,
    /// `healthy`, `degraded`, `failed`, `incomplete`.
    pub outcome: Outcome,
    /// The verdict's code.
    pub code: String,
    /// Codes that are right as well.
    pub or: Vec<String>,
    /// Whose doing it is.
    #[serde(rename = "where")]
    pub place: Option<Place>,
    /// The verdict's frame, by meaning.
    pub death: Option<Death>,
    /// Codes that must stand among its findings.
    pub findings: Vec<String>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did its work.
    #[default]
    Healthy,
    /// It did its work at a cost.
    Degraded,
    /// It did not.
    Failed,
    /// The evidence does not say.
    Incomplete,
}

impl Outcome {
    /// As reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Healthy => "healthy",
            Outcome::Degraded => "degraded",
            Outcome::Failed => "failed",
            Outcome::Incomplete => "incomplete",
        }
    }
}

/// Whose doing it is, `at.where` of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The client.
    Client,
    /// The server.
    Server,
    /// The resolver.
    Resolver,
    /// The path.
    Network,
    /// Not known.
    Unknown,
}

impl Place {
    /// As reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Place::Client => "client",
            Place::Server => "server",
            Place::Resolver => "resolver",
            Place::Network => "network",
            Place::Unknown => "unknown",
        }
    }
}

/// A verdict's frame by its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Death {
    /// The last SYN without ACK.
    LastSyn,
    /// The (first) SYN-ACK.
    SynAck,
    /// The last SYN-ACK.
    LastSynAck,
    /// The first RST of either side.
    Rst,
    /// The first FIN of the server.
    ServerFin,
    /// The first FIN of the client.
    ClientFin,
    /// The first ICMP error that quotes it.
    Icmp,
    /// The last query that was sent.
    LastQuery,
    /// The first answer to it.
    Answer,
    /// The last segment with data of the client.
    LastClientData,
    /// The last segment with data of the server.
    LastServerData,
    /// The first segment with data of the server.
    FirstServerData,
    /// The first segment with data of the client.
    FirstClientData,
    /// The ACK that completes the handshake.
    HandshakeAck,
    /// A segment that announces a window of 0.
    ZeroWindow,
    /// Any frame of the flow: only that there is one.
    Any,
}
