//! What the caller decides: ports, what gets a record, trust anchors, secrets.

use std::sync::Arc;

use crate::flow::Ports;
use crate::proto::mail::replies::ReplyTable;
use crate::proto::tls::KeyLog;

/// Settings of an engine. Nothing here is a path or a handle: the caller has read everything.
#[derive(Clone, Default)]
pub struct Config {
    /// Which ports are mail (`--ports`, `--as`).
    pub ports: Ports,
    /// Records also for connections and look-ups that are not mail (`--all`).
    pub all: bool,
    /// Trust anchors in DER, from `--roots`.
    pub roots: Arc<Vec<Vec<u8>>>,
    /// Transcripts hold passwords and tokens (`--show-secrets`).
    pub show_secrets: bool,
    /// What servers mean by their refusals: built once, shared by every engine of these settings.
    pub replies: Arc<ReplyTable>,
    /// Secrets of TLS sessions (`--keylog`); a clone shares it, and `Engine::secrets` adds to it.
    pub keylog: KeyLog,
    /// The caller asks for provisional records ([`super::Engine::provisional`]): what changes is noted for them.
    pub live: bool,
    /// Connections open at once; the one silent for longest is judged first beyond it. `None`: [`crate::base::limits::FLOWS`].
    pub flows: Option<usize>,
    /// Shards that keep connections, each in a thread of its caller's; 0: the thread that reads does. Results do not depend on it.
    /// `None`: what pays on the machine.
    pub shards: Option<usize>,
}
