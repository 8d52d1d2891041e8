//! TCP in numbers, sequence numbers over time, windows, and what was sent again.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::text::fit_right;
use super::super::{Theme, cut, fit, fit_number};
use super::{nothing, seconds, unkept};
use crate::base::Side;
use crate::present::{Fate, Kind, Sender, Step, duration, thousands};
use crate::tui::model::{Detail, Subject};

/// Lines of a plot.
const TALL: usize = 8;
/// Columns beside it.
const MARGIN: usize = 11;

/// Numbers, plots, losses.
pub fn lines(detail: &Detail, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let Subject::Connection(record) = &detail.row.subject else {
        return nothing("A look-up over UDP has no TCP.", theme, columns);
    };
    let tcp = &record.tcp;
    let mut lines = vec![Line::styled(
        "             segments  again    MSS   window         shortest answer",
        theme.faint(),
    )];
    for (side, name, segments, again, mss) in [
        (
            Side::Client,
            "client",
            tcp.segments.client,
            tcp.retransmitted.client,
            tcp.mss.client,
        ),
        (
            Side::Server,
            "server",
            tcp.segments.server,
            tcp.retransmitted.server,
            tcp.mss.server,
        ),
    ] {
        // The report counts data that was sent again; SYNs that were are on the wire as well.
        let repeats = detail
            .steps
            .iter()
            .filter(|step| step.again && step.sender == Sender::End(side));
        let again = again.max(repeats.count() as u64);
        let again_style = if again > 0 {
            theme.outcome("degraded")
        } else {
            Style::new()
        };
        lines.push(Line::from(vec![
            Span::raw(format!("   {name:<8}")),
            Span::raw(fit_number(segments, 10)),
            Span::styled(fit_number(again, 7), again_style),
            Span::raw(fit_right(
                &mss.map_or("–".to_owned(), |mss| mss.to_string()),
                7,
            )),
            Span::raw(format!("   {}", fit(&window(&detail.steps, side), 14))),
            Span::raw(answer(&detail.steps, side)),
        ]));
    }
    if let Some(rtt) = tcp.rtt_ms {
        lines.push(Line::raw(format!(
            "   handshake round trip {}",
            duration((rtt * 1e6) as i64)
        )));
    }
    if let Some(more) = unkept(detail, theme, columns) {
        lines.extend(more);
        return lines;
    }
    for (side, name) in [(Side::Client, "client"), (Side::Server, "server")] {
        lines.push(Line::default());
        lines.extend(plot(&detail.steps, side, name, theme, columns));
    }
    lines.push(Line::default());
    lines.extend(losses(&detail.steps, theme, columns));
    lines
}

/// The smallest and the largest window that a side announced.
fn window(steps: &[Step], side: Side) -> String {
    let windows = || {
        steps
            .iter()
            .filter(|step| {
                step.sender == Sender::End(side) && !matches!(step.kind, Kind::Reset | Kind::Icmp)
            })
            .filter_map(|step| step.window)
    };
    match (windows().min(), windows().max()) {
        (Some(low), Some(high)) if low == high => thousands(u64::from(low)),
        (Some(low), Some(high)) => format!("{} … {}", kilo(low), kilo(high)),
        _ => "–".to_owned(),
    }
}

fn kilo(bytes: u32) -> String {
    match bytes {
        0..=9_999 => bytes.to_string(),
        _ => format!("{}k", bytes / 1_000),
    }
}

/// The shortest time that the other side took to acknowledge.
fn answer(steps: &[Step], side: Side) -> String {
    let mut best = None;
    for (at, step) in steps.iter().enumerate() {
        if step.sender != Sender::End(side) || step.fate != Fate::Answered || step.again {
            continue;
        }
        let end = step.seq.saturating_add(step.len.max(1));
        let found = steps.iter().skip(at + 1).find(|later| {
            later.sender == Sender::End(side.other()) && later.ack.is_some_and(|ack| ack >= end)
        });
        if let Some(later) = found {
            let took = later.time.since(step.time);
            best = Some(best.map_or(took, |best: i64| best.min(took)));
        }
    }
    best.map_or("–".to_owned(), duration)
}

