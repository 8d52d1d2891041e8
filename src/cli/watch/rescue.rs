//! `--ring 60s`: what came before a failure, saved when it is noticed, with the half minute after.
//!
//! One file per server that starts to fail, with its packets, DNS, ICMP, ARP and NDP. A server that goes on failing makes
//! its file longer, up to a bound, not new ones; refusals by policy save nothing. Files, their bytes and those that are open
//! at once are bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;

use super::recording::Part;
use crate::base::{Nanos, SECOND, Timestamp};
use crate::capture::live::{Counts, Ring, concerns};
use crate::capture::{Frame, Interface};
use crate::engine::record::Record;
use crate::privilege::Folder;

/// After the latest failure so much more is saved.
const AFTER: Nanos = 30 * SECOND;
/// One file spans at most this much after its first failure.
const LONGEST: Nanos = 300 * SECOND;
/// The same server gets another file this long after the end of its last one.
const AGAIN: Nanos = 60 * SECOND;
/// Files that are written at once.
const OPEN: usize = 8;
/// Files of one run.
const FILES: u64 = 1_000;
/// Servers whose last file is remembered.
const SERVERS: usize = 4_096;

struct Save {
    part: Part,
    path: PathBuf,
    began: Timestamp,
    until: Timestamp,
    frames: u64,
}

/// The ring, and what is being saved of it.
pub struct Rescue {
    ring: Ring,
    folder: Folder,
    interfaces: Vec<Interface>,
    saves: HashMap<IpAddr, Save>,
    /// When the last file of a server ended.
    ended: HashMap<IpAddr, Timestamp>,
    files: u64,
    full: bool,
}

impl Rescue {
    /// Saves into that folder.
    pub fn new(span: Nanos, limit: usize, folder: Folder) -> Rescue {
        Rescue {
            ring: Ring::new(span, limit),
            folder,
            interfaces: Vec::new(),
            saves: HashMap::new(),
            ended: HashMap::new(),
            files: 0,
            full: false,
        }
    }

    /// Where it saves.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The interfaces of the run.
    pub fn begin(&mut self, interfaces: &[Interface]) {
        self.interfaces = interfaces.to_vec();
    }

    /// One more interface, behind those that are known.
    pub fn interface(&mut self, interface: &Interface) {
        self.interfaces.push(interface.clone());
        for save in self.saves.values_mut() {
            // A file that cannot be written any more says so with its next frame.
            let _ = save.part.interface(interface);
        }
    }

    /// Takes a frame. Returns sentences for the user.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Option<String> {
        self.ring.push(frame);
        let mut said = None;
        for (server, save) in &mut self.saves {
            if concerns(frame, *server) {
                save.frames = save.frames.saturating_add(1);
                if let Err(error) = save.part.frame(frame) {
                    save.until = frame.time;
                    said = Some(format!("{}: {error}", save.path.display()));
                }
            }
        }
        said
    }

    /// Looks whether a record is a failure that somebody has to look into; begins or prolongs a file then.
    pub fn record(&mut self, record: &Record, now: Timestamp) -> Option<String> {
        let (server, outcome, verdict) = match record {
            Record::Connection(one) => (&one.server.ip, one.outcome, &one.verdict),
            Record::Lookup(one) => (&one.resolver, one.outcome, &one.verdict),
            _ => return None,
        };
        if outcome != "failed" || verdict.class == Some("policy") {
            return None;
        }
        let server: IpAddr = server.parse().ok()?;
        if let Some(save) = self.saves.get_mut(&server) {
            save.until = save
                .until
                .max(now.plus(AFTER).min(save.began.plus(LONGEST)));
            return None;
        }
        if self
            .ended
            .get(&server)
            .is_some_and(|end| now.since(*end) < AGAIN)
            || self.saves.len() >= OPEN
        {
            return None;
        }
        if self.files >= FILES {
            let first = !std::mem::replace(&mut self.full, true);
            return first.then(|| {
                format!(
                    "{FILES} failures were saved in {}; no more are",
                    self.folder.path().display()
                )
            });
        }
        Some(match self.begin_save(server, verdict.code, now) {
            Ok(path) => format!(
                "{} of {server} is being saved to {}",
                verdict.code,
                path.display()
            ),
            Err(error) => format!(
                "a failure cannot be saved in {}: {error}",
                self.folder.path().display()
            ),
        })
    }

    fn begin_save(
        &mut self,
        server: IpAddr,
        code: &str,
        now: Timestamp,
    ) -> std::io::Result<PathBuf> {
        let time = jiff::Timestamp::from_nanosecond(i128::from(now.0)).map_or_else(
            |_| "now".to_owned(),
            |time| time.strftime("%Y%m%dT%H%M%SZ").to_string(),
        );
        let address = server.to_string().replace(':', "_");
        let (file, path) = self
            .folder
            .create(&format!("mxray-{time}-{address}-{code}"), "pcapng")?;
        let mut part = Part::begin(file, &self.interfaces)?;
        let mut frames: u64 = 0;
        let after = self.ended.get(&server).copied();
        for frame in self.ring.frames(now) {
            // What the file before holds is not saved again.
            if after.is_none_or(|after| frame.time > after) && concerns(&frame, server) {
                part.frame(&frame)?;
                frames = frames.saturating_add(1);
            }
        }
        self.files = self.files.saturating_add(1);
        let save = Save {
            part,
            path: path.clone(),
            began: now,
            until: now.plus(AFTER),
            frames,
        };
        self.saves.insert(server, save);
        Ok(path)
    }

    /// Ends files whose time is over. Returns sentences for the user.
    pub fn tick(&mut self, now: Timestamp) -> Vec<String> {
        let over: Vec<IpAddr> = self
            .saves
            .iter()
            .filter(|(_, save)| now >= save.until)
            .map(|(server, _)| *server)
            .collect();
        over.into_iter()
            .filter_map(|server| self.end_one(server, now))
            .collect()
    }

    fn end_one(&mut self, server: IpAddr, now: Timestamp) -> Option<String> {
        let save = self.saves.remove(&server)?;
        if self.ended.len() >= SERVERS {
            self.ended.clear();
        }
        self.ended.insert(server, now);
        let counts = vec![
            Counts {
                received: save.frames,
                dropped: 0,
            };
            usize::from(!self.interfaces.is_empty())
        ];
        Some(match save.part.end(now, &counts) {
            Ok(()) => format!(
                "saved {} frames of {server} to {}",
                save.frames,
                save.path.display()
            ),
            Err(error) => format!("{}: {error}", save.path.display()),
        })
    }

    /// Ends everything.
    pub fn end(&mut self, now: Timestamp) -> Vec<String> {
        let mut said: Vec<String> = self
            .saves
            .keys()
            .copied()
            .collect::<Vec<_>>()
            .into_iter()
            .filter_map(|server| self.end_one(server, now))
            .collect();
        if self.ring.short {
            said.push(
                "the ring was shorter than --ring at times: its memory was full (--ring-memory)"
                    .to_owned(),
            );
        }
        said
    }
}
