//! `mxray probe` against real servers: what works must be `ok`, and the main faults get their codes, over IPv4 and IPv6.

use std::any::Any;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use mxray::lab::server::spec::CertificateKind;
use mxray::lab::{Actors, LabError, Scenario, run_with};
use serde_json::Value;

use super::ground::{Folder, Ground, Wanted};

/// One probe.
pub struct Probe {
    /// What it is called.
    pub name: &'static str,
    at: Wanted,
    /// Its arguments beside the trust anchors.
    arguments: &'static str,
    /// The code of the only root cause; `ok`: there is none, and something was healthy.
    code: &'static str,
    /// Who is there before it, and what they say after the greeting; they stay until the probe is over.
    before: Option<(&'static str, &'static str)>,
}

const ALL: Wanted = Wanted {
    servers: "dovecot postfix",
    rules: "",
    certificate: CertificateKind::Valid,
    dovecot: "",
};

const fn probe(
    name: &'static str,
    at: Wanted,
    arguments: &'static str,
    code: &'static str,
) -> Probe {
    Probe {
        name,
        at,
        arguments,
        code,
        before: None,
    }
}

const fn behind_another((address, says): (&'static str, &'static str), probe: Probe) -> Probe {
    Probe {
        before: Some((address, says)),
        ..probe
    }
}

const fn dovecot_with(settings: &'static str) -> Wanted {
    Wanted {
        dovecot: settings,
        ..ALL
    }
}

const fn behind(rules: &'static str) -> Wanted {
    Wanted { rules, ..ALL }
}

const DROPPED: Wanted = behind(
    "table inet t { chain in { type filter hook input priority 0; tcp dport { 143, 993 } drop; }; }",
);
const REJECTED: Wanted = behind(
    "table inet t { chain in { type filter hook input priority 0; tcp dport 993 reject with icmpx admin-prohibited; }; }",
);

/// All of them.
pub const PROBES: &[Probe] = &[
    probe("probe_of_postfix", ALL, "smtp://192.0.2.10", "ok"),
    probe(
        "probe_of_postfix_over_ipv6",
        ALL,
        "smtp://[2001:db8:5::10]",
        "ok",
    ),
    probe(
        "probe_of_postfix_submissions",
        ALL,
        "submissions://192.0.2.10",
        "ok",
    ),
    probe(
        "probe_of_postfix_submission_over_ipv6",
        ALL,
        "submission://[2001:db8:5::10]",
        "ok",
    ),
    probe("probe_of_dovecot_imaps", ALL, "imaps://192.0.2.10", "ok"),
    probe(
        "probe_of_dovecot_pop3s_over_ipv6",
        ALL,
        "pop3s://[2001:db8:5::10]",
        "ok",
    ),
    probe("probe_of_dovecot_sieve", ALL, "sieve://192.0.2.10", "ok"),
    probe(
        "probe_of_an_expired_certificate",
        Wanted {
            certificate: CertificateKind::Expired,
            ..ALL
        },
        "imaps://192.0.2.10",
        "tls.cert-expired",
    ),
    probe(
        "probe_of_a_port_that_nft_drops",
        DROPPED,
        "imaps://192.0.2.10",
        "tcp.dropped",
    ),
    probe(
        "probe_of_a_port_that_nft_drops_over_ipv6",
        DROPPED,
        "imaps://[2001:db8:5::10]",
        "tcp.dropped",
    ),
    probe(
        "probe_of_a_port_that_nft_rejects",
        REJECTED,
        "imaps://192.0.2.10",
        "tcp.prohibited",
    ),
    probe(
        "probe_of_a_port_that_nft_rejects_over_ipv6",
        REJECTED,
        "imaps://[2001:db8:5::10]",
        "tcp.prohibited",
    ),
    probe(
        "probe_of_a_wrong_password",
        ALL,
        "--auth-unverified --user user@example.net --password-env PROBE_PASSWORD imaps://192.0.2.10",
        "auth.credentials-rejected",
    ),
    probe(
        "probe_of_a_wrong_password_at_submissions",
        ALL,
        "--auth-unverified --user user@example.net --password-env PROBE_PASSWORD submissions://[2001:db8:5::10]",
        "auth.credentials-rejected",
    ),
    probe(
        "probe_of_a_closed_port",
        ALL,
        "smtp://192.0.2.10:2525",
        "settings.wrong-port",
    ),
    probe(
        "probe_logs_in",
        ALL,
        "--auth-unverified --user full@example.net --password-env PROBE_PASSWORD imaps://192.0.2.10",
        "ok",
    ),
    // What a server or its operator does on purpose is no missing TLS and no broken server.
    probe(
        "probe_of_a_greylisting_server",
        ALL,
        "--to user@example.net smtp://192.0.2.10:27",
        "mail.greylisted",
    ),
    behind_another(
        ("192.0.2.10:28", ""),
        probe(
            "probe_beyond_the_connections_that_postfix_allows",
            ALL,
            "smtp://192.0.2.10:28",
            "mail.too-many-connections",
        ),
    ),
    behind_another(
        (
            "192.0.2.10:143",
            "a LOGIN full@example.net no-such-password-0f3a\r\n",
        ),
        probe(
            "probe_beyond_the_connections_that_dovecot_allows",
            dovecot_with("mail_max_userip_connections = 1"),
            "--auth-unverified --user full@example.net --password-env PROBE_PASSWORD imaps://192.0.2.10",
            "mail.too-many-connections",
        ),
    ),
    probe(
        "probe_of_a_tarpit",
        ALL,
        "smtp://192.0.2.10:29",
        "mail.greeting-slow",
    ),
    probe(
        "probe_of_postscreen",
        ALL,
        "smtp://[2001:db8:5::10]:24",
        "mail.greeting-slow",
    ),
    // TLS that not every client has.
    probe(
        "probe_of_a_server_that_takes_secp521r1_alone",
        ALL,
        "submissions://192.0.2.10:466",
        "ok",
    ),
    probe(
        "probe_of_a_server_that_takes_ffdhe2048_alone",
        dovecot_with("ssl_curve_list = ffdhe2048"),
        "imaps://[2001:db8:5::10]",
        "ok",
    ),
    probe(
        "probe_of_a_server_that_speaks_tls_1_0_alone",
        ALL,
        "submissions://192.0.2.10:467",
        "tls.version",
    ),
    probe(
        "probe_of_a_server_that_speaks_tls_1_0_alone_after_starttls",
        ALL,
        "submission://192.0.2.10:588",
        "tls.version",
    ),
    probe(
        "probe_of_a_server_that_takes_finite_fields_of_tls_1_2_alone",
        ALL,
        "submissions://192.0.2.10:468",
        "tls.cipher",
    ),
    probe(
        "probe_asks_unbound",
        Wanted {
            servers: "unbound",
            ..ALL
        },
        "--only dns --resolver 192.0.2.53 smtp://mail.example.net",
        "ok",
    ),
];

