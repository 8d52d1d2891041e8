//! What to send next, given the facts so far: no clock, no socket.
//!
//! Planners are told what was sent and what came back, and say what else is needed and, in the end, what it means. Their
//! tests are simulated paths.

pub mod branches;
pub mod loss;
pub mod series;
pub mod size;
pub mod walk;
