//! What the user saves: packets and reports, into the one folder that was opened before anything foreign was parsed.
//!
//! File names are made here of digits and addresses; the folder sees to the rest.

use std::io::{self, BufWriter, Write};

use super::frames::KeptFrames;
use super::model::{Row, Subject};
use crate::base::Timestamp;
use crate::capture::PcapngWriter;
use crate::privilege::Folder;

/// Writes the packets of a row; gives the file's name and how many they are.
pub fn packets(folder: &Folder, row: &Row, kept: &KeptFrames) -> io::Result<(String, usize)> {
    let (file, path) = folder.create(&stem(row), "pcapng")?;
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
    Ok((path.display().to_string(), kept.frames.len()))
}

/// Writes a report; gives the file's name.
pub fn report(
    folder: &Folder,
    time: Timestamp,
    extension: &str,
    bytes: &[u8],
) -> io::Result<String> {
    let stem = format!("mxray-report-{}", compact(time));
    let (mut file, path) = folder.create(&stem, extension)?;
    file.write_all(bytes)?;
    Ok(path.display().to_string())
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
