//! What the user wants of the outside: another moment of a replay, a file, the clipboard, a probe.
//!
//! Nothing is done here: each wish becomes an effect, or a sentence that says why not.

use super::ask::Ask;
use super::row::{Row, Subject};
use super::{Effect, Model};
use crate::base::Timestamp;
use crate::present;
use crate::tui::event::{Control, Speed};

impl Model {
    pub(super) fn freeze(&mut self) -> Vec<Effect> {
        if let Some(playback) = self.playback {
            return self.replay(Control::Pause(!playback.paused));
        }
        self.frozen = !self.frozen;
        self.frozen_at = self.frozen.then_some(self.now);
        self.list.until = self.frozen.then(|| self.store.arrived());
        if self.frozen {
            self.list.follow = false;
            self.say("frozen: the capture goes on; space shows it again");
        } else {
            self.list.touch();
        }
        Vec::new()
    }

    pub(super) fn replay(&mut self, control: Control) -> Vec<Effect> {
        if self.playback.is_none() {
            self.say("this is no replay");
            return Vec::new();
        }
        vec![Effect::Control(control)]
    }

    pub(super) fn speed(&mut self, next: fn(Speed) -> Speed) -> Vec<Effect> {
        match &mut self.playback {
            // Counted from here at once: the next key may come before the player has said so.
            Some(playback) => {
                playback.speed = next(playback.speed);
                let speed = playback.speed;
                self.replay(Control::Speed(speed))
            }
            None => Vec::new(),
        }
    }

    pub(in crate::tui) fn seek(&mut self, by: i64) -> Vec<Effect> {
        let to = match &self.timeline {
            Some(timeline) => {
                let wanted = self.now.plus(by);
                wanted.max(timeline.first).min(timeline.last)
            }
            None => self.now.plus(by),
        };
        self.seek_to(to)
    }

    pub(super) fn seek_to(&mut self, to: Timestamp) -> Vec<Effect> {
        if let Some(playback) = self.playback
            && !playback.rewinds
            && to < self.now
        {
            self.say("this input cannot be read again: no way back");
            return Vec::new();
        }
        self.replay(Control::Seek(to))
    }

    pub(in crate::tui) fn seek_death(&mut self, forwards: bool) -> Vec<Effect> {
        let Some(timeline) = &self.timeline else {
            return self.replay_only();
        };
        let now = self.now;
        let found = if forwards {
            timeline.deaths.iter().find(|death| death.told > now)
        } else {
            timeline.deaths.iter().rev().find(|death| death.told < now)
        };
        match found.map(|death| death.told) {
            Some(time) => self.seek_to(time),
            None => {
                self.say("no death there");
                Vec::new()
            }
        }
    }

    fn replay_only(&mut self) -> Vec<Effect> {
        self.say(if self.playback.is_some() {
            "the deaths are still being looked for"
        } else {
            "this is no replay"
        });
        Vec::new()
    }

    pub(super) fn save(&mut self) -> Vec<Effect> {
        let Some(key) = self.subject().map(|row| row.key) else {
            self.say("no connection is selected");
            return Vec::new();
        };
        if !self.allowed.save {
            self.say("nothing may be written: start with --save-dir FOLDER");
            return Vec::new();
        }
        vec![Effect::Save(key)]
    }

    pub(super) fn copy(&mut self, text: fn(&Row) -> String) -> Vec<Effect> {
        let Some(text) = self.subject().map(|row| text(row)) else {
            self.say("no connection is selected");
            return Vec::new();
        };
        self.say(format!("copied: {text}"));
        vec![Effect::Copy(text)]
    }

    pub(super) fn probe(&mut self) -> Vec<Effect> {
        let Some(says) = self.allowed.probe.clone() else {
            self.say("probing is off: start with --allow-probe");
            return Vec::new();
        };
        let target = self.subject().and_then(|row| row.probe_target());
        match target {
            Some(target) => self.ask = Some(Ask::Probe { target, says }),
            None => self.say("no connection is selected"),
        }
        Vec::new()
    }
}

/// The display filter that shows its packets in Wireshark.
pub(super) fn wireshark(row: &Row) -> String {
    block(row).look.filter
}

/// The verdict in one line.
pub(super) fn told(row: &Row) -> String {
    let block = block(row);
    format!(
        "{} {} {} > {} {}: {}",
        block.outcome, block.code, block.client, block.server, block.when, block.summary
    )
}

fn block(row: &Row) -> present::Block {
    let clock = present::Clock::default();
    match &row.subject {
        Subject::Connection(record) => present::connection(record, &clock),
        Subject::Lookup(record) => present::lookup(record, &clock),
    }
}
