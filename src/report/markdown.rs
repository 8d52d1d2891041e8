//! `--format markdown`: for a ticket. Short, and nothing in it can become markup that its writer did not mean.

use std::io::{self, Write};

use super::digest::{Digest, Part, listed, total};
use super::{Face, Style};
use crate::base::{Foreign, Timestamp};
use crate::engine::record::Record;
use crate::present::{self, Aside, Block, PathTable};

/// Markdown for a ticket.
pub(super) struct MarkdownFace<'a> {
    out: Box<dyn Write + 'a>,
    style: Style,
    digest: Digest,
    /// `-v`: a row for every connection and look-up.
    rows: Vec<String>,
}

/// Text that must stay text: what Markdown and the HTML in it would read as markup is escaped.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '@' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Text in a code span: delimited by more backticks than it holds.
fn code(text: &str) -> String {
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or(0)
        .saturating_add(1);
    let fence = "`".repeat(longest);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

impl<'a> MarkdownFace<'a> {
    pub fn new(style: Style, out: Box<dyn Write + 'a>) -> MarkdownFace<'a> {
        MarkdownFace {
            out,
            digest: Digest::new(style.several),
            style,
            rows: Vec::new(),
        }
    }

    fn document(&self) -> String {
        let mut text = format!("# mxray {}\n\n", self.style.command);
        text.push_str(&format!(
            "{}\n",
            plain(&present::counts(&self.digest.summary))
        ));
        if self.style.selected {
            text.push_str(
                "\nOnly what was selected is shown; root causes and counts are of the whole run.\n",
            );
        }
        self.causes(&mut text);
        part(&mut text, "Failed", &self.digest.failed());
        part(&mut text, "Degraded", &self.digest.degraded());
        let asides = self.digest.asides();
        if !self.digest.findings.is_empty() || !asides.is_empty() {
            text.push_str("\n## Findings\n\n");
            for finding in &self.digest.findings {
                let verdict = &finding.verdict;
                text.push_str(&format!(
                    "- {} {}\n",
                    code(verdict.code),
                    plain(&verdict.summary)
                ));
            }
            if !asides.is_empty() {
                text.push_str(&format!(
                    "- Beside work that succeeded: {}\n",
                    plain(&listed(&asides))
                ));
            }
        }
        if !self.rows.is_empty() {
            text.push_str("\n## Everything\n\n| | code | target | from → to | when |\n|---|---|---|---|---|\n");
            text.push_str(&self.rows.concat());
        }
        for table in present::path_tables(&self.digest.paths) {
            paths(&mut text, &table);
        }
        text.push_str("\n## Inputs\n\n");
        for source in &self.digest.sources {
            text.push_str(&format!(
                "- {}\n",
                plain(&present::source_line(source, &self.style.clock))
            ));
            for note in present::source_notes(source) {
                text.push_str(&format!("- {}\n", plain(&note)));
            }
        }
        text.push_str(&format!("\nmxray {}\n", env!("CARGO_PKG_VERSION")));
        text
    }

    fn causes(&self, text: &mut String) {
        let causes = &self.digest.summary.root_causes;
        if causes.is_empty() {
            return;
        }
        text.push_str("\n## Root causes\n\n");
        for cause in causes.iter().take(super::digest::FULL) {
            let lines = present::cause(cause);
            let mut about = vec![];
            about.extend(lines.class.map(str::to_owned));
            about.push(lines.reach);
            let about: Vec<String> = about.into_iter().filter(|part| !part.is_empty()).collect();
            text.push_str(&format!(
                "- **{}** – {} ({})\n  {}\n",
                code(lines.cause.code),
                plain(&lines.title),
                plain(&about.join(", ")),
                plain(&lines.cause.text)
            ));
            for advice in &lines.advice {
                text.push_str(&format!("  - do: {}\n", plain(advice)));
            }
        }
        let more = causes.len().saturating_sub(super::digest::FULL);
        if more > 0 {
            text.push_str(&format!("\n{more} more: see them with `--format json`.\n"));
        }
    }
}

fn part(text: &mut String, title: &str, part: &Part<'_>) {
    if part.blocks.is_empty() && part.more.is_empty() {
        return;
    }
    text.push_str(&format!("\n## {title}\n"));
    for one in &part.blocks {
        block(text, one);
    }
    if !part.more.is_empty() {
        text.push_str(&format!(
            "\n{} more: {}.\n",
            present::thousands(total(&part.more)),
            plain(&listed(&part.more))
        ));
    }
}

fn block(text: &mut String, block: &Block) {
    text.push_str(&format!(
        "\n### {} {} – {}\n\n",
        code(block.code),
        plain(&block.target),
        plain(&block.title)
    ));
    let mut item = |label: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("- {label}: {value}\n"));
        }
    };
    item(
        "from, to",
        &format!("{} → {}", code(&block.client), code(&block.server)),
    );
    item("when", &plain(&block.when));
    item("class", block.class.unwrap_or_default());
    item("about", &plain(&block.notes.join(" · ")));
    let rungs: Vec<String> = block
        .rungs
        .iter()
        .map(|(stage, mark)| format!("{stage} {}", mark.sign()))
        .collect();
    item("reached", &rungs.join(", "));
    item("because", &plain(&block.summary));
    for piece in &block.evidence {
        text.push_str(&format!(
            "  - {} {} {}\n",
            plain(&piece.frame),
            piece.after,
            plain(&piece.text)
        ));
    }
    asides(text, "also", &block.findings);
    text.push_str(&format!("- sure: {}\n", plain(&block.sure)));
    asides(text, "or", &block.alternatives);
    for advice in &block.advice {
        text.push_str(&format!("- do: {}\n", plain(advice)));
    }
    text.push_str(&format!("- Wireshark: {}\n", code(&block.look.filter)));
    if let Some(frames) = &block.look.frames {
        text.push_str(&format!("  - {}\n", code(frames)));
    }
}

