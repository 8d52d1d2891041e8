//! Floor 4: the one door. Frames and the time go in, records come out.
//!
//! It opens nothing, waits for nothing and reads no clock: a file, an interface, the lab and a probe are
//! all callers of the same engine, so what is learned live and from a capture cannot differ.

mod admissions;
mod answers;
mod attempts;
mod batch;
mod blame;
mod causes;
mod clock;
mod closing;
mod config;
mod connections;
mod door;
mod experiments;
mod forks;
mod inside;
mod intake;
mod judging;
mod knowledge;
mod link_view;
mod lookups;
mod names;
mod onward;
mod provisional;
pub mod record;
mod searches;
mod shard;
mod sighting;
mod sources;
#[cfg(test)]
mod tests;

pub use batch::{Batch, Place};
pub use config::Config;
pub use door::{Engine, Input};
pub use intake::Intake;
pub use judging::Judging;
pub use onward::{Here, Onward, Told, When};
pub use shard::Shard;
pub use sighting::Sighting;
pub use sources::SourceEnd;
