//! Options that mean the same in every command that reports.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use jiff::tz::TimeZone;

use super::exit::Strictness;
use super::when::When;
use crate::diagnosis::Code;
use crate::engine::Config;
use crate::flow::Ports;
use crate::present::{Clock, Zone};
use crate::proto::Service;
use crate::proto::tls::KeyLog;
use crate::report::{Criteria, Style};

/// How a report is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// For people, at a terminal
    #[default]
    Text,
    /// One document (mxray/report/v1)
    Json,
    /// One record per line
    Ndjson,
    /// One page that needs nothing else
    Html,
    /// For a ticket
    Markdown,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// In what times are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Times {
    /// In UTC
    #[default]
    Utc,
    /// In this machine's time zone
    Local,
    /// From the first frame, beside UTC
    Relative,
}

/// The report: what of it, in what form, and what counts as a failure.
#[derive(Debug, Args)]
pub struct Reporting {
    /// The form of the report [default: text]
    #[arg(long, value_name = "FORMAT", help_heading = "Report")]
    pub format: Option<Layout>,
    /// Write the report to a file
    #[arg(short, long, value_name = "FILE", help_heading = "Report")]
    pub output: Option<PathBuf>,
    /// Records also for connections and look-ups that are not mail (else they are only counted)
    #[arg(long, help_heading = "Report")]
    pub all: bool,
    /// Use colour
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Report"
    )]
    pub color: Color,
    /// How times are told in text, HTML and Markdown (JSON is always UTC)
    #[arg(
        long,
        value_name = "ZONE",
        default_value = "utc",
        help_heading = "Report"
    )]
    pub time: Times,
    /// Text: every connection and look-up, with the dialogues of those that failed; twice: with all dialogues
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet", help_heading = "Report")]
    pub verbose: u8,
    /// Text: root causes and counts alone; no progress bar
    #[arg(short, long, help_heading = "Report")]
    pub quiet: bool,
    /// Do not mask passwords and tokens
    #[arg(long, help_heading = "Report")]
    pub show_secrets: bool,

    /// Show only what failed
    #[arg(long, help_heading = SELECTION)]
    pub only_failed: bool,
    /// Show what has one of these codes as verdict or finding
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = code, help_heading = SELECTION)]
    pub code: Vec<String>,
    /// Show verdicts of one of these classes
    #[arg(long, value_name = "CLASS", value_delimiter = ',', value_parser = CLASSES, help_heading = SELECTION)]
    pub class: Vec<String>,
    /// Show connections of one of these services
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = service, help_heading = SELECTION)]
    pub service: Vec<Service>,
    /// Show what these clients did
    #[arg(long, value_name = "IP", value_delimiter = ',', help_heading = SELECTION)]
    pub client: Vec<IpAddr>,
    /// Show what these servers or resolvers were asked
    #[arg(long, value_name = "IP", value_delimiter = ',', help_heading = SELECTION)]
    pub server: Vec<IpAddr>,
    /// Show what was not over before: 2026-11-23T14:03:12Z, 14:03[:12] of the capture's first day (in the zone of
    /// --time), or +30s after the first frame
    #[arg(long, value_name = "TIME", help_heading = SELECTION)]
    pub since: Option<When>,
    /// Show what had begun by then
    #[arg(long, value_name = "TIME", help_heading = SELECTION)]
    pub until: Option<When>,
    /// Show connections and look-ups of which a frame matches, in the language of tcpdump. A frame matches as it was
    /// captured, without its VLAN tags, or by the innermost IP packet in its tunnels
    #[arg(long, value_name = "BPF", help_heading = SELECTION)]
    pub filter: Option<String>,

    /// Only these TCP ports are taken for mail before a byte was spoken; mail that is spoken on others is still known
    #[arg(
        long,
        value_name = "PORT",
        value_delimiter = ',',
        help_heading = "Reading"
    )]
    pub ports: Vec<u16>,
    /// What is spoken on a port, as in 2526=smtp
    #[arg(long = "as", value_name = "PORT=SERVICE", value_delimiter = ',', value_parser = assigned, help_heading = "Reading")]
    pub assigned: Vec<(u16, Service)>,
    /// Trust anchors (PEM) that certificate chains are checked against
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub roots: Option<PathBuf>,
    /// TLS secrets (SSLKEYLOGFILE) to decrypt with, read once at the start; a pcapng's own secrets are used by themselves
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub keylog: Option<PathBuf>,

    /// Exit with 1 only for faults of these classes [default: all]
    #[arg(long, value_name = "CLASS", value_delimiter = ',', value_parser = COUNTED, help_heading = "Exit code")]
    pub fail_on: Vec<String>,
    /// Exit with 0 when attempts were degraded but none failed
    #[arg(long, help_heading = "Exit code")]
    pub tolerate_degraded: bool,
}