/// The hops of a probe towards one address.
fn paths(text: &mut String, table: &PathTable) {
    text.push_str(&format!("\n## Path to {}\n\n", plain(&table.target)));
    if !table.rows.is_empty() {
        let heads: Vec<String> = table.columns.iter().map(|head| plain(head)).collect();
        let rule = "|---".repeat(heads.len());
        text.push_str(&format!(
            "| hop | address | {} |\n|---|---{rule}|\n",
            heads.join(" | ")
        ));
    }
    for row in &table.rows {
        let cells: Vec<String> = row.cells.iter().map(|cell| plain(cell)).collect();
        text.push_str(&format!(
            "| {} | {} | {} |\n",
            row.hop,
            plain(&row.address),
            cells.join(" | ")
        ));
    }
    if !table.notes.is_empty() {
        text.push('\n');
    }
    for note in &table.notes {
        text.push_str(&format!("- {}\n", plain(note)));
    }
}

fn asides(text: &mut String, label: &str, asides: &[Aside]) {
    for aside in asides {
        text.push_str(&format!(
            "- {label}: {} {}\n",
            code(aside.code),
            plain(&aside.text)
        ));
    }
}

impl Face for MarkdownFace<'_> {
    fn source(&mut self, id: u32, name: &Foreign) {
        self.digest.name(id, name.as_str());
    }

    fn begin(&mut self, first: Timestamp) {
        self.style.clock.begin(first);
    }

    fn record(&mut self, record: &Record) -> io::Result<()> {
        self.digest.add(record, &self.style.clock);
        if self.style.verbosity >= 1
            && let Some(block) = self.digest.block(record, &self.style.clock)
        {
            self.rows.push(format!(
                "| {} | {} | {} | {} → {} | {} |\n",
                present::mark(block.outcome),
                code(block.code),
                plain(&block.target),
                code(&block.client),
                code(&block.server),
                plain(&block.when)
            ));
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let text = self.document();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}
