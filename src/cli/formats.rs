//! Reports to stdout and to files: any number of one result.

use std::fs::File;
use std::io::{IsTerminal as _, Read, Seek, Write};
use std::path::Path;

use super::args::{Global, Output};
use super::exit::Failure;
use super::load::Loaded;
use super::output;
use crate::model::parse_instant;
use crate::report::{
    Format, Pseudonymised, Pseudonyms, Rendering, Report, ResultError, ResultSource, SavedResult, Surroundings, TableStyle, render_table,
    write_report, write_result,
};

/// A result larger than this is not read.
const RESULT_BYTES_MAX: u64 = 64 << 30;
/// A result that is no larger is kept in memory while reports are made of it.
const SPOOLED_BYTES_MAX: usize = 64 << 20;

/// Returns where reports go: what was asked for, else a table to stdout. Refuses two reports in one place.
pub(super) fn outputs(asked: &[Output]) -> anyhow::Result<Vec<Output>> {
    if asked.is_empty() {
        return Ok(vec![Output { format: Format::Table, file: None }]);
    }
    for (at, output) in asked.iter().enumerate() {
        let twice = asked.iter().take(at).any(|other| other.file == output.file);
        match &output.file {
            Some(path) if twice => return Err(Failure::usage(format!("two reports cannot go to {}", path.display())).into()),
            None if twice => {
                let name = output.format.name();
                return Err(Failure::usage(format!("one report can go to stdout; give the others a file: -f {name}=FILE")).into());
            }
            _ => {}
        }
    }
    Ok(asked.to_vec())
}

/// Writes the reports of a scan. Its findings are explained once, whatever the number of formats.
pub(super) fn write(
    global: &Global,
    report: &Report<'_>,
    loaded: &Loaded,
    pseudonyms: Option<&Pseudonyms>,
    outputs: &[Output],
) -> anyhow::Result<()> {
    let check = || loaded.check();
    if pseudonyms.is_none() && outputs.iter().all(|output| matches!(output.format, Format::Table | Format::Json)) {
        for output in outputs {
            let make = |sink: &mut dyn Write| {
                if output.format == Format::Json { write_result(report, sink) } else { table(report, output, sink) }
            };
            put(global, output, &make, &check)?;
        }
        return Ok(());
    }
    let mut spool = tempfile::SpooledTempFile::new(SPOOLED_BYTES_MAX);
    write_result(report, &mut spool)?;
    loaded.check()?;
    let saved = SavedResult::open(spool).map_err(|error| Failure::new(super::Exit::Bug, format!("the result just made: {error}")))?;
    if let Some(pseudonyms) = pseudonyms {
        return write_saved(global, &Pseudonymised::new(&saved, pseudonyms), outputs, None);
    }
    let surroundings = parse_instant(&report.head().now).ok().flatten().map(|now| Surroundings { snapshot: &loaded.snapshot, now });
    for output in outputs {
        let make = |sink: &mut dyn Write| {
            if output.format == Format::Table {
                return table(report, output, sink);
            }
            write_report(output.format, &saved, Rendering { surroundings, ..rendering(output) }, sink)
        };
        put(global, output, &make, &check)?;
    }
    Ok(())
}

/// A table of a scan explains only what it shows.
fn table(report: &Report<'_>, to: &Output, sink: &mut dyn Write) -> std::io::Result<()> {
    sink.write_all(render_table(report, rendering(to).table).as_bytes())
}

/// Writes reports of a result that is there already, with the pictures of its snapshot if that is at hand.
pub(super) fn write_saved(global: &Global, result: &dyn ResultSource, outputs: &[Output], loaded: Option<&Loaded>) -> anyhow::Result<()> {
    let now = parse_instant(&result.head().now).ok().flatten();
    let surroundings = loaded.zip(now).map(|(loaded, now)| Surroundings { snapshot: &loaded.snapshot, now });
    let check = || loaded.map_or(Ok(()), Loaded::check);
    for output in outputs {
        let rendering = Rendering { surroundings, ..rendering(output) };
        put(global, output, &|sink| write_report(output.format, result, rendering, sink), &check)?;
    }
    Ok(())
}

/// Opens a saved result.
pub(super) fn open(path: &Path) -> anyhow::Result<SavedResult<impl Read + Seek>> {
    let name = path.display();
    let unread = |error: std::io::Error| Failure::usage(format!("{name}: {error}"));
    let file = File::open(path).map_err(unread)?;
    let bytes = file.metadata().map_err(unread)?.len();
    if bytes > RESULT_BYTES_MAX {
        return Err(Failure::usage(format!("{name}: it has {bytes} bytes; at most {RESULT_BYTES_MAX} are read")).into());
    }
    SavedResult::open(file).map_err(|error| {
        // Where there is a place in the file, it follows its name.
        let gap = if matches!(error, ResultError::Misfit { .. } | ResultError::Format(_)) { "" } else { " " };
        Failure::usage(format!("{name}:{gap}{error}")).into()
    })
}

type Make<'m> = &'m dyn Fn(&mut dyn Write) -> std::io::Result<()>;

fn put(global: &Global, to: &Output, make: Make<'_>, check: &dyn Fn() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let Some(path) = &to.file else { return output::print_piecewise(make, check) };
    output::write_file_piecewise(path, make, check)?;
    output::say(global, &format!("wrote {}", path.display()));
    Ok(())
}

fn rendering(output: &Output) -> Rendering<'static> {
    let lines = output.file.is_none() && std::io::stdout().is_terminal();
    Rendering { table: TableStyle { lines, width: if lines { 120 } else { 160 } }, surroundings: None }
}
