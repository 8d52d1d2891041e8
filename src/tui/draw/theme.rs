//! Colours and weights: sixteen colours at the most, and none that carries anything alone.

use ratatui::style::{Color, Modifier, Style};

use crate::tui::model::Look;

/// How things are painted.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    color: bool,
}

impl Theme {
    /// As the look says.
    pub fn of(look: &Look) -> Theme {
        Theme { color: look.color }
    }

    fn colored(self, style: Style, color: Color) -> Style {
        if self.color { style.fg(color) } else { style }
    }

    /// What is less important.
    pub fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What is more important.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Codes, keys, commands.
    pub fn code(self) -> Style {
        self.colored(Style::new(), Color::Cyan)
    }

    /// In the colour of an outcome.
    pub fn outcome(self, outcome: &str) -> Style {
        let plain = Style::new();
        match outcome {
            "healthy" => self.colored(plain, Color::Green),
            "degraded" => self.colored(plain, Color::Yellow),
            "failed" => self.colored(plain.add_modifier(Modifier::BOLD), Color::Red),
            "open" => self.colored(plain, Color::Blue),
            _ => self.colored(plain, Color::Magenta),
        }
    }

    /// The line that keys act on.
    pub fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
