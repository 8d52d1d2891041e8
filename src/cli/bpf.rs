//! `--filter`: programs in the language of tcpdump, applied to frames that were read already.
//!
//! A BPF program compiled for Ethernet sees neither behind a VLAN tag nor into a tunnel. So a frame is offered
//! up to three times: as captured, with its VLAN tags taken out, and as the innermost IP packet that dissection
//! found. What matches is remembered as a flow or, for DNS, as a frame; records of those are shown. The frames
//! themselves all go to the engine: a filter that hides a witness must not change a verdict.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use pcap::{BpfProgram, Capture, Linktype};

use crate::base::SourceId;
use crate::capture::Frame;
use crate::engine::record::Record;
use crate::wire::{self, Net, Packet, Transport};

/// DLT_RAW, bare IP packets; in files LINKTYPE_RAW is 101.
const RAW: i32 = 12;
const LINKTYPE_RAW: u16 = 101;
const ETHERNET: u16 = 1;
/// Flows and frames remembered; beyond it everything is shown, and the report says nothing less.
const REMEMBERED: usize = 2_000_000;

type Ends = [(IpAddr, u16); 2];

/// A filter and what it has matched.
pub struct Filter {
    text: String,
    /// By link type; `None` where libpcap cannot compile it for that type.
    programs: HashMap<u16, Option<BpfProgram>>,
    raw: Option<BpfProgram>,
    flows: HashSet<(u32, Ends)>,
    frames: HashSet<(u32, u64)>,
    full: bool,
}

fn compile(text: &str, link_type: u16) -> Result<BpfProgram, pcap::Error> {
    let dlt = if link_type == LINKTYPE_RAW {
        RAW
    } else {
        i32::from(link_type)
    };
    Capture::dead(Linktype(dlt))?.compile(text, true)
}

impl Filter {
    /// Compiles it for Ethernet or, if only that makes sense, for bare IP. An error is libpcap's sentence.
    pub fn new(text: &str) -> Result<Filter, String> {
        let ethernet = compile(text, ETHERNET);
        let raw = compile(text, LINKTYPE_RAW);
        if let (Err(error), Err(_)) = (&ethernet, &raw) {
            return Err(error.to_string());
        }
        Ok(Filter {
            text: text.to_owned(),
            programs: HashMap::from([(ETHERNET, ethernet.ok())]),
            raw: raw.ok(),
            flows: HashSet::new(),
            frames: HashSet::new(),
            full: false,
        })
    }

    /// Remembers what a frame belongs to, if it matches.
    pub fn see(&mut self, source: SourceId, frame: &Frame<'_>) {
        let packet = wire::dissect(frame.link_type, frame.data, frame.original_len);
        let Net::Ip(ip) = &packet.net else {
            return;
        };
        let ports = match &packet.transport {
            Transport::Tcp(tcp) => (tcp.source_port, tcp.destination_port),
            Transport::Udp(udp) => (udp.source_port, udp.destination_port),
            _ => return,
        };
        if self.full || !self.matches(frame.link_type, frame.data, &packet) {
            return;
        }
        let dns = matches!(ports, (53, _) | (_, 53));
        if dns {
            self.frames.insert((source.0, frame.number));
        }
        if matches!(packet.transport, Transport::Tcp(_)) {
            let ends = sorted((ip.source, ports.0), (ip.destination, ports.1));
            self.flows.insert((source.0, ends));
        }
        self.full = self.flows.len().saturating_add(self.frames.len()) >= REMEMBERED;
    }

    /// Whether a frame matches as captured, without tags, or by its innermost IP packet.
    fn matches(&mut self, link_type: u16, data: &[u8], packet: &Packet<'_>) -> bool {
        let text = &self.text;
        let program = self
            .programs
            .entry(link_type)
            .or_insert_with(|| compile(text, link_type).ok());
        let matched = |program: &Option<BpfProgram>, bytes: &[u8]| {
            program
                .as_ref()
                .is_some_and(|program| program.filter(bytes))
        };
        if matched(program, data) {
            return true;
        }
        if link_type == ETHERNET && !packet.link.vlans.is_empty() {
            let tags = packet.link.vlans.len().saturating_mul(4).saturating_add(12);
            if let (Some(head), Some(rest)) = (data.get(..12), data.get(tags..)) {
                let bare = [head, rest].concat();
                if matched(program, &bare) {
                    return true;
                }
            }
        }
        innermost(data, packet).is_some_and(|bytes| matched(&self.raw, bytes))
    }

