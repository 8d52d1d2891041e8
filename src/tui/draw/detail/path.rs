//! The path as far as packets show it: how far each sender is from where the capture was made.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::{Theme, fit, labelled};
use super::unkept;
use crate::present::place;
use crate::tui::model::{Detail, Model, SenderKind, Subject};

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
    if let Some(found) = model.probed.get(row.server_ip()) {
        lines.extend(labelled("probed", found, columns, theme, theme.strong()));
        lines.push(Line::default());
    }
    lines.extend(walked(model, detail, theme, columns));
    if let Some(more) = unkept(detail, theme, columns) {
        lines.extend(more);
        return lines;
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
    for sender in detail.senders() {
        let style = match sender.kind {
            SenderKind::Reset => theme.outcome("failed"),
            SenderKind::Device => theme.outcome("degraded"),
            SenderKind::End => Style::new(),
        };
        let distance = format!("{:>5}", sender.distance);
        lines.push(Line::from(vec![
            Span::raw(format!(" {}", fit(&distance, 11))),
            Span::styled(fit(&sender.who, 46), style),
            Span::raw(format!("{:>7}   {}", sender.packets, sender.ttl)),
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
        let how = match model.allowed.probe {
            Some(_) => "p".to_owned(),
            None => {
                let target = crate::present::endpoint(&record.server.ip, record.server.port);
                format!("mxray probe {target}")
            }
        };
        lines.extend(labelled(
            "measure",
            &format!("{how} measures hop by hop, this port beside others, loss and MTU"),
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
    let room = columns.saturating_sub(6 + ADDRESS) / PORT;
    let mut lines = Vec::new();
    for table in model.path_tables(&detail.row) {
        let mut heading = format!(" {}{}", fit("hop", 5), fit("address", ADDRESS));
        for name in table.columns.iter().take(room) {
            heading.push_str(&fit(name, PORT));
        }
        lines.push(Line::styled(heading, theme.faint()));
        for row in &table.rows {
            let mut spans = vec![
                Span::raw(format!(" {}", fit(&format!("{:>3}", row.hop), 5))),
                Span::raw(fit(&row.address, ADDRESS)),
            ];
            for cell in row.cells.iter().take(room) {
                let style = match cell.chars().next() {
                    Some('✗') => theme.outcome("failed"),
                    Some('~') => theme.outcome("degraded"),
                    Some(_) => theme.outcome("healthy"),
                    None => theme.faint(),
                };
                spans.push(Span::styled(fit(cell, PORT), style));
            }
            lines.push(Line::from(spans));
        }
        for note in &table.notes {
            lines.extend(labelled("", note, columns, theme, Style::new()));
        }
        lines.push(Line::default());
    }
    lines
}
