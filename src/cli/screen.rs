//! Options of every command that can open the live view, and what the view is opened with.

use std::path::PathBuf;
use std::sync::mpsc;

use clap::Args;

use super::options::{Color, Layout, Reporting};
use super::{exit, output};
use crate::flow::Ports;
use crate::present::Clock;
use crate::privilege::Folder;
use crate::report::{self, Format, Paint, Style};
use crate::tui::{self, Bounds, Control, Exit, Frames, Kind, Look, Report, ReportWriter, Setup};

/// The live view.
#[derive(Debug, Args)]
pub struct Screen {
    /// Draw with ASCII alone (chosen by itself where the terminal or the locale has no Unicode)
    #[arg(long, help_heading = "Live view")]
    pub ascii: bool,
    /// Lines instead of a screen, for screen readers and serial lines (chosen by itself with TERM=dumb); commands are typed,
    /// `help` lists them
    #[arg(long, help_heading = "Live view")]
    pub plain: bool,
    /// The one folder that the live view may write into
    #[arg(long, value_name = "FOLDER", help_heading = "Live view")]
    pub save_dir: Option<PathBuf>,
}

/// Room for so many events between capture and view.
pub const EVENTS: usize = 16_384;

impl Screen {
    /// What the view is opened with, and where the user's wishes arrive. An error is a sentence that names the option.
    pub fn setup(
        &self,
        title: String,
        kind: Kind,
        color: Color,
        clock: Clock,
        frames: Frames,
    ) -> Result<(Setup, mpsc::Receiver<Control>), String> {
        let (mut setup, controls) = setup(title, kind, look(color, self.ascii, clock), frames);
        if let Some(path) = &self.save_dir {
            let folder = Folder::open(path, None).map_err(|why| format!("--save-dir {why}"))?;
            setup.save = Some(folder);
        }
        Ok((setup, controls))
    }

    /// Opens the view, or the lines: also where the terminal says that its cursor cannot be moved.
    pub fn open(&self, setup: Setup, events: tui::Receiver) -> std::io::Result<Exit> {
        if self.plain || output::is_dumb() {
            tui::plain(setup, events)
        } else {
            tui::run(setup, events)
        }
    }
}

/// How the view looks on this terminal.
pub fn look(color: Color, ascii: bool, clock: Clock) -> Look {
    Look {
        color: output::manner(color, false).0.is_on(),
        ascii: ascii || !unicode(),
        clock,
    }
}

/// A view without anything that the user may write or send, and where the user's wishes arrive.
pub fn setup(
    title: String,
    kind: Kind,
    look: Look,
    frames: Frames,
) -> (Setup, mpsc::Receiver<Control>) {
    let (control, controls) = tui::controls();
    let setup = Setup {
        title,
        kind,
        look,
        frames,
        control,
        save: None,
        report: None,
        probe: None,
        bounds: Bounds::default(),
        filter: String::new(),
    };
    (setup, controls)
}

/// A store for frames.
pub fn frames(ports: &Ports, all: bool) -> Frames {
    Frames::new(ports.clone(), all, Frames::DEFAULT)
}

/// Makes reports in the form that was asked for; text becomes HTML, which a browser shows.
pub fn reports(reporting: &Reporting, command: &'static str) -> ReportWriter {
    let format: Format = match reporting.format {
        None | Some(Layout::Text) => Format::Html,
        Some(other) => other.into(),
    };
    let style = Style {
        format,
        paint: Paint::new(false),
        ..reporting.style(command, false)
    };
    Box::new(move |records| {
        let mut bytes = Vec::new();
        {
            let mut face = report::face(style.clone(), Box::new(&mut bytes));
            for record in records {
                face.record(record)?;
            }
            face.finish()?;
        }
        let extension = match format {
            Format::Html => "html",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Markdown => "md",
            Format::Text => "txt",
        };
        Ok(Report { extension, bytes })
    })
}

/// The exit code of a view that ended, where the run itself gives `code`.
pub fn code(exit: Exit, code: u8) -> u8 {
    match exit {
        Exit::Quit => code,
        Exit::Signal(libc::SIGINT) => exit::INTERRUPTED,
        // As a shell would say of a program that the signal ended.
        Exit::Signal(number) => 128u8.saturating_add(u8::try_from(number).unwrap_or(0)),
    }
}

/// Whether the terminal can be trusted with more than ASCII: by its name, and by the locale where one is set.
fn unicode() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let term = set("TERM").unwrap_or_default();
    if matches!(term.as_str(), "linux" | "dumb") || term.starts_with("vt") {
        return false;
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
