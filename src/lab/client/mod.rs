//! The client's side of the lab: a scripted mail client that says what it experienced.
//!
//! It exists to walk into the faults that a scenario made, patiently or not, politely or not. It
//! judges nothing: what the packets show is mxray's business, what it experienced is only printed
//! beside the verdict.

pub mod spec;

pub use spec::ClientSpec;
