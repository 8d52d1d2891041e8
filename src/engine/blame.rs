//! What an attempt keeps of a verdict until the root causes are counted.
//!
//! Exists apart because it is kept for every attempt that failed: words are most of it, and a cause needs them once. Refuses to
//! fold anything: `causes` does.

use std::net::IpAddr;

use super::record::{AtInfo, VerdictInfo};

/// What a root cause takes of a verdict.
#[derive(Clone, Debug)]
pub struct Blame {
    /// The verdict's code.
    pub code: &'static str,
    /// Its class.
    pub class: Option<&'static str>,
    /// Where it is.
    pub at: AtInfo,
    /// `None`: the cause has its words already.
    words: Option<Box<Words>>,
}

/// What a root cause says.
#[derive(Clone, Debug)]
struct Words {
    summary: Box<str>,
    advice: Box<[String]>,
}

impl From<&VerdictInfo> for Blame {
    fn from(verdict: &VerdictInfo) -> Blame {
        Blame {
            words: Some(Box::new(Words {
                summary: verdict.summary.as_str().into(),
                advice: verdict.advice.clone().into(),
            })),
            ..Blame::wordless(verdict)
        }
    }
}

impl Blame {
    /// Without its words, for a cause that has them already.
    pub fn wordless(verdict: &VerdictInfo) -> Blame {
        Blame {
            code: verdict.code,
            class: verdict.class,
            at: verdict.at.clone(),
            words: None,
        }
    }

    /// Its sentence; empty without words.
    pub fn summary(&self) -> &str {
        self.words.as_ref().map_or("", |words| &words.summary)
    }

    /// What to do; empty without words.
    pub fn advice(&self) -> &[String] {
        self.words.as_ref().map_or(&[], |words| &words.advice)
    }
}

/// An attempt that failed or was degraded, as far as folding needs to know.
pub struct Loss<'a> {
    /// Its number, which counts once for a cause however many of its servers met it.
    pub attempt: Option<u64>,
    /// What it died of, or what it cost.
    pub verdict: &'a Blame,
    /// It failed; else it was degraded.
    pub failed: bool,
    /// Who tried; `None` for what belongs to no attempt.
    pub client: Option<IpAddr>,
    /// What it wanted (address and port, or resolver).
    pub server: &'a str,
    /// Its connections with that verdict.
    pub connections: &'a [u64],
    /// Its look-ups with that verdict.
    pub lookups: &'a [u64],
}
