//! A probe's report against what is true of the network that it measured.
//!
//! The report is read as a user's script reads it: from its JSON, by the contract's names. Controls, which a
//! report may or may not list, have no say.

use serde_json::Value;

use super::Mismatch;
use crate::lab::scenario::{ProbeSpec, Scenario};

/// Every way in which the report differs from the truth.
pub fn verify_probe(scenario: &Scenario, spec: &ProbeSpec, report: &Value) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let mut say = |text: String| {
        let subject = format!("probe of {}", spec.target);
        found.push(Mismatch { subject, text });
    };
    if report["schema"] != "mxray/report/v1" || report["command"] != "probe" {
        say(format!(
            "the report is a {} by {}",
            report["schema"], report["command"]
        ));
    }
    let causes: Vec<&Value> = entries(&report["summary"]["root_causes"]).collect();
    let seen: Vec<&str> = causes.iter().filter_map(|cause| code(cause)).collect();
    let wanted = match expected(scenario, spec) {
        Ok(wanted) => wanted,
        Err(text) => {
            say(text);
            return found;
        }
    };
    let stands_for = |wanted: &str, seen: &str| {
        wanted == seen || (spec.code.is_some() && spec.or.iter().any(|or| or == seen))
    };
    for one in &wanted {
        if !seen.iter().any(|seen| stands_for(one, seen)) {
            say(format!(
                "the root cause {one} is missing; there are {}",
                told(&causes)
            ));
        }
    }
    for one in &seen {
        let known = wanted.iter().any(|wanted| stands_for(wanted, one));
        // Where nothing is wrong another right code may still stand.
        if !known
            && !spec.also.iter().any(|also| also == one)
            && !spec.or.iter().any(|or| or == one)
        {
            say(format!(
                "the root cause {one} should not be there: {}",
                told(&causes)
            ));
        }
    }
    let cause = causes
        .iter()
        .copied()
        .find(|cause| code(cause).is_some_and(|code| wanted.iter().any(|w| stands_for(w, code))));
    let finding = || {
        spec.findings
            .first()
            .and_then(|code| found_as(report, code))
    };
    if let Some(cause) = cause.or_else(finding) {
        let at = &cause["at"];
        for (what, wanted) in [("hop", spec.hop), ("after_hop", spec.after_hop)] {
            if let Some(wanted) = wanted
                && at[what].as_u64() != Some(wanted.into())
            {
                say(format!("{what} is {}, should be {wanted}", at[what]));
            }
        }
        if let Some(wanted) = spec.address
            && at["address"] != wanted.to_string()
        {
            say(format!("address is {}, should be {wanted}", at["address"]));
        }
        let text = cause["text"].as_str().or(cause["summary"].as_str());
        let text = text.unwrap_or_default();
        for (words, wanted) in [(&spec.says, true), (&spec.unsaid, false)] {
            for word in words.iter().filter(|word| text.contains(*word) != wanted) {
                let verb = if wanted { "lacks" } else { "has" };
                say(format!("the text {verb} {word:?}: {text}"));
            }
        }
        if let Some(place) = spec.place
            && at["where"] != place.name()
        {
            say(format!(
                "where is {}, should be {}",
                at["where"],
                place.name()
            ));
        }
    }
    let said = said(report);
    for never in &spec.never {
        if let Some((_, place)) = said.iter().find(|(code, _)| code == never) {
            say(format!("{never} is {place}, and must never be"));
        }
    }
    for wanted in &spec.findings {
        if !said.iter().any(|(code, _)| code == wanted) {
            let there: Vec<&str> = said.iter().map(|(code, _)| *code).collect();
            say(format!(
                "the finding {wanted} is missing; there are {there:?}"
            ));
        }
    }
    let notes: Vec<&str> = entries(&report["sources"])
        .flat_map(|source| entries(&source["notes"]))
        .filter_map(Value::as_str)
        .collect();
    for wanted in &spec.notes {
        if !notes.iter().any(|note| note.contains(wanted)) {
            say(format!("no note says {wanted:?}; there are {notes:?}"));
        }
    }
    found
}

