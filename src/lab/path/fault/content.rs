//! Devices that read and rewrite what mail and DNS say. All keep the length, so that TCP's numbers stand.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::super::craft::{Habit, udp};
use super::super::matching::{FLOWS, FlowKey};
use super::super::packet::{Packet, Toward};
use super::{Fate, Fault, Here, Sent};

/// Commands that Cisco's ESMTP inspection lets pass.
const COMMANDS: [&str; 15] = [
    "AUTH", "DATA", "EHLO", "ETRN", "HELO", "HELP", "MAIL", "NOOP", "QUIT", "RCPT", "RSET", "SAML",
    "SEND", "SOML", "VRFY",
];
/// Keywords of the EHLO reply that it lets pass.
const KEYWORDS: [&str; 7] = [
    "8BITMIME",
    "AUTH",
    "ENHANCEDSTATUSCODES",
    "ETRN",
    "HELP",
    "SIZE",
    "VRFY",
];

#[derive(Clone, Copy, Default)]
struct Dialogue {
    greeted: bool,
    /// An EHLO was sent and not answered yet.
    hello: bool,
    /// Message text is being sent.
    data: bool,
    /// TLS was started: nothing can be read any more.
    encrypted: bool,
    asked_tls: bool,
}

/// Cisco's ESMTP inspection ("fixup").
pub struct SmtpFixup {
    banner: bool,
    keywords: bool,
    commands: bool,
    flows: HashMap<FlowKey, Dialogue>,
}

impl SmtpFixup {
    /// Which parts it masks.
    pub fn new(banner: bool, keywords: bool, commands: bool) -> SmtpFixup {
        SmtpFixup {
            banner,
            keywords,
            commands,
            flows: HashMap::new(),
        }
    }
}

impl Fault for SmtpFixup {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        if !here.hit || packet.segment().is_none() || packet.payload().is_empty() {
            return Fate::On;
        }
        let key = FlowKey::of(packet, here.toward);
        if self.flows.len() >= FLOWS && !self.flows.contains_key(&key) {
            return Fate::On;
        }
        let state = self.flows.entry(key).or_default();
        if state.encrypted {
            return Fate::On;
        }
        let text = packet.payload_mut();
        match here.toward {
            Toward::Client => {
                let code: [u8; 3] = text
                    .get(..3)
                    .and_then(|c| c.try_into().ok())
                    .unwrap_or_default();
                if code == *b"220" && !state.greeted {
                    state.greeted = true;
                    if self.banner {
                        mask_banner(text);
                    }
                } else if code == *b"220" && state.asked_tls {
                    state.encrypted = true;
                } else if code == *b"250" && state.hello && self.keywords {
                    mask_keywords(text);
                }
                state.data = code == *b"354";
                state.hello = false;
            }
            Toward::Server if !state.data => {
                let verb = verb(text);
                state.hello = verb == "EHLO";
                state.asked_tls = verb == "STARTTLS";
                if self.commands && !COMMANDS.contains(&verb.as_str()) {
                    let end = text.iter().position(|b| *b == b'\r').unwrap_or(text.len());
                    text.get_mut(..end).unwrap_or(&mut []).fill(b'X');
                }
            }
            Toward::Server => {}
        }
        packet.seal();
        Fate::On
    }
}

fn verb(line: &[u8]) -> String {
    line.iter()
        .take_while(|b| b.is_ascii_alphanumeric())
        .map(|b| b.to_ascii_uppercase() as char)
        .collect()
}

/// Every character of the greeting but `2`, `0` and space becomes `*`.
fn mask_banner(text: &mut [u8]) {
    for (index, byte) in text.iter_mut().enumerate() {
        if index >= 4 && !matches!(*byte, b'2' | b'0' | b' ' | b'\r' | b'\n') {
            *byte = b'*';
        }
    }
}

/// Unknown keywords become X and a final A, the first line (the greeting) stays.
fn mask_keywords(text: &mut [u8]) {
    for line in text.split_mut(|b| *b == b'\n').skip(1) {
        let end = line.iter().position(|b| *b == b'\r').unwrap_or(line.len());
        let Some(keyword) = line.get_mut(4..end) else {
            continue;
        };
        if !KEYWORDS.contains(&verb(keyword).as_str()) {
            keyword.fill(b'X');
            if let Some(last) = keyword.last_mut() {
                *last = b'A';
            }
        }
    }
}

/// STARTTLS and STLS are overwritten in what the server offers.
pub struct StripStartTls;

impl Fault for StripStartTls {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        if !here.hit || here.toward != Toward::Client || packet.segment().is_none() {
            return Fate::On;
        }
        let text = packet.payload_mut();
        let mut changed = false;
        for (word, mask) in [
            (&b"STARTTLS"[..], &b"XXXXXXXA"[..]),
            (b"\nSTLS\r", b"\nXXXA\r"),
        ] {
            while let Some(at) = text
                .windows(word.len())
                .position(|w| w.eq_ignore_ascii_case(word))
            {
                if let Some(place) = text.get_mut(at..at + mask.len()) {
                    place.copy_from_slice(mask);
                }
                changed = true;
            }
        }
        if changed {
            packet.seal();
        }
        Fate::On
    }
}

/// A forged DNS answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgeSpec {
    /// The addresses it gives; those of the asked type are used.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Its RCODE.
    #[serde(default)]
    pub rcode: u8,
    /// IP TTL when it leaves the device.
    #[serde(default = "ttl")]
    pub ttl: u8,
    /// The query does not reach the resolver.
    #[serde(default)]
    pub swallow: bool,
}

fn ttl() -> u8 {
    64
}

/// Answers DNS queries in the resolver's name.
pub struct DnsForge {
    spec: ForgeSpec,
}

impl DnsForge {
    /// From its answer.
    pub fn new(spec: ForgeSpec) -> DnsForge {
        DnsForge { spec }
    }

    /// The answer to a query (RFC 1035, 4.1), without EDNS.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let asked = super::super::matching::dns_type(query)?;
        let mut end = 12;
        while *query.get(end)? != 0 {
            end += usize::from(*query.get(end)?) + 1;
        }
        let question = query.get(12..end + 5)?;
        let records: Vec<Vec<u8>> = self
            .spec
            .addresses
            .iter()
            .filter_map(|address| match address {
                IpAddr::V4(a) if asked == 1 => Some(a.octets().to_vec()),
                IpAddr::V6(a) if asked == 28 => Some(a.octets().to_vec()),
                _ => None,
            })
            .collect();
        let mut message = query.get(..2)?.to_vec();
        message.extend_from_slice(&[
            0x81,
            0x80 | (self.spec.rcode & 15),
            0,
            1,
            0,
            records.len() as u8,
            0,
            0,
            0,
            0,
        ]);
        message.extend_from_slice(question);
        for record in records {
            message.extend_from_slice(&[0xc0, 12]);
            message.extend_from_slice(&asked.to_be_bytes());
            message.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            message.extend_from_slice(&(record.len() as u16).to_be_bytes());
            message.extend_from_slice(&record);
        }
        Some(message)
    }
}

impl Fault for DnsForge {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        let Some((from, to)) = packet.ports().filter(|(_, to)| here.hit && *to == 53) else {
            return Fate::On;
        };
        let Some(message) = self.answer(packet.payload()) else {
            return Fate::On;
        };
        let forged = udp(
            packet.destination(),
            packet.source(),
            Habit::linux(self.spec.ttl),
            (to, from),
            &message,
        );
        here.sent
            .extend(forged.map(|p| Sent::now(p, here.toward.back())));
        if self.spec.swallow {
            Fate::Gone
        } else {
            Fate::On
        }
    }
}
