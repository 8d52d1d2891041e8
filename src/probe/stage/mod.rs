//! The stages that measure below a session: ports, places, sizes.

pub mod local;
pub mod ports;
pub mod reference;
pub mod split;
pub mod trace;
