//! What resolvers answered for a name, and whether connections to it worked: the evidence of `dns.inconsistent`.
//!
//! Look-ups and connections are judged at different times, so both are kept by name until their world ends. Bounded: names
//! that were not touched for longest are forgotten, and of one name only the first answers and connections count.

use std::net::IpAddr;

use crate::base::{Few, Foreign, Mark, Remembered};
use crate::diagnosis::{Claim, Told, judge_answers};
use crate::proto::dns::RecordType;

/// Names that are remembered at the least.
const NAMES: usize = 7_168;
/// Answers and connections kept of one name, and addresses of one answer.
const ANSWERS: usize = 8;
const CONNECTIONS: usize = 32;
const ADDRESSES: usize = 16;

#[derive(Debug)]
struct Answer {
    kind: RecordType,
    resolver: IpAddr,
    at: Mark,
    addresses: Few<IpAddr, ADDRESSES>,
}

#[derive(Clone, Copy, Debug)]
struct Reached {
    address: IpAddr,
    at: Mark,
    worked: bool,
}

#[derive(Debug, Default)]
struct Name {
    answers: Few<Answer, ANSWERS>,
    reached: Few<Reached, CONNECTIONS>,
}

/// All names.
#[derive(Debug)]
pub struct Answers(Remembered<Foreign, Name>);

impl Default for Answers {
    fn default() -> Answers {
        Answers(Remembered::new(NAMES))
    }
}

impl Answers {
    /// A resolver gave addresses for a name.
    pub fn answered(
        &mut self,
        name: &Foreign,
        kind: RecordType,
        resolver: IpAddr,
        at: Mark,
        addresses: impl Iterator<Item = IpAddr>,
    ) {
        let known = self.0.entry(name.clone(), Name::default);
        let mut kept = Few::new();
        addresses.for_each(|address| kept.push(address));
        let again = |answer: &Answer| {
            answer.kind == kind && answer.resolver == resolver && answer.addresses == kept
        };
        if !kept.is_empty() && !known.answers.iter().any(again) {
            known.answers.push(Answer {
                kind,
                resolver,
                at,
                addresses: kept,
            });
        }
    }

    /// A connection to an address of a name worked, or failed for a reason of network or service.
    pub fn reached(&mut self, name: &Foreign, address: IpAddr, at: Mark, worked: bool) {
        let known = self.0.entry(name.clone(), Name::default);
        let again = |reached: &Reached| reached.address == address && reached.worked == worked;
        if !known.reached.iter().any(again) {
            known.reached.push(Reached {
                address,
                at,
                worked,
            });
        }
    }

    /// What all of it proves, in the order of the frames; nothing is known afterwards.
    pub fn disagreements(&mut self) -> Vec<Claim> {
        let mut claims: Vec<Claim> = self
            .0
            .drain()
            .filter_map(|(name, known)| known.disagreement(&name))
            .collect();
        claims.sort_by_key(|claim| claim.since);
        claims
    }
}

impl Name {
    fn disagreement(&self, name: &Foreign) -> Option<Claim> {
        let told: Vec<(RecordType, Told<'_>)> = self
            .answers
            .iter()
            .map(|answer| (answer.kind, self.led(answer)))
            .collect();
        told.iter().enumerate().find_map(|(at, (kind, one))| {
            told.iter()
                .skip(at.saturating_add(1))
                .filter(|(other, _)| other == kind)
                .find_map(|(_, other)| judge_answers(name, one, other))
        })
    }

    /// Where an answer led.
    fn led<'a>(&'a self, answer: &'a Answer) -> Told<'a> {
        let first = |worked: bool| {
            self.reached
                .iter()
                .find(|reached| {
                    reached.worked == worked && answer.addresses.contains(&reached.address)
                })
                .map(|reached| reached.at)
        };
        Told {
            resolver: answer.resolver,
            at: answer.at,
            addresses: &answer.addresses,
            worked: first(true),
            failed: first(false),
        }
    }
}
