//! Root, groups, capabilities and the right to gain new ones: gone for good, and checked.

use std::io;

use caps::{CapSet, Capability};
use thiserror::Error;

use super::Successor;

/// Privileges could not be given up; the process must not go on.
#[derive(Debug, Error)]
pub enum PrivilegeError {
    /// Another thread would keep them.
    #[error("privileges cannot be given up: {0} threads are running already")]
    Threads(usize),
    /// The kernel said no.
    #[error("privileges cannot be given up: {0} failed: {1}")]
    Refused(&'static str, io::Error),
    /// The kernel said yes, and yet they are there.
    #[error("privileges were not given up: {0}")]
    Left(String),
}

/// What remained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The user number that the process has now.
    pub uid: u32,
    /// It is 0 in a user namespace that has no other user: root in name, without any capability.
    pub namespace_root: bool,
}

/// Gives up everything: the bounding set where that is allowed, supplementary groups, group, user, all capabilities, and
/// the right to gain new ones by running a program. To be called while the process has one thread. What is open stays open.
pub fn give_up(successor: Option<Successor>) -> Result<Kept, PrivilegeError> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(PrivilegeError::Threads(threads));
    }
    bounding();
    // Ambient capabilities are what a new program would inherit.
    let _ = caps::clear(None, CapSet::Ambient);
    if let Some(Successor { uid, gid }) = successor {
        let done = |what, result: libc::c_int| match result {
            0 => Ok(()),
            _ => Err(PrivilegeError::Refused(what, io::Error::last_os_error())),
        };
        // SAFETY: no groups: the pointer is not read.
        done("setgroups", unsafe { libc::setgroups(0, std::ptr::null()) })?;
        // SAFETY: numbers only.
        done("setresgid", unsafe { libc::setresgid(gid, gid, gid) })?;
        // SAFETY: numbers only.
        done("setresuid", unsafe { libc::setresuid(uid, uid, uid) })?;
    }
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(|error| {
            PrivilegeError::Refused("capset", io::Error::other(error.to_string()))
        })?;
    }
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| PrivilegeError::Refused("no_new_privs", error.into()))?;
    verify(successor)
}

/// The bounding set: needs CAP_SETPCAP, which a file capability alone does not bring; then no_new_privs has to do.
fn bounding() {
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
        for capability in caps::all() {
            // Numbers that this kernel does not have are refused.
            let _ = caps::drop(None, CapSet::Bounding, capability);
        }
    }
}

fn verify(successor: Option<Successor>) -> Result<Kept, PrivilegeError> {
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        let left =
            caps::read(None, set).map_err(|error| PrivilegeError::Left(error.to_string()))?;
        if !left.is_empty() {
            return Err(PrivilegeError::Left(format!("{left:?} remain")));
        }
    }
    let uid = rustix::process::getuid().as_raw();
    if successor.is_some() {
        // SAFETY: numbers only. That it fails is what is wanted.
        let back = unsafe { libc::setresuid(0, 0, 0) };
        if back == 0 || uid == 0 {
            return Err(PrivilegeError::Left("root can be had back".to_owned()));
        }
    }
    Ok(Kept {
        uid,
        namespace_root: uid == 0,
    })
}
