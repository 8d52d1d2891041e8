//! The sequence diagram: client, path and server as columns, packets as arrows, gaps in time to scale, and the place
//! of death.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::text::{cut, width};
use super::super::{Theme, calm, fit, wrapped};
use super::{seconds, unkept};
use crate::base::{MILLISECOND, Nanos, Side};
use crate::present::{self, Fate, Kind, Sender, Step, duration, place};
use crate::tui::model::{Detail, Model};

/// Columns for time and frame.
const MARGIN: usize = 18;
/// Lines that one gap may take.
const TALLEST: i64 = 6;
/// Lines that all gaps together may take on the smallest and on the largest screen.
const ALL_GAPS: (i64, i64) = (5, 24);
/// What one line of a gap may stand for.
const UNITS: [Nanos; 13] = [
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    1_000 * MILLISECOND,
    2_000 * MILLISECOND,
    5_000 * MILLISECOND,
    10_000 * MILLISECOND,
    30_000 * MILLISECOND,
    60_000 * MILLISECOND,
    300_000 * MILLISECOND,
    900_000 * MILLISECOND,
    3_600_000 * MILLISECOND,
];

/// The three columns.
#[derive(Clone, Copy)]
struct Lanes {
    left: usize,
    path: usize,
    right: usize,
}

/// A line in the making: one character per cell.
struct Canvas {
    cells: Vec<(char, Style)>,
}

impl Canvas {
    fn new(lanes: Lanes, bar: char, style: Style) -> Canvas {
        let mut canvas = Canvas {
            cells: vec![(' ', Style::new()); lanes.right + 1],
        };
        for lane in [lanes.left, lanes.path, lanes.right] {
            canvas.set(lane, bar, style);
        }
        canvas
    }

    fn set(&mut self, at: usize, c: char, style: Style) {
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = (c, style);
        }
    }

    fn fill(&mut self, from: usize, to: usize, c: char, style: Style) {
        for at in from..to {
            self.set(at, c, style);
        }
    }

    /// Narrow characters only: a label is made of them before it comes here.
    fn write(&mut self, at: usize, text: &str, style: Style) {
        for (offset, c) in text.chars().enumerate() {
            self.set(at + offset, c, style);
        }
    }

    fn line(self, margin: Vec<Span<'static>>) -> Line<'static> {
        let mut spans = margin;
        let mut run = String::new();
        let mut style = Style::new();
        for (c, own) in self.cells {
            if own != style && !run.is_empty() {
                spans.push(Span::styled(std::mem::take(&mut run), style));
            }
            style = own;
            run.push(c);
        }
        spans.push(Span::styled(run, style));
        Line::from(spans)
    }
}

/// The diagram.
pub fn lines(model: &Model, detail: &Detail, theme: Theme, area: Rect) -> Vec<Line<'static>> {
    let columns = usize::from(area.width);
    if let Some(lines) = unkept(detail, theme, columns) {
        return lines;
    }
    let room = columns.saturating_sub(MARGIN + 2).clamp(24, 160);
    let lanes = Lanes {
        left: 0,
        path: room / 2,
        right: room - 1,
    };
    let steps = &detail.steps;
    let unit = unit(steps, usize::from(area.height));
    let row = &detail.row;
    let first = steps.first().map_or(row.started(), |step| step.time);
    let verdict = row.verdict();
    let death = row.is_bad().then_some(verdict.frame).flatten();
    let mut lines = vec![names(detail, lanes, theme)];
    let mut before = first;
    let mut marked = false;
    for step in steps {
        gap(&mut lines, step.time.since(before), unit, lanes, theme);
        before = step.time;
        lines.push(arrow(step, first, lanes, theme, death == Some(step.number)));
        if step.kind == Kind::Icmp {
            lines.extend(spelled(step, lanes, theme));
        }
        if death == Some(step.number) && !marked && !silent(steps, step) {
            marked = true;
            lines.extend(died(model, detail, lanes, theme));
        }
    }
    if row.is_bad() && !marked {
        gap(&mut lines, row.ended().since(before), unit, lanes, theme);
        lines.extend(died(model, detail, lanes, theme));
    }
    let mut said = format!("one line of a gap is {}", duration(unit));
    let copies = steps
        .iter()
        .fold(0u64, |sum, step| sum + u64::from(step.copies));
    if copies > 0 {
        let copied = format!(
            "{} captured again on the way through: drawn once",
            present::counted(copies, "packet was", "packets were")
        );
        let line = format!("{}{copied}", " ".repeat(MARGIN));
        lines.push(Line::styled(cut(&line, columns), theme.faint()));
    }
    if detail.missing {
        said.push_str("; some packets are not kept");
    }
    lines.push(Line::styled(
        format!("{}{said}", " ".repeat(MARGIN)),
        theme.faint(),
    ));
    lines
}

