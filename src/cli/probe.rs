//! `mxray probe TARGET…`: measure actively, then report like a replay.

use std::fs::File;
use std::io::{self, BufRead as _, BufWriter, IsTerminal as _, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit::{self, Verdicts};
use super::options::Reporting;
use super::output;
use super::screen::Screen;
use crate::base::Foreign;
use crate::engine::record::{PathRecord, Record};
use crate::engine::{Config, Engine};
use crate::privilege::{Folder, Successor, give_up};
use crate::probe::target::setting_of_port;
use crate::probe::{Context, Families, Options, Progress, StageName, TapError, Target};
use crate::proto::Service;
use crate::report::{self, Face, Selection};

mod login;
mod rounds;
mod view;

/// Walk the whole way to a mail server and say where it ends
///
/// Sends packets: only to what is named, what its DNS names, and to resolvers. A healthy target costs at most 300
/// packets, 50 a second. Needs CAP_NET_RAW for crafted packets; says what it could not know without.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A domain, host, user@domain, host:port, or a URL: smtp, smtps, submission, submissions, imap, imaps, pop3, pop3s, sieve
    #[arg(value_name = "TARGET", required_unless_present = "list")]
    targets: Vec<String>,
    /// Read targets from a file, one a line (- is standard input; # begins a comment)
    #[arg(short = 'f', long = "list", value_name = "LIST")]
    list: Option<PathBuf>,
    /// Keep the packets, annotated (pcapng)
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// Ask this resolver [default: those of resolv.conf]
    #[arg(long, value_name = "IP", value_delimiter = ',', help_heading = "Way")]
    resolver: Vec<IpAddr>,
    /// Leave by this interface (or VRF)
    #[arg(long, value_name = "IFACE", help_heading = "Way")]
    interface: Option<String>,
    /// Send from this address
    #[arg(long, value_name = "IP", help_heading = "Way")]
    source: Option<IpAddr>,
    /// Send from this port
    #[arg(long, value_name = "N", help_heading = "Way")]
    source_port: Option<u16>,
    /// Mark packets with this DSCP
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..64), help_heading = "Way")]
    dscp: u8,
    /// IPv4 alone
    #[arg(short = '4', conflicts_with = "v6", help_heading = "Way")]
    v4: bool,
    /// IPv6 alone
    #[arg(short = '6', help_heading = "Way")]
    v6: bool,

    /// Log in as this account
    #[arg(long, value_name = "USER", help_heading = "Login")]
    user: Option<String>,
    /// The password is the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["password_env", "token_file"], requires = "user", help_heading = "Login")]
    password_file: Option<PathBuf>,
    /// The password is in this environment variable
    #[arg(
        long,
        value_name = "VAR",
        conflicts_with = "token_file",
        requires = "user",
        help_heading = "Login"
    )]
    password_env: Option<String>,
    /// The OAuth access token is the first line of this file
    #[arg(long, value_name = "FILE", requires = "user", help_heading = "Login")]
    token_file: Option<PathBuf>,
    /// Log in although the certificate does not validate
    #[arg(long, help_heading = "Login")]
    auth_unverified: bool,
    /// Log in without TLS
    #[arg(long, help_heading = "Login")]
    auth_plaintext: bool,
    /// Log in again although this account was rejected within the last 15 minutes
    #[arg(long, help_heading = "Login")]
    auth_again: bool,

    /// Ask whether this recipient would be accepted (MAIL and RCPT, never DATA)
    #[arg(
        long,
        value_name = "ADDRESS",
        value_delimiter = ',',
        help_heading = "Mail"
    )]
    to: Vec<String>,
    /// The sender of that question
    #[arg(long, value_name = "ADDRESS", help_heading = "Mail")]
    from: Option<String>,
    /// Ask these blocklists about our address and the server's
    #[arg(
        long,
        value_name = "ZONE",
        value_delimiter = ',',
        help_heading = "Mail"
    )]
    blocklist: Vec<String>,

    /// Run only these stages
    #[arg(
        long,
        value_name = "STAGE",
        value_delimiter = ',',
        conflicts_with = "skip",
        help_heading = "Measure"
    )]
    only: Vec<StageArgument>,
    /// Leave these stages out
    #[arg(
        long,
        value_name = "STAGE",
        value_delimiter = ',',
        help_heading = "Measure"
    )]
    skip: Vec<StageArgument>,
    /// End by then (a round, with --every; a group of 40 targets, with a longer --list)
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration, help_heading = "Measure")]
    deadline: Duration,
    /// Packets a second for each target
    #[arg(long, value_name = "PPS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Measure")]
    rate: u32,
    /// SYN-rate ladder, TLS ladder, size search and a long loss series for each service as well; says first how many packets
    #[arg(long, help_heading = "Measure")]
    intensive: bool,
    /// Look for the settings that the domain publishes (its autoconfig document, its exchangers' domain, SRV, usual names), and compare
    #[arg(long, help_heading = "Measure")]
    discover: bool,
    /// Measure how long a silent connection survives
    #[arg(long, help_heading = "Measure")]
    idle: bool,

    /// Keep measuring, so often: a line for each change, a summary at the end
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["tui", "idle"], help_heading = "Again and again")]
    every: Option<Duration>,
    /// Stop after so long
    #[arg(long = "for", value_name = "TIME", value_parser = duration, requires = "every", help_heading = "Again and again")]
    for_so_long: Option<Duration>,
    /// Write the state there after each round, for the textfile collector of a Prometheus node exporter
    #[arg(
        long,
        value_name = "FILE",
        requires = "every",
        help_heading = "Again and again"
    )]
    metrics: Option<PathBuf>,

    /// Open the live view, on what is measured while it is measured
    #[arg(long, help_heading = "Live view")]
    tui: bool,
    #[command(flatten)]
    screen: Screen,
    #[command(flatten)]
    reporting: Reporting,
}

