//! The real binary in a real terminal (tmux): start, filter, open, tabs, replay controls, resize, leave, signals, panics,
//! Ctrl-Z; and the main faults of the lab, read off the screen.
//!
//! Everything is waited for on the screen itself, with a deadline; nothing sleeps as long as it hopes is enough. Where there is no
//! tmux the tests say so and are skipped; with `MXRAY_LAB=required` that is a failure.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use mxray::tui;

#[path = "support/screening.rs"]
mod screening;
#[path = "support/tmux.rs"]
mod terminal;

use terminal::{Screen, child, tmux};

fn capture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("captures")
        .join(name)
}

/// The command line for a view on captures.
fn command(names: &[&str], options: &str) -> String {
    let files: Vec<String> = names
        .iter()
        .map(|name| format!("'{}'", capture(name).display()))
        .collect();
    format!(
        "{} replay --tui {options} {}",
        env!("CARGO_BIN_EXE_mxray"),
        files.join(" ")
    )
}

#[test]
fn a_new_user_finds_the_death_and_reads_on() {
    let Some(screen) = Screen::open("user") else {
        return;
    };
    screen.line(&command(
        &[
            "tcp.dropped/smtp-v4.pcapng",
            "tls.cert-expired/submission.pcapng",
            "ok/smtp-plain.pcapng",
        ],
        "",
    ));
    // The first screen says it all.
    let text = screen.shows("■ end");
    assert!(text.contains("1 Connections"), "{text}");
    screen.keys(&["N"]);
    screen.shows("do ");
    // Filter, as it is typed.
    screen.keys(&["/"]);
    screen.line("code:tcp.dropped");
    let text = screen.until("the filtered list", |text| {
        text.contains("/code:tcp.dropped") && !text.contains("tls.cert-expired")
    });
    assert!(text.contains("where"), "{text}");
    // Open it, walk through the tabs.
    screen.keys(&["Enter"]);
    screen.shows("1 Packets");
    screen.shows("SYN, again");
    screen.keys(&["7"]);
    screen.shows("because");
    screen.keys(&["G"]);
    screen.shows("What to do");
    screen.keys(&["6"]);
    screen.shows("hops away");
    screen.keys(&["Escape"]);
    screen.shows("Enter open");
    screen.keys(&["Escape"]);
    screen.shows("tls.cert-expired");
    // Overview, help.
    screen.keys(&["Tab"]);
    screen.shows("root causes");
    screen.keys(&["?"]);
    screen.shows("Everywhere");
    screen.keys(&["Escape"]);
    // Any size at any moment.
    screen.resize("50", "12");
    screen.until("a small screen", |text| {
        text.lines().count() <= 12 && text.contains("Connections")
    });
    screen.resize("200", "60");
    screen.shows("servers");
    screen.keys(&["q"]);
    screen.keys(&["q"]);
    screen.is_given_back();
}

#[test]
fn a_replay_is_stopped_stepped_sought_and_sped_up() {
    let Some(screen) = Screen::open("replay") else {
        return;
    };
    screen.line(&command(&["tcp.dropped/smtp-v4.pcapng"], "--speed 1x"));
    screen.shows("▶ 1x");
    screen.keys(&["Space"]);
    screen.shows("‖ stopped");
    // The death is marked before it is played.
    screen.until("a death on the bar", |text| {
        text.lines().rev().take(2).any(|line| line.contains('✗'))
    });
    screen.keys(&["."]);
    screen.keys(&["."]);
    // On to the death: it is there at once.
    screen.keys(&["}"]);
    screen.shows("✗ 1");
    // Back to the start: it is not there any more.
    for _ in 0..4 {
        screen.keys(&["["]);
    }
    screen.until("the start", |text| text.contains("✗ 0"));
    screen.keys(&["+"]);
    screen.shows("2x");
    for _ in 0..12 {
        screen.keys(&["+"]);
    }
    screen.shows("max");
    screen.keys(&["Space"]);
    screen.shows("■ end");
    screen.shows("✗ 1");
    screen.keys(&["C-c"]);
    screen.is_given_back();
}

#[test]
fn the_terminal_is_given_back_after_signals() {
    for signal in ["TERM", "HUP", "INT"] {
        let Some(screen) = Screen::open(&format!("kill-{signal}")) else {
            return;
        };
        screen.line(&command(&["tcp.dropped/smtp-v4.pcapng"], ""));
        screen.shows("■ end");
        let process = child(&screen, "mxray");
        let sent = Command::new("kill")
            .args(["-s", signal, &process])
            .status()
            .expect("kill runs");
        assert!(sent.success(), "{process:?}");
        screen.is_given_back();
    }
}

