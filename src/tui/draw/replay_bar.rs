//! The time bar of a replay: where it stands, and where connections died.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Theme, put};
use crate::base::Timestamp;
use crate::tui::model::Model;

/// Where the bar itself is, between the words beside it.
fn bar(model: &Model, area: Rect) -> Option<(u16, u16)> {
    let (left, right) = words(model);
    let begin = u16::try_from(super::text::width(&left)).ok()?;
    let end = area
        .width
        .checked_sub(u16::try_from(super::text::width(&right)).ok()?)?;
    (end > begin + 4).then_some((area.x + begin, area.x + end))
}

fn words(model: &Model) -> (String, String) {
    let Some(playback) = model.playback else {
        return (String::new(), String::new());
    };
    let state = match (playback.ended, playback.paused) {
        (true, _) => "■ end",
        (_, true) => "‖ stopped",
        _ => "▶",
    };
    let clock = &model.look.clock;
    let (now, right) = match &model.timeline {
        // Files of several days: the time of the day alone would say little.
        Some(timeline) if clock.day(timeline.first) != clock.day(timeline.last) => (
            clock.dated(model.now),
            format!(" {} ", clock.since(timeline.last, timeline.first)),
        ),
        Some(timeline) => (
            clock.time_of_day(model.now),
            format!(" {} ", clock.time_of_day(timeline.last)),
        ),
        None => (clock.time_of_day(model.now), " … ".to_owned()),
    };
    (format!(" {state} {} {now} ", playback.speed), right)
}

/// The moment that lies at a column.
pub fn moment(model: &Model, area: Rect, column: u16) -> Option<Timestamp> {
    let timeline = model.timeline.as_ref()?;
    let (begin, end) = bar(model, area)?;
    if column < begin || column >= end {
        return None;
    }
    let span = timeline.last.since(timeline.first);
    let place = i64::from(column - begin);
    let places = i64::from(end - begin - 1).max(1);
    Some(timeline.first.plus(span / places * place))
}

/// Draws it.
pub fn draw(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if model.playback.is_none() || area.height == 0 {
        return;
    }
    let (left, right) = words(model);
    let Some((begin, end)) = bar(model, area) else {
        put(&[Line::raw(left)], area, buffer);
        return;
    };
    let places = usize::from(end - begin);
    let mut spans = vec![Span::styled(left, theme.strong())];
    match &model.timeline {
        Some(timeline) => {
            let span = timeline.last.since(timeline.first).max(1);
            let place = |time: Timestamp| {
                let at = i128::from(time.since(timeline.first)) * (places as i128 - 1)
                    / i128::from(span);
                usize::try_from(at).unwrap_or(0).min(places - 1)
            };
            let here = place(model.now);
            let mut deaths = vec![false; places];
            for death in &timeline.deaths {
                if let Some(slot) = deaths.get_mut(place(death.at)) {
                    *slot = true;
                }
            }
            for (at, death) in deaths.iter().enumerate() {
                let played = at <= here;
                spans.push(match (at == here, death, played) {
                    (true, true, _) => Span::styled("✗", theme.selected()),
                    (true, false, _) => Span::styled("●", theme.strong()),
                    (_, true, _) => Span::styled("✗", theme.outcome("failed")),
                    (_, _, true) => Span::styled("━", theme.code()),
                    _ => Span::styled("─", theme.faint()),
                });
            }
        }
        None => spans.push(Span::styled("─".repeat(places), theme.faint())),
    }
    spans.push(Span::raw(right));
    put(&[Line::from(spans)], area, buffer);
}
