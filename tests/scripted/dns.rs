//! DNS messages for scripts (RFC 1035 4.1).

use std::net::{IpAddr, Ipv4Addr};

fn name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).expect("a label"));
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

fn kind(text: &str) -> u16 {
    match text {
        "A" => 1,
        "CNAME" => 5,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        "SRV" => 33,
        "TLSA" => 52,
        other => panic!("{other}: no such type"),
    }
}

pub fn question(id: u16, asked: &str, of: &str) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    out.extend(name(asked));
    out.extend(kind(of).to_be_bytes());
    out.extend([0, 1]);
    out
}

/// An answer to `question`. Answers are addresses, `10/mx.example.test`, `CNAME:target`, or hex for TLSA.
pub fn answer(
    question: &[u8],
    asked: &str,
    of: &str,
    rcode: &str,
    answers: &[&str],
    v6: bool,
    map: &dyn Fn(Ipv4Addr) -> IpAddr,
) -> Vec<u8> {
    let rcode = match rcode {
        "NOERROR" => 0,
        "FORMERR" => 1,
        "SERVFAIL" => 2,
        "NXDOMAIN" => 3,
        "NOTIMP" => 4,
        "REFUSED" => 5,
        other => panic!("{other}: no such rcode"),
    };
    // Played over IPv6, addresses are AAAA: the question's type changes with them.
    let _ = v6;
    let mut out = question.to_vec();
    out[2] = 0x81;
    out[3] = 0x80 | rcode;
    out[7] = u8::try_from(answers.len()).expect("few");
    let mut owner = name(asked);
    for text in answers {
        let (kind_of, data) = if let Some(target) = text.strip_prefix("CNAME:") {
            (5, name(target))
        } else if let Some((preference, target)) = text.split_once('/') {
            let mut data = preference
                .parse::<u16>()
                .expect("a preference")
                .to_be_bytes()
                .to_vec();
            data.extend(name(target));
            (15, data)
        } else if of == "TLSA" {
            let bytes = (0..text.len() / 2)
                .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex"))
                .collect();
            (52, bytes)
        } else {
            match map(text.parse().expect("an address")) {
                IpAddr::V4(ip) => (1, ip.octets().to_vec()),
                IpAddr::V6(ip) => (28, ip.octets().to_vec()),
            }
        };
        out.extend(&owner);
        out.extend(u16::to_be_bytes(kind_of));
        out.extend([0, 1, 0, 0, 1, 44]);
        out.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
        if kind_of == 5 {
            owner = data.clone();
        }
        out.extend(data);
    }
    out
}
