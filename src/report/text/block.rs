//! One block of the text: what it is about, its ends, the rungs it reached, the proof, and what to do.
//!
//! Refuses to decide what is shown: `text` does, and the order.

use super::super::Style;
use crate::present::{self, Aside, Block, columns, wrap};

/// Where the text of a row begins.
const INDENT: usize = 13;
/// Pieces of evidence shown of one connection.
const EVIDENCE: usize = 12;

impl Style {
    /// The first lines of a block: mark, code and what it is about on the left, the class on the right.
    pub(super) fn header(
        &self,
        outcome: &str,
        mark: &str,
        code: &str,
        about: &str,
        class: Option<&str>,
    ) -> String {
        let paint = self.paint;
        let class = class.unwrap_or_default();
        let begin = columns(code).saturating_add(4);
        let room = self.width.saturating_sub(columns(class)).saturating_sub(2);
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
    pub(super) fn row(&self, text: &mut String, label: &str, value: &str) {
        let width = self.width.saturating_sub(INDENT);
        for (at, line) in wrap(value, width).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let label = format!("  {label:<11}");
            text.push_str(&self.paint.faint(&label));
            text.push_str(&line);
            text.push('\n');
        }
    }

    /// The ends, and when: on one line where they fit, else one below the other.
    fn ends(&self, text: &mut String, block: &Block) {
        let tuple = format!("{} → {}", block.client, block.server);
        let both = format!("  {tuple}   {}", block.when);
        if columns(&both) <= self.width {
            text.push_str(&format!("{both}\n"));
        } else {
            if columns(&tuple).saturating_add(2) <= self.width {
                text.push_str(&format!("  {tuple}\n"));
            } else {
                text.push_str(&format!("  {}\n    → {}\n", block.client, block.server));
            }
            text.push_str(&format!("  {}\n", block.when));
        }
        if !block.notes.is_empty() {
            for line in wrap(&block.notes.join(" · "), self.width.saturating_sub(2)) {
                text.push_str(&format!("  {line}\n"));
            }
        }
    }

    fn rungs(&self, text: &mut String, block: &Block) {
        if block.rungs.is_empty() {
            return;
        }
        let paint = self.paint;
        let mut line = String::new();
        let mut taken = 0;
        let mut lines = Vec::new();
        for (stage, mark) in &block.rungs {
            let width = columns(stage).saturating_add(4);
            if taken + width > self.width.saturating_sub(INDENT) {
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
    pub(super) fn full(&self, block: &Block) -> String {
        let mut text = self.head_of(block);
        self.ends(&mut text, block);
        self.rungs(&mut text, block);
        self.row(&mut text, "because", &block.summary);
        self.evidence(&mut text, block);
        if block.outcome == "failed" && self.verbosity >= 1 || self.verbosity >= 2 {
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
        let paint = self.paint;
        let shown = block.evidence.iter().take(EVIDENCE);
        let frame = shown.clone().map(|e| columns(&e.frame)).max().unwrap_or(0);
        let after = shown.clone().map(|e| columns(&e.after)).max().unwrap_or(0);
        let begin = INDENT
            .saturating_add(frame)
            .saturating_add(after)
            .saturating_add(4);
        for piece in shown {
            let width = self.width.saturating_sub(begin);
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
    pub(super) fn short(&self, block: &Block) -> String {
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
    pub(super) fn compact(&self, block: &Block) -> String {
        let mut text = self.head_of(block);
        self.ends(&mut text, block);
        self.rungs(&mut text, block);
        if block.code != "ok" {
            self.row(&mut text, "because", &block.summary);
        }
        if self.verbosity >= 2 {
            self.said(&mut text, block);
        }
        self.asides(&mut text, "also", &block.findings);
        self.asides(&mut text, "or", &block.alternatives);
        text
    }
}
