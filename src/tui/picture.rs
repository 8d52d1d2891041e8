//! A screen as text or as SVG: for tests, and for the recorded tour.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

/// The lines of a screen, without blanks at their ends.
pub fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let Some(cell) = buffer.cell((x, y)) else {
                continue;
            };
            if skip > 0 {
                skip -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

const WIDE: f32 = 8.0;
const TALL: f32 = 17.0;
const INK: &str = "#d5d5d5";
const PAPER: &str = "#16181d";

fn color(color: Color) -> &'static str {
    match color {
        Color::Red => "#ff6b68",
        Color::Green => "#7ec87e",
        Color::Yellow => "#e0c068",
        Color::Blue => "#7aa2f7",
        Color::Magenta => "#c792ea",
        Color::Cyan => "#6cc7d9",
        _ => INK,
    }
}

/// A screen as an SVG of its own.
pub fn svg(buffer: &Buffer) -> String {
    let (columns, lines) = (buffer.area.width, buffer.area.height);
    let (width, height) = (
        f32::from(columns) * WIDE + 16.0,
        f32::from(lines) * TALL + 16.0,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{PAPER}\"/>\n"
    );
    for y in 0..lines {
        let mut x = 0;
        while x < columns {
            let Some(cell) = buffer.cell((x, y)) else {
                break;
            };
            let (fg, modifier) = (cell.fg, cell.modifier);
            let begin = x;
            let mut run = String::new();
            while let Some(next) = buffer.cell((x, y)).filter(|_| x < columns)
                && (next.fg, next.modifier) == (fg, modifier)
            {
                run.push_str(next.symbol());
                x += 1;
            }
            if run.trim().is_empty() && !modifier.contains(Modifier::REVERSED) {
                continue;
            }
            let left = f32::from(begin) * WIDE + 8.0;
            let top = f32::from(y) * TALL + 8.0;
            let mut ink = color(fg);
            if modifier.contains(Modifier::REVERSED) {
                let wide = f32::from(x - begin) * WIDE;
                let _ = writeln!(
                    svg,
                    "<rect x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{TALL}\" fill=\"{ink}\"/>"
                );
                ink = PAPER;
            }
            let mut style = String::new();
            if modifier.contains(Modifier::BOLD) {
                style.push_str(" font-weight=\"bold\"");
            }
            if modifier.contains(Modifier::DIM) {
                style.push_str(" opacity=\"0.6\"");
            }
            let length = f32::from(x - begin) * WIDE;
            let _ = writeln!(
                svg,
                "<text x=\"{left}\" y=\"{}\" fill=\"{ink}\"{style} xml:space=\"preserve\" textLength=\"{length}\">{}</text>",
                top + 13.0,
                html_escape::encode_text(&run)
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}
