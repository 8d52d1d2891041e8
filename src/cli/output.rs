//! Where a report goes: standard output or a file; a reader that goes away is no error.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::aside;
use super::options::{Color, Layout};
use crate::report::Paint;

/// Bytes of a report that are written at once.
const BUFFER: usize = 1 << 17;

/// Columns of a report that is not for a terminal.
const COLUMNS: usize = 80;
/// The narrowest and the widest report.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=120;

/// Whether a path stands for standard output.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Opens the output.
pub fn open(path: Option<&Path>) -> io::Result<Box<dyn Write>> {
    Ok(match path.filter(|path| !is_standard(path)) {
        Some(path) => Box::new(BufWriter::with_capacity(BUFFER, File::create(path)?)),
        None => Box::new(BufWriter::with_capacity(BUFFER, io::stdout())),
    })
}

/// Refuses to write into what is to be read: opening it would empty it. The error is a sentence.
pub fn spare<'a>(
    option: &str,
    output: Option<&Path>,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), String> {
    let file = |path: &Path| {
        let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((about.dev(), about.ino()))
    };
    let Some((output, written)) = output.and_then(|path| Some((path, file(path)?))) else {
        return Ok(());
    };
    match inputs.into_iter().find(|path| file(path) == Some(written)) {
        Some(input) => Err(format!(
            "{option} {} would overwrite {}, which is to be read: name another file",
            output.display(),
            input.display()
        )),
        None => Ok(()),
    }
}

/// Whether the terminal says of itself that it knows neither colours nor a cursor that moves.
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether to paint, and how wide the text may be.
pub fn manner(color: Color, to_file: bool) -> (Paint, usize) {
    let terminal = !to_file && io::stdout().is_terminal();
    // https://no-color.org: set and not empty.
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let paint = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !plain && !is_dumb(),
    };
    let width = if terminal { terminal_columns() } else { None };
    let width = width
        .unwrap_or(COLUMNS)
        .clamp(*WIDTHS.start(), *WIDTHS.end());
    (Paint::new(paint), width)
}

fn terminal_columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Prints bytes and gives back the exit code; who stops reading has seen enough.
pub fn print(bytes: &[u8], code: u8, out: &mut dyn Write) -> u8 {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => {
            aside::say(&format_args!("the output cannot be written: {error}"));
            super::exit::USAGE
        }
    }
}

impl From<Layout> for crate::report::Format {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Text => Self::Text,
            Layout::Json => Self::Json,
            Layout::Ndjson => Self::Ndjson,
            Layout::Html => Self::Html,
            Layout::Markdown => Self::Markdown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::spare;

    #[test]
    fn what_is_to_be_read_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "packets").expect("a file");
        fs::write(&other, "packets").expect("a file");
        let again = folder.path().join("again");
        std::os::unix::fs::symlink(&one, &again).expect("a link");
        let inputs = [one.as_path(), other.as_path()];
        let said = spare("-o", Some(&again), inputs).expect_err("the same file");
        assert!(said.contains("again would overwrite"), "{said}");
        assert!(spare("-o", Some(&folder.path().join("new")), inputs).is_ok());
        assert!(spare("-o", None, inputs).is_ok());
        assert!(spare("-o", Some(&one), [other.as_path()]).is_ok());
        // A device is written to, not emptied.
        assert!(spare("-o", Some("/dev/null".as_ref()), ["/dev/null".as_ref()]).is_ok());
    }
}
