//! The one folder that the interface may write into, opened before anything foreign was parsed.
//!
//! Files are made in it by name alone, never over one that exists and never through a link; their names are made here of
//! digits and addresses.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};

use super::frames::KeptFrames;
use super::model::{Row, Subject};
use crate::base::Timestamp;
use crate::capture::PcapngWriter;

/// Tries for a name that is free.
const NAMES: u32 = 100;

/// A folder to write into.
#[derive(Debug)]
pub struct SaveDir {
    folder: OwnedFd,
    path: PathBuf,
}

impl SaveDir {
    /// Opens the folder; it must exist.
    pub fn open(path: &Path) -> io::Result<SaveDir> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(SaveDir {
            folder: rustix::fs::open(path, flags, Mode::empty())?,
            path: path.to_owned(),
        })
    }

    /// Makes a new file `stem.extension`, or `stem-2.extension` and so on; gives its name with the folder's.
    fn create(&self, stem: &str, extension: &str) -> io::Result<(File, String)> {
        for number in 1..=NAMES {
            let name = match number {
                1 => format!("{stem}.{extension}"),
                _ => format!("{stem}-{number}.{extension}"),
            };
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // What was said on a connection is nobody else's business.
            match openat(&self.folder, name.as_str(), flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => {
                    let shown = self.path.join(&name).display().to_string();
                    return Ok((File::from(file), shown));
                }
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("a hundred files of that name exist"))
    }

    /// Writes the packets of a row; gives the file's name and how many they are.
    pub fn packets(&self, row: &Row, kept: &KeptFrames) -> io::Result<(String, usize)> {
        let (file, name) = self.create(&stem(row), "pcapng")?;
        let mut writer = PcapngWriter::new(BufWriter::new(file))?;
        let mut interfaces: Vec<(u16, u32)> = Vec::new();
        let verdict = row.verdict();
        for frame in &kept.frames {
            let known = interfaces.iter().find(|(kind, _)| *kind == frame.link_type);
            let interface = match known {
                Some((_, number)) => *number,
                None => {
                    let number = writer.interface("mxray", frame.link_type, 0)?;
                    interfaces.push((frame.link_type, number));
                    number
                }
            };
            let comment = (verdict.frame == Some(frame.number))
                .then(|| format!("mxray: {}: {}", verdict.code, verdict.summary));
            writer.packet(
                interface,
                frame.time,
                &frame.data,
                frame.original_len,
                comment.as_deref(),
            )?;
        }
        writer.into_inner()?.flush()?;
        Ok((name, kept.frames.len()))
    }

    /// Writes a report; gives the file's name.
    pub fn report(&self, time: Timestamp, extension: &str, bytes: &[u8]) -> io::Result<String> {
        let (mut file, name) =
            self.create(&format!("mxray-report-{}", compact(time)), extension)?;
        file.write_all(bytes)?;
        Ok(name)
    }
}

/// `mxray-20261123T191158Z-10.0.0.5-51384-192.0.2.10-25`.
fn stem(row: &Row) -> String {
    let ends = match &row.subject {
        Subject::Connection(record) => format!(
            "{}-{}-{}-{}",
            record.client.ip, record.client.port, record.server.ip, record.server.port
        ),
        Subject::Lookup(record) => {
            format!("{}-dns-{}-{}", record.client, record.resolver, record.id)
        }
    };
    format!(
        "mxray-{}-{}",
        compact(row.started()),
        ends.replace(':', "_")
    )
}

fn compact(time: Timestamp) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(instant) => instant.strftime("%Y%m%dT%H%M%SZ").to_string(),
        Err(_) => "0".to_owned(),
    }
}
