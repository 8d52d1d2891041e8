//! `mxray watch`: an interface in, verdicts out while it goes on.
//!
//! The order is that of `privilege`: interfaces and files are opened, privileges are given up, threads start, and only
//! then is the first packet parsed. It sends no packet and looks up no name.

mod incidents;
mod listeners;
mod probing;
mod recording;
mod rescue;
mod session;
mod view;
mod wire;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;

use self::probing::Probing;
use self::recording::{Recording, Rotation};
use self::rescue::Rescue;
use self::session::{Output, Session};
use self::view::View;
use self::wire::Opened;
use super::amount::{Size, Span};
use super::aside;
use super::bpf::Filter;
use super::exit;
use super::interrupt::Interrupt;
use super::options::Reporting;
use super::output;
use super::screen::{self, Screen};
use crate::capture::live::FilterPlan;
use crate::engine::{Config, Engine};
use crate::privilege::{Confined, Folder, Kept, Successor, confine, give_up};
use crate::tui::{self, Kind};

/// Capture and say while it happens which mail connections die, at which stage and why
///
/// Sends no packet and looks up no name. Interfaces and files are opened first, then all privileges are given up, and only
/// then is the first packet parsed.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Capture this interface (may be repeated); any: all of them [default: the only one that is up, else any]
    #[arg(short, long, value_name = "IFACE", value_delimiter = ',')]
    interface: Vec<String>,
    /// Take the packets of this capture instead of an interface's, as fast as they are read (-: standard input), and go by
    /// their time: what a watch would have told, saved and stopped at. Keys and measurements in the file are left out, since an
    /// interface has none
    #[arg(long, value_name = "FILE", conflicts_with_all = ["interface", "buffer", "no_promiscuous", "allow_probe"])]
    rehearse: Option<PathBuf>,
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
    /// Stop after so much time (10m)
    #[arg(long = "for", value_name = "SPAN")]
    duration: Option<Span>,
    /// Stop when something has failed
    #[arg(long)]
    until_failure: bool,
    /// Memory for connections that are open; beyond it the one silent for longest is judged early
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    max_memory: Size,
    /// The kernel's buffer of each interface
    #[arg(long, value_name = "SIZE", default_value = "64M")]
    buffer: Size,
    /// Leave the interface out of promiscuous mode: see only what is meant for this machine
    #[arg(long)]
    no_promiscuous: bool,
    /// Let `p` in the live view probe the selected server, after it has said what will be sent and was told yes. A helper is
    /// started for it, which keeps the privileges that mxray itself gives up
    #[arg(long)]
    allow_probe: bool,
    #[command(flatten)]
    screen: Screen,
    #[command(flatten)]
    reporting: Reporting,
}

/// Runs the command and gives back the exit code.
pub fn run(arguments: &Arguments) -> u8 {
    let (session, screen) = match prepare(arguments) {
        Ok(prepared) => prepared,
        Err((code, why)) => {
            aside::say(&why);
            return code;
        }
    };
    let Some((setup, events)) = screen else {
        return session.run(&Interrupt::listen()).code;
    };
    // The view has a thread of its own; whoever captures stays on this one.
    std::thread::scope(|scope| {
        let view = scope.spawn(|| arguments.screen.open(setup, events));
        let ended = session.run(&Interrupt::listen());
        match view.join() {
            Ok(Ok(left)) => {
                ended.afterword.print(&arguments.reporting, "watch");
                for sentence in &ended.said {
                    aside::say(&sentence);
                }
                screen::code(left, ended.code)
            }
            Ok(Err(why)) => {
                aside::say(&format_args!("the live view cannot be opened: {why}"));
                exit::USAGE
            }
            Err(_) => exit::USAGE,
        }
    })
}

/// Whether this run belongs on the terminal, as a whole screen or (`--plain`) as lines that can be answered.
fn wants_screen(arguments: &Arguments) -> bool {
    arguments.reporting.format.is_none()
        && arguments.reporting.output.is_none()
        && io::stdout().is_terminal()
        && io::stdin().is_terminal()
}

type Refusal = (u8, String);
/// What the view is opened with.
type Screening = (tui::Setup, tui::Receiver);

