//! What is kept of a run, and what keeps it going: the ring, rotation, interfaces that come and go.

use std::fs;
use std::path::PathBuf;

use mxray::base::{SECOND, Timestamp};
use mxray::capture::{CaptureReader, Input};
use mxray::wire::{self, Net, Transport};

use super::ground::{self, Ground, OTHER_SERVER, SERVER, must};
use super::program::{SOON, records, replay, start, verdicts};

/// Files of a folder, by name.
fn files(folder: &std::path::Path) -> Result<Vec<PathBuf>, String> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    found.sort();
    Ok(found)
}

pub fn ring() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, ground::smtp)?;
    ground.listen(OTHER_SERVER, 25, ground::smtp)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let arguments = ["-i", "c0", "--ring", "60s", "--save-dir", "saved"];
    let mut running = start(&arguments, folder.path())?;
    ground::send_mail(SERVER, 25)?;
    ground::send_mail(OTHER_SERVER, 25)?;
    drop(ground::connect(OTHER_SERVER, 587, SOON));
    running.wait_for("is being saved to")?;
    // What comes after it belongs to the file as well.
    ground::send_mail(OTHER_SERVER, 25)?;
    ground::send_mail(SERVER, 25)?;
    running.signal(libc::SIGINT);
    let ended = running.end(SOON)?;
    let saved = files(&folder.path().join("saved"))?;
    let [path] = &saved[..] else {
        return Err(format!("{saved:?} were saved; {:?}", ended.errors));
    };
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if !name.contains("192.0.2.11") || !name.contains("tcp.refused") {
        return Err(format!("the file is called {name}"));
    }
    let again = replay(&[path])?;
    let judged = verdicts(&again.output)?;
    let codes: Vec<(&str, u64, &str)> = judged
        .iter()
        .map(|one| (one.1.as_str(), one.2, one.4.as_str()))
        .collect();
    if codes.iter().any(|one| one.0 != OTHER_SERVER)
        || codes.iter().filter(|one| one.2 == "ok").count() != 2
        || !codes.contains(&(OTHER_SERVER, 587, "tcp.refused"))
    {
        return Err(format!("it holds {codes:?}"));
    }
    Ok(())
}

pub fn rotation() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, ground::smtp)?;
    rotated(&["--rotate-size", "2k"])?;
    let began = rotated(&["--rotate-time", "1s"])?;
    match began.windows(2).all(|two| two[1].since(two[0]) >= SECOND) {
        true => Ok(()),
        false => Err(format!("parts began at {began:?}")),
    }
}

/// Records until there are three parts, and compares their replay with what was said live. When each part began.
fn rotated(how: &[&str]) -> Result<Vec<Timestamp>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    // Root becomes nobody and goes on making files.
    let made = folder.path().join("run");
    let arguments = [
        &["-i", "c0", "-w", "run/run.pcapng", "--format", "ndjson"],
        how,
    ]
    .concat();
    fs::create_dir(&made).map_err(|error| error.to_string())?;
    let mut everybody = fs::metadata(&made)
        .map_err(|error| error.to_string())?
        .permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut everybody, 0o777);
    fs::set_permissions(&made, everybody).map_err(|error| error.to_string())?;
    let running = start(&arguments, folder.path())?;
    let deadline = std::time::Instant::now() + SOON;
    while files(&made)?.len() < 3 {
        ground::send_mail(SERVER, 25)?;
        if std::time::Instant::now() > deadline {
            return Err(format!("only {:?} were made", files(&made)?));
        }
    }
    drop(ground::connect(SERVER, 587, SOON));
    running.signal(libc::SIGINT);
    let ended = running.end(SOON)?;
    let mut parts = files(&made)?;
    // The first has no number and stands behind the numbered ones in the order of names.
    parts.rotate_right(1);
    let paths: Vec<&std::path::Path> = parts.iter().map(PathBuf::as_path).collect();
    let again = replay(&paths)?;
    let (live, replayed) = (verdicts(&ended.output)?, verdicts(&again.output)?);
    if live != replayed {
        return Err(format!(
            "live {live:?}, replayed {replayed:?} from {parts:?}"
        ));
    }
    let sources = records(&again.output, "source")?;
    if sources.iter().any(|source| !source["damage"].is_null()) {
        return Err(format!("{sources:?}"));
    }
    parts
        .into_iter()
        .map(|path| {
            let mut reader =
                CaptureReader::open(&Input::Path(path)).map_err(|error| error.to_string())?;
            let first = reader.next_frame().ok_or("a part without a frame")?;
            Ok(first.time)
        })
        .collect()
}

