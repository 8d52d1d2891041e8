//! `mxray probe` against real servers: what works must be `ok`, and the main faults get their codes, over IPv4 and IPv6.

use std::any::Any;
use std::fs;
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
}

const ALL: Wanted = Wanted {
    servers: "dovecot postfix",
    rules: "",
    certificate: CertificateKind::Valid,
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
