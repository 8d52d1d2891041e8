//! What was said, line by line; secrets are masked where the record was made.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::{Theme, fit, labelled, wrapped};
use super::{nothing, seconds};
use crate::tui::model::{Detail, Subject};

/// The dialogue.
pub fn lines(detail: &Detail, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let Subject::Connection(record) = &detail.row.subject else {
        return nothing(
            "A look-up has no dialogue; its packets tell it.",
            theme,
            columns,
        );
    };
    let lines = record
        .mail
        .as_ref()
        .map_or(&[][..], |mail| &mail.transcript);
    if lines.is_empty() {
        let said = if record.tls.is_some() {
            "Nothing was said in clear: everything is inside TLS. A key log (--keylog FILE) makes it readable."
        } else if record.reached.contains(&"tcp") {
            "Nothing was said."
        } else {
            "Nothing was said: the connection never opened."
        };
        return nothing(said, theme, columns);
    }
    let fatal = detail
        .row
        .is_bad()
        .then_some(record.verdict.frame)
        .flatten();
    let mut shown = Vec::new();
    for line in lines {
        let (sign, style) = match line.from {
            "client" => ("→", theme.code()),
            _ => ("←", Style::new()),
        };
        let style = if fatal == Some(line.frame) {
            theme.outcome("failed")
        } else {
            style
        };
        let time = seconds(line.time.since(record.started.0));
        let head = format!("{time:>9} {}", fit(&format!("#{}", line.frame), 8));
        for (at, said) in wrapped(line.text.as_str(), columns.saturating_sub(22))
            .into_iter()
            .enumerate()
        {
            let (head, sign) = if at == 0 {
                (head.clone(), sign)
            } else {
                (" ".repeat(18), " ")
            };
            shown.push(Line::from(vec![
                Span::styled(head, theme.faint()),
                Span::styled(format!("{sign} "), theme.faint()),
                Span::styled(said, style),
            ]));
        }
    }
    if record.tls_mode == "starttls" && record.reached.contains(&"starttls") {
        shown.push(Line::styled(
            format!("{}from here on inside TLS", " ".repeat(20)),
            theme.faint(),
        ));
    }
    let offered: Vec<&str> = record
        .mail
        .iter()
        .flat_map(|mail| &mail.capabilities)
        .map(|one| one.as_str())
        .collect();
    if !offered.is_empty() {
        let offered = offered.join(", ");
        shown.push(Line::default());
        shown.extend(labelled("offers", &offered, columns, theme, Style::new()));
    }
    shown
}
