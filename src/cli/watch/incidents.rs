//! What happens to the capture itself, in sentences for the user.

use crate::base::SECOND;
use crate::capture::Interface;
use crate::capture::live::Event;
use crate::present::{counted, duration};

/// A sentence for an event; `None` for what is only counted.
pub fn sentence(event: &Event, interfaces: &[Interface]) -> Option<String> {
    let name = |place: usize| {
        interfaces
            .get(place)
            .map_or_else(String::new, |interface| interface.name.to_string())
    };
    Some(match *event {
        Event::Down(place) => format!("{} is down; going on when it is up again", name(place)),
        Event::Gone(place) => format!("{} is gone; going on when it is there again", name(place)),
        Event::Back(place) => format!("{} is back", name(place)),
        Event::Lost(place, count, from, to) => format!(
            "{}: the kernel dropped {} within {}: what was silent then counts less",
            name(place),
            counted(count, "frame", "frames"),
            duration(to.since(from).max(SECOND))
        ),
        Event::ClockSet(jump) => format!(
            "the wall clock was set {} by {}; times of this run go on as if it had not been",
            if jump > 0 { "forward" } else { "back" },
            duration(jump.saturating_abs())
        ),
    })
}
