//! Floor 2: flows as seen from the middle.
//!
//! The five-tuple table, TCP as an observer sees it (both state machines, scoreboard, Wireshark's
//! labels, round trips, windows, losses), reassembly into data and gaps for the decoders above floor
//! 1, ICMP errors matched to the flow that they quote, look-ups, neighbours and witnesses. It collects
//! facts; it judges nothing.

mod connection;
mod endpoint;
mod extra;
mod facts;
mod foreign;
mod gone;
mod held;
pub mod lookup;
mod losses;
mod neighbor;
mod opening;
mod ports;
mod queues;
mod resets;
mod ripe;
mod slots;
mod table;
pub mod tcp;
mod transmissions;
mod witness;
mod worlds;

pub use connection::{Dialogue, Ended, Ending, MailFlow, Turn};
pub use endpoint::Endpoint;
pub use extra::Extra;
pub use facts::{
    ByteRange, Direction, FlowKey, IcmpError, IdleGap, LabelCounts, Opening, Outstanding, Stall,
    TcpFacts, Vantage, ZeroWindow,
};
pub use losses::{LossEvent, LossPlace, MtuEvidence};
pub use neighbor::{NeighborFacts, Neighbors, Wire};
pub use ports::Ports;
pub use resets::{HopCount, Reset, ResetTrigger};
pub use ripe::Ripe;
pub use table::Table;
pub use transmissions::{NORMAL_TTL, SynOptions, Transmission, Transmissions};
pub use witness::Witness;
