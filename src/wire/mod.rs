//! Floor 0: frame bytes to layers, and back.
//!
//! Link types, VLAN, tunnels, IPv4 and IPv6 with fragments, TCP, UDP, ICMP, ARP and NDP. It knows
//! single frames only: no flow, no state but the pieces of a fragmented datagram.

pub mod craft;
mod dissect;
mod glance;
mod icmp;
mod ip;
mod link;
mod packet;
mod plain;
mod reassembler;
mod rest;
mod tcp;
#[cfg(test)]
mod tests;
mod tunnel;
mod wlan;

pub use dissect::dissect;
pub use glance::{Glance, glance};
pub use icmp::{says_port_closed, says_undelivered};
pub use packet::{
    Arp, CutQuote, Fragment, Icmp, Ip, Link, Neighbor, Net, Packet, Quote, Stop, StopReason, Tcp,
    TcpFlags, TcpOptions, Transport, Tunnel, Udp,
};
pub use reassembler::{Datagram, Reassembler, ReassemblyCounts};
