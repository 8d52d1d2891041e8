//! Addresses as text.
//!
//! Every record names a few, and the formatter of the standard library takes more time for one than for the rest of a line. It
//! exists for that alone and writes nothing else than the standard library does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest text: a mapped address in brackets with a port has as many characters as this, or fewer.
const LONGEST: usize = 64;

/// Text in the making, without a heap.
struct Text {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Text {
    fn new() -> Text {
        Text {
            bytes: [0; LONGEST],
            length: 0,
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length = self.length.saturating_add(1);
        }
    }

    /// A port in decimal.
    fn port(&mut self, value: u16) {
        for unit in [10_000, 1_000, 100, 10, 1] {
            if value >= unit || unit == 1 {
                self.push(b'0'.saturating_add((value / unit % 10) as u8));
            }
        }
    }

    /// An octet in decimal.
    fn octet(&mut self, value: u8) {
        let digit = |value: u8| b'0'.saturating_add(value % 10);
        if value >= 100 {
            self.push(digit(value / 100));
        }
        if value >= 10 {
            self.push(digit(value / 10));
        }
        self.push(digit(value));
    }

    /// A number in hexadecimal.
    fn hexadecimal(&mut self, value: u16) {
        for shift in [12, 8, 4, 0] {
            if value >> shift != 0 || shift == 0 {
                self.push(match (value >> shift & 0xF) as u8 {
                    digit @ 0..10 => b'0'.saturating_add(digit),
                    letter => (b'a' - 10).saturating_add(letter),
                });
            }
        }
    }

    fn ip(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.v4(address),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(mapped) => {
                    b"::ffff:".iter().for_each(|byte| self.push(*byte));
                    self.v4(mapped);
                }
                None => self.v6(address),
            },
        }
    }

    fn v4(&mut self, address: Ipv4Addr) {
        let [a, b, c, d] = address.octets();
        self.octet(a);
        for octet in [b, c, d] {
            self.push(b'.');
            self.octet(octet);
        }
    }

    /// The first of the longest runs of zeros is left out where it has two groups at least (RFC 5952 4.2).
    fn v6(&mut self, address: Ipv6Addr) {
        let groups = address.segments();
        let (mut from, mut length, mut run) = (0_usize, 1_usize, 0_usize);
        for (place, group) in groups.iter().enumerate() {
            run = if *group == 0 {
                run.saturating_add(1)
            } else {
                0
            };
            if run > length {
                (from, length) = (place.saturating_add(1).saturating_sub(run), run);
            }
        }
        let left_out = match length {
            0 | 1 => 8..8,
            _ => from..from.saturating_add(length),
        };
        for (place, group) in groups.iter().enumerate() {
            if place == left_out.start {
                self.push(b':');
            }
            if left_out.contains(&place) {
                continue;
            }
            if place > 0 {
                self.push(b':');
            }
            self.hexadecimal(*group);
        }
        if left_out.end == 8 && !left_out.is_empty() {
            self.push(b':');
        }
    }

    fn into_string(self) -> String {
        let text = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default().to_owned()
    }
}

/// The text of an address, as `to_string` writes it.
pub fn ip_text(address: IpAddr) -> String {
    let mut text = Text::new();
    text.ip(address);
    text.into_string()
}

/// The text of an address and port, as `to_string` writes it where there is no scope.
pub fn socket_text(address: SocketAddr) -> String {
    if matches!(address, SocketAddr::V6(scoped) if scoped.scope_id() != 0) {
        return address.to_string();
    }
    let mut text = Text::new();
    let brackets = address.is_ipv6();
    if brackets {
        text.push(b'[');
    }
    text.ip(address.ip());
    if brackets {
        text.push(b']');
    }
    text.push(b':');
    text.port(address.port());
    text.into_string()
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
        // Every pattern of groups that are zero and not, and the forms that are written in a way of their own.
        for pattern in 0..=255_u16 {
            for value in [1, 0xa, 0x10, 0xdb8, 0xffff, 0x9ab] {
                let mut place = 0;
                let groups = [(); 8].map(|()| {
                    place += 1;
                    if pattern >> (place - 1) & 1 == 1 {
                        value
                    } else {
                        0
                    }
                });
                let address = IpAddr::V6(groups.into());
                assert_eq!(ip_text(address), address.to_string());
                let socket = SocketAddr::new(address, value);
                assert_eq!(socket_text(socket), socket.to_string());
            }
        }
        for text in ["::ffff:192.0.2.1", "::192.0.2.1", "64:ff9b::1", "fe80::1%3"] {
            let socket: SocketAddr = format!("[{text}]:25").parse().unwrap();
            assert_eq!(ip_text(socket.ip()), socket.ip().to_string());
            assert_eq!(socket_text(socket), socket.to_string());
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
