//! The selected row in short: what died, where, why, what to do. So that nobody has to open anything to know it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Theme, both, labelled, put_cut};
use crate::present::{self, Mark, place, thousands};
use crate::tui::model::{Line as Entry, Model, Row, Subject};

/// Draws it.
pub fn draw(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let columns = usize::from(area.width);
    let lines = match model.list.current() {
        Some(Entry::Row(row, _)) => of_row(model, row, theme, columns),
        Some(Entry::Group(group)) => vec![
            rule("", theme, columns),
            Line::raw(format!(" {}", group.title)),
            Line::raw(format!(
                " {} in all, {} failed or degraded. Enter {} them.",
                thousands(group.all as u64),
                thousands((group.failed + group.degraded) as u64),
                if group.open { "folds" } else { "shows" }
            )),
        ],
        None => vec![rule("", theme, columns)],
    };
    put_cut(&lines, "Enter tells the rest", area, theme, buffer);
}

/// A thin line, with words in it on the right.
pub fn rule(said: &str, theme: Theme, columns: usize) -> Line<'static> {
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(" {said} ")
    };
    let said = super::cut(&said, columns);
    let line = "─".repeat(columns.saturating_sub(super::text::width(&said) + 2));
    let tail = if said.is_empty() { "──" } else { "─" };
    Line::from(vec![
        Span::styled(line, theme.faint()),
        Span::styled(said, theme.faint()),
        Span::styled(tail, theme.faint()),
    ])
}

/// The verdict's first line: mark, code, title, class.
pub fn headline(row: &Row, theme: Theme, columns: usize) -> Line<'static> {
    let verdict = row.verdict();
    let block = block(row, &present::Clock::default());
    let title = match verdict.code {
        "ok" | "unknown" => verdict.summary.clone(),
        _ => format!("{} – {}", row.target(), block.title),
    };
    let left = vec![
        Span::styled(
            format!(" {} {} ", present::mark(row.outcome()), verdict.code),
            theme
                .outcome(row.state())
                .add_modifier(ratatui::style::Modifier::BOLD),
        ),
        Span::styled(format!(" {title}"), theme.strong()),
    ];
    let right = vec![Span::styled(
        format!(" {} ", verdict.class.unwrap_or(row.state())),
        theme.outcome(row.state()),
    )];
    both(left, right, columns)
}

/// The ladder in words.
pub fn ladder(row: &Row, theme: Theme) -> Vec<Span<'static>> {
    let Subject::Connection(record) = &row.subject else {
        return Vec::new();
    };
    let mut spans = Vec::new();
    for (stage, mark) in present::rungs(record) {
        let style = match mark {
            Mark::Reached => theme.outcome("healthy"),
            Mark::Died => theme.outcome("failed"),
            Mark::Unseen => theme.outcome("incomplete"),
        };
        spans.push(Span::raw(stage));
        spans.push(Span::styled(format!(" {}  ", mark.sign()), style));
    }
    spans
}

/// A row in words.
pub fn block(row: &Row, clock: &present::Clock) -> present::Block {
    match &row.subject {
        Subject::Connection(record) => present::connection(record, clock),
        Subject::Lookup(record) => present::lookup(record, clock),
    }
}

fn of_row(model: &Model, row: &Row, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let verdict = row.verdict();
    let block = block(row, &model.look.clock);
    let mut lines = vec![
        rule(&block.when, theme, columns),
        headline(row, theme, columns),
    ];
    let mut reached = vec![Span::styled(" reached  ", theme.faint())];
    reached.extend(ladder(row, theme));
    if reached.len() > 1 {
        lines.push(Line::from(reached));
    }
    if !matches!(verdict.code, "ok" | "unknown") {
        let mut summary = labelled("why", &block.summary, columns, theme, Style::new());
        summary.truncate(2);
        lines.extend(summary);
    }
    let mut known: Vec<String> = place(&verdict.at).into_iter().collect();
    known.extend(verdict.frame.map(|frame| format!("frame {frame}")));
    if row.is_bad() {
        known.push(format!("sure {}", block.sure));
    }
    if !known.is_empty() {
        let known = known.join(" · ");
        lines.extend(labelled("where", &known, columns, theme, theme.strong()));
    }
    if let Some(found) = model.probed.get(row.server_ip()) {
        lines.extend(labelled("probed", found, columns, theme, theme.strong()));
    }
    for (at, advice) in verdict.advice.iter().take(2).enumerate() {
        let name = if at == 0 { "do" } else { "" };
        lines.extend(labelled(name, advice, columns, theme, Style::new()));
    }
    for other in block.alternatives.iter().take(2) {
        let text = format!("{} {}", other.code, other.text);
        lines.extend(labelled("or", &text, columns, theme, Style::new()));
    }
    for finding in block.findings.iter().take(3) {
        let text = format!("{}: {}", finding.code, finding.text);
        lines.extend(labelled("also", &text, columns, theme, Style::new()));
    }
    lines
}
