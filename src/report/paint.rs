//! Colours of a terminal, or none.

/// Paints text with ANSI colours when asked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// With or without colour.
    pub fn new(on: bool) -> Paint {
        Paint { on }
    }

    /// Whether there is colour.
    pub fn is_on(self) -> bool {
        self.on
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Bold.
    pub fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    /// For what is less important.
    pub fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    /// For names of codes and commands.
    pub fn code(self, text: &str) -> String {
        self.with("36", text)
    }

    /// In the colour of an outcome.
    pub fn outcome(self, outcome: &str, text: &str) -> String {
        let code = match outcome {
            "healthy" => "32",
            "degraded" => "33",
            "failed" => "31;1",
            _ => "35",
        };
        self.with(code, text)
    }
}
