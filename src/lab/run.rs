//! One run of a scenario: three threads, two namespaces, and a recording at the end.
//!
//! The server's and the client's thread make a namespace each and hand over their TAP device; the third
//! drives the path. All end when the clients are done and the path is empty, or when one of them fails.
//! Nothing is waited for by sleeping.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::embedded::Embedded;
use super::error::{LabError, Reason};
use super::net::{EndSpec, Tap, enter_network, sysctl};
use super::path::{Driver, Path, PathSpec};
use super::record::{Recorder, Recording};
use super::scenario::{Scenario, Setting};

/// What a run has left behind.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was recorded.
    pub recording: Recording,
    /// What each client said about what it met, in the order of the scenario.
    pub clients: Vec<Vec<String>>,
    /// How long it took.
    pub took: Duration,
}

/// Who acts at the two ends. The embedded servers and clients do unless a test brings real ones.
pub trait Actors: Sync {
    /// Starts the servers on the calling thread's network and returns when they listen. They end when
    /// what is returned is dropped.
    fn serve(&self, scenario: &Scenario) -> Result<Box<dyn std::any::Any>, LabError>;

    /// Lets the clients act on the calling thread's network, and returns what each of them has to say.
    fn act(&self, scenario: &Scenario) -> Result<Vec<Vec<String>>, LabError>;

    /// The trust anchors of the servers' certificates, as PEM; empty when they have none of their own.
    fn roots(&self, _: &Scenario) -> Result<String, LabError> {
        Ok(String::new())
    }
}

/// Runs a scenario with the embedded servers and clients.
///
/// # Errors
/// Also when a client is a program that is not installed.
pub fn run(scenario: &Scenario) -> Result<Run, LabError> {
    let lacking = scenario.lacking();
    if !lacking.is_empty() {
        let names = lacking.join(" ");
        return Err(Reason(format!(
            "this scenario's client is {names}, which is not installed: apt-get install {names}"
        ))
        .into());
    }
    run_with(scenario, &Embedded::default())
}

/// Runs a scenario with other actors than the embedded ones.
pub fn run_with(scenario: &Scenario, actors: &dyn Actors) -> Result<Run, LabError> {
    let start = Instant::now();
    let (mut recording, clients) = thread::scope(|scope| {
        let (server_tap, server_taps) = sync_channel(1);
        let (client_tap, client_taps) = sync_channel(1);
        let (ready, server_ready) = sync_channel(1);
        let (go_server, server_go) = sync_channel::<()>(1);
        let (go_client, client_go) = sync_channel::<()>(1);
        let (end_server, server_end) = sync_channel::<()>(1);
        let (end_client, client_end) = sync_channel::<()>(1);
        let (done, client_done) = sync_channel(1);

        let server = scope.spawn(move || {
            if !settle(
                &server_tap,
                server_end_spec(&scenario.path),
                &scenario.kernel.server,
            ) || server_go.recv().is_err()
            {
                return;
            }
            let running = actors.serve(scenario);
            let (result, guard) = match running {
                Ok(guard) => (Ok(()), Some(guard)),
                Err(error) => (Err(error), None),
            };
            let _ = ready.send(result);
            let _ = server_end.recv();
            drop(guard);
        });
        let client = scope.spawn(move || {
            if !settle(
                &client_tap,
                client_end_spec(&scenario.path),
                &scenario.kernel.client,
            ) || client_go.recv().is_err()
            {
                return;
            }
            let _ = done.send(actors.act(scenario));
            // The namespace must live on until the path has seen the last packet.
            let _ = client_end.recv();
        });

        let result = (|| {
            let client_tap = received(&client_taps, "the client's end")??;
            let server_tap = received(&server_taps, "the server's end")??;
            let path = Path::new(&scenario.path, &scenario.fault, scenario.seed);
            let recorder = Recorder::new(scenario.record.clone());
            let linger = Duration::from_millis(u64::from(scenario.linger_ms));
            let (driver, stop) = Driver::new(
                path,
                &scenario.path,
                [client_tap, server_tap],
                recorder,
                linger,
            )?;
            let driving = scope.spawn(move || driver.run());
            let acted = (|| {
                let _ = go_server.send(());
                received(&server_ready, "the servers")??;
                let _ = go_client.send(());
                received(&client_done, "the clients")?
            })();
            stop.stop();
            let recording = driving.join().map_err(|_| LabError::Thread("the path"))??;
            Ok((recording, acted?))
        })();
        // Dropped channels let both ends go, also after an error.
        drop((end_server, end_client));
        let joined = server.join().is_ok() && client.join().is_ok();
        match result {
            Ok(_) if !joined => Err(LabError::Thread("an end")),
            other => other,
        }
    })?;
    if scenario.record.with_roots {
        recording.roots = actors.roots(scenario)?;
    }
    Ok(Run {
        recording,
        clients,
        took: start.elapsed(),
    })
}

/// Whether this machine lets us make the network, with the sentence that says what to do if not.
pub fn available() -> Result<(), Reason> {
    let tried = thread::spawn(|| -> Result<(), LabError> {
        enter_network()?;
        Tap::build(&client_end_spec(&PathSpec::default())).map(drop)
    });
    match tried.join() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(LabError::Unavailable(reason))) => Err(reason),
        Ok(Err(other)) => Err(Reason(format!(
            "{other}: run as root, or where user namespaces and /dev/net/tun are allowed"
        ))),
        Err(_) => Err(Reason(
            "a thread of the lab died while the network was tried".to_owned(),
        )),
    }
}

fn received<T>(channel: &Receiver<T>, who: &'static str) -> Result<T, LabError> {
    channel.recv().map_err(|_| LabError::Thread(who))
}

/// Makes the namespace and its interface; the device goes through the channel. `false` when it failed.
fn settle(
    channel: &SyncSender<Result<Tap, LabError>>,
    spec: EndSpec,
    kernel: &std::collections::BTreeMap<String, Setting>,
) -> bool {
    let built = enter_network().and_then(|()| {
        let tap = Tap::build(&spec)?;
        for (name, value) in kernel {
            sysctl(name, &value.to_string())?;
        }
        Ok(tap)
    });
    let whole = built.is_ok();
    channel.send(built).is_ok() && whole
}

fn client_end_spec(path: &PathSpec) -> EndSpec {
    EndSpec {
        ethernet: Driver::CLIENT,
        addresses: with_prefixes(&path.client),
        gateways: path.client_routes(),
        mtu: path.client_mtu,
    }
}

fn server_end_spec(path: &PathSpec) -> EndSpec {
    EndSpec {
        ethernet: Driver::SERVER,
        addresses: with_prefixes(&path.server),
        gateways: path.server_gateways(),
        mtu: path.server_mtu,
    }
}

fn with_prefixes(addresses: &[std::net::IpAddr]) -> Vec<(std::net::IpAddr, u8)> {
    addresses
        .iter()
        .map(|address| (*address, if address.is_ipv4() { 24 } else { 64 }))
        .collect()
}

#[cfg(test)]
mod tests;
