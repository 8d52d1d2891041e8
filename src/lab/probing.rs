//! `mxray probe` inside the lab: the fault is measured actively, as a user of the command would.
//!
//! Every probe of a scenario gets a network of its own, so that a device that remembers (a rate, a flow) remembers
//! nothing of the client or of another probe. The probe is a process of its own in the client's namespace: what is
//! judged is the report that it prints, and its packets are recorded. It is handed the lab's resolver and the lab's
//! root, unless its options name others. Nothing is judged here.

use std::any::Any;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::embedded::{Embedded, by_role};
use super::error::LabError;
use super::program::{Ended, Handed, Program};
use super::record::Recording;
use super::run::{Actors, run_with};
use super::scenario::{ProbeSpec, Scenario};
use super::server::Stop;
use super::server::spec::ServiceKind;

/// A report's largest size in bytes.
const REPORT: u64 = 64 << 20;

/// What a probe has left behind.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Its arguments, as on a command line.
    pub command: String,
    /// The report (`mxray/report/v1`).
    pub report: Value,
    /// Its exit code.
    pub exit: i32,
    /// What it said on standard error.
    pub complaints: String,
    /// What it sent and got.
    pub recording: Recording,
    /// How long the whole took.
    pub took: Duration,
}

/// Runs every probe of a scenario side by side; `mxray` is the program. In the order of the scenario.
pub fn probe(scenario: &Scenario, mxray: &Path) -> Vec<Result<Probed, LabError>> {
    thread::scope(|scope| {
        let started: Vec<_> = scenario
            .probe
            .iter()
            .map(|spec| scope.spawn(move || probe_once(scenario, spec, mxray)))
            .collect();
        started
            .into_iter()
            .map(|one| one.join().map_err(|_| LabError::Thread("a probe"))?)
            .collect()
    })
}

/// Runs one probe in a network of its own.
pub fn probe_once(scenario: &Scenario, spec: &ProbeSpec, mxray: &Path) -> Result<Probed, LabError> {
    let prober = Prober {
        servers: Embedded::default(),
        spec,
        mxray,
        ended: Mutex::new(None),
    };
    let run = run_with(scenario, &prober)?;
    let kept = prober.ended.into_inner();
    let ended = kept.unwrap_or_else(PoisonError::into_inner);
    let (command, ended) = ended.ok_or(LabError::Thread("a probe"))?;
    let complaints = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    let exit = match ended.status {
        None => {
            return Err(LabError::Actor(format!(
                "`{command}` took longer than {} s and was ended. {complaints}",
                spec.patience_s
            )));
        }
        Some(status) => status.code().unwrap_or(-1),
    };
    let report = serde_json::from_slice(&ended.stdout).map_err(|error| {
        LabError::Actor(format!(
            "`{command}` ended with {exit} and printed no report ({error}). {complaints}"
        ))
    })?;
    Ok(Probed {
        command,
        report,
        exit,
        complaints,
        recording: run.recording,
        took: run.took,
    })
}

/// The embedded servers at the far end, the probe at the near one.
struct Prober<'a> {
    servers: Embedded,
    spec: &'a ProbeSpec,
    mxray: &'a Path,
    ended: Mutex<Option<(String, Ended)>>,
}

impl Prober<'_> {
    /// The files that it is handed, each with the option that names it.
    fn files(&self, roots: &str) -> Result<(Vec<&'static str>, Vec<Handed>), LabError> {
        let given = |option: &str| self.spec.options.iter().any(|one| one == option);
        let trusts = !self.spec.distrusts && !given("--roots");
        let all = [
            ("--roots", trusts.then_some(roots)),
            ("--password-file", self.spec.password.as_deref()),
            ("--token-file", self.spec.token.as_deref()),
        ];
        let mut options = Vec::new();
        let mut files = Vec::new();
        for (option, content) in all {
            if let Some(content) = content {
                options.push(option);
                let file = Handed::new(content.as_bytes());
                files.push(file.map_err(LabError::when("hand a file to a probe"))?);
            }
        }
        Ok((options, files))
    }

    fn arguments(&self, scenario: &Scenario) -> Vec<String> {
        let given = |option: &str| self.spec.options.iter().any(|one| one == option);
        let mut arguments: Vec<String> = ["probe", "--format", "json"].map(str::to_owned).into();
        let answers = |resolver: &&IpAddr| {
            scenario.server.services.iter().any(|service| {
                service.kind == ServiceKind::Dns
                    && (service.addresses.is_empty() || service.addresses.contains(resolver))
            })
        };
        let (resolvers, _) = by_role(&scenario.path.server);
        if let Some(resolver) = resolvers.iter().find(answers)
            && !given("--resolver")
        {
            arguments.extend(["--resolver".to_owned(), IpAddr::to_string(resolver)]);
        }
        arguments.extend(self.spec.options.iter().cloned());
        arguments.push(self.spec.target.clone());
        arguments
    }
}

impl Actors for Prober<'_> {
    fn serve(&self, scenario: &Scenario) -> Result<Box<dyn Any>, LabError> {
        self.servers.serve(scenario)
    }

    fn act(&self, scenario: &Scenario) -> Result<Vec<Vec<String>>, LabError> {
        let pki = self.servers.pki(scenario)?;
        let mut roots = pki.roots_pem.clone();
        if self.spec.trusts_inspection {
            roots.push_str(&pki.inspection_pem);
        }
        let (options, handed) = self.files(&roots)?;
        let mut arguments = self.arguments(scenario);
        for (option, file) in options.into_iter().zip(&handed) {
            arguments.extend([option.to_owned(), file.path()]);
        }
        let program = Program {
            file: OsStr::new(self.mxray),
            arguments: arguments.iter().map(Into::into).collect(),
            input: &[],
            handed: &handed,
            own_tmp: false,
            patience: Duration::from_secs(self.spec.patience_s.into()),
            keep: REPORT,
        };
        let stop = Stop::new().map_err(LabError::when("make an eventfd"))?;
        let ended = program
            .run(&stop)
            .map_err(LabError::when("start a probe"))?;
        let command = format!("mxray {}", arguments.join(" "));
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some((command, ended));
        Ok(Vec::new())
    }
}