pub fn vanishing() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen("0.0.0.0", 25, ground::smtp)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut running = start(
        &["-i", "c0", "--format", "ndjson", "-w", "run.pcapng"],
        folder.path(),
    )?;
    ground::send_mail(SERVER, 25)?;
    must("ip link set c0 down")?;
    running.wait_for("c0 is down")?;
    must("ip link set c0 up")?;
    running.wait_for("c0 is back")?;
    must("ip link del c0")?;
    running.wait_for("c0 is gone")?;
    ground.wire()?;
    running.wait_for("c0 is back")?;
    ground::send_mail(SERVER, 25)?;
    drop(ground::connect(SERVER, 587, SOON));
    running.signal(libc::SIGINT);
    let ended = running.end(SOON)?;
    let live = verdicts(&ended.output)?;
    let mut codes: Vec<&str> = live.iter().map(|one| one.4.as_str()).collect();
    codes.sort_unstable();
    if codes != ["ok", "ok", "tcp.refused"] {
        return Err(format!("{codes:?}; {:?}", ended.errors));
    }
    let again = replay(&[&folder.path().join("run.pcapng")])?;
    match verdicts(&again.output)? == live {
        true => Ok(()),
        false => Err("the recording says something else".to_owned()),
    }
}

pub fn any() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, ground::smtp)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for interfaces in ["any", "c0,lo"] {
        let arguments = ["-i", interfaces, "--format", "ndjson", "-w", "run.pcapng"];
        let running = start(&arguments, folder.path())?;
        ground::send_mail(SERVER, 25)?;
        drop(ground::connect("127.0.0.1", 143, SOON));
        running.signal(libc::SIGINT);
        let ended = running.end(SOON)?;
        let live = verdicts(&ended.output)?;
        let codes: Vec<(u64, &str)> = live.iter().map(|one| (one.2, one.4.as_str())).collect();
        if !codes.contains(&(25, "ok")) || !codes.contains(&(143, "tcp.refused")) {
            return Err(format!("{interfaces}: {codes:?}; {:?}", ended.errors));
        }
        // Each interface is a source under its own name, also behind `any`, and connections say on which they were seen.
        let sources = records(&ended.output, "source")?;
        let names: Vec<&str> = sources
            .iter()
            .filter_map(|one| one["name"].as_str())
            .collect();
        let (named, counted) = match interfaces {
            "any" => (&["any", "c0", "lo"][..], 1..),
            _ => (&["c0", "lo"][..], 0..),
        };
        let silent = |place: usize| sources[place]["packets"] == 0;
        if names != named || counted.take(2).any(silent) {
            return Err(format!("{interfaces}: {sources:?}"));
        }
        let seen = records(&ended.output, "connection")?;
        let on = |port: u64| seen.iter().find(|one| one["server"]["port"] == port);
        let places = [25, 143].map(|port| on(port).and_then(|one| one["source"].as_u64()));
        let place = |name: &str| names.iter().position(|one| *one == name);
        let expected = ["c0", "lo"].map(|name| place(name).map(|place| place as u64));
        if places != expected {
            return Err(format!("{interfaces}: seen on {places:?}"));
        }
        let path = folder.path().join("run.pcapng");
        let again = replay(&[&path])?;
        if verdicts(&again.output)? != live {
            return Err(format!("{interfaces}: the recording says something else"));
        }
        // The frames that are named as evidence are those of the file, whichever interface they came by.
        let proof = |output: &str| -> Result<Vec<String>, String> {
            let mut proof: Vec<String> = records(output, "connection")?
                .iter()
                .filter(|one| one["verdict"]["final"] == true)
                .map(|one| {
                    let pieces = one["verdict"]["evidence"].as_array().into_iter().flatten();
                    let frames: Vec<String> = pieces.map(|one| one["frame"].to_string()).collect();
                    format!("{} {}", one["client"]["port"], frames.join(" "))
                })
                .collect();
            proof.sort();
            Ok(proof)
        };
        let (told, written) = (proof(&ended.output)?, proof(&again.output)?);
        if told != written {
            return Err(format!(
                "{interfaces}: frames {told:?}, in the file {written:?}"
            ));
        }
        let mut reader =
            CaptureReader::open(&Input::Path(path)).map_err(|error| error.to_string())?;
        let mut last = None;
        while let Some(frame) = reader.next_frame() {
            let packet = wire::dissect(frame.link_type, frame.data, frame.original_len);
            if matches!(packet.net, Net::Ip(_)) && matches!(packet.transport, Transport::None) {
                return Err(format!("{interfaces}: frame {} was not read", frame.number));
            }
            if last.is_some_and(|last| frame.time < last) {
                return Err(format!(
                    "{interfaces}: frame {} is out of order",
                    frame.number
                ));
            }
            last = Some(frame.time);
        }
    }
    Ok(())
}