/// The codes of the root causes that a probe has to find.
///
/// # Errors
/// When neither the probe nor the truth says.
pub fn expected(scenario: &Scenario, spec: &ProbeSpec) -> Result<Vec<String>, String> {
    match (&spec.code, &scenario.truth.root_causes) {
        (Some(code), _) if code == "ok" => Ok(Vec::new()),
        (Some(code), _) => Ok(vec![code.clone()]),
        (None, Some(causes)) => Ok(causes.clone()),
        (None, None) => Err("neither the probe nor the truth says what it finds".to_owned()),
    }
}

/// A finding, of a target, a look-up or of the report, that has this code.
fn found_as<'a>(report: &'a Value, wanted: &str) -> Option<&'a Value> {
    let records = ["connections", "lookups", "attempts"]
        .iter()
        .flat_map(|kind| entries(&report[*kind]))
        .filter(|one| one["role"] != "control");
    records
        .flat_map(|one| entries(&one["findings"]))
        .chain(entries(&report["findings"]))
        .find(|one| code(one) == Some(wanted))
}

/// Every code that the report says of its targets, and where.
fn said(report: &Value) -> Vec<(&str, &'static str)> {
    let mut said = Vec::new();
    let targets = entries(&report["connections"]).filter(|one| one["role"] != "control");
    for (records, verdict, finding) in [
        (
            targets.collect::<Vec<_>>(),
            "a connection's verdict",
            "a connection's finding",
        ),
        (
            entries(&report["lookups"]).collect(),
            "a look-up's verdict",
            "a look-up's finding",
        ),
        (
            entries(&report["attempts"]).collect(),
            "an attempt's verdict",
            "an attempt's finding",
        ),
    ] {
        for record in records {
            said.extend(code(&record["verdict"]).map(|code| (code, verdict)));
            said.extend(
                entries(&record["findings"])
                    .filter_map(code)
                    .map(|code| (code, finding)),
            );
        }
    }
    for (list, place) in [
        (&report["findings"], "a finding of the report"),
        (&report["summary"]["root_causes"], "a root cause"),
    ] {
        said.extend(entries(list).filter_map(code).map(|code| (code, place)));
    }
    said
}

pub(super) fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

pub(super) fn code(record: &Value) -> Option<&str> {
    record["code"].as_str()
}

/// The root causes in words.
fn told(causes: &[&Value]) -> String {
    if causes.is_empty() {
        return "none".to_owned();
    }
    let each = |cause: &&Value| {
        format!(
            "{} at {} ({})",
            cause["code"].as_str().unwrap_or("?"),
            cause["at"],
            cause["text"].as_str().unwrap_or_default()
        )
    };
    causes.iter().map(each).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::verify_probe;
    use crate::lab::Scenario;

    fn mismatches(probe: &str, report: &serde_json::Value) -> Vec<String> {
        let text = format!("summary = \"x\"\n{probe}\n[truth]\nroot_causes = [\"tcp.dropped\"]\n");
        let scenario = Scenario::parse(&text).expect("a scenario");
        let spec = scenario.probe.first().expect("a probe");
        let found = verify_probe(&scenario, spec, report);
        found.iter().map(ToString::to_string).collect()
    }

    fn report(code: &str, after_hop: u64) -> serde_json::Value {
        json!({
            "schema": "mxray/report/v1", "command": "probe",
            "connections": [
                {"role": "target", "verdict": {"code": code}, "findings": []},
                {"role": "control", "verdict": {"code": "tcp.refused"}, "findings": []},
            ],
            "summary": {"root_causes": [{"code": code, "at": {"where": "network", "hop": null, "after_hop": after_hop}, "text": "…"}]},
        })
    }

    #[test]
    fn the_right_code_at_the_right_hop_is_right() {
        let probe = "[[probe]]\ntarget = \"a:25\"\nafter_hop = 2\nwhere = \"network\"\nnever = [\"tcp.refused\"]\n";
        assert_eq!(mismatches(probe, &report("tcp.dropped", 2)), [""; 0]);
    }

    #[test]
    fn another_hop_or_code_is_wrong() {
        let probe = "[[probe]]\ntarget = \"a:25\"\nafter_hop = 2\n";
        assert_eq!(mismatches(probe, &report("tcp.dropped", 3)).len(), 1);
        assert_eq!(mismatches(probe, &report("tcp.refused", 2)).len(), 2);
        let healthy = "[[probe]]\ntarget = \"a:25\"\ncode = \"ok\"\n";
        assert_eq!(mismatches(healthy, &report("tcp.dropped", 2)).len(), 1);
    }
}
