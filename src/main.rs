//! The program `tenet`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tenet::sources::azure::install_crypto();
    ExitCode::from(tenet::cli::run())
}
