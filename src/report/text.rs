//! `--format text`: root causes first, failures in full, the rest in short; readable at 80 columns.

mod block;

use std::io::{self, Write};

use super::digest::{Digest, Part, TABLES, listed, total};
use super::{Face, Style};
use crate::base::{Foreign, Timestamp};
use crate::engine::record::Record;
use crate::present::{self, columns, wrap};

/// Bytes of blocks that `-v` holds back so that root causes can stand first; beyond it they stand last.
const HELD: usize = 16 << 20;
/// Columns of one port of a path.
const CELL: usize = 17;
/// Root causes shown in full.
const CAUSES: usize = 20;

/// Text for a terminal.
pub(super) struct TextFace<'a> {
    out: Box<dyn Write + 'a>,
    style: Style,
    digest: Digest,
    /// Blocks of `-v` that wait for the root causes.
    held: Vec<String>,
    held_bytes: usize,
    streaming: bool,
}

impl<'a> TextFace<'a> {
    pub fn new(style: Style, out: Box<dyn Write + 'a>) -> TextFace<'a> {
        TextFace {
            out,
            digest: Digest::new(style.several),
            style,
            held: Vec::new(),
            held_bytes: 0,
            streaming: false,
        }
    }

    /// A line before the report.
    pub fn write_line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    /// `-v`: every block, held back until it is too much.
    fn everything(&mut self, record: &Record) -> io::Result<()> {
        let Some(block) = self.digest.block(record, &self.style.clock) else {
            return Ok(());
        };
        let text = match block.outcome {
            "failed" | "degraded" => self.style.full(&block),
            _ => self.style.compact(&block),
        };
        self.held_bytes = self.held_bytes.saturating_add(text.len());
        self.held.push(text);
        if self.streaming || self.held_bytes > HELD {
            self.streaming = true;
            for text in self.held.drain(..) {
                writeln!(self.out, "{text}")?;
            }
        }
        Ok(())
    }

    fn causes(&mut self) -> io::Result<()> {
        let causes = std::mem::take(&mut self.digest.summary.root_causes);
        if causes.is_empty() {
            return Ok(());
        }
        let in_full: Vec<&str> = match self.style.verbosity {
            ..0 => Vec::new(),
            _ => self
                .digest
                .failed()
                .blocks
                .iter()
                .map(|block| block.code)
                .collect(),
        };
        let paint = self.style.paint;
        let heading = match causes.len() {
            1 => "Root cause".to_owned(),
            many => format!("Root causes ({many}), most harmful first"),
        };
        writeln!(self.out, "{}", paint.strong(&heading))?;
        for cause in causes.iter().take(CAUSES) {
            let lines = present::cause(cause);
            let mut text = self
                .style
                .header("failed", "✗", cause.code, &lines.title, lines.class);
            if !lines.reach.is_empty() {
                self.style.row(&mut text, "cost", &lines.reach);
            }
            self.style.row(&mut text, "because", &lines.cause.text);
            // Where the failure itself follows in full, its advice stands there.
            let advice = if in_full.contains(&cause.code) {
                &[][..]
            } else {
                &lines.advice[..]
            };
            for (at, advice) in advice.iter().enumerate() {
                self.style
                    .row(&mut text, if at == 0 { "do" } else { "" }, advice);
            }
            writeln!(self.out, "{text}")?;
        }
        let more = causes.len().saturating_sub(CAUSES);
        if more > 0 {
            writeln!(
                self.out,
                "  {} more root causes: see them with --format json\n",
                present::thousands(more as u64)
            )?;
        }
        Ok(())
    }

    fn part(&self, heading: &str, part: &Part<'_>, full: bool) -> String {
        let mut text = String::new();
        if part.blocks.is_empty() && part.more.is_empty() {
            return text;
        }
        text.push_str(&self.style.paint.strong(heading));
        text.push('\n');
        for block in &part.blocks {
            text.push_str(&if full {
                self.style.full(block)
            } else {
                self.style.short(block)
            });
            text.push('\n');
        }
        if !part.more.is_empty() {
            let words = format!(
                "{} more: {}. See them with -v, or with --code, --client, --server.",
                present::thousands(total(&part.more)),
                listed(&part.more)
            );
            for line in wrap(&words, self.style.width.saturating_sub(2)) {
                text.push_str(&format!("  {line}\n"));
            }
            text.push('\n');
        }
        text
    }

    /// The hops of a probe, in as many columns as there is room for.
    fn paths(&mut self) -> io::Result<()> {
        let tables = present::path_tables(&self.digest.paths);
        if self.style.verbosity < 0 || tables.len() > TABLES && self.style.verbosity < 1 {
            return Ok(());
        }
        let paint = self.style.paint;
        for table in tables {
            writeln!(
                self.out,
                "{}",
                paint.strong(&format!("Path to {}", table.target))
            )?;
            let longest = table
                .rows
                .iter()
                .map(|row| columns(&row.address))
                .max()
                .unwrap_or(0);
            let address = longest.max(7);
            let room = self.style.width.saturating_sub(address + 8) / CELL;
            let line = |hop: &str, who: &str, cells: &[String]| {
                let gap = |text: &str, to: usize| " ".repeat(to.saturating_sub(columns(text)));
                let mut text = format!("{}{hop}  {who}{}", gap(hop, 4), gap(who, address));
                for cell in cells.iter().take(room.max(1)) {
                    text.push_str(&format!("  {cell}{}", gap(cell, CELL - 2)));
                }
                text.trim_end().to_owned()
            };
            if !table.rows.is_empty() {
                let head = line("hop", "address", &table.columns);
                writeln!(self.out, "{}", paint.faint(&head))?;
            }
            for row in &table.rows {
                writeln!(self.out, "{}", line(&row.hop, &row.address, &row.cells))?;
            }
            for note in &table.notes {
                for (at, part) in wrap(note, self.style.width.saturating_sub(4))
                    .iter()
                    .enumerate()
                {
                    let indent = if at == 0 { "  " } else { "    " };
                    writeln!(self.out, "{indent}{part}")?;
                }
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn tail(&mut self) -> io::Result<()> {
        self.paths()?;
        let paint = self.style.paint;
        let findings = std::mem::take(&mut self.digest.findings);
        if !findings.is_empty() {
            writeln!(self.out, "{}", paint.strong("Findings"))?;
            for finding in &findings {
                let mut text = String::new();
                let verdict = &finding.verdict;
                let words = format!("{} – {}", verdict.code, verdict.summary);
                for (at, line) in wrap(&words, self.style.width.saturating_sub(4))
                    .iter()
                    .enumerate()
                {
                    let mark = if at == 0 { "•" } else { " " };
                    text.push_str(&format!("{mark} {line}\n"));
                }
                write!(self.out, "{text}")?;
            }
            writeln!(self.out)?;
        }
        let asides = self.digest.asides();
        if !asides.is_empty() && self.style.verbosity < 1 {
            let words = format!(
                "Beside work that succeeded: {}. See them with -v.",
                listed(&asides)
            );
            for line in wrap(&words, self.style.width) {
                writeln!(self.out, "{line}")?;
            }
        }
        for line in wrap(&present::counts(&self.digest.summary), self.style.width) {
            writeln!(self.out, "{line}")?;
        }
        if self.style.selected {
            let words =
                "Only what was selected is shown; root causes and counts are of the whole run.";
            writeln!(self.out, "{}", paint.faint(words))?;
        }
        self.sources()
    }

    fn sources(&mut self) -> io::Result<()> {
        let few = self.digest.sources.len() <= 3 || self.style.verbosity >= 1;
        for source in &self.digest.sources {
            // What was seen on all interfaces stands with each of them.
            let empty = source.packets == 0 && source.dropped == 0;
            if source.kind == "interface" && source.name.as_str() == "any" && empty {
                continue;
            }
            let mut lines = Vec::new();
            if few || source.damage.is_some() || source.dropped > 0 {
                lines.push(present::source_line(source, &self.style.clock));
            }
            lines.extend(present::source_notes(source));
            for line in lines {
                for (at, line) in wrap(&line, self.style.width.saturating_sub(2))
                    .iter()
                    .enumerate()
                {
                    let indent = if at == 0 { "" } else { "  " };
                    writeln!(self.out, "{indent}{}", self.style.paint.faint(line))?;
                }
            }
        }
        if !few {
            let packets = self
                .digest
                .sources
                .iter()
                .fold(0u64, |sum, s| sum.saturating_add(s.packets));
            let words = format!(
                "{}, {}",
                present::counted(self.digest.sources.len() as u64, "input", "inputs"),
                present::counted(packets, "frame", "frames")
            );
            writeln!(self.out, "{}", self.style.paint.faint(&words))?;
        }
        Ok(())
    }
}

impl Face for TextFace<'_> {
    fn source(&mut self, id: u32, name: &Foreign) {
        self.digest.name(id, name.as_str());
    }

    fn begin(&mut self, first: Timestamp) {
        self.style.clock.begin(first);
    }

    fn record(&mut self, record: &Record) -> io::Result<()> {
        self.digest.add(record, &self.style.clock);
        if self.style.verbosity >= 1 {
            self.everything(record)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.causes()?;
        if self.style.verbosity >= 1 {
            for text in std::mem::take(&mut self.held) {
                writeln!(self.out, "{text}")?;
            }
        } else if self.style.verbosity == 0 {
            let failed = self.part("Failed", &self.digest.failed(), true);
            let degraded = self.part("Degraded", &self.digest.degraded(), false);
            write!(self.out, "{failed}{degraded}")?;
        }
        self.tail()?;
        self.out.flush()
    }
}
