//! What is still wrong of a probe's report where packets get lost on top of a fault.
//!
//! A verdict may then take longer, be missing or say itself that it is a guess; loss itself may be said. A definite verdict that
//! is another, or another place, is as wrong as ever.

use serde_json::Value;

use super::Mismatch;
use super::probe::{code, entries, expected, verify_probe};
use crate::lab::scenario::{ProbeSpec, Scenario};

/// What is said below this is a guess that names what else it may be.
const DEFINITE: f64 = 0.7;
/// What loss may do by itself to a connection or a look-up.
const OF_LOSS: [&str; 3] = ["unknown", "path.loss", "dns.slow"];

/// Every way in which the report is definitely wrong; the mismatches of [`verify_probe`], or none where nothing is.
pub fn verify_lossy(scenario: &Scenario, spec: &ProbeSpec, report: &Value) -> Vec<Mismatch> {
    let right = expected(scenario, spec).unwrap_or_default();
    let right = |code: &str| {
        let listed = |codes: &[String]| codes.iter().any(|one| one == code);
        listed(&right) || listed(&spec.or) || listed(&spec.also) || OF_LOSS.contains(&code)
    };
    let causes = || entries(&report["summary"]["root_causes"]);
    let wrong = causes()
        .filter_map(code)
        .any(|code| !right(code) && !is_guess(report, code));
    let misplaced = causes()
        .filter(|cause| code(cause).is_some_and(|code| !OF_LOSS.contains(&code)))
        .any(|cause| {
            [("hop", spec.hop), ("after_hop", spec.after_hop)]
                .into_iter()
                .filter_map(|(what, wanted)| Some((cause["at"][what].as_u64()?, wanted?)))
                .any(|(said, wanted)| said != u64::from(wanted))
        });
    match wrong || misplaced {
        true => verify_probe(scenario, spec, report),
        false => Vec::new(),
    }
}

/// Whether nothing that has this code is sure of it.
fn is_guess(report: &Value, wanted: &str) -> bool {
    let mut sure = ["connections", "lookups"]
        .iter()
        .flat_map(|kind| entries(&report[*kind]))
        .filter(|one| code(&one["verdict"]) == Some(wanted))
        .filter_map(|one| one["verdict"]["confidence"].as_f64())
        .peekable();
    sure.peek().is_some() && sure.all(|sure| sure < DEFINITE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::verify_lossy;
    use crate::lab::Scenario;

    fn wrong(code: &str, sure: f64, after_hop: Option<u64>) -> usize {
        let text = "summary = \"x\"\n[[probe]]\ntarget = \"a:25\"\nafter_hop = 2\n[truth]\nroot_causes = [\"tcp.dropped\"]\n";
        let scenario = Scenario::parse(text).expect("a scenario");
        let at = json!({"where": "network", "hop": null, "after_hop": after_hop});
        let report = json!({
            "schema": "mxray/report/v1", "command": "probe",
            "connections": [{"role": "target", "verdict": {"code": code, "confidence": sure}, "findings": []}],
            "summary": {"root_causes": [{"code": code, "at": at, "text": "…"}]},
        });
        let spec = scenario.probe.first().expect("a probe");
        verify_lossy(&scenario, spec, &report).len()
    }

    #[test]
    fn what_is_missing_or_a_guess_is_not_wrong() {
        assert_eq!(wrong("tcp.dropped", 0.99, Some(2)), 0);
        assert_eq!(wrong("tcp.dropped", 0.9, None), 0);
        assert_eq!(wrong("path.loss", 0.95, Some(1)), 0);
        assert_eq!(wrong("tcp.stalled", 0.6, None), 0);
    }

    #[test]
    fn another_code_or_place_is() {
        assert_ne!(wrong("tcp.dropped", 0.99, Some(3)), 0);
        assert_ne!(wrong("tcp.refused", 0.9, None), 0);
    }
}
