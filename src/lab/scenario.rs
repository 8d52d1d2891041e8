//! A scenario: a network, what is broken in it, who talks to whom, and what is true about it.
//!
//! Scenarios are data, `captures/CODE/NAME.toml`. Unknown keys are errors that name file and line, so
//! that a slip of the pen is never a fault that silently was not made. Nothing here acts.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;

use super::client::ClientSpec;
use super::error::LabError;
use super::path::PathSpec;
use super::path::fault::{Action, FaultSpec};
use super::record::RecordSpec;
use super::server::ServerSpec;
use super::truth::{Place, Truth};

/// The largest scenario file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence: what is broken, as one would tell a colleague.
    pub summary: String,
    /// Decides all chances on the path.
    #[serde(default)]
    pub seed: u64,
    /// Codes that this capture looks like and must not get.
    #[serde(default)]
    pub near_miss_of: Vec<String>,
    /// Seconds that it takes, where its rule is a time: such scenarios are started first.
    #[serde(default)]
    pub takes_s: u32,
    /// The network between the ends.
    #[serde(default)]
    pub path: PathSpec,
    /// What is broken on it.
    #[serde(default)]
    pub fault: Vec<FaultSpec>,
    /// Kernel parameters of the ends.
    #[serde(default)]
    pub kernel: Kernel,
    /// The servers.
    #[serde(default)]
    pub server: ServerSpec,
    /// The clients, one after the other.
    #[serde(default)]
    pub client: Vec<ClientSpec>,
    /// All clients start at once.
    #[serde(default)]
    pub together: bool,
    /// Milliseconds that the path is kept up after the last client is done.
    #[serde(default)]
    pub linger_ms: u32,
    /// How the capture is made.
    #[serde(default)]
    pub record: RecordSpec,
    /// What a probe is pointed at, where one makes sense.
    #[serde(default)]
    pub probe: Vec<ProbeSpec>,
    /// What is true.
    pub truth: Truth,
}

/// Kernel parameters (`net.…`) by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kernel {
    /// Of the client.
    pub client: BTreeMap<String, Setting>,
    /// Of the server.
    pub server: BTreeMap<String, Setting>,
}

/// A kernel parameter's value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// A number.
    Number(i64),
    /// Several numbers, separated by spaces.
    Text(String),
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Setting::Number(number) => write!(f, "{number}"),
            Setting::Text(text) => f.write_str(text),
        }
    }
}

/// One probe: what it is pointed at, and what is true of its report.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeSpec {
    /// The target, as on the command line.
    pub target: String,
    /// Options, as on the command line. Without `--resolver` it is handed the lab's, without `--roots` the lab's root.
    #[serde(default)]
    pub options: Vec<String>,
    /// The password of `--user`, handed to it in a file.
    pub password: Option<String>,
    /// The OAuth token of `--user`, handed to it in a file.
    pub token: Option<String>,
    /// The root cause that it finds, `ok` for none; absent: those of the truth. Place and words are its, or those of the first of
    /// `findings` where there is none.
    pub code: Option<String>,
    /// Codes that are right in its stead.
    #[serde(default)]
    pub or: Vec<String>,
    /// Root causes that may stand beside it.
    #[serde(default)]
    pub also: Vec<String>,
    /// Whose doing it is.
    #[serde(rename = "where")]
    pub place: Option<Place>,
    /// The culprit's hop that it finds.
    pub hop: Option<u32>,
    /// The last hop that still got through.
    pub after_hop: Option<u32>,
    /// The culprit's address that it finds, or the last hop's.
    pub address: Option<IpAddr>,
    /// Codes that must stand somewhere: as a verdict or finding of a target, a look-up or the report.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Words that have to stand in a note of the report (`sources[].notes`).
    #[serde(default)]
    pub notes: Vec<String>,
    /// Words that the text of the root cause has.
    #[serde(default)]
    pub says: Vec<String>,
    /// Words that it has not.
    #[serde(default)]
    pub unsaid: Vec<String>,
    /// Codes that must stand nowhere.
    #[serde(default)]
    pub never: Vec<String>,
    /// It trusts the root of the device that breaks TLS open, as a company's machines do.
    #[serde(default)]
    pub trusts_inspection: bool,
    /// It is not handed the lab's root.
    #[serde(default)]
    pub distrusts: bool,
    /// Seconds after which it is ended, which is an error.
    #[serde(default = "default_patience")]
    pub patience_s: u32,
    /// How often it may be run until it finds the fault: more than once only where what it sends meets the fault by chance (a
    /// hash of its source ports chooses the branch). A run that says something wrong is wrong all the same.
    #[serde(default = "default_tries")]
    pub tries: u32,
}

