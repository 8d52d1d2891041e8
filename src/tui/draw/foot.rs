//! The last line: what was said, what is asked, else the keys that matter here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::{Theme, both, put, wrapped};
use crate::present::{endpoint, thousands};
use crate::tui::model::{Ask, Model, Screen};

/// Draws it.
pub fn draw(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let columns = usize::from(area.width);
    let line = match &model.ask {
        Some(Ask::Filter { text, error, .. }) => filter(text, error.as_deref(), theme, columns),
        _ => match &model.said {
            Some((text, _)) => {
                Line::styled(super::fit(&format!(" {text}"), columns), theme.strong())
            }
            None => keys(model, theme, columns),
        },
    };
    put(&[line], area, buffer);
}

fn filter(text: &str, error: Option<&str>, theme: Theme, columns: usize) -> Line<'static> {
    let hint = match error {
        Some(error) => Span::styled(format!(" {error} "), theme.outcome("failed")),
        None => Span::styled(
            " words code: port: host: state: class: /regex/ ",
            theme.faint(),
        ),
    };
    let left = vec![
        Span::styled("/", theme.strong()),
        Span::raw(super::calm(text)),
        Span::styled(" ", theme.selected()),
    ];
    both(left, vec![hint], columns)
}

fn keys(model: &Model, theme: Theme, columns: usize) -> Line<'static> {
    let replay = model.playback.is_some();
    let mut shown: Vec<(&str, &str)> = match &model.screen {
        Screen::List => vec![
            ("Enter", "open"),
            ("n", "next death"),
            ("/", "filter"),
            ("f", "fold"),
            ("x", "only failed"),
            ("Tab", "overview"),
        ],
        Screen::Detail(_) => vec![
            ("←→", "tabs"),
            ("↑↓", "scroll"),
            ("Esc", "back"),
            ("n", "next death"),
            ("w", "save"),
            ("y", "copy filter"),
        ],
        Screen::Overview { .. } => vec![
            ("↑↓", "cause"),
            ("Enter", "its connections"),
            ("Tab", "list"),
        ],
    };
    if replay {
        shown.push(("space", "play"));
    }
    // Help is always named; of the others, as many as fit.
    let needs = |(key, what): &(&str, &str)| key.chars().count() + what.len() + 3;
    let last = [("?", "help"), ("q", "quit")];
    let mut taken: usize = last.iter().map(needs).sum();
    shown.retain(|key| {
        taken += needs(key);
        taken <= columns
    });
    shown.extend(last);
    let mut left = Vec::new();
    for (key, what) in shown {
        left.push(Span::styled(format!(" {key}"), theme.strong()));
        left.push(Span::styled(format!(" {what} "), theme.faint()));
    }
    let mut right = Vec::new();
    if let Some(doing) = &model.doing {
        right.push(Span::raw(format!(" {doing} ")));
    } else if model.store.evicted() > 0 {
        right.push(Span::styled(
            format!(" {} older rows left ", thousands(model.store.evicted())),
            theme.faint(),
        ));
    }
    both(left, right, columns)
}

/// A question over everything.
pub fn question(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let Some(Ask::Probe { target, says }) = &model.ask else {
        return;
    };
    let width = area.width.saturating_sub(4).min(72);
    let inner = usize::from(width).saturating_sub(4);
    let server = endpoint(&target.ip.to_string(), target.port);
    let name = target
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!(" ({name})"));
    let mut lines = vec![
        Line::default(),
        Line::styled(
            super::cut(
                &format!("  Probe {server}{name}, {}?", target.service),
                inner + 2,
            ),
            theme.strong(),
        ),
        Line::default(),
    ];
    lines.extend(
        wrapped(says, inner)
            .into_iter()
            .map(|line| Line::raw(format!("  {line}"))),
    );
    lines.push(Line::default());
    lines.push(Line::from(vec![
        Span::styled("  y", theme.strong()),
        Span::raw(" sends it   "),
        Span::styled("n", theme.strong()),
        Span::raw(" sends nothing"),
    ]));
    lines.push(Line::default());
    let height = (lines.len() as u16).min(area.height);
    let window = Rect::new(
        area.x + area.width.saturating_sub(width) / 2,
        area.y + area.height.saturating_sub(height) / 2,
        width,
        height,
    )
    .intersection(area);
    Clear.render(window, buffer);
    buffer.set_style(window, theme.selected());
    put(&lines, window, buffer);
}
