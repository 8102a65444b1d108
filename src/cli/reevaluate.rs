//! After an apply: the findings of the plan, evaluated on its snapshot with what was read of the tenant since.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::json;

use super::args::{Global, Selection};
use super::exit::Failure;
use super::repo::Repo;
use crate::Compiled;
use crate::evaluate::engine::scan;
use crate::evaluate::{Detail, Options};
use crate::model::{canonical_arm_id, format_instant, trailing_guid};
use crate::remedy::plan::{Found, Plan, Read, Service, Step, Why};
use crate::remedy::target::ReadTarget;
use crate::report::{ResultDocument, plain, result_document};
use crate::snapshot::{Snapshot, SnapshotBuilder};
use crate::sources::import::{ImportOptions, import_arm};

/// What it works with.
pub(super) struct Again<'a> {
    pub(super) global: &'a Global,
    pub(super) repo: &'a Repo,
    pub(super) compiled: &'a Compiled,
    pub(super) selection: &'a Selection,
    pub(super) plan: &'a Plan,
    pub(super) now: jiff::Timestamp,
}

impl Again<'_> {
    /// Says of each finding of the steps whether it is gone, or why that is not known.
    pub(super) fn evaluate(&self, done: &[String], target: &mut dyn ReadTarget) -> String {
        match self.document(done, target) {
            Ok(document) => self.text(done, &document),
            Err(reason) => {
                format!("the findings were not evaluated again: {}; collect and scan to see them gone\n", plain(&reason.to_string()))
            }
        }
    }

    fn document(&self, done: &[String], target: &mut dyn ReadTarget) -> anyhow::Result<ResultDocument> {
        let selection = Selection { no_index: true, ..self.selection.clone() };
        let loaded = self.repo.snapshot(self.global, self.compiled, &selection)?;
        let identity = loaded.identity(self.compiled)?;
        if identity.snapshot_digest.as_deref() != Some(self.plan.digests.snapshot.as_str()) {
            return Err(Failure::usage("the snapshot at hand is not the one of the plan (give it with --snapshot)").into());
        }
        let schema = Arc::clone(&self.compiled.policies.schema);
        let mut builder = SnapshotBuilder::from_records(Arc::clone(&schema), loaded.snapshot.records().into_owned());
        let folder = tempfile::tempdir()?;
        for (at, step) in self.steps(done).enumerate() {
            self.read_again(step, at, folder.path(), &mut builder, target)?;
        }
        let options = ImportOptions { tenant: Some(self.plan.tenant.clone()), captured_at: Some(self.now), ..ImportOptions::default() };
        if std::fs::read_dir(folder.path())?.next().is_some() {
            import_arm(&mut builder, &[folder.path().to_owned()], &options)?;
        }
        let snapshot = Snapshot::freeze(schema, builder.records());
        let params = self.repo.parameters(self.compiled, self.selection)?;
        let packs = self.repo.packs(self.compiled, self.selection)?;
        let rules: Vec<&str> = self.whys(done).map(|why| why.rule.as_str()).collect();
        let select = |rule: &crate::check::Rule| rules.contains(&rule.id.as_str());
        let options = Options { now: self.now, params: &params, packs: packs.as_deref(), select: &select, subject: None, waivers: true };
        let result = scan(&self.compiled.policies, &snapshot, &options).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(result_document(&self.compiled.policies, &snapshot, &result, identity, Detail::Brief))
    }

    fn steps<'s>(&'s self, done: &'s [String]) -> impl Iterator<Item = &'s Step> {
        self.plan.steps.iter().filter(move |step| done.contains(&step.id))
    }

    fn whys<'s>(&'s self, done: &'s [String]) -> impl Iterator<Item = &'s Why> {
        self.steps(done).flat_map(|step| &step.why)
    }

    /// Reads what a step touched. What is there is imported like any answer; what is gone ends.
    fn read_again(
        &self,
        step: &Step,
        at: usize,
        folder: &std::path::Path,
        builder: &mut SnapshotBuilder,
        target: &mut dyn ReadTarget,
    ) -> anyhow::Result<()> {
        for (n, expectation) in step.operation.after.iter().enumerate() {
            let read = &expectation.read;
            // A place that only an answer names is not known here; lists were read with a filter and prove nothing.
            if read.path.contains("{/") || matches!(expectation.found, Found::Some(_) | Found::Nothing(_)) {
                continue;
            }
            let answer = target.read(read)?;
            match answer.status {
                204 | 404 => self.end(read, builder),
                status => {
                    let exchange = json!({
                        "request": { "method": "GET", "url": url(read) },
                        "response": { "status": status, "body": answer.body },
                        "time": format_instant(self.now),
                    });
                    std::fs::write(folder.join(format!("{at:06}-{n:06}.json")), exchange.to_string())?;
                }
            }
        }
        Ok(())
    }

    fn end(&self, read: &Read, builder: &mut SnapshotBuilder) {
        let key = match read.service {
            Service::Arm => canonical_arm_id(&read.path),
            Service::Graph => trailing_guid(&read.path),
        };
        let found: Vec<_> = builder.handles().filter(|handle| builder.key_of(*handle) == key).collect();
        for handle in found {
            builder.end(handle, self.now);
        }
    }

    fn text(&self, done: &[String], document: &ResultDocument) -> String {
        let mut out = String::new();
        let mut seen = std::collections::BTreeSet::new();
        for why in self.whys(done) {
            if !seen.insert((&why.rule, &why.requirement, &why.subject)) {
                continue;
            }
            let about = |finding: &&crate::report::FindingResult| {
                finding.rule == why.rule
                    && finding.requirement.as_deref() == Some(why.requirement.as_str())
                    && finding.subject.as_ref().is_some_and(|subject| subject.id == why.subject)
            };
            let verdict = document.findings.iter().find(about).map_or("no longer applies", |finding| finding.verdict.name());
            let _ = writeln!(out, "  {}: {} {} {}", verdict, plain(&why.rule), plain(&why.requirement), plain(&why.subject));
        }
        format!("evaluated again, on the snapshot of the plan with what was read since:\n{out}")
    }
}

fn url(read: &Read) -> String {
    let origin = match read.service {
        Service::Arm => "https://management.azure.com",
        Service::Graph => "https://graph.microsoft.com",
    };
    let query: Vec<String> = read.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{origin}{}{mark}{}", read.path, query.join("&"))
}
