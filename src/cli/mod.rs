//! The edge where a person or a script speaks to mxray: arguments, one file per command, exit codes.
//!
//! Nothing is judged here and nothing is laid out: commands open what was named, drive the engine and hand its
//! records to a face.

mod afterword;
mod amount;
mod aside;
mod bpf;
mod completions;
mod doctor;
mod exit;
mod explain;
mod feed;
mod interrupt;
mod lab;
mod man;
mod options;
mod output;
mod play;
mod probe;
mod prober;
mod replay;
mod roots;
mod screen;
mod sides;
mod watch;
mod when;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Says exactly where a mail connection dies: stage, cause, place, proof
#[derive(Debug, Parser)]
#[command(
    name = "mxray",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
#[command(
    after_help = "Exit codes: 0 nothing wrong · 1 something failed or was degraded · 2 wrong usage, or no input \
could be read · 3 not permitted · 4 no fault found, but the evidence is damaged, empty or incomplete · 130 interrupted"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(Box<replay::Arguments>),
    Probe(Box<probe::Arguments>),

    Watch(Box<watch::Arguments>),
    Explain(explain::Arguments),
    Lab(lab::Arguments),
    Doctor(doctor::Arguments),
    /// Carries out what the user of `watch --allow-probe` orders
    #[command(hide = true)]
    Prober,
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// Runs the program on the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are no error; a closed pipe is none either.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                exit::USAGE
            } else {
                exit::FINE
            });
        }
    };
    ExitCode::from(match arguments.command {
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Probe(arguments) => probe::run(&arguments),

        Command::Watch(arguments) => watch::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Lab(arguments) => lab::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Prober => prober::run(),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    })
}

/// The definition of all commands and options, for completions and the manual page.
fn definition() -> clap::Command {
    Arguments::command()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definition_is_sound() {
        super::definition().debug_assert();
    }
}
