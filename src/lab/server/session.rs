//! What all scripted dialogues share: rules that replace a reply, delays, endings.
//!
//! A protocol's own file knows commands and healthy replies; here a scenario's [`ReplyRule`]s come in
//! between. A replaced reply has the healthy one's effect only if it has its sense (a `250` for a `250`).

use super::channel::{Channel, End};
use super::spec::{
    Account, Mechanism, ReplyRule, ServiceKind, ServiceSpec, Software, StartTls, Then,
};
use super::tls;
use rustls::ServerConfig;
use std::sync::Arc;
use std::time::Duration;

/// A service that is ready to serve.
#[derive(Debug)]
pub struct Service {
    /// What the scenario says.
    pub spec: ServiceSpec,
    /// The host's name.
    pub host: String,
    /// Who may log in.
    pub accounts: Vec<Account>,
    /// TLS, where the service has it.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Service {
    /// The software, with `usual` resolved.
    pub fn software(&self) -> Software {
        match (self.spec.software, self.spec.kind) {
            (
                Software::Usual,
                ServiceKind::Smtp | ServiceKind::Submission | ServiceKind::Submissions,
            ) => Software::Postfix,
            (Software::Usual, _) => Software::Dovecot,
            (software, _) => software,
        }
    }

    /// Mechanisms that a client may use.
    pub fn mechanisms(&self) -> Vec<Mechanism> {
        match (&self.spec.mechanisms, self.spec.kind) {
            (Some(mechanisms), _) => mechanisms.clone(),
            (None, ServiceKind::Smtp | ServiceKind::Lmtp) => Vec::new(),
            (None, _) => vec![Mechanism::Plain, Mechanism::Login],
        }
    }
}

/// One connection's dialogue.
#[derive(Debug)]
pub struct Session<'a> {
    /// The connection.
    pub channel: Channel,
    /// The service.
    pub service: &'a Service,
    /// Who is logged in.
    pub user: Option<String>,
    number: u32,
    counts: Vec<u32>,
}

impl<'a> Session<'a> {
    /// A session on the service's `number`-th connection, from 1.
    pub fn new(channel: Channel, service: &'a Service, number: u32) -> Session<'a> {
        Session {
            channel,
            service,
            user: None,
            number,
            counts: vec![0; service.spec.replies.len()],
        }
    }

    /// Whether TLS is on.
    pub fn secure(&self) -> bool {
        self.channel.is_secure()
    }

    /// Whether STARTTLS is to be offered now.
    pub fn offers_starttls(&self) -> bool {
        !self.secure()
            && self.service.tls.is_some()
            && self.service.spec.starttls != StartTls::Absent
    }

    /// Whether a login is accepted now.
    pub fn login_allowed(&self) -> bool {
        self.secure() || self.service.spec.cleartext_login
    }

    /// The scenario's capabilities for now, if it says any.
    pub fn scripted_capabilities(&self) -> Option<Vec<String>> {
        let spec = &self.service.spec;
        if self.secure() {
            spec.capabilities_tls.clone()
        } else {
            spec.capabilities.clone()
        }
    }

    fn rule(&mut self, command: &str) -> Option<&'a ReplyRule> {
        let mut found = None;
        for (rule, count) in self.service.spec.replies.iter().zip(&mut self.counts) {
            let begins = command
                .get(..rule.on.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(&rule.on));
            if !begins || rule.tls.is_some_and(|tls| tls != self.channel.is_secure()) {
                continue;
            }
            *count = count.saturating_add(1);
            let fits = rule.nth.is_none_or(|nth| nth == *count)
                && rule
                    .connection
                    .is_none_or(|connection| connection == self.number);
            if fits && found.is_none() {
                found = Some(rule);
            }
        }
        found
    }

