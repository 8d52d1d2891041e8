//! 802.11 data frames and the capture headers before them (radiotap, Prism, AVS).
//!
//! Only what can carry mail: unencrypted data frames, QoS and four addresses included, and the
//! first frame of an A-MSDU. Management and control frames, encrypted frames and 802.11 fragments
//! are stops. Layout: IEEE 802.11-2020 9.2 and 9.3.2.

use super::dissect::{Dissector, Next};
use super::rest::Rest;

const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const MORE_FRAGMENTS: u8 = 0x04;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;

impl<'a> Dissector<'a> {
    /// An 802.11 frame. `padded`: the driver aligned the body to 4 bytes (radiotap flag 0x20).
    pub fn wlan(&mut self, rest: Rest<'a>, padded: bool) -> Next<'a> {
        let Some([control, flags]) = rest.array::<2>(0) else {
            return self.short("wlan", rest, 2);
        };
        let (kind, subtype) = ((control >> 2) & 3, control >> 4);
        // Type 2 is data; subtype bit 2 says "no data".
        if control & 3 != 0 || kind != 2 || subtype & 4 != 0 {
            return self.unsupported("wlan", rest, u32::from(control));
        }
        let four = flags & (TO_DS | FROM_DS) == TO_DS | FROM_DS;
        let qos = subtype & 8 != 0;
        let mut len: usize = if four { 30 } else { 24 };
        let qos_at = len;
        if qos {
            len = len.saturating_add(2);
            if flags & ORDER != 0 {
                len = len.saturating_add(4);
            }
        }
        if padded {
            len = len.next_multiple_of(4);
        }
        if rest.bytes.len() < len {
            return self.short("wlan", rest, len);
        }
        let (first, second, third) = (rest.array(4), rest.array(10), rest.array(16));
        let (destination, source) = match (flags & TO_DS != 0, flags & FROM_DS != 0) {
            (false, false) => (first, second),
            (true, false) => (third, second),
            (false, true) => (first, third),
            (true, true) => (third, rest.array(24)),
        };
        self.packet.link.destination = destination;
        self.packet.link.source = source;
        let fragment = rest.u8(22).unwrap_or(0) & 15;
        if flags & (PROTECTED | MORE_FRAGMENTS) != 0 || fragment != 0 {
            return self.unsupported("wlan", rest, u32::from(flags));
        }
        let body = rest.skip(len);
        if qos && rest.u8(qos_at).unwrap_or(0) & 0x80 != 0 {
            // A-MSDU: destination, source, length, then LLC.
            return match body.u16(12) {
                Some(inner) => Next::Llc(body.skip(14).limit(usize::from(inner))),
                None => self.short("wlan", body, 14),
            };
        }
        Next::Llc(body)
    }

    /// LINKTYPE_IEEE802_11_RADIOTAP (<https://www.radiotap.org>): little-endian, length at 2.
    pub fn radiotap(&mut self, rest: Rest<'a>) -> Next<'a> {
        let Some([version, _, l0, l1, present, _, _, more]) = rest.array::<8>(0) else {
            return self.short("radiotap", rest, 8);
        };
        let len = usize::from(u16::from_le_bytes([l0, l1]));
        if version != 0 || len < 8 {
            return self.malformed("radiotap", rest, 8);
        }
        let mut at: usize = 8;
        let mut extended = more & 0x80 != 0;
        while extended && at < len {
            extended = rest.u8(at.saturating_add(3)).unwrap_or(0) & 0x80 != 0;
            at = at.saturating_add(4);
        }
        if present & 1 != 0 {
            at = at.next_multiple_of(8).saturating_add(8);
        }
        let flags = if present & 2 != 0 && at < len {
            rest.u8(at).unwrap_or(0)
        } else {
            0
        };
        self.wlan(rest.skip(len), flags & 0x20 != 0)
    }

    /// LINKTYPE_IEEE802_11_PRISM: 144 bytes, or AVS in its place.
    pub fn prism(&mut self, rest: Rest<'a>) -> Next<'a> {
        match rest.u32(0) {
            Some(word) if word & 0xffff_f000 == 0x8021_1000 => self.avs(rest),
            Some(_) => self.wlan(rest.skip(144), false),
            None => self.short("prism", rest, 144),
        }
    }

    /// LINKTYPE_IEEE802_11_AVS: length at 4, big-endian.
    pub fn avs(&mut self, rest: Rest<'a>) -> Next<'a> {
        match rest.u32(4).map(usize::try_from) {
            Some(Ok(len)) if len >= 8 => self.wlan(rest.skip(len), false),
            Some(_) => self.malformed("wlancap", rest, 8),
            None => self.short("wlancap", rest, 8),
        }
    }
}
