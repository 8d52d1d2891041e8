//! The lab: a network with a fault in it, on one machine.
//!
//! It exists so that every cause of death can be provoked for real: the kernel's own TCP at both ends,
//! a path in user space between them, embedded servers and clients, and the truth beside it. Everything
//! that it makes belongs to its threads and vanishes with them. It refuses to touch the machine's own
//! network: no packet leaves its namespaces.
//!
//! [`claim`] must be called before the process has a second thread.

pub mod client;
mod embedded;
mod error;
mod library;
mod net;
pub mod path;
pub mod probing;
mod program;
pub mod record;
mod run;
mod scenario;
pub mod server;
pub mod truth;
mod variation;
pub mod verify;

pub use embedded::Embedded;
pub use error::{LabError, Reason};
pub use library::{Listed, find, list, shipped};
pub use net::{claim, enter_network};
pub use probing::{Probed, probe, probe_once};
pub use record::{Frame, Recording};
pub use run::{Actors, Run, available, run, run_with};
pub use scenario::{Kernel, ProbeSpec, Scenario, Setting};
pub use variation::{lossy, vary};
