//! What the kernel lets through by default: nothing that may hold mail is lost, and other traffic stays out.

use mxray::capture::{CaptureReader, Input};
use mxray::wire::TcpFlags;

use super::craft::{Wire, datagram, frame, ipv4, ipv6, segment, typed};
use super::ground::Ground;
use super::program::{SOON, spawn};

const CLIENT: (&str, u16) = ("10.1.0.5", 40_000);

/// A VXLAN, Geneve or other header and an Ethernet frame behind it.
fn overlay(port: u16, header: &[u8], inside: &[u8]) -> Vec<u8> {
    let payload = [header, inside].concat();
    frame(
        &[],
        &datagram(("203.0.113.1", 50_000), ("203.0.113.2", port), &payload),
    )
}

fn wanted() -> Vec<(&'static str, Vec<u8>)> {
    let syn = segment(CLIENT, ("10.1.0.9", 25), TcpFlags::SYN, (1, 0), b"");
    let syn6 = segment(
        ("2001:db8::1", 40_000),
        ("2001:db8::2", 143),
        TcpFlags::SYN,
        (1, 0),
        b"",
    );
    let query = datagram(CLIENT, ("10.1.0.53", 53), &[0; 20]);
    let inside = frame(&[], &syn);
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
    arp.extend_from_slice(&[
        2, 0, 0, 0, 0, 0x0a, 10, 1, 0, 5, 0, 0, 0, 0, 0, 0, 10, 1, 0, 9,
    ]);
    let tcp = &syn[20..];
    let fragmented = |at: u16, payload: &[u8]| frame(&[], &ipv4(17, at, payload));
    // Fragment header (RFC 8200 4.5) and hop-by-hop options (4.3) before TCP.
    let fragment6 = ipv6(
        44,
        &[&[6, 0, 0x05, 0xa8, 0, 0, 0, 1][..], &[1; 100]].concat(),
    );
    let options6 = ipv6(0, &[&[6, 0, 1, 4, 0, 0, 0, 0][..], &syn6[40..]].concat());
    vec![
        ("SMTP", inside.clone()),
        ("IMAP over IPv6", frame(&[], &syn6)),
        ("DNS", frame(&[], &query)),
        ("ARP", typed(0x0806, &arp)),
        ("ICMP", frame(&[], &ipv4(1, 0, &[3, 13, 0, 0, 0, 0, 0, 0]))),
        ("ICMPv6", frame(&[], &ipv6(58, &[135, 0, 0, 0, 0, 0, 0, 0]))),
        (
            "a first fragment of DNS",
            fragmented(0x2000, &[0, 53, 0x9c, 0x40, 5, 0, 0, 0]),
        ),
        ("a later fragment", fragmented(0x00b9, &[7; 64])),
        ("an IPv6 fragment", frame(&[], &fragment6)),
        ("IPv6 with options", frame(&[], &options6)),
        ("one VLAN tag", frame(&[7], &syn)),
        ("one VLAN tag and IPv6", frame(&[7], &syn6)),
        ("a DNS query in a VLAN", frame(&[7], &query)),
        ("two VLAN tags", frame(&[7, 9], &syn)),
        ("IP in IP", frame(&[], &ipv4(4, 0, &syn))),
        ("IPv6 in IPv4", frame(&[], &ipv4(41, 0, &syn6))),
        (
            "GRE",
            frame(&[], &ipv4(47, 0, &[&[0, 0, 8, 0][..], &syn].concat())),
        ),
        (
            "GRE in a VLAN",
            frame(&[7], &ipv4(47, 0, &[&[0, 0, 8, 0][..], &syn].concat())),
        ),
        ("VXLAN", overlay(4789, &[8, 0, 0, 0, 0, 0, 1, 0], &inside)),
        (
            "VXLAN of Linux",
            overlay(8472, &[8, 0, 0, 0, 0, 0, 1, 0], &inside),
        ),
        (
            "Geneve",
            overlay(6081, &[0, 0, 0x65, 0x58, 0, 0, 1, 0], &inside),
        ),
        (
            "PPPoE",
            typed(
                0x8864,
                &[&[0x11, 0, 0, 1, 0, 42, 0, 0x21][..], &syn].concat(),
            ),
        ),
        (
            "MPLS",
            typed(0x8847, &[&[0, 0, 0x11, 64][..], &syn].concat()),
        ),
        (
            "TCP behind AH",
            frame(
                &[],
                &ipv4(51, 0, &[&[6, 4, 0, 0][..], &[0; 20], tcp].concat()),
            ),
        ),
    ]
}

fn unwanted() -> Vec<(&'static str, Vec<u8>)> {
    let web = segment(CLIENT, ("10.1.0.9", 443), TcpFlags::SYN, (1, 0), b"");
    vec![
        ("HTTPS", frame(&[], &web)),
        ("HTTPS in a VLAN", frame(&[7], &web)),
        (
            "UDP",
            frame(&[], &datagram(CLIENT, ("10.1.0.9", 9_999), &[0; 40])),
        ),
        ("spanning tree", typed(0x88cc, &[0; 46])),
    ]
}

pub fn keeps() -> Result<(), String> {
    let ground = Ground::lay()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut running = spawn(&["-i", "c0", "-w", "run.pcapng"], folder.path())?;
    // What is left out is said at the start.
    running.wait_for("all else is left out")?;
    ground.at_server(|| {
        let wire = Wire::open("s0")?;
        for (_, frame) in unwanted().iter().chain(&wanted()) {
            wire.send_all(&[&frame[..]]);
        }
        Ok(())
    })?;
    running.signal(libc::SIGINT);
    let ended = running.end(SOON)?;
    let path = folder.path().join("run.pcapng");
    let mut reader = CaptureReader::open(&Input::Path(path)).map_err(|error| error.to_string())?;
    let mut kept = Vec::new();
    while let Some(frame) = reader.next_frame() {
        kept.push(frame.data.to_vec());
    }
    let has = |frame: &[u8]| kept.iter().any(|one| one.starts_with(frame));
    let lost: Vec<&str> = wanted()
        .iter()
        .filter(|(_, frame)| !has(frame))
        .map(|(name, _)| *name)
        .collect();
    let noise: Vec<&str> = unwanted()
        .iter()
        .filter(|(_, frame)| has(frame))
        .map(|(name, _)| *name)
        .collect();
    match lost.is_empty() && noise.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "lost: {lost:?}; let through: {noise:?}; {:?}",
            ended.errors
        )),
    }
}
