//! The path as far as packets show it: how far each sender is from where the capture was made.

use std::collections::BTreeMap;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::{Theme, fit, labelled};
use super::unkept;
use crate::base::Side;
use crate::present::{Kind, Sender, place};
use crate::tui::model::{Detail, Subject};

/// How many hops a TTL has come: from the nearest initial value that systems use.
fn hops(ttl: u8) -> u8 {
    let start = [32u16, 64, 128, 255]
        .into_iter()
        .find(|start| u16::from(ttl) <= *start)
        .unwrap_or(255);
    (start - u16::from(ttl)) as u8
}

/// Senders with their distances, and where the verdict points.
pub fn lines(detail: &Detail, theme: Theme, columns: usize) -> Vec<Line<'static>> {
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
    if let Subject::Connection(record) = &row.subject {
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
