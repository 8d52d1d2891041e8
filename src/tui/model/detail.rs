//! One connection or look-up, opened: which tab, how far scrolled, and its packets in words.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hellos::hellos;
use super::row::{Row, Subject};
use crate::base::Side;
use crate::present::{Captured, Kind, Sender, Step, connection_steps, lookup_steps};
use crate::proto::tls::TlsFacts;
use crate::tui::frames::KeptFrames;

/// What is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// The sequence diagram.
    Packets,
    /// What was said.
    Dialogue,
    /// Hellos and certificates.
    Tls,
    /// Sequence numbers over time, windows, losses.
    Tcp,
    /// Look-ups of the same attempt.
    Dns,
    /// Hops and distances.
    Path,
    /// The code's page and this case.
    Explain,
}

impl Tab {
    /// All, in order.
    pub const ALL: [Tab; 7] = [
        Tab::Packets,
        Tab::Dialogue,
        Tab::Tls,
        Tab::Tcp,
        Tab::Dns,
        Tab::Path,
        Tab::Explain,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Tab::Packets => "Packets",
            Tab::Dialogue => "Dialogue",
            Tab::Tls => "TLS",
            Tab::Tcp => "TCP",
            Tab::Dns => "DNS",
            Tab::Path => "Path",
            Tab::Explain => "Explain",
        }
    }

    /// Its place in [`Tab::ALL`].
    pub fn place(self) -> usize {
        Tab::ALL.iter().position(|tab| *tab == self).unwrap_or(0)
    }

    /// The tab so many places on, around the ends.
    pub fn moved(self, by: isize) -> Tab {
        let len = Tab::ALL.len() as isize;
        let place = (self.place() as isize + by).rem_euclid(len);
        Tab::ALL.get(place as usize).copied().unwrap_or(self)
    }
}

/// An opened row.
#[derive(Debug)]
pub struct Detail {
    /// The row.
    pub row: Arc<Row>,
    /// What is told of it.
    pub tab: Tab,
    /// Lines above the screen.
    pub scroll: usize,
    /// Its packets in words.
    pub steps: Vec<Step>,
    /// What was offered in its TLS hellos, where its packets hold them.
    pub hellos: Option<Box<TlsFacts>>,
    /// Some of its packets are not kept.
    pub missing: bool,
    /// Whether its packets were handed over.
    pub loaded: bool,
}

impl Detail {
    /// An opened row of which no packet is known yet.
    pub fn new(row: Arc<Row>) -> Detail {
        Detail {
            row,
            tab: Tab::Packets,
            scroll: 0,
            steps: Vec::new(),
            hellos: None,
            missing: false,
            loaded: false,
        }
    }

    /// Its frames, handed over.
    pub fn packets(&mut self, kept: &KeptFrames) {
        let frames = kept.frames.iter().map(|frame| Captured {
            number: frame.number,
            time: frame.time,
            link_type: frame.link_type,
            original_len: frame.original_len,
            data: &frame.data,
        });
        self.steps = match &self.row.subject {
            Subject::Connection(record) => connection_steps(record, frames),
            Subject::Lookup(record) => lookup_steps(record, frames),
        };
        self.hellos = match &self.row.subject {
            Subject::Connection(record) if record.tls.is_some() => hellos(record, kept),
            _ => None,
        };
        self.missing = kept.missing;
        self.loaded = true;
    }

    /// Who sent its packets, nearest first; resets apart, since somebody else may have sent them.
    pub fn senders(&self) -> Vec<SenderInfo> {
        let row = &self.row;
        let mut senders: BTreeMap<(u8, u8, String), SenderInfo> = BTreeMap::new();
        for step in &self.steps {
            let (order, kind, who) = match (step.sender, step.kind) {
                (Sender::End(Side::Client), Kind::Reset) => (
                    1,
                    SenderKind::Reset,
                    format!("client {}, its RST", row.client_ip()),
                ),
                (Sender::End(Side::Client), _) => {
                    (0, SenderKind::End, format!("client {}", row.client_ip()))
                }
                (Sender::Path(ip, _), _) => (2, SenderKind::Device, format!("device {ip}, ICMP")),
                (Sender::End(Side::Server), Kind::Reset) => (
                    4,
                    SenderKind::Reset,
                    format!("server {}, its RST", row.server_ip()),
                ),
                (Sender::End(Side::Server), _) => {
                    (3, SenderKind::End, format!("server {}", row.server_ip()))
                }
            };
            let distance = hops(step.ttl);
            let entry = senders
                .entry((distance, order, who.clone()))
                .or_insert(SenderInfo {
                    distance,
                    kind,
                    who,
                    packets: 0,
                    ttl: step.ttl,
                });
            entry.packets += 1;
        }
        senders.into_values().collect()
    }
}

/// A sender of packets, as far as the capture shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// Hops from where the capture was made.
    pub distance: u8,
    /// What it is.
    pub kind: SenderKind,
    /// Who it is, in words.
    pub who: String,
    /// How many packets.
    pub packets: u64,
    /// The TTL of the first.
    pub ttl: u8,
}

/// What kind of sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderKind {
    /// An end of the connection.
    End,
    /// Whoever sent a reset under an end's name.
    Reset,
    /// A device on the way.
    Device,
}

/// How many hops a TTL has come: from the nearest initial value that systems use.
fn hops(ttl: u8) -> u8 {
    let start = [32u16, 64, 128, 255]
        .into_iter()
        .find(|start| u16::from(ttl) <= *start)
        .unwrap_or(255);
    (start - u16::from(ttl)) as u8
}
