//! What the kernel lets through: mail, DNS, ICMP, ARP and NDP, and everything that may hold them.
//!
//! It exists so that a firewall's other traffic does not reach user space. A filter that hides a piece of mail makes wrong
//! verdicts, so whatever the kernel cannot look into is let through whole: fragments, tunnels, labels, second VLAN tags.

use std::fmt::Write as _;

use pcap::{Active, Capture};

/// UDP ports of tunnels that are read: L2TP, GTP-U, Teredo, VXLAN (RFC 7348 and Linux), VXLAN-GPE, Geneve (RFC 8926).
pub const TUNNEL_PORTS: [u16; 7] = [1701, 2152, 3544, 4789, 8472, 4790, 6081];
/// IP protocols that hold another packet: IPv4, IPv6, GRE, AH.
const TUNNEL_PROTOCOLS: [u8; 4] = [4, 41, 47, 51];
/// IPv6 extension headers: the language of filters does not follow them (RFC 8200 4).
const EXTENSIONS: [u8; 4] = [0, 43, 44, 60];
/// Ethertypes that hold another packet: PPPoE, MPLS, PPP, I-TAG, NSH.
const TUNNEL_TYPES: [u16; 6] = [0x8864, 0x8847, 0x8848, 0x880b, 0x88e7, 0x894f];
/// VLAN tags.
const TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

/// What is to be let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterPlan {
    /// Everything (`--all`).
    Everything,
    /// Mail on these TCP ports, and what explains it.
    Mail(Vec<u16>),
    /// What the user's filter matches, and what explains it.
    Own(String),
}

impl FilterPlan {
    /// What is left out, as a sentence for the user; `None` when nothing is.
    pub fn leaves_out(&self) -> Option<String> {
        match self {
            FilterPlan::Everything => None,
            FilterPlan::Mail(ports) => {
                let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
                Some(format!(
                    "captured are TCP ports {}, DNS, ICMP, ARP and NDP, fragments and tunnels; all else is left out \
                     (--ports names other ports, --all captures everything)",
                    ports.join(", ")
                ))
            }
            FilterPlan::Own(text) => Some(format!(
                "captured is what matches `{text}`, with DNS, ICMP, ARP and NDP, fragments and tunnels; all else is left out"
            )),
        }
    }

    /// Sets it on a capture. An error is libpcap's sentence about the user's filter.
    pub(super) fn set(&self, capture: &mut Capture<Active>) -> Result<(), String> {
        let wanted = match self {
            FilterPlan::Everything => return Ok(()),
            FilterPlan::Mail(ports) => ports
                .iter()
                .map(|port| format!("tcp port {port}"))
                .collect::<Vec<_>>()
                .join(" or "),
            FilterPlan::Own(text) => {
                // By itself first, so that the error is about what the user wrote.
                capture
                    .compile(text, true)
                    .map_err(|error| error.to_string())?;
                format!("({text})")
            }
        };
        let mut last = String::new();
        for expression in expressions(&wanted) {
            match capture.filter(&expression, true) {
                Ok(()) => return Ok(()),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }
}

/// From the most exact to one that every link type can hold.
fn expressions(wanted: &str) -> [String; 3] {
    let around = around();
    let mut types = String::new();
    for kind in TUNNEL_TYPES {
        let _ = write!(types, " or ether proto {kind:#x}");
    }
    let mut tags = String::new();
    for tag in TAGS {
        let _ = write!(tags, " or ether proto {tag:#x}");
    }
    let all = format!("{wanted} or arp or {around}{types}");
    [
        // `vlan` moves what follows it behind the tag: one tag is looked behind, two are let through.
        format!("({all}) or (vlan and ({all} or vlan))"),
        // Cooked frames have an ethertype, but tags cannot be looked behind.
        format!("{all}{tags}"),
        // Bare IP.
        format!("{wanted} or {around}"),
    ]
}

/// What is let through beside mail, of any link type that has IP.
fn around() -> String {
    // Fragments but the first have no ports (RFC 791 3.1); the first is found by its port or protocol.
    let mut text = "port 53 or icmp or icmp6 or (ip and ip[6:2] & 0x1fff != 0)".to_owned();
    for protocol in TUNNEL_PROTOCOLS {
        let _ = write!(text, " or ip proto {protocol} or ip6 proto {protocol}");
    }
    for header in EXTENSIONS {
        let _ = write!(text, " or ip6 proto {header}");
    }
    for port in TUNNEL_PORTS {
        let _ = write!(text, " or udp port {port}");
    }
    text
}
