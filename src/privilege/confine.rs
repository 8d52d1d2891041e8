//! What is left to a process that gave up its privileges: the user's own files. Of those it keeps only the folders that it
//! was told to write into.
//!
//! Landlock (landlock(7), Linux 5.13) lets a process say so of itself for good. From then on nothing is made, opened for
//! writing, renamed or removed elsewhere, no program is run, and where the kernel knows how (6.7) no TCP socket is bound or connected.
//! Reading stays free: time zones and trust anchors are read when they are needed. What is open stays open. It has to be called after
//! [`super::give_up`], while there is one thread: threads that exist already are not held by it.

use std::fs::OpenOptions;
use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus,
};

use super::Folder;

/// What the kernel holds the process to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confined {
    /// All that is said above.
    Wholly,
    /// Files at least in part, since the kernel is older.
    Partly,
    /// Nothing: the kernel has no Landlock, or it was not switched on.
    Not,
}

/// The kernel that everything is written for; on an older one the crate leaves out what that one does not know.
const WRITTEN_FOR: ABI = ABI::V5;

/// From here on this thread, and every one that it starts, writes only beneath these folders. An error means that the kernel has
/// Landlock and refused; the process must not go on as if it were confined.
pub fn confine(folders: &[&Folder]) -> io::Result<Confined> {
    let status = restrict(folders).map_err(io::Error::other)?;
    Ok(match status {
        RulesetStatus::FullyEnforced => Confined::Wholly,
        RulesetStatus::PartiallyEnforced => Confined::Partly,
        RulesetStatus::NotEnforced => Confined::Not,
    })
}

fn restrict(folders: &[&Folder]) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_write(WRITTEN_FOR) | AccessFs::Execute)?
        .handle_access(AccessNet::from_all(WRITTEN_FOR))?
        .create()?;
    for folder in folders {
        // Files that are new are made and written there; nothing is removed, renamed or made anew.
        let make = AccessFs::MakeReg | AccessFs::WriteFile;
        rules = rules.add_rule(PathBeneath::new(folder.fd(), make))?;
    }
    // Keys are read from the terminal itself where standard input is something else.
    if let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") {
        let talk = AccessFs::WriteFile | AccessFs::IoctlDev;
        rules = rules.add_rule(PathBeneath::new(&terminal, talk))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{ErrorKind, Write as _};
    use std::net::TcpListener;
    use std::process::Command;
    use std::thread;

    use super::{Confined, confine};
    use crate::privilege::Folder;

    #[test]
    fn nothing_is_written_but_beneath_the_folders() {
        let outside = tempfile::tempdir().expect("a folder");
        let (inside, other) = (outside.path().join("saved"), outside.path().join("other"));
        File::create(&other).expect("a file");
        let folder = Folder::open(&inside, None).expect("a folder");
        // A thread of its own: the others of this test stay free.
        let confined = thread::spawn(move || {
            // Open before, and so open after.
            let mut early = File::create(other.with_extension("early")).expect("a file");
            let confined = confine(&[&folder]).expect("no refusal");
            if confined == Confined::Not {
                return confined;
            }
            early.write_all(b"still").expect("written");
            let (mut file, path) = folder.create("one", "pcapng").expect("a file");
            file.write_all(b"two").expect("written");
            assert_eq!(fs::read(path).expect("read"), b"two");
            let denied = |result: std::io::Result<()>| {
                assert_eq!(
                    result.expect_err("forbidden").kind(),
                    ErrorKind::PermissionDenied
                );
            };
            denied(File::create(other.with_extension("new")).map(drop));
            denied(fs::OpenOptions::new().append(true).open(&other).map(drop));
            denied(fs::remove_file(&other));
            denied(fs::create_dir(other.with_extension("dir")));
            denied(Command::new("/bin/true").status().map(drop));
            if confined == Confined::Wholly {
                denied(TcpListener::bind("127.0.0.1:0").map(drop));
            }
            File::open(&other).expect("what is only read is free");
            confined
        })
        .join()
        .expect("nothing was allowed that is forbidden");
        if confined == Confined::Not {
            eprintln!("SKIPPED: this kernel has no Landlock, or it is not switched on");
        }
    }
}
