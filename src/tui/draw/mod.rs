//! The view: the model as cells. Pure: the same model and size give the same picture.
//!
//! One file per panel. [`layout`] says where what is; drawing and the mouse both ask it.

mod cells;
mod detail;
mod foot;
mod head;
mod help;
mod list;
mod overview;
mod preview;
mod replay_bar;
mod text;
mod theme;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::model::{Detail, Model, Screen, Tab};
use crate::base::Timestamp;
pub use detail::spoken;
pub use text::{calm, cut, fit};
pub use theme::Theme;

/// Lines from which on there is room for the preview.
const PREVIEW_FROM: u16 = 18;

/// Where what is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Title and counts.
    pub head: Rect,
    /// The list with its headings, the opened row, or the overview.
    pub body: Rect,
    /// The selected row in short.
    pub preview: Rect,
    /// The time bar.
    pub time: Rect,
    /// Keys, messages, the filter.
    pub foot: Rect,
}

/// What lies at a place of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// A line of the list, by its place.
    Line(usize),
    /// A cause of the overview.
    Cause(usize),
    /// A tab of the opened row.
    Tab(Tab),
    /// A moment of the time bar.
    Time(Timestamp),
    /// A screen's name: `true` for the overview.
    Screen(bool),
}

fn take(area: &mut Rect, lines: u16, from_top: bool) -> Rect {
    let lines = lines.min(area.height);
    let y = if from_top {
        area.y
    } else {
        area.y + area.height - lines
    };
    let taken = Rect::new(area.x, y, area.width, lines);
    area.height -= lines;
    if from_top {
        area.y += lines;
    }
    taken
}

/// Where what is.
pub fn layout(model: &Model) -> Layout {
    let mut rest = Rect::new(0, 0, model.size.0, model.size.1);
    let head = take(&mut rest, 2, true);
    let foot = take(&mut rest, 1, false);
    let bar = u16::from(model.playback.is_some());
    let time = take(&mut rest, bar, false);
    let mut preview = Rect::default();
    if matches!(model.screen, Screen::List) && model.size.1 >= PREVIEW_FROM {
        let mut lines = (rest.height / 2).clamp(9, 12);
        // What a short list leaves is for the advice, once nothing moves any more.
        if model.ended {
            let rows = u16::try_from(model.list.lines.len().max(3)).unwrap_or(u16::MAX);
            let left = rest.height.saturating_sub(rows.saturating_add(2));
            lines = lines.max(left.min(16));
        }
        preview = take(&mut rest, lines, false);
    }
    Layout {
        head,
        body: rest,
        preview,
        time,
        foot,
    }
}

/// Lines of the list that fit on the screen.
pub fn list_height(model: &Model) -> usize {
    usize::from(list::rows(layout(model).body).height)
}

/// How many lines of an opened row do not fit.
pub fn detail_overflow(model: &Model, detail: &Detail) -> usize {
    detail::overflow(model, detail, layout(model).body)
}

/// How many lines of the help do not fit.
pub fn help_overflow(model: &Model) -> usize {
    help::overflow(model)
}

/// What lies at that place.
pub fn hit(model: &Model, column: u16, row: u16) -> Option<Hit> {
    let layout = layout(model);
    let at = ratatui::layout::Position::new(column, row);
    if layout.head.contains(at) {
        return head::hit(model, layout.head, at);
    }
    if layout.time.contains(at) {
        return replay_bar::moment(model, layout.time, column).map(Hit::Time);
    }
    if !layout.body.contains(at) {
        return None;
    }
    match &model.screen {
        Screen::List => {
            let rows = list::rows(layout.body);
            let place = rows
                .contains(at)
                .then(|| model.list.offset + usize::from(row - rows.y))?;
            (place < model.list.lines.len()).then_some(Hit::Line(place))
        }
        Screen::Detail(_) => detail::tab_at(layout.body, at).map(Hit::Tab),
        Screen::Overview { .. } => overview::cause_at(model, layout.body, at).map(Hit::Cause),
    }
}

/// Draws everything.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    paint(model, area, frame.buffer_mut());
}