/// A password that is right nowhere, and whose bytes stand nowhere by chance.
const PASSWORD: &str = "no-such-password-0f3a";

/// Whether it stands there, as it is or as SASL writes it (PLAIN, LOGIN).
fn leaks(bytes: &[u8]) -> bool {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let needles = [
        PASSWORD.to_owned(),
        encode(PASSWORD),
        encode(&format!("\0user@example.net\0{PASSWORD}")),
    ];
    needles.iter().any(|needle| {
        bytes
            .windows(needle.len())
            .any(|part| part == needle.as_bytes())
    })
}

struct Ends<'a> {
    probe: &'a Probe,
    folder: Folder,
    report: Mutex<Option<Value>>,
}

impl Actors for Ends<'_> {
    fn serve(&self, _: &Scenario) -> Result<Box<dyn Any>, LabError> {
        Ok(Box::new(Ground::start(&self.probe.at, self.folder.path())?))
    }

    fn act(&self, _: &Scenario) -> Result<Vec<Vec<String>>, LabError> {
        let _others = self.probe.before.map(stays).transpose()?;
        let kept = self.folder.path().join("kept.pcapng");
        let done = Command::new(env!("CARGO_BIN_EXE_mxray"))
            .args(["probe", "--format", "json", "--roots"])
            .arg(self.folder.path().join("roots.pem"))
            .arg("-w")
            .arg(&kept)
            .args(self.probe.arguments.split_whitespace())
            .env("HOME", self.folder.path())
            .env("PROBE_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| LabError::Actor(format!("mxray probe: {error}")))?;
        let packets = fs::read(&kept)
            .map_err(|error| LabError::Actor(format!("its packets were not kept: {error}")))?;
        for (what, bytes) in [
            ("report", &done.stdout),
            ("messages", &done.stderr),
            ("packets", &packets),
        ] {
            if leaks(bytes) {
                return Err(LabError::Actor(format!("the password is in its {what}")));
            }
        }
        if let Ok(mut report) = self.report.lock() {
            *report = serde_json::from_slice(&done.stdout).ok();
        }
        let said = String::from_utf8_lossy(&done.stderr);
        Ok(vec![said.lines().map(str::to_owned).collect()])
    }
}

/// Connects, hears the greeting, says its line, hears the answer, and stays as long as the value lives.
fn stays((address, says): (&str, &str)) -> Result<TcpStream, LabError> {
    let speak = || -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        lines.next().transpose()?;
        if !says.is_empty() {
            (&stream).write_all(says.as_bytes())?;
            lines.next().transpose()?;
        }
        Ok(stream)
    };
    speak().map_err(|error| LabError::Actor(format!("{address}: {error}")))
}

/// Runs one and holds it against its truth.
pub fn try_probe(probe: &Probe) -> Result<Result<(), String>, LabError> {
    let scenario = Scenario::parse(&format!("summary = \"{}\"\n[truth]\n", probe.name))?;
    let ends = Ends {
        probe,
        folder: Folder::new(&probe.at)?,
        report: Mutex::new(None),
    };
    let run = run_with(&scenario, &ends)?;
    let report = ends.report.lock().ok().and_then(|mut report| report.take());
    let Some(report) = report else {
        return Ok(Err(format!("no report; it said {:?}", run.clients)));
    };
    let summary = &report["summary"];
    let causes: Vec<&str> = summary["root_causes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|cause| cause["code"].as_str())
        .collect();
    let holds = match probe.code {
        "ok" => {
            causes.is_empty() && summary["healthy"].as_u64() > Some(0) && summary["incomplete"] == 0
        }
        code => causes == [code],
    };
    Ok(match holds {
        true => Ok(()),
        false => Err(format!("not {}: {summary}", probe.code)),
    })
}
