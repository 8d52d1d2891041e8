//! `--format text`: root causes first, failures in full, the rest in short; readable at 80 columns.

use std::io::{self, Write};

use super::digest::{Digest, Part, TABLES, listed, total};
use super::{Face, Style};
use crate::base::{Foreign, Timestamp};
use crate::engine::record::Record;
use crate::present::{self, Aside, Block, columns, wrap};

/// Where the text of a row begins.
const INDENT: usize = 13;
/// Pieces of evidence shown of one connection.
const EVIDENCE: usize = 12;
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
            "failed" | "degraded" => self.full(&block),
            _ => self.compact(&block),
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
            let mut text = self.header("failed", "✗", cause.code, &lines.title, lines.class);
            if !lines.reach.is_empty() {
                self.row(&mut text, "cost", &lines.reach);
            }
            self.row(&mut text, "because", &lines.cause.text);
            // Where the failure itself follows in full, its advice stands there.
            let advice = if in_full.contains(&cause.code) {
                &[][..]
            } else {
                &lines.advice[..]
            };
            for (at, advice) in advice.iter().enumerate() {
                self.row(&mut text, if at == 0 { "do" } else { "" }, advice);
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

    /// The first lines of a block: mark, code and what it is about on the left, the class on the right.
    fn header(
        &self,
        outcome: &str,
        mark: &str,
        code: &str,
        about: &str,
        class: Option<&str>,
    ) -> String {
        let paint = self.style.paint;
        let class = class.unwrap_or_default();
        let begin = columns(code).saturating_add(4);
        let room = self
            .style
            .width
            .saturating_sub(columns(class))
            .saturating_sub(2);
        // The code is a word of its own in front, so that the rest wraps beside it.
        let placed = format!("{}{about}", "x".repeat(begin));
        let mut lines = wrap(&placed, room).into_iter();
        let first = lines.next().unwrap_or_default();
        let gap = room.saturating_sub(columns(&first)).saturating_add(2);
        let about = first.get(begin..).unwrap_or_default();
        let mut text = format!(
            "{} {}  {about}",
            paint.outcome(outcome, mark),
            paint.strong(code)
        );
        if !class.is_empty() {
            text.push_str(&" ".repeat(gap));
            text.push_str(&paint.faint(class));
        }
        text.push('\n');
        for line in lines {
            text.push_str(&format!("    {line}\n"));
        }
        text
    }

    /// A labelled row, wrapped.
    fn row(&self, text: &mut String, label: &str, value: &str) {
        let width = self.style.width.saturating_sub(INDENT);
        for (at, line) in wrap(value, width).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let label = format!("  {label:<11}");
            text.push_str(&self.style.paint.faint(&label));
            text.push_str(&line);
            text.push('\n');
        }
    }

    /// The ends, and when: on one line where they fit, else one below the other.
    fn ends(&self, text: &mut String, block: &Block) {
        let tuple = format!("{} → {}", block.client, block.server);
        let both = format!("  {tuple}   {}", block.when);
        if columns(&both) <= self.style.width {
            text.push_str(&format!("{both}\n"));
        } else {
            if columns(&tuple).saturating_add(2) <= self.style.width {
                text.push_str(&format!("  {tuple}\n"));
            } else {
                text.push_str(&format!("  {}\n    → {}\n", block.client, block.server));
            }
            text.push_str(&format!("  {}\n", block.when));
        }
        if !block.notes.is_empty() {
            for line in wrap(&block.notes.join(" · "), self.style.width.saturating_sub(2)) {
                text.push_str(&format!("  {line}\n"));
            }
        }
    }

    fn rungs(&self, text: &mut String, block: &Block) {
        if block.rungs.is_empty() {
            return;
        }
        let paint = self.style.paint;
        let mut line = String::new();
        let mut taken = 0;
        let mut lines = Vec::new();
        for (stage, mark) in &block.rungs {
            let width = columns(stage).saturating_add(4);
            if taken + width > self.style.width.saturating_sub(INDENT) {
                lines.push(std::mem::take(&mut line));
                taken = 0;
            }
            let outcome = match mark {
                present::Mark::Reached => "healthy",
                present::Mark::Died => "failed",
                present::Mark::Unseen => "incomplete",
            };
            line.push_str(&format!(
                "{stage} {}  ",
                paint.outcome(outcome, mark.sign())
            ));
            taken += width;
        }
        lines.push(line);
        for (at, line) in lines.iter().enumerate() {
            let label = format!("  {:<11}", if at == 0 { "reached" } else { "" });
            text.push_str(&paint.faint(&label));
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }

    /// Everything about a failure.
    fn full(&self, block: &Block) -> String {
        let mut text = self.head_of(block);
        self.ends(&mut text, block);
        self.rungs(&mut text, block);
        self.row(&mut text, "because", &block.summary);
        self.evidence(&mut text, block);
        if block.outcome == "failed" && self.style.verbosity >= 1 || self.style.verbosity >= 2 {
            self.said(&mut text, block);
        }
        self.asides(&mut text, "also", &block.findings);
        self.row(&mut text, "sure", &block.sure);
        self.asides(&mut text, "or", &block.alternatives);
        for (at, advice) in block.advice.iter().enumerate() {
            self.row(&mut text, if at == 0 { "do" } else { "" }, advice);
        }
        let look = format!("wireshark: {}", block.look.filter);
        self.row(&mut text, "look", &look);
        if let Some(frames) = &block.look.frames {
            self.row(&mut text, "", frames);
        }
        self.row(&mut text, "more", &format!("mxray explain {}", block.code));
        text
    }

    fn head_of(&self, block: &Block) -> String {
        let mark = present::mark(block.outcome);
        let about = format!("{} – {}", block.target, block.title);
        self.header(block.outcome, mark, block.code, &about, block.class)
    }

    fn evidence(&self, text: &mut String, block: &Block) {
        let paint = self.style.paint;
        let shown = block.evidence.iter().take(EVIDENCE);
        let frame = shown.clone().map(|e| columns(&e.frame)).max().unwrap_or(0);
        let after = shown.clone().map(|e| columns(&e.after)).max().unwrap_or(0);
        let begin = INDENT
            .saturating_add(frame)
            .saturating_add(after)
            .saturating_add(4);
        for piece in shown {
            let width = self.style.width.saturating_sub(begin);
            for (at, line) in wrap(&piece.text, width).into_iter().enumerate() {
                if at == 0 {
                    let place = format!("{:<frame$}  {:>after$}", piece.frame, piece.after);
                    text.push_str(&format!("{:INDENT$}{}  {line}\n", "", paint.code(&place)));
                } else {
                    text.push_str(&format!("{:begin$}{line}\n", ""));
                }
            }
        }
        let more = block.evidence.len().saturating_sub(EVIDENCE);
        if more > 0 {
            text.push_str(&format!("{:INDENT$}and {more} more frames\n", ""));
        }
    }

    fn said(&self, text: &mut String, block: &Block) {
        for (at, line) in block.transcript.iter().enumerate() {
            let arrow = if line.from == "client" { "C:" } else { "S:" };
            let words = format!("{} {arrow} {}", line.frame, line.text);
            self.row(text, if at == 0 { "said" } else { "" }, &words);
        }
    }

    fn asides(&self, text: &mut String, label: &str, asides: &[Aside]) {
        for (at, aside) in asides.iter().enumerate() {
            let words = format!("{} – {}", aside.code, aside.text);
            self.row(text, if at == 0 { label } else { "" }, &words);
        }
    }

    /// What was degraded: its cause and where to look, without the proof.
    fn short(&self, block: &Block) -> String {
        let mut text = self.head_of(block);
        self.ends(&mut text, block);
        self.row(&mut text, "because", &block.summary);
        if let Some(advice) = block.advice.first() {
            self.row(&mut text, "do", advice);
        }
        if let Some(frames) = &block.look.frames {
            self.row(&mut text, "look", frames);
        }
        text
    }

    /// What is healthy or incomplete, for `-v`.
    fn compact(&self, block: &Block) -> String {
        let mut text = self.head_of(block);
        self.ends(&mut text, block);
        self.rungs(&mut text, block);
        if block.code != "ok" {
            self.row(&mut text, "because", &block.summary);
        }
        if self.style.verbosity >= 2 {
            self.said(&mut text, block);
        }
        self.asides(&mut text, "also", &block.findings);
        self.asides(&mut text, "or", &block.alternatives);
        text
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
                self.full(block)
            } else {
                self.short(block)
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
