//! Who a process started by root becomes.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use caps::{CapSet, Capability};
use rustix::fs::{Gid, Uid, fchown};

/// `nobody` and `nogroup`, the users of no file.
const NOBODY: u32 = 65_534;

/// A user that is not root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Successor {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Successor {
    /// For a process of root: the user who called sudo, else nobody. `None` when this is not root, and when it is the root
    /// of a user namespace that knows no other user.
    pub fn of_this_process() -> Option<Successor> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
        let caller = number("SUDO_UID")
            .zip(number("SUDO_GID"))
            .filter(|(uid, gid)| *uid != 0 && *gid != 0)
            .map(|(uid, gid)| Successor { uid, gid });
        let nobody = Successor {
            uid: NOBODY,
            gid: NOBODY,
        };
        caller.into_iter().chain([nobody]).find(|one| {
            mapped("/proc/self/uid_map", one.uid) && mapped("/proc/self/gid_map", one.gid)
        })
    }

    /// As [`Successor::of_this_process`], but `None` also for a root who may not become anybody else (a container without CAP_SETUID): then
    /// capabilities are all that can be given up.
    pub fn if_possible() -> Option<Successor> {
        let may = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
        let both = may(Capability::CAP_SETUID) && may(Capability::CAP_SETGID);
        Successor::of_this_process().filter(|_| both)
    }

    /// Gives a file that was just made to this user.
    pub fn owns(self, file: &File) -> io::Result<()> {
        fchown(
            file.as_fd(),
            Some(Uid::from_raw(self.uid)),
            Some(Gid::from_raw(self.gid)),
        )
        .map_err(io::Error::from)
    }
}

/// Whether a user namespace knows that number (user_namespaces(7): first inside, first outside, how many).
fn mapped(file: &str, id: u32) -> bool {
    let Ok(map) = std::fs::read_to_string(file) else {
        return true;
    };
    map.lines().any(|line| {
        let mut fields = line
            .split_whitespace()
            .map(|field| field.parse::<u64>().unwrap_or(0));
        let (first, _, count) = (fields.next(), fields.next(), fields.next());
        first.zip(count).is_some_and(|(first, count)| {
            (first..first.saturating_add(count)).contains(&u64::from(id))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::mapped;

    #[test]
    fn the_map_of_users_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("map");
        std::fs::write(&path, "         0       1000          1\n").expect("a file");
        let path = path.to_str().expect("a name");
        assert!(mapped(path, 0));
        assert!(!mapped(path, 65_534));
        std::fs::write(path, "         0          0 4294967295\n").expect("a file");
        assert!(mapped(path, 65_534));
    }
}
