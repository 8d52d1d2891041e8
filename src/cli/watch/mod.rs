//! `mxray watch`: an interface in, verdicts out while it goes on.
//!
//! The order is that of `privilege`: interfaces and files are opened, privileges are given up, threads start, and only
//! then is the first packet parsed. It sends no packet and looks up no name.

mod incidents;
mod recording;
mod rescue;
mod session;

use std::path::PathBuf;

use clap::Args;
use pcap::Device;

use self::recording::{Recording, Rotation};
use self::rescue::Rescue;
use self::session::Session;
use super::amount::{Size, Span};
use super::bpf::Filter;
use super::exit;
use super::interrupt::Interrupt;
use super::options::Reporting;
use crate::capture::live::{FilterPlan, Live, LiveError, Options};
use crate::engine::{Config, Engine};
use crate::privilege::{Folder, Kept, Successor, give_up};

/// Capture and say while it happens which mail connections die, at which stage and why
///
/// Sends no packet and looks up no name. Interfaces and files are opened first, then all privileges are given up, and only
/// then is the first packet parsed.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Capture this interface (may be repeated); any: all of them [default: the only one that is up, else any]
    #[arg(short, long, value_name = "IFACE", value_delimiter = ',')]
    interface: Vec<String>,
    /// Keep the packets in a pcapng file while they are analysed
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Begin another file when one has so many bytes (100M)
    #[arg(long, value_name = "SIZE", requires = "write")]
    rotate_size: Option<Size>,
    /// Begin another file when one spans so much time (1h)
    #[arg(long, value_name = "SPAN", requires = "write")]
    rotate_time: Option<Span>,
    /// Keep the last packets in memory (60s) and, when a server starts to fail, save its own with DNS, ICMP, ARP and NDP of
    /// that time and of the 30 s after
    #[arg(long, value_name = "SPAN")]
    ring: Option<Span>,
    /// Memory of --ring at the most
    #[arg(long, value_name = "SIZE", default_value = "256M", requires = "ring")]
    ring_memory: Size,
    /// The folder for what is saved while it runs [default: the current one]
    #[arg(long, value_name = "FOLDER")]
    save_dir: Option<PathBuf>,
    /// Stop after so much time (10m)
    #[arg(long = "for", value_name = "SPAN")]
    duration: Option<Span>,
    /// Stop when something has failed
    #[arg(long)]
    until_failure: bool,
    /// Lines on a terminal as well, instead of the full screen
    #[arg(long)]
    plain: bool,
    /// Memory for connections that are open; beyond it the one silent for longest is judged early
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    max_memory: Size,
    /// The kernel's buffer of each interface
    #[arg(long, value_name = "SIZE", default_value = "64M")]
    buffer: Size,
    /// Leave the interface out of promiscuous mode: see only what is meant for this machine
    #[arg(long)]
    no_promiscuous: bool,
    #[command(flatten)]
    reporting: Reporting,
}

/// Runs the command and gives back the exit code.
pub fn run(arguments: &Arguments) -> u8 {
    match prepare(arguments) {
        Ok(session) => session.run(&Interrupt::listen()),
        Err((code, why)) => {
            eprintln!("mxray: {why}");
            code
        }
    }
}

/// Bytes that an open connection takes at the most, its dialogue and what is remembered after it included, on average.
const FLOW: u64 = 16 << 10;

type Refusal = (u8, String);

/// Opens everything, gives up privileges, and only then makes what looks at packets.
fn prepare(arguments: &Arguments) -> Result<Session<'_>, Refusal> {
    let usage = |why: String| (exit::USAGE, why);
    let reporting = &arguments.reporting;
    let config = Config {
        live: true,
        flows: Some(flows_in(arguments.max_memory)),
        ..reporting.config().map_err(usage)?
    };
    let filter = match &reporting.filter {
        Some(text) => Some(Filter::new(text).map_err(|why| usage(format!("--filter: {why}")))?),
        None => None,
    };
    let plan = match &reporting.filter {
        _ if reporting.all => FilterPlan::Everything,
        Some(text) => FilterPlan::Own(text.clone()),
        None => FilterPlan::Mail(config.ports.mail()),
    };
    let options = Options {
        interfaces: interfaces(&arguments.interface),
        filter: plan.clone(),
        buffer: i32::try_from(arguments.buffer.0).unwrap_or(i32::MAX),
        promiscuous: !arguments.no_promiscuous,
        ..Options::default()
    };
    let live = Live::open(&options).map_err(|error| (refused(&error), error.to_string()))?;
    let successor = Successor::of_this_process();
    let rotation = Rotation {
        size: arguments.rotate_size.map(|size| size.0),
        time: arguments.rotate_time.map(|span| span.0),
    };
    let recording = match &arguments.write {
        Some(path) => Some(Recording::open(path, rotation, successor).map_err(usage)?),
        None => None,
    };
    let rescue = match (arguments.ring, &arguments.save_dir) {
        (None, None) => None,
        (None, Some(_)) => {
            return Err(usage(
                "--save-dir: there is nothing to save without --ring".to_owned(),
            ));
        }
        (Some(span), folder) => {
            let here = PathBuf::from(".");
            let folder = Folder::open(folder.as_ref().unwrap_or(&here), successor)
                .map_err(|why| usage(format!("--save-dir {why}")))?;
            let nanos = i64::try_from(span.0.as_nanos()).unwrap_or(i64::MAX);
            let limit = usize::try_from(arguments.ring_memory.0).unwrap_or(usize::MAX);
            Some(Rescue::new(nanos, limit, folder))
        }
    };
    let out = session::open_output(reporting, successor)
        .map_err(|error| usage(format!("-o: {error}")))?;
    let kept = give_up(successor).map_err(|error| (exit::NOT_PERMITTED, error.to_string()))?;
    let announcement = match reporting.quiet {
        true => Vec::new(),
        false => announcement(&live, &plan, kept),
    };
    Ok(Session::new(
        arguments,
        Engine::new(config),
        live,
        announcement,
        out,
        filter,
        recording,
        rescue,
    ))
}

/// How many connections so much memory holds.
fn flows_in(memory: Size) -> usize {
    usize::try_from(memory.0 / FLOW)
        .unwrap_or(usize::MAX)
        .max(1_024)
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

/// What is captured, what is not, and as whom.
fn announcement(live: &Live, plan: &FilterPlan, kept: Kept) -> Vec<String> {
    let names: Vec<String> = live
        .interfaces()
        .iter()
        .map(|one| one.name.to_string())
        .collect();
    let mut lines = vec![format!(
        "capturing {} – Ctrl-C ends it and prints the report",
        names.join(", ")
    )];
    lines.extend(plan.leaves_out());
    if kept.namespace_root {
        lines.push(
            "user 0 stays, without any capability: this user namespace has no other user to become"
                .to_owned(),
        );
    }
    lines
}
