//! What one packet is, in words: flags, the line of the dialogue, TLS records, ICMP errors, DNS messages.
//!
//! Payload is never shown raw: what a mail line says is taken from the transcript, where secrets are masked.

use super::Kind;
use crate::base::Side;
use crate::engine::record::Line;
use crate::present::counted;
use crate::proto::dns;
use crate::proto::tls::alert_name;
use crate::wire::{Icmp, Tcp};

/// What a segment is in words.
pub(super) fn words(number: u64, side: Side, tcp: &Tcp<'_>, transcript: &[Line]) -> (Kind, String) {
    let flags = tcp.flags;
    if flags.rst() {
        return (Kind::Reset, "RST".to_owned());
    }
    if flags.syn() {
        let name = if flags.ack() { "SYN-ACK" } else { "SYN" };
        return (Kind::Handshake, name.to_owned());
    }
    let kind = if flags.fin() {
        Kind::Fin
    } else if tcp.payload_len > 0 {
        Kind::Data
    } else {
        Kind::Ack
    };
    if tcp.payload_len == 0 {
        let name = if flags.fin() { "FIN" } else { "ACK" };
        return (kind, name.to_owned());
    }
    let said: Vec<&Line> = transcript
        .iter()
        .filter(|line| line.frame == number && line.from == side.name())
        .collect();
    let mut label = match (said.as_slice(), tls_words(tcp.payload)) {
        ([], Some(words)) => words,
        ([], None) => counted(u64::from(tcp.payload_len), "byte", "bytes"),
        ([one], _) => one.text.to_string(),
        ([first, rest @ ..], _) => format!("{} (+{} lines)", first.text, rest.len()),
    };
    if flags.fin() {
        label.push_str(", FIN");
    }
    (kind, label)
}

/// The TLS records that begin in a segment, when it begins with one (RFC 8446 5.1).
fn tls_words(payload: &[u8]) -> Option<String> {
    let mut rest = payload;
    let mut said: Vec<String> = Vec::new();
    let mut data = 0u64;
    while let [content @ 20..=23, 3, 0..=4, high, low, body @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        match (content, body) {
            (20, _) => {}
            (21, [level @ 1..=2, what, ..]) if len == 2 => {
                let level = if *level == 2 { "fatal alert" } else { "alert" };
                said.push(format!("{level} {} ({what})", alert_name(*what)));
            }
            (21, _) => said.push("encrypted alert".to_owned()),
            (22, [kind, ..]) => said.push(handshake(*kind).to_owned()),
            _ => data = data.saturating_add(len as u64),
        }
        rest = body.get(len..).unwrap_or(&[]);
    }
    if data > 0 {
        said.push(format!("{} encrypted", counted(data, "byte", "bytes")));
    }
    said.dedup();
    if said.is_empty() {
        return (payload.first() == Some(&20)).then(|| "ChangeCipherSpec".to_owned());
    }
    Some(format!("TLS {}", said.join(", ")))
}

/// Handshake messages in clear (RFC 8446 4, RFC 5246 7.4); anything else is encrypted.
fn handshake(kind: u8) -> &'static str {
    match kind {
        0 => "HelloRequest",
        1 => "ClientHello",
        2 => "ServerHello",
        4 => "NewSessionTicket",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        22 => "CertificateStatus",
        _ => "encrypted handshake",
    }
}

/// An ICMP error in words, with its numbers (RFC 792, RFC 1812 5.2.7.1, RFC 4443).
pub fn icmp_words(icmp: &Icmp<'_>) -> String {
    let name = match (icmp.v6, icmp.kind, icmp.code) {
        (false, 3, 0) => "network unreachable",
        (false, 3, 1) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 4) => "fragmentation needed",
        (false, 3, 9) => "network administratively prohibited",
        (false, 3, 10) => "host administratively prohibited",
        (false, 3, 13) => "communication administratively prohibited",
        (false, 11, 0) | (true, 3, 0) => "time exceeded",
        (true, 1, 0) => "no route to destination",
        (true, 1, 1) => "administratively prohibited",
        (true, 1, 3) => "address unreachable",
        (true, 1, 5) => "source address failed policy",
        (true, 1, 6) => "reject route",
        (true, 2, _) => "packet too big",
        (false, 3, _) | (true, 1, _) => "destination unreachable",
        _ => "error",
    };
    let mtu = icmp
        .mtu
        .map_or_else(String::new, |mtu| format!(", MTU {mtu}"));
    format!("ICMP {name} ({}/{}){mtu}", icmp.kind, icmp.code)
}

/// A DNS message in words.
pub(super) fn dns_words(message: &dns::Message) -> String {
    let question = match &message.question {
        Some((name, kind)) => format!("{name} {}", dns::type_name(*kind)),
        None => "no question".to_owned(),
    };
    if !message.response {
        return format!("{question}?");
    }
    let cut = if message.truncated { ", truncated" } else { "" };
    match (message.rcode, message.answers.len()) {
        (0, 0) => format!("no data{cut}"),
        (0, count) => format!("{}{cut}", counted(count as u64, "record", "records")),
        (rcode, _) => format!("{}{cut}", dns::rcode_name(rcode)),
    }
}
