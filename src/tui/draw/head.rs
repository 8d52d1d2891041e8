//! The first two lines: what this is, what was counted; then the screens, and the worst cause so far.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::{Hit, Theme, both, put};
use crate::present::{mark, place, thousands};
use crate::tui::model::{Kind, Model, Screen};

const LIST: &str = " 1 Connections ";
const OVERVIEW: &str = " 2 Overview ";

/// Draws it.
pub fn draw(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let columns = usize::from(area.width);
    put(
        &[title(model, theme, columns), screens(model, theme, columns)],
        area,
        buffer,
    );
}

fn title(model: &Model, theme: Theme, columns: usize) -> Line<'static> {
    let left = vec![
        Span::styled(" mxray ", theme.strong()),
        Span::raw(model.title.clone()),
    ];
    let counts = model.counts;
    let mut right = Vec::new();
    for (outcome, count) in [
        ("failed", counts.failed),
        ("degraded", counts.degraded),
        ("healthy", counts.healthy),
        ("incomplete", counts.incomplete),
    ] {
        let style = if count > 0 {
            theme.outcome(outcome)
        } else {
            theme.faint()
        };
        right.push(Span::styled(
            format!(" {} {} ", mark(outcome), thousands(count)),
            style,
        ));
    }
    if model.now.0 > 0 {
        right.push(Span::raw(format!(
            " {} ",
            model.look.clock.time_of_day(model.now)
        )));
    }
    if model.kind == Kind::Live && model.ended {
        right.push(Span::styled(" capture over ", theme.selected()));
    }
    if model.kind == Kind::Live && model.stats.dropped > 0 {
        right.push(Span::styled(
            format!(" {} dropped ", thousands(model.stats.dropped)),
            theme.outcome("failed"),
        ));
    }
    both(left, right, columns)
}

fn screens(model: &Model, theme: Theme, columns: usize) -> Line<'static> {
    let overview = matches!(model.screen, Screen::Overview { .. });
    let style = |chosen: bool| {
        if chosen {
            theme.selected()
        } else {
            theme.faint()
        }
    };
    let left = vec![
        Span::styled(LIST, style(!overview)),
        Span::styled(OVERVIEW, style(overview)),
        Span::raw(" "),
    ];
    let room = columns.saturating_sub(LIST.len() + OVERVIEW.len() + 2);
    let (text, style) = state(model, theme);
    let right = vec![Span::styled(
        format!("{} ", super::cut(&text, room.saturating_sub(1))),
        style,
    )];
    both(left, right, columns)
}

/// What narrows the view, else the worst cause so far.
fn state(model: &Model, theme: Theme) -> (String, ratatui::style::Style) {
    if model.frozen {
        return ("FROZEN (space goes on)".to_owned(), theme.selected());
    }
    let mut said = Vec::new();
    if !model.list.filter.is_empty() {
        said.push(format!("/{}", model.list.filter.text()));
    }
    if model.list.only_bad {
        said.push("only what failed".to_owned());
    }
    if model.list.hidden > 0 && !said.is_empty() {
        said.push(format!("{} hidden", thousands(model.list.hidden as u64)));
    }
    if !said.is_empty() {
        return (said.join(" · "), theme.code());
    }
    if let Some(worst) = model.causes.list().first() {
        let since = model.look.clock.since(worst.since, model.now);
        let count = crate::present::counted(worst.attempts.max(1), "attempt", "attempts");
        let place = place(&worst.at).map_or_else(String::new, |place| format!(" {place}"));
        return (
            format!("{} since {since}, {count}{place}", worst.code),
            theme.outcome("failed"),
        );
    }
    if model.counts.healthy > 0 {
        return ("nothing wrong so far".to_owned(), theme.outcome("healthy"));
    }
    (String::new(), theme.faint())
}

/// Which screen's name lies there.
pub fn hit(_: &Model, area: Rect, at: Position) -> Option<Hit> {
    if at.y != area.y + 1 {
        return None;
    }
    let column = usize::from(at.x);
    if column < LIST.len() {
        Some(Hit::Screen(false))
    } else if column < LIST.len() + OVERVIEW.len() {
        Some(Hit::Screen(true))
    } else {
        None
    }
}