/// A stage, for clap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StageArgument {
    Dns,
    Tcp,
    Trace,
    Mtu,
    Loss,
    Tls,
    Mail,
    Auth,
}

impl From<StageArgument> for StageName {
    fn from(stage: StageArgument) -> StageName {
        match stage {
            StageArgument::Dns => StageName::Dns,
            StageArgument::Tcp => StageName::Tcp,
            StageArgument::Trace => StageName::Trace,
            StageArgument::Mtu => StageName::Mtu,
            StageArgument::Loss => StageName::Loss,
            StageArgument::Tls => StageName::Tls,
            StageArgument::Mail => StageName::Mail,
            StageArgument::Auth => StageName::Auth,
        }
    }
}

/// `30s`, `5m`, `8h`, `500ms`, or seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{text:?} is no time: write 30s, 5m or 8h"))?;
    let seconds = match unit {
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3_600.0,
        "d" => number * 86_400.0,
        _ => return Err(format!("{unit:?} is no unit of time: ms, s, m, h, d")),
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| format!("{text:?} is no time"))
}

/// Targets that are measured side by side; a longer list is measured in groups, so that memory does not grow with it. With more
/// the kernel's ring overflows on a busy machine, and what is lost there takes longer to tell from loss than a group takes.
const SIDE_BY_SIDE: usize = 40;

/// Runs the command and gives back the exit code.
pub fn run(arguments: &Arguments) -> u8 {
    let refused = |why: String| {
        eprintln!("mxray: {why}");
        exit::USAGE
    };
    let prepared = (|| {
        let targets = targets(arguments)?;
        let options = options(arguments)?;
        Ok::<_, String>((config(arguments, &targets)?, targets, options))
    })();
    let (config, targets, options) = match prepared {
        Ok(prepared) => prepared,
        Err(why) => return refused(why),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return refused(format!("no asynchronous runtime: {error}")),
    };
    // The order is that of `privilege`: handles and files are opened, privileges are given up, and only then is anything sent or read.
    let successor = Successor::if_possible();
    let files = match Files::open(arguments, successor) {
        Ok(files) => files,
        Err(why) => return refused(why),
    };
    if arguments.tui || arguments.screen.plain {
        return view::run(arguments, &targets, options, config, files, successor);
    }
    let quiet = arguments.reporting.quiet || !io::stderr().is_terminal();
    let (stop, stopped) = watch::channel(false);
    let (context, failed) = Context::open(options, stopped.clone(), progress(quiet));
    if let Err(error) = give_up(successor) {
        eprintln!("mxray: {error}");
        return exit::NOT_PERMITTED;
    }
    match failed {
        None => {}
        Some(TapError::NotPermitted) => eprintln!(
            "mxray: capturing is not permitted: answers are known only as the kernel tells them; \
             `sudo setcap cap_net_raw,cap_net_admin=ep $(command -v mxray)` grants it"
        ),
        Some(TapError::Other(why)) => eprintln!("mxray: nothing can be captured: {why}"),
    }
    if arguments.intensive {
        let text = crate::probe::stage::announced(arguments.rate);
        eprintln!("mxray: {text}");
    }
    crate::probe::stage::local::said_of_router(&context, &arguments.targets.join(" "));
    let probing = Probing {
        told: context.cautions(),
        arguments,
        targets,
        context,
        files,
        config,
        quiet,
    };
    runtime.block_on(async {
        listen_for_signals(stop);
        probing.context.listen();
        match arguments.every {
            Some(every) => probing.again_and_again(every).await,
            None => probing.once().await,
        }
    })
}

