//! ARP and NDP: the first and the last hop answer for their address on the end's wire, or do not.
//!
//! Only the gateway's address is answered for. A neighbour that answers twice plays two machines
//! that were given one address.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv6Header};
use serde::Deserialize;

/// How the gateway behaves towards ARP and neighbour solicitations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Neighbor {
    /// It answers.
    #[default]
    Answers,
    /// It never does.
    Silent,
    /// It answers NDP and never ARP.
    SilentV4,
    /// It answers ARP and never NDP.
    SilentV6,
    /// It answers, and so does a second machine.
    Duplicate,
}

/// EtherTypes.
pub const IPV4: u16 = 0x0800;
/// ARP.
pub const ARP: u16 = 0x0806;
/// IPv6.
pub const IPV6: u16 = 0x86dd;

/// Puts an Ethernet header before a payload.
pub fn frame(to: [u8; 6], from: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + payload.len());
    frame.extend_from_slice(&to);
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&kind.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The answers that a gateway with these addresses and this behaviour gives to `request`, a whole frame.
pub fn answers(
    request: &[u8],
    gateways: &[IpAddr],
    ethernet: [u8; 6],
    neighbor: Neighbor,
) -> Vec<Vec<u8>> {
    let mut second = ethernet;
    second[5] ^= 0x80;
    let is_arp = request
        .get(12..14)
        .is_some_and(|kind| kind == ARP.to_be_bytes());
    let speakers: &[[u8; 6]] = match neighbor {
        Neighbor::Silent => &[],
        Neighbor::SilentV4 if is_arp => &[],
        Neighbor::SilentV6 if !is_arp => &[],
        Neighbor::Answers | Neighbor::SilentV4 | Neighbor::SilentV6 => &[ethernet],
        Neighbor::Duplicate => &[ethernet, second],
    };
    speakers
        .iter()
        .filter_map(|own| {
            arp(request, gateways, *own).or_else(|| advertise(request, gateways, *own))
        })
        .collect()
}

fn arp(request: &[u8], gateways: &[IpAddr], own: [u8; 6]) -> Option<Vec<u8>> {
    if request.get(12..14)? != ARP.to_be_bytes() || request.get(20..22)? != [0, 1] {
        return None;
    }
    let asked: [u8; 4] = request.get(38..42)?.try_into().ok()?;
    if !gateways.contains(&IpAddr::from(asked)) {
        return None;
    }
    let (asker, sender) = (request.get(22..28)?, request.get(28..32)?);
    let mut reply = vec![0, 1, 8, 0, 6, 4, 0, 2];
    reply.extend_from_slice(&own);
    reply.extend_from_slice(&asked);
    reply.extend_from_slice(asker);
    reply.extend_from_slice(sender);
    Some(frame(asker.try_into().ok()?, own, ARP, &reply))
}

/// Neighbour advertisement for a neighbour solicitation (RFC 4861, 4.3 and 4.4).
fn advertise(request: &[u8], gateways: &[IpAddr], own: [u8; 6]) -> Option<Vec<u8>> {
    let solicits = request.get(12..14)? == IPV6.to_be_bytes()
        && *request.get(20)? == 58
        && *request.get(54)? == 135;
    if !solicits {
        return None;
    }
    let asked: [u8; 16] = request.get(62..78)?.try_into().ok()?;
    let asker: [u8; 16] = request.get(22..38)?.try_into().ok()?;
    if !gateways.contains(&IpAddr::from(asked)) || asker == [0; 16] {
        return None;
    }
    // Router, solicited, override; the target's link-layer address as option.
    let mut body = vec![136, 0, 0, 0, 0xe0, 0, 0, 0];
    body.extend_from_slice(&asked);
    body.extend_from_slice(&[2, 1]);
    body.extend_from_slice(&own);
    let header = Ipv6Header {
        payload_length: body.len() as u16,
        next_header: IpNumber(58),
        hop_limit: 255,
        source: asked,
        destination: asker,
        ..Ipv6Header::default()
    };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend_from_slice(&body);
    let mut packet = super::packet::Packet::new(bytes)?;
    packet.seal();
    let to = request.get(6..12)?.try_into().ok()?;
    Some(frame(to, own, IPV6, packet.bytes()))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{ARP, IPV6, Neighbor, answers, frame};
    use crate::lab::path::packet::Packet;

    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const ASKER: [u8; 6] = [2, 0, 0, 0, 0, 5];

    fn gateways() -> [IpAddr; 2] {
        ["10.0.0.1", "2001:db8:c::1"].map(|text| text.parse().expect("an address"))
    }

    /// Who has 10.0.0.x? Tell 10.0.0.5 (RFC 826).
    fn who_has(last: u8) -> Vec<u8> {
        let mut request = vec![0, 1, 8, 0, 6, 4, 0, 1];
        request.extend(ASKER);
        request.extend([10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 10, 0, 0, last]);
        frame([0xff; 6], ASKER, ARP, &request)
    }

    /// A neighbour solicitation for 2001:db8:c::x (RFC 4861 4.3).
    fn solicit(last: u8) -> Vec<u8> {
        let net = [0x20, 1, 0x0d, 0xb8, 0, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut packet = vec![0x60, 0, 0, 0, 0, 24, 58, 255];
        packet.extend(net.iter().chain(&[5]));
        packet.extend(net.iter().chain(&[last]));
        packet.extend([135, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend(net.iter().chain(&[last]));
        frame([0x33, 0x33, 0xff, 0, 0, last], ASKER, IPV6, &packet)
    }

    #[test]
    fn the_gateway_answers_for_itself_alone() {
        let said = |request: &[u8]| answers(request, &gateways(), OWN, Neighbor::Answers);
        let [arp] = <[_; 1]>::try_from(said(&who_has(1))).expect("one answer");
        assert_eq!((&arp[..6], &arp[6..12]), (&ASKER[..], &OWN[..]));
        // A reply: its own addresses first, then the asker's.
        assert_eq!(arp[20..22], [0, 2]);
        assert_eq!((&arp[22..28], &arp[28..32]), (&OWN[..], &[10, 0, 0, 1][..]));
        let [advert] = <[_; 1]>::try_from(said(&solicit(1))).expect("one answer");
        let packet = Packet::new(advert[14..].to_vec()).expect("a packet");
        assert_eq!(packet.source(), gateways()[1]);
        assert_eq!((packet.ttl(), packet.body()[0]), (255, 136));
        assert!(said(&who_has(9)).is_empty() && said(&solicit(9)).is_empty());
    }

    #[test]
    fn a_gateway_is_silent_for_arp_for_ndp_or_for_both_or_is_there_twice() {
        let counts = |neighbor| {
            [who_has(1), solicit(1)].map(|one| answers(&one, &gateways(), OWN, neighbor).len())
        };
        assert_eq!(counts(Neighbor::Silent), [0, 0]);
        assert_eq!(counts(Neighbor::SilentV4), [0, 1]);
        assert_eq!(counts(Neighbor::SilentV6), [1, 0]);
        assert_eq!(counts(Neighbor::Duplicate), [2, 2]);
    }
}
