//! The last look at every cell before it reaches the terminal.
//!
//! Whatever a panel drew, only one settled character per cell passes, and in ASCII mode only ASCII. So no panel has to
//! remember it, and a test can hold it.

use ratatui::buffer::Buffer;

use super::text::{REPLACED, agreed_width};

/// Makes every cell safe; with `ascii` also plain.
pub fn seal(buffer: &mut Buffer, ascii: bool) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.len() == 1
            && symbol
                .as_bytes()
                .first()
                .is_some_and(|byte| matches!(byte, 0x20..=0x7e))
        {
            continue;
        }
        let mut chars = symbol.chars();
        let kept = match (chars.next(), chars.next()) {
            // The second half of a wide character.
            (None, _) => continue,
            (Some(c), None) => agreed_width(c).map_or(REPLACED, |_| c),
            (Some(_), Some(_)) => REPLACED,
        };
        let kept = if ascii { plain(kept) } else { kept };
        cell.set_char(kept);
    }
}

/// The ASCII character that stands for another; shapes that differ stay different.
fn plain(c: char) -> char {
    match c {
        ' '..='~' => c,
        '─' | '╌' | '–' | '—' | '━' => '-',
        '│' | '┃' | '├' | '┤' | '‖' => '|',
        '┆' | '┊' | '╎' => ':',
        '┌' | '┐' | '└' | '┘' | '┼' | '┬' | '┴' => '+',
        '✓' => '+',
        '✗' | '╳' | '×' => 'X',
        '●' | '◆' => 'o',
        '○' => '0',
        '◐' => '*',
        '·' | '▁' | '░' => '.',
        '→' | '▶' | '▸' | '▷' => '>',
        '←' | '◀' | '◂' => '<',
        '▾' | '▼' => 'v',
        '↑' => '^',
        '↓' => 'v',
        '…' => '~',
        '⊘' => '!',
        '≈' => '=',
        '█' | '▇' | '▆' | '■' => '#',
        '▅' | '▄' | '▒' | '▓' => '=',
        '▃' | '▂' => '_',
        '’' | '‘' => '\'',
        '“' | '”' => '"',
        _ => '?',
    }
}