/// The first Ctrl-C, SIGTERM or SIGHUP ends the measuring, so that what was found is still printed; the second ends the program.
fn listen_for_signals(stop: watch::Sender<bool>) {
    let stop = std::sync::Arc::new(stop);
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let stop = stop.clone();
        let Ok(mut signal) = signal(kind) else {
            continue;
        };
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                if stop.send_replace(true) {
                    std::process::exit(i32::from(exit::INTERRUPTED));
                }
            }
        });
    }
}

fn config(arguments: &Arguments, targets: &[Target]) -> Result<Config, String> {
    let mut config = arguments.reporting.config()?;
    for (port, service) in spoken(targets) {
        config.ports.assign(port, service);
    }
    Ok(config)
}

/// What is spoken on the ports that were named: who names a port without a scheme means mail transfer, unless the port says otherwise.
fn spoken(targets: &[Target]) -> impl Iterator<Item = (u16, Service)> {
    targets.iter().filter_map(|target| match target {
        Target::Settings { setting, .. } => Some((setting.port, setting.service)),
        Target::Port { port, .. } => {
            let known = setting_of_port(*port).map(|setting| setting.service);
            Some((*port, known.unwrap_or(Service::Smtp)))
        }
        _ => None,
    })
}

/// What is written to: opened before privileges are given up.
struct Files {
    packets: Option<BufWriter<File>>,
    report: Box<dyn Write>,
    metrics: Option<(Folder, String)>,
}

impl Files {
    fn open(arguments: &Arguments, successor: Option<Successor>) -> Result<Files, String> {
        let create = |path: &Path| -> io::Result<BufWriter<File>> {
            let file = File::create(path)?;
            if let Some(successor) = successor
                && file.metadata()?.is_file()
            {
                successor.owns(&file)?;
            }
            Ok(BufWriter::new(file))
        };
        let named = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        let packets = match &arguments.write {
            Some(path) => Some(create(path).map_err(|error| named(path, error))?),
            None => None,
        };
        let report: Box<dyn Write> = match &arguments.reporting.output {
            Some(path) => Box::new(create(path).map_err(|error| named(path, error))?),
            None => output::open(None).map_err(|error| error.to_string())?,
        };
        let metrics = match &arguments.metrics {
            Some(path) => {
                let name = path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                let name =
                    name.ok_or_else(|| format!("--metrics: {} is no file", path.display()))?;
                let folder = path.parent().unwrap_or(Path::new("."));
                let folder =
                    Folder::open(folder, successor).map_err(|why| format!("--metrics {why}"))?;
                Some((folder, name))
            }
            None => None,
        };
        Ok(Files {
            packets,
            report,
            metrics,
        })
    }

    /// A section of packets more.
    fn keep(&mut self, recording: &mut crate::probe::Recording) -> io::Result<()> {
        if let Some(packets) = &mut self.packets {
            recording.write(&mut *packets)?.flush()?;
        }
        Ok(())
    }
}

/// A run.
struct Probing<'a> {
    arguments: &'a Arguments,
    /// Cautions that were said before the first packet.
    told: Vec<String>,
    targets: Vec<Target>,
    context: Context,
    files: Files,
    config: Config,
    quiet: bool,
}

impl Probing<'_> {
    /// One round, as a report.
    async fn once(mut self) -> u8 {
        let mut engine = Engine::new(self.config.clone());
        let mut reporter = None;
        let groups: Vec<Vec<Target>> = self
            .targets
            .chunks(SIDE_BY_SIDE)
            .map(<[Target]>::to_vec)
            .collect();
        for targets in groups {
            crate::probe::run(&self.context, &targets).await;
            let (mut recording, paths) = self.taken();
            if let Err(error) = self.files.keep(&mut recording) {
                eprintln!("mxray: the packets cannot be written: {error}");
                return exit::USAGE;
            }
            let reporter = reporter.get_or_insert_with(|| {
                let report = std::mem::replace(&mut self.files.report, Box::new(io::sink()));
                Reporter::new(&self.arguments.reporting, report)
            });
            self.judge(&mut engine, reporter, &mut recording, paths);
            self.context.forget();
            if self.context.is_interrupted() {
                break;
            }
        }
        let Some(mut reporter) = reporter else {
            return exit::USAGE;
        };
        engine.finish(&mut |record| reporter.record(&record));
        let code = match reporter.finish() {
            Ok(code) => code,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::FINE,
            Err(error) => {
                eprintln!("mxray: the report cannot be written: {error}");
                exit::USAGE
            }
        };
        match self.context.is_interrupted() {
            true => exit::INTERRUPTED,
            false => code,
        }
    }

    /// What was gathered since the last time, ready to be judged.
    fn taken(&self) -> (crate::probe::Recording, Vec<PathRecord>) {
        if !self.quiet {
            eprint!("\r\x1b[K");
        }
        let (mut recording, paths, _) = self.context.take();
        recording.end(self.context.now());
        for (port, service) in spoken(&self.targets) {
            recording.serves(port, service);
        }
        (recording, paths)
    }

    /// Feeds a recording to the engine as a source of its own.
    fn judge(
        &self,
        engine: &mut Engine,
        reporter: &mut Reporter,
        recording: &mut crate::probe::Recording,
        paths: Vec<PathRecord>,
    ) {
        let name = match &self.arguments.write {
            Some(path) => Foreign::from(path.to_string_lossy().as_ref()),
            None => Foreign::from("probe"),
        };
        let source = engine.open_source("probe", name.clone(), None);
        reporter.face.source(source.0, &name);
        if let Some(first) = recording.frames().first() {
            reporter.face.begin(first.time);
        }
        recording.feed(engine, source, &mut |record| reporter.record(&record));
        for path in paths {
            reporter.record(&Record::Path(path));
        }
    }

    fn left_unknown(&self) {
        for text in self.context.cautions() {
            if !self.told.contains(&text) {
                eprintln!("mxray: {text}");
            }
        }
        for one in self.context.take().2 {
            eprintln!("mxray: {}", one.says());
        }
    }
}

