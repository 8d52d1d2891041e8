//! The embedded servers and clients as actors of a run.
//!
//! They make their certificates at the start, for the machine's own time.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::OnceLock;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use super::client::{self, ClientOutcome, Network};
use super::error::LabError;
use super::run::Actors;
use super::scenario::Scenario;
use super::server::{Ground, Pki, Servers, Stop};

/// Embedded actors of one run.
#[derive(Default)]
pub struct Embedded {
    pki: OnceLock<Result<Pki, String>>,
}

impl Embedded {
    /// The certificates of this run, made when they are first asked for.
    pub(super) fn pki(&self, scenario: &Scenario) -> Result<&Pki, LabError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        let made = self
            .pki
            .get_or_init(|| Servers::certificates(&scenario.server, now));
        made.as_ref().map_err(|why| LabError::Actor(why.clone()))
    }
}

/// The resolvers: host 53 of the server's networks. The mail server: its first address of each family.
pub(super) fn by_role(addresses: &[IpAddr]) -> (Vec<IpAddr>, Vec<IpAddr>) {
    let is_resolver = |address: &&IpAddr| match address {
        IpAddr::V4(v4) => v4.octets()[3] == 53,
        IpAddr::V6(v6) => v6.segments()[7] == 0x53,
    };
    let resolvers = addresses.iter().filter(is_resolver).copied().collect();
    let first = |v4: bool| addresses.iter().find(|a| a.is_ipv4() == v4).copied();
    (
        resolvers,
        first(true).into_iter().chain(first(false)).collect(),
    )
}

impl Actors for Embedded {
    fn serve(&self, scenario: &Scenario) -> Result<Box<dyn std::any::Any>, LabError> {
        let ground = Ground {
            addresses: scenario.path.server.clone(),
            any_port: false,
        };
        let servers = Servers::start(&scenario.server, &ground, self.pki(scenario)?)
            .map_err(LabError::Actor)?;
        Ok(Box::new(servers))
    }

    fn roots(&self, scenario: &Scenario) -> Result<String, LabError> {
        Ok(self.pki(scenario)?.roots_pem.clone())
    }

    fn act(&self, scenario: &Scenario) -> Result<Vec<Vec<String>>, LabError> {
        let (resolvers, servers) = by_role(&scenario.path.server);
        let network = Network {
            servers,
            resolvers: resolvers
                .into_iter()
                .map(|ip| SocketAddr::new(ip, 53))
                .collect(),
            pki: self.pki(scenario)?,
            stop: Arc::new(Stop::new().map_err(LabError::when("make an eventfd"))?),
            seed: scenario.seed,
        };
        if !scenario.together {
            return Ok(scenario
                .client
                .iter()
                .map(|spec| words(&client::run(spec, &network)))
                .collect());
        }
        thread::scope(|scope| {
            let network = &network;
            let started: Vec<_> = scenario
                .client
                .iter()
                .map(|spec| scope.spawn(move || words(&client::run(spec, network))))
                .collect();
            started
                .into_iter()
                .map(|one| one.join().map_err(|_| LabError::Thread("a client")))
                .collect()
        })
    }
}

/// What a client has to say: its trouble in one line, or that all went well.
fn words(outcome: &ClientOutcome) -> Vec<String> {
    let mut said = vec![outcome.trouble().unwrap_or_else(|| "done".to_owned())];
    for session in &outcome.sessions {
        said.extend(
            session
                .tried
                .iter()
                .map(|(address, why)| format!("{address}: {why}")),
        );
    }
    said
}
