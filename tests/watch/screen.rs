//! The live view in a real terminal: faults as they happen, a probe that is asked for, and what is left behind.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::ground::{self, Ground, PROHIBITED, SERVER, SILENT};
use super::terminal::{Screen, child};

/// A field of `/proc/PID/status`.
fn status(id: &str, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

pub fn faults_and_a_probe() -> Result<(), String> {
    let ground = Ground::lay()?;
    ground.listen(SERVER, 25, ground::smtp)?;
    ground.listen(SERVER, 143, ground::reset)?;
    let Some(screen) = Screen::open("watch") else {
        return Ok(());
    };
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    screen.line(&format!("cd {}", folder.path().display()));
    screen.line(&format!(
        "{} watch -i c0 -w run.pcapng --save-dir saved --allow-probe",
        crate::mxray().display()
    ));
    screen.shows("1 Connections");
    let process = child(&screen, "mxray");
    let helper = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))
        .map_err(|error| error.to_string())?;
    let nothing = "0000000000000000";
    if status(&process, "CapEff") != nothing || status(&process, "CapPrm") != nothing {
        return Err("the view holds capabilities".to_owned());
    }
    if status(helper.trim(), "CapEff") == nothing {
        return Err(format!("the helper {helper} could not probe"));
    }
    // They happen, and are on the screen.
    ground::send_mail(SERVER, 25)?;
    screen.shows("✓ 1");
    drop(ground::connect(SERVER, 587, Duration::from_secs(5)));
    screen.shows("tcp.refused");
    drop(ground::connect(PROHIBITED, 25, Duration::from_secs(5)));
    screen.shows("tcp.prohibited");
    if let Ok(mut stream) = ground::connect(SERVER, 143, Duration::from_secs(5)) {
        let _ = std::io::Read::read(&mut stream, &mut [0; 8]);
    }
    screen.shows("tcp.reset-before-greeting");
    let silent = thread::spawn(|| drop(ground::connect(SILENT, 465, Duration::from_secs(6))));
    // A silence is told while it goes on, with its place and what to do.
    screen.until("a silence", |text| {
        text.contains("✗ tcp.dropped") && text.contains(" where ") && text.contains(" do ")
    });
    let _ = silent.join();
    // The overview counts them.
    screen.keys(&["Tab"]);
    screen.until("the causes", |text| {
        text.contains("root causes now") && text.matches(" since ").count() >= 4
    });
    screen.keys(&["Tab"]);
    // A probe asks first, and sends nothing when it is told no.
    screen.keys(&["/"]);
    screen.line("code:tcp.refused");
    screen.keys(&["g"]);
    screen.shows("✗ tcp.refused");
    screen.keys(&["p"]);
    screen.shows("Probe 192.0.2.10:587");
    screen.keys(&["n"]);
    screen.shows("nothing was sent");
    screen.keys(&["p"]);
    screen.shows("no mail, no login");
    screen.keys(&["y"]);
    // That it is under way may be over before it is looked at.
    screen.shows("probe of 192.0.2.10:587: tcp.refused");
    screen.keys(&["Enter"]);
    screen.keys(&["6"]);
    screen.shows("port 587");
    // What it sent to measure is no verdict of the capture: refused is all that died here.
    screen.keys(&["Escape"]);
    screen.keys(&["Escape"]);
    screen.keys(&["/"]);
    screen.line("server:192.0.2.10 state:failed -code:tcp.refused -code:tcp.reset-before-greeting");
    screen.shows("Nothing fits");
    // Its packets are saved, the rest stays in the scrollback.
    screen.keys(&["/"]);
    screen.keys(&["C-u"]);
    screen.line("code:tcp.prohibited");
    screen.keys(&["g"]);
    screen.shows("✗ tcp.prohibited");
    screen.keys(&["w"]);
    screen.shows("packets in saved/");
    screen.keys(&["r"]);
    screen.shows("the report is in saved/");
    screen.keys(&["q"]);
    // The probe is none of the attempts that were watched.
    screen.shows("5 attempts with 5 connections: 1 healthy, 4 failed");
    screen.is_given_back();
    // It is told by its closed pipe: that takes a moment.
    let deadline = Instant::now() + Duration::from_secs(10);
    while fs::metadata(format!("/proc/{}", helper.trim())).is_ok() {
        if Instant::now() > deadline {
            return Err("the helper is still there".to_owned());
        }
        thread::sleep(Duration::from_millis(20));
    }
    match fs::read_dir(folder.path().join("saved")).map_or(0, Iterator::count) {
        2 => Ok(()),
        count => Err(format!("{count} files were saved")),
    }
}
