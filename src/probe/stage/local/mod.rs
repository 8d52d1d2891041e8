//! The way out of this host: route, device, source address, next hop, and what of it keeps packets from leaving.
//!
//! Asked of the kernel for each destination, so policy rules and VRFs count. It changes nothing. What is missing here is no
//! fault of the path, and is said with the setting that is missing.

mod kernel;
mod rules;

use std::fs;
use std::net::{IpAddr, SocketAddr};

pub use kernel::{Neighbor, RouteKind};
pub use rules::{Rules, Wanted};

use crate::diagnosis::{At, Claim, Code, Proof, Weight, Where};
use crate::probe::context::Context;

/// The main routing table.
const MAIN: u32 = 254;
/// The table of this host's own addresses.
const OWN: u32 = 255;

/// The way out towards one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// The device's name.
    pub device: String,
    /// Its index.
    pub index: u32,
    /// Our address.
    pub source: Option<IpAddr>,
    /// The next hop: a gateway, or the destination itself on a link of ours.
    pub next_hop: IpAddr,
    /// The routing table, where it is not the main one.
    pub table: Option<u32>,
    /// The VRF (or other master) that the device is part of.
    pub master: Option<String>,
    /// The largest IP packet that leaves.
    pub mtu: Option<u32>,
    /// The destination is this host.
    pub is_here: bool,
}

impl WayOut {
    /// In words, as part of evidence.
    pub fn says(&self) -> String {
        let mut text = format!("by {} over {}", self.device, self.next_hop);
        if let Some(source) = self.source {
            text = format!("{text} from {source}");
        }
        if let Some(table) = self.table {
            text = format!("{text}, routing table {table}");
        }
        if let Some(master) = &self.master {
            text = format!("{text}, part of {master}");
        }
        text
    }
}

/// Why nothing can leave towards a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoWay {
    /// No route.
    NoRoute,
    /// A route that refuses: `unreachable`, `blackhole`, `prohibit`.
    Refused(&'static str),
    /// The interface that was asked for does not exist.
    NoDevice(String),
    /// The device is switched off.
    Down(String),
    /// The device has no link.
    NoCarrier(String),
    /// The source address that was asked for is on no interface.
    NoSource(IpAddr),
}

impl NoWay {
    /// In words; `to` names the destination.
    fn says(&self, to: &str) -> String {
        match self {
            NoWay::NoRoute => format!("This host has no route to {to}."),
            NoWay::Refused(kind) => format!("The route of this host to {to} refuses it ({kind})."),
            NoWay::NoDevice(name) => format!("There is no interface {name}."),
            NoWay::Down(name) => format!("The route to {to} leaves by {name}, which is down."),
            NoWay::NoCarrier(name) => {
                format!(
                    "The route to {to} leaves by {name}, which has no carrier: no cable, or the other end is off."
                )
            }
            NoWay::NoSource(source) => {
                format!("The source address {source} is on no interface of this host.")
            }
        }
    }

    fn advice(&self, to: IpAddr) -> String {
        let family = if to.is_ipv4() { "-4" } else { "-6" };
        match self {
            NoWay::NoRoute => format!("Add a route (a default gateway): see ip {family} route"),
            NoWay::Refused(_) => format!("Remove that route: see ip {family} route get {to}"),
            NoWay::NoDevice(_) => "Name an interface that ip link shows".to_owned(),
            NoWay::Down(name) => format!("Switch it on: ip link set {name} up"),
            NoWay::NoCarrier(name) => format!("Look at the cable or at the other end of {name}"),
            NoWay::NoSource(_) => "Give an address that ip address shows".to_owned(),
        }
    }
}

