//! `tenet demo`: everything on a built-in tenant, without credentials.

use std::path::{Path, PathBuf};

use super::args::{Demo, Explain, Global, Import, ImportKind, Output, Scan, Selection};
use super::{Exit, demo_fix, explain, import, init, output, scan};
use crate::report::Format;

/// The demo's governance repo and the answers recorded from its tenant, all invented.
static CONTOSO: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/fixtures/contoso");

pub(super) fn run(global: &Global, args: &Demo) -> anyhow::Result<Exit> {
    let scratch = tempfile::tempdir()?;
    let root = args.keep.as_deref().unwrap_or_else(|| scratch.path());
    unpack(&CONTOSO, root)?;
    let inside = Global { directory: Some(root.to_owned()), config: None, ..global.clone() };
    let snapshot = root.join("snapshots").join("contoso.snapshot");
    std::fs::create_dir_all(root.join("snapshots"))?;
    take_up(&inside, root.join("answers"), snapshot.clone())?;
    let selection = Selection { snapshot: Some(snapshot), ..Selection::default() };
    let page = if args.format.is_empty() { Some(place_of_page(args)?) } else { None };
    let shown = page.iter().map(|path| Output { format: Format::Html, file: Some(path.clone()) });
    let formats: Vec<Output> = match &page {
        Some(_) => std::iter::once(Output { format: Format::Table, file: None }).chain(shown).collect(),
        None => args.format.clone(),
    };
    let exit = scan::run(&inside, &scanning(selection.clone(), formats))?;
    if args.format.is_empty() {
        for (rule, subject) in EXPLAINED {
            output::print(&format!("\n$ tenet explain {rule} \"{subject}\"\n"))?;
            let explaining = Explain {
                selection: selection.clone(),
                what: (*rule).to_owned(),
                subject: Some((*subject).to_owned()),
                requirement: None,
                plan: false,
            };
            explain::run(&inside, &explaining)?;
        }
    }
    if args.format.is_empty() {
        demo_fix::run(&inside, root, &selection)?;
    }
    if let Some(keep) = &args.keep {
        output::say(global, &format!("the demo's repo is in {}; try `tenet -C {} scan`", keep.display(), keep.display()));
    }
    if let Some(page) = &page {
        output::say(global, &format!("the report for an auditor is {}; open it in a browser", page.display()));
    }
    // The demo did what it was asked; what it found is shown, and is no failure of the demo.
    output::say(global, &format!("a scan of this tenant ends with exit code {} ({})", exit.code(), exit.name()));
    Ok(Exit::Ok)
}

/// Says where the HTML report goes: to the repo that is kept, else to a folder of its own, since it is to be looked at afterwards.
fn place_of_page(args: &Demo) -> anyhow::Result<PathBuf> {
    let folder = match &args.keep {
        Some(keep) => keep.clone(),
        None => tempfile::Builder::new().prefix("tenet-demo-").tempdir()?.keep(),
    };
    Ok(folder.join("report.html"))
}

/// Makes a snapshot of recorded answers.
pub(super) fn take_up(global: &Global, answers: PathBuf, output: PathBuf) -> anyhow::Result<()> {
    let importing = Import {
        kind: ImportKind::Arm,
        paths: vec![answers],
        output,
        complete: Vec::new(),
        captured_at: None,
        tenant: None,
        mapping: None,
        skip_unreadable: false,
        previous: None,
        force: true,
    };
    import::run(&Global { quiet: true, ..global.clone() }, &importing)?;
    Ok(())
}

/// A scan of everything.
pub(super) fn scanning(selection: Selection, format: Vec<Output>) -> Scan {
    Scan {
        selection,
        rule: Vec::new(),
        tag: Vec::new(),
        severity: None,
        subject: None,
        fail_on: "fail".to_owned(),
        strict: false,
        max_age: None,
        no_waivers: false,
        baseline: None,
        pseudonymise: None,
        previous: None,
        previous_snapshot: None,
        format,
    }
}

/// One fail and one unknown, explained.
const EXPLAINED: &[(&str, &str)] = &[("DPOR-003", "hr-2025"), ("OWNER-001", "Logistics")];

fn unpack(folder: &include_dir::Dir<'_>, root: &Path) -> anyhow::Result<()> {
    for file in folder.files() {
        if let Some(text) = file.contents_utf8() {
            init::write(&root.join(file.path()), text)?;
        }
    }
    for inner in folder.dirs() {
        unpack(inner, root)?;
    }
    Ok(())
}
