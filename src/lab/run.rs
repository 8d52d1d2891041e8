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
}

/// Runs a scenario with the embedded servers and clients.
pub fn run(scenario: &Scenario) -> Result<Run, LabError> {
    run_with(scenario, &Embedded::default())
}

/// Runs a scenario with other actors than the embedded ones.
pub fn run_with(scenario: &Scenario, actors: &dyn Actors) -> Result<Run, LabError> {
    let start = Instant::now();
    let (recording, clients) = thread::scope(|scope| {
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
        gateways: path.client_gateways(),
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
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::{Actors, LabError, Run, available, run_with};
    use crate::lab::path::packet::{Packet, flag};
    use crate::lab::{Scenario, claim};

    /// A server that greets on ports 25 and 2525, and a client that connects to port 25 and reads.
    struct Plain {
        to: IpAddr,
    }

    impl Actors for Plain {
        fn serve(&self, _: &Scenario) -> Result<Box<dyn std::any::Any>, LabError> {
            let listen =
                |address: &str| TcpListener::bind(address).map_err(LabError::when("listen"));
            for listener in [listen("[::]:25")?, listen("[::]:2525")?] {
                std::thread::spawn(move || {
                    while let Ok((mut stream, _)) = listener.accept() {
                        let _ = stream.write_all(b"220 mail.example.net ESMTP\r\n");
                        let mut rest = [0u8; 4096];
                        while stream.read(&mut rest).is_ok_and(|n| n > 0) {}
                    }
                });
            }
            Ok(Box::new(()))
        }

        fn act(&self, _: &Scenario) -> Result<Vec<Vec<String>>, LabError> {
            let tried =
                TcpStream::connect_timeout(&SocketAddr::new(self.to, 25), Duration::from_secs(4))
                    .and_then(|mut stream| {
                        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
                        let mut line = [0u8; 28];
                        stream.read_exact(&mut line)?;
                        stream.write_all(&[b'x'; 5000])?;
                        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
                    });
            Ok(vec![vec![
                tried.unwrap_or_else(|error| error.kind().to_string()),
            ]])
        }
    }

    /// `None`, said aloud, where the machine allows no lab.
    fn run(to: &str, text: &str) -> Option<Run> {
        if claim().is_err() || available().is_err() {
            assert!(
                std::env::var_os("MXRAY_LAB").is_none_or(|v| v != "required"),
                "the lab is required here"
            );
            eprintln!("SKIPPED: no lab on this machine");
            return None;
        }
        let scenario =
            Scenario::parse(&format!("summary = \"test\"\n{text}\n[truth]\n")).expect("a scenario");
        let to = to.parse().expect("an address");
        let run = run_with(&scenario, &Plain { to }).expect("a run");
        if let Some(folder) = std::env::var_os("MXRAY_LAB_KEEP") {
            let name = std::thread::current()
                .name()
                .unwrap_or("run")
                .replace(':', "_");
            std::fs::write(
                std::path::Path::new(&folder).join(format!("{name}.pcapng")),
                run.recording.pcapng().expect("a file"),
            )
            .expect("written");
        }
        Some(run)
    }

    fn packets(run: &Run) -> Vec<Packet> {
        run.recording
            .frames
            .iter()
            .filter_map(|f| Packet::new(f.bytes.get(14..)?.to_vec()))
            .collect()
    }

    /// Records the scenarios below `captures/` whose path contains `MXRAY_RECORD`.
    #[test]
    #[ignore = "writes captures; for whoever changes a scenario"]
    fn record() {
        let wanted = std::env::var("MXRAY_RECORD").unwrap_or_default();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
        let listed: Vec<_> = crate::lab::list(&folder)
            .expect("a folder")
            .into_iter()
            .filter(|one| one.path.to_string_lossy().contains(&wanted))
            .collect();
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    while let Some(one) =
                        listed.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                    {
                        let done =
                            Scenario::read(&one.path).and_then(|scenario| super::run(&scenario));
                        let said = done.map(|run| {
                            let bytes = run.recording.pcapng().expect("a file");
                            std::fs::write(one.path.with_extension("pcapng"), &bytes)
                                .expect("written");
                            let took = run.took.as_secs_f64();
                            format!(
                                "{took:.1} s, {} frames, {} bytes, {:?}",
                                run.recording.frames.len(),
                                bytes.len(),
                                run.clients
                            )
                        });
                        eprintln!(
                            "{}/{}: {}",
                            one.code,
                            one.name,
                            said.unwrap_or_else(|error| format!("ERROR {error}"))
                        );
                    }
                });
            }
        });
    }

    #[test]
    fn a_healthy_path_carries_the_greeting_and_counts_hops() {
        for to in ["192.0.2.10", "2001:db8:5::10"] {
            let Some(run) = run(to, "") else { return };
            assert_eq!(run.clients, [["220 mail.example.net ESMTP"]]);
            let to: IpAddr = to.parse().expect("an address");
            let ttls: Vec<u8> = packets(&run)
                .iter()
                .filter(|p| p.source() == to)
                .map(Packet::ttl)
                .collect();
            assert!(
                !ttls.is_empty() && ttls.iter().all(|ttl| *ttl == 61),
                "{ttls:?}"
            );
        }
    }

    #[test]
    fn a_dropped_port_is_silent() {
        let Some(run) = run(
            "192.0.2.10",
            "[[fault]]\nhop = 2\nmatch = { port = 25, toward = \"server\" }\naction = \"drop\"",
        ) else {
            return;
        };
        let syns = packets(&run)
            .iter()
            .filter(|p| p.segment().is_some_and(|s| s.flags & flag::SYN != 0))
            .count();
        assert!(syns >= 3, "{syns} SYNs");
        assert!(
            !packets(&run)
                .iter()
                .any(|p| p.destination().to_string() == "10.0.0.5")
        );
    }

    #[test]
    fn a_reset_comes_from_the_hop_that_made_it() {
        let Some(run) = run(
            "192.0.2.10",
            "[[fault]]\nhop = 2\nmatch = { port = 25, flags = \"S!A\" }\naction.reset = {}",
        ) else {
            return;
        };
        assert_eq!(run.clients, [["connection refused"]]);
        let resets: Vec<u8> = packets(&run)
            .iter()
            .filter(|p| p.segment().is_some_and(|s| s.flags & flag::RST != 0))
            .map(Packet::ttl)
            .collect();
        assert_eq!(resets, [63]);
    }

    #[test]
    fn a_prohibition_is_an_icmp_error_of_the_hop() {
        for (to, hop) in [
            ("192.0.2.10", "203.0.113.3"),
            ("2001:db8:5::10", "2001:db8:a::3"),
        ] {
            let Some(run) = run(
                to,
                "[[fault]]\nhop = 3\nmatch = { port = 25 }\naction.prohibit = { icmp = \"host-prohibited\" }",
            ) else {
                return;
            };
            assert_ne!(run.clients, [["220 mail.example.net ESMTP"]]);
            assert!(packets(&run).iter().any(|p| p.source().to_string() == hop));
        }
    }

    #[test]
    fn a_small_mtu_is_told_or_swallowed() {
        let hop = |too_big: &str| {
            format!(
                "[[path.hop]]\n[[path.hop]]\nlink = {{ mtu = 1400, too_big = \"{too_big}\" }}\n[[path.hop]]\n"
            )
        };
        let Some(told) = run("192.0.2.10", &hop("tell")) else {
            return;
        };
        assert!(
            packets(&told)
                .iter()
                .any(|p| p.transport() == 1 && p.body().starts_with(&[3, 4]))
        );
        let Some(silent) = run("192.0.2.10", &hop("silent")) else {
            return;
        };
        assert!(!packets(&silent).iter().any(|p| p.transport() == 1));
    }
}
