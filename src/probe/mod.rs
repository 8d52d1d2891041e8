//! `mxray probe`: walk the whole way to the mail server and say where it ends.
//!
//! A run measures (kernel sockets and crafted packets; every packet of ours is captured) and then judges: the recording is
//! fed to the same engine as a replay, with what was measured beside it. Nothing here judges a packet. Planning is
//! sans-IO: what to send next, given the facts so far and the time. Manners stand in `contract.md`: a healthy target
//! costs at most 300 packets, 50 a second, one session per service and server address.

pub mod auth;
pub mod context;
pub mod control;
pub mod dns;
pub mod history;
pub mod host;
mod https;
pub mod idle;
pub mod inside;
pub mod metrics;
pub mod options;
mod plain;
pub mod plan;
mod policy;
mod raw;
pub mod recording;
mod retold;
mod run;
pub mod schedule;
pub mod seen;
pub mod session;
pub mod settings;
pub mod stage;
pub mod stats;
pub mod syn;
mod tap;
pub mod target;
pub mod tls;
pub mod way;

pub use context::{Connect, ConnectError, Context, Opened, Progress, Unknowable};
pub use control::Role;
pub use options::{Families, Options, StageName};
pub use plain::may_ping;
pub use recording::{Recording, Taken};
pub use run::again::glance;
pub use run::{BLIND, GRANT, Known, PING_GRANT, PINGLESS, run};
pub use tap::TapError;
pub use target::{Host, Setting, Target, TlsWish};
