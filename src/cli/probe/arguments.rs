//! What the user writes, and what the run is told by it.

use std::io::{self, BufRead as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::options::Reporting;
use crate::cli::screen::Screen;
use crate::probe::{Families, Options, StageName, Target};

/// Walk the whole way to a mail server and say where it ends
///
/// Sends packets: only to what is named, what its DNS names, to resolvers, and a few SYNs to addresses that are set aside
/// for documentation (RFC 5737, RFC 3849), where nobody may answer. A healthy target costs at most 300 packets, 50 a second. Needs CAP_NET_RAW for crafted packets; says what it could not know without.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A domain, host, user@domain, host:port, or a URL: smtp, smtps, submission, submissions, imap, imaps, pop3, pop3s, sieve
    #[arg(value_name = "TARGET", required_unless_present = "list")]
    pub(super) targets: Vec<String>,
    /// Read targets from a file, one a line (- is standard input; # begins a comment)
    #[arg(short = 'f', long = "list", value_name = "LIST")]
    pub(super) list: Option<PathBuf>,
    /// Keep the packets, annotated (pcapng)
    #[arg(short, long, value_name = "FILE")]
    pub(super) write: Option<PathBuf>,

    /// Ask this resolver [default: those of resolv.conf]
    #[arg(long, value_name = "IP", value_delimiter = ',', help_heading = "Way")]
    pub(super) resolver: Vec<IpAddr>,
    /// Leave by this interface (or VRF)
    #[arg(long, value_name = "IFACE", help_heading = "Way")]
    pub(super) interface: Option<String>,
    /// Send from this address
    #[arg(long, value_name = "IP", help_heading = "Way")]
    pub(super) source: Option<IpAddr>,
    /// Send from this port
    #[arg(long, value_name = "N", help_heading = "Way")]
    pub(super) source_port: Option<u16>,
    /// Mark packets with this DSCP
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..64), help_heading = "Way")]
    pub(super) dscp: u8,
    /// IPv4 alone
    #[arg(short = '4', conflicts_with = "v6", help_heading = "Way")]
    pub(super) v4: bool,
    /// IPv6 alone
    #[arg(short = '6', help_heading = "Way")]
    pub(super) v6: bool,

    /// Log in as this account
    #[arg(long, value_name = "USER", help_heading = "Login")]
    pub(super) user: Option<String>,
    /// The password is the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["password_env", "token_file"], requires = "user", help_heading = "Login")]
    pub(super) password_file: Option<PathBuf>,
    /// The password is in this environment variable
    #[arg(
        long,
        value_name = "VAR",
        conflicts_with = "token_file",
        requires = "user",
        help_heading = "Login"
    )]
    pub(super) password_env: Option<String>,
    /// The OAuth access token is the first line of this file
    #[arg(long, value_name = "FILE", requires = "user", help_heading = "Login")]
    pub(super) token_file: Option<PathBuf>,
    /// Log in although the certificate does not validate
    #[arg(long, help_heading = "Login")]
    pub(super) auth_unverified: bool,
    /// Log in without TLS
    #[arg(long, help_heading = "Login")]
    pub(super) auth_plaintext: bool,
    /// Log in again although this account was rejected within the last 15 minutes
    #[arg(long, help_heading = "Login")]
    pub(super) auth_again: bool,

    /// Ask whether this recipient would be accepted (MAIL and RCPT, never DATA)
    #[arg(
        long,
        value_name = "ADDRESS",
        value_delimiter = ',',
        help_heading = "Mail"
    )]
    pub(super) to: Vec<String>,
    /// The sender of that question
    #[arg(long, value_name = "ADDRESS", help_heading = "Mail")]
    pub(super) from: Option<String>,
    /// Ask these blocklists about our address and the server's
    #[arg(
        long,
        value_name = "ZONE",
        value_delimiter = ',',
        help_heading = "Mail"
    )]
    pub(super) blocklist: Vec<String>,

    /// Run only these stages
    #[arg(
        long,
        value_name = "STAGE",
        value_delimiter = ',',
        value_parser = stage(),
        conflicts_with = "skip",
        help_heading = "Measure"
    )]
    pub(super) only: Vec<StageName>,
    /// Leave these stages out
    #[arg(
        long,
        value_name = "STAGE",
        value_delimiter = ',',
        value_parser = stage(),
        help_heading = "Measure"
    )]
    pub(super) skip: Vec<StageName>,
    /// End by then (a round, with --every; a group of 40 targets, with a longer --list)
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration, help_heading = "Measure")]
    pub(super) deadline: Duration,
    /// Packets a second for each target
    #[arg(long, value_name = "PPS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Measure")]
    pub(super) rate: u32,
    /// SYN-rate ladder, TLS ladder, size search and a long loss series for each service as well; says first how many packets
    #[arg(long, help_heading = "Measure")]
    pub(super) intensive: bool,
    /// Look for the settings that the domain publishes (its autoconfig document, its exchangers' domain, SRV, usual names), and compare
    #[arg(long, help_heading = "Measure")]
    pub(super) discover: bool,
    /// Measure how long a silent connection survives
    #[arg(long, help_heading = "Measure")]
    pub(super) idle: bool,

    /// Keep measuring, so often: a line for each change, a summary at the end
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with_all = ["tui", "idle"], help_heading = "Again and again")]
    pub(super) every: Option<Duration>,
    /// Stop after so long
    #[arg(long = "for", value_name = "TIME", value_parser = duration, requires = "every", help_heading = "Again and again")]
    pub(super) for_so_long: Option<Duration>,
    /// Write the state there after each round, for the textfile collector of a Prometheus node exporter
    #[arg(
        long,
        value_name = "FILE",
        requires = "every",
        help_heading = "Again and again"
    )]
    pub(super) metrics: Option<PathBuf>,

    /// Open the live view, on what is measured while it is measured
    #[arg(long, help_heading = "Live view")]
    pub(super) tui: bool,
    #[command(flatten)]
    pub(super) screen: Screen,
    #[command(flatten)]
    pub(super) reporting: Reporting,
}

/// A stage by its name.
fn stage() -> impl TypedValueParser<Value = StageName> {
    PossibleValuesParser::new(StageName::ALL.map(StageName::name)).try_map(|text| {
        let mut all = StageName::ALL.into_iter();
        all.find(|stage| stage.name() == text)
            .ok_or("no stage is called so")
    })
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

/// What is named on the command line and in the list.
pub(super) fn targets(arguments: &Arguments) -> Result<Vec<Target>, String> {
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

/// What the run is told.
pub(super) fn options(arguments: &Arguments) -> Result<Options, String> {
    let roots = match &arguments.reporting.roots {
        Some(path) => crate::cli::roots::read(path).map_err(|why| format!("--roots {why}"))?,
        None => Vec::new(),
    };
    if let Some(nobody) = arguments.resolver.iter().find(|ip| ip.is_unspecified()) {
        return Err(format!(
            "--resolver {nobody} is no host's address; this host is 127.0.0.1"
        ));
    }
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
        only: arguments.only.clone(),
        skip: arguments.skip.clone(),
        deadline: arguments.deadline,
        rate: arguments.rate,
        intensive: arguments.intensive,
        discover: arguments.discover,
        login: super::login::login(arguments)?,
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
