//! A folder that is opened while it still may be, and in which files are made after that.
//!
//! Files are made relative to the open folder, never through a link and never over another file, with names that mxray
//! makes: nothing that came from the wire chooses a path.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, OFlags, Uid, fchown, fstat, openat, renameat};

use super::Successor;

/// Names tried for one file before giving up.
const NAMES: u32 = 10_000;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder, makes it if there is none (it then belongs to `successor`), and sees to it that the successor may
    /// make files there. The error is a sentence with the remedy.
    pub fn open(path: &Path, successor: Option<Successor>) -> Result<Folder, String> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let fault = |error: io::Error| format!("{}: {error}", path.display());
        let made = match fs::create_dir(path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(fault(error)),
        };
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let fd =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|error| fault(error.into()))?;
        if let Some(Successor { uid, gid }) = successor {
            if made {
                fchown(
                    fd.as_fd(),
                    Some(Uid::from_raw(uid)),
                    Some(Gid::from_raw(gid)),
                )
                .map_err(|error| fault(error.into()))?;
            }
            let stat = fstat(fd.as_fd()).map_err(|error| fault(error.into()))?;
            let shift = match () {
                () if stat.st_uid == uid => 6,
                () if stat.st_gid == gid => 3,
                () => 0,
            };
            if (stat.st_mode >> shift) & 0o3 != 0o3 {
                return Err(format!(
                    "{0}: user {uid}, whom mxray becomes before it reads a packet, may not write there; \
                     name a folder that does not exist yet, or `chown {uid}:{gid} {0}`",
                    path.display()
                ));
            }
        }
        Ok(Folder {
            fd,
            path: path.to_owned(),
        })
    }

    /// Makes a new file there, readable by its owner alone: `stem` and `extension`, with a number between them when that
    /// name is taken. Gives its path for messages.
    pub fn create(&self, stem: &str, extension: &str) -> io::Result<(File, PathBuf)> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for number in 0..NAMES {
            let name = match number {
                0 => format!("{stem}.{extension}"),
                number => format!("{stem}-{number}.{extension}"),
            };
            if name.contains('/') {
                return Err(io::Error::from(io::ErrorKind::InvalidInput));
            }
            match openat(self.fd.as_fd(), &*name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(fd) => return Ok((File::from(fd), self.path.join(name))),
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// Writes a file as a whole, over an older one of that name: whoever reads it sees the old text or the new one. Readable by all.
    pub fn replace(&self, name: &str, text: &[u8]) -> io::Result<()> {
        if name.is_empty() || name.contains('/') {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let beside = format!(".{name}.{}", std::process::id());
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        let mut file = File::from(openat(self.fd.as_fd(), &*beside, flags, mode)?);
        file.write_all(text)?;
        drop(file);
        renameat(self.fd.as_fd(), &*beside, self.fd.as_fd(), name)?;
        Ok(())
    }

    /// The open folder itself.
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Its path, as the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::Folder;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let outside = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(outside.path(), None).expect("a folder");
        folder.replace("mxray.prom", b"one\n").expect("written");
        folder.replace("mxray.prom", b"two\n").expect("written");
        let text = std::fs::read_to_string(outside.path().join("mxray.prom")).expect("a file");
        assert_eq!(text, "two\n");
        assert_eq!(
            std::fs::read_dir(outside.path()).expect("a folder").count(),
            1
        );
        assert!(folder.replace("../x", b"").is_err());
    }

    #[test]
    fn nothing_is_written_over_and_nothing_outside() {
        let outside = tempfile::tempdir().expect("a folder");
        let path = outside.path().join("saved");
        let folder = Folder::open(&path, None).expect("a folder");
        let (_, first) = folder.create("one", "pcapng").expect("a file");
        let (_, second) = folder.create("one", "pcapng").expect("a file");
        assert_eq!(first, path.join("one.pcapng"));
        assert_eq!(second, path.join("one-1.pcapng"));
        assert!(folder.create("../one", "pcapng").is_err());
        std::os::unix::fs::symlink("/etc/passwd", path.join("two.pcapng")).expect("a link");
        let (_, third) = folder.create("two", "pcapng").expect("a file");
        assert_eq!(third, path.join("two-1.pcapng"));
    }
}