    /// Answers a command; `true` if the healthy reply's effect is to follow.
    pub fn answer(&mut self, command: &str, tag: &str, healthy: &[String]) -> Result<bool, End> {
        let Some(rule) = self.rule(command) else {
            self.say(healthy)?;
            return Ok(true);
        };
        self.pause(rule.delay_ms)?;
        let mut effect = true;
        match &rule.reply {
            Some(lines) => {
                let lines: Vec<String> = lines
                    .iter()
                    .map(|line| line.replace("{tag}", tag))
                    .collect();
                effect = sense(lines.last(), tag) == sense(healthy.last(), tag);
                self.say(&lines)?;
            }
            // Whoever goes silent does not answer first.
            None if matches!(rule.then, Then::Continue) => self.say(healthy)?,
            None => {}
        }
        match rule.then {
            Then::Continue => Ok(effect),
            then => Err(End::Scripted(then)),
        }
    }

    /// Sends lines in one go.
    pub fn say(&mut self, lines: &[String]) -> Result<(), End> {
        if lines.is_empty() {
            return Ok(());
        }
        let text: String = lines
            .iter()
            .flat_map(|line| [line.as_str(), "\r\n"])
            .collect();
        self.channel.send(text.as_bytes())
    }

    fn pause(&self, ms: u64) -> Result<(), End> {
        if self.channel.stop().pass(Duration::from_millis(ms)) {
            Ok(())
        } else {
            Err(End::Stopped)
        }
    }

    /// Greets as the scenario says, else with the healthy lines.
    pub fn greet(&mut self, healthy: &[String]) -> Result<(), End> {
        let greeting = &self.service.spec.greeting;
        if greeting.silent {
            return Err(End::Scripted(Then::Stall));
        }
        if let Some(teaser) = &greeting.teaser {
            self.say(std::slice::from_ref(teaser))?;
        }
        self.pause(greeting.delay_ms)?;
        let lines = greeting.lines.as_deref().unwrap_or(healthy);
        if greeting.pace_ms == 0 {
            self.say(lines)?;
        } else {
            for byte in lines.iter().flat_map(|line| line.bytes().chain(*b"\r\n")) {
                self.channel.send(&[byte])?;
                self.pause(greeting.pace_ms)?;
            }
        }
        match greeting.then {
            Then::Continue => Ok(()),
            then => Err(End::Scripted(then)),
        }
    }

    /// The TLS handshake, honest or not.
    pub fn start_tls(&mut self) -> Result<(), End> {
        let Some(config) = &self.service.tls else {
            return Err(End::Refused("no TLS here".to_owned()));
        };
        tls::accept(&mut self.channel, &self.service.spec.tls, config)
    }

    /// Ends the connection as `end` demands; `farewell` is what the software says to a silent client.
    pub fn finish(mut self, end: &End, farewell: &[String]) {
        let stop = self.channel.stop().clone();
        let reset = self.service.spec.reset_on_close;
        if matches!(end, End::Tls(_)) {
            self.channel.without_close_notify();
        }
        match end {
            End::Stopped => {}
            End::Scripted(Then::Reset) => self.channel.reset(),
            End::Scripted(Then::Stall | Then::Continue) => {
                self.channel.discard(Duration::from_secs(86_400));
            }
            End::Scripted(Then::StopReading) => {
                stop.until_rung();
                drop(self);
            }
            End::Patience => {
                let _ = self.say(farewell);
                if reset {
                    self.channel.reset()
                } else {
                    self.channel.close()
                }
            }
            _ if reset => self.channel.reset(),
            End::Scripted(Then::Close) => self.channel.hang_up(),
            _ => self.channel.close(),
        }
    }
}

/// What a reply's last line says: its first digit, or its status word.
fn sense(line: Option<&String>, tag: &str) -> String {
    let line = line.map_or("", String::as_str);
    let line = line.strip_prefix(tag).unwrap_or(line).trim_start();
    if line.starts_with(|c: char| c.is_ascii_digit()) {
        return line.chars().take(1).collect();
    }
    line.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase()
}
