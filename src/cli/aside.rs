//! What is said beside the report: on standard error, and in vain where that cannot be written.
//!
//! `eprintln!` panics then: a closed terminal or a full disk behind `2>` would cost the report itself. So every word of the
//! commands goes through here.

use std::fmt::Display;
use std::io::{self, Write as _};

/// A line under the program's name.
pub fn say(text: &dyn Display) {
    write(&format_args!("mxray: {text}\n"));
}

/// Text as it is, without an end of line of its own.
pub fn write(text: &dyn Display) {
    let mut error = io::stderr().lock();
    // Nobody is left to be told.
    let _ = write!(error, "{text}").and_then(|()| error.flush());
}
