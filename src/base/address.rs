//! Addresses as text.
//!
//! Every record names a few, and the formatter of the standard library takes more time for one than for the rest of a line. It
//! exists for that alone and writes nothing else than the standard library does.

use std::net::{IpAddr, SocketAddr};

/// The text of an address, as `to_string` writes it.
pub fn ip_text(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else {
        return address.to_string();
    };
    let mut text = String::with_capacity(15);
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        let digit = |value: u8| char::from(b'0'.saturating_add(value % 10));
        if octet >= 100 {
            text.push(digit(octet / 100));
        }
        if octet >= 10 {
            text.push(digit(octet / 10));
        }
        text.push(digit(octet));
    }
    text
}

/// The text of an address and port, as `to_string` writes it.
pub fn socket_text(address: SocketAddr) -> String {
    if address.is_ipv6() {
        return address.to_string();
    }
    let mut text = ip_text(address.ip());
    text.reserve_exact(":65535".len());
    text.push(':');
    let port = address.port();
    for unit in [10_000, 1_000, 100, 10, 1] {
        if port >= unit || unit == 1 {
            text.push(char::from(b'0'.saturating_add((port / unit % 10) as u8)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{ip_text, socket_text};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    #[test]
    fn as_the_standard_library_has_it() {
        for octet in 0..=255_u8 {
            let address = IpAddr::V4(Ipv4Addr::new(octet, 255 - octet, 10, octet / 2));
            assert_eq!(ip_text(address), address.to_string());
        }
        let address = IpAddr::V6(Ipv6Addr::LOCALHOST);
        assert_eq!(ip_text(address), "::1");
        for port in [0, 7, 25, 587, 4_190, 50_007, u16::MAX] {
            for ip in [address, IpAddr::V4(Ipv4Addr::LOCALHOST)] {
                let socket = SocketAddr::new(ip, port);
                assert_eq!(socket_text(socket), socket.to_string());
            }
        }
    }
}
