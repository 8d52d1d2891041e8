//! `mxray completions SHELL`.

use std::io;

use clap::Args;
use clap_complete::Shell;

use super::exit;

/// Print the completions for a shell
///
/// For bash: mxray completions bash > ~/.local/share/bash-completion/completions/mxray
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints them.
pub fn run(arguments: &Arguments) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut super::definition(),
        "mxray",
        &mut script,
    );
    super::output::print(&script, exit::FINE, &mut io::stdout())
}
