//! How a scenario names its faults.
//!
//! ```toml
//! [[fault]]
//! hop = 2
//! match = { port = 25, toward = "server" }
//! action.reset = { ttl = 255 }
//! ```

use std::net::IpAddr;

use serde::Deserialize;

use super::super::matching::Match;
use super::Fault;
use super::address::{Nat, NatSpec, Readdress, Redirect, RedirectSpec};
use super::content::{DnsForge, ForgeSpec, SmtpFixup, StripStartTls};
use super::filter::{Bleach, Delay, Drop, Loop, Repeat};
use super::forget::{ForgetIdle, ForgetSpec};
use super::options::{ClampMss, StripOptions, TcpOption};
use super::reject::{Prohibit, ProhibitSpec, Reset, ResetSpec};
use super::sequence::{Randomise, RandomiseSpec, SynProxy, SynProxySpec};
use super::share::{RateLimit, RateSpec, Split, SplitSpec};
use super::shorten::DeleteStartTls;

/// One fault: where, about what, and what it does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// The hop that has it, from 1.
    pub hop: usize,
    /// Which packets; without conditions all.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// It stands before the router, and sees packets before their TTL is looked at and before they may be too big.
    #[serde(default)]
    pub ingress: bool,
    /// What it does.
    pub action: Action,
}

/// What a fault does.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// The packet vanishes.
    Drop,
    /// A TCP reset in its stead.
    Reset(ResetSpec),
    /// An ICMP error in its stead.
    Prohibit(ProhibitSpec),
    /// It is sent to another hop (from 1) and back, until its TTL is used up.
    Loop {
        /// The other router.
        with: usize,
    },
    /// It is forwarded later, in milliseconds.
    Delay {
        /// By so much.
        ms: f64,
    },
    /// It is forwarded twice.
    Repeat {
        /// Milliseconds between the two.
        after_ms: f64,
    },
    /// Packets beyond a rate vanish.
    RateLimit(RateSpec),
    /// Flows are spread over branches, of which one is dead.
    Split(SplitSpec),
    /// The DSCP is overwritten.
    BleachDscp {
        /// By this code point.
        #[serde(default)]
        to: u8,
        /// ECN is cleared as well.
        #[serde(default)]
        ecn: bool,
    },
    /// Flows are forgotten when they were silent.
    ForgetIdle(ForgetSpec),
    /// Source addresses and ports are translated.
    Nat(NatSpec),
    /// Another server answers in the server's name: a transparent proxy.
    Redirect(RedirectSpec),
    /// The source address is replaced, as by a NAT that forgot to translate back.
    Readdress {
        /// By this one.
        source: IpAddr,
    },
    /// TCP options are overwritten with NOPs in SYN and SYN-ACK.
    StripOptions {
        /// Which.
        options: Vec<TcpOption>,
    },
    /// The MSS option is lowered.
    ClampMss {
        /// To so many bytes.
        mss: u16,
    },
    /// Sequence numbers are shifted.
    RandomiseSequence(RandomiseSpec),
    /// The device answers SYNs itself and connects onward afterwards.
    SynProxy(SynProxySpec),
    /// The SMTP dialogue is masked as by Cisco's ESMTP inspection.
    SmtpFixup {
        /// The banner becomes `220 ***…`.
        #[serde(default = "yes")]
        banner: bool,
        /// Unknown EHLO keywords become `XXX…A`.
        #[serde(default = "yes")]
        keywords: bool,
        /// Unknown commands become `XXXX…`.
        #[serde(default = "yes")]
        commands: bool,
    },
    /// STARTTLS and STLS are overwritten in what the server offers.
    StripStarttls,
    /// They are taken out of it, and nothing tells of that.
    DeleteStarttls,
    /// A DNS query is answered by the hop, in the resolver's name.
    DnsForge(ForgeSpec),
}

fn yes() -> bool {
    true
}

impl Action {
    /// The fault that does it.
    pub fn build(&self) -> Box<dyn Fault> {
        match self.clone() {
            Action::Drop => Box::new(Drop),
            Action::Reset(spec) => Box::new(Reset::new(spec)),
            Action::Prohibit(spec) => Box::new(Prohibit::new(spec)),
            Action::Loop { with } => Box::new(Loop::new(with.saturating_sub(1))),
            Action::Delay { ms } => Box::new(Delay::new(ms)),
            Action::Repeat { after_ms } => Box::new(Repeat::new(after_ms)),
            Action::RateLimit(spec) => Box::new(RateLimit::new(spec)),
            Action::Split(spec) => Box::new(Split::new(spec)),
            Action::BleachDscp { to, ecn } => Box::new(Bleach::new(to, ecn)),
            Action::ForgetIdle(spec) => Box::new(ForgetIdle::new(spec)),
            Action::Nat(spec) => Box::new(Nat::new(spec)),
            Action::Redirect(spec) => Box::new(Redirect::new(spec)),
            Action::Readdress { source } => Box::new(Readdress::new(source)),
            Action::StripOptions { options } => Box::new(StripOptions::new(options)),
            Action::ClampMss { mss } => Box::new(ClampMss::new(mss)),
            Action::RandomiseSequence(spec) => Box::new(Randomise::new(spec)),
            Action::SynProxy(spec) => Box::new(SynProxy::new(spec)),
            Action::SmtpFixup {
                banner,
                keywords,
                commands,
            } => Box::new(SmtpFixup::new(banner, keywords, commands)),
            Action::StripStarttls => Box::new(StripStartTls),
            Action::DeleteStarttls => Box::new(DeleteStartTls::default()),
            Action::DnsForge(spec) => Box::new(DnsForge::new(spec)),
        }
    }

    /// The address whose packets come straight to this hop, if the action brings in another server.
    pub fn shortcut(&self) -> Option<IpAddr> {
        match self {
            Action::Redirect(spec) => Some(spec.to),
            _ => None,
        }
    }
}