fn default_patience() -> u32 {
    60
}

fn default_tries() -> u32 {
    1
}

impl Scenario {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Scenario, LabError> {
        let file = |source| LabError::File {
            path: path.to_owned(),
            source,
        };
        if fs::metadata(path).map_err(file)?.len() > LARGEST {
            return Err(LabError::Syntax {
                path: path.to_owned(),
                text: "larger than a scenario can be (1 MiB)".to_owned(),
            });
        }
        let text = fs::read_to_string(path).map_err(file)?;
        Scenario::parse(&text).map_err(|error| match error {
            LabError::Nonsense(text) => LabError::Syntax {
                path: path.to_owned(),
                text,
            },
            other => other,
        })
    }

    /// Reads a scenario's text. An error says line and column.
    pub fn parse(text: &str) -> Result<Scenario, LabError> {
        let scenario: Scenario = toml::from_str(text)
            .map_err(|error| LabError::Nonsense(error.to_string().trim_end().to_owned()))?;
        scenario.check().map_err(LabError::Nonsense)?;
        Ok(scenario)
    }

    /// Programs that its clients are and that are not in PATH.
    pub fn lacking(&self) -> Vec<String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<_> = std::env::split_paths(&path).collect();
        let external = self.client.iter().filter_map(|one| one.external.as_ref());
        let mut names: Vec<String> = external.map(|one| one.program.clone()).collect();
        names.sort();
        names.dedup();
        names.retain(|name| !folders.iter().any(|folder| folder.join(name).is_file()));
        names
    }

    /// What makes it impossible, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        self.path.check()?;
        let hops = self.path.hop.len();
        for fault in &self.fault {
            if fault.hop == 0 || fault.hop > hops {
                return Err(format!(
                    "a fault is at hop {}, and the path has hops 1 to {hops}",
                    fault.hop
                ));
            }
            if let Action::Loop { with } = fault.action
                && (with == 0 || with > hops || with.abs_diff(fault.hop) != 1)
            {
                return Err(format!(
                    "hop {} cannot send packets in a circle with hop {with}: they are no neighbours",
                    fault.hop
                ));
            }
            if fault.ingress && matches!(fault.action, Action::Loop { .. } | Action::Delay { .. }) {
                return Err("what stands before a router can neither delay nor bounce".to_owned());
            }
            if let Some(hex) = &fault.matching.bytes
                && super::server::tls::from_hex(hex).is_empty()
            {
                return Err(format!("{hex} names no bytes: two hexadecimal digits each"));
            }
            if let Some(name) = &fault.matching.dns_type
                && super::server::dns_message::type_by_name(name).is_none()
            {
                return Err(format!("{name} is no record type that a fault can match"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Scenario;

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let error = Scenario::parse(
            "summary = \"x\"\n[[fault]]\nhop = 1\nmatch = { prot = 25 }\naction = \"drop\"\n[truth]\n",
        );
        let text = error.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(text.contains("line 4") && text.contains("prot"), "{text}");
    }

    #[test]
    fn a_fault_beyond_the_path_is_an_error() {
        let error =
            Scenario::parse("summary = \"x\"\n[[fault]]\nhop = 4\naction = \"drop\"\n[truth]\n");
        assert!(error.err().is_some_and(|e| e.to_string().contains("hop 4")));
    }

    #[test]
    fn actions_are_written_as_one_word_or_a_table() {
        let text = "summary = \"x\"\n[[fault]]\nhop = 2\nmatch = { port = [25, 587], toward = \"server\", flags = \"S!A\" }\n\
                    action.reset = { ttl = 255, window = { fixed = 100 } }\n[[path.hop]]\n[[path.hop]]\nlink = { loss = { random = 0.1 } }\n[truth]\n";
        assert!(
            Scenario::parse(text).is_ok(),
            "{:?}",
            Scenario::parse(text).err()
        );
    }
}
