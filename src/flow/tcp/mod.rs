//! TCP as an observer in the middle sees it: one connection, both directions.
//!
//! `Tracker` takes segments in capture order and fills `TcpFacts`; the bytes go to a `StreamSink`. Parts:
//! `labels` (Wireshark's words), `scoreboard` and `range` (what was sent and what became of it), `reassembly` (bytes in
//! order), `handshake`, `payload`, `window`, `reset`, `icmp`, `pause` (what their names say), `settle` (what only the end can
//! tell). No checksum is judged, no limit on a segment's length is assumed (offloading merges and splits them).

mod answerable;
mod arrival;
mod early;
mod half;
mod handshake;
mod icmp;
mod labels;
mod pause;
mod payload;
mod pieces;
mod range;
mod reassembly;
mod recent;
mod reset;
mod scoreboard;
mod settle;
#[cfg(test)]
mod tests;
mod ticks;
mod tracker;
mod window;

pub use labels::Labels;
pub use reassembly::StreamSink;
pub use recent::RecentSegments;
pub use tracker::{Tracker, Verdict};
