//! What stays in the scrollback when the live view has been left: root causes, counts and inputs, as a report tells them.

use std::io::{self, IsTerminal};

use super::options::Reporting;
use super::output;
use crate::base::Foreign;
use crate::engine::record::Record;
use crate::report::{self, Format, Style};

/// The records that it is made of; never more than sources and a summary.
#[derive(Default)]
pub struct Afterword {
    sources: Vec<Record>,
    summary: Option<Record>,
}

/// Sources named at the most.
const SOURCES: usize = 64;

impl Afterword {
    /// Takes note of a record.
    pub fn see(&mut self, record: &Record) {
        match record {
            Record::Source(_) if self.sources.len() < SOURCES => self.sources.push(record.clone()),
            Record::Summary(_) => self.summary = Some(record.clone()),
            _ => {}
        }
    }

    /// Whether the run came to a summary.
    pub fn is_whole(&self) -> bool {
        self.summary.is_some()
    }

    /// As text.
    pub fn text(&self, style: Style) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut face = report::face(style, Box::new(&mut text));
        for record in self.sources.iter().chain(&self.summary) {
            if let Record::Source(source) = record {
                face.source(source.id, &Foreign::clone(&source.name));
            }
            face.record(record)?;
        }
        face.finish()?;
        drop(face);
        Ok(text)
    }

    /// Prints it on standard output; who cannot read any more does not have to.
    pub fn print(&self, reporting: &Reporting, command: &'static str) {
        if !self.is_whole() || reporting.quiet {
            return;
        }
        let style = Style {
            format: Format::Text,
            verbosity: -1,
            ..reporting.style(command, self.sources.len() > 1)
        };
        if let Ok(text) = self.text(style) {
            let mut out = io::stdout();
            // Behind a closed terminal there is nobody to tell.
            if out.is_terminal() {
                output::print(&text, 0, &mut out);
            }
        }
    }
}
