//! `mxray doctor`: what this machine lets mxray do, and how to get the rest.

use std::fmt::Write as _;
use std::io;

use clap::Args;
use pcap::Device;

use super::options::Color;
use super::{exit, output};
use crate::capture::live::{Live, LiveError, Options};
use crate::lab;
use crate::present::wrap;
use crate::probe::{BLIND, GRANT, PING_GRANT, PINGLESS, may_ping};

/// Say what this machine lets mxray do, and how to get the rest
#[derive(Debug, Args)]
pub struct Arguments {
    /// Use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

/// Opens all interfaces at once and closes them again: what `watch` would be told. Gives their names.
fn live() -> Result<String, LiveError> {
    let options = Options {
        interfaces: vec!["any".to_owned()],
        buffer: 1 << 20,
        ..Options::default()
    };
    Live::open(&options)?;
    let names: Vec<String> = Device::list()
        .unwrap_or_default()
        .into_iter()
        .filter(|device| device.flags.is_up() && device.name != "any")
        .map(|device| device.name)
        .collect();
    Ok(match names.is_empty() {
        true => "interfaces, none of which is up now".to_owned(),
        false => names.join(", "),
    })
}

/// Runs the command. It reports; it does not fail because something is missing.
pub fn run(arguments: &Arguments) -> u8 {
    let (paint, width) = output::manner(arguments.color, false);
    let mut text = String::new();
    let mut say = |works: bool, what: &str, how: &str| {
        let (outcome, mark) = if works {
            ("healthy", "✓")
        } else {
            ("failed", "✗")
        };
        let _ = writeln!(
            text,
            "{} {}",
            paint.outcome(outcome, mark),
            paint.strong(what)
        );
        for line in wrap(how, width.saturating_sub(4)) {
            let _ = writeln!(text, "    {line}");
        }
    };
    say(
        true,
        "reading captures",
        "pcap and pcapng, plain or gzip, zstd, lz4; needs no privilege: mxray replay FILE",
    );
    match super::bpf::Filter::new("tcp port 25") {
        Ok(_) => say(true, "filters", "libpcap compiles what --filter takes"),
        Err(why) => say(
            false,
            "filters",
            &format!("libpcap does not compile --filter: {why}"),
        ),
    }
    match live() {
        Ok(interfaces) => {
            say(
                true,
                "live capture",
                &format!("this user may capture {interfaces}: mxray watch"),
            );
            say(
                true,
                "probing",
                "crafted packets, and every answer captured: mxray probe TARGET",
            );
        }
        Err(why) => {
            say(false, "live capture", &why.to_string());
            say(
                false,
                "probing",
                &format!(
                    "mxray probe TARGET works with ordinary sockets: names, ports, which hop drops, resets or rejects a SYN (TTL walks \
                     by IP_RECVERR), sessions, certificates, logins. Not known without more: {}. `{GRANT}` grants it",
                    BLIND.join("; ")
                ),
            );
            if !may_ping() {
                say(
                    false,
                    "pings",
                    &format!("Not known without them: {PINGLESS}. `{PING_GRANT}` grants it"),
                );
            }
        }
    }
    // The last thing that is asked: who is not root becomes root of a user namespace by asking.
    match lab::claim().and_then(|()| lab::available()) {
        Ok(()) => say(
            true,
            "the lab",
            "networks in namespaces of their own: mxray lab list",
        ),
        Err(reason) => say(false, "the lab", &reason.to_string()),
    }
    output::print(text.as_bytes(), exit::FINE, &mut io::stdout())
}
