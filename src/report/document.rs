//! A report that is written as a whole at its end: a page, a ticket.
//!
//! It keeps what a [`Digest`] keeps and, with `-v`, a row for everything. How that is marked up is the business of a [`Markup`].

use std::io::{self, Write};
use std::marker::PhantomData;

use super::digest::Digest;
use super::{Face, Style};
use crate::base::{Foreign, Timestamp};
use crate::engine::record::Record;
use crate::present::Block;

/// What is known of the run.
pub(super) struct Kept {
    pub style: Style,
    pub digest: Digest,
    /// `-v`: a row for every connection and look-up.
    pub rows: Vec<String>,
}

/// How a document is marked up.
pub(super) trait Markup {
    /// A connection or look-up in one row.
    fn row(block: &Block) -> String;
    /// The whole document.
    fn whole(kept: &Kept) -> String;
}

/// The face of a document.
pub(super) struct Document<'a, M> {
    out: Box<dyn Write + 'a>,
    kept: Kept,
    markup: PhantomData<M>,
}

impl<'a, M: Markup> Document<'a, M> {
    pub fn new(style: Style, out: Box<dyn Write + 'a>) -> Document<'a, M> {
        Document {
            out,
            kept: Kept {
                digest: Digest::new(style.several),
                style,
                rows: Vec::new(),
            },
            markup: PhantomData,
        }
    }
}

impl<M: Markup> Face for Document<'_, M> {
    fn source(&mut self, id: u32, name: &Foreign) {
        self.kept.digest.name(id, name.as_str());
    }

    fn begin(&mut self, first: Timestamp) {
        self.kept.style.clock.begin(first);
    }

    fn record(&mut self, record: &Record) -> io::Result<()> {
        let Kept {
            style,
            digest,
            rows,
        } = &mut self.kept;
        digest.add(record, &style.clock);
        if style.verbosity >= 1
            && let Some(block) = digest.block(record, &style.clock)
        {
            rows.push(M::row(&block));
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let text = M::whole(&self.kept);
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}
