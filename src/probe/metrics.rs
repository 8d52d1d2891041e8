//! The state of a run in the text format of Prometheus, for the textfile collector of a node exporter.
//!
//! Written as a whole and moved into place, so that a reader never sees half of it (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//! Names, addresses and codes are labels, escaped as the format demands; nothing of a dialogue is among them.

use std::fmt::Write as _;

use super::history::{History, Service};
use crate::base::SECOND;

/// One metric: name, type, help, and the value of a service.
type Metric = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Service) -> Option<f64>,
);

const METRICS: [Metric; 6] = [
    (
        "mxray_up",
        "gauge",
        "Whether it worked when it was measured last; names are looked up in the first round alone.",
        |one| Some(if one.failed { 0.0 } else { 1.0 }),
    ),
    (
        "mxray_rtt_seconds",
        "gauge",
        "Time to open the connection, or to get the answer.",
        |one| one.rtt_ms.map(|time| time / 1e3),
    ),
    (
        "mxray_rounds_total",
        "counter",
        "Rounds in which something could be said of it.",
        |one| Some(one.rounds as f64),
    ),
    (
        "mxray_failures_total",
        "counter",
        "Rounds in which it failed.",
        |one| Some(one.failures as f64),
    ),
    (
        "mxray_outages_total",
        "counter",
        "Times that it broke.",
        |one| Some(one.outages as f64),
    ),
    (
        "mxray_changes_total",
        "counter",
        "Changes of its verdict.",
        |one| Some(one.changes as f64),
    ),
];

/// Renders what is known after a round.
pub fn render(history: &History) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in METRICS {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (what, service) in history.services() {
            if let Some(value) = value(service) {
                let _ = writeln!(text, "{name}{{{}}} {value}", labels(what, service));
            }
        }
    }
    let name = "mxray_verdict";
    let _ = writeln!(
        text,
        "# HELP {name} The latest verdict, as a label; always 1.\n# TYPE {name} gauge"
    );
    for (what, service) in history.services() {
        let _ = writeln!(
            text,
            "{name}{{{},code=\"{}\"}} 1",
            labels(what, service),
            service.code
        );
    }
    let name = "mxray_down_seconds_total";
    let _ = writeln!(
        text,
        "# HELP {name} Time that it was seen broken.\n# TYPE {name} counter"
    );
    for (what, service) in history.services() {
        let down = service.down_until(history.last()) as f64 / SECOND as f64;
        let _ = writeln!(text, "{name}{{{}}} {down}", labels(what, service));
    }
    let name = "mxray_last_round_timestamp_seconds";
    let last = history.last().0 as f64 / SECOND as f64;
    let _ = writeln!(
        text,
        "# HELP {name} When the latest round began.\n# TYPE {name} gauge\n{name} {last}"
    );
    text
}

/// Who a sample is about.
fn labels(what: &str, service: &Service) -> String {
    let name = service.name.as_deref().unwrap_or_default();
    format!("what=\"{}\",name=\"{}\"", escape(what), escape(name))
}

/// A label's value: backslash, quote and line feed are escaped.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{escape, render};
    use crate::base::{SECOND, Timestamp};
    use crate::probe::history::{History, Seen};

    #[test]
    fn every_line_is_a_sample_or_a_comment() {
        let mut history = History::default();
        for (n, failed) in [(0, false), (30, true)] {
            let seen = Seen {
                what: "192.0.2.10:25".to_owned(),
                name: Some("mail.example.net".to_owned()),
                code: if failed { "tcp.dropped" } else { "ok" },
                failed,
                unknown: false,
                text: String::new(),
                stage: "tcp",
                reached: Vec::new(),
                rtt_ms: (!failed).then_some(12.5),
            };
            history.round(Timestamp((1_790_000_000 + n) * SECOND), &[seen], true);
        }
        let text = render(&history);
        assert!(
            text.contains("mxray_up{what=\"192.0.2.10:25\",name=\"mail.example.net\"} 0\n"),
            "{text}"
        );
        assert!(text.contains("code=\"tcp.dropped\"} 1\n"), "{text}");
        assert!(
            text.contains("mxray_last_round_timestamp_seconds 1790000030\n"),
            "{text}"
        );
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            let is_sample = line.split_once(' ').is_some() && line.starts_with("mxray_");
            assert!(line.starts_with("# ") || is_sample, "{line}");
        }
        assert_eq!(escape("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
