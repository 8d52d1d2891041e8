//! The look-ups that belong to the connection, or the look-up itself.

use std::sync::Arc;

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::preview::block;
use super::super::{Theme, labelled};
use super::nothing;
use crate::present::mark;
use crate::tui::model::{Detail, Model, Row, Subject};

/// Look-ups shown.
const SHOWN: usize = 24;

/// Each look-up with its answer and verdict.
pub fn lines(model: &Model, detail: &Detail, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let mut rows: Vec<Arc<Row>> = match &detail.row.subject {
        Subject::Lookup(_) => vec![Arc::clone(&detail.row)],
        Subject::Connection(record) => model
            .store
            .all()
            .filter(|row| {
                matches!(row.subject, Subject::Lookup(_))
                    && row.attempt().is_some()
                    && row.attempt() == record.attempt
            })
            .cloned()
            .collect(),
    };
    if rows.is_empty() {
        let said = "No look-up belongs to this connection: the name was known already (cached, configured, or \
                    asked before the capture began), or another machine asked.";
        return nothing(said, theme, columns);
    }
    rows.sort_by_key(|row| row.started());
    let mut lines = Vec::new();
    for row in rows.iter().take(SHOWN) {
        let Subject::Lookup(record) = &row.subject else {
            continue;
        };
        let block = block(row, &model.look.clock);
        let style = theme.outcome(row.outcome());
        lines.push(Line::from(vec![
            Span::styled(format!(" {} ", mark(row.outcome())), style),
            Span::styled(
                super::super::cut(&block.target, columns.saturating_sub(4)),
                theme.strong(),
            ),
        ]));
        let plain = Style::new();
        lines.extend(labelled(
            "asked",
            &format!("{} by {}", block.server, block.client),
            columns,
            theme,
            plain,
        ));
        lines.extend(labelled("when", &block.when, columns, theme, plain));
        lines.extend(labelled(
            "answer",
            &block.notes.join("; "),
            columns,
            theme,
            plain,
        ));
        if record.verdict.code != "ok" {
            let text = format!("{}: {}", record.verdict.code, record.verdict.summary);
            lines.extend(labelled("verdict", &text, columns, theme, style));
        }
        for finding in &block.findings {
            let text = format!("{}: {}", finding.code, finding.text);
            lines.extend(labelled("also", &text, columns, theme, plain));
        }
        lines.push(Line::default());
    }
    if rows.len() > SHOWN {
        lines.push(Line::styled(
            format!(" and {} more", rows.len() - SHOWN),
            theme.faint(),
        ));
    }
    lines
}