/// One line on a terminal that says what is being done.
fn progress(quiet: bool) -> Progress {
    if quiet {
        return Box::new(|_, _| {});
    }
    Box::new(|stage, text| {
        let text: String = text.chars().take(70).collect();
        eprint!("\r\x1b[K{:<6}{text}", stage.name());
    })
}

/// Hands records to the face.
struct Reporter {
    face: Box<dyn Face>,
    selection: Selection,
    verdicts: Verdicts,
    failed: Option<io::Error>,
}

impl Reporter {
    fn new(reporting: &Reporting, out: Box<dyn Write>) -> Reporter {
        Reporter {
            face: report::face(reporting.style("probe", false), out),
            selection: Selection::new(reporting.criteria()),
            verdicts: Verdicts::new(reporting.strictness()),
            failed: None,
        }
    }

    fn record(&mut self, record: &Record) {
        self.verdicts.see(record);
        if self.selection.wants(record, true)
            && self.failed.is_none()
            && let Err(error) = self.face.record(record)
        {
            self.failed = Some(error);
        }
    }

    fn finish(mut self) -> io::Result<u8> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.face.finish()?;
        Ok(self.verdicts.code())
    }
}

fn targets(arguments: &Arguments) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    for text in &arguments.targets {
        targets.push(Target::parse(text)?);
    }
    if let Some(path) = &arguments.list {
        let lines: Vec<String> = if path.as_os_str() == "-" {
            io::stdin().lock().lines().collect::<io::Result<_>>()
        } else {
            std::fs::File::open(path).and_then(|file| io::BufReader::new(file).lines().collect())
        }
        .map_err(|error| format!("{}: {error}", path.display()))?;
        for (number, line) in lines.iter().enumerate() {
            let text = line.split('#').next().unwrap_or("").trim();
            if !text.is_empty() {
                let target = Target::parse(text)
                    .map_err(|why| format!("{}:{}: {why}", path.display(), number + 1))?;
                targets.push(target);
            }
        }
    }
    if targets.is_empty() {
        return Err("no target: name one, or a list that holds one".to_owned());
    }
    targets.dedup();
    Ok(targets)
}

fn options(arguments: &Arguments) -> Result<Options, String> {
    let roots = match &arguments.reporting.roots {
        Some(path) => super::roots::read(path).map_err(|why| format!("--roots {why}"))?,
        None => Vec::new(),
    };
    Ok(Options {
        resolvers: arguments.resolver.clone(),
        interface: arguments.interface.clone(),
        source: arguments.source,
        source_port: arguments.source_port,
        dscp: arguments.dscp,
        families: match (arguments.v4, arguments.v6) {
            (true, _) => Families::V4,
            (_, true) => Families::V6,
            _ => Families::Both,
        },
        only: arguments
            .only
            .iter()
            .copied()
            .map(StageName::from)
            .collect(),
        skip: arguments
            .skip
            .iter()
            .copied()
            .map(StageName::from)
            .collect(),
        deadline: arguments.deadline,
        rate: arguments.rate,
        intensive: arguments.intensive,
        discover: arguments.discover,
        login: login::login(arguments)?,
        auth_again: arguments.auth_again,
        to: arguments.to.clone(),
        from: arguments.from.clone(),
        blocklists: arguments.blocklist.clone(),
        idle: arguments.idle,
        roots: Arc::new(roots),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("8h"), Ok(Duration::from_secs(28_800)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert!(duration("8 hours").is_err() && duration("").is_err() && duration("0s").is_err());
    }
}
