//! `--format html`: one page that needs nothing else: no script, no font, no picture from elsewhere.
//!
//! Every text is escaped on its way in, whoever wrote it.

use html_escape::{encode_double_quoted_attribute as attribute, encode_text as safe};

use super::digest::{Part, listed, total};
use super::document::{Kept, Markup};
use crate::engine::record::RootCause;
use crate::present::{self, Aside, Block, Mark, PathTable};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--faint:#57606a;--paper:#fff;--line:#d0d7de;--bad:#b3261e;--warn:#8a5a00;--good:#1a6b35;--code:#f2f4f6}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--faint:#9aa4af;--paper:#0f1318;--line:#30363d;--bad:#ff8a80;--warn:#e3b341;--good:#6fd08c;--code:#1b2129}}\
body{margin:2rem auto;max-width:62rem;padding:0 1rem;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}\
h1{font-size:1.4rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid var(--line)}h3{font-size:1rem;margin:0}\
article{border:1px solid var(--line);border-left-width:5px;border-radius:4px;padding:.7rem 1rem;margin:1rem 0;break-inside:avoid}\
article.failed{border-left-color:var(--bad)}article.degraded{border-left-color:var(--warn)}\
article.healthy{border-left-color:var(--good)}\
.class,.faint,dt{color:var(--faint)}.class{float:right}\
.failed .mark,.died{color:var(--bad)}.degraded .mark{color:var(--warn)}.healthy .mark,.up{color:var(--good)}\
code{background:var(--code);padding:0 .25em;border-radius:3px;overflow-wrap:anywhere;font-size:.92em}\
dl{display:grid;grid-template-columns:6rem 1fr;gap:.2rem 1rem;margin:.6rem 0 0}dd{margin:0;overflow-wrap:anywhere}\
ul{margin:0;padding-left:1.1rem}table{border-collapse:collapse;font-size:.95em}td,th{padding:.1rem .8rem .1rem 0;vertical-align:top;text-align:left}\
td.n{white-space:nowrap;color:var(--faint);font-variant-numeric:tabular-nums}\
details{margin-top:.4rem}@media print{body{margin:0;max-width:none;font-size:11px}details>*{display:block}}";

/// A page for a browser.
pub(super) struct Html;

impl Markup for Html {
    fn row(block: &Block) -> String {
        format!(
            "<tr class=\"{}\"><td class=\"mark\">{}</td><td>{}</td><td>{}</td><td>{} → {}</td><td>{}</td></tr>\n",
            attribute(block.outcome),
            present::mark(block.outcome),
            safe(block.code),
            safe(&block.target),
            safe(&block.client),
            safe(&block.server),
            safe(&block.when)
        )
    }

    fn whole(kept: &Kept) -> String {
        page(kept)
    }
}

