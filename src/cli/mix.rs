//! A scan whose inputs come from several governance repos: rules from one, waivers from another, facts from a third.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::args::{Global, Scan};
use super::exit::Failure;
use super::repo::{self, Repo};
use super::scan;
use crate::evaluate::engine::{Plan, judge_by};
use crate::evaluate::{Detail, Options};
use crate::report::{Ledger, Report};
use crate::syntax::{ast, parse};
use crate::text::{FileId, SourceFile};
use crate::{Compiled, PolicyFile, compile};

/// Rounds in which waivers that do not fit are left out.
const ROUNDS_MAX: usize = 16;

/// A governance repo and the scan that is asked there.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) root: PathBuf,
    pub(super) config: Option<PathBuf>,
    /// The snapshot is that of its selection.
    pub(super) scan: Scan,
    pub(super) now: Timestamp,
}

/// Where each part of a scan comes from.
#[derive(Clone, Copy)]
pub(super) struct Mix<'s> {
    pub(super) policy: &'s Side,
    pub(super) data: &'s Side,
    pub(super) waiver: &'s Side,
    pub(super) now: Timestamp,
}

impl Side {
    fn open(&self, global: &Global) -> anyhow::Result<Repo> {
        repo::open(&Global { directory: Some(self.root.clone()), config: self.config.clone(), ..global.clone() })
    }
}

impl Mix<'_> {
    /// Scans, and sorts the verdicts by key, with the present ids of rules.
    pub(super) fn ledger(&self, global: &Global, renamed: &BTreeMap<String, String>) -> anyhow::Result<Ledger> {
        let quiet = Global { quiet: true, ..global.clone() };
        let (policy, data, waiver) = (self.policy.open(&quiet)?, self.data.open(&quiet)?, self.waiver.open(&quiet)?);
        let compiled = compiled(&quiet, &policy, &waiver)?;
        let asked = &self.policy.scan;
        let params = policy.parameters(&compiled, &asked.selection)?;
        let packs = policy.packs(&compiled, &asked.selection)?;
        let loaded = data.snapshot(&quiet, &compiled, &self.data.scan.selection)?;
        let select = scan::selection(asked, &compiled)?;
        let subject = asked.subject.as_ref().map(|text| scan::find_subject(&loaded.snapshot, text)).transpose()?;
        let options = Options {
            now: self.now,
            params: &params,
            packs: packs.as_deref(),
            select: &select,
            subject,
            waivers: !self.waiver.scan.no_waivers,
        };
        let plan = Plan::new(&compiled.policies, &options).map_err(|error| Failure::usage(error.to_string()))?;
        let judged = judge_by(&plan, &compiled.policies, &loaded.snapshot, &options);
        loaded.check()?;
        let judged = judged.map_err(|error| Failure::usage(error.to_string()))?;
        let identity = loaded.identity(&compiled)?;
        Ok(Report::new(&compiled.policies, &loaded.snapshot, &judged, identity, Detail::Brief).ledger(renamed))
    }
}

/// Compiles the policies of one repo with the waivers of another. A waiver of a rule that is not there covers nothing, and is left
/// out.
fn compiled(global: &Global, policy: &Repo, waiver: &Repo) -> anyhow::Result<Compiled> {
    let own = policy.policy_files(&[])?;
    if policy.root == waiver.root {
        return policy.compile(global, &own);
    }
    let mut files: Vec<PolicyFile> = own.iter().map(|file| with_waivers(file, false)).collect();
    let n_own = files.len();
    let others = waiver.policy_files(&[])?;
    files.extend(others.iter().filter(|file| has_waivers(file)).enumerate().map(|(at, file)| {
        let path = format!("waivers_of_another/{at}");
        PolicyFile { path, ..with_waivers(file, true) }
    }));
    for _ in 0..ROUNDS_MAX {
        let compiled = compile(policy.builtin(), &files);
        let mut left_out = false;
        for error in compiled.diagnostics.iter().filter(|one| one.is_error()) {
            let at = (error.span.file.0 as usize).checked_sub(compiled.n_builtin).filter(|at| *at >= n_own);
            if let Some(file) = at.and_then(|at| files.get_mut(at)) {
                left_out |= leave_out(file, error.span.start as usize);
            }
        }
        if !compiled.has_errors() {
            return Ok(compiled);
        }
        if !left_out {
            break;
        }
    }
    Err(Failure::usage("the policies of one side and the waivers of the other do not fit together").into())
}

fn parsed(file: &PolicyFile) -> ast::File {
    parse(FileId(0), &SourceFile::new(&*file.name, &*file.text)).0
}

fn has_waivers(file: &PolicyFile) -> bool {
    parsed(file).items.iter().any(|item| matches!(item.kind, ast::ItemKind::Waive(_)))
}

/// Returns a file with its waivers and imports alone, or with everything but its waivers; lines stay where they are.
fn with_waivers(file: &PolicyFile, wanted: bool) -> PolicyFile {
    let tree = parsed(file);
    let waivers = tree.items.iter().filter(|item| matches!(item.kind, ast::ItemKind::Waive(_))).map(|item| item.head.span.range());
    let ranges: Vec<_> =
        if wanted { waivers.chain(tree.imports.iter().map(|import| import.span.range())).collect() } else { waivers.collect() };
    let text = blanked(&file.text, |at| ranges.iter().any(|range| range.contains(&at)) != wanted);
    PolicyFile { text, ..file.clone() }
}

/// Leaves out the waiver or import at a place; tells whether there was one.
fn leave_out(file: &mut PolicyFile, at: usize) -> bool {
    let tree = parsed(file);
    let items = tree.items.iter().map(|item| item.head.span.range()).chain(tree.imports.iter().map(|import| import.span.range()));
    let Some(range) = items.into_iter().find(|range| range.contains(&at)) else { return false };
    file.text = blanked(&file.text, |at| range.contains(&at));
    true
}

/// Puts blanks in place of what `goes` names; line breaks stay.
fn blanked(text: &str, goes: impl Fn(usize) -> bool) -> String {
    text.char_indices().map(|(at, c)| if goes(at) && c != '\n' { ' ' } else { c }).collect()
}
