//! Faces of the same records: text, JSON, NDJSON, HTML, Markdown.
//!
//! A face is handed records as they come and writes to what it was given. None keeps more than it must: connections
//! stream where the format lets them. What a face refuses to do: judge, reorder causes or decode anything.

mod buffer;
mod digest;
mod document;
mod html;
mod json;
mod lines;
mod markdown;
mod objects;
mod paint;
mod pieces;
mod select;
mod spool;
mod text;

use std::io::{self, Write};

use document::Document;

pub use paint::Paint;
pub use select::{Criteria, Selection};

use crate::base::{Foreign, Timestamp};
use crate::engine::record::Record;
use crate::present::Clock;

/// The schema that JSON reports keep.
pub const SCHEMA: &str = "mxray/report/v1";

/// How a report is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people, at a terminal.
    Text,
    /// One document.
    Json,
    /// One record per line.
    Ndjson,
    /// One page that needs nothing else.
    Html,
    /// For a ticket.
    Markdown,
}

/// What the caller wants of a report.
#[derive(Clone, Debug)]
pub struct Style {
    /// The layout.
    pub format: Format,
    /// The command, for the report's head.
    pub command: &'static str,
    /// 0: what is wrong; 1: every connection and look-up; -1: root causes and counts alone.
    pub verbosity: i8,
    /// Colours for text.
    pub paint: Paint,
    /// Columns for text.
    pub width: usize,
    /// How times are told.
    pub clock: Clock,
    /// Whether something selects what is shown.
    pub selected: bool,
    /// Several inputs were named: blocks say which they are from.
    pub several: bool,
    /// Records are shown while it goes on: text is a line per event, provisional records come.
    pub live: bool,
}

/// A report in the making.
pub trait Face {
    /// An input was opened; faces may name it from now on.
    fn source(&mut self, id: u32, name: &Foreign);

    /// The first frame of all was read.
    fn begin(&mut self, first: Timestamp);

    /// A record that is to be shown. Summary and sources are always handed on.
    fn record(&mut self, record: &Record) -> io::Result<()>;

    /// Nothing more comes.
    fn finish(&mut self) -> io::Result<()>;
}

/// A face that writes in that style.
pub fn face<'a>(style: Style, out: Box<dyn Write + 'a>) -> Box<dyn Face + 'a> {
    match style.format {
        Format::Text if style.live => Box::new(lines::LineFace::new(style, out)),
        Format::Text => Box::new(text::TextFace::new(style, out)),
        Format::Json => Box::new(json::JsonFace::new(&style, out)),
        Format::Ndjson => Box::new(json::NdjsonFace::new(out, style.live)),
        Format::Html => Box::new(Document::<html::Html>::new(style, out)),
        Format::Markdown => Box::new(Document::<markdown::Markdown>::new(style, out)),
    }
}
