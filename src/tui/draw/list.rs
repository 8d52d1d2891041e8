//! The list of connections: a line each, or several folded into one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::text::{fit, fit_middle, fit_right};
use super::{Theme, put, wrapped};
use crate::base::{Nanos, SECOND};
use crate::present::{self, duration, thousands};
use crate::tui::model::{Bead, Fold, Group, Kind, Line as Entry, Model, RUNGS, Row};

/// Where the rows are, below the headings.
pub fn rows(area: Rect) -> Rect {
    let head = area.height.min(1);
    Rect::new(
        area.x,
        area.y + head,
        area.width,
        area.height.saturating_sub(head),
    )
}

/// How wide each column is.
struct Columns {
    start: usize,
    age: usize,
    client: usize,
    server: usize,
    ladder: usize,
    code: usize,
    summary: usize,
}

/// Ladder columns: beads alone, and beads with their names.
const BEADS: usize = 11;
const NAMED: usize = 38;
/// Columns for the counts of a folded line.
const COUNTS: usize = 14;

impl Columns {
    /// `days`: they began on several days.
    fn of(columns: usize, days: bool) -> Columns {
        let (start, ladder) = match columns {
            0..=99 => (0, BEADS),
            100..=119 => (9, BEADS),
            120..=159 => (if days { 17 } else { 9 }, BEADS),
            _ => (if days { 17 } else { 9 }, NAMED),
        };
        let age = 7;
        let fixed = 2 + start + age + ladder + 1;
        let rest = columns.saturating_sub(fixed);
        let client = (rest / 4).clamp(8, 40).min(rest);
        let server = (rest * 2 / 5).clamp(10, 48).min(rest - client);
        Columns {
            start,
            age,
            client: if columns < 100 {
                client.min(16)
            } else {
                client
            },
            server: if columns < 100 {
                server.min(24)
            } else {
                server
            },
            ladder,
            code: 0,
            summary: 0,
        }
        .filled(columns)
    }

    /// What is left goes to the code and then to the summary.
    fn filled(mut self, columns: usize) -> Columns {
        let taken = 2 + self.start + self.age + self.client + 1 + self.server + 1 + self.ladder + 1;
        let left = columns.saturating_sub(taken);
        // A few words of a summary say nothing.
        let summary = left.saturating_sub(29);
        if summary >= 20 {
            (self.code, self.summary) = (28, summary);
        } else {
            self.code = left.min(34);
            self.server += left - self.code;
        }
        self
    }
}

/// Draws it.
pub fn draw(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let columns = Columns::of(usize::from(area.width), model.spans_days());
    let rows = rows(area);
    if model.list.lines.is_empty() {
        put(&[headings(&columns, theme)], area, buffer);
        put(&empty(model, theme, usize::from(area.width)), rows, buffer);
        return;
    }
    let heading = match model.list.fold {
        Fold::None => headings(&columns, theme),
        fold => group_headings(fold, usize::from(area.width), theme),
    };
    put(&[heading], area, buffer);
    let height = usize::from(rows.height);
    let shown = model
        .list
        .lines
        .iter()
        .enumerate()
        .skip(model.list.offset)
        .take(height);
    for ((place, entry), y) in shown.zip(rows.y..) {
        let line = match entry {
            Entry::Row(row, below) => row_line(model, row, *below, &columns, theme),
            Entry::Group(group) => group_line(model, group, usize::from(area.width), theme),
        };
        buffer.set_line(rows.x, y, &line, rows.width);
        if place == model.list.cursor() {
            let whole = Rect::new(rows.x, y, rows.width, 1);
            buffer.set_style(whole, theme.selected());
        }
    }
}

fn headings(columns: &Columns, theme: Theme) -> Line<'static> {
    let mut text = "  ".to_owned();
    if columns.start > 0 {
        text.push_str(&fit("start", columns.start));
    }
    text.push_str(&fit("age", columns.age));
    text.push_str(&fit("client", columns.client + 1));
    text.push_str(&fit("server", columns.server + 1));
    let ladder = if columns.ladder == BEADS {
        "dns→session"
    } else {
        "ladder"
    };
    text.push_str(&fit(ladder, columns.ladder + 1));
    text.push_str(&fit("verdict", columns.code + columns.summary + 1));
    Line::styled(text, theme.faint())
}

