//! The terminal, taken and given back: also after a panic, a signal, and between Ctrl-Z and `fg`.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;

use super::draw;
use super::model::Model;

/// Bytes that are put into a terminal's clipboard at once; more is refused by many.
const CLIPBOARD: usize = 8_192;

/// Whether the terminal is ours: leaving twice must do no harm.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// A terminal that is ours.
pub struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    mouse: bool,
}

impl Terminal {
    /// Takes the terminal. It is given back when this is dropped, and by a panic anywhere.
    pub fn take(mouse: bool) -> io::Result<Terminal> {
        if !io::stdout().is_terminal() {
            return Err(io::Error::other("standard output is no terminal"));
        }
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                leave();
                before(panic);
            }));
        });
        enter(mouse)?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        let inner = ratatui::Terminal::new(backend).inspect_err(|_| leave())?;
        Ok(Terminal { inner, mouse })
    }

    /// Whether it is still ours: a panic on any thread gives it back.
    pub fn is_ours(&self) -> bool {
        TAKEN.load(Ordering::SeqCst)
    }

    /// Columns and lines.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.inner.size()?;
        Ok((size.width, size.height))
    }

    /// Draws what changed.
    pub fn draw(&mut self, model: &Model) -> io::Result<()> {
        self.inner.draw(|frame| draw::draw(model, frame)).map(drop)
    }

    /// Draws everything anew the next time. Not by `clear`, which asks the terminal where the cursor is: its answer would be read
    /// as keys by the thread that reads those.
    pub fn clear(&mut self) -> io::Result<()> {
        let size = self.inner.size()?;
        self.inner.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Takes the mouse, or lets the terminal have it.
    pub fn mouse(&mut self, ours: bool) -> io::Result<()> {
        self.mouse = ours;
        if ours {
            execute!(io::stdout(), EnableMouseCapture)
        } else {
            execute!(io::stdout(), DisableMouseCapture)
        }
    }

    /// Gives the terminal back, stops until somebody continues the process, and takes it again. `false` when nobody could: the
    /// process leads its session, so there is no shell behind it.
    pub fn suspend(&mut self) -> io::Result<bool> {
        let group = rustix::process::getpgrp();
        let session = rustix::process::getsid(None).ok();
        if session == Some(group) {
            return Ok(false);
        }
        leave();
        // The whole group, as the terminal would do it: what writes into our standard input stops as well.
        let stopped = rustix::process::kill_process_group(group, rustix::process::Signal::STOP);
        self.resume()?;
        stopped?;
        Ok(true)
    }

    /// Takes the terminal again after somebody else had it.
    pub fn resume(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        self.clear()
    }

    /// Puts a text into the terminal's clipboard (OSC 52), where the terminal allows it. Base64, so it can do nothing else.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        let kept = text.as_bytes().get(..CLIPBOARD).unwrap_or(text.as_bytes());
        let mut out = io::stdout();
        write!(out, "\x1b]52;c;{}\x07", STANDARD.encode(kept))?;
        out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        leave();
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let entered = execute!(io::stdout(), EnterAlternateScreen);
    let entered = entered.and_then(|()| match mouse {
        true => execute!(io::stdout(), EnableMouseCapture),
        false => Ok(()),
    });
    entered.inspect_err(|_| leave())
}

/// Gives the terminal back. What fails cannot be helped: the terminal is gone then.
fn leave() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(
            io::stdout(),
            DisableMouseCapture,
            LeaveAlternateScreen,
            Show
        );
        let _ = disable_raw_mode();
    }
}
