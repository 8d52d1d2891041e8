//! The `mxray` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    mxray::cli::main()
}
