//! What the kernel says about the way out: the route it would take (policy rules and VRFs included), its device, the next hop's
//! hardware address.
//!
//! Three requests of rtnetlink (RFC 3549; rtnetlink(7)), each answered by one message. It changes nothing.

use std::io::{self, Read as _};
use std::net::IpAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// NETLINK_ROUTE.
const ROUTE: i32 = 0;
/// An answer's bytes at the most.
const ANSWER: usize = 32 << 10;
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;

/// What a route does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// It forwards them.
    Forward,
    /// They stay on this host.
    Local,
    /// `unreachable`, `prohibit`, `blackhole`, `throw`: it refuses them.
    Refuse(&'static str),
}

/// A route, as the kernel chose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What it does.
    pub kind: RouteKind,
    /// The device's index.
    pub device: Option<u32>,
    /// The next hop; none where the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The source address.
    pub source: Option<IpAddr>,
    /// The routing table: 254 is the main one.
    pub table: u32,
    /// The route's own MTU.
    pub mtu: Option<u32>,
}

/// A device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Switched on.
    pub up: bool,
    /// It has a link; unknown for some virtual ones.
    pub carrier: Option<bool>,
    /// Bytes of an IP packet.
    pub mtu: Option<u32>,
    /// The device that it is part of: a VRF, a bridge, a bond.
    pub master: Option<u32>,
}

/// How far the next hop's hardware address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbor {
    /// Known, or being confirmed.
    Known,
    /// Asked for, and not answered yet.
    Asking,
    /// Asked for, and not answered.
    Failed,
}

