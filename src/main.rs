//! tenet
fn main() {
    std::process::exit(tenet::cli::main_temp())
}