#[test]
fn ctrl_z_gives_the_shell_and_fg_brings_the_view_back() {
    let Some(screen) = Screen::open("suspend") else {
        return;
    };
    screen.line(&command(&["tcp.dropped/smtp-v4.pcapng"], ""));
    screen.shows("■ end");
    screen.keys(&["C-z"]);
    screen.is_given_back();
    screen.line("fg");
    screen.shows("■ end");
    screen.keys(&["?"]);
    screen.shows("Everywhere");
    screen.keys(&["q"]);
    screen.keys(&["q"]);
    screen.is_given_back();
}

#[test]
fn in_lines_everything_is_said_in_words() {
    let Some(screen) = Screen::open("plain") else {
        return;
    };
    screen.line(&command(&["tcp.dropped/smtp-v4.pcapng"], "--plain"));
    screen.shows("failed, ");
    screen.shows("end");
    screen.line("0");
    screen.shows("do: ");
    screen.line("causes");
    screen.shows("attempt since");
    screen.line("quit");
    screen.is_given_back();
}

#[test]
fn the_mouse_opens_and_the_clipboard_gets_the_filter() {
    let Some(screen) = Screen::open("mouse") else {
        return;
    };
    tmux(&screen.socket, &["set-option", "-s", "set-clipboard", "on"]);
    screen.line(&command(
        &["tcp.prohibited/admin-v4.pcapng", "ok/smtp-plain.pcapng"],
        "",
    ));
    screen.shows("■ end");
    // Two clicks on the first row, as a terminal reports them (xterm's SGR mode).
    let click = "\x1b[<0;10;4M\x1b[<0;10;4m";
    tmux(&screen.socket, &["send-keys", "-l", &click.repeat(2)]);
    screen.shows("1 Packets");
    // A click on a tab.
    tmux(&screen.socket, &["send-keys", "-l", "\x1b[<0;50;6M"]);
    screen.shows("hops away");
    // The terminal's clipboard, by OSC 52.
    screen.keys(&["y"]);
    screen.shows("copied: ");
    let copied = tmux(&screen.socket, &["show-buffer"]);
    let copied = String::from_utf8_lossy(&copied.stdout).into_owned();
    assert!(copied.starts_with("ip.addr=="), "{copied:?}");
    screen.keys(&["q", "q"]);
    screen.is_given_back();
}

/// In the lab: the fault, its place and the advice are on the first screen, without a key.
fn the_lab_shows(scenario: &str, said: &[&str]) {
    let Some(screen) = Screen::open(&scenario.replace(['.', '/'], "-")) else {
        return;
    };
    screen.line(&format!(
        "{} lab run {scenario} --tui",
        env!("CARGO_BIN_EXE_mxray")
    ));
    let text = screen.until("the verdict or a refusal", |text| {
        said.iter().all(|said| text.contains(said)) || text.contains("mxray: ")
    });
    if !text.contains("1 Connections") {
        assert!(
            std::env::var_os("MXRAY_LAB").is_none_or(|value| value != "required"),
            "{text}"
        );
        eprintln!("SKIPPED: {text}");
        return;
    }
    screen.keys(&["q"]);
    // The truth comes when the view has been left, and it agrees.
    screen.shows("Agreed");
    screen.is_given_back();
}

#[test]
fn lines_lead_through_every_view() {
    let Some(screen) = Screen::open("lines") else {
        return;
    };
    screen.line(&command(
        &[
            "tls.cert-expired/submission.pcapng",
            "tcp.dropped/smtp-v4.pcapng",
        ],
        "--plain",
    ));
    screen.until("the end", |text| text.lines().any(|line| line == "end"));
    // What was told last is what the next words are about.
    for (typed, heard) in [
        ("next", "tls.cert-expired"),
        ("packets", "client: SYN"),
        ("tcp", "handshake round trip"),
        ("tls", "issued by"),
        ("dialogue", "client: EHLO"),
        ("dns", "No look-up belongs"),
        ("path", "no probe walked this path"),
        ("explain", "What to do:"),
        ("next", "died at tcp"),
        ("dns", "answer NOERROR"),
        ("servers", "1 failed, 0 degraded"),
        ("causes", "1 attempt since"),
        ("list code:tcp.dropped", "1 row"),
        ("probe", "probing is off"),
        ("save", "nothing may be written"),
        ("nonsense", "not understood"),
    ] {
        screen.line("help");
        screen.line(typed);
        screen.shows(heard);
    }
    screen.line("quit");
    screen.is_given_back();
}

