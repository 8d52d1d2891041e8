//! One packet per tunnel, and what only looks like one.

use super::*;
use crate::wire::{StopReason, Tunnel};

/// An IPv4 packet of a protocol, around `payload`.
fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(payload.len() + 20).unwrap().to_be_bytes();
    let head = [
        0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    join(&head, payload)
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let from = "10.0.0.1:50000".parse().unwrap();
    let to = std::net::SocketAddr::new(addr("10.0.0.2"), port);
    craft::udp(v4(), from, to, payload).unwrap()
}

fn bridged() -> Vec<u8> {
    craft::ethernet([4; 6], [6; 6], &[], &mail(v4()))
}

#[track_caller]
fn assert_through(packet: &[u8], tunnels: &[Tunnel]) {
    let found = whole(101, packet);
    assert_mail(&found);
    assert_eq!(found.tunnels.as_slice(), tunnels);
    // Addresses of a bridged frame are not the link's.
    assert_eq!(found.link.source, None);
}

#[test]
fn ip_in_ip() {
    assert_through(&ipv4(4, &mail(v4())), &[Tunnel::IpIp]);
    assert_through(&ipv4(41, &mail(v6())), &[Tunnel::IpIp]);
}

#[test]
fn gre_with_its_optional_fields() {
    let plain = join(&[0, 0, 8, 0], &mail(v4()));
    assert_through(&ipv4(47, &plain), &[Tunnel::Gre]);
    let all = [0xb0, 0, 0x86, 0xdd, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2];
    assert_through(&ipv4(47, &join(&all, &mail(v6()))), &[Tunnel::Gre]);
    let bridge = join(&[0x20, 0, 0x65, 0x58, 0, 0, 1, 0], &bridged());
    assert_through(&ipv4(47, &bridge), &[Tunnel::Gre]);
    let pptp = [
        0x30, 0x01, 0x88, 0x0b, 0, 9, 0, 1, 0, 0, 0, 1, 0xff, 3, 0, 0x21,
    ];
    assert_through(&ipv4(47, &join(&pptp, &mail(v4()))), &[Tunnel::Gre]);
    let eoip = [0x20, 0x01, 0x64, 0x00, 0, 9, 1, 0];
    assert_through(&ipv4(47, &join(&eoip, &bridged())), &[Tunnel::Gre]);
}

#[test]
fn erspan_of_three_types() {
    let one = join(&[0, 0, 0x88, 0xbe], &bridged());
    assert_through(&ipv4(47, &one), &[Tunnel::Erspan]);
    let mut two = vec![0x10, 0, 0x88, 0xbe, 0, 0, 0, 1];
    two.extend([0x10, 1, 0, 1, 0, 0, 0, 0]);
    assert_through(&ipv4(47, &join(&two, &bridged())), &[Tunnel::Erspan]);
    let mut three = vec![0x10, 0, 0x22, 0xeb, 0, 0, 0, 1];
    three.extend([0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    three.extend([0; 8]);
    assert_through(&ipv4(47, &join(&three, &bridged())), &[Tunnel::Erspan]);
}

#[test]
fn tunnels_over_udp() {
    let vxlan = join(&[8, 0, 0, 0, 0, 0, 1, 0], &bridged());
    assert_through(&udp(4789, &vxlan), &[Tunnel::Vxlan]);
    assert_through(&udp(8472, &vxlan), &[Tunnel::Vxlan]);
    let gpe = join(&[0x0c, 0, 0, 1, 0, 0, 1, 0], &mail(v4()));
    assert_through(&udp(4790, &gpe), &[Tunnel::Vxlan]);
    let geneve = [1, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 2, 3, 4];
    assert_through(&udp(6081, &join(&geneve, &bridged())), &[Tunnel::Geneve]);
    let gtp = [0x34, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 9, 0];
    assert_through(&udp(2152, &join(&gtp, &mail(v4()))), &[Tunnel::Gtp]);
    let teredo = [0, 0, 1, 2, 3, 4, 5, 6];
    assert_through(&udp(3544, &join(&teredo, &mail(v6()))), &[Tunnel::Other]);
    let l2tp = [0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21];
    assert_through(&udp(1701, &join(&l2tp, &mail(v4()))), &[Tunnel::Other]);
}

#[test]
fn a_tunnels_port_alone_is_no_tunnel() {
    for port in [4789, 8472, 4790, 6081, 2152, 3544, 1701] {
        for body in [&[8u8; 64][..], &[0x45; 64], &[0; 64], b""] {
            let bytes = udp(port, body);
            let packet = whole(101, &bytes);
            assert!(packet.tunnels.is_empty(), "port {port}");
            assert_eq!(packet.stop, None);
            let Transport::Udp(datagram) = packet.transport else {
                panic!("no UDP on port {port}");
            };
            assert_eq!(datagram.payload, body);
        }
    }
}

#[test]
fn authentication_header_is_passed_and_esp_stops() {
    let mut ah = vec![6, 4, 0, 0];
    ah.extend([0; 20]);
    let inner = mail(v4());
    let bytes = ipv4(51, &join(&ah, &inner[20..]));
    let packet = whole(101, &bytes);
    assert_eq!(tcp_of(&packet).destination_port, 25);
    assert_eq!(ip_of(&packet).protocol, 6);
    assert_eq!(packet.tunnels.as_slice(), [Tunnel::Other]);

    let bytes = ipv4(50, &[1; 40]);
    let packet = whole(101, &bytes);
    assert_eq!(packet.stop.unwrap().layer, "esp");
    assert_eq!(packet.stop.unwrap().reason, StopReason::Unsupported(50));
    assert_eq!(ip_of(&packet).protocol, 50);
}

#[test]
fn mpls_with_ip_and_with_pseudo_wires() {
    let labels = [0, 1, 0, 64, 0, 2, 1, 64];
    let head = [&[2; 12][..], &[0x88, 0x47], &labels].concat();
    let wires = [mail(v4()), mail(v6()), bridged(), join(&[0; 4], &bridged())];
    for inner in wires {
        let frame = join(&head, &inner);
        let packet = whole(1, &frame);
        assert_mail(&packet);
        assert_eq!(packet.tunnels.as_slice(), [Tunnel::Mpls]);
        assert_eq!(packet.link.source, Some([2; 6]));
    }
}

#[test]
fn six_ip_headers_are_followed_and_no_more() {
    let mut bytes = mail(v4());
    for _ in 0..5 {
        bytes = ipv4(4, &bytes);
    }
    assert_mail(&whole(101, &bytes));
    let bytes = ipv4(4, &bytes);
    let packet = whole(101, &bytes);
    assert_eq!(packet.stop.unwrap().reason, StopReason::TooDeep);
    assert_eq!(packet.transport, Transport::None);
}