/// What stands where no row is: why there is none, and of a live run what is captured and what is not.
fn empty(model: &Model, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let text = if model.list.hidden > 0 {
        format!(
            "Nothing fits; {} hidden. Esc clears the filter, x shows what is healthy too.",
            present::counted(model.list.hidden as u64, "row is", "rows are")
        )
    } else if model.ended {
        "No mail connection in here.".to_owned()
    } else if model.kind == Kind::Once {
        let since = model.opened.map_or(0, |opened| model.wall.since(opened));
        let doing = model.doing.as_deref().unwrap_or("running");
        format!("{} … {} s", doing, since / SECOND)
    } else if model.kind == Kind::Replay {
        "No mail connection has ended yet.".to_owned()
    } else {
        "No mail connection yet.".to_owned()
    };
    let mut lines = vec![Line::default()];
    let mut say = |text: &str| {
        let wrapped = wrapped(text, columns.saturating_sub(4));
        lines.extend(
            wrapped
                .into_iter()
                .map(|line| Line::styled(format!("  {line}"), theme.faint())),
        );
    };
    say(&text);
    if model.kind == Kind::Live && model.list.hidden == 0 {
        for (_, notice) in &model.notices {
            say("");
            say(notice);
        }
    }
    lines
}

/// The sign of a bead: shapes differ, colours only help.
pub fn sign(bead: Bead) -> &'static str {
    match bead {
        Bead::Reached => "●",
        Bead::Died => "✗",
        Bead::Unseen => "?",
        Bead::Going => "◐",
        Bead::Blank => "·",
    }
}

/// A bead's style.
pub fn bead_style(bead: Bead, theme: Theme) -> Style {
    match bead {
        Bead::Reached => theme.outcome("healthy"),
        Bead::Died => theme.outcome("failed"),
        Bead::Unseen => theme.outcome("incomplete"),
        Bead::Going => theme.outcome("open"),
        Bead::Blank => theme.faint(),
    }
}

fn ladder(row: &Row, named: bool, theme: Theme) -> Vec<Span<'static>> {
    let beads = row.beads();
    let mut spans = Vec::new();
    for (at, (bead, (name, _))) in beads.iter().zip(RUNGS).enumerate() {
        if at > 0 {
            let joined = beads.get(at - 1) == Some(&Bead::Reached) && *bead != Bead::Blank;
            spans.push(Span::styled(
                if joined && !named { "─" } else { " " },
                theme.faint(),
            ));
        }
        spans.push(Span::styled(sign(*bead), bead_style(*bead, theme)));
        if named {
            let name = match name {
                "greeting" => "greet",
                "session" => "sess",
                other => other,
            };
            let style = if *bead == Bead::Blank {
                theme.faint()
            } else {
                Style::new()
            };
            spans.push(Span::styled(name.to_owned(), style));
        }
    }
    let taken: usize = spans
        .iter()
        .map(|span| super::text::width(&span.content))
        .sum();
    let columns = if named { NAMED } else { BEADS };
    spans.push(Span::raw(" ".repeat(columns.saturating_sub(taken))));
    spans
}

fn row_line(
    model: &Model,
    row: &Row,
    below: bool,
    columns: &Columns,
    theme: Theme,
) -> Line<'static> {
    let verdict = row.verdict();
    let style = theme.outcome(row.state());
    let mark = if row.state() == "open" {
        "◐"
    } else {
        present::mark(row.outcome())
    };
    // What a probe of ours opened is told from what was watched.
    let after = match model.beside.contains(&row.source()) {
        true => "p",
        false => " ",
    };
    let mut spans = vec![
        Span::styled(if below { "└" } else { mark }, style),
        Span::styled(if below { mark } else { after }, style),
    ];
    if columns.start > 0 {
        let clock = &model.look.clock;
        let start = match columns.start {
            0..=9 => clock.time_of_day(row.started()),
            _ => clock.since(row.started(), model.now),
        };
        spans.push(Span::styled(fit(&start, columns.start), theme.faint()));
    }
    spans.push(Span::raw(format!(
        "{} ",
        fit_right(&age(model, row), columns.age - 1)
    )));
    spans.push(Span::raw(format!(
        "{} ",
        fit_middle(row.client_ip(), columns.client)
    )));
    spans.push(Span::raw(format!(
        "{} ",
        fit_middle(&row.target(), columns.server)
    )));
    spans.extend(ladder(row, columns.ladder == NAMED, theme));
    spans.push(Span::raw(" "));
    let words = match verdict.code {
        "ok" => "ok".to_owned(),
        code => code.to_owned(),
    };
    spans.push(Span::styled(fit(&words, columns.code), style));
    if columns.summary > 0 {
        spans.push(Span::raw(format!(
            " {}",
            fit(&verdict.summary, columns.summary)
        )));
    }
    Line::from(spans)
}

