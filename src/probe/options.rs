//! What the user decides about a probe, without a word of how it was typed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::auth::Login;

/// A stage that can be chosen or left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StageName {
    /// Names and resolvers.
    Dns,
    /// Ports: open, refused, reset, prohibited, dropped.
    Tcp,
    /// Where on the path.
    Trace,
    /// What sizes pass.
    Mtu,
    /// How many packets are lost.
    Loss,
    /// Encryption and certificates.
    Tls,
    /// The dialogue.
    Mail,
    /// Logging in.
    Auth,
}

impl StageName {
    /// All of them, in the order of a connection.
    pub const ALL: [StageName; 8] = [
        StageName::Dns,
        StageName::Tcp,
        StageName::Trace,
        StageName::Mtu,
        StageName::Loss,
        StageName::Tls,
        StageName::Mail,
        StageName::Auth,
    ];

    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            StageName::Dns => "dns",
            StageName::Tcp => "tcp",
            StageName::Trace => "trace",
            StageName::Mtu => "mtu",
            StageName::Loss => "loss",
            StageName::Tls => "tls",
            StageName::Mail => "mail",
            StageName::Auth => "auth",
        }
    }
}

/// Which IP families are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// Both.
    #[default]
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl Families {
    /// Whether an address may be used.
    pub fn allow(self, address: IpAddr) -> bool {
        match self {
            Families::Both => true,
            Families::V4 => address.is_ipv4(),
            Families::V6 => address.is_ipv6(),
        }
    }
}

/// Everything that was asked for.
#[derive(Clone)]
pub struct Options {
    /// Resolvers to ask; empty: those of the system.
    pub resolvers: Vec<IpAddr>,
    /// The interface that packets leave by.
    pub interface: Option<String>,
    /// The source address.
    pub source: Option<IpAddr>,
    /// The source port of the first target connection.
    pub source_port: Option<u16>,
    /// DSCP of what is sent, 0–63.
    pub dscp: u8,
    /// Families.
    pub families: Families,
    /// Stages that are run; empty: all.
    pub only: Vec<StageName>,
    /// Stages that are left out.
    pub skip: Vec<StageName>,
    /// The whole run ends by then.
    pub deadline: Duration,
    /// Packets per second for each target.
    pub rate: u32,
    /// Ladders, sweeps and long series as well.
    pub intensive: bool,
    /// Look for the settings that domains publish: their autoconfig documents, and usual names.
    pub discover: bool,
    /// Who logs in.
    pub login: Option<Arc<Login>>,
    /// Log in again although this account was rejected within 15 minutes.
    pub auth_again: bool,
    /// Recipients to ask the server about (MAIL, RCPT, never DATA).
    pub to: Vec<String>,
    /// The sender of that question.
    pub from: Option<String>,
    /// Zones to ask about our and the server's address.
    pub blocklists: Vec<String>,
    /// Measure how long a silent connection survives.
    pub idle: bool,
    /// Trust anchors beside the system's, in DER.
    pub roots: Arc<Vec<Vec<u8>>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            resolvers: Vec::new(),
            interface: None,
            source: None,
            source_port: None,
            dscp: 0,
            families: Families::Both,
            only: Vec::new(),
            skip: Vec::new(),
            deadline: Duration::from_secs(60),
            rate: 50,
            intensive: false,
            discover: false,
            login: None,
            auth_again: false,
            to: Vec::new(),
            from: None,
            blocklists: Vec::new(),
            idle: false,
            roots: Arc::default(),
        }
    }
}

impl Options {
    /// Whether a stage is to be run.
    pub fn wants(&self, stage: StageName) -> bool {
        // What a stage stands on is wanted with it: all but names need the port, a login the words and the layer that it goes through.
        let stands_on = |wanted: &StageName| match stage {
            StageName::Tcp => *wanted != StageName::Dns,
            StageName::Tls | StageName::Mail => *wanted == StageName::Auth,
            _ => false,
        };
        let chosen =
            self.only.is_empty() || self.only.contains(&stage) || self.only.iter().any(stands_on);
        chosen && !self.skip.contains(&stage)
    }
}
