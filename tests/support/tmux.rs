//! A real terminal (tmux) for the real binary: a shell in it, keys, and what the screen shows.
//!
//! Everything is waited for on the screen itself, with a deadline; nothing sleeps as long as it hopes is enough.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long a screen may take to show something; generous, since other tests share the machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A terminal with a shell in it.
pub struct Screen {
    pub socket: String,
}

pub fn tmux(socket: &str, arguments: &[&str]) -> Output {
    Command::new("tmux")
        .args(["-L", socket, "-f", "/dev/null"])
        .args(arguments)
        .output()
        .expect("tmux runs")
}

impl Screen {
    /// 80 columns and 24 lines, in the network of the calling thread; `None` where there is no tmux, which is said aloud.
    pub fn open(name: &str) -> Option<Screen> {
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

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&tmux(&self.socket, &["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Looks until the screen is as it should be; a screen that never is fails with what it showed.
    pub fn until(&self, what: &str, as_wanted: impl Fn(&str) -> bool) -> String {
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

    pub fn shows(&self, said: &str) -> String {
        self.until(said, |text| text.contains(said))
    }

    pub fn keys(&self, keys: &[&str]) {
        let mut arguments = vec!["send-keys"];
        arguments.extend(keys);
        tmux(&self.socket, &arguments);
    }

    pub fn line(&self, line: &str) {
        tmux(&self.socket, &["send-keys", "-l", line]);
        self.keys(&["Enter"]);
    }

    #[allow(dead_code)] // not every suite resizes
    pub fn resize(&self, columns: &str, lines: &str) {
        tmux(&self.socket, &["resize-window", "-x", columns, "-y", lines]);
    }

    /// The shell's prompt stands again, the cursor is visible, and a typed command works.
    pub fn is_given_back(&self) {
        // What is typed before the prompt stands may still be read by the program that leaves.
        self.until("the shell", |text| {
            !text.contains("1 Connections") && text.trim_end().ends_with('$')
        });
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

/// The process with that name below the terminal's shell.
pub fn child(screen: &Screen, name: &str) -> String {
    let pane = tmux(&screen.socket, &["display-message", "-p", "#{pane_pid}"]);
    let shell = String::from_utf8_lossy(&pane.stdout).trim().to_owned();
    let children = Command::new("pgrep")
        .args(["-P", &shell, "-x", name])
        .output()
        .expect("pgrep runs");
    String::from_utf8_lossy(&children.stdout).trim().to_owned()
}
