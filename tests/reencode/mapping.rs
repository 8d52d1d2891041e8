//! Other addresses and ports for the same packets: a bijection, checksums left as they are (offloaded ones are normal).

use crate::support::{Captured, Kept};

/// Another address of the same kind: private stays private, documentation stays documentation.
fn mapped(address: [u8; 4]) -> [u8; 4] {
    match address {
        [10, b, c, d] => [10, b ^ 0x2A, c ^ 0x11, d],
        [192, 0, 2, d] => [198, 51, 100, d],
        [198, 51, 100, d] => [203, 0, 113, d],
        [203, 0, 113, d] => [192, 0, 2, d],
        other => other,
    }
}

/// A port that no service has becomes another such; a bijection that keeps odd ports odd.
fn mapped_port(port: u16) -> u16 {
    if port >= 0x8000 { port ^ 0x0154 } else { port }
}

/// Every place that holds one of the addresses: headers, ARP, quotes, and answers of DNS.
fn map_addresses(data: &mut [u8], known: &[[u8; 4]]) {
    let mut at = 14;
    while let Some(four) = data.get_mut(at..at + 4) {
        let here = [four[0], four[1], four[2], four[3]];
        if known.contains(&here) {
            four.copy_from_slice(&mapped(here));
            at += 4;
        } else {
            at += 1;
        }
    }
}

/// The ports of an IP packet that begins here, and of one that it quotes.
fn map_ports(data: &mut [u8], at: usize) {
    let byte = |data: &[u8], at: usize| data.get(at).copied().unwrap_or(0);
    let (protocol, upper) = match byte(data, at) >> 4 {
        4 => {
            let later = (byte(data, at + 6) & 0x1F) != 0 || byte(data, at + 7) != 0;
            if later {
                return;
            }
            (
                byte(data, at + 9),
                at + usize::from(byte(data, at) & 15) * 4,
            )
        }
        6 => (byte(data, at + 6), at + 40),
        _ => return,
    };
    match (protocol, byte(data, upper)) {
        (6 | 17, _) => {
            for place in [upper, upper + 2] {
                if let Some(port) = data.get_mut(place..place + 2) {
                    let new = mapped_port(u16::from_be_bytes([port[0], port[1]]));
                    port.copy_from_slice(&new.to_be_bytes());
                }
            }
        }
        (1, 3 | 11) | (58, 1..=4) => map_ports(data, upper + 8),
        _ => {}
    }
}

/// The frame with its addresses and ports mapped.
pub fn remapped(frame: &Kept, known: &[[u8; 4]]) -> Kept {
    let mut data = frame.data.to_vec();
    map_addresses(&mut data, known);
    if matches!(data.get(12..14), Some([0x08, 0x00] | [0x86, 0xDD])) {
        map_ports(&mut data, 14);
    }
    Kept {
        data: data.into(),
        ..frame.clone()
    }
}

/// The addresses that stand in headers and ARP messages.
pub fn known(captured: &Captured) -> Vec<[u8; 4]> {
    let mut found = Vec::new();
    for frame in &captured.frames {
        let places: &[usize] = match frame.data.get(12..14) {
            Some([0x08, 0x00]) => &[26, 30],
            Some([0x08, 0x06]) => &[28, 38],
            _ => &[],
        };
        for place in places {
            if let Some(four) = frame.data.get(*place..place + 4)
                && let Ok(four) = <[u8; 4]>::try_from(four)
                && !found.contains(&four)
            {
                found.push(four);
            }
        }
    }
    found
}
