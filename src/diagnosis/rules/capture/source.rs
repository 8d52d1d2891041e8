//! `capture.*` of a whole source: damage, losses that the recorder counted, bounds that were hit.

use crate::base::Timestamp;
use crate::diagnosis::{At, Claim, Code, Verdict, Weight, Where};

/// What is known of a source at its end.
#[derive(Clone, Debug, Default)]
pub struct SourceState<'a> {
    /// What was wrong with the file, in words.
    pub damage: Option<&'a str>,
    /// Anything of it could be read.
    pub read: bool,
    /// Frames that the recorder says it lost.
    pub dropped: u64,
    /// Bounds of mxray's own that were hit, by name, and how often.
    pub limits: &'a [(&'static str, u64)],
    /// Its last frame.
    pub last: Timestamp,
}

/// Judges a source by its counters.
pub fn judge_source(state: &SourceState<'_>) -> Vec<Verdict> {
    let find = |code: Code, measured: &'static str, summary: String, advice: &str| {
        let proof = crate::diagnosis::Proof::Measured(measured, state.last);
        Verdict::from(
            Claim::new(code, At::of(Where::Unknown), proof, 0.98, summary)
                .weighing(Weight::Finding)
                .advise(advice),
        )
    };
    let mut verdicts = Vec::new();
    if let Some(damage) = state.damage {
        let (summary, advice) = if state.read {
            (
                format!("The capture is damaged: {damage}; what could be read was judged."),
                "Record again, or copy the file again: it may have been cut while it was copied or still written",
            )
        } else {
            (
                format!("Nothing of this capture was judged: {damage}."),
                "Check what was named, or record again: whole frames (tcpdump -s 0), on an interface whose link type mxray reads",
            )
        };
        verdicts.push(find(
            Code::CaptureDamaged,
            "reading the capture",
            summary,
            advice,
        ));
    }
    if state.dropped > 0 {
        verdicts.push(find(
            Code::CaptureDropped,
            "the recorder's own counter",
            format!(
                "The recorder lost {} frames; what rests on absence is less sure.",
                state.dropped
            ),
            "Filter in the kernel, or give the recorder a larger buffer (tcpdump -B)",
        ));
    }
    for (name, count) in state.limits.iter().filter(|(_, count)| *count > 0) {
        verdicts.push(find(
            Code::CaptureLimit,
            "mxray's own bounds",
            format!("A bound of mxray was hit {count} times: {name}."),
            "Raise --max-memory, or narrow the input with --filter, --since and --until",
        ));
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::{SourceState, judge_source};
    use crate::diagnosis::Code;

    #[test]
    fn a_sound_source_says_nothing() {
        assert!(judge_source(&SourceState::default()).is_empty());
        let state = SourceState {
            damage: Some("the last block is cut"),
            dropped: 3,
            limits: &[("look-ups open at once", 0)],
            ..SourceState::default()
        };
        let codes: Vec<Code> = judge_source(&state).iter().map(|v| v.code).collect();
        assert_eq!(codes, [Code::CaptureDamaged, Code::CaptureDropped]);
    }
}
