//! Where the frames of a run come from: interfaces as it happens, or a capture that is rehearsed.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use pcap::Device;

use super::{Arguments, Refusal};
use crate::base::{Foreign, Timestamp};
use crate::capture::Interface;
use crate::capture::live::{Counts, Event, FilterPlan, Live, LiveError, Options, Rehearsal, Taker};
use crate::cli::exit;

/// What was opened with privileges; of it nothing was read.
pub enum Opened {
    Interfaces(Box<Live>),
    File(String, Box<dyn Read + Send>),
}

impl Opened {
    /// Interfaces, as the user named them.
    pub fn interfaces(arguments: &Arguments, plan: &FilterPlan) -> Result<Opened, Refusal> {
        let options = Options {
            interfaces: interfaces(&arguments.interface),
            filter: plan.clone(),
            buffer: i32::try_from(arguments.buffer.0).unwrap_or(i32::MAX),
            promiscuous: !arguments.no_promiscuous,
            ..Options::default()
        };
        let live = Live::open(&options).map_err(|error| (refused(&error), error.to_string()))?;
        Ok(Opened::Interfaces(Box::new(live)))
    }

    /// A capture that is to be rehearsed.
    pub fn file(path: &Path) -> Result<Opened, Refusal> {
        if path.as_os_str() == "-" {
            let name = "standard input".to_owned();
            return Ok(Opened::File(name, Box::new(io::stdin())));
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Ok(Opened::File(name, Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err((exit::NOT_PERMITTED, format!("{name}: {error}")))
            }
            Err(error) => Err((exit::USAGE, format!("{name}: {error}"))),
        }
    }

    /// What it is called.
    pub fn names(&self) -> String {
        match self {
            Opened::File(name, _) => Foreign::from(name.as_str()).to_string(),
            Opened::Interfaces(live) => {
                let interfaces = live.interfaces().iter();
                let names: Vec<String> = interfaces.map(|one| one.name.to_string()).collect();
                names.join(", ")
            }
        }
    }

    /// What is captured and what is not.
    pub fn announced(&self, plan: &FilterPlan) -> Vec<String> {
        let names = self.names();
        match self {
            Opened::Interfaces(_) => {
                let first = format!("capturing {names} – Ctrl-C ends it and prints the report");
                [first].into_iter().chain(plan.leaves_out()).collect()
            }
            Opened::File(..) => vec![format!("rehearsing {names}: nothing is captured")],
        }
    }

    /// Begins to read it, which comes after privileges were given up.
    pub fn wire(self) -> Result<Wire, Refusal> {
        Ok(match self {
            Opened::Interfaces(live) => Wire::Live(live),
            Opened::File(name, input) => {
                let played = Rehearsal::begin(&name, input)
                    .map_err(|error| (exit::USAGE, error.to_string()))?;
                Wire::Rehearsed(Box::new(played))
            }
        })
    }
}

fn refused(error: &LiveError) -> u8 {
    match error.is_permission() {
        true => exit::NOT_PERMITTED,
        false => exit::USAGE,
    }
}

/// The ones named, each once; else the only one that is up and not the loopback, else all at once.
fn interfaces(named: &[String]) -> Vec<String> {
    let mut chosen: Vec<String> = Vec::new();
    for name in named {
        if !chosen.contains(name) {
            chosen.push(name.clone());
        }
    }
    if !chosen.is_empty() {
        return chosen;
    }
    let mut up = Device::list()
        .unwrap_or_default()
        .into_iter()
        .filter(|device| {
            let flags = &device.flags;
            flags.is_up()
                && flags.is_running()
                && !flags.is_loopback()
                && !device.addresses.is_empty()
                && device.name != "any"
        });
    match (up.next(), up.next()) {
        (Some(only), None) => vec![only.name],
        _ => vec!["any".to_owned()],
    }
}

/// What is watched.
pub enum Wire {
    /// Interfaces.
    Live(Box<Live>),
    /// A capture, as if it came now.
    Rehearsed(Box<Rehearsal>),
}

impl Wire {
    /// What its sources are, in a report.
    pub fn kind(&self) -> &'static str {
        match self {
            Wire::Live(_) => "interface",
            Wire::Rehearsed(_) => "file",
        }
    }

    /// The interfaces that are known by now.
    pub fn interfaces(&self) -> &[Interface] {
        match self {
            Wire::Live(live) => live.interfaces(),
            Wire::Rehearsed(file) => file.interfaces(),
        }
    }

    /// The time of the run.
    pub fn now(&self) -> Timestamp {
        match self {
            Wire::Live(live) => live.now(),
            Wire::Rehearsed(file) => file.now(),
        }
    }

    /// Whether nothing more can come.
    pub fn is_over(&self) -> bool {
        match self {
            Wire::Live(_) => false,
            Wire::Rehearsed(file) => file.is_over(),
        }
    }

    /// What was counted before it reached mxray, by interface.
    pub fn counts(&mut self) -> Vec<Counts> {
        match self {
            Wire::Live(live) => live.counts(),
            Wire::Rehearsed(file) => file.counts(),
        }
    }

    /// Hands on the frames of at most so much time. Returns how many.
    pub fn read(
        &mut self,
        patience: Duration,
        frames: &mut Taker<'_>,
        events: &mut Vec<Event>,
    ) -> usize {
        match self {
            Wire::Live(live) => live.read(patience, frames, events),
            Wire::Rehearsed(file) => file.read(patience, frames),
        }
    }

    /// At the end: what still waits to be handed on.
    pub fn drain(&mut self, frames: &mut Taker<'_>, events: &mut Vec<Event>) {
        if let Wire::Live(live) = self {
            live.drain(frames, events);
        }
    }
}
