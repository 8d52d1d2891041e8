//! The path as far as packets show it: how far each sender is from where the capture was made.

use std::collections::BTreeMap;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::{Theme, fit, labelled};
use super::unkept;
use crate::base::Side;
use crate::engine::record::{HopInfo, PathRecord};
use crate::present::{Kind, Sender, place};
use crate::tui::model::{Detail, Model, Subject};

/// How many hops a TTL has come: from the nearest initial value that systems use.
fn hops(ttl: u8) -> u8 {
    let start = [32u16, 64, 128, 255]
        .into_iter()
        .find(|start| u16::from(ttl) <= *start)
        .unwrap_or(255);
    (start - u16::from(ttl)) as u8
}

/// Senders with their distances, and where the verdict points.
pub fn lines(model: &Model, detail: &Detail, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let row = &detail.row;
    let verdict = row.verdict();
    let mut lines = Vec::new();
    if let Some(place) = place(&verdict.at) {
        lines.extend(labelled(
            "where",
            &format!("{} {place}", verdict.code),
            columns,
            theme,
            theme.outcome(row.outcome()),
        ));
        lines.push(Line::default());
    }
    lines.extend(walked(model, detail, theme, columns));
    if let Some(more) = unkept(detail, theme, columns) {
        lines.extend(more);
        return lines;
    }
    // (distance, order, who) → packets; resets apart, since somebody else may have sent them.
    let mut senders: BTreeMap<(u8, u8, String), (u64, u8)> = BTreeMap::new();
    for step in &detail.steps {
        let (order, who) = match (step.sender, step.kind) {
            (Sender::End(Side::Client), Kind::Reset) => {
                (1, format!("client {}, its RST", row.client_ip()))
            }
            (Sender::End(Side::Client), _) => (0, format!("client {}", row.client_ip())),
            (Sender::Path(ip, _), _) => (2, format!("device {ip}, ICMP")),
            (Sender::End(Side::Server), Kind::Reset) => {
                (4, format!("server {}, its RST", row.server_ip()))
            }
            (Sender::End(Side::Server), _) => (3, format!("server {}", row.server_ip())),
        };
        let entry = senders
            .entry((hops(step.ttl), order, who))
            .or_insert((0, step.ttl));
        entry.0 += 1;
    }
    lines.push(Line::styled(
        format!(
            " {}{}{}",
            fit("hops away", 11),
            fit("sender", 46),
            "packets   TTL"
        ),
        theme.faint(),
    ));
    for ((distance, order, who), (count, ttl)) in senders {
        let style = match order {
            1 | 4 => theme.outcome("failed"),
            2 => theme.outcome("degraded"),
            _ => Style::new(),
        };
        lines.push(Line::from(vec![
            Span::raw(format!(" {}", fit(&format!("{distance:>5}"), 11))),
            Span::styled(fit(&who, 46), style),
            Span::raw(format!("{count:>7}   {ttl}")),
        ]));
    }
    lines.push(Line::default());
    lines.extend(labelled(
        "",
        "Counted from where the capture was made, by the TTL of packets that came.",
        columns,
        theme,
        theme.faint(),
    ));
    if let Subject::Connection(record) = &row.subject
        && !model
            .paths
            .iter()
            .any(|path| path.target == record.server.ip)
    {
        let target = crate::present::endpoint(&record.server.ip, record.server.port);
        lines.extend(labelled(
            "measure",
            &format!(
                "mxray probe {target} measures hop by hop, this port beside others, loss and MTU"
            ),
            columns,
            theme,
            theme.code(),
        ));
    }
    lines
}

/// Columns of the address and of each port.
const ADDRESS: usize = 28;
const PORT: usize = 16;

/// What a probe walked: a line per hop, a column per port, so that where they part can be seen.
fn walked(model: &Model, detail: &Detail, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let server = detail.row.server_ip();
    let room = columns.saturating_sub(6 + ADDRESS) / PORT;
    let paths: Vec<&PathRecord> = model
        .paths
        .iter()
        .filter(|path| path.target == server)
        .take(room)
        .collect();
    if paths.is_empty() {
        return Vec::new();
    }
    let mut heading = format!(" {}{}", fit("hop", 5), fit("address", ADDRESS));
    for path in &paths {
        let name = path
            .port
            .map_or("ICMP".to_owned(), |port| format!("port {port}"));
        heading.push_str(&fit(&name, PORT));
    }
    let mut lines = vec![Line::styled(heading, theme.faint())];
    let farthest = paths
        .iter()
        .flat_map(|path| &path.hops)
        .map(|hop| hop.ttl)
        .max()
        .unwrap_or(0);
    for ttl in 1..=farthest {
        let at = |path: &PathRecord| path.hops.iter().find(|hop| hop.ttl == ttl).cloned();
        let hops: Vec<Option<HopInfo>> = paths.iter().map(|path| at(path)).collect();
        let address = hops.iter().flatten().find_map(|hop| hop.address.clone());
        let mut spans = vec![
            Span::raw(format!(" {}", fit(&format!("{ttl:>3}"), 5))),
            Span::raw(fit(address.as_deref().unwrap_or("–"), ADDRESS)),
        ];
        for hop in &hops {
            let (text, style) = match hop {
                None => (String::new(), theme.faint()),
                Some(hop) if hop.answered == 0 => {
                    (format!("✗ 0/{}", hop.sent), theme.outcome("failed"))
                }
                Some(hop) => {
                    let rtt = hop
                        .rtt_ms
                        .map_or(String::new(), |rtt| format!(" {rtt:.1} ms"));
                    let style = if hop.answered < hop.sent {
                        theme.outcome("degraded")
                    } else {
                        theme.outcome("healthy")
                    };
                    (format!("✓ {}/{}{rtt}", hop.answered, hop.sent), style)
                }
            };
            spans.push(Span::styled(fit(&text, PORT), style));
        }
        lines.push(Line::from(spans));
    }
    for path in &paths {
        let name = path.port.map_or("ICMP".to_owned(), |port| port.to_string());
        let mut said = Vec::new();
        if let Some(loss) = &path.loss {
            said.push(format!(
                "loss {:.1} % of {} (95 %: {:.1} to {:.1} %)",
                loss.rate * 100.0,
                loss.sent,
                loss.low * 100.0,
                loss.high * 100.0
            ));
        }
        if let Some(mtu) = &path.mtu {
            let way = |mtu: Option<u16>| mtu.map_or("?".to_owned(), |mtu| mtu.to_string());
            said.push(format!(
                "MTU there {}, back {}",
                way(mtu.forward),
                way(mtu.backward)
            ));
            if let Some(hop) = mtu.blackhole_after_hop {
                said.push(format!("bigger packets vanish after hop {hop}"));
            }
        }
        if !said.is_empty() {
            lines.extend(labelled(
                &name,
                &said.join("; "),
                columns,
                theme,
                Style::new(),
            ));
        }
    }
    lines.push(Line::default());
    lines
}
