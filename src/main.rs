//! tenet
fn main() {}
