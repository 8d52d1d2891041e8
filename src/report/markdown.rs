//! `--format markdown`: for a ticket. Short, and nothing in it can become markup that its writer did not mean.

use super::digest::{Part, listed, total};
use super::document::{Kept, Markup};
use crate::present::{self, Aside, Block, PathTable};

/// Markdown for a ticket.
pub(super) struct Markdown;

impl Markup for Markdown {
    fn row(block: &Block) -> String {
        format!(
            "| {} | {} | {} | {} → {} | {} |\n",
            present::mark(block.outcome),
            code(block.code),
            plain(&block.target),
            code(&block.client),
            code(&block.server),
            plain(&block.when)
        )
    }

    fn whole(kept: &Kept) -> String {
        document(kept)
    }
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

fn document(kept: &Kept) -> String {
    let mut text = format!("# mxray {}\n\n", kept.style.command);
    text.push_str(&format!(
        "{}\n",
        plain(&present::counts(&kept.digest.summary))
    ));
    if kept.style.selected {
        text.push_str(
            "\nOnly what was selected is shown; root causes and counts are of the whole run.\n",
        );
    }
    causes(kept, &mut text);
    part(&mut text, "Failed", &kept.digest.failed());
    part(&mut text, "Degraded", &kept.digest.degraded());
    let asides = kept.digest.asides();
    if !kept.digest.findings.is_empty() || !asides.is_empty() {
        text.push_str("\n## Findings\n\n");
        for finding in &kept.digest.findings {
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
    if !kept.rows.is_empty() {
        text.push_str(
            "\n## Everything\n\n| | code | target | from → to | when |\n|---|---|---|---|---|\n",
        );
        text.push_str(&kept.rows.concat());
    }
    for table in present::path_tables(&kept.digest.paths) {
        paths(&mut text, &table);
    }
    text.push_str("\n## Inputs\n\n");
    for source in &kept.digest.sources {
        text.push_str(&format!(
            "- {}\n",
            plain(&present::source_line(source, &kept.style.clock))
        ));
        for note in present::source_notes(source) {
            text.push_str(&format!("- {}\n", plain(&note)));
        }
    }
    text.push_str(&format!("\nmxray {}\n", env!("CARGO_PKG_VERSION")));
    text
}

fn causes(kept: &Kept, text: &mut String) {
    let causes = &kept.digest.summary.root_causes;
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