/// A death by silence is told after the last packet, since nothing came.
fn silent(steps: &[Step], step: &Step) -> bool {
    matches!(step.fate, Fate::Unanswered | Fate::SentAgain)
        && steps.last().is_some_and(|last| last.number == step.number)
}

/// What one line of a gap stands for, so that the diagram stays in reach.
fn unit(steps: &[Step], height: usize) -> Nanos {
    // Room for the packets themselves, the names and the place of death is taken first.
    let room = i64::try_from(height.saturating_sub(steps.len() + 7)).unwrap_or(0);
    let room = room.clamp(ALL_GAPS.0, ALL_GAPS.1);
    let gaps = || {
        steps.windows(2).filter_map(|pair| match pair {
            [a, b] => Some(b.time.since(a.time)),
            _ => None,
        })
    };
    let fits = |unit: &&Nanos| {
        gaps()
            .map(|gap| (gap / **unit).clamp(0, TALLEST))
            .sum::<i64>()
            <= room
            && gaps().all(|gap| gap / **unit <= 4 * TALLEST)
    };
    UNITS
        .iter()
        .find(fits)
        .copied()
        .unwrap_or(3_600_000 * MILLISECOND)
}

fn names(detail: &Detail, lanes: Lanes, theme: Theme) -> Line<'static> {
    let row = &detail.row;
    let client = cut(
        &format!("client {}", row.client_ip()),
        lanes.path.saturating_sub(4),
    );
    let server = cut(
        &format!("server {}", row.server_ip()),
        lanes.path.saturating_sub(4),
    );
    let mut canvas = Canvas::new(lanes, ' ', Style::new());
    canvas.write(lanes.left, &client, theme.strong());
    canvas.write(lanes.path.saturating_sub(2), "path", theme.faint());
    canvas.write(
        (lanes.right + 1).saturating_sub(width(&server)),
        &server,
        theme.strong(),
    );
    canvas.line(vec![Span::styled(
        fit("        s  frame", MARGIN),
        theme.faint(),
    )])
}

fn gap(lines: &mut Vec<Line<'static>>, length: Nanos, unit: Nanos, lanes: Lanes, theme: Theme) {
    let wanted = length / unit;
    for at in 0..wanted.clamp(0, TALLEST) {
        let said = if at == 0 {
            format!("+{}", duration(length))
        } else {
            String::new()
        };
        let shortened = wanted > TALLEST && at == TALLEST / 2;
        let bar = if shortened { '≈' } else { '┆' };
        let canvas = Canvas::new(lanes, bar, theme.faint());
        lines.push(canvas.line(vec![Span::styled(
            fit(&format!("  {said}"), MARGIN),
            theme.faint(),
        )]));
    }
}

fn style_of(step: &Step, theme: Theme) -> Style {
    match (step.kind, step.fate) {
        (Kind::Reset, _) => theme.outcome("failed"),
        (Kind::Icmp, _) => theme.outcome("degraded"),
        (_, Fate::Unanswered | Fate::SentAgain | Fate::Stopped) => theme.outcome("degraded"),
        (Kind::Ack, _) => theme.faint(),
        _ => Style::new(),
    }
}

