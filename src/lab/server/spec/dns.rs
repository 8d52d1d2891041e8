//! What a scenario may say about a DNS server: what it knows and how it misbehaves.
//!
//! Nothing here acts and nothing here parses records.

use serde::Deserialize;

/// What a DNS server knows and how it misbehaves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsSpec {
    /// Records, one per line as in a zone file: `mail.example.net 300 A 192.0.2.10` (the TTL may be left out).
    /// A, AAAA, MX, CNAME, TXT, PTR, NS, SOA, SRV and TLSA are known. By default `example.net` with the mail server
    /// `mail.example.net` at the lab's usual addresses.
    #[serde(default = "default_zone")]
    pub zone: Vec<String>,
    /// Misbehaviour; the first rule that fits counts.
    #[serde(default)]
    pub rules: Vec<DnsRule>,
    /// Whether it vouches for DNSSEC validation (AD) to whoever asks for that.
    #[serde(default = "yes")]
    pub validates: bool,
    /// Whether TCP/53 is closed.
    #[serde(default)]
    pub no_tcp: bool,
    /// Whether UDP/53 is closed.
    #[serde(default)]
    pub no_udp: bool,
}

impl Default for DnsSpec {
    fn default() -> DnsSpec {
        DnsSpec {
            zone: default_zone(),
            rules: Vec::new(),
            validates: true,
            no_tcp: false,
            no_udp: false,
        }
    }
}

fn yes() -> bool {
    true
}

fn default_zone() -> Vec<String> {
    [
        "example.net SOA ns.example.net hostmaster.example.net 2026112301 3600 600 86400 300",
        "example.net MX 10 mail.example.net",
        "mail.example.net A 192.0.2.10",
        "mail.example.net AAAA 2001:db8:5::10",
        "10.2.0.192.in-addr.arpa PTR mail.example.net",
    ]
    .map(str::to_owned)
    .into()
}

/// One misbehaviour of a DNS server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsRule {
    /// Only for this name and what lies below it.
    pub name: Option<String>,
    /// Only for this type (`A`, `AAAA`, `MX` …).
    pub rtype: Option<String>,
    /// Only over this transport.
    pub transport: Option<DnsTransport>,
    /// Only for the first n fitting queries of each name and type.
    pub first: Option<u32>,
    /// Only for queries without CD (checking disabled): makes a DNSSEC failure.
    #[serde(default)]
    pub unless_cd: bool,
    /// What happens.
    #[serde(default)]
    pub action: DnsAction,
    /// Silence before the answer, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// The RCODE of `action = "rcode"` (RFC 6895; 16 and more need EDNS).
    pub rcode: Option<u16>,
    /// An Extended DNS Error to add (RFC 8914).
    pub ede: Option<u16>,
    /// Its text.
    #[serde(default)]
    pub ede_text: String,
    /// Records for `action = "forge"`: what the forged answer says, sent before the true one.
    #[serde(default)]
    pub answer: Vec<String>,
    /// Fills the answer with records of the asked type or TXT until it has at least this many bytes.
    pub pad_to: Option<usize>,
}

/// A DNS transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// What a DNS server does to a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsAction {
    /// Answers from the zone.
    #[default]
    Answer,
    /// Says nothing.
    Silence,
    /// RCODE 2.
    Servfail,
    /// RCODE 5.
    Refused,
    /// RCODE 3.
    Nxdomain,
    /// RCODE 0 without records.
    Nodata,
    /// RCODE of `rcode`.
    Rcode,
    /// TC=1 over UDP; over TCP the true answer.
    Truncate,
    /// The true answer under another id.
    WrongId,
    /// The true answer under another question.
    WrongQuestion,
    /// A header that promises more than follows.
    Malformed,
    /// First the answer of `answer`, then the true one.
    Forge,
    /// Over TCP: RST.
    Reset,
}
