//! `tenet waive prune`: takes out waivers that no longer count. Comments between items stay.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::add::{canonical, recompile, replace};
use super::args::Prune;
use super::state::{Book, Entry};
use crate::cli::args::Global;
use crate::cli::exit::Failure;
use crate::cli::{Exit, output};
use crate::report::plain;

pub(super) fn run(global: &Global, args: &Prune) -> anyhow::Result<Exit> {
    let book = Book::open(global, &args.selection)?;
    if book.snapshot.is_none() && (args.unneeded || args.unmatched) {
        return Err(Failure::usage("what is unneeded or unmatched shows over a snapshot; give one with --snapshot").into());
    }
    let goes = |entry: &&Entry| match entry.state {
        "lapsed" => true,
        "unneeded" => args.unneeded,
        "unmatched" => args.unmatched,
        _ => false,
    };
    let pruned: Vec<&Entry> = book.entries.iter().filter(goes).collect();
    let changed = texts(&book, &pruned)?;
    let mut files = book.repo.policy_files(&[])?;
    for (path, text) in &changed {
        replace(&book.repo, &mut files, path, text);
    }
    recompile(global, &book.repo, &files)?;
    for entry in &pruned {
        output::print(&format!("{} {} until {} ({})\n", plain(&entry.name), entry.state, entry.until, plain(&entry.place)))?;
    }
    if !args.dry_run {
        for (path, text) in &changed {
            output::write_file(path, text)?;
        }
    }
    let verb = if args.dry_run { "would go" } else { "removed" };
    output::say(global, &format!("{} {verb}", output::counted(pruned.len(), "waiver")));
    Ok(Exit::Ok)
}

/// Returns each file without its pruned waivers, in canonical layout.
fn texts(book: &Book, pruned: &[&Entry]) -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let mut spans: BTreeMap<_, Vec<(usize, usize)>> = BTreeMap::new();
    for entry in pruned {
        let Some(waiver) = book.compiled.policies.waivers.get(entry.at) else { continue };
        spans.entry(waiver.span.file).or_default().push((waiver.span.start as usize, waiver.span.end as usize));
    }
    let mut texts = BTreeMap::new();
    for (file, mut ranges) in spans {
        let Some(source) = book.compiled.sources.get(file) else { continue };
        let mut text = source.text.to_string();
        ranges.sort_unstable();
        for (start, end) in ranges.into_iter().rev() {
            text.replace_range(start..end, "");
        }
        let path = PathBuf::from(&source.name);
        let text = canonical(&path, &text)?;
        texts.insert(path, text);
    }
    Ok(texts)
}
