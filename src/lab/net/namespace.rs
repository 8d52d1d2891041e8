//! Namespaces: one user namespace for a process that is not root, one network namespace per thread.
//!
//! A user namespace can only be entered while the process has a single thread, hence [`claim`] is the
//! first thing that `main` does for the lab. Network namespaces are per thread, and threads and
//! processes started from such a thread inherit it.

use std::fs;
use std::io;

use crate::lab::error::{LabError, Reason};

/// Makes this process able to create network namespaces. To be called before any thread is started.
///
/// As root (with CAP_SYS_ADMIN) there is nothing to do. Else the process enters a user namespace in
/// which it is root, for good.
pub fn claim() -> Result<(), Reason> {
    if caps::has_cap(
        None,
        caps::CapSet::Effective,
        caps::Capability::CAP_SYS_ADMIN,
    )
    .unwrap_or(false)
    {
        return Ok(());
    }
    // SAFETY: getuid and getgid cannot fail and touch no memory of ours.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    // SAFETY: unshare takes a flag word only.
    if unsafe { libc::unshare(libc::CLONE_NEWUSER) } != 0 {
        let error = io::Error::last_os_error();
        let remedy = match error.raw_os_error() {
            Some(libc::ENOSPC) => "`sysctl user.max_user_namespaces=1000`",
            Some(libc::EPERM) => {
                "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` (Ubuntu), `sysctl \
                 kernel.unprivileged_userns_clone=1` (Debian), or in a container without its seccomp filter"
            }
            _ => "a kernel with user namespaces (CONFIG_USER_NS)",
        };
        return Err(Reason(format!(
            "no user namespace can be made ({error}): run as root, or allow it with {remedy}"
        )));
    }
    let map = |file: &str, text: String| {
        fs::write(file, text).map_err(|error| {
            Reason(format!("{file} cannot be written ({error}): run as root, or allow user namespaces on this machine"))
        })
    };
    map("/proc/self/setgroups", "deny".to_owned())?;
    map("/proc/self/uid_map", format!("0 {uid} 1"))?;
    map("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Moves the calling thread into a network namespace of its own.
pub fn enter_network() -> Result<(), LabError> {
    // SAFETY: unshare takes a flag word only; for CLONE_NEWNET it concerns the calling thread alone.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(Reason(format!("no network namespace can be made ({error}): run as root, or where user namespaces are allowed")).into())
}

/// Sets a kernel parameter of the calling thread's network namespace, such as `net.ipv4.tcp_syn_retries`.
///
/// Only `net.` is reached: those are per namespace.
pub fn sysctl(name: &str, value: &str) -> Result<(), LabError> {
    let harmless = name.starts_with("net.")
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !name.contains("..");
    if !harmless {
        return Err(LabError::Nonsense(format!(
            "{name} is no parameter of a network namespace"
        )));
    }
    fs::write(format!("/proc/sys/{}", name.replace('.', "/")), value).map_err(|source| {
        LabError::System {
            what: "set a kernel parameter of its namespace",
            source,
        }
    })
}
