//! Words that every floor uses: time, frame, side, foreign text, secrets, limits.
//!
//! They exist once, here, so that a frame number or a side means the same in a decoder and in a
//! report. Nothing here knows a protocol, opens a file or reads a clock.

mod address;
mod blocks;
mod few;
mod foreign;
mod foresee;
mod frame;
pub mod limits;
mod packed;
mod rare;
mod remembered;
mod secret;
mod side;
mod solo;
mod time;

pub use address::{ip_text, socket_text};
pub use blocks::Blocks;
pub use few::Few;
pub use foreign::Foreign;
pub use foresee::foresee;
pub use frame::{FrameRef, Mark, SourceId};
pub use packed::{PackedMark, PackedNumber, PackedStep, PackedTime};
pub use rare::{Rare, Usual};
pub use remembered::{Families, Fed, Key, Remembered, Rest};
pub use secret::Secret;
pub use side::{PerSide, Side};
pub use solo::Solo;
pub use time::{MILLISECOND, Nanos, SECOND, Timestamp};
