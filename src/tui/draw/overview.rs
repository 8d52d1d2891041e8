//! What is wrong now, since when, how often; success and failure over time; by server; what the capture counts.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::preview::rule;
use super::text::fit_right;
use super::{Theme, both, cut, fit, labelled, put, put_cut};
use crate::present::{self, duration, place, thousands};
use crate::tui::model::{Cause, Column, Counts, Kind, Model};

/// Lines of the bars above and below their axis.
const TALL: usize = 3;
/// Lines for the chosen cause at the most.
const CHOSEN: u16 = 9;

struct Parts {
    causes: Rect,
    chosen: Rect,
    bars: Rect,
    servers: Rect,
    counts: Rect,
}

/// `causes`: how many there are. What they leave free tells more of the chosen one.
fn parts(area: Rect, causes: usize) -> Parts {
    let mut rest = area;
    let counts = super::take(&mut rest, 2, false);
    let bars = super::take(
        &mut rest,
        if area.height >= 16 {
            TALL as u16 * 2 + 2
        } else {
            0
        },
        false,
    );
    // On a wide screen servers stand beside the causes.
    let servers = if rest.width >= 120 {
        let width = rest.width / 3;
        rest.width -= width;
        Rect::new(rest.x + rest.width, rest.y, width, rest.height)
    } else if rest.height >= 16 {
        let third = rest.height / 3;
        super::take(&mut rest, third, false)
    } else {
        Rect::default()
    };
    let listed = u16::try_from(causes.max(1) + 1).unwrap_or(u16::MAX);
    let tall = match rest.height {
        0..=6 => 0,
        height => height.saturating_sub(listed).clamp(4, CHOSEN),
    };
    let chosen = super::take(&mut rest, tall, false);
    Parts {
        causes: rest,
        chosen,
        bars,
        servers,
        counts,
    }
}

/// Draws it.
pub fn draw(model: &Model, cursor: usize, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let causes = model.causes.list();
    let parts = parts(area, causes.len());
    let cursor = cursor.min(causes.len().saturating_sub(1));
    draw_causes(model, &causes, cursor, theme, parts.causes, buffer);
    if let Some(cause) = causes.get(cursor) {
        let columns = usize::from(parts.chosen.width);
        let mut lines = labelled("why", &cause.text, columns, theme, Style::new());
        lines.truncate(2);
        for (at, advice) in cause.advice.iter().take(2).enumerate() {
            let name = if at == 0 { "do" } else { "" };
            lines.extend(labelled(name, advice, columns, theme, Style::new()));
        }
        put_cut(&lines, "Enter its connections", parts.chosen, theme, buffer);
    }
    draw_bars(model, theme, parts.bars, buffer);
    draw_servers(model, theme, parts.servers, buffer);
    draw_counts(model, theme, parts.counts, buffer);
}

/// Where the causes begin: below their heading.
fn first_cause(causes: usize, cursor: usize, area: Rect) -> (usize, u16) {
    let height = usize::from(area.height.saturating_sub(1)).max(1);
    let first = (cursor + 1)
        .saturating_sub(height)
        .min(causes.saturating_sub(height));
    (first, area.y + 1)
}

/// Which cause lies there.
pub fn cause_at(model: &Model, area: Rect, at: Position) -> Option<usize> {
    let crate::tui::model::Screen::Overview { cursor } = model.screen else {
        return None;
    };
    let count = model.causes.list().len();
    let area = parts(area, count).causes;
    let (first, y) = first_cause(count, cursor, area);
    if !area.contains(at) || at.y < y {
        return None;
    }
    let place = first + usize::from(at.y - y);
    (place < count).then_some(place)
}

