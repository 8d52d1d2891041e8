//! How a scenario describes its path: both ends, and the hops between them.
//!
//! Everything has a default, so that `[[path.hop]]` alone is a router one millisecond away.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

use super::craft::Quote;
use super::link::LinkSpec;
use super::neighbor::Neighbor;

/// The path as a whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PathSpec {
    /// The client's addresses: 10.0.0.5 and 2001:db8:c::5.
    pub client: Vec<IpAddr>,
    /// All addresses that exist at the server's end: 192.0.2.10 the mail server, 192.0.2.53 the resolver,
    /// 192.0.2.25 for a proxy, and their like in 2001:db8:5::/64.
    pub server: Vec<IpAddr>,
    /// The MTU of the client's interface in bytes.
    pub client_mtu: u32,
    /// The MTU of the server's interface in bytes.
    pub server_mtu: u32,
    /// How the first hop behaves towards the client's ARP and NDP.
    pub client_neighbor: Neighbor,
    /// How the last hop behaves towards the server's.
    pub server_neighbor: Neighbor,
    /// Families (4, 6) for which the client has no default route.
    pub client_without_route: Vec<u8>,
    /// The routers, the client's first.
    pub hop: Vec<HopSpec>,
}

impl Default for PathSpec {
    fn default() -> PathSpec {
        let v6 = |net, host| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, host));
        let v4 = |host| IpAddr::V4(Ipv4Addr::new(192, 0, 2, host));
        PathSpec {
            client: vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)), v6(0xc, 5)],
            server: vec![
                v4(10),
                v4(11),
                v4(25),
                v4(53),
                v6(5, 0x10),
                v6(5, 0x11),
                v6(5, 0x25),
                v6(5, 0x53),
            ],
            client_mtu: 1500,
            server_mtu: 1500,
            client_neighbor: Neighbor::default(),
            server_neighbor: Neighbor::default(),
            client_without_route: Vec::new(),
            hop: vec![HopSpec::default(), HopSpec::default(), HopSpec::default()],
        }
    }
}

/// A router and the link behind it, on the server's side.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HopSpec {
    /// Its IPv4 address; by default 10.0.0.1 for the first hop and 203.0.113.N for hop N.
    pub address: Option<IpAddr>,
    /// Its IPv6 address; by default 2001:db8:c::1 for the first hop and 2001:db8:a::N for hop N.
    pub address6: Option<IpAddr>,
    /// It never sends ICMP.
    pub silent: bool,
    /// TTL of its ICMP when it leaves: 64 for Linux, 255 for most routers.
    pub icmp_ttl: u8,
    /// How much its ICMP errors quote.
    pub quote: Quote,
    /// ICMP errors per second at the most.
    pub icmp_rate: Option<u32>,
    /// Milliseconds that it takes over an ICMP error.
    pub icmp_delay_ms: f64,
    /// The link behind it.
    pub link: LinkSpec,
}

impl Default for HopSpec {
    fn default() -> HopSpec {
        HopSpec {
            address: None,
            address6: None,
            silent: false,
            icmp_ttl: 255,
            quote: Quote::default(),
            icmp_rate: None,
            icmp_delay_ms: 0.0,
            link: LinkSpec::default(),
        }
    }
}

impl PathSpec {
    /// The IPv4 address of a hop, counted from 0.
    pub fn hop_v4(&self, index: usize) -> IpAddr {
        let given = self.hop.get(index).and_then(|hop| hop.address);
        given.unwrap_or(match index {
            0 => IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
            n => IpAddr::V4(Ipv4Addr::new(203, 0, 113, (n + 1) as u8)),
        })
    }

    /// The IPv6 address of a hop, counted from 0.
    pub fn hop_v6(&self, index: usize) -> IpAddr {
        let given = self.hop.get(index).and_then(|hop| hop.address6);
        given.unwrap_or(match index {
            0 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 1)),
            n => IpAddr::V6(Ipv6Addr::new(
                0x2001,
                0xdb8,
                0xa,
                0,
                0,
                0,
                0,
                (n + 1) as u16,
            )),
        })
    }

    /// The gateways of the client: the first hop's addresses.
    pub fn client_gateways(&self) -> Vec<IpAddr> {
        vec![self.hop_v4(0), self.hop_v6(0)]
    }

    /// Those of them that the client has a default route over.
    pub fn client_routes(&self) -> Vec<IpAddr> {
        let mut gateways = self.client_gateways();
        gateways.retain(|gateway| {
            let family = if gateway.is_ipv4() { 4 } else { 6 };
            !self.client_without_route.contains(&family)
        });
        gateways
    }

    /// The gateways of the server: host 1 of its networks.
    pub fn server_gateways(&self) -> Vec<IpAddr> {
        let mut found: Vec<IpAddr> = Vec::new();
        for address in &self.server {
            let gateway = match address {
                IpAddr::V4(v4) => {
                    let [a, b, c, _] = v4.octets();
                    IpAddr::V4(Ipv4Addr::new(a, b, c, 1))
                }
                IpAddr::V6(v6) => {
                    let [a, b, c, d, ..] = v6.segments();
                    IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 1))
                }
            };
            if !found
                .iter()
                .any(|known| known.is_ipv4() == gateway.is_ipv4())
            {
                found.push(gateway);
            }
        }
        found
    }

    /// What makes the path impossible, if anything.
    pub fn check(&self) -> Result<(), String> {
        if self.hop.is_empty() || self.hop.len() > 30 {
            return Err("a path has between 1 and 30 hops".to_owned());
        }
        if self.client.is_empty() || self.server.is_empty() {
            return Err("both ends need an address".to_owned());
        }
        Ok(())
    }
}