/// Draws everything into a buffer; where the model believes in another size than there is, what fits.
pub fn paint(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = Theme::of(&model.look);
    let layout = layout(model);
    let within = |part: Rect| part.intersection(area);
    head::draw(model, theme, within(layout.head), buffer);
    match &model.screen {
        Screen::List => {
            // Where no row is, there is nothing to tell in short either.
            if model.list.lines.is_empty() {
                let whole = layout.body.union(layout.preview);
                list::draw(model, theme, within(whole), buffer);
            } else {
                list::draw(model, theme, within(layout.body), buffer);
                preview::draw(model, theme, within(layout.preview), buffer);
            }
        }
        Screen::Detail(opened) => detail::draw(model, opened, theme, within(layout.body), buffer),
        Screen::Overview { cursor } => {
            overview::draw(model, *cursor, theme, within(layout.body), buffer);
        }
    }
    replay_bar::draw(model, theme, within(layout.time), buffer);
    foot::draw(model, theme, within(layout.foot), buffer);
    if model.help.is_some() {
        help::draw(model, theme, area, buffer);
    }
    foot::question(model, theme, area, buffer);
    cells::seal(buffer, model.look.ascii);
}

/// Puts lines into an area from its top; what does not fit is left out.
fn put(lines: &[Line<'_>], area: Rect, buffer: &mut Buffer) {
    for (line, y) in lines.iter().zip(area.y..area.y.saturating_add(area.height)) {
        buffer.set_line(area.x, y, line, area.width);
    }
}

/// The same; where something is left out, the last line says how to see it.
fn put_cut(lines: &[Line<'_>], rest: &str, area: Rect, theme: Theme, buffer: &mut Buffer) {
    put(lines, area, buffer);
    if lines.len() > usize::from(area.height) && area.height > 0 {
        let said = format!(" … {rest} ");
        let wide = text::width(&said) as u16;
        let at = area.x + area.width.saturating_sub(wide);
        let line = Line::styled(said, theme.faint());
        buffer.set_line(at, area.y + area.height - 1, &line, wide);
    }
}

/// A line of a left and a right part; the left one is cut when there is no room for both.
fn both(left: Vec<Span<'static>>, right: Vec<Span<'static>>, columns: usize) -> Line<'static> {
    let needed: usize = right.iter().map(|span| text::width(&span.content)).sum();
    let room = columns.saturating_sub(needed);
    let mut spans = Vec::new();
    let mut taken = 0;
    for span in left {
        let kept = text::cut(&span.content, room.saturating_sub(taken));
        taken += text::width(&kept);
        spans.push(Span::styled(kept, span.style));
    }
    spans.push(Span::raw(" ".repeat(room.saturating_sub(taken))));
    spans.extend(right);
    Line::from(spans)
}

/// Words of a calm text, wrapped.
fn wrapped(said: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in crate::present::wrap(&calm(said), columns.max(1)) {
        // A word that is longer than the line stands alone; here it is broken, since nothing may be lost to the right.
        let mut rest = line.as_str();
        while text::width(rest) > columns.max(1) {
            let at = rest
                .char_indices()
                .scan(0, |taken, (at, c)| {
                    *taken += text::agreed_width(c).unwrap_or(1);
                    Some((at, *taken))
                })
                .find(|(_, taken)| *taken > columns.max(1))
                .map_or(rest.len(), |(at, _)| at);
            if at == 0 {
                break;
            }
            let (begin, end) = rest.split_at(at);
            lines.push(begin.to_owned());
            rest = end;
        }
        lines.push(rest.to_owned());
    }
    lines
}

/// A count in so many columns, right-aligned.
fn fit_number(count: u64, columns: usize) -> String {
    text::fit_right(&crate::present::thousands(count), columns)
}

/// A name in the margin and a wrapped text beside it.
fn labelled(
    name: &str,
    said: &str,
    columns: usize,
    theme: Theme,
    style: ratatui::style::Style,
) -> Vec<Line<'static>> {
    const MARGIN: usize = 9;
    let lines = wrapped(said, columns.saturating_sub(MARGIN + 1));
    lines
        .into_iter()
        .enumerate()
        .map(|(at, line)| {
            let name = if at == 0 { name } else { "" };
            Line::from(vec![
                Span::styled(fit(&format!(" {name}"), MARGIN), theme.faint()),
                Span::styled(line, style),
            ])
        })
        .collect()
}
