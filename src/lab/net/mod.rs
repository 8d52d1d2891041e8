//! The network that the lab is made in: namespaces, and the interface at either end.
//!
//! Everything here belongs to a thread and vanishes with it: a namespace has no name and no file,
//! so nothing is left behind by an exit, a panic or `kill -9`. Nothing here knows a packet.

mod interface;
mod namespace;
mod netlink;
mod veth;

pub use interface::{EndSpec, Tap};
pub use namespace::{claim, enter_network, sysctl};
