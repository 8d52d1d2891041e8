//! `mxray explain`: what a code means; which causes produce a text that somebody quotes.

use std::fmt::Write as _;
use std::io;

use clap::Args;

use super::options::Color;
use super::{aside, exit, output};
use crate::base::Foreign;
use crate::diagnosis::Code;
use crate::diagnosis::quoted::{self, Match};
use crate::present::{columns, page, title, wrap};
use crate::report::Paint;

/// Say what a code means, or which causes produce an error text
///
/// Without an argument: all codes. With a code (tcp.dropped): its page. With a stage (tcp): its codes. With anything
/// else: the causes that produce that text, and the packet that tells them apart. Quote what you were shown: "No route
/// to host", "wrong version number", 4.4.317
#[derive(Debug, Args)]
pub struct Arguments {
    /// A code, a stage, or an error text
    #[arg(value_name = "CODE or TEXT", allow_hyphen_values = true)]
    what: Vec<String>,
    /// Use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

/// Runs the command and gives back the exit code.
pub fn run(arguments: &Arguments) -> u8 {
    let (paint, width) = output::manner(arguments.color, false);
    // A text may begin with a hyphen, as -ERR does; with two, it is meant as an option.
    if let Some(option) = arguments.what.first().filter(|word| is_option(word)) {
        aside::say(&format_args!("explain has no option {option}"));
        return exit::USAGE;
    }
    let what = arguments.what.join(" ");
    let (text, code) = answer(what.trim(), paint, width);
    match code {
        exit::FINE => output::print(text.as_bytes(), code, &mut io::stdout()),
        _ => output::print(text.as_bytes(), code, &mut io::stderr()),
    }
}

fn is_option(word: &str) -> bool {
    word.strip_prefix("--")
        .is_some_and(|name| name.starts_with(|first: char| first.is_ascii_lowercase()))
}

fn answer(what: &str, paint: Paint, width: usize) -> (String, u8) {
    if what.is_empty() {
        let mut text = catalogue(Code::ALL, paint, width);
        text.push_str("\nmxray explain CODE prints a page; mxray explain \"TEXT\" finds what causes a text.\n");
        return (text, exit::FINE);
    }
    let lower = what.to_ascii_lowercase();
    if let Some(code) = Code::ALL.iter().find(|code| code.name() == lower) {
        return (sheet(*code, paint), exit::FINE);
    }
    let stage = lower.trim_end_matches(['.', '*']);
    let of_stage: Vec<Code> = Code::ALL
        .iter()
        .copied()
        .filter(|code| {
            code.name()
                .split_once('.')
                .is_some_and(|(of, _)| of == stage)
        })
        .collect();
    if !of_stage.is_empty() {
        return (catalogue(&of_stage, paint, width), exit::FINE);
    }
    let hits = quoted::causes_of(what);
    match hits.split_first() {
        Some((first, others)) => (causes(first, others, paint, width), exit::FINE),
        None => (unknown(what, width), exit::USAGE),
    }
}

/// Codes in columns, the stages set apart.
fn catalogue(codes: &[Code], paint: Paint, width: usize) -> String {
    let mut text = String::new();
    let code_width = codes
        .iter()
        .map(|code| columns(code.name()))
        .max()
        .unwrap_or(0);
    let title_width = width.saturating_sub(code_width).saturating_sub(11);
    let mut stage = "";
    for code in codes {
        let of = code.name().split_once('.').map_or("", |(of, _)| of);
        if of != stage {
            if !text.is_empty() {
                text.push('\n');
            }
            stage = of;
        }
        let name = format!("{:<code_width$}", code.name());
        let class = code.class().name().unwrap_or("-");
        for (at, line) in wrap(title(code.name()), title_width).iter().enumerate() {
            let _ = if at == 0 {
                writeln!(
                    text,
                    "{}  {}  {line}",
                    paint.code(&name),
                    paint.faint(&format!("{class:<7}"))
                )
            } else {
                writeln!(
                    text,
                    "{:indent$}{line}",
                    "",
                    indent = code_width.saturating_add(11)
                )
            };
        }
    }
    text
}

/// A code's page.
fn sheet(code: Code, paint: Paint) -> String {
    let page = page(code);
    let class = match code.class().name() {
        Some(class) => format!("   [{class}]"),
        None => String::new(),
    };
    let mut text = format!(
        "{} – {}{}\n\n",
        paint.code(code.name()),
        paint.strong(page.title),
        paint.faint(&class)
    );
    for line in &page.opening {
        let _ = writeln!(text, "{}", inline(line, paint));
    }
    for (heading, lines) in &page.sections {
        let _ = writeln!(text, "\n{}", paint.strong(&heading.to_uppercase()));
        for line in lines {
            let _ = writeln!(text, "{}", inline(line, paint));
        }
    }
    text
}

/// Words between backticks in colour; without colour they keep their marks.
fn inline(line: &str, paint: Paint) -> String {
    if !paint.is_on() {
        return line.to_owned();
    }
    let mut text = String::new();
    for (at, piece) in line.split('`').enumerate() {
        if at % 2 == 1 {
            text.push_str(&paint.code(piece));
        } else {
            text.push_str(piece);
        }
    }
    text
}

fn causes(first: &Match, others: &[Match], paint: Paint, width: usize) -> String {
    let mut text = format!(
        "{} is what these causes look like, likeliest first:\n\n",
        paint.strong(&format!("\"{}\"", first.pattern))
    );
    for cause in &first.quote.causes {
        let class = Code::ALL
            .iter()
            .find(|code| code.name() == cause.code)
            .and_then(|code| code.class().name())
            .unwrap_or_default();
        let known = Code::ALL.iter().find(|code| code.name() == cause.code);
        let about = known.map_or("", |code| title(code.name()));
        let _ = writeln!(
            text,
            "  {} – {about}  {}",
            paint.code(&cause.code),
            paint.faint(class)
        );
        for (at, line) in wrap(&cause.packet, width.saturating_sub(13))
            .iter()
            .enumerate()
        {
            let label = if at == 0 { "packet" } else { "" };
            let _ = writeln!(text, "    {} {line}", paint.faint(&format!("{label:<8}")));
        }
    }
    if let Some(note) = &first.quote.note {
        text.push('\n');
        for line in wrap(note, width) {
            let _ = writeln!(text, "{line}");
        }
    }
    let _ = writeln!(
        text,
        "\n{}",
        paint.faint(&format!("Source: {}", first.quote.source))
    );
    if !others.is_empty() {
        let _ = writeln!(text, "\nThe text also holds:");
        for other in others {
            let codes: Vec<&str> = other
                .quote
                .causes
                .iter()
                .map(|cause| cause.code.as_str())
                .collect();
            let words = format!("\"{}\": {}", other.pattern, codes.join(", "));
            for (at, line) in wrap(&words, width.saturating_sub(4)).iter().enumerate() {
                let _ = writeln!(text, "{}{line}", if at == 0 { "  " } else { "    " });
            }
        }
    }
    let _ = writeln!(
        text,
        "\nmxray explain CODE tells more; mxray replay FILE says which one a capture shows."
    );
    text
}

fn unknown(what: &str, width: usize) -> String {
    let what = Foreign::bounded(what.as_bytes(), 120);
    let words = format!(
        "Nothing is known of \"{what}\". Quote the words that the program or the server said, without names and addresses; \
         `mxray explain` lists all codes. If you have a capture of it, `mxray replay FILE` finds the cause in the packets; \
         `tcpdump -i any -w FILE host SERVER or port 53` makes one."
    );
    let mut text = wrap(&words, width).join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::answer;
    use crate::diagnosis::Code;
    use crate::present::columns;
    use crate::report::Paint;

    fn of(what: &str) -> (String, u8) {
        let (text, code) = answer(what, Paint::default(), 80);
        for line in text.lines() {
            assert!(columns(line) <= 80, "{what}: {line}");
        }
        (text, code)
    }

    #[test]
    fn everything_is_readable_at_80_columns() {
        for code in Code::ALL {
            let (text, exit) = of(code.name());
            assert!(text.contains("WHAT TO DO") && exit == 0, "{text}");
        }
        let (all, _) = of("");
        assert!(Code::ALL.iter().all(|code| all.contains(code.name())));
    }

    #[test]
    fn a_stage_a_text_and_nonsense_are_told_apart() {
        let (tcp, _) = of("tcp");
        assert!(tcp.contains("tcp.dropped") && !tcp.contains("dns.timeout"));
        let (route, code) = of("connect to mx.example.org[192.0.2.1]:25: No route to host");
        assert!(route.contains("tcp.prohibited") && code == 0, "{route}");
        assert_eq!(of("the quick brown fox").1, 2);
        assert!(
            of("535 5.7.8 No route to host")
                .0
                .contains("The text also holds")
        );
    }
}
