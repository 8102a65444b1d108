//! `tenet docs`: a page for each rule.

use std::path::PathBuf;

use clap::Args;

use super::args::{Global, Selection};
use super::exit::Failure;
use super::{Exit, init, output, repo};
use crate::PolicyFile;
use crate::check::Rule;
use crate::evaluate::Options;
use crate::evaluate::engine::Plan;
use crate::report::{catalogue_html, catalogue_markdown, rule_page};

/// The policies that ship with the program, with their tests, which are the examples of their pages.
static SHIPPED: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/policies");

/// Arguments of `tenet docs`.
#[derive(Debug, Args)]
pub(super) struct Docs {
    /// The folder to write to
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Policy files and folders besides those of tenet.toml
    #[arg(long, value_name = "PATH")]
    policies: Vec<PathBuf>,
}

pub(super) fn run(global: &Global, args: &Docs) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let mut files = repo.policy_files_and(&args.policies)?;
    if repo.config.builtin_policies {
        shipped_tests(&SHIPPED, &mut files);
    }
    let compiled = repo.compile(global, &files)?;
    let policies = &compiled.policies;
    let params = repo.parameters(&compiled, &Selection::default())?;
    let mut pages = Vec::new();
    for rule in &policies.rules {
        let only = |other: &Rule| other.id == rule.id;
        let options =
            Options { now: jiff::Timestamp::UNIX_EPOCH, params: &params, packs: None, select: &only, subject: None, waivers: false };
        // A rule with a parameter that nobody set cannot run; what it reads is left out, and its page says what to set.
        let plan = Plan::new(policies, &options).ok();
        let read = plan.as_ref().and_then(|plan| plan.footprints.first()).cloned().unwrap_or_default();
        pages.push(rule_page(policies, &compiled.sources, rule, &read.properties, &read.extents));
    }
    let refuse = |error: askama::Error| Failure::new(Exit::Bug, format!("a page cannot be made: {error}"));
    for page in &pages {
        init::write(&args.output.join(format!("{}.md", page.file)), &page.markdown())?;
        init::write(&args.output.join(format!("{}.html", page.file)), &page.html().map_err(refuse)?)?;
    }
    init::write(&args.output.join("index.md"), &catalogue_markdown(&pages))?;
    init::write(&args.output.join("index.html"), &catalogue_html(&pages).map_err(refuse)?)?;
    output::say(global, &format!("wrote {} in Markdown and HTML to {}", output::counted(pages.len(), "rule page"), args.output.display()));
    Ok(Exit::Ok)
}

fn shipped_tests(folder: &include_dir::Dir<'_>, files: &mut Vec<PolicyFile>) {
    for file in folder.files() {
        let path = file.path().to_string_lossy().replace('\\', "/");
        if let (Some(module), Some(text)) = (path.strip_suffix(".test.tenet").map(|path| format!("{path}.test")), file.contents_utf8()) {
            files.push(PolicyFile { name: format!("builtin:{path}"), path: module, text: text.to_owned() });
        }
    }
    for inner in folder.dirs() {
        shipped_tests(inner, files);
    }
}
