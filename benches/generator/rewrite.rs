//! A clone's own addresses and ports, put on the frames of its template, checksums included.
//!
//! A template's frames were normalised (see `template`): its addresses are `10.0.0.0/28`, `23.0.0.0/28` and IPv6 with
//! zeros at the place of the number. Only what tells clones apart changes.

/// Client ports from here on are a clone's own.
const EPHEMERAL: u16 = 32_768;
/// How many of them there are.
const EPHEMERALS: u16 = 28_232;

/// Who a clone is.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    number: u32,
    shift: u16,
}

impl Identity {
    /// Clone so many. Addresses differ for the first 1,048,576 of them.
    pub fn new(number: u32) -> Identity {
        Identity {
            number,
            shift: (number.wrapping_mul(7) % u32::from(EPHEMERALS)) as u16,
        }
    }

    fn address4(self, old: [u8; 4]) -> [u8; 4] {
        match old {
            [net @ (10 | 23), 0, 0, low @ 0..16] => {
                let [_, a, b, c] = ((self.number << 4) | u32::from(low)).to_be_bytes();
                [net, a, b, c]
            }
            other => other,
        }
    }

    fn port(self, old: u16) -> u16 {
        match old.checked_sub(EPHEMERAL) {
            Some(above) if above < EPHEMERALS => {
                EPHEMERAL
                    + ((u32::from(above) + u32::from(self.shift)) % u32::from(EPHEMERALS)) as u16
            }
            _ => old,
        }
    }

    /// Turns a frame of the template into one of the clone.
    pub fn put_on(self, frame: &mut [u8]) {
        if let Some(packet) = frame.get_mut(14..) {
            self.ip(packet, true);
        }
    }

    /// `outer`: the whole packet is there, and what it carries has a checksum over it.
    fn ip(self, packet: &mut [u8], outer: bool) {
        match packet.first().map(|byte| byte >> 4) {
            Some(4) => self.ip4(packet, outer),
            Some(6) => self.ip6(packet, outer),
            _ => {}
        }
    }

    fn ip4(self, packet: &mut [u8], outer: bool) {
        let header = usize::from(packet[0] & 15) * 4;
        if packet.len() < header.max(20) {
            return;
        }
        let mut change = Change::default();
        for at in [12, 16] {
            let old = [packet[at], packet[at + 1], packet[at + 2], packet[at + 3]];
            change.put(packet, at, &self.address4(old));
        }
        change.apply(packet, 10);
        let protocol = packet[9];
        if let Some(upper) = packet.get_mut(header..) {
            self.upper(protocol, upper, change, outer);
        }
    }

    fn ip6(self, packet: &mut [u8], outer: bool) {
        if packet.len() < 40 {
            return;
        }
        let mut change = Change::default();
        for at in [8, 24] {
            let local = packet[at] == 0xFE || packet[at] == 0xFF;
            if !local && packet[at + 8..at + 12] == [0; 4] {
                change.put(packet, at + 8, &self.number.to_be_bytes());
            }
        }
        let protocol = packet[6];
        if let Some(upper) = packet.get_mut(40..) {
            self.upper(protocol, upper, change, outer);
        }
    }

    /// `change`: what became of the addresses, which the pseudo-header holds.
    fn upper(self, protocol: u8, upper: &mut [u8], mut change: Change, outer: bool) {
        match protocol {
            6 | 17 if upper.len() >= 4 => {
                for at in [0, 2] {
                    let old = u16::from_be_bytes([upper[at], upper[at + 1]]);
                    change.put(upper, at, &self.port(old).to_be_bytes());
                }
                let dns = upper[0..2] == [0, 53] || upper[2..4] == [0, 53];
                if dns && outer {
                    self.answers(upper, &mut change);
                }
                let at = if protocol == 6 { 16 } else { 6 };
                if upper.len() >= at + 2 && (protocol == 6 || upper[6..8] != [0, 0]) {
                    change.apply(upper, at);
                }
            }
            1 | 58 if outer && upper.len() > 8 => {
                let before = sum(&upper[8..]);
                self.ip(&mut upper[8..], false);
                let after = sum(&upper[8..]);
                let mut own = if protocol == 58 {
                    change
                } else {
                    Change::default()
                };
                own.old += before;
                own.new += after;
                own.apply(upper, 2);
            }
            _ => {}
        }
    }

    /// Addresses in DNS answers (RFC 1035 4.1.3): type A or AAAA, class IN, a TTL, the length, the address.
    fn answers(self, upper: &mut [u8], change: &mut Change) {
        let mut at = 20;
        while at + 14 <= upper.len() {
            let head = &upper[at..at + 10];
            if head[..4] == [0, 1, 0, 1] && head[8..] == [0, 4] {
                let old = [
                    upper[at + 10],
                    upper[at + 11],
                    upper[at + 12],
                    upper[at + 13],
                ];
                change.put(upper, at + 10, &self.address4(old));
                at += 14;
            } else if head[..4] == [0, 28, 0, 1] && head[8..] == [0, 16] && at + 26 <= upper.len() {
                if upper[at + 10] != 0xFE && upper[at + 18..at + 22] == [0; 4] {
                    change.put(upper, at + 18, &self.number.to_be_bytes());
                }
                at += 26;
            } else {
                at += 1;
            }
        }
    }
}

