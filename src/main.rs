//! The `mxray` binary: everything is in the library.

use std::process::ExitCode;

/// Each connection makes many small things that die together: an allocator made for these.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mxray::cli::main()
}
