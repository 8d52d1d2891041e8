//! Questions to name servers, as bytes.
//!
//! The messages are `hickory-proto`'s; here is what a probe varies in them: EDNS and its size, DO, CD, RD, and padding. It sends
//! nothing, and never asks for ANY (RFC 8482).

use std::fmt;
use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RecordType as HickoryType};

use crate::proto::dns::{Message as Heard, RecordType, type_name};

/// Padding (RFC 7830).
const PADDING: u16 = 12;

/// A name, in lower case and without the final dot, that can be asked for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

impl Host {
    /// Reads a name as users write it; international names become their A-labels (RFC 5891).
    ///
    /// # Errors
    /// What is wrong with it: an empty or too long label, a blank, more than 253 characters.
    pub fn parse(text: &str) -> Result<Host, String> {
        let text = text.trim_end_matches('.');
        if text.is_empty() || text.parse::<IpAddr>().is_ok() {
            return Err(format!("\"{text}\" is no host name"));
        }
        let name = Name::from_str_relaxed(text)
            .map_err(|error| format!("\"{text}\" is no host name: {error}"))?;
        let ascii = name.to_ascii().trim_end_matches('.').to_ascii_lowercase();
        match ascii.is_empty() || ascii.len() > 253 {
            true => Err(format!("\"{text}\" is no host name")),
            false => Ok(Host(ascii)),
        }
    }

    /// The name of an address in the reverse tree (RFC 1035 3.5, RFC 3596 2.5).
    pub fn reversed(address: IpAddr) -> Host {
        let name = Name::from(address);
        Host(name.to_ascii().trim_end_matches('.').to_ascii_lowercase())
    }

    /// The root, which is asked only whether a server answers at all.
    pub fn root() -> Host {
        Host(String::new())
    }

    /// The text, without the final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name with labels before it.
    ///
    /// # Errors
    /// As [`Host::parse`].
    pub fn below(&self, labels: &str) -> Result<Host, String> {
        Host::parse(&format!("{labels}.{}", self.0))
    }

    /// The name without its first label, unless it has only one.
    pub fn parent(&self) -> Option<Host> {
        let (_, parent) = self.0.split_once('.')?;
        (!parent.is_empty()).then(|| Host(parent.to_owned()))
    }

    /// Whether this is `other` or a name below it.
    pub fn is_within(&self, other: &Host) -> bool {
        self.0 == other.0
            || self
                .0
                .strip_suffix(&other.0)
                .is_some_and(|rest| rest.ends_with('.'))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.0.is_empty() { "." } else { &self.0 })
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One name and type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// The name.
    pub name: Host,
    /// The type.
    pub kind: RecordType,
}

impl Question {
    /// A question.
    pub fn new(name: &Host, kind: RecordType) -> Question {
        Question {
            name: name.clone(),
            kind,
        }
    }

    /// Whether a message repeats this question (RFC 5452 4.3 and 9.1); one without any question does not.
    pub fn is_echoed(&self, message: &Heard) -> bool {
        message
            .question
            .as_ref()
            .is_some_and(|(name, kind)| name.as_str() == self.name.as_str() && *kind == self.kind)
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", type_name(self.kind), self.name)
    }
}

/// How a question is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The UDP payload size that EDNS offers (RFC 6891 6.2.3); `None`: without EDNS, so 512 bytes.
    pub edns: Option<u16>,
    /// DO: signatures are wanted (RFC 3225).
    pub dnssec_ok: bool,
    /// CD: answer although validation fails (RFC 4035 3.2.2).
    pub checking_disabled: bool,
    /// RD: ask others. Off for authoritative servers.
    pub recursion: bool,
    /// Bytes of padding (RFC 7830), so that an ICMP error's quote tells which query it was; only with EDNS.
    pub padding: u16,
}

impl Shape {
    /// As a stub resolver without EDNS asks.
    pub const PLAIN: Shape = Shape {
        edns: None,
        dnssec_ok: false,
        checking_disabled: false,
        recursion: true,
        padding: 0,
    };

    /// With room for an answer of that many bytes.
    pub const fn with_room(size: u16) -> Shape {
        Shape {
            edns: Some(size),
            ..Shape::PLAIN
        }
    }

