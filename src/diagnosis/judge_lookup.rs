//! stub
use super::*;
use crate::base::Timestamp;
use crate::flow::Neighbors;
/// x
pub fn judge_lookup(l: &Lookup<'_>) -> Judgement {
    let ok = l.facts.answer().is_some();
    Judgement {
        outcome: if ok {
            Outcome::Healthy
        } else {
            Outcome::Incomplete
        },
        verdict: Verdict::without_fault(
            if ok { Code::Ok } else { Code::Unknown },
            "x".into(),
            Some(l.facts.first),
        ),
        findings: vec![],
        ladder: Ladder::default(),
        is_check: false,
        undeclared: vec![],
    }
}
/// x
pub fn judge_neighbors(_n: &Neighbors, _t: Timestamp, _b: bool) -> Vec<Verdict> {
    vec![]
}
/// x
pub fn is_mail_name(n: &str) -> bool {
    n.starts_with("mail") || n.starts_with("smtp") || n.starts_with("imap") || n.starts_with("mx")
}
