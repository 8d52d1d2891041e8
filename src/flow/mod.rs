//! Floor 2: flows as seen from the middle.
//!
//! The five-tuple table, TCP as an observer sees it (both state machines, scoreboard, Wireshark's
//! labels, round trips, windows, losses), reassembly into data and gaps for the decoders above floor
//! 1, ICMP errors matched to the flow that they quote, and look-ups. It collects facts; it judges nothing.

mod facts;
pub mod tcp;

pub use facts::{
    ByteRange, Direction, Endpoint, FlowKey, HopCount, IcmpError, IdleGap, LabelCounts, LossEvent,
    LossPlace, MtuEvidence, Opening, Outstanding, Reset, ResetTrigger, Stall, SynOptions, TcpFacts,
    Transmission, Transmissions, Vantage, ZeroWindow,
};
