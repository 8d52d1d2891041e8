//! One connection, opened: its verdict on top, a tab of it below.

mod dialogue;
mod dns;
mod explain;
mod packets;
mod path;
mod tcp;
mod tls;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::preview::{block, headline, ladder};
use super::{Theme, put};
use crate::tui::model::{Detail, Kind, Model, Row, Subject, Tab};

/// Lines above the tab's own.
const HEAD: u16 = 4;

/// Columns of what is heard.
const SPOKEN: usize = 160;

/// Draws it.
pub fn draw(model: &Model, detail: &Detail, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let columns = usize::from(area.width);
    let mut head = verdict(model, detail, theme, columns);
    head.push(tabs(detail, theme));
    put(&head, area, buffer);
    let body = body(area);
    let lines = lines(model, detail, theme, body);
    let scroll = detail
        .scroll
        .min(lines.len().saturating_sub(usize::from(body.height)));
    put(lines.get(scroll..).unwrap_or(&[]), body, buffer);
    let below = lines
        .len()
        .saturating_sub(scroll + usize::from(body.height));
    if below > 0 && body.height > 0 {
        let said = format!(" {below} more ↓ ");
        let at = body.x + body.width.saturating_sub(super::text::width(&said) as u16);
        let line = Line::styled(said, theme.faint());
        buffer.set_line(at, body.y + body.height - 1, &line, body.width);
    }
}

fn body(area: Rect) -> Rect {
    let head = HEAD.min(area.height);
    Rect::new(area.x, area.y + head, area.width, area.height - head)
}

/// How many lines do not fit.
pub fn overflow(model: &Model, detail: &Detail, area: Rect) -> usize {
    let body = body(area);
    lines(model, detail, Theme::of(&model.look), body)
        .len()
        .saturating_sub(usize::from(body.height))
}

fn verdict(model: &Model, detail: &Detail, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let row = &detail.row;
    let block = block(row, &model.look.clock);
    let when = block.when;
    let ends = format!("   {} → {}", block.client, block.server);
    let mut third = vec![Span::raw("   ")];
    third.extend(ladder(row, theme));
    if third.len() == 1 {
        third.push(Span::styled(block.notes.join(", "), theme.faint()));
    }
    if let Some(place) = crate::present::place(&row.verdict().at) {
        let taken: usize = third
            .iter()
            .map(|span| super::text::width(&span.content))
            .sum();
        if taken + super::text::width(&place) < columns {
            third.push(Span::styled(format!(" {place}"), theme.strong()));
        }
    }
    vec![
        headline(row, theme, columns),
        super::both(
            vec![Span::raw(ends)],
            vec![Span::styled(format!(" {when} "), theme.faint())],
            columns,
        ),
        super::both(third, origin(model, row, theme), columns),
    ]
}

/// Of several interfaces, the one that a row was first seen on.
fn origin(model: &Model, row: &Row, theme: Theme) -> Vec<Span<'static>> {
    match model.source_names.get(&row.source()) {
        Some(name) if model.kind == Kind::Live && model.source_names.len() > 1 => {
            vec![Span::styled(format!(" from {name} "), theme.faint())]
        }
        _ => Vec::new(),
    }
}

fn label(place: usize, tab: Tab) -> String {
    format!(" {} {} ", place + 1, tab.name())
}

fn tabs(detail: &Detail, theme: Theme) -> Line<'static> {
    let mut spans = Vec::new();
    for (place, tab) in Tab::ALL.into_iter().enumerate() {
        let style = if tab == detail.tab {
            theme.selected()
        } else if is_empty(detail, tab) {
            theme.faint()
        } else {
            ratatui::style::Style::new()
        };
        spans.push(Span::styled(label(place, tab), style));
    }
    Line::from(spans)
}

/// Whether a tab has nothing of its own to say.
fn is_empty(detail: &Detail, tab: Tab) -> bool {
    match (&detail.row.subject, tab) {
        (Subject::Connection(record), Tab::Dialogue) => record
            .mail
            .as_ref()
            .is_none_or(|mail| mail.transcript.is_empty()),
        (Subject::Connection(record), Tab::Tls) => record.tls.is_none(),
        (Subject::Lookup(_), Tab::Dialogue | Tab::Tls | Tab::Tcp) => true,
        _ => false,
    }
}

/// Which tab's name lies there.
pub fn tab_at(area: Rect, at: Position) -> Option<Tab> {
    if at.y != area.y + HEAD - 1 {
        return None;
    }
    let mut end = area.x;
    for (place, tab) in Tab::ALL.into_iter().enumerate() {
        end += label(place, tab).len() as u16;
        if at.x < end {
            return Some(tab);
        }
    }
    None
}

fn lines(model: &Model, detail: &Detail, theme: Theme, body: Rect) -> Vec<Line<'static>> {
    let columns = usize::from(body.width);
    match detail.tab {
        Tab::Packets => packets::lines(model, detail, theme, body),
        Tab::Dialogue => dialogue::lines(detail, theme, columns),
        Tab::Tls => tls::lines(model, detail, theme, columns),
        Tab::Tcp => tcp::lines(detail, theme, columns),
        Tab::Dns => dns::lines(model, detail, theme, columns),
        Tab::Path => path::lines(model, detail, theme, columns),
        Tab::Explain => explain::lines(model, detail, theme, columns),
    }
}

/// A tab in lines for who hears them instead of seeing them.
pub fn spoken(model: &Model, detail: &Detail, tab: Tab) -> Vec<String> {
    let theme = Theme::of(&model.look);
    let lines = match tab {
        Tab::Tls => tls::lines(model, detail, theme, SPOKEN),
        Tab::Dns => dns::lines(model, detail, theme, SPOKEN),
        _ => explain::lines(model, detail, theme, SPOKEN),
    };
    let said = lines.iter().map(|line| {
        let text: String = line.spans.iter().map(|span| &*span.content).collect();
        let words: Vec<&str> = text
            .split_whitespace()
            .filter_map(|word| match word {
                "→" => Some("client:"),
                "←" => Some("server:"),
                "✓" => Some("healthy:"),
                "✗" => Some("failed:"),
                "~" => Some("degraded:"),
                "?" => Some("not known:"),
                "·" => None,
                word => Some(word),
            })
            .collect();
        words.join(" ")
    });
    said.filter(|line| !line.is_empty()).collect()
}

/// Seconds since the first frame, to be compared in a column.
fn seconds(nanos: i64) -> String {
    format!("{:.3}", nanos as f64 / 1e9)
}

/// A sentence where there is nothing to show.
fn nothing(said: &str, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    lines.extend(
        super::wrapped(said, columns.saturating_sub(4))
            .into_iter()
            .map(|line| Line::styled(format!("  {line}"), theme.faint())),
    );
    lines
}

/// Lines for packets that are not there.
fn unkept(detail: &Detail, theme: Theme, columns: usize) -> Option<Vec<Line<'static>>> {
    if !detail.loaded {
        return Some(nothing("…", theme, columns));
    }
    if detail.steps.is_empty() {
        let said = "Its packets are not kept any more: the memory for packets is bounded, and newer ones came. \
                    What was judged of them stands in the other tabs.";
        return Some(nothing(said, theme, columns));
    }
    None
}
