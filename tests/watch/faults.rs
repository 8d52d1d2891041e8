//! The main faults, seen live; and how a run begins and ends.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::ground::{self, AWAY, Ground, PROHIBITED, SERVER, SILENT};
use super::program::{SOON, records, replay, spawn, start, verdicts};

pub fn main_faults() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, ground::smtp)?;
    ground.listen(SERVER, 143, ground::reset)?;
    ground.listen(SERVER, 110, ground::mute)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let arguments = [
        "-i",
        "c0",
        "-w",
        "run.pcapng",
        "--format",
        "ndjson",
        "--for",
        "11s",
    ];
    let running = start(&arguments, folder.path())?;
    // The client's threads are in the namespace of this one.
    let (silent, mute) = (
        thread::spawn(|| drop(ground::connect(SILENT, 465, Duration::from_secs(6)))),
        thread::spawn(|| {
            if let Ok(stream) = ground::connect(SERVER, 110, SOON) {
                // The client gives up after a while, as its rule is.
                thread::sleep(Duration::from_secs(6));
                drop(stream);
            }
        }),
    );
    ground::send_mail(SERVER, 25)?;
    drop(ground::connect(SERVER, 587, SOON));
    if let Ok(mut stream) = ground::connect(SERVER, 143, SOON) {
        // The reset may come at once: then there is nothing to wait for.
        let _ = std::io::Read::read(&mut stream, &mut [0; 8]);
    }
    drop(ground::connect(PROHIBITED, 25, SOON));
    let _ = (silent.join(), mute.join());
    ground::send_mail(SERVER, 25)?;
    let ended = running.end(SOON)?;
    let live = verdicts(&ended.output)?;
    let code = |server: &str, port: u64| {
        live.iter()
            .find(|one| one.1 == server && one.2 == port)
            .map(|one| one.4.as_str())
    };
    for (server, port, expected) in [
        (SERVER, 25, "ok"),
        (SERVER, 587, "tcp.refused"),
        (SERVER, 143, "tcp.reset-before-greeting"),
        (PROHIBITED, 25, "tcp.prohibited"),
        (SERVER, 110, "mail.no-greeting"),
        (SILENT, 465, "tcp.dropped"),
    ] {
        if code(server, port) != Some(expected) {
            return Err(format!(
                "{server}:{port} is {:?} and not {expected}; {:?}",
                code(server, port),
                ended.errors
            ));
        }
    }
    if ended.code != 1 {
        return Err(format!("it ended with {}", ended.code));
    }
    // The silence was said before it was final, under the number of its last record.
    let dropped: Vec<_> = records(&ended.output, "connection")?
        .into_iter()
        .filter(|record| record["server"]["port"] == 465)
        .collect();
    let (Some(first), Some(last)) = (dropped.first(), dropped.last()) else {
        return Err("nothing of the dropped connection".to_owned());
    };
    if first["verdict"]["final"] != false || first["id"] != last["id"] || dropped.len() < 2 {
        return Err(format!("first {first}, last {last}"));
    }
    let again = replay(&[&folder.path().join("run.pcapng")])?;
    let replayed = verdicts(&again.output)?;
    if replayed != live || again.code != ended.code {
        return Err(format!("live {live:?}, replayed {replayed:?}"));
    }
    let summary = |output: &str| Ok::<_, String>(records(output, "summary")?[0]["by_code"].clone());
    if summary(&again.output)? != summary(&ended.output)? {
        return Err("the summaries differ".to_owned());
    }
    Ok(())
}

/// Requests leave by one interface, and answers come by another: one connection, with both its directions.
pub fn two_ways() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.detour()?;
    ground.listen(AWAY, 25, ground::smtp)?;
    for named in [&["-i", "c0", "-i", "c1"][..], &["-i", "any"]] {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut arguments = named.to_vec();
        arguments.extend(["-w", "run.pcapng", "--format", "ndjson"]);
        let running = start(&arguments, folder.path())?;
        ground::send_mail(AWAY, 25)?;
        running.signal(libc::SIGINT);
        let ended = running.end(SOON)?;
        let found = records(&ended.output, "connection")?;
        let [one] = &found[..] else {
            return Err(format!("{named:?}: {} connections", found.len()));
        };
        let segments = &one["tcp"]["segments"];
        let seen = |side: &str| segments[side].as_u64().unwrap_or(0) > 5;
        if one["outcome"] != "healthy"
            || one["findings"] != serde_json::json!([])
            || !(seen("client") && seen("server"))
        {
            return Err(format!("{named:?}: {one}"));
        }
        let again = replay(&[&folder.path().join("run.pcapng")])?;
        if verdicts(&again.output)? != verdicts(&ended.output)? {
            return Err(format!("{named:?}: replayed {}", again.output));
        }
    }
    Ok(())
}