#[test]
fn the_lab_shows_packets_that_are_dropped() {
    the_lab_shows(
        "tcp.dropped",
        &["tcp.dropped", "in the network", " where ", " do "],
    );
}

#[test]
fn the_lab_shows_a_closed_port() {
    the_lab_shows("tcp.refused", &["tcp.refused", " where ", " do "]);
}

#[test]
fn the_lab_shows_a_reset_by_the_path() {
    the_lab_shows(
        "tcp.reset-by-path",
        &["tcp.reset-by-path", "in the network", " do "],
    );
}

#[test]
fn the_lab_shows_a_stripped_starttls() {
    the_lab_shows(
        "mail.starttls-stripped",
        &["mail.starttls-stripped", "in the network", " do "],
    );
}

#[test]
fn the_lab_shows_an_expired_certificate() {
    the_lab_shows(
        "tls.cert-expired",
        &["tls.cert-expired", "at the server", "Renew"],
    );
}

#[test]
fn the_lab_shows_a_resolver_that_is_silent() {
    the_lab_shows("dns.timeout", &["dns.timeout", " where ", " do "]);
}

/// Not a test of its own: [`the_terminal_is_given_back_after_a_panic`] runs it in a terminal. Its report dies.
#[test]
#[ignore = "run by another test, in a terminal"]
fn a_view_that_dies() {
    let (mut setup, _wishes) = screening::setup(tui::Kind::Once);
    let folder = tempfile::tempdir().expect("a folder");
    setup.save = mxray::privilege::Folder::open(folder.path(), None).ok();
    let elsewhere = std::env::var_os("MXRAY_TEST_THREAD").is_some();
    setup.report = Some(Box::new(move |_| {
        if elsewhere {
            let died = std::thread::spawn(|| panic!("on purpose")).join();
            return Err(std::io::Error::other(format!("{}", died.is_err())));
        }
        panic!("on purpose")
    }));
    let (_events, received) = tui::events(16);
    if let Err(why) = tui::run(setup, received) {
        eprintln!("left: {why}");
    }
}

#[test]
fn the_terminal_is_given_back_after_a_panic() {
    let program = std::env::current_exe().expect("this program");
    for (name, thread, said) in [
        ("panic", "", "on purpose"),
        // The view itself lives on when another thread dies, and must not draw over the shell.
        (
            "panic-elsewhere",
            "MXRAY_TEST_THREAD=1",
            "left: another part",
        ),
    ] {
        let Some(screen) = Screen::open(name) else {
            return;
        };
        screen.line(&format!(
            "env {thread} '{}' --exact a_view_that_dies --ignored --nocapture",
            program.display()
        ));
        screen.shows("1 Connections");
        screen.keys(&["r"]);
        screen.shows(said);
        screen.is_given_back();
    }
}

/// Processor time that a process has used, in seconds (proc(5): utime and stime, in ticks of 10 ms).
fn used(process: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|n| n.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

#[test]
fn an_idle_view_costs_less_than_a_twentieth_of_a_core() {
    let Some(screen) = Screen::open("idle") else {
        return;
    };
    screen.line(&command(&["tcp.dropped/smtp-v4.pcapng"], "--speed 1x"));
    screen.shows("▶ 1x");
    screen.keys(&["Space"]);
    screen.shows("‖ stopped");
    let process = child(&screen, "mxray");
    let (began, before) = (Instant::now(), used(&process));
    // What is measured is this span.
    std::thread::sleep(Duration::from_secs(4));
    let share = (used(&process) - before) / began.elapsed().as_secs_f64();
    assert!(share < 0.05, "{share}");
}

#[test]
fn what_was_found_stays_in_the_scrollback() {
    let Some(screen) = Screen::open("scrollback") else {
        return;
    };
    screen.line(&command(
        &["tcp.dropped/smtp-v4.pcapng", "ok/smtp-plain.pcapng"],
        "",
    ));
    screen.shows("■ end");
    screen.keys(&["q"]);
    let text = screen.shows("Root cause");
    assert!(
        text.contains("tcp.dropped") && text.contains("do ") && text.contains("2 attempts"),
        "{text}"
    );
    screen.is_given_back();
}
