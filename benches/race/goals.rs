//! What was aimed at, beside what came out.
//!
//! A ratio of two contenders on one machine says more than a time. It decides nothing: a goal that is missed is printed as such, and the
//! benchmark goes on.

use super::contender::{
    COPY, GUNZIP, GZIPPED, ONE_CORE, OURS, PACKED, STDIN, TCPTRACE, TSHARK, UNPACK,
};
use super::{Race, Result};

/// Private memory for the mixed case, in MiB.
const MEMORY: f64 = 64.0;

enum Wanted {
    AtMost(f64),
    AtLeast(f64),
}
use Wanted::{AtLeast, AtMost};

/// The lines of a table: goal, wanted, measured, whether it is reached.
pub(super) fn table(race: &Race) -> String {
    let ratio = |one, other| Some(race.seconds(one)? / race.seconds(other)?);
    let one_core = race.find(ONE_CORE).map(Result::processor);
    let growth = race.quarter.and_then(|quarter| Some(one_core? / quarter));
    let mut goals = vec![
        (
            "standard input ÷ mapped file",
            AtMost(2.0),
            ratio(STDIN, OURS),
        ),
        ("F.gz ÷ gzip -dc", AtMost(1.1), ratio(GZIPPED, GUNZIP)),
        ("F.zst ÷ zstd -dc", AtMost(1.1), ratio(PACKED, UNPACK)),
        (
            "a capture four times as large, processor time of one core",
            AtMost(4.4),
            growth,
        ),
    ];
    if race.case == "mixed" {
        let private = race.private.map(|bytes| bytes as f64 / f64::from(1 << 20));
        goals.extend([
            ("mxray ÷ tcpdump", AtMost(1.0), ratio(OURS, COPY)),
            (
                "mxray on one core ÷ tcpdump",
                AtMost(2.0),
                ratio(ONE_CORE, COPY),
            ),
            ("one core ÷ two cores", AtLeast(1.7), ratio(ONE_CORE, OURS)),
            ("tshark ÷ mxray", AtLeast(60.0), ratio(TSHARK, OURS)),
            ("tcptrace ÷ mxray", AtLeast(12.0), ratio(TCPTRACE, OURS)),
            ("private memory in MiB", AtMost(MEMORY), private),
            (
                "private memory of ten in a row ÷ of one",
                AtMost(1.2),
                race.ten
                    .zip(race.private)
                    .map(|(ten, one)| ten as f64 / one as f64),
            ),
        ]);
    }
    let mut text = "\n| goal | wanted | measured | |\n|---|---:|---:|---|\n".to_owned();
    for (goal, wanted, measured) in goals {
        let Some(measured) = measured else {
            continue;
        };
        let (bound, reached) = match wanted {
            AtMost(bound) => (format!("≤ {bound}"), measured <= bound),
            AtLeast(bound) => (format!("≥ {bound}"), measured >= bound),
        };
        let verdict = if reached { "reached" } else { "missed" };
        text.push_str(&format!(
            "| {goal} | {bound} | {measured:.2} | {verdict} |\n"
        ));
    }
    text
}
