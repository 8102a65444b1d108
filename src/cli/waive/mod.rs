//! `tenet waive`: exceptions that end. Edits keep comments and the canonical layout.
//!
//! Whether a waiver counts is decided by `evaluate::waiver_state` alone, for every command.

mod add;
mod args;
mod prune;
mod state;

pub(super) use args::Waive;

use std::fmt::Write as _;

use serde_json::json;

use super::Exit;
use super::args::Global;
use super::output;
use crate::report::{plain, plain_json};
use args::{Check, List, What};
use state::{Book, Entry};

pub(super) fn run(global: &Global, args: &Waive) -> anyhow::Result<Exit> {
    match &args.what {
        What::Add(args) => add::run(global, args),
        What::List(args) => list(global, args),
        What::Prune(args) => prune::run(global, args),
        What::Check(args) => check(global, args),
    }
}

fn list(global: &Global, args: &List) -> anyhow::Result<Exit> {
    let book = Book::open(global, &args.selection)?;
    let shown: Vec<&Entry> = book.entries.iter().filter(|entry| !args.attention || entry.state != "active").collect();
    if args.json {
        let list: Vec<_> = shown.iter().map(|entry| entry.json()).collect();
        let document = json!({ "format": "tenet.waivers/v1", "now": book.now, "snapshot": book.snapshot, "waivers": list });
        output::print(&format!("{}\n", plain_json(&serde_json::to_string_pretty(&document)?)))?;
        return Ok(Exit::Ok);
    }
    let mut text = String::new();
    for entry in &shown {
        line(entry, &mut text);
    }
    let against = book.snapshot.as_deref().map_or_else(|| "without a snapshot".to_owned(), |name| format!("over {name}"));
    let _ = writeln!(text, "{}, as of {}, {against}", output::counted(shown.len(), "waiver"), book.now);
    output::print(&text)?;
    Ok(Exit::Ok)
}

fn line(entry: &Entry, text: &mut String) {
    let _ = writeln!(text, "{} {}, until {}", plain(&entry.name), entry.state, entry.until);
    let _ = writeln!(text, "    {} by {}", plain(&entry.because), plain(&entry.approved_by.join(", ")));
    let _ = writeln!(text, "    {}", plain(&entry.place));
    for finding in entry.findings.iter().filter(|_| !matches!(entry.state, "active" | "lapsing")) {
        let _ = writeln!(text, "    counts again: {}", plain(finding));
    }
    for trouble in &entry.troubles {
        let _ = writeln!(text, "    {}", plain(trouble));
    }
}

fn check(global: &Global, args: &Check) -> anyhow::Result<Exit> {
    let book = Book::open(global, &args.selection)?;
    let mut text = String::new();
    let mut n = 0;
    for entry in &book.entries {
        let bad = matches!(entry.state, "lapsed" | "longer than the rule allows") || !entry.troubles.is_empty();
        let soft = matches!(entry.state, "lapsing" | "unneeded" | "unmatched");
        if bad || soft {
            line(entry, &mut text);
        }
        n += usize::from(bad || (args.strict && soft));
    }
    output::print(&text)?;
    output::say(global, &format!("{} checked, {n} of them to be mended", output::counted(book.entries.len(), "waiver")));
    Ok(if n > 0 { Exit::Findings } else { Exit::Ok })
}
