//! Whatever the bytes are: no panic, and every slice and length stays within the frame.

use proptest::prelude::*;

use super::*;
use crate::base::Timestamp;
use crate::wire::Reassembler;
use crate::wire::dissect::layer_by_layer;

const LINK_TYPES: [u16; 23] = [
    0, 1, 9, 10, 12, 14, 50, 51, 101, 104, 105, 108, 113, 119, 127, 163, 166, 226, 228, 229, 239,
    258, 276,
];

fn slice_of<'a>(packet: &Packet<'a>) -> Option<&'a [u8]> {
    match packet.transport {
        Transport::None => None,
        Transport::Tcp(tcp) => Some(tcp.payload),
        Transport::Udp(udp) => Some(udp.payload),
        Transport::Icmp(icmp) => Some(icmp.body),
        Transport::Fragment(bytes) => Some(bytes),
    }
}

fn check(link_type: u16, frame: &[u8], original_len: u32) {
    let packet = dissect(link_type, frame, original_len);
    assert_eq!(packet, layer_by_layer(link_type, frame, original_len));
    if let Some(slice) = slice_of(&packet) {
        assert!(slice.is_empty() || frame.as_ptr_range().contains(&slice.as_ptr()));
        let end = slice.as_ptr_range().end;
        assert!(slice.is_empty() || end <= frame.as_ptr_range().end);
    }
    match packet.transport {
        Transport::Tcp(tcp) => assert!(tcp.payload.len() <= tcp.payload_len as usize),
        Transport::Udp(udp) => assert!(udp.payload.len() <= udp.payload_len as usize),
        _ => {}
    }
    if let Net::Ip(ip) = packet.net {
        match packet.transport {
            Transport::Fragment(_) => assert!(ip.fragment.is_some()),
            // A fragment's options may be cut; then there is a stop and nothing else.
            Transport::None => assert!(ip.fragment.is_none() || packet.stop.is_some()),
            _ => assert!(ip.fragment.is_none()),
        }
    }
    if let Some(found) = Reassembler::new().add(&packet, Timestamp(0)) {
        let _ = found.packet();
    }
}

proptest! {
    #[test]
    fn random_bytes(
        frame in prop::collection::vec(any::<u8>(), 0..300),
        original_len in prop_oneof![Just(0u32), Just(u32::MAX), 0..2000u32],
    ) {
        for link_type in LINK_TYPES {
            check(link_type, &frame, original_len);
        }
    }

    /// What nearly every frame is, with a few bytes of its headers changed, padding, and a cut anywhere.
    #[test]
    fn plain_frames(
        six in any::<bool>(),
        damage in prop::collection::vec((0usize..90, any::<u8>()), 0..3),
        padding in 0usize..20,
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
        original_len in prop_oneof![Just(0u32), Just(u32::MAX), 0..200u32],
    ) {
        let inner = if six { mail(v6()) } else { mail(v4()) };
        let mut frame = craft::ethernet([6; 6], [8; 6], &[], &inner);
        frame.resize(frame.len() + padding, 0);
        for (at, value) in damage {
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
        }
        let len = if whole { frame.len() } else { cut.index(frame.len()) };
        check(1, &frame[..len], original_len);
    }

    /// Frames that get deep, with a few bytes changed and a cut anywhere.
    #[test]
    fn damaged_frames(
        seed in 0usize..8,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let inner = if seed & 1 == 0 { mail(v4()) } else { mail(v6()) };
        let bridged = craft::ethernet([2; 6], [4; 6], &[5], &inner);
        let port = [4789, 6081, 2152, 3544][seed >> 1];
        let head: &[u8] = match port {
            4789 => &[8, 0, 0, 0, 0, 0, 1, 0],
            6081 => &[0, 0, 0x65, 0x58, 0, 0, 0, 0],
            2152 => &[0x30, 0xff, 0, 0, 0, 0, 0, 0],
            _ => &[],
        };
        let body = if port == 4789 || port == 6081 { &bridged } else { &inner };
        let from = std::net::SocketAddr::new(v6().source, 50_000);
        let to = std::net::SocketAddr::new(v6().destination, port);
        let outer = craft::udp(v6(), from, to, &join(head, body)).unwrap();
        let mut frame = craft::ethernet([6; 6], [8; 6], &[1, 2], &outer);
        let original_len = u32::try_from(frame.len()).unwrap();
        for (at, value) in damage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        let kept = cut.index(frame.len() + 1);
        check(1, &frame[..kept], original_len);
        check(1, &frame[..kept], u32::try_from(kept).unwrap());
    }
}