/// Opens everything, gives up privileges, and only then makes what looks at packets.
fn prepare(arguments: &Arguments) -> Result<(Session<'_>, Option<Screening>), Refusal> {
    let usage = |why: String| (exit::USAGE, why);
    let reporting = &arguments.reporting;
    let config = Config {
        live: true,
        flows: Some(arguments.max_memory.connections()),
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
    let rehearsed = arguments.rehearse.as_deref();
    output::spare("-w", arguments.write.as_deref(), rehearsed).map_err(usage)?;
    output::spare("-o", reporting.output.as_deref(), rehearsed).map_err(usage)?;
    let opened = match &arguments.rehearse {
        Some(path) => Opened::file(path)?,
        None => Opened::interfaces(arguments, &plan)?,
    };
    let successor = Successor::of_this_process();
    let rotation = Rotation {
        size: arguments.rotate_size.map(|size| size.0),
        time: arguments.rotate_time.map(|span| span.0),
    };
    let recording = match &arguments.write {
        Some(path) => Some(Recording::open(path, rotation, successor).map_err(usage)?),
        None => None,
    };
    let rescue = match (arguments.ring, &arguments.screen.save_dir) {
        (None, None) => None,
        // The view saves there as well.
        (None, Some(_)) if wants_screen(arguments) => None,
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
    let probing = match arguments.allow_probe {
        true if !wants_screen(arguments) => {
            return Err(usage(
                "--allow-probe: only the live view can ask before something is sent; elsewhere run mxray probe"
                    .to_owned(),
            ));
        }
        true => Some(Probing::start(&config).map_err(usage)?),
        false => None,
    };
    let mut screening = None;
    let output = if wants_screen(arguments) {
        let (setup, view) = view(arguments, &opened, &config, successor).map_err(usage)?;
        screening = Some(setup);
        Output::View(Box::new(view))
    } else {
        let out = session::open_output(reporting, successor)
            .map_err(|error| usage(format!("-o: {error}")))?;
        Output::Report(out)
    };
    let kept = give_up(successor).map_err(|error| (exit::NOT_PERMITTED, error.to_string()))?;
    let folders: Vec<&Folder> = [
        recording.as_ref().and_then(Recording::folder),
        rescue.as_ref().map(Rescue::folder),
        screening
            .as_ref()
            .and_then(|(setup, _)| setup.save.as_ref()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let confined = confine(&folders).map_err(|error| {
        let why = format!("this process cannot be confined to its folders: {error}");
        (exit::NOT_PERMITTED, why)
    })?;
    let announcement = match reporting.quiet {
        true => Vec::new(),
        false => announcement(&opened, &plan, kept, confined, probing.as_ref()),
    };
    let wire = opened.wire()?;
    let session = Session::new(
        arguments,
        Engine::new(config),
        wire,
        announcement,
        output,
        filter,
        recording,
        rescue,
        probing,
    );
    Ok((session, screening))
}

/// The view, and the session's end of it. Its folder is opened while that is allowed.
fn view(
    arguments: &Arguments,
    opened: &Opened,
    config: &Config,
    successor: Option<Successor>,
) -> Result<(Screening, View), String> {
    let reporting = &arguments.reporting;
    let frames = screen::frames(&config.ports, config.all);
    let clock = reporting.style("watch", false).clock;
    let look = screen::look(reporting.color, arguments.screen.ascii, clock);
    let title = format!("watch {}", opened.names());
    let (mut setup, controls) = screen::setup(title, Kind::Live, look, frames.clone());
    setup.report = Some(screen::reports(reporting, "watch"));
    setup.probe = arguments.allow_probe.then(|| probing::SAYS.to_owned());
    if let Some(path) = &arguments.screen.save_dir {
        let folder = Folder::open(path, successor).map_err(|why| format!("--save-dir {why}"))?;
        setup.save = Some(folder);
    }
    let (events, received) = tui::events(screen::EVENTS);
    Ok(((setup, received), View::new(events, frames, controls)))
}

/// What is captured, what is not, and as whom.
fn announcement(
    opened: &Opened,
    plan: &FilterPlan,
    kept: Kept,
    confined: Confined,
    probing: Option<&Probing>,
) -> Vec<String> {
    let mut lines = opened.announced(plan);
    lines.extend(probing.map(|probing| {
        format!(
            "process {} keeps the privileges that a probe needs, and can do nothing else",
            probing.helper()
        )
    }));
    if confined == Confined::Not {
        lines.push(
            "this kernel has no Landlock: where mxray may write is decided by the permissions of files alone"
                .to_owned(),
        );
    }
    if kept.namespace_root {
        lines.push(
            "user 0 stays, without any capability: this user namespace has no other user to become"
                .to_owned(),
        );
    }
    lines
}
