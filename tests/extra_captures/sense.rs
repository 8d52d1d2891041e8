//! What no report may say, whatever the capture holds: verdicts, outcomes, stages and counts that contradict each other.

use mxray::engine::record::{Record, VerdictInfo};

/// Contradictions within one verdict.
fn nonsense(outcome: Option<&str>, verdict: &VerdictInfo, frames: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("{}: {what}", verdict.code));
        }
    };
    let exists = |frame: u64| (1..=frames).contains(&frame);
    check(verdict.frame.is_none_or(exists), "its frame does not exist");
    check(
        verdict
            .evidence
            .iter()
            .all(|evidence| evidence.frame.is_none_or(exists)),
        "a frame of its evidence does not exist",
    );
    check(
        (0.0..=1.0).contains(&verdict.confidence),
        "a confidence outside 0 to 1",
    );
    check(!verdict.summary.is_empty(), "no summary");
    check(
        verdict.summary.chars().all(|c| !c.is_control()),
        "foreign control characters in the summary",
    );
    check(
        verdict.alternatives.iter().all(|other| {
            other.code != verdict.code && other.confidence <= verdict.confidence.max(0.5)
        }),
        "an alternative that is the verdict itself, or likelier",
    );
    match outcome {
        Some("healthy") => {
            check(verdict.code == "ok", "healthy under a fault's code");
            check(verdict.class.is_none(), "healthy with a class");
        }
        Some("incomplete") => {
            check(
                matches!(verdict.code, "unknown" | "tcp.client-vanished"),
                "incomplete under a code",
            );
        }
        Some("failed" | "degraded") | None => {
            check(
                !matches!(verdict.code, "ok" | "unknown"),
                "a fault without a cause",
            );
            // What the evidence cannot show is nobody's doing.
            let evidence = verdict.code.starts_with("capture.");
            check(
                evidence != verdict.class.is_some(),
                "a fault without a class, or a class without a fault",
            );
            check(!verdict.evidence.is_empty(), "a fault without evidence");
            check(verdict.confidence > 0.0, "a fault that nobody believes");
        }
        Some(other) => check(false, other),
    }
    wrong
}

/// Contradictions within what one file's report says.
pub fn contradictions(records: &[Record]) -> Vec<String> {
    let mut wrong = Vec::new();
    let frames = records
        .iter()
        .find_map(|record| match record {
            Record::Source(source) => Some(source.packets),
            _ => None,
        })
        .unwrap_or(0);
    let (mut connections, mut listed, mut attempts) = (0, 0, 0);
    for record in records {
        if let Err(error) = serde_json::to_string(record) {
            wrong.push(format!("a record cannot be written: {error}"));
        }
        match record {
            Record::Connection(c) => {
                connections += 1;
                let name = format!(
                    "{}:{} > {}:{}",
                    c.client.ip, c.client.port, c.server.ip, c.server.port
                );
                let mut found = nonsense(Some(c.outcome), &c.verdict, frames);
                found.extend(c.findings.iter().flat_map(|f| nonsense(None, f, frames)));
                if c.stage != "done" && c.reached.contains(&"done") {
                    found.push(format!("done, and yet {} is not reached", c.stage));
                }
                if c.outcome == "healthy" && !c.reached.contains(&"done") {
                    found.push(format!("healthy and not done: stage {}", c.stage));
                }
                if c.outcome == "failed" && c.reached.contains(&"done") {
                    found.push("failed, and yet done".to_owned());
                }
                if c.stage != "done" && c.reached.contains(&c.stage) {
                    found.push(format!("{} is reached and is not", c.stage));
                }
                wrong.extend(found.into_iter().map(|what| format!("{name}: {what}")));
            }
            Record::Lookup(lookup) => {
                let mut found = nonsense(Some(lookup.outcome), &lookup.verdict, frames);
                if lookup.frames.is_empty() || lookup.tries == 0 {
                    found.push("a look-up of nothing".to_owned());
                }
                wrong.extend(
                    found
                        .into_iter()
                        .map(|what| format!("{}: {what}", lookup.name)),
                );
            }
            Record::Attempt(attempt) => {
                attempts += 1;
                listed += attempt.connections.len();
                if attempt.connections.is_empty() && attempt.lookups.is_empty() {
                    wrong.push(format!("attempt {} of nothing", attempt.id));
                }
            }
            Record::Finding(finding) => wrong.extend(nonsense(None, &finding.verdict, frames)),
            Record::Source(_) | Record::Summary(_) | Record::Path(_) => {}
        }
    }
    match records.last() {
        Some(Record::Summary(summary)) => {
            let outcomes = summary.healthy + summary.degraded + summary.failed + summary.incomplete;
            if summary.attempts != outcomes || summary.attempts != attempts {
                wrong.push("the summary's attempts do not add up".to_owned());
            }
            if listed > connections {
                wrong.push("an attempt lists a connection that has no record".to_owned());
            }
            if summary.failed == 0
                && summary.degraded == 0
                && summary
                    .root_causes
                    .iter()
                    .any(|cause| !cause.code.starts_with("route."))
            {
                wrong.push("root causes of nothing".to_owned());
            }
            if (summary.failed > 0 || summary.degraded > 0) && summary.root_causes.is_empty() {
                wrong.push("failures without a root cause".to_owned());
            }
        }
        _ => wrong.push("no summary at the end".to_owned()),
    }
    wrong
}
