//! The real binary in a real terminal (tmux): start, filter, open, tabs, replay controls, resize, leave, signals, Ctrl-Z.
//!
//! Everything is waited for on the screen itself, with a deadline; nothing sleeps as long as it hopes is enough. Where there is no
//! tmux the tests say so and are skipped; with `MXRAY_LAB=required` that is a failure.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long a screen may take to show something; generous, since other tests share the machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A terminal with a shell in it.
struct Screen {
    socket: String,
}

fn tmux(socket: &str, arguments: &[&str]) -> Output {
    Command::new("tmux")
        .args(["-L", socket, "-f", "/dev/null"])
        .args(arguments)
        .output()
        .expect("tmux runs")
}

impl Screen {
    /// `None` where there is no tmux, which is said aloud.
    fn open(name: &str) -> Option<Screen> {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(
                std::env::var_os("MXRAY_LAB").is_none_or(|value| value != "required"),
                "tmux is missing"
            );
            eprintln!("SKIPPED: there is no tmux");
            return None;
        }
        let screen = Screen {
            socket: format!("mxray-test-{}-{name}", std::process::id()),
        };
        // An interactive shell, for job control.
        let started = tmux(
            &screen.socket,
            &[
                "new-session",
                "-d",
                "-x",
                "80",
                "-y",
                "24",
                "env PS1='$ ' TERM=screen LC_ALL=C.UTF-8 sh -i",
            ],
        );
        assert!(started.status.success(), "{started:?}");
        screen.until("a prompt", |text| text.contains('$'));
        Some(screen)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&tmux(&self.socket, &["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Looks until the screen is as it should be; a screen that never is fails with what it showed.
    fn until(&self, what: &str, as_wanted: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if as_wanted(&text) {
                return text;
            }
            assert!(begun.elapsed() < DEADLINE, "{what} never came:\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn shows(&self, said: &str) -> String {
        self.until(said, |text| text.contains(said))
    }

    fn keys(&self, keys: &[&str]) {
        let mut arguments = vec!["send-keys"];
        arguments.extend(keys);
        tmux(&self.socket, &arguments);
    }

    fn line(&self, line: &str) {
        tmux(&self.socket, &["send-keys", "-l", line]);
        self.keys(&["Enter"]);
    }

    fn resize(&self, columns: &str, lines: &str) {
        tmux(&self.socket, &["resize-window", "-x", columns, "-y", lines]);
    }

    /// The shell's prompt stands again, the cursor is visible, and a typed command works.
    fn is_given_back(&self) {
        self.until("the shell", |text| !text.contains("1 Connections"));
        self.line("echo given-$((40+2))-back");
        self.shows("given-42-back");
        let flags = tmux(
            &self.socket,
            &[
                "display-message",
                "-p",
                "#{cursor_flag} #{alternate_on} #{mouse_any_flag}",
            ],
        );
        assert_eq!(String::from_utf8_lossy(&flags.stdout).trim(), "1 0 0");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        tmux(&self.socket, &["kill-server"]);
    }
}

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
        let pane = tmux(&screen.socket, &["display-message", "-p", "#{pane_pid}"]);
        let shell = String::from_utf8_lossy(&pane.stdout).trim().to_owned();
        let children = Command::new("pgrep")
            .args(["-P", &shell, "-x", "mxray"])
            .output()
            .expect("pgrep runs");
        let process = String::from_utf8_lossy(&children.stdout).trim().to_owned();
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
    screen.line("echo lines-$((40+2))");
    screen.shows("lines-42");
}
