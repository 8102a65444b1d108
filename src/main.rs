//! The program `tenet`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tenet::cli::run())
}