    /// The largest UDP answer that this allows, in bytes.
    pub fn room(&self) -> u16 {
        self.edns.unwrap_or(512).max(512)
    }

    /// The message.
    ///
    /// # Errors
    /// The name does not fit into a message; [`Host::parse`] lets no such name through.
    pub fn encode(&self, id: u16, question: &Question) -> Result<Vec<u8>, String> {
        let fault = |error: hickory_proto::ProtoError| format!("{question}: {error}");
        let name = Name::from_ascii(format!("{}.", question.name.as_str())).map_err(fault)?;
        let mut message = Message::query();
        message.metadata.id = id;
        message.metadata.recursion_desired = self.recursion;
        message.metadata.checking_disabled = self.checking_disabled;
        let kind = HickoryType::from(question.kind.0);
        message.add_query(Query::query(name, kind));
        if let Some(size) = self.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(size);
            edns.set_dnssec_ok(self.dnssec_ok);
            if self.padding > 0 {
                let zeros = vec![0; usize::from(self.padding)];
                edns.options_mut()
                    .insert(EdnsOption::Unknown(PADDING, zeros));
            }
            message.set_edns(edns);
        }
        message.to_vec().map_err(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, Question, Shape};
    use crate::proto::dns::{RecordType, decode};

    fn question(name: &str, kind: RecordType) -> Question {
        Question::new(&Host::parse(name).expect("a name"), kind)
    }

    #[test]
    fn what_is_asked_is_read_back() {
        let asked = question("Example.NET.", RecordType::MX);
        let shape = Shape {
            dnssec_ok: true,
            checking_disabled: true,
            padding: 7,
            ..Shape::with_room(1_232)
        };
        let bytes = shape.encode(0x1234, &asked).expect("a message");
        let message = decode(&bytes, bytes.len() as u32).expect("a header");
        assert_eq!(message.id, 0x1234);
        assert!(asked.is_echoed(&message));
        assert_eq!(message.edns_size, Some(1_232));
        assert!(message.dnssec_ok && message.checking_disabled && message.recursion_desired);
        assert!(!message.response && message.malformed.is_none());
    }

    #[test]
    fn padding_tells_queries_apart_by_their_length() {
        let asked = question("mail.example.net", RecordType::A);
        let length = |padding| {
            let shape = Shape {
                padding,
                ..Shape::with_room(512)
            };
            shape.encode(1, &asked).expect("a message").len()
        };
        assert_eq!(length(9) - length(1), 8);
        let plain = Shape::PLAIN.encode(1, &asked).expect("a message");
        let message = decode(&plain, plain.len() as u32).expect("a header");
        assert_eq!(message.edns_size, None);
    }

    #[test]
    fn names_as_users_write_them() {
        let ascii = |text: &str| Host::parse(text).map(|host| host.as_str().to_owned());
        assert_eq!(ascii("Bücher.Example."), Ok("xn--bcher-kva.example".into()));
        assert_eq!(
            ascii("_imaps._tcp.example.net"),
            Ok("_imaps._tcp.example.net".into())
        );
        for wrong in [
            "",
            ".",
            "192.0.2.1",
            "2001:db8::1",
            "a..b",
            "a b",
            &"x".repeat(64),
        ] {
            assert!(Host::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reverse_names() {
        let of = |ip: &str| Host::reversed(ip.parse().expect("an address"));
        assert_eq!(of("192.0.2.10").as_str(), "10.2.0.192.in-addr.arpa");
        assert!(
            of("2001:db8::1")
                .as_str()
                .ends_with(".8.b.d.0.1.0.0.2.ip6.arpa")
        );
        assert_eq!(of("2001:db8::1").as_str().len(), 72);
    }

    #[test]
    fn below_above_within() {
        let domain = Host::parse("example.net").expect("a name");
        let host = domain.below("mail").expect("a name");
        assert_eq!(host.parent(), Some(domain.clone()));
        assert!(host.is_within(&domain) && domain.is_within(&domain));
        assert!(
            !Host::parse("notexample.net")
                .expect("a name")
                .is_within(&domain)
        );
    }
}
