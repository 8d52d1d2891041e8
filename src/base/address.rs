//! Addresses as text.
//!
//! Every record names a few, and the formatter of the standard library takes more time for one than for the rest of a line. It
//! exists for that alone and writes nothing else than the standard library does.

use std::net::IpAddr;

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

#[cfg(test)]
mod tests {
    use super::ip_text;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    #[test]
    fn as_the_standard_library_has_it() {
        for octet in 0..=255_u8 {
            let address = IpAddr::V4(Ipv4Addr::new(octet, 255 - octet, 10, octet / 2));
            assert_eq!(ip_text(address), address.to_string());
        }
        let address = IpAddr::V6(Ipv6Addr::LOCALHOST);
        assert_eq!(ip_text(address), "::1");
    }
}