fn page(kept: &Kept) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>mxray {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>mxray {}</h1>\n",
        kept.style.command, kept.style.command
    );
    let counts = present::counts(&kept.digest.summary);
    page.push_str(&format!("<p>{}</p>\n", safe(&counts)));
    if kept.style.selected {
        page.push_str("<p class=\"faint\">Only what was selected is shown; root causes and counts are of the whole run.</p>\n");
    }
    causes(kept, &mut page);
    part(&mut page, "Failed", &kept.digest.failed());
    part(&mut page, "Degraded", &kept.digest.degraded());
    findings(kept, &mut page);
    for table in present::path_tables(&kept.digest.paths) {
        paths(&mut page, &table);
    }
    if !kept.rows.is_empty() {
        page.push_str("<h2>Everything</h2>\n<table>\n");
        for row in &kept.rows {
            page.push_str(row);
        }
        page.push_str("</table>\n");
    }
    page.push_str("<h2>Inputs</h2>\n<ul>\n");
    for source in &kept.digest.sources {
        let line = present::source_line(source, &kept.style.clock);
        page.push_str(&format!("<li>{}</li>\n", safe(&line)));
        for note in present::source_notes(source) {
            page.push_str(&format!("<li>{}</li>\n", safe(&note)));
        }
    }
    page.push_str(&format!(
        "</ul>\n<p class=\"faint\">mxray {}</p>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    ));
    page
}

fn causes(kept: &Kept, page: &mut String) {
    let causes = &kept.digest.summary.root_causes;
    if causes.is_empty() {
        return;
    }
    page.push_str("<h2>Root causes</h2>\n");
    for one in causes.iter().take(super::digest::FULL) {
        cause(page, one);
    }
    let more = causes.len().saturating_sub(super::digest::FULL);
    if more > 0 {
        page.push_str(&format!(
            "<p>{more} more: see them with <code>--format json</code>.</p>\n"
        ));
    }
}

fn findings(kept: &Kept, page: &mut String) {
    let asides = kept.digest.asides();
    if kept.digest.findings.is_empty() && asides.is_empty() {
        return;
    }
    page.push_str("<h2>Findings</h2>\n<ul>\n");
    for finding in &kept.digest.findings {
        page.push_str(&format!(
            "<li><code>{}</code> {}</li>\n",
            safe(finding.verdict.code),
            safe(&finding.verdict.summary)
        ));
    }
    if !asides.is_empty() {
        page.push_str(&format!(
            "<li>Beside work that succeeded: {}</li>\n",
            safe(&listed(&asides))
        ));
    }
    page.push_str("</ul>\n");
}

/// The hops of a probe towards one address.
fn paths(page: &mut String, table: &PathTable) {
    page.push_str(&format!("<h2>Path to {}</h2>\n", safe(&table.target)));
    if !table.rows.is_empty() {
        let heads: Vec<String> = table
            .columns
            .iter()
            .map(|head| format!("<th>{}</th>", safe(head)))
            .collect();
        page.push_str(&format!(
            "<table>\n<tr><th>hop</th><th>address</th>{}</tr>\n",
            heads.concat()
        ));
        for row in &table.rows {
            let cells: Vec<String> = row
                .cells
                .iter()
                .map(|cell| format!("<td>{}</td>", safe(cell)))
                .collect();
            page.push_str(&format!(
                "<tr><td class=\"n\">{}</td><td>{}</td>{}</tr>\n",
                safe(&row.hop),
                safe(&row.address),
                cells.concat()
            ));
        }
        page.push_str("</table>\n");
    }
    for note in &table.notes {
        page.push_str(&format!("<p>{}</p>\n", safe(note)));
    }
}

fn cause(page: &mut String, cause: &RootCause) {
    let lines = present::cause(cause);
    page.push_str("<article class=\"failed\">\n");
    heading(page, "✗", lines.cause.code, &lines.title, lines.class);
    page.push_str("<dl>\n");
    if !lines.reach.is_empty() {
        row(page, "cost", &safe(&lines.reach));
    }
    row(page, "because", &safe(&lines.cause.text));
    list(
        page,
        "do",
        lines.advice.iter().map(|advice| safe(advice).into_owned()),
    );
    page.push_str("</dl>\n</article>\n");
}

fn heading(page: &mut String, mark: &str, code: &str, rest: &str, class: Option<&str>) {
    if let Some(class) = class {
        page.push_str(&format!("<span class=\"class\">{}</span>", safe(class)));
    }
    page.push_str(&format!(
        "<h3><span class=\"mark\">{mark}</span> <code>{}</code> {}</h3>\n",
        safe(code),
        safe(rest)
    ));
}

fn row(page: &mut String, label: &str, value: &str) {
    page.push_str(&format!("<dt>{label}</dt><dd>{value}</dd>\n"));
}

fn list(page: &mut String, label: &str, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.map(|item| format!("<li>{item}</li>")).collect();
    if !items.is_empty() {
        row(page, label, &format!("<ul>{}</ul>", items.concat()));
    }
}

fn part(page: &mut String, title: &str, part: &Part<'_>) {
    if part.blocks.is_empty() && part.more.is_empty() {
        return;
    }
    page.push_str(&format!("<h2>{title}</h2>\n"));
    for one in &part.blocks {
        block(page, one);
    }
    if !part.more.is_empty() {
        page.push_str(&format!(
            "<p>{} more: {}.</p>\n",
            present::thousands(total(&part.more)),
            safe(&listed(&part.more))
        ));
    }
}

fn block(page: &mut String, block: &Block) {
    page.push_str(&format!(
        "<article class=\"{}\" id=\"{}\">\n",
        attribute(block.outcome),
        attribute(&block.id.replace(' ', "-"))
    ));
    let rest = format!("{} – {}", block.target, block.title);
    heading(
        page,
        present::mark(block.outcome),
        block.code,
        &rest,
        block.class,
    );
    page.push_str(&format!(
        "<div>{} → {}<br>{}</div>\n<div class=\"faint\">{}</div>\n<dl>\n",
        safe(&block.client),
        safe(&block.server),
        safe(&block.when),
        safe(&block.notes.join(" · "))
    ));
    if !block.rungs.is_empty() {
        let rungs: Vec<String> = block
            .rungs
            .iter()
            .map(|(stage, mark)| {
                let class = if *mark == Mark::Reached { "up" } else { "died" };
                format!(
                    "{stage}&nbsp;<span class=\"{class}\">{}</span>",
                    mark.sign()
                )
            })
            .collect();
        row(page, "reached", &rungs.join(" &ensp;"));
    }
    row(
        page,
        "because",
        &format!("{}{}", safe(&block.summary), evidence(block)),
    );
    list(page, "also", block.findings.iter().map(aside));
    row(page, "sure", &safe(&block.sure));
    list(page, "or", block.alternatives.iter().map(aside));
    list(
        page,
        "do",
        block.advice.iter().map(|advice| safe(advice).into_owned()),
    );
    let frames = block
        .look
        .frames
        .iter()
        .map(|frames| format!("<br><code>{}</code>", safe(frames)));
    let look = format!(
        "<code>{}</code>{}",
        safe(&block.look.filter),
        frames.collect::<String>()
    );
    row(page, "look", &look);
    row(
        page,
        "more",
        &format!("<code>mxray explain {}</code>", safe(block.code)),
    );
    page.push_str("</dl>\n");
    if !block.transcript.is_empty() {
        page.push_str("<details><summary>dialogue</summary>\n<table>\n");
        for line in &block.transcript {
            page.push_str(&format!(
                "<tr><td class=\"n\">{}</td><td class=\"n\">{}</td><td><code>{}</code></td></tr>\n",
                safe(&line.frame),
                line.from,
                safe(&line.text)
            ));
        }
        page.push_str("</table></details>\n");
    }
    page.push_str("</article>\n");
}

fn evidence(block: &Block) -> String {
    if block.evidence.is_empty() {
        return String::new();
    }
    let rows: Vec<String> = block
        .evidence
        .iter()
        .map(|piece| {
            format!(
                "<tr><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
                safe(&piece.frame),
                safe(&piece.after),
                safe(&piece.text)
            )
        })
        .collect();
    format!("<table>{}</table>", rows.concat())
}

fn aside(aside: &Aside) -> String {
    format!("<code>{}</code> {}", safe(aside.code), safe(&aside.text))
}
