//! `mxray man`: the manual page, in roff, from the same definition as the arguments.

use std::io;

use clap::Args;

use super::{aside, exit};

/// Print the manual page
///
/// Read it with: mxray man | man -l -
#[derive(Debug, Args)]
pub struct Arguments {}

/// Prints the page of the program and of each of its commands.
pub fn run(_: &Arguments) -> u8 {
    let mut page = Vec::new();
    let definition = super::definition().disable_help_flag(false);
    let rendered = clap_mangen::Man::new(definition.clone())
        .render(&mut page)
        .and_then(|()| {
            for command in definition.get_subcommands() {
                let mut part = Vec::new();
                let man = clap_mangen::Man::new(command.clone());
                man.render_synopsis_section(&mut part)?;
                man.render_description_section(&mut part)?;
                man.render_options_section(&mut part)?;
                page.extend_from_slice(
                    format!(".SH MXRAY {}\n", command.get_name().to_uppercase()).as_bytes(),
                );
                // Sections of a command stand one level lower.
                let part = String::from_utf8_lossy(&part).replace("\n.SH ", "\n.SS ");
                page.extend_from_slice(
                    part.strip_prefix(".SH ")
                        .map_or(part.clone(), |rest| format!(".SS {rest}"))
                        .as_bytes(),
                );
            }
            Ok(())
        });
    match rendered {
        Ok(()) => super::output::print(&page, exit::FINE, &mut io::stdout()),
        Err(error) => {
            aside::say(&format_args!("the manual page cannot be made: {error}"));
            exit::USAGE
        }
    }
}