/// A field of `/proc/PID/status`.
fn status(id: u32, field: &str) -> Result<String, String> {
    let text =
        fs::read_to_string(format!("/proc/{id}/status")).map_err(|error| error.to_string())?;
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .map(|value| value.trim().to_owned())
        .ok_or_else(|| format!("no {field}"))
}

pub fn privileges() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, ground::smtp)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let save = folder.path().join("saved");
    let arguments = [
        "-i",
        "c0",
        "-w",
        "run.pcapng",
        "--ring",
        "5s",
        "--save-dir",
        "saved",
    ];
    let mut running = start(&arguments, folder.path())?;
    let id = running.id();
    for set in ["CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"] {
        let bits = status(id, set)?;
        if bits.chars().any(|digit| digit != '0') {
            return Err(format!("{set} is {bits}"));
        }
    }
    if status(id, "NoNewPrivs")? != "1" {
        return Err("it may gain new privileges".to_owned());
    }
    let alone = fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().nth(2) == Some("1"));
    if !alone {
        for field in ["Uid", "Gid"] {
            let numbers = status(id, field)?;
            if numbers.split_whitespace().any(|number| number == "0") {
                return Err(format!("{field} is {numbers}"));
            }
        }
        if !status(id, "Groups")?.is_empty() {
            return Err(format!("groups remain: {}", status(id, "Groups")?));
        }
    }
    // Every thread of it, and files can still be made.
    ground::send_mail(SERVER, 25)?;
    drop(ground::connect(SERVER, 587, SOON));
    running.wait_for("is being saved to")?;
    for task in fs::read_dir(format!("/proc/{id}/task")).map_err(|error| error.to_string())? {
        let path = task
            .map_err(|error| error.to_string())?
            .path()
            .join("status");
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        if !text.contains("CapEff:\t0000000000000000") || !text.contains("NoNewPrivs:\t1") {
            return Err(format!("{} has privileges", path.display()));
        }
    }
    running.signal(libc::SIGTERM);
    let ended = running.end(SOON)?;
    if ended.code != 130 {
        return Err(format!("it ended with {}: {:?}", ended.code, ended.errors));
    }
    match fs::read_dir(&save).map(Iterator::count) {
        Ok(1) => Ok(()),
        other => Err(format!("{other:?} files were saved")),
    }
}

pub fn until_failure() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, ground::smtp)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let running = start(&["-i", "c0", "--until-failure"], folder.path())?;
    ground::send_mail(SERVER, 25)?;
    drop(ground::connect(SERVER, 587, SOON));
    let began = Instant::now();
    let ended = running.end(SOON)?;
    if ended.code != 1 || !ended.output.contains("DEAD tcp.refused") {
        return Err(format!("{}: {}", ended.code, ended.output));
    }
    if began.elapsed() > Duration::from_secs(5) {
        return Err(format!("it took {:?}", began.elapsed()));
    }
    Ok(())
}

pub fn interrupted() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, ground::smtp)?;
    ground.listen(SERVER, 110, ground::mute)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let arguments = ["-i", "c0", "--format", "json", "-o", "report.json"];
    let running = start(&arguments, folder.path())?;
    ground::send_mail(SERVER, 25)?;
    let open = ground::connect(SERVER, 110, SOON)?;
    running.signal(libc::SIGINT);
    let ended = running.end(SOON)?;
    drop(open);
    let text =
        fs::read_to_string(folder.path().join("report.json")).map_err(|error| error.to_string())?;
    let report: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let counts = &report["summary"];
    if ended.code != 130 || counts["healthy"] != 1 || counts["incomplete"] != 1 {
        return Err(format!("{}: {counts}", ended.code));
    }
    if report["command"] != "watch" || report["sources"][0]["kind"] != "interface" {
        return Err(format!("{}", report["sources"]));
    }
    Ok(())
}

pub fn refused() -> Result<(), String> {
    let _ground = Ground::lay()?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for (arguments, code, words) in [
        (vec!["-i", "nowhere0"], 2, "there is no interface nowhere0"),
        (vec!["-i", "c0", "--filter", "tcp prot 25"], 2, "--filter"),
        (
            vec!["-i", "c0", "-w", "no/such/folder/run.pcapng"],
            2,
            "no/such/folder",
        ),
        (vec!["-i", "c0", "--save-dir", "x"], 2, "--ring"),
    ] {
        let ended = spawn(&arguments, folder.path())?.end(SOON)?;
        if ended.code != code || !ended.errors.contains(words) {
            return Err(format!("{arguments:?}: {} {:?}", ended.code, ended.errors));
        }
    }
    Ok(())
}
