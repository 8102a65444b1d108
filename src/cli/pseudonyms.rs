//! Pseudonyms for handing out: the key, and tables without names.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde_json::Value as Json;

use super::approvals::small;
use super::exit::Failure;
use super::output;
use crate::check::Policies;
use crate::report::{KEY_BYTES_MIN, Pseudonyms};
use crate::snapshot::Snapshot;

/// The largest key file.
const KEY_BYTES_MAX: u64 = 64 << 10;

/// Reads the key, if one is named, and collects what is secret.
pub(super) fn open(key: Option<&Path>, policies: &Policies, snapshot: &Snapshot) -> anyhow::Result<Option<Pseudonyms>> {
    let Some(path) = key else { return Ok(None) };
    let bytes = small(path, KEY_BYTES_MAX)?;
    if bytes.len() < KEY_BYTES_MIN {
        let text = format!("{}: a key has at least {KEY_BYTES_MIN} bytes, chosen by chance, and this has {}", path.display(), bytes.len());
        return Err(Failure::usage(text).into());
    }
    Ok(Some(Pseudonyms::new(&bytes, policies, snapshot)))
}

/// Columns that hold words of the format, and no names.
const KEPT: [&str; 9] = ["kind", "property", "state", "name", "from", "to", "read_at", "captured_from", "captured_to"];

/// Copies JSON Lines tables with every value replaced.
pub(super) fn tables(pseudonyms: &Pseudonyms, from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let own = entry.file_name().to_string_lossy().starts_with('_');
        let target = to.join(entry.file_name());
        if entry.path().extension().is_some_and(|extension| extension == "json") {
            let mut value: Json = serde_json::from_slice(&std::fs::read(entry.path())?)?;
            replace(pseudonyms, own, &mut value);
            output::write_file(&target, &format!("{}\n", serde_json::to_string_pretty(&value)?))?;
            continue;
        }
        let make = |sink: &mut dyn std::io::Write| {
            for line in BufReader::new(std::fs::File::open(entry.path())?).lines() {
                let mut value: Json = serde_json::from_str(&line?).map_err(std::io::Error::from)?;
                replace(pseudonyms, own, &mut value);
                writeln!(sink, "{value}")?;
            }
            Ok(())
        };
        output::write_file_piecewise(&target, &make, &|| Ok(()))?;
    }
    Ok(())
}

/// Replaces the texts of a row. `own` says that it is a table of the format, with columns of fixed meaning.
fn replace(pseudonyms: &Pseudonyms, own: bool, value: &mut Json) {
    let Json::Object(cells) = value else { return };
    for (name, cell) in cells.iter_mut().filter(|(name, _)| !own || !KEPT.contains(&name.as_str())) {
        let is_text = own && matches!(name.as_str(), "request" | "reason" | "problems");
        each_text(cell, &|text| if is_text { pseudonyms.text(text) } else { pseudonyms.value(text) });
    }
}

fn each_text(value: &mut Json, with: &dyn Fn(&str) -> String) {
    match value {
        Json::String(text) => *text = with(text),
        Json::Array(items) => items.iter_mut().for_each(|item| each_text(item, with)),
        Json::Object(cells) => cells.values_mut().for_each(|cell| each_text(cell, with)),
        _ => {}
    }
}