    /// Whether a record belongs to what matched.
    pub fn wants(&self, record: &Record) -> bool {
        match record {
            Record::Connection(record) => {
                let (Ok(client), Ok(server)) = (record.client.ip.parse(), record.server.ip.parse())
                else {
                    return true;
                };
                let ends = sorted((client, record.client.port), (server, record.server.port));
                self.full || self.flows.contains(&(record.source, ends))
            }
            Record::Lookup(record) => {
                let hit = |frame: &u64| self.frames.contains(&(record.source, *frame));
                self.full || record.frames.iter().any(hit)
            }
            _ => true,
        }
    }
}

fn sorted(a: (IpAddr, u16), b: (IpAddr, u16)) -> Ends {
    if a <= b { [a, b] } else { [b, a] }
}

/// The bytes of the innermost IP packet: the last place before its payload where a header with its addresses
/// stands.
fn innermost<'a>(data: &'a [u8], packet: &Packet<'_>) -> Option<&'a [u8]> {
    let Net::Ip(ip) = &packet.net else {
        return None;
    };
    let mut addresses = Vec::with_capacity(32);
    let (version, before) = match (ip.source, ip.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            addresses.extend(source.octets());
            addresses.extend(destination.octets());
            (4, 12)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            addresses.extend(source.octets());
            addresses.extend(destination.octets());
            (6, 8)
        }
        _ => return None,
    };
    let payload = match &packet.transport {
        Transport::Tcp(tcp) => tcp.payload,
        Transport::Udp(udp) => udp.payload,
        _ => return None,
    };
    let end = (payload.as_ptr() as usize)
        .checked_sub(data.as_ptr() as usize)
        .filter(|end| *end <= data.len() && !payload.is_empty())
        .unwrap_or(data.len());
    let head = data.get(..end)?;
    (before..head.len()).rev().find_map(|at| {
        let start = at.checked_sub(before)?;
        let fits = head.get(at..)?.starts_with(&addresses) && head.get(start)? >> 4 == version;
        fits.then(|| data.get(start..))?
    })
}

#[cfg(test)]
mod tests {
    use super::Filter;
    use crate::base::{SourceId, Timestamp};
    use crate::capture::Frame;
    use crate::wire::TcpFlags;
    use crate::wire::craft::{Header, Segment, ethernet, tcp};

    fn packet(port: u16) -> Vec<u8> {
        let header = Header::new("10.0.0.5".parse().unwrap(), "192.0.2.10".parse().unwrap());
        let segment = Segment {
            source_port: 51234,
            destination_port: port,
            seq: 1,
            ack: 0,
            flags: TcpFlags(TcpFlags::SYN),
            window: 1000,
            options: &[],
        };
        tcp(header, &segment, b"").unwrap()
    }

    fn seen(filter: &str, data: &[u8]) -> bool {
        let mut filter = Filter::new(filter).unwrap();
        let frame = Frame {
            number: 1,
            interface: 0,
            link_type: 1,
            time: Timestamp(0),
            data,
            original_len: data.len() as u32,
            control: false,
            position: 0,
        };
        filter.see(SourceId(0), &frame);
        !filter.flows.is_empty()
    }

    #[test]
    fn a_filter_sees_behind_tags_and_into_tunnels() {
        let inner = packet(25);
        let plain = ethernet([2; 6], [4; 6], &[], &inner);
        let tagged = ethernet([2; 6], [4; 6], &[7, 9], &inner);
        // IP in IP (RFC 2003), with the outer header in front.
        let mut outer = vec![
            0x45, 0, 0, 0, 0, 0, 0, 0, 64, 4, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2,
        ];
        outer[3] = (20 + inner.len()) as u8;
        outer.extend_from_slice(&inner);
        let tunnelled = ethernet([2; 6], [4; 6], &[7], &outer);
        for frame in [&plain, &tagged, &tunnelled] {
            assert!(seen("tcp dst port 25", frame));
            assert!(seen("host 192.0.2.10 and src host 10.0.0.5", frame));
            assert!(!seen("tcp port 587", frame));
            assert!(!seen("udp", frame));
        }
        assert!(seen("vlan 7", &tagged));
        assert!(seen("host 198.51.100.1", &tunnelled));
        assert!(seen("ether src 02:02:02:02:02:02", &tagged));
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(Filter::new("tcp prot 25").is_err());
    }
}
