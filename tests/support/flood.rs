//! Whole mail connections as frames, as many and as different as are wanted: made, not recorded.

use std::net::IpAddr;

use mxray::wire::TcpFlags;
use mxray::wire::craft::{Header, Segment, ethernet, tcp};

pub const FROM: [u8; 6] = [2, 0, 0, 0, 0, 0x0a];
pub const TO: [u8; 6] = [2, 0, 0, 0, 0, 0x0b];
/// One connection in so many is refused.
pub const REFUSED: u32 = 10;

pub fn address(text: &str) -> IpAddr {
    text.parse().expect("an address of the test")
}

/// A TCP segment as an IP packet.
pub fn segment(
    from: (&str, u16),
    to: (&str, u16),
    flags: u8,
    numbers: (u32, u32),
    text: &[u8],
) -> Vec<u8> {
    let segment = Segment {
        source_port: from.1,
        destination_port: to.1,
        seq: numbers.0,
        ack: numbers.1,
        flags: TcpFlags(flags),
        window: 64_000,
        options: &[],
    };
    tcp(Header::new(address(from.0), address(to.0)), &segment, text).expect("a segment of the test")
}

/// A packet on Ethernet, with tags.
pub fn frame(vlans: &[u16], packet: &[u8]) -> Vec<u8> {
    ethernet(FROM, TO, vlans, packet)
}

/// A whole SMTP connection, as frames, between addresses that the number makes.
pub fn connection(number: u32) -> Vec<Vec<u8>> {
    let [_, a, b, c] = number.to_be_bytes();
    let client = format!("10.{a}.{b}.{c}");
    let server = format!("198.18.{}.{}", number % 16, number % 250 + 1);
    let port = 20_000 + u16::try_from(number % 40_000).unwrap_or(0);
    let push = TcpFlags::ACK | TcpFlags::PSH;
    let mut frames = Vec::new();
    let (mut ours, mut theirs) = (1_000u32, 5_000u32);
    let mut say = |from_client: bool, flags: u8, text: &[u8]| {
        let ends = ((client.as_str(), port), (server.as_str(), 25));
        let (from, to, numbers) = match from_client {
            true => (ends.0, ends.1, (ours, theirs)),
            false => (ends.1, ends.0, (theirs, ours)),
        };
        frames.push(frame(&[], &segment(from, to, flags, numbers, text)));
        let taken = u32::try_from(text.len()).unwrap_or(0)
            + u32::from(flags & (TcpFlags::SYN | TcpFlags::FIN) != 0);
        match from_client {
            true => ours += taken,
            false => theirs += taken,
        }
    };
    say(true, TcpFlags::SYN, b"");
    if number.is_multiple_of(REFUSED) {
        // Refused: also the memory of failures is bounded.
        say(false, TcpFlags::RST | TcpFlags::ACK, b"");
        return frames;
    }
    say(false, TcpFlags::SYN | TcpFlags::ACK, b"");
    say(true, TcpFlags::ACK, b"");
    say(false, push, b"220 mail.example.net ESMTP\r\n");
    say(true, push, b"EHLO client.example.net\r\n");
    say(false, push, b"250-mail.example.net\r\n250 STARTTLS\r\n");
    say(true, push, b"MAIL FROM:<a@example.net>\r\n");
    say(false, push, b"250 2.1.0 Ok\r\n");
    say(true, push, b"QUIT\r\n");
    say(false, push, b"221 2.0.0 Bye\r\n");
    say(false, TcpFlags::ACK | TcpFlags::FIN, b"");
    say(true, TcpFlags::ACK | TcpFlags::FIN, b"");
    say(false, TcpFlags::ACK, b"");
    frames
}