/// The kernel's choice, for a source and a device where they were asked for. `Err(None)`: the kernel could not be asked.
pub fn way_out(
    to: IpAddr,
    source: Option<IpAddr>,
    interface: Option<&str>,
) -> Result<WayOut, Option<NoWay>> {
    let bound = match interface.map(|name| (name, kernel::index(name))) {
        None => None,
        Some((_, Ok(index))) => Some(index),
        Some((name, Err(_))) => return Err(Some(NoWay::NoDevice(name.to_owned()))),
    };
    let source = source.filter(|source| source.is_ipv4() == to.is_ipv4());
    let route = match kernel::route(to, source, bound) {
        Ok(route) => route,
        Err(error) => {
            // A route look-up refuses a source that is nobody's, in several words (RFC 1122 3.2.1.3).
            if let Some(nobody) = source
                && kernel::route(to, None, bound).is_ok()
            {
                return Err(Some(NoWay::NoSource(nobody)));
            }
            return Err(match error.raw_os_error() {
                Some(libc::ENETUNREACH | libc::ESRCH) => Some(NoWay::NoRoute),
                Some(libc::EHOSTUNREACH) => Some(NoWay::Refused("unreachable")),
                Some(libc::EACCES) => Some(NoWay::Refused("prohibit")),
                Some(libc::EINVAL) => Some(NoWay::Refused("blackhole")),
                _ => None,
            });
        }
    };
    if let RouteKind::Refuse(kind) = route.kind {
        return Err(Some(match kind {
            // Nothing else matched: IPv6 says so with a route of its own.
            "unreachable" if route.device.is_none() => NoWay::NoRoute,
            kind => NoWay::Refused(kind),
        }));
    }
    let index = route.device.ok_or(None)?;
    let device = kernel::device(index).map_err(|_| None)?;
    if !device.up {
        return Err(Some(NoWay::Down(device.name)));
    }
    let here = route.kind == RouteKind::Local;
    if device.carrier == Some(false) && !here {
        return Err(Some(NoWay::NoCarrier(device.name)));
    }
    let master = device.master.and_then(|master| kernel::device(master).ok());
    Ok(WayOut {
        device: device.name,
        index,
        source: source.or(route.source),
        next_hop: route.gateway.unwrap_or(to),
        table: Some(route.table).filter(|table| !matches!(*table, 0 | MAIN | OWN)),
        master: master.map(|master| master.name),
        mtu: route.mtu.or(device.mtu),
        is_here: here,
    })
}

/// The next hop towards a destination: a gateway, or the destination itself on a link of ours.
pub fn next_hop(to: IpAddr) -> Option<IpAddr> {
    way_out(to, None, None)
        .ok()
        .filter(|way| !way.is_here)
        .map(|way| way.next_hop)
}

/// How far the next hop's hardware address is known; `None` where nobody asked for it, or the kernel says nothing.
pub fn neighbor(way: &WayOut) -> Option<Neighbor> {
    kernel::neighbor(way.next_hop, way.index).ok()
}

/// Whether this host forwards packets of others: then its own address is measured, not its rules for them.
pub fn forwards() -> bool {
    [
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/net/ipv6/conf/all/forwarding",
    ]
    .iter()
    .any(|path| fs::read_to_string(path).is_ok_and(|text| text.trim() == "1"))
}

/// Says that nothing leaves towards these addresses, because the setting is missing here; `role` is what the destination is to
/// this host, if no server: `resolver`.
pub fn no_way(context: &Context, to: IpAddr, role: Option<&str>, why: &NoWay) {
    let whom = match role {
        Some(role) => format!("the {role} {to}"),
        None => to.to_string(),
    };
    let claim = Claim::new(
        Code::RouteNone,
        At::of(Where::Client),
        Proof::Measured("route look-up", context.now()),
        0.99,
        why.says(&whom),
    )
    .weighing(Weight::Finding)
    .shown_by(format!(
        "the kernel was asked for its route to {to}: nothing was sent"
    ))
    .advise(why.advice(to));
    context.finding(claim);
}

/// The next hop does not answer for its address.
pub fn no_neighbor(context: &Context, to: IpAddr, way: &WayOut) {
    let asks = if way.next_hop.is_ipv4() {
        "ARP"
    } else {
        "neighbour discovery"
    };
    let claim = Claim::new(
        Code::RouteNeighborUnresolved,
        At::address(Where::Network, way.next_hop),
        Proof::Measured("neighbour table", context.now()),
        0.95,
        format!(
            "The next hop {} on {} does not answer {asks}: nothing can leave for {to}.",
            way.next_hop, way.device
        ),
    )
    .weighing(Weight::Finding)
    .shown_by(format!(
        "the kernel asked for {} on {} and gave up; no packet to {to} was seen to leave",
        way.next_hop, way.device
    ))
    .advise(format!(
        "Check that {} is up and on the same network as {} (address, mask, VLAN)",
        way.next_hop, way.device
    ));
    context.finding(claim);
}

/// Why no TCP connection to an address can be made, whatever the routes are. `bound`: a device was asked for, which says on which
/// link a link-local address is.
pub fn unusable(to: SocketAddr, bound: bool) -> Option<&'static str> {
    match to {
        // RFC 1122 4.2.3.10: TCP is for two hosts.
        SocketAddr::V4(v4) if v4.ip().is_broadcast() => Some("it is every host's address"),
        _ if to.ip().is_multicast() => Some("it is a multicast group's address"),
        // RFC 4007 11.
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 && !bound => {
            Some("it is link-local, and on which link is not said")
        }
        _ => None,
    }
}