fn draw_causes(
    model: &Model,
    causes: &[&Cause],
    cursor: usize,
    theme: Theme,
    area: Rect,
    buffer: &mut Buffer,
) {
    let columns = usize::from(area.width);
    let heading = if model.ended {
        "root causes"
    } else {
        "root causes now"
    };
    put(&[rule(heading, theme, columns)], area, buffer);
    if causes.is_empty() {
        let text = match (model.counts.healthy, model.ended) {
            (0, false) => " Nothing has ended yet.",
            (0, true) => " No mail connection was judged.",
            _ => " Nothing is wrong.",
        };
        let style = if model.counts.healthy > 0 {
            theme.outcome("healthy")
        } else {
            theme.faint()
        };
        let below = Rect::new(
            area.x,
            area.y.saturating_add(1),
            area.width,
            area.height.saturating_sub(1),
        );
        put(&[Line::styled(text, style)], below, buffer);
        return;
    }
    let (first, top) = first_cause(causes.len(), cursor, area);
    let clock = &model.look.clock;
    for (offset, cause) in causes.iter().enumerate().skip(first) {
        let y = top + (offset - first) as u16;
        if y >= area.y + area.height {
            break;
        }
        let (mark, style) = match cause.class {
            Some("policy") => ("⊘", theme.faint()),
            _ if cause.is_only_cost() => ("~", theme.outcome("degraded")),
            _ => ("✗", theme.outcome("failed")),
        };
        let place = place(&cause.at).unwrap_or_default();
        let left = vec![
            Span::styled(format!(" {mark} "), style),
            Span::styled(format!("{} ", cause.code), style),
            Span::raw(format!(" {} ", cause.target)),
            Span::styled(place, theme.faint()),
        ];
        let still = model.now.since(cause.latest);
        // On a narrow screen what died matters more than when it did last.
        let quiet = if still > 60 * crate::base::SECOND && columns >= 100 {
            format!(", last {} ago", duration(still))
        } else {
            String::new()
        };
        let right = vec![Span::raw(format!(
            " since {}, {}{quiet} ",
            clock.since(cause.since, model.now),
            present::counted(cause.attempts.max(1), "attempt", "attempts"),
        ))];
        buffer.set_line(area.x, y, &both(left, right, columns), area.width);
        if offset == cursor {
            buffer.set_style(Rect::new(area.x, y, area.width, 1), theme.selected());
        }
    }
}

/// Success above the line, failure below it: shape and side say which, colour only helps.
fn draw_bars(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if area.height < 4 {
        return;
    }
    let columns = usize::from(area.width);
    let wide = columns.saturating_sub(14).max(1);
    let (bars, each) = model.history.columns(model.now, wide);
    let title = format!(
        "success above, failure below; one column is {}",
        duration(each)
    );
    let mut lines = vec![rule(&title, theme, columns)];
    let fine = |column: &Column| column.healthy;
    let bad = |column: &Column| column.failed + column.degraded + column.refused;
    let most = bars
        .iter()
        .map(|column| fine(column).max(bad(column)))
        .max()
        .unwrap_or(0)
        .max(1);
    for level in (0..TALL).rev() {
        lines.push(bar_line(
            &bars,
            level,
            most,
            fine,
            if level == TALL - 1 { Some(most) } else { None },
            theme.outcome("healthy"),
            '█',
        ));
    }
    for level in 0..TALL {
        lines.push(bar_line(
            &bars,
            level,
            most,
            bad,
            if level == TALL - 1 { Some(most) } else { None },
            theme.outcome("failed"),
            '▒',
        ));
    }
    let last = match model.history.scale() {
        Some((start, _)) => format!(
            "{} … {}",
            model.look.clock.since(start, model.now),
            model.look.clock.time_of_day(model.now)
        ),
        None => String::new(),
    };
    lines.push(Line::styled(
        format!("{}{last}", " ".repeat(12)),
        theme.faint(),
    ));
    put(&lines, area, buffer);
}

