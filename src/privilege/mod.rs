//! Giving up privileges: what must be opened first, then root and all capabilities for good, and only then the first
//! packet is parsed.
//!
//! The order is a contract. Whoever captures: (1) opens interfaces, files and folders, (2) calls [`give_up`] while the
//! process has one thread, (3) starts threads and reads. Credentials belong to threads, so a thread started earlier would
//! keep them; [`give_up`] refuses then. It restores nothing: there is no way back, and the kernel is asked whether that is so.
//! Who writes only into known folders from there on says so with [`confine`].

mod confine;
mod folder;
mod give_up;
mod successor;

pub use confine::{Confined, confine};
pub use folder::Folder;
pub use give_up::{Kept, PrivilegeError, give_up};
pub use successor::Successor;
