//! The record of one connection.

use serde::Serialize;

use super::{Moment, VerdictInfo};
use crate::base::Foreign;

/// One TCP connection, judged.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionRecord {
    /// Number of the record, from 0.
    pub id: u64,
    /// The attempt it belongs to; null in a provisional record, where it is not known yet.
    pub attempt: Option<u64>,
    /// The source it was seen in.
    pub source: u32,
    /// `target`, or `control` for what a probe only measured as evidence.
    pub role: &'static str,
    /// Who asked.
    pub client: EndpointInfo,
    /// Who was asked.
    pub server: EndpointInfo,
    /// The service.
    pub service: &'static str,
    /// `implicit`, `starttls` or `plain`.
    pub tls_mode: &'static str,
    /// `check` for a load balancer or monitor.
    pub intent: Option<&'static str>,
    /// First frame.
    pub started: Moment,
    /// Last frame.
    pub ended: Moment,
    /// First stage not reached.
    pub stage: &'static str,
    /// Stages reached.
    pub reached: Vec<&'static str>,
    /// `healthy`, `degraded`, `failed`, `incomplete`.
    pub outcome: &'static str,
    /// The root cause.
    pub verdict: VerdictInfo,
    /// What else is worth saying.
    pub findings: Vec<VerdictInfo>,
    /// TCP in numbers.
    pub tcp: TcpInfo,
    /// TLS as far as it was visible.
    pub tls: Option<TlsInfo>,
    /// The dialogue in clear.
    pub mail: Option<MailInfo>,
    /// Differences between two capture points; null without two.
    pub compare: Option<()>,
    /// The stream's number in tshark for that source, for display filters; not in JSON.
    #[serde(skip)]
    pub stream: u64,
}

/// An address and port.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct EndpointInfo {
    /// Address.
    pub ip: String,
    /// Port.
    pub port: u16,
    /// Name, where one was looked up or named by SNI (servers only).
    #[serde(skip_serializing_if = "Pair::is_absent")]
    pub name: Pair,
}

/// A name that is printed for servers (null when unknown) and not at all for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pair {
    /// Not printed.
    Absent,
    /// Printed, null when unknown.
    Name(Option<Foreign>),
}

impl Pair {
    fn is_absent(&self) -> bool {
        *self == Pair::Absent
    }

    /// The name, if known.
    pub fn known(&self) -> Option<&Foreign> {
        match self {
            Pair::Name(Some(name)) => Some(name),
            _ => None,
        }
    }
}

impl Serialize for Pair {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.known().serialize(serializer)
    }
}

/// TCP in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct TcpInfo {
    /// Handshake round trip in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Segments by sender.
    pub segments: PerSideCount,
    /// Segments sent again by sender.
    pub retransmitted: PerSideCount,
    /// MSS announced by each side.
    pub mss: PerSideMss,
}

/// A count for each side.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub struct PerSideCount {
    /// The client's.
    pub client: u64,
    /// The server's.
    pub server: u64,
}

/// An MSS for each side, null when not seen.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub struct PerSideMss {
    /// The client's.
    pub client: Option<u16>,
    /// The server's.
    pub server: Option<u16>,
}

/// TLS as far as it was visible.
#[derive(Clone, Debug, Serialize)]
pub struct TlsInfo {
    /// Version chosen (or the highest offered, when no ServerHello was seen: null).
    pub version: Option<String>,
    /// Suite chosen.
    pub cipher: Option<String>,
    /// Name asked for.
    pub sni: Option<Foreign>,
    /// Protocol chosen.
    pub alpn: Option<Foreign>,
    /// JA4 fingerprint of the client.
    pub ja4: Option<Foreign>,
    /// Certificates as sent, leaf first.
    pub certificates: Certificates,
}

/// Certificates, leaf first.
pub type Certificates = Vec<CertificateInfo>;

/// One certificate.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateInfo {
    /// Subject.
    pub subject: Foreign,
    /// Issuer.
    pub issuer: Foreign,
    /// Start of validity.
    pub not_before: Moment,
    /// End of validity.
    pub not_after: Moment,
}

/// The dialogue in clear.
#[derive(Clone, Debug, Serialize)]
pub struct MailInfo {
    /// Server software.
    pub software: Option<Foreign>,
    /// What the server offered.
    pub capabilities: Vec<Foreign>,
    /// The account that logged in or tried to.
    pub user: Option<Foreign>,
    /// What was said, in order; bounded.
    pub transcript: Vec<Line>,
}

/// A line of the transcript.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Frame of its first byte.
    pub frame: u64,
    /// `client` or `server`.
    pub from: &'static str,
    /// The line; secrets masked.
    pub text: Foreign,
    /// When; for faces, not in JSON.
    #[serde(skip)]
    pub time: crate::base::Timestamp,
}