/// How long it went on; of what is open, until now. Never longer than its column.
fn age(model: &Model, row: &Row) -> String {
    let until = if row.is_open() && model.kind == Kind::Live {
        model.shown_now().max(row.ended())
    } else {
        row.ended()
    };
    short(until.since(row.started()))
}

/// A duration in six columns: `87 ms`, `27.4 s`, `12 min`, `2.5 h`.
fn short(nanos: Nanos) -> String {
    let text = duration(nanos);
    if text.len() <= 6 {
        return text;
    }
    let seconds = nanos / SECOND;
    match seconds {
        // 99.96 would round to a longer text.
        0..=99 => format!("{:.1} s", (nanos as f64 / SECOND as f64).min(99.9)),
        100..=3_599 => format!("{} min", seconds / 60),
        3_600..=172_799 => format!("{:.1} h", seconds as f64 / 3_600.0),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn group_headings(fold: Fold, columns: usize, theme: Theme) -> Line<'static> {
    let what = match fold {
        Fold::Client => "client",
        Fold::Cause => "cause",
        _ => "server",
    };
    let left = vec![Span::styled(
        format!("  {} {what}", fit("rows", COUNTS)),
        theme.faint(),
    )];
    let right = match columns {
        0..=99 => " since ",
        _ => " first … latest ",
    };
    super::both(left, vec![Span::styled(right, theme.faint())], columns)
}

fn group_line(model: &Model, group: &Group, columns: usize, theme: Theme) -> Line<'static> {
    let clock = &model.look.clock;
    let fine = group.all.saturating_sub(group.failed + group.degraded);
    let sign = if group.policy { "⊘" } else { "✗" };
    let style = match (group.policy, group.failed, group.degraded) {
        (true, ..) => theme.faint(),
        (_, 0, 0) => theme.outcome("healthy"),
        (_, 0, _) => theme.outcome("degraded"),
        _ => theme.outcome("failed"),
    };
    let arrow = if group.open { "▾" } else { "▸" };
    let counts: String = [(sign, group.failed), ("~", group.degraded), ("✓", fine)]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(sign, count)| format!("{sign} {} ", thousands(count as u64)))
        .collect();
    let left = vec![
        Span::styled(arrow, theme.strong()),
        Span::raw(" "),
        Span::styled(fit(&counts, COUNTS), style),
        Span::styled(
            format!(" {}", group.title),
            if group.policy {
                theme.faint()
            } else {
                theme.strong()
            },
        ),
    ];
    let (first, latest) = group.span;
    let since = clock.since(first, model.now);
    let span = match columns {
        0..=99 => format!(" {since} "),
        _ => format!(" {since} … {} ", clock.since(latest, model.now)),
    };
    let right = vec![Span::styled(span, theme.faint())];
    super::both(left, right, columns)
}

#[cfg(test)]
mod tests {
    use super::short;
    use crate::base::{MILLISECOND, SECOND};

    #[test]
    fn an_age_fits_its_column() {
        for (nanos, told) in [
            (87 * MILLISECOND, "87 ms"),
            (9_990 * MILLISECOND, "9.99 s"),
            (27_390 * MILLISECOND, "27.4 s"),
            (99_990 * MILLISECOND, "99.9 s"),
            (400 * SECOND, "6 min"),
            (3_599 * SECOND, "59 min"),
            (9_000 * SECOND, "2.5 h"),
            (172_000 * SECOND, "47.8 h"),
            (1_000_000 * SECOND, "11 d"),
        ] {
            assert_eq!(short(nanos), told);
            assert!(told.len() <= 6);
        }
    }
}