fn arrow(
    step: &Step,
    first: crate::base::Timestamp,
    lanes: Lanes,
    theme: Theme,
    fatal: bool,
) -> Line<'static> {
    let style = style_of(step, theme);
    let mut canvas = Canvas::new(lanes, '│', theme.faint());
    let lost = matches!(
        step.fate,
        Fate::Unanswered | Fate::SentAgain | Fate::Stopped
    );
    let stroke = if matches!(step.fate, Fate::Unanswered | Fate::SentAgain) {
        '╌'
    } else {
        '─'
    };
    // Where it begins and ends, and which way it goes.
    let (from, to, rightwards) = match step.sender {
        Sender::End(Side::Client) => (
            lanes.left,
            if lost { lanes.path } else { lanes.right },
            true,
        ),
        Sender::End(Side::Server) => (
            lanes.right,
            if lost { lanes.path } else { lanes.left },
            false,
        ),
        Sender::Path(_, Side::Client) => (lanes.path, lanes.left, false),
        Sender::Path(_, Side::Server) => (lanes.path, lanes.right, true),
    };
    let (low, high) = (from.min(to), from.max(to));
    canvas.fill(low + 1, high, stroke, style);
    let tip = match step.fate {
        Fate::Stopped => '✗',
        Fate::Unanswered | Fate::SentAgain => '?',
        _ if rightwards => '▶',
        _ => '◀',
    };
    match (lost, rightwards) {
        (true, _) => canvas.set(to, tip, style),
        (false, true) => canvas.set(high - 1, tip, style),
        (false, false) => canvas.set(low + 1, tip, style),
    }
    if let Sender::Path(..) = step.sender {
        canvas.set(lanes.path, '◆', style);
    }
    let mut label = step.label.clone();
    if step.again {
        label = format!("{label}, again");
    }
    // A wide character takes two cells; here one cell is one character.
    let label: String = calm(&label)
        .chars()
        .map(|c| {
            if super::super::text::agreed_width(c) == Some(1) {
                c
            } else {
                super::super::text::REPLACED
            }
        })
        .collect();
    let room = (high - low).saturating_sub(6);
    let label = format!(" {} ", cut(&label, room.saturating_sub(2)));
    let at = if rightwards {
        low + 3
    } else {
        high.saturating_sub(2 + label.chars().count())
    };
    canvas.write(at, &label, style);
    let time = seconds(step.time.since(first));
    let frame = format!("#{}", step.number);
    let style = if fatal {
        theme.outcome("failed")
    } else {
        theme.faint()
    };
    canvas.line(vec![
        Span::raw(format!("{time:>9} ")),
        Span::styled(fit(&frame, MARGIN - 10), style),
    ])
}

/// An error from the path in full: it names who sent it.
fn spelled(step: &Step, lanes: Lanes, theme: Theme) -> Vec<Line<'static>> {
    let from = match step.sender {
        Sender::Path(ip, _) => format!(" from {ip}"),
        Sender::End(side) => format!(" from the {}", side.name()),
    };
    let text = format!("{}{from}", step.label);
    beside(
        &text,
        lanes.left + 3,
        lanes,
        theme.outcome("degraded"),
        theme,
    )
}

/// Text between the columns.
fn beside(text: &str, at: usize, lanes: Lanes, style: Style, theme: Theme) -> Vec<Line<'static>> {
    let room = lanes.right.saturating_sub(at + 2);
    wrapped(text, room)
        .into_iter()
        .map(|said| {
            let mut canvas = Canvas::new(lanes, '│', theme.faint());
            let padded = format!(" {said} ");
            canvas.write(at.saturating_sub(1), &padded, style);
            canvas.line(vec![Span::raw(" ".repeat(MARGIN))])
        })
        .collect()
}

/// The place of death, in the column of whose doing it is.
fn died(model: &Model, detail: &Detail, lanes: Lanes, theme: Theme) -> Vec<Line<'static>> {
    let verdict = detail.row.verdict();
    let style = theme.outcome(detail.row.outcome());
    let lane = match verdict.at.place {
        "client" => lanes.left,
        "server" | "resolver" => lanes.right,
        _ => lanes.path,
    };
    let where_ = place(&verdict.at).map_or_else(String::new, |place| format!(", {place}"));
    let mark = present::mark(detail.row.outcome());
    // At an end the mark stands on its line; on the path the words take that place.
    let title = match lane == lanes.path {
        true => format!("{mark} {}{where_}", verdict.code),
        false => format!("{}{where_}", verdict.code),
    };
    let title: String = cut(&title, lanes.right.saturating_sub(2));
    let long = title.chars().count();
    let at = match lane {
        lane if lane == lanes.left => 2,
        lane if lane == lanes.right => (lanes.right - 1).saturating_sub(long),
        lane => (lane - (long / 2).min(lane)).max(2),
    };
    let mut canvas = Canvas::new(lanes, '│', theme.faint());
    canvas.fill(at.saturating_sub(1), at + long + 1, ' ', Style::new());
    canvas.write(lane, mark, style);
    canvas.write(at, &title, style);
    let mut lines = vec![canvas.line(vec![Span::styled(
        fit(
            &format!("  {}", model.look.clock.time_of_day(detail.row.died())),
            MARGIN,
        ),
        theme.faint(),
    )])];
    lines.extend(beside(&verdict.summary, 3, lanes, Style::new(), theme));
    for advice in verdict.advice.iter().take(2) {
        lines.extend(beside(
            &format!("→ {advice}"),
            3,
            lanes,
            theme.strong(),
            theme,
        ));
    }
    lines
}
