//! What is asked of the user: a filter, or leave to probe.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::filter::LONGEST;
use crate::tui::event::ProbeTarget;

/// A question that is open.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// A filter is being written.
    Filter {
        /// What stands there.
        text: String,
        /// Why it is not understood.
        error: Option<String>,
        /// What it was before, for Esc.
        before: String,
    },
    /// Whether a server may be probed.
    Probe {
        /// Which.
        target: ProbeTarget,
        /// What will be sent.
        says: String,
    },
}

/// What a key did to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// The text is another.
    Changed,
    /// It is finished.
    Done,
    /// It is given up.
    GivenUp,
    /// Nothing.
    Nothing,
}

/// Applies a key to a line of text.
pub fn edit(text: &mut String, key: KeyEvent) -> Edited {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Enter => Edited::Done,
        KeyCode::Esc => Edited::GivenUp,
        KeyCode::Backspace => {
            if text.pop().is_none() {
                return Edited::GivenUp;
            }
            Edited::Changed
        }
        KeyCode::Char('u') if control => {
            text.clear();
            Edited::Changed
        }
        KeyCode::Char('w') if control => {
            let kept = text.trim_end().rfind(' ').map_or(0, |at| at + 1);
            text.truncate(kept);
            Edited::Changed
        }
        KeyCode::Char(c) if !control && !c.is_control() && text.len() + c.len_utf8() <= LONGEST => {
            text.push(c);
            Edited::Changed
        }
        _ => Edited::Nothing,
    }
}