/// The route towards an address, by a device where one is wanted. The error is the kernel's: ENETUNREACH is no route.
pub fn route(to: IpAddr, source: Option<IpAddr>, device: Option<u32>) -> io::Result<Route> {
    let mut body = vec![family(to), bits(to), source.map_or(0, bits), 0, 0, 0, 0, 0];
    body.extend(0u32.to_ne_bytes());
    attribute(&mut body, 1, &octets(to));
    if let Some(source) = source.filter(|source| source.is_ipv4() == to.is_ipv4()) {
        attribute(&mut body, 2, &octets(source));
    }
    if let Some(device) = device {
        attribute(&mut body, 4, &device.to_ne_bytes());
    }
    let answer = ask(RTM_GETROUTE, RTM_NEWROUTE, &body)?;
    read_route(&answer).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// A device by its index.
pub fn device(index: u32) -> io::Result<Device> {
    let mut body = vec![0u8; 4];
    body.extend(index.to_ne_bytes());
    body.extend([0u8; 8]);
    let answer = ask(RTM_GETLINK, RTM_NEWLINK, &body)?;
    read_device(&answer).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// The index of a device by its name.
pub fn index(name: &str) -> io::Result<u32> {
    let name =
        std::ffi::CString::new(name).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: the name is a string that ends with a zero byte and lives until the call returns.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    match index {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// What is known of a neighbour on a device; an error where nothing is.
pub fn neighbor(address: IpAddr, device: u32) -> io::Result<Neighbor> {
    let mut body = vec![family(address), 0, 0, 0];
    body.extend(device.to_ne_bytes());
    body.extend([0u8; 4]);
    attribute(&mut body, 1, &octets(address));
    let answer = ask(RTM_GETNEIGH, RTM_NEWNEIGH, &body)?;
    let state = answer
        .get(8..10)
        .and_then(|bytes| Some(u16::from_ne_bytes(bytes.try_into().ok()?)));
    // NUD_INCOMPLETE, NUD_FAILED.
    Ok(match state.unwrap_or(0) {
        state if state & 0x01 != 0 => Neighbor::Asking,
        state if state & 0x20 != 0 => Neighbor::Failed,
        _ => Neighbor::Known,
    })
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => libc::AF_INET as u8,
        IpAddr::V6(_) => libc::AF_INET6 as u8,
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(4);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Sends a request and gives back the body of the first answer of that type.
fn ask(kind: u16, wanted: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let domain = Domain::from(libc::AF_NETLINK);
    let mut socket = Socket::new(domain, Type::RAW, Some(Protocol::from(ROUTE)))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut request = Vec::with_capacity(HEADER + body.len());
    request.extend(
        u32::try_from(HEADER + body.len())
            .unwrap_or(0)
            .to_ne_bytes(),
    );
    request.extend(kind.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    request.extend(1u32.to_ne_bytes());
    request.extend(0u32.to_ne_bytes());
    request.extend(body);
    socket.send(&request)?;
    let mut buffer = vec![0u8; ANSWER];
    let count = socket.read(&mut buffer)?;
    buffer.truncate(count);
    let word = |at: usize| -> Option<u32> {
        Some(u32::from_ne_bytes(buffer.get(at..at + 4)?.try_into().ok()?))
    };
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let length = word(0).ok_or_else(invalid)? as usize;
    let answered = (word(4).ok_or_else(invalid)? & 0xffff) as u16;
    let answered = if cfg!(target_endian = "big") {
        (word(4).ok_or_else(invalid)? >> 16) as u16
    } else {
        answered
    };
    if answered == NLMSG_ERROR {
        let number = word(HEADER).ok_or_else(invalid)? as i32;
        return Err(io::Error::from_raw_os_error(-number));
    }
    if answered != wanted {
        return Err(invalid());
    }
    buffer
        .get(HEADER..length)
        .map(<[u8]>::to_vec)
        .ok_or_else(invalid)
}

/// Calls `each` with the attributes behind a fixed part.
fn attributes<'a>(answer: &'a [u8], fixed: usize, mut each: impl FnMut(u16, &'a [u8])) {
    let mut rest = answer.get(fixed..).unwrap_or_default();
    while let [l0, l1, k0, k1, ..] = rest {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        // The upper bits say nested and byte order.
        let kind = u16::from_ne_bytes([*k0, *k1]) & 0x3fff;
        let Some(value) = rest.get(4..length) else {
            return;
        };
        each(kind, value);
        let Some(next) = rest.get(length.next_multiple_of(4)..) else {
            return;
        };
        rest = next;
    }
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

fn address(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}

fn read_route(answer: &[u8]) -> Option<Route> {
    let [_, _, _, _, table, _, _, kind, ..] = *answer else {
        return None;
    };
    let mut route = Route {
        // rtnetlink(7), rtm_type.
        kind: match kind {
            2 => RouteKind::Local,
            6 => RouteKind::Refuse("blackhole"),
            7 => RouteKind::Refuse("unreachable"),
            8 => RouteKind::Refuse("prohibit"),
            9 => RouteKind::Refuse("throw"),
            _ => RouteKind::Forward,
        },
        device: None,
        gateway: None,
        source: None,
        table: u32::from(table),
        mtu: None,
    };
    attributes(answer, 12, |kind, value| match kind {
        4 => route.device = number(value),
        5 => route.gateway = address(value),
        7 => route.source = address(value),
        15 => route.table = number(value).unwrap_or(route.table),
        // RTA_VIA: a next hop of the other family.
        18 => route.gateway = value.get(2..).and_then(address),
        8 => attributes(value, 0, |metric, value| {
            if metric == 2 {
                route.mtu = number(value);
            }
        }),
        _ => {}
    });
    Some(route)
}

fn read_device(answer: &[u8]) -> Option<Device> {
    let flags = number(answer.get(8..12)?)?;
    let mut device = Device {
        up: flags & 1 != 0,
        ..Device::default()
    };
    attributes(answer, 16, |kind, value| match kind {
        3 => {
            let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
            device.name = String::from_utf8_lossy(name).into_owned();
        }
        4 => device.mtu = number(value),
        10 => device.master = number(value),
        33 => device.carrier = value.first().map(|carrier| *carrier != 0),
        _ => {}
    });
    Some(device)
}

#[cfg(test)]
mod tests {
    use super::{RouteKind, attribute, device, read_route, route};

    #[test]
    fn this_host_knows_a_way_to_itself() {
        let found = route("127.0.0.1".parse().unwrap(), None, None).expect("a route");
        assert_eq!(found.kind, RouteKind::Local);
        let lo = device(found.device.expect("a device")).expect("lo");
        assert_eq!((lo.name.as_str(), lo.up), ("lo", true));
        assert!(lo.mtu.is_some_and(|mtu| mtu >= 1_500));
    }

    #[test]
    fn a_route_is_read_and_a_cut_one_is_not() {
        let mut body = vec![2, 32, 0, 0, 254, 0, 0, 7, 0, 0, 0, 0];
        attribute(&mut body, 15, &100u32.to_ne_bytes());
        attribute(&mut body, 5, &[10, 0, 0, 1]);
        let found = read_route(&body).expect("a route");
        assert_eq!(found.kind, RouteKind::Refuse("unreachable"));
        assert_eq!(
            (found.table, found.gateway),
            (100, Some([10, 0, 0, 1].into()))
        );
        body.truncate(22);
        assert_eq!(read_route(&body).expect("its beginning").gateway, None);
        assert_eq!(read_route(&body[..5]), None);
    }
}
