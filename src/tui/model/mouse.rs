//! What the mouse does: it selects, opens, scrolls, and seeks on the time bar.

use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::list::Line;
use super::{Effect, Model, Screen};
use crate::base::SECOND;
use crate::tui::draw;

/// Two clicks within this time open a row.
const DOUBLE: i64 = SECOND / 2;

impl Model {
    pub(super) fn mouse(&mut self, mouse: MouseEvent) -> Vec<Effect> {
        if !self.mouse || self.ask.is_some() {
            return Vec::new();
        }
        let wheel: isize = match mouse.kind {
            MouseEventKind::ScrollDown => 3,
            MouseEventKind::ScrollUp => -3,
            MouseEventKind::Down(MouseButton::Left) => 0,
            _ => return Vec::new(),
        };
        self.changed = true;
        if wheel != 0 {
            return self.wheel(wheel);
        }
        if self.help.is_some() {
            self.help = None;
            return Vec::new();
        }
        match draw::hit(self, mouse.column, mouse.row) {
            Some(draw::Hit::Line(place)) => {
                let again = self.clicked.is_some_and(|(before, when)| {
                    before == place && self.wall.since(when) < DOUBLE
                });
                self.clicked = Some((place, self.wall));
                self.list.select(place);
                let group = matches!(self.list.current(), Some(Line::Group(_)));
                if again || group {
                    return self.open();
                }
            }
            Some(draw::Hit::Cause(place)) => {
                if let Screen::Overview { cursor } = &mut self.screen {
                    *cursor = place;
                }
            }
            Some(draw::Hit::Tab(tab)) => {
                if let Screen::Detail(detail) = &mut self.screen {
                    detail.turn(tab);
                }
            }
            Some(draw::Hit::Time(time)) => return self.seek_to(time),
            Some(draw::Hit::Screen(overview)) => {
                self.screen = if overview {
                    Screen::Overview { cursor: 0 }
                } else {
                    Screen::List
                };
            }
            None => {}
        }
        Vec::new()
    }

    fn wheel(&mut self, by: isize) -> Vec<Effect> {
        let code = if by > 0 { KeyCode::Down } else { KeyCode::Up };
        let mut effects = Vec::new();
        for _ in 0..by.unsigned_abs() {
            effects.extend(self.key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
        effects
    }
}
