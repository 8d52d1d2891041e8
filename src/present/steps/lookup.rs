//! The packets of a look-up: who asked, who answered, what was asked again.

use std::net::IpAddr;

use super::words::{dns_words, icmp_words, words};
use super::{Captured, Fate, Kind, Sender, Step};
use crate::base::{Side, Timestamp};
use crate::engine::record::LookupRecord;
use crate::flow::lookup::SEEN_TWICE;
use crate::proto::dns;
use crate::wire::{Net, Transport, dissect};

/// The packets of a look-up over UDP; over TCP it has segments like any connection and none are told.
pub fn lookup_steps<'a>(
    record: &LookupRecord,
    frames: impl IntoIterator<Item = Captured<'a>>,
) -> Vec<Step> {
    let client: Option<IpAddr> = record.client.parse().ok();
    // What was said already: by whom, its number, in words, when.
    let mut said: Vec<(Side, u16, String, Timestamp)> = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    for frame in frames {
        let packet = dissect(frame.link_type, frame.data, frame.original_len);
        let Net::Ip(ip) = &packet.net else { continue };
        let side = if Some(ip.source) == client {
            Side::Client
        } else {
            Side::Server
        };
        let (sender, kind, label, again) = match &packet.transport {
            Transport::Udp(udp) => {
                let Some(message) = dns::decode(udp.payload, udp.payload_len) else {
                    continue;
                };
                let label = dns_words(&message);
                let copied = said.iter().any(|(by, id, words, at)| {
                    (*by, *id, words) == (side, message.id, &label)
                        && frame.time.since(*at) <= SEEN_TWICE
                });
                if copied {
                    if let Some(step) = steps.last_mut() {
                        step.copies = step.copies.saturating_add(1);
                    }
                    continue;
                }
                let again = side == Side::Client && said.iter().any(|one| one.0 == side);
                said.push((side, message.id, label.clone(), frame.time));
                (Sender::End(side), Kind::Dns, label, again)
            }
            Transport::Icmp(icmp) => (
                Sender::Path(ip.source, Side::Client),
                Kind::Icmp,
                icmp_words(icmp),
                false,
            ),
            Transport::Tcp(tcp) => {
                let (kind, label) = words(frame.number, side, tcp, &[]);
                (Sender::End(side), kind, label, false)
            }
            Transport::None | Transport::Fragment(_) => continue,
        };
        let asks = sender == Sender::End(Side::Client) && kind == Kind::Dns;
        let step = Step::unnumbered(&frame, ip.ttl, sender, kind, label);
        steps.push(Step {
            again,
            fate: if asks {
                Fate::Unanswered
            } else {
                Fate::Unasked
            },
            ..step
        });
    }
    let mut answered = Fate::Unanswered;
    for step in steps.iter_mut().rev() {
        if step.sender == Sender::End(Side::Server) {
            answered = Fate::Answered;
        } else if step.kind == Kind::Icmp {
            answered = Fate::Stopped;
        } else if step.fate == Fate::Unanswered {
            step.fate = answered;
            if step.again {
                answered = Fate::SentAgain;
            }
        }
    }
    steps
}
