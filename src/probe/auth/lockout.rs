//! An account that a server refused rests: 15 minutes, across runs as well.
//!
//! A wrong password that is tried again and again locks the account or bans the address, and whoever diagnoses repeats runs
//! without thinking. The state file holds the time of the refusal beside a keyed hash (HMAC-SHA-256) of the account; the key is
//! made here, lies beside it and is readable by the user alone, so the file tells nobody which accounts exist. Within a
//! run the [`Turnstile`] lets one login at a time pass and none after a refusal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustix::fs::{CWD, Mode, OFlags, openat, renameat};

use crate::base::{Nanos, SECOND, Timestamp};
use crate::privilege::Successor;

/// How long it rests.
pub const REST: Nanos = 15 * 60 * SECOND;
/// Refusals remembered; the oldest goes first.
const REMEMBERED: usize = 1_024;

/// The state file.
#[derive(Clone, Debug)]
pub struct Lockout {
    folder: PathBuf,
    /// The folder, once it was opened; files are reached through it, whoever the process becomes.
    open: Option<Arc<OwnedFd>>,
}

impl Lockout {
    /// In the user's state folder (XDG base directories: `$XDG_STATE_HOME/mxray`, else `~/.local/state/mxray`); `None` without a home.
    pub fn of_user() -> Option<Lockout> {
        let absolute = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let state = absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
        Some(Lockout::at(state.join("mxray")))
    }

    /// In that folder.
    pub fn at(folder: PathBuf) -> Lockout {
        Lockout { folder, open: None }
    }

    /// Makes and opens the folder while that is allowed, and hands it to whom the process becomes.
    ///
    /// # Errors
    /// What the file system said.
    pub fn prepare(&mut self, successor: Option<Successor>) -> std::io::Result<()> {
        self.make()?;
        let folder = File::open(&self.folder)?;
        if let Some(successor) = successor {
            successor.owns(&folder)?;
            for name in ["logins", "logins.key"] {
                if let Ok(file) = openat(
                    &folder,
                    name,
                    OFlags::RDONLY | OFlags::NOFOLLOW,
                    Mode::empty(),
                ) {
                    successor.owns(&File::from(file))?;
                }
            }
        }
        self.open = Some(Arc::new(folder.into()));
        Ok(())
    }

