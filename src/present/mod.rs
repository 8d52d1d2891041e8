//! Floor 5: records to plain words: lines, durations, marks of the ladder, display filters.
//!
//! Every face (terminal, HTML, Markdown, the live view) says the same thing in the same words because the words
//! are made here, once. It is text only: no colour, no escape for a medium, no output, no clock; the time zone
//! is an argument.

mod block;
mod cause;
mod clock;
mod connection;
mod endpoint;
mod ladder;
mod lookup;
mod page;
mod path;
mod steps;
mod wireshark;
mod wrap;

pub use block::{Aside, Block, Exchange, Look, Shown};
pub use cause::{CauseLines, cause, counts, place, source_line, source_notes};
pub use clock::{Clock, Zone, duration};
pub use connection::connection;
pub use endpoint::endpoint;
pub use ladder::{Mark, Rung, rungs};
pub use lookup::lookup;
pub use page::{Page, page, title};
pub use path::{PathRow, PathTable, path_tables};
pub use steps::{Captured, Fate, Kind, Sender, Step, connection_steps, icmp_words, lookup_steps};
pub use wrap::{columns, wrap};

/// The mark of an outcome.
pub fn mark(outcome: &str) -> &'static str {
    match outcome {
        "healthy" => "✓",
        "degraded" => "~",
        "failed" => "✗",
        _ => "?",
    }
}

/// `1 frame`, `1,234 frames`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        thousands(count),
        if count == 1 { one } else { many }
    )
}

/// A number with commas between its thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(super::thousands(0), "0");
        assert_eq!(super::thousands(999), "999");
        assert_eq!(super::thousands(1_000), "1,000");
        assert_eq!(super::thousands(1_234_567), "1,234,567");
        assert_eq!(super::counted(1, "frame", "frames"), "1 frame");
    }
}