fn bar_line(
    bars: &[Column],
    level: usize,
    most: u32,
    value: impl Fn(&Column) -> u32,
    label: Option<u32>,
    style: Style,
    full: char,
) -> Line<'static> {
    let label = label.map_or(String::new(), |most| thousands(u64::from(most)));
    let mut text = String::new();
    for column in bars {
        let value = value(column);
        // Half a level rounds up, and anything at all shows.
        let height = (u64::from(value) * 2 * TALL as u64).div_ceil(u64::from(most)) as usize;
        text.push(match height.saturating_sub(2 * level) {
            0 => ' ',
            1 if full == '█' => '▄',
            1 => '░',
            _ => full,
        });
    }
    Line::from(vec![
        Span::raw(format!("{} │", fit_right(&label, 10))),
        Span::styled(text, style),
    ])
}

fn draw_servers(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let columns = usize::from(area.width);
    let mut servers: Vec<(&String, &Counts)> = model.servers.iter().collect();
    let bad = |counts: &Counts| {
        counts.failed + counts.degraded - counts.refused.min(counts.failed + counts.degraded)
    };
    servers.sort_by(|a, b| bad(b.1).cmp(&bad(a.1)).then(b.1.healthy.cmp(&a.1.healthy)));
    let mut lines = vec![rule("servers", theme, columns)];
    let digits = |count: fn(&Counts) -> u64| {
        let longest = servers.iter().map(|(_, one)| thousands(count(one)).len());
        longest.max().unwrap_or(1)
    };
    let (failed, degraded, healthy) = (
        digits(|one| one.failed),
        digits(|one| one.degraded),
        digits(|one| one.healthy),
    );
    // A blank before and after the name, a sign and two blanks with every count.
    let name = columns.saturating_sub(2 + failed + degraded + healthy + 3 * 3);
    for (server, counts) in servers {
        let style = |outcome: &str, count: u64| {
            if count > 0 {
                theme.outcome(outcome)
            } else {
                theme.faint()
            }
        };
        lines.push(Line::from(vec![
            Span::raw(format!(" {} ", fit(server, name))),
            Span::styled(
                format!("✗ {:>failed$} ", thousands(counts.failed)),
                style("failed", counts.failed),
            ),
            Span::styled(
                format!("~ {:>degraded$} ", thousands(counts.degraded)),
                style("degraded", counts.degraded),
            ),
            Span::styled(
                format!("✓ {:>healthy$} ", thousands(counts.healthy)),
                style("healthy", counts.healthy),
            ),
        ]));
    }
    put(&lines, area, buffer);
}

fn draw_counts(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let columns = usize::from(area.width);
    let mut said = Vec::new();
    if model.stats.packets > 0 {
        said.push(format!("{} packets", thousands(model.stats.packets)));
    }
    if model.kind == Kind::Live {
        said.push(format!("{}/s", thousands(model.rate.round() as u64)));
        said.push(model.drops());
    }
    if let Some(memory) = model.stats.memory {
        said.push(format!("{} MB memory", thousands(memory / 1_000_000)));
    }
    said.push(format!("{} rows kept", thousands(model.store.len() as u64)));
    if model.store.evicted() > 0 {
        said.push(format!(
            "{} older ones left",
            thousands(model.store.evicted())
        ));
    }
    if model.frames.kept > 0 {
        said.push(format!("{} packets kept", thousands(model.frames.kept)));
    }
    if model.frames.evicted > 0 {
        said.push(format!(
            "{} older ones left",
            thousands(model.frames.evicted)
        ));
    }
    let latest = match model.notices.back() {
        Some((time, text)) => format!("{} {text}", model.look.clock.time_of_day(*time)),
        None => model
            .summary
            .as_ref()
            .map_or_else(String::new, present::counts),
    };
    put(
        &[
            Line::styled(
                cut(&format!(" {}", said.join(" · ")), columns),
                theme.faint(),
            ),
            Line::raw(cut(&format!(" {latest}"), columns)),
        ],
        area,
        buffer,
    );
}