    fn make(&self) -> std::io::Result<()> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
    }

    /// A file of the folder. New ones belong to the user alone.
    fn file(&self, name: &str, flags: OFlags) -> std::io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(File::from(match &self.open {
            Some(folder) => openat(folder, name, flags, mode)?,
            None => openat(CWD, self.folder.join(name), flags, mode)?,
        }))
    }

    /// How long the account still has to rest, if at all.
    pub fn rests(&self, account: &str, now: Timestamp) -> Option<Nanos> {
        let mark = self.mark(account, false)?;
        let since = self
            .read()
            .into_iter()
            .filter(|(known, _)| *known == mark)
            .map(|(_, at)| at)
            .max()?;
        let passed = now.since(since);
        // A clock that was set back must not lock anybody out for longer.
        (0..REST).contains(&passed).then(|| REST - passed)
    }

    /// Notes a refusal.
    ///
    /// # Errors
    /// What the file system said: then another run would not know of it, which the user is told.
    pub fn refused(&self, account: &str, now: Timestamp) -> std::io::Result<()> {
        if self.open.is_none() {
            self.make()?;
        }
        let mark = self.mark(account, true).ok_or_else(|| {
            std::io::Error::other("the key of the state file cannot be read or made")
        })?;
        let mut known = self.read();
        known.retain(|(other, at)| *other != mark && (0..REST).contains(&now.since(*at)));
        known.push((mark, now));
        let excess = known.len().saturating_sub(REMEMBERED);
        known.drain(..excess);
        let text: String = known
            .iter()
            .map(|(mark, at)| format!("{} {mark}\n", at.0.div_euclid(SECOND)))
            .collect();
        // Written beside and moved: another run sees the old list or the new one.
        let beside = format!("logins.{}", std::process::id());
        let new = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        self.file(&beside, new)?.write_all(text.as_bytes())?;
        match &self.open {
            Some(folder) => renameat(folder, &*beside, folder, "logins")?,
            None => std::fs::rename(self.folder.join(&beside), self.folder.join("logins"))?,
        }
        Ok(())
    }

    fn read(&self) -> Vec<(String, Timestamp)> {
        let mut text = String::new();
        let read = self.file("logins", OFlags::RDONLY);
        if read
            .and_then(|mut file| file.read_to_string(&mut text))
            .is_err()
        {
            return Vec::new();
        }
        text.lines()
            .filter_map(|line| {
                let (seconds, mark) = line.split_once(' ')?;
                let seconds: i64 = seconds.parse().ok()?;
                Some((mark.to_owned(), Timestamp(seconds.saturating_mul(SECOND))))
            })
            .take(REMEMBERED)
            .collect()
    }

    /// The keyed hash of an account.
    fn mark(&self, account: &str, make: bool) -> Option<String> {
        let name = "logins.key";
        let known = self.file(name, OFlags::RDONLY).ok();
        let key = match known.and_then(read_key) {
            Some(key) => key,
            None if make => {
                let mut key = [0u8; 32];
                SystemRandom::new().fill(&mut key).ok()?;
                let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                let mut file = self.file(name, new).ok()?;
                file.write_all(&key).ok()?;
                key
            }
            None => return None,
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let tag = hmac::sign(&key, account.to_lowercase().as_bytes());
        Some(
            tag.as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }
}

fn read_key(mut file: File) -> Option<[u8; 32]> {
    let mut key = [0u8; 32];
    file.read_exact(&mut key).ok()?;
    Some(key)
}

/// Lets logins of a run pass one after the other, and none of an account after a refusal.
#[derive(Debug)]
pub struct Turnstile {
    lockout: Option<Lockout>,
    again: bool,
    state: Mutex<Passed>,
    /// Held by whoever is logging in.
    pub turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Passed {
    refused: Vec<String>,
    tried: Vec<(String, std::net::SocketAddr)>,
}

impl Turnstile {
    /// With the state file; `again` (`--auth-again`) passes over what it holds.
    pub fn new(lockout: Option<Lockout>, again: bool) -> Turnstile {
        Turnstile {
            lockout,
            again,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// The account's name for the books: a bare name belongs to the server that was typed.
    pub fn account(user: &str, server: &str) -> String {
        match user.contains('@') {
            true => user.to_owned(),
            false => format!("{user}@{server}"),
        }
    }

    /// Whether a login may not be tried, and why. A pass counts as the one try of this account and service.
    pub fn bars(
        &self,
        account: &str,
        service: std::net::SocketAddr,
        now: Timestamp,
    ) -> Option<&'static str> {
        let Ok(mut state) = self.state.lock() else {
            return Some("the state of logins is broken");
        };
        if state.refused.iter().any(|refused| refused == account) {
            return Some("this account was refused in this run already");
        }
        let key = (account.to_owned(), service);
        if state.tried.contains(&key) {
            return Some("this account was tried at this service in this run already");
        }
        if !self.again
            && self
                .lockout
                .as_ref()
                .is_some_and(|lockout| lockout.rests(account, now).is_some())
        {
            return Some(
                "a server refused this account less than 15 minutes ago (--auth-again tries all the same)",
            );
        }
        state.tried.push(key);
        None
    }

    /// Notes a refusal; an error of the state file in words.
    pub fn refused(&self, account: &str, now: Timestamp) -> Option<String> {
        if let Ok(mut state) = self.state.lock() {
            state.refused.push(account.to_owned());
        }
        let lockout = self.lockout.as_ref()?;
        lockout
            .refused(account, now)
            .err()
            .map(|error| format!("{}: {error}", lockout.folder.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(1_790_000_000_000_000_000).plus(seconds * SECOND)
    }

    #[test]
    fn a_refused_account_rests_for_fifteen_minutes() {
        let folder = tempfile::tempdir().expect("a folder");
        let lockout = Lockout::at(folder.path().join("mxray"));
        assert_eq!(lockout.rests("joe@example.test", at(0)), None);
        lockout.refused("joe@example.test", at(0)).expect("written");
        assert!(lockout.rests("Joe@Example.test", at(60)).is_some());
        assert_eq!(lockout.rests("ann@example.test", at(60)), None);
        assert_eq!(lockout.rests("joe@example.test", at(901)), None);
        // A clock set back locks nobody out.
        assert_eq!(lockout.rests("joe@example.test", at(-60)), None);
        let text = std::fs::read_to_string(folder.path().join("mxray/logins")).expect("a file");
        assert!(!text.contains("joe"));
    }

    #[test]
    fn files_are_the_users_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let lockout = Lockout::at(folder.path().join("mxray"));
        lockout.refused("joe@example.test", at(0)).expect("written");
        for name in ["logins", "logins.key"] {
            let path = folder.path().join("mxray").join(name);
            let mode = std::fs::metadata(path)
                .expect("a file")
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "{name}");
        }
    }

    #[test]
    fn one_try_of_each_and_none_after_a_refusal() {
        let folder = tempfile::tempdir().expect("a folder");
        let lockout = Lockout::at(folder.path().join("mxray"));
        let stile = Turnstile::new(Some(lockout.clone()), false);
        let imap = "192.0.2.1:993".parse().expect("an address");
        let smtp = "192.0.2.1:465".parse().expect("an address");
        let joe = Turnstile::account("joe@example.test", "mail.example.test");
        assert_eq!(stile.bars(&joe, imap, at(0)), None);
        assert!(stile.bars(&joe, imap, at(1)).is_some());
        assert_eq!(stile.bars(&joe, smtp, at(1)), None);
        assert_eq!(stile.refused(&joe, at(2)), None);
        let pop3 = "192.0.2.1:995".parse().expect("an address");
        assert!(stile.bars(&joe, pop3, at(3)).is_some());
        // The next run knows.
        let next = Turnstile::new(Some(lockout.clone()), false);
        assert!(next.bars(&joe, pop3, at(60)).is_some());
        let again = Turnstile::new(Some(lockout), true);
        assert_eq!(again.bars(&joe, pop3, at(60)), None);
        assert_eq!(
            Turnstile::account("joe", "mail.example.test"),
            "joe@mail.example.test"
        );
    }
}
