//! The interface without a terminal: the same model and view on a buffer. For tests and for the recorded tour.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent};

use super::event::Event;
use super::model::{Effect, Message, Model};
use super::{Setup, app, draw, picture};
use crate::base::Timestamp;

/// An interface on a buffer.
pub struct Headless {
    setup: Setup,
    model: Model,
    terminal: Terminal<TestBackend>,
    /// What was put into the clipboard.
    pub copied: Vec<String>,
    /// The user has left.
    pub left: bool,
}

impl Headless {
    /// Opens it on a screen of that size.
    pub fn new(setup: Setup, columns: u16, lines: u16) -> Headless {
        let model = setup.model();
        let Ok(terminal) = Terminal::new(TestBackend::new(columns, lines));
        let mut headless = Headless {
            setup,
            model,
            terminal,
            copied: Vec::new(),
            left: false,
        };
        headless.tell(Message::Resize(columns, lines));
        headless
    }

    /// Tells it something from outside.
    pub fn event(&mut self, event: Event) {
        self.tell(Message::Event(event));
    }

    /// Lets time pass.
    pub fn tick(&mut self, time: Timestamp) {
        self.tell(Message::Tick(time));
    }

    /// Another size.
    pub fn resize(&mut self, columns: u16, lines: u16) {
        self.terminal.backend_mut().resize(columns, lines);
        self.tell(Message::Resize(columns, lines));
    }

    /// Presses a key.
    pub fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.tell(Message::Key(KeyEvent::new(code, modifiers)));
    }

    /// Uses the mouse.
    pub fn mouse(&mut self, mouse: MouseEvent) {
        self.tell(Message::Mouse(mouse));
    }

    /// Presses keys: characters as they are, and `<Enter>`, `<Esc>`, `<Tab>`, `<Up>`, `<Down>`, `<Left>`, `<Right>`, `<End>`.
    pub fn keys(&mut self, keys: &str) {
        let mut rest = keys;
        while let Some(c) = rest.chars().next() {
            let named = [
                ("<Enter>", KeyCode::Enter),
                ("<Esc>", KeyCode::Esc),
                ("<Tab>", KeyCode::Tab),
                ("<Up>", KeyCode::Up),
                ("<Down>", KeyCode::Down),
                ("<Left>", KeyCode::Left),
                ("<Right>", KeyCode::Right),
                ("<End>", KeyCode::End),
            ];
            let found = named
                .iter()
                .find_map(|(name, code)| Some((*code, rest.strip_prefix(name)?)));
            let (code, after) = found.unwrap_or((KeyCode::Char(c), &rest[c.len_utf8()..]));
            self.key(code, KeyModifiers::NONE);
            rest = after;
        }
    }

    fn tell(&mut self, message: Message) {
        for effect in self.model.update(message) {
            match effect {
                Effect::Quit => self.left = true,
                Effect::Load(key) => {
                    if let Some(frames) = app::frames_of(&self.setup, &self.model, key) {
                        self.tell(Message::Frames(key, frames));
                    }
                }
                Effect::Save(key) => {
                    let said = app::save_row(&self.setup, &self.model, key);
                    self.tell(Message::Said(said));
                }
                Effect::Report => {
                    let said = app::report(&mut self.setup, &self.model);
                    self.tell(Message::Said(said));
                }
                Effect::Copy(text) => self.copied.push(text),
                Effect::Control(control) => {
                    // Who does not listen misses it, as in the real one.
                    let _ = self.setup.control.send(control);
                }
                Effect::Suspend | Effect::Redraw | Effect::Mouse(_) => {}
            }
        }
    }

    fn draw(&mut self) {
        self.model.settle();
        self.model.frames = self.setup.frames.counts();
        let model = &self.model;
        let Ok(_) = self.terminal.draw(|frame| draw::draw(model, frame));
    }

    /// The screen as lines of text.
    pub fn text(&mut self) -> String {
        self.draw();
        picture::text(self.terminal.backend().buffer())
    }

    /// The screen as an SVG.
    pub fn svg(&mut self) -> String {
        self.draw();
        picture::svg(self.terminal.backend().buffer())
    }

    /// Every cell's characters and whether it has any colour.
    pub fn cells(&mut self) -> Vec<(String, bool)> {
        use ratatui::style::Color;
        self.draw();
        let cells = &self.terminal.backend().buffer().content;
        let painted = |color: Color| color != Color::Reset;
        cells
            .iter()
            .map(|cell| {
                (
                    cell.symbol().to_owned(),
                    painted(cell.fg) || painted(cell.bg),
                )
            })
            .collect()
    }
}
