//! The way out of this host: which next hop a destination has, so that its ARP and NDP belong to the evidence.
//!
//! Read from the kernel's main routing tables; it changes nothing. Policy routes are not looked into.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The next hop towards a destination: a gateway, or the destination itself on a link of ours. `None` where the tables
/// say nothing.
pub fn next_hop(to: IpAddr) -> Option<IpAddr> {
    match to {
        IpAddr::V4(to) => v4(&fs::read_to_string("/proc/net/route").ok()?, to).map(IpAddr::V4),
        IpAddr::V6(to) => v6(&fs::read_to_string("/proc/net/ipv6_route").ok()?, to).map(IpAddr::V6),
    }
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

/// /proc/net/route: addresses are hexadecimal words in the machine's byte order.
fn v4(table: &str, to: Ipv4Addr) -> Option<Ipv4Addr> {
    let word = |text: &str| {
        u32::from_str_radix(text, 16)
            .ok()
            .map(|word| Ipv4Addr::from(word.to_ne_bytes()))
    };
    let mut best: Option<(u32, u32, Ipv4Addr)> = None;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, destination, gateway, flags, _, _, metric, mask, ..] = fields.as_slice() else {
            continue;
        };
        let (Some(destination), Some(gateway), Some(mask)) =
            (word(destination), word(gateway), word(mask))
        else {
            continue;
        };
        let metric: u32 = metric.parse().unwrap_or(0);
        // RTF_UP.
        let up = u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 != 0);
        if !up || u32::from(to) & u32::from(mask) != u32::from(destination) {
            continue;
        }
        let length = u32::from(mask).count_ones();
        let via = if gateway.is_unspecified() {
            to
        } else {
            gateway
        };
        if best.is_none_or(|(known, cost, _)| length > known || length == known && metric < cost) {
            best = Some((length, metric, via));
        }
    }
    best.map(|(_, _, via)| via)
}

/// /proc/net/ipv6_route: 32 hexadecimal digits, prefix length in hexadecimal.
fn v6(table: &str, to: Ipv6Addr) -> Option<Ipv6Addr> {
    let address = |text: &str| u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from);
    let mut best: Option<(u32, Ipv6Addr)> = None;
    for line in table.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [
            destination,
            length,
            _,
            _,
            gateway,
            _,
            _,
            _,
            flags,
            device,
            ..,
        ] = fields.as_slice()
        else {
            continue;
        };
        let (Some(destination), Ok(length), Some(gateway)) = (
            address(destination),
            u32::from_str_radix(length, 16),
            address(gateway),
        ) else {
            continue;
        };
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        // RTF_UP; unreachable routes stand on lo with RTF_REJECT.
        let flags = u32::from_str_radix(flags, 16).unwrap_or(0);
        if flags & 1 == 0 || flags & 0x200 != 0 || *device == "lo" && length == 0 {
            continue;
        }
        if u128::from(to) & mask != u128::from(destination) {
            continue;
        }
        let via = if gateway.is_unspecified() {
            to
        } else {
            gateway
        };
        if best.is_none_or(|(known, _)| length > known) {
            best = Some((length, via));
        }
    }
    best.map(|(_, via)| via)
}

#[cfg(test)]
mod tests {
    use super::{v4, v6};

    #[test]
    fn the_longest_prefix_decides() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        if cfg!(target_endian = "little") {
            let hop = |to: &str| v4(table, to.parse().unwrap()).map(|hop| hop.to_string());
            assert_eq!(hop("192.0.2.10").as_deref(), Some("10.0.0.1"));
            assert_eq!(hop("10.0.0.9").as_deref(), Some("10.0.0.9"));
        }
        let table = "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\n\
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n\
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n";
        let hop = |to: &str| v6(table, to.parse().unwrap()).map(|hop| hop.to_string());
        assert_eq!(hop("2001:db8::5").as_deref(), Some("2001:db8::5"));
        assert_eq!(hop("2001:db8:5::10").as_deref(), Some("2001:db8::1"));
    }
}
