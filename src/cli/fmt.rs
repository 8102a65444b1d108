//! `tenet fmt`: canonical layout.

use super::Exit;
use super::args::{Fmt, Global};
use super::{output, repo};
use crate::syntax::format;
use crate::text::{FileId, SourceFile, SourceSet};

pub(super) fn run(global: &Global, args: &Fmt) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let files = repo.policy_files(&args.paths)?;
    let (mut changed, mut broken) = (0_usize, 0_usize);
    for file in &files {
        let source = SourceFile::new(&*file.name, &*file.text);
        let formatted = match format(FileId(0), &source) {
            Ok(formatted) => formatted,
            Err(found) => {
                let mut sources = SourceSet::default();
                sources.add(source);
                output::diagnostics(global, &sources, &found);
                broken += 1;
                continue;
            }
        };
        if formatted == file.text {
            continue;
        }
        changed += 1;
        if args.diff {
            output::print(&difference(&file.name, &file.text, &formatted))?;
        } else if args.check {
            output::print(&format!("{}\n", file.name))?;
        } else {
            output::write_file(std::path::Path::new(&file.name), &formatted)?;
        }
    }
    let verb = if args.check || args.diff { "would change" } else { "changed" };
    output::say(global, &format!("{}, {changed} {verb}, {broken} could not be read", output::counted(files.len(), "file")));
    Ok(match (broken, changed) {
        (0, 0) => Exit::Ok,
        (0, _) if !args.check && !args.diff => Exit::Ok,
        (0, _) => Exit::Findings,
        _ => Exit::Usage,
    })
}

/// Shows the lines that differ; layout keeps the order of lines, so a line-by-line walk is enough.
fn difference(name: &str, before: &str, after: &str) -> String {
    let mut text = format!("--- {name}\n+++ {name}\n");
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                i += 1;
                j += 1;
            }
            (Some(a), Some(b)) if a.trim() == b.trim() => {
                text += &format!("-{a}\n+{b}\n");
                i += 1;
                j += 1;
            }
            (Some(a), _) if a.trim().is_empty() => {
                text += &format!("-{a}\n");
                i += 1;
            }
            (_, Some(b)) if b.trim().is_empty() => {
                text += "+\n";
                j += 1;
            }
            (a, b) => {
                text.extend(a.map(|a| format!("-{a}\n")));
                text.extend(b.map(|b| format!("+{b}\n")));
                i += 1;
                j += 1;
            }
        }
    }
    text
}
