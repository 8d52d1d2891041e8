//! Answers that came only after a retry, or late: is it their size (the EDNS ladder), or is the resolver slow?

use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::asking::{Answered, Fate, GAP};
use super::super::claims::{self, Ladder};
use super::super::lookups::Asked;
use super::super::question::Shape;
use super::{EACH, Work};
use crate::base::{Nanos, SECOND};

impl Work {
    /// Answered, but only after a retry or late: size, EDNS, or slowness.
    pub(super) async fn late(&self) {
        let late: Vec<(&Arc<Asked>, &Answered)> = self
            .answers()
            .filter(|(_, answer)| {
                answer.message.malformed.is_none()
                    // Within the first gap it was asked again for an error, which came at once.
                    && (answer.tries > 1 && answer.after >= GAP || answer.after >= 2 * SECOND)
            })
            .take(EACH)
            .collect();
        for (asked, answer) in late {
            let is_long = answer.truncated || answer.message.length > 512;
            if is_long && answer.tries > 2 && self.ladder(asked, answer.after).await {
                continue;
            }
            let mut times: Vec<Nanos> = vec![answer.after];
            for _ in 0..2 {
                let exchanged = self
                    .lookups
                    .ask(&self.server, &asked.question, Shape::PLAIN, 3)
                    .await;
                if let Some(Fate::Answered(again)) = exchanged.fate {
                    times.push(again.after);
                }
                tokio::time::sleep(std::time::Duration::from_millis(550)).await;
            }
            if times.len() >= 3 {
                self.say(&asked.question, |subject| claims::slow(subject, times));
            }
        }
    }

    /// The EDNS ladder; true when it shows that long answers vanish.
    async fn ladder(&self, asked: &Asked, cost: Nanos) -> bool {
        let rungs = [(512u16, 3u32), (1_232, 5), (4_096, 5)];
        let mut running = JoinSet::new();
        for (size, tries) in rungs {
            let (lookups, server, question) = (
                self.lookups.clone(),
                self.server.clone(),
                asked.question.clone(),
            );
            running.spawn(async move {
                let shape = Shape::with_room(size);
                let exchanged = lookups.ask(&server, &question, shape, tries).await;
                match exchanged.fate {
                    Some(Fate::Answered(answer)) => (size, Some(answer.tries)),
                    // Cut off and then nothing over TCP: it was answered over UDP.
                    Some(Fate::NoTcp(_)) => (size, Some(1)),
                    _ => (size, None),
                }
            });
        }
        let mut results = Vec::new();
        while let Some(done) = running.join_next().await {
            results.extend(done.ok());
        }
        results.sort_unstable();
        let small = results
            .iter()
            .rev()
            .find_map(|(size, tries)| Some((*size, 1, (*tries)?)));
        let large = results
            .iter()
            .find(|(_, tries)| tries.is_none())
            .map(|(size, _)| *size);
        let (Some(small), Some(large)) = (small, large) else {
            return false;
        };
        // Two tries of the look-up itself were lost as well.
        let lost = 7;
        if small.0 >= large || !self.server.controls().rule_out_chance(lost) {
            return false;
        }
        let ladder = Ladder {
            small,
            large: (large, lost),
        };
        self.say(&asked.question, |subject| {
            Some(claims::large_dropped(subject, ladder, cost))
        });
        true
    }
}