/// Sequence numbers of one side over time: `·` sent, `×` sent again, `─` acknowledged up to here.
fn plot(
    steps: &[Step],
    side: Side,
    name: &str,
    theme: Theme,
    columns: usize,
) -> Vec<Line<'static>> {
    let sent = |step: &&Step| step.sender == Sender::End(side) && step.len > 0;
    let most = steps
        .iter()
        .filter(sent)
        .map(|step| step.seq.saturating_add(step.len))
        .max()
        .unwrap_or(0);
    if most == 0 {
        return vec![Line::styled(
            format!("   {name}: sent no data"),
            theme.faint(),
        )];
    }
    let first = steps
        .first()
        .map_or(crate::base::Timestamp(0), |step| step.time);
    let span = steps.last().map_or(0, |step| step.time.since(first)).max(1);
    let wide = columns.saturating_sub(MARGIN + 2).clamp(10, 160);
    let mut grid = vec![vec![(' ', Style::new()); wide]; TALL];
    let column = |step: &Step| {
        let at = i128::from(step.time.since(first)) * (wide as i128 - 1) / i128::from(span);
        usize::try_from(at).unwrap_or(0).min(wide - 1)
    };
    let line = |seq: u32| {
        let up = u64::from(seq) * (TALL as u64 - 1) / u64::from(most);
        TALL - 1 - usize::try_from(up).unwrap_or(0).min(TALL - 1)
    };
    // Acknowledgements first, so that data stands over them.
    let mut acked = None;
    for step in steps {
        if step.sender != Sender::End(side.other()) {
            continue;
        }
        let Some(ack) = step.ack.filter(|ack| *ack > 0) else {
            continue;
        };
        let at = column(step);
        let from = acked.map_or(at, |(before, _)| before);
        let level = acked.map_or(ack, |(_, level)| level);
        for cell in from..at {
            set(&mut grid, line(level), cell, '─', theme.faint());
        }
        acked = Some((at, ack.max(level)));
    }
    if let Some((at, level)) = acked {
        for cell in at..wide {
            set(&mut grid, line(level), cell, '─', theme.faint());
        }
    }
    for step in steps.iter().filter(sent) {
        let (sign, style) = if step.again {
            ('×', theme.outcome("failed"))
        } else {
            ('●', theme.code())
        };
        set(
            &mut grid,
            line(step.seq.saturating_add(step.len)),
            column(step),
            sign,
            style,
        );
    }
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("   {name}"), theme.strong()),
        Span::styled(
            format!(
                "  {} bytes over {}   ● sent  × again  ─ acknowledged",
                thousands(u64::from(most)),
                duration(span)
            ),
            theme.faint(),
        ),
    ])];
    for (at, cells) in grid.into_iter().enumerate() {
        let said = match at {
            0 => kilo(most),
            at if at == TALL - 1 => "0".to_owned(),
            _ => String::new(),
        };
        let mut spans = vec![Span::styled(
            format!("{} │", fit_right(&said, MARGIN - 2)),
            theme.faint(),
        )];
        spans.extend(
            cells
                .into_iter()
                .map(|(c, style)| Span::styled(c.to_string(), style)),
        );
        lines.push(Line::from(spans));
    }
    lines
}

fn set(grid: &mut [Vec<(char, Style)>], line: usize, column: usize, c: char, style: Style) {
    if let Some(cell) = grid.get_mut(line).and_then(|line| line.get_mut(column)) {
        *cell = (c, style);
    }
}

/// What was sent again, and what was never answered.
fn losses(steps: &[Step], theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let first = steps
        .first()
        .map_or(crate::base::Timestamp(0), |step| step.time);
    let mut lines = Vec::new();
    for step in steps {
        let what = match (step.again, step.fate) {
            (true, Fate::Unanswered) => "sent again, and never answered",
            (true, _) => "sent again",
            (false, Fate::Unanswered) => "never answered",
            _ => continue,
        };
        let who = match step.sender {
            Sender::End(side) => side.name(),
            Sender::Path(..) => "path",
        };
        let time = seconds(step.time.since(first));
        let text = format!(
            "{time:>9}  #{:<6} {who}: {} {what}",
            step.number, step.label
        );
        lines.push(Line::styled(cut(&text, columns), theme.outcome("degraded")));
    }
    if lines.is_empty() {
        lines.push(Line::styled(
            "   nothing was sent twice, everything was answered",
            theme.faint(),
        ));
    }
    lines
}
