//! This case: evidence, how sure, what else fits, what to do; then the code's page.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::preview::block;
use super::super::{Theme, labelled, wrapped};
use crate::diagnosis::Code;
use crate::present::{page, place};
use crate::tui::model::{Detail, Model};

/// The case and the page.
pub fn lines(model: &Model, detail: &Detail, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let row = &detail.row;
    let verdict = row.verdict();
    let block = block(row, &model.look.clock);
    let plain = Style::new();
    let mut lines = labelled("why", &block.summary, columns, theme, theme.strong());
    if let Some(place) = place(&verdict.at) {
        lines.extend(labelled("where", &place, columns, theme, plain));
    }
    for (at, piece) in block.evidence.iter().enumerate() {
        let name = if at == 0 { "because" } else { "" };
        let text = format!("{}  {}  {}", piece.frame, piece.after, piece.text);
        lines.extend(labelled(name, &text, columns, theme, plain));
    }
    for (at, advice) in block.advice.iter().enumerate() {
        let name = if at == 0 { "do" } else { "" };
        lines.extend(labelled(name, advice, columns, theme, theme.strong()));
    }
    lines.extend(labelled("sure", &block.sure, columns, theme, plain));
    for other in &block.alternatives {
        let text = format!("{} {}", other.code, other.text);
        lines.extend(labelled("or", &text, columns, theme, plain));
    }
    for finding in &block.findings {
        let text = format!("{}: {}", finding.code, finding.text);
        lines.extend(labelled("also", &text, columns, theme, plain));
    }
    lines.extend(labelled(
        "look",
        &block.look.filter,
        columns,
        theme,
        theme.code(),
    ));
    if let Some(frames) = &block.look.frames {
        lines.extend(labelled("", frames, columns, theme, theme.code()));
    }
    if let Some(code) = Code::ALL.iter().find(|code| code.name() == verdict.code) {
        lines.extend(of_page(*code, theme, columns));
    }
    lines
}

fn of_page(code: Code, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let page = page(code);
    let mut lines = vec![
        Line::default(),
        Line::from(vec![
            Span::styled(format!(" {code}"), theme.code()),
            Span::styled(format!("  {}", page.title), theme.strong()),
        ]),
    ];
    let mut body = |text: &str| {
        let (indent, said) = match text.strip_prefix("- ") {
            Some(said) => ("   · ", said),
            None if text.starts_with("  ") => ("     ", text.trim_start()),
            None => ("   ", text),
        };
        for (at, line) in wrapped(said, columns.saturating_sub(indent.chars().count() + 1))
            .into_iter()
            .enumerate()
        {
            let indent = if at == 0 { indent } else { "     " };
            lines.push(Line::raw(format!("{indent}{line}")));
        }
    };
    page.opening.iter().for_each(|line| body(line));
    for (heading, content) in &page.sections {
        body("");
        body(&format!("{heading}:"));
        content.iter().for_each(|line| body(line));
    }
    lines
}
