//! Live capture: interfaces in, frames and what happened to the interfaces out.
//!
//! It exists so that a live run is a capture like any other: the same frames with the same numbers and times that the file
//! written beside it has. Opening needs CAP_NET_RAW; everything after that does not, also going on with an interface that
//! was deleted and made again. It refuses to judge a packet, to print, and to change an interface beyond promiscuous
//! mode; it sends nothing.

mod any;
mod clock;
mod error;
mod filter;
mod handle;
mod rebind;
mod rehearsal;
mod ring;
mod set;

pub use clock::LiveClock;
pub use error::LiveError;
pub use filter::{FilterPlan, TUNNEL_PORTS};
pub use rehearsal::Rehearsal;
pub use ring::{Ring, concerns};
pub use set::{Counts, Event, Live, Options, Taker};