/// What changed under a checksum (RFC 1624): sums of the 16-bit words before and after.
#[derive(Clone, Copy, Debug, Default)]
struct Change {
    old: u64,
    new: u64,
}

impl Change {
    /// Replaces bytes at `at`; the checksum's words begin at the slice's front.
    fn put(&mut self, bytes: &mut [u8], at: usize, new: &[u8]) {
        let weigh = |place: usize, byte: u8| {
            let shift = if place.is_multiple_of(2) { 8 } else { 0 };
            u64::from(byte) << shift
        };
        for (place, byte) in (at..).zip(new) {
            self.old += weigh(place, bytes[place]);
            self.new += weigh(place, *byte);
            bytes[place] = *byte;
        }
    }

    /// HC' = ~(~HC + ~m + m').
    fn apply(self, bytes: &mut [u8], at: usize) {
        let old = u64::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let folded = |mut value: u64| {
            while value > 0xFFFF {
                value = (value & 0xFFFF) + (value >> 16);
            }
            value
        };
        let sum = folded((!old & 0xFFFF) + (!folded(self.old) & 0xFFFF) + folded(self.new));
        let new = !(sum as u16);
        bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|pair| {
            u64::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ]))
        })
        .sum()
}

/// Tells a template its normal form: its addresses, numbered. `None`: it has addresses that cannot be told apart by clone.
#[derive(Default)]
pub struct Normaliser {
    inside: Vec<[u8; 4]>,
    outside: Vec<[u8; 4]>,
}

impl Normaliser {
    /// Puts normal addresses on a frame.
    pub fn normalise(&mut self, frame: &mut [u8]) -> Option<()> {
        self.ip(frame.get_mut(14..)?, true)
    }

    fn address4(&mut self, old: [u8; 4]) -> Option<[u8; 4]> {
        let (net, known) = match old {
            [10, ..] | [192, 168, ..] | [172, 16..32, ..] => (10, &mut self.inside),
            [0 | 127 | 224.., ..] | [169, 254, ..] => return Some(old),
            _ => (23, &mut self.outside),
        };
        let place = match known.iter().position(|one| *one == old) {
            Some(place) => place,
            None => {
                known.push(old);
                known.len() - 1
            }
        };
        (place < 15).then(|| [net, 0, 0, place as u8 + 1])
    }

    fn ip(&mut self, packet: &mut [u8], outer: bool) -> Option<()> {
        match packet.first()? >> 4 {
            4 => {
                let header = usize::from(packet[0] & 15) * 4;
                let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3FFF;
                if packet.len() < header.max(20) || fragment != 0 {
                    return None;
                }
                let mut change = Change::default();
                for at in [12, 16] {
                    let old = packet[at..at + 4].try_into().ok()?;
                    let new = self.address4(old)?;
                    // Clones would share what is not theirs alone.
                    if !matches!(new[0], 10 | 23) {
                        return None;
                    }
                    change.put(packet, at, &new);
                }
                change.apply(packet, 10);
                let protocol = packet[9];
                self.upper(protocol, packet.get_mut(header..)?, change, outer)
            }
            6 => {
                for at in [8, 24] {
                    let local = matches!(packet[at], 0xFE | 0xFF);
                    if local || packet.get(at + 8..at + 12)? != [0; 4] {
                        return None;
                    }
                }
                let protocol = packet[6];
                self.upper(protocol, packet.get_mut(40..)?, Change::default(), outer)
            }
            _ => None,
        }
    }

    fn upper(
        &mut self,
        protocol: u8,
        upper: &mut [u8],
        mut change: Change,
        outer: bool,
    ) -> Option<()> {
        match protocol {
            6 | 17 => {
                let dns = upper.get(0..2)? == [0, 53] || upper.get(2..4)? == [0, 53];
                if dns && outer {
                    let mut at = 20;
                    while at + 14 <= upper.len() {
                        if upper[at..at + 4] == [0, 1, 0, 1] && upper[at + 8..at + 10] == [0, 4] {
                            let old = upper[at + 10..at + 14].try_into().ok()?;
                            change.put(upper, at + 10, &self.address4(old)?);
                            at += 14;
                        } else {
                            at += 1;
                        }
                    }
                }
                let at = if protocol == 6 { 16 } else { 6 };
                if upper.len() >= at + 2 && (protocol == 6 || upper[6..8] != [0, 0]) {
                    change.apply(upper, at);
                }
                Some(())
            }
            1 | 58 if outer => {
                let before = sum(upper.get(8..)?);
                self.ip(&mut upper[8..], false)?;
                let mut own = if protocol == 58 {
                    change
                } else {
                    Change::default()
                };
                own.old += before;
                own.new += sum(&upper[8..]);
                own.apply(upper, 2);
                Some(())
            }
            _ => None,
        }
    }
}