/// The kernel makes no connection to such an address.
pub fn no_server(context: &Context, to: SocketAddr, why: &str) {
    let claim = Claim::new(
        Code::RouteNone,
        At::of(Where::Client),
        Proof::Measured("kind of address", context.now()),
        0.97,
        format!("No host connects to {}: {why}. Nothing was sent.", to.ip()),
    )
    .weighing(Weight::Finding)
    .shown_by(format!("the address {} itself", to.ip()))
    .advise(format!(
        "Publish or use another address of the server than {}",
        to.ip()
    ));
    context.finding(claim);
}

/// Nothing of ours was seen to leave towards a server although the kernel tries: a rule of this host holds it back.
pub fn held_back(context: &Context, to: SocketAddr, way: &WayOut, rule: Option<&str>) {
    let own = format!(
        "On this host nothing leaves for TCP port {} of {}",
        to.port(),
        to.ip()
    );
    let summary = match rule {
        Some(rule) => format!("{own}: {rule}."),
        None => format!("{own}, although there is a route: a filter of its own holds it back."),
    };
    let mut claim = Claim::new(
        Code::TcpDropped,
        At {
            place: Where::Client,
            address: way.source,
            hop: None,
            after_hop: Some(0),
        },
        Proof::Measured("capture on the way out", context.now()),
        if rule.is_some() { 0.97 } else { 0.9 },
        summary,
    )
    .weighing(Weight::Finding)
    .shown_by(format!("SYNs were handed to the kernel ({}), none was seen on the interface; other packets to {} were", way.says(), to.ip()));
    claim = match rule {
        Some(_) => claim.advise("Change that rule (nft list ruleset)"),
        None => claim.advise(
            "Look at nft list ruleset, iptables-save, and at cgroup or eBPF filters of this host",
        ),
    };
    context.finding(claim);
}

/// Questions to a resolver that this host does not let go, although there is a way.
pub fn question_held_back(context: &Context, resolver: IpAddr, way: &WayOut, rule: Option<&str>) {
    let own = format!("On this host no question leaves for the resolver {resolver}");
    let summary = match rule {
        Some(rule) => format!("{own}: {rule}."),
        None => format!("{own}, although there is a route: a filter of its own holds it back."),
    };
    let at = At {
        place: Where::Client,
        address: way.source,
        hop: None,
        after_hop: Some(0),
    };
    let proof = Proof::Measured("capture on the way out", context.now());
    let sure = if rule.is_some() { 0.97 } else { 0.9 };
    let claim = Claim::new(Code::DnsBlocked, at, proof, sure, summary)
        .weighing(Weight::Finding)
        .shown_by(format!(
            "questions to UDP port 53 were handed to the kernel ({}), none was seen on the interface",
            way.says()
        ))
        .advise(match rule {
            Some(_) => "Change that rule (nft list ruleset)".to_owned(),
            None => format!(
                "Allow UDP and TCP port 53 to {resolver}: see nft list ruleset, iptables-save, and cgroup or eBPF filters of this host"
            ),
        });
    context.finding(claim);
}

/// The name of a device.
pub fn device_name(index: u32) -> Option<String> {
    kernel::device(index).ok().map(|device| device.name)
}

/// On a host that forwards, what was measured is its own way, not that of those behind it.
pub fn said_of_router(context: &Context, targets: &str) {
    if forwards() {
        context.caution(format!(
            "this host forwards packets of others: its own address was measured, not its forwarding rules; run `mxray probe {targets}` on a client behind it for those"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::unusable;

    #[test]
    fn who_cannot_be_connected_to_is_not_looked_for() {
        let why = |to: &str, bound| unusable(to.parse().expect("an endpoint"), bound);
        for to in [
            "255.255.255.255:25",
            "224.0.0.9:25",
            "[ff02::1]:25",
            "[fe80::1]:25",
        ] {
            assert!(why(to, false).is_some(), "{to}");
        }
        // With a device, the link is known.
        assert!(why("[fe80::1%2]:25", false).is_none() && why("[fe80::1]:25", true).is_none());
        for to in [
            "192.0.2.25:25",
            "169.254.1.1:25",
            "[fd00::1]:25",
            "[2001:db8::25]:25",
        ] {
            assert!(why(to, false).is_none(), "{to}");
        }
    }
}
