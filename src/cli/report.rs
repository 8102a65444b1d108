//! `tenet report`: reports of a saved result, the same bytes as those of its scan.

use super::args::{Global, Report};
use super::{Exit, formats};

pub(super) fn run(global: &Global, args: &Report) -> anyhow::Result<Exit> {
    let outputs = formats::outputs(&args.format)?;
    let result = formats::open(&args.result)?;
    formats::write_saved(global, &result, &outputs)?;
    Ok(Exit::Ok)
}