const SELECTION: &str =
    "Selection (what is shown; root causes, counts and the exit code are of the whole run)";
const CLASSES: [&str; 4] = ["network", "service", "policy", "client"];
/// Every class.
const ALL: &str = "all";
/// What `--fail-on` takes.
const COUNTED: [&str; 5] = ["network", "service", "policy", "client", ALL];

fn code(text: &str) -> Result<String, String> {
    if Code::ALL.iter().any(|known| known.name() == text) {
        return Ok(text.to_owned());
    }
    Err("there is no such code: `mxray explain` lists them".to_owned())
}

fn service(text: &str) -> Result<Service, String> {
    Service::from_name(text).ok_or_else(|| {
        "one of smtp, submission, submissions, imap, imaps, pop3, pop3s, sieve, lmtp, other"
            .to_owned()
    })
}

fn assigned(text: &str) -> Result<(u16, Service), String> {
    let (port, name) = text
        .split_once('=')
        .ok_or("write it as PORT=SERVICE, for example 2526=smtp")?;
    let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    Ok((port, service(name)?))
}

impl Reporting {
    /// The engine's settings. An error is a sentence that names the option.
    pub fn config(&self) -> Result<Config, String> {
        let mut ports = Ports::default();
        if !self.ports.is_empty() {
            ports.only(self.ports.clone());
        }
        for (port, service) in &self.assigned {
            ports.assign(*port, *service);
        }
        let roots = match &self.roots {
            Some(path) => super::roots::read(path).map_err(|why| format!("--roots {why}"))?,
            None => Vec::new(),
        };
        let keylog = KeyLog::default();
        if let Some(path) = &self.keylog {
            let text =
                std::fs::read(path).map_err(|why| format!("--keylog {}: {why}", path.display()))?;
            if keylog.add(&text) == 0 {
                return Err(format!(
                    "--keylog {}: holds no TLS secrets; mxray reads what SSLKEYLOGFILE makes a client write",
                    path.display()
                ));
            }
        }
        Ok(Config {
            ports,
            all: self.all,
            roots: roots.into(),
            show_secrets: self.show_secrets,
            keylog,
            ..Config::default()
        })
    }

    /// What counts as a failure.
    pub fn strictness(&self) -> Strictness {
        Strictness {
            // No class at all stands for every one of them.
            fail_on: match self.fail_on.iter().any(|class| class == ALL) {
                true => Vec::new(),
                false => self.fail_on.clone(),
            },
            tolerate_degraded: self.tolerate_degraded,
        }
    }

    /// What is shown; times are added when the first frame is known.
    pub fn criteria(&self) -> Criteria {
        Criteria {
            only_failed: self.only_failed,
            codes: self.code.clone(),
            classes: self.class.clone(),
            services: self.service.iter().map(|service| service.name()).collect(),
            clients: self.client.clone(),
            servers: self.server.clone(),
            filtered: self.filter.is_some(),
            ..Criteria::default()
        }
    }

    /// The zone in which times of the day are meant.
    pub fn zone(&self) -> TimeZone {
        match self.time {
            Times::Local => TimeZone::system(),
            Times::Utc | Times::Relative => TimeZone::UTC,
        }
    }

    /// How the report is laid out.
    pub fn style(&self, command: &'static str, several: bool) -> Style {
        let (paint, width) = super::output::manner(self.color, self.output.is_some());
        Style {
            format: self.format.unwrap_or_default().into(),
            command,
            verbosity: match (self.quiet, self.verbose) {
                (true, _) => -1,
                (false, level) => i8::try_from(level).unwrap_or(i8::MAX),
            },
            paint,
            width,
            several,
            live: false,
            clock: Clock::new(match self.time {
                Times::Utc => Zone::Utc,
                Times::Local => Zone::Local(TimeZone::system()),
                Times::Relative => Zone::Relative,
            }),
            selected: self.criteria().narrows() || self.since.is_some() || self.until.is_some(),
        }
    }
}
