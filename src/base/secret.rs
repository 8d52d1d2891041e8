//! A password or token that was seen on the wire.
//!
//! It has no `Debug` and no `Display`, so that no log, report or panic message can hold it by
//! accident. Only `--show-secrets` reaches [`Secret::reveal`].

use super::Foreign;

/// Something that must not be printed unless the user asked for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Foreign);

impl Secret {
    /// Wraps a foreign text.
    pub fn new(text: Foreign) -> Secret {
        Secret(text)
    }

    /// The text itself: for `--show-secrets` only.
    pub fn reveal(&self) -> &Foreign {
        &self.0
    }
}
