//! `mxray probe TARGET…`: measure actively, then report like a replay.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::exit::{self, Verdicts};
use super::options::Reporting;
use super::output;
use super::screen::Screen;
use crate::base::Foreign;
use crate::engine::Engine;
use crate::engine::record::Record;
use crate::probe::auth::{self, Login};
use crate::probe::{Context, Families, Options, Progress, StageName, TapError, Target};
use crate::report::{self, Face, Selection};

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
    /// End by then
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration, help_heading = "Measure")]
    deadline: Duration,
    /// Packets a second for each target
    #[arg(long, value_name = "PPS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Measure")]
    rate: u32,
    /// Ladders, sweeps and long series as well (none of them is there yet: it measures what a default run does)
    #[arg(long, help_heading = "Measure")]
    intensive: bool,
    /// Measure how long a silent connection survives
    #[arg(long, help_heading = "Measure")]
    idle: bool,

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

/// Runs the command and gives back the exit code.
pub fn run(arguments: &Arguments) -> u8 {
    let prepared = (|| {
        let targets = targets(arguments)?;
        let options = options(arguments)?;
        let mut config = arguments.reporting.config()?;
        for target in &targets {
            if let Target::Settings { setting, .. } = target {
                config.ports.assign(setting.port, setting.service);
            }
        }
        Ok::<_, String>((targets, options, config))
    })();
    let (targets, options, config) = match prepared {
        Ok(prepared) => prepared,
        Err(why) => {
            eprintln!("mxray: {why}");
            return exit::USAGE;
        }
    };
    if arguments.tui || arguments.screen.plain {
        return view::run(arguments, &targets, options, config);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mxray: no asynchronous runtime: {error}");
            return exit::USAGE;
        }
    };
    runtime.block_on(probe(arguments, &targets, options, Engine::new(config)))
}

async fn probe(
    arguments: &Arguments,
    targets: &[Target],
    options: Options,
    mut engine: Engine,
) -> u8 {
    let (stop, stopped) = watch::channel(false);
    let interrupted = stopped.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if stop.send_replace(true) {
                std::process::exit(i32::from(exit::INTERRUPTED));
            }
        }
    });
    let quiet = arguments.reporting.quiet || !io::stderr().is_terminal();
    let (context, failed) = Context::open(options, stopped, progress(quiet));
    match failed {
        None => {}
        Some(TapError::NotPermitted) => eprintln!(
            "mxray: capturing is not permitted: answers are known only as the kernel tells them; \
             `sudo setcap cap_net_raw,cap_net_admin=ep $(command -v mxray)` grants it"
        ),
        Some(TapError::Other(why)) => eprintln!("mxray: nothing can be captured: {why}"),
    }
    context.listen();
    crate::probe::run(&context, targets).await;
    if !quiet {
        eprint!("\r\x1b[K");
    }
    let (mut recording, paths, unknowable) = context.take();
    recording.end(context.now());
    for target in targets {
        if let Target::Settings { setting, .. } = target {
            recording.serves(setting.port, setting.service);
        }
    }
    if let Some(path) = &arguments.write
        && let Err(error) = write(path, &mut recording)
    {
        eprintln!("mxray: {}: {error}", path.display());
        return exit::USAGE;
    }
    let mut reporter = match Reporter::open(&arguments.reporting) {
        Ok(reporter) => reporter,
        Err(error) => {
            eprintln!("mxray: the report cannot be written: {error}");
            return exit::USAGE;
        }
    };
    let name = match &arguments.write {
        Some(path) => Foreign::from(path.to_string_lossy().as_ref()),
        None => Foreign::from("probe"),
    };
    let source = engine.open_source("probe", name.clone(), None);
    reporter.face.source(source.0, &name);
    if let Some(first) = recording.frames().first() {
        reporter.face.begin(first.time);
    }
    recording.feed(&mut engine, source, &mut |record| reporter.record(&record));
    for path in paths {
        reporter.record(&Record::Path(path));
    }
    engine.finish(&mut |record| reporter.record(&record));
    let code = match reporter.finish() {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::FINE,
        Err(error) => {
            eprintln!("mxray: the report cannot be written: {error}");
            exit::USAGE
        }
    };
    for one in unknowable {
        eprintln!("mxray: not known: {} ({})", one.what, one.grant);
    }
    if *interrupted.borrow() {
        exit::INTERRUPTED
    } else {
        code
    }
}

fn write(path: &std::path::Path, recording: &mut crate::probe::Recording) -> io::Result<()> {
    let file = io::BufWriter::new(std::fs::File::create(path)?);
    recording.write(file)?.flush()
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
    fn open(reporting: &Reporting) -> io::Result<Reporter> {
        let out = output::open(reporting.output.as_deref())?;
        Ok(Reporter {
            face: report::face(reporting.style("probe", false), out),
            selection: Selection::new(reporting.criteria()),
            verdicts: Verdicts::new(reporting.strictness()),
            failed: None,
        })
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
        login: login(arguments)?,
        auth_again: arguments.auth_again,
        to: arguments.to.clone(),
        from: arguments.from.clone(),
        blocklists: arguments.blocklist.clone(),
        idle: arguments.idle,
        roots: Arc::new(roots),
    })
}

fn login(arguments: &Arguments) -> Result<Option<Arc<Login>>, String> {
    let Some(user) = arguments.user.clone() else {
        return Ok(None);
    };
    // Before the first secret is read.
    auth::no_core_dumps().map_err(|error| format!("core dumps cannot be switched off: {error}"))?;
    let named = |option: &str, why: String| format!("{option} {why}");
    let login = if let Some(path) = &arguments.token_file {
        let token = Login::read_secret(path).map_err(|why| named("--token-file", why))?;
        Login::with_token(user, token)
    } else if let Some(path) = &arguments.password_file {
        let password = Login::read_secret(path).map_err(|why| named("--password-file", why))?;
        Login::with_password(user, password)
    } else if let Some(name) = &arguments.password_env {
        let text = std::env::var(name)
            .map(Zeroizing::new)
            .map_err(|_| format!("--password-env: there is no variable {name}"))?;
        Login::with_password(user, text)
    } else {
        let password = ask(&user)?;
        Login::with_password(user, password)
    };
    Ok(Some(Arc::new(
        login
            .allow_plaintext(arguments.auth_plaintext)
            .allow_unverified(arguments.auth_unverified),
    )))
}

/// Asks at the terminal, without an echo.
fn ask(user: &str) -> Result<Zeroizing<String>, String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(
            "--user needs --password-file, --password-env or --token-file where there is no terminal to ask at"
                .to_owned(),
        );
    }
    let failed =
        |error: &dyn std::fmt::Display| format!("the password cannot be asked for: {error}");
    eprint!("Password of {user}: ");
    let before = rustix::termios::tcgetattr(&stdin).map_err(|error| failed(&error))?;
    let mut silent = before.clone();
    silent.local_modes.remove(rustix::termios::LocalModes::ECHO);
    let when = rustix::termios::OptionalActions::Flush;
    rustix::termios::tcsetattr(&stdin, when, &silent).map_err(|error| failed(&error))?;
    // Room enough that it does not grow and leave a copy behind.
    let mut line = Zeroizing::new(String::with_capacity(1_024));
    let read = stdin.lock().read_line(&mut line);
    let restored = rustix::termios::tcsetattr(&stdin, when, &before);
    eprintln!();
    read.map_err(|error| failed(&error))?;
    restored.map_err(|error| failed(&error))?;
    Login::first_line(&line).ok_or_else(|| "the password is empty".to_owned())
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
