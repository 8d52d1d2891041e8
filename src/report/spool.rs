//! The elements of a JSON array that is written later: in memory while they are few, then in a file without a name.
//!
//! It exists so that a report's memory does not grow with what it reports. The file goes away with the process. Where no
//! file can be made, or it takes no more, the elements stay in memory.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use super::buffer::Buffer;
use super::pieces::Json;

/// Text that is kept in memory.
const IN_MEMORY: usize = 1 << 16;

/// Elements, separated by commas.
#[derive(Default)]
pub(super) struct Spool {
    recent: Buffer,
    file: Option<File>,
    /// Bytes of the file that are whole elements; behind them may be what a full disk left.
    filed: u64,
    begun: bool,
    /// No file can be made here, or it is full.
    refused: bool,
}

impl Spool {
    /// Adds an element.
    pub(super) fn add(&mut self, element: &impl Json) {
        if std::mem::replace(&mut self.begun, true) {
            self.recent.push(b',');
        }
        self.recent.push(b'\n');
        element.json(&mut self.recent);
        if self.recent.len() < IN_MEMORY || self.refused {
            return;
        }
        if self.file.is_none() {
            self.file = tempfile::tempfile().ok();
        }
        let taken = self.file.as_mut().map(|file| file.write_all(&self.recent));
        if let Some(Ok(())) = taken {
            self.filed = self.filed.saturating_add(self.recent.len() as u64);
            self.recent.clear();
        } else {
            self.refused = true;
        }
    }

    /// Writes all elements and forgets them.
    pub(super) fn empty_into(&mut self, out: &mut impl Write) -> io::Result<()> {
        if let Some(mut file) = self.file.take() {
            file.seek(SeekFrom::Start(0))?;
            let filed = &mut file.take(self.filed);
            io::copy(&mut BufReader::with_capacity(IN_MEMORY, filed), out)?;
        }
        out.write_all(&self.recent)?;
        *self = Spool::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Spool;

    #[test]
    fn a_file_that_takes_nothing_loses_nothing() {
        let mut spool = Spool {
            file: std::fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .ok(),
            ..Spool::default()
        };
        assert!(spool.file.is_some());
        for number in 0..200_000_u32 {
            spool.add(&number);
        }
        assert!(spool.refused && spool.filed == 0);
        back_in_order(spool);
    }

    #[test]
    fn many_elements_come_back_in_order() {
        let mut spool = Spool::default();
        for number in 0..200_000_u32 {
            spool.add(&number);
        }
        assert!(spool.recent.len() < super::IN_MEMORY);
        back_in_order(spool);
    }

    fn back_in_order(mut spool: Spool) {
        let mut text = b"[".to_vec();
        spool.empty_into(&mut text).unwrap();
        text.push(b']');
        let back: Vec<u32> = serde_json::from_slice(&text).unwrap();
        assert_eq!(back, (0..200_000).collect::<Vec<u32>>());
    }
}
