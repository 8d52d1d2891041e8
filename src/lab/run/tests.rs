//! The path against the kernel's own TCP at both ends.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Mutex;
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
        let listen = |address: &str| TcpListener::bind(address).map_err(LabError::when("listen"));
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

/// Dies where it should act, and notes in which networks it was.
struct Dies {
    at_the_server: bool,
    was_in: Mutex<Vec<PathBuf>>,
}

impl Dies {
    fn note(&self) {
        let network = fs::read_link("/proc/thread-self/ns/net").expect("a namespace");
        self.was_in
            .lock()
            .expect("nobody died with it")
            .push(network);
    }
}

impl Actors for Dies {
    fn serve(&self, _: &Scenario) -> Result<Box<dyn std::any::Any>, LabError> {
        self.note();
        assert!(!self.at_the_server, "dies on purpose");
        Ok(Box::new(()))
    }

    fn act(&self, _: &Scenario) -> Result<Vec<Vec<String>>, LabError> {
        self.note();
        panic!("dies on purpose")
    }
}

#[test]
fn a_panic_ends_the_run_and_leaves_no_namespace() {
    let scenario = Scenario::parse("summary = \"x\"\n[truth]\n").expect("a scenario");
    for at_the_server in [true, false] {
        let dies = Dies {
            at_the_server,
            was_in: Mutex::default(),
        };
        match super::run_with(&scenario, &dies) {
            Err(LabError::Thread(_)) => {}
            Err(LabError::Unavailable(why)) => {
                eprintln!("SKIPPED: {why}");
                return;
            }
            other => panic!("{other:?}"),
        }
        let was_in = dies.was_in.into_inner().expect("nobody died with it");
        assert_eq!(was_in.len(), if at_the_server { 1 } else { 2 });
        let threads = fs::read_dir("/proc/self/task").expect("threads").flatten();
        for network in threads.filter_map(|one| fs::read_link(one.path().join("ns/net")).ok()) {
            assert!(!was_in.contains(&network), "{network:?} lives on");
        }
    }
}
