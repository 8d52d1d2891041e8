//! The help: every key, on one page.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::{Theme, fit, put};
use crate::tui::model::Model;

const KEYS: &[(&str, &[(&str, &str)])] = &[
    (
        "Everywhere",
        &[
            ("?", "this help"),
            ("q, Esc", "back; in the list, q leaves"),
            ("Ctrl-C, Ctrl-Z", "leave; stop until fg"),
            ("w", "write the connection's packets as pcapng"),
            ("y, Y", "copy the Wireshark filter, or the verdict"),
            ("r", "write a report"),
            ("p", "probe the server (asks first)"),
            ("m", "give the mouse to the terminal, and take it back"),
            ("Ctrl-L", "draw everything anew"),
        ],
    ),
    (
        "Connections",
        &[
            ("j k ↓ ↑", "one down, one up; g first, G last and follow"),
            ("Enter", "open; a folded line shows its rows"),
            (
                "n N",
                "next and previous death (refusals on purpose are skipped)",
            ),
            ("/", "filter: words, -without, /regex/, and"),
            ("", "code:tcp.dropped port:25,587 host:mx1 client:10.0.0.5"),
            ("", "state:failed|degraded|healthy|incomplete|open"),
            ("", "class:network|service|policy|client service:imap"),
            ("Esc", "no filter"),
            ("x", "only what failed or was degraded"),
            ("f", "fold by server, client, cause"),
            ("s S", "sort by the next column; the other way round"),
            (
                "L",
                "healthy look-ups too, and control connections of a probe",
            ),
            ("Tab", "overview"),
            ("space", "live: freeze the view, the capture goes on"),
        ],
    ),
    (
        "One connection",
        &[
            ("← → h l 1–7", "tabs"),
            ("e", "explain"),
            ("n N", "next and previous death, same tab"),
        ],
    ),
    (
        "Replay",
        &[
            ("space", "stop, go on"),
            (".", "one packet"),
            ("+ -", "faster, slower"),
            ("[ ]", "10 s back, 10 s on"),
            ("{ }", "to the death before, to the next death"),
        ],
    ),
    (
        "Signs",
        &[
            ("✓ ~ ✗ ?", "healthy, degraded, failed, not known"),
            (
                "● ✗ ◐ ? ·",
                "reached, died here, under way, not seen, not come to or not needed",
            ),
            ("⊘", "refused on purpose by the server"),
            (
                "✓p ✗p",
                "opened by a probe from here: not counted in the run",
            ),
            (
                "age",
                "how long it lives; of what is over, how long it lived",
            ),
        ],
    ),
];

fn lines(theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (heading, keys) in KEYS {
        lines.push(Line::styled(format!(" {heading}"), theme.strong()));
        for (key, what) in *keys {
            lines.push(Line::from(vec![
                Span::styled(fit(&format!("   {key}"), 19), theme.code()),
                Span::raw(super::cut(what, columns.saturating_sub(20))),
            ]));
        }
        lines.push(Line::default());
    }
    lines
}

fn window(area: Rect) -> Rect {
    let width = area.width.min(80);
    let height = area.height.saturating_sub(2);
    Rect::new(
        area.x + area.width.saturating_sub(width) / 2,
        area.y + area.height.saturating_sub(height) / 2,
        width,
        height,
    )
}

/// How many lines do not fit.
pub fn overflow(model: &Model) -> usize {
    let window = window(Rect::new(0, 0, model.size.0, model.size.1));
    let theme = Theme::of(&model.look);
    lines(theme, usize::from(window.width))
        .len()
        .saturating_sub(usize::from(window.height.saturating_sub(1)))
}

/// Draws it over everything.
pub fn draw(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let window = window(area);
    if window.is_empty() {
        return;
    }
    let columns = usize::from(window.width);
    let all = lines(theme, columns);
    let scroll = model.help.unwrap_or(0).min(overflow(model));
    Clear.render(window, buffer);
    let more = if scroll < overflow(model) {
        " Keys   ↓ more   any other key closes "
    } else {
        " Keys   any other key closes "
    };
    let mut shown = vec![Line::styled(fit(more, columns), theme.selected())];
    shown.extend(all.into_iter().skip(scroll));
    put(&shown, window, buffer);
}
