//! Makes the result of a scan: its counts at once, its findings one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::document::{
    AttestedBy, Captured, Counts, EvidenceItem, ExplanationLine, FindingResult, FixResult, Missing, RESULT_FORMAT, ResultDocument,
    RuleResult, RuleSource, RunIdentity, Subject, Summary, Unread, WaiverOutcome, WaiverResult,
};
use crate::check::{ActionMode, FixStep, Policies, Rule};
use crate::evaluate::{Detail, Evaluator, Explanation, Finding, MissingFact, MissingWhat, Scan, Verdicts, explain};
use crate::model::{SourceId, Verdict, format_instant};
use crate::snapshot::Snapshot;
use crate::text::SourceSet;

/// Builds the document of a scan. With [`Detail::Brief`] unknowns come without the conditions that could not be decided.
#[must_use]
pub fn result_document(policies: &Policies, snapshot: &Snapshot, scan: &Scan, run: RunIdentity, detail: Detail) -> ResultDocument {
    Report::new(policies, snapshot, scan, run, detail).whole()
}

/// A result of which only counts are made beforehand; every finding and its explanation is made when it is written.
pub struct Report<'a> {
    pub(super) writer: Writer<'a>,
    pub(super) detail: Detail,
    /// The document without findings and without what could not be looked at.
    pub(super) head: ResultDocument,
}

impl<'a> Report<'a> {
    /// Counts verdicts and describes what ran. With [`Detail::Brief`] unknowns come without the conditions that could not be
    /// decided.
    #[must_use]
    pub fn new(policies: &'a Policies, snapshot: &'a Snapshot, verdicts: &'a dyn Verdicts, run: RunIdentity, detail: Detail) -> Self {
        let writer = Writer { policies, snapshot, scan: verdicts.scan(), verdicts };
        let rules = writer.rules();
        let meta = snapshot.meta();
        let head = ResultDocument {
            format: RESULT_FORMAT.to_owned(),
            run,
            now: format_instant(writer.scan.now),
            tenant: meta.tenant.clone(),
            captured: Captured { from: meta.captured_from.map(format_instant), to: meta.captured_to.map(format_instant) },
            parameters: writer.parameters(),
            summary: writer.summary(&rules),
            rules,
            findings: Vec::new(),
            unread: Vec::new(),
            waivers: writer.waivers(),
            problems: meta.problems.clone(),
        };
        Self { writer, detail, head }
    }

    /// Says where the rules are written: in these files, which have these paths without `.tenet`, the built-in ones first.
    pub fn locate(&mut self, sources: &SourceSet, paths: &[String], n_builtin: usize) {
        let Writer { policies, scan, .. } = self.writer;
        let located = scan.runs.iter().filter_map(|run| policies.rules.get(run.rule.0 as usize));
        for (rule, result) in located.zip(&mut self.head.rules) {
            result.source = rule_source(rule, sources, paths, n_builtin);
        }
    }

    /// Returns the document without findings.
    #[must_use]
    pub fn head(&self) -> &ResultDocument {
        &self.head
    }

    /// Says how the run came out.
    pub fn set_outcome(&mut self, name: &str) {
        name.clone_into(&mut self.head.summary.outcome);
    }

    /// Makes the whole document at once.
    #[must_use]
    pub fn whole(&self) -> ResultDocument {
        let mut holes = Holes::default();
        let findings = self.runs().flat_map(|run| run.map(|finding| finding.made(&mut holes)).collect::<Vec<_>>()).flatten().collect();
        ResultDocument { findings, unread: holes.sorted(), ..self.head.clone() }
    }

    /// Iterates over the findings, run by run. One evaluator a run, so that what it learns about closures serves all its
    /// findings.
    pub(super) fn runs(&self) -> impl Iterator<Item = impl Iterator<Item = Unmade<'_, 'a>>> {
        let Writer { policies, snapshot, scan, verdicts } = self.writer;
        let runs = (0..scan.runs.len()).filter_map(move |at| Some((at, Rc::new(scan.evaluator(policies, snapshot, at)?))));
        runs.map(move |(at, evaluator)| {
            verdicts.of_run(at).map(move |finding| Unmade { report: self, evaluator: Rc::clone(&evaluator), finding })
        })
    }
}

/// A finding that is not put into words yet.
pub(super) struct Unmade<'r, 'a> {
    report: &'r Report<'a>,
    evaluator: Rc<Evaluator<'a>>,
    pub(super) finding: Finding,
}

impl Unmade<'_, '_> {
    /// Puts it into words, and notes what it lacks.
    pub(super) fn made(&self, holes: &mut Holes) -> Option<FindingResult> {
        self.report.writer.finding(&self.evaluator, &self.finding, self.report.detail, &mut holes.0)
    }

    /// Notes what it lacks.
    pub(super) fn note(&self, holes: &mut Holes) {
        let writer = &self.report.writer;
        let Some(rule) = writer.scan.rule(writer.policies, &self.finding) else { return };
        let explanation = explain(&self.evaluator, writer.scan, &self.finding, Detail::Brief);
        writer.note_unread(&rule.id, &explanation.missing, &mut holes.0);
    }

    /// Calls `with` for each attestation it rests on, with the id of its rule.
    pub(super) fn attested(&self, mut with: impl FnMut(&str, AttestedBy)) {
        let writer = &self.report.writer;
        let Some(rule) = writer.scan.rule(writer.policies, &self.finding) else { return };
        self.finding.attested.iter().filter_map(|id| writer.attested(*id)).for_each(|attested| with(&rule.id, attested));
    }
}

/// What findings wait for.
#[derive(Default)]
pub(super) struct Holes(BTreeMap<Hole, Waiting>);

impl Holes {
    /// Lists it, most wanted first.
    pub(super) fn sorted(self) -> Vec<Unread> {
        sorted_unread(self.0)
    }
}

/// The kind of a missing fact: holes of one kind are filled by one read.
type Hole = (String, Option<String>, Option<String>, Option<String>);

#[derive(Default)]
struct Waiting {
    reasons: BTreeSet<String>,
    rules: BTreeSet<String>,
    verdicts: usize,
}

fn sorted_unread(unread: BTreeMap<Hole, Waiting>) -> Vec<Unread> {
    let mut list: Vec<Unread> = unread
        .into_iter()
        .map(|((what, api, permission, register), waiting)| Unread {
            what,
            reasons: waiting.reasons.into_iter().take(3).collect(),
            api,
            permission,
            register,
            rules: waiting.rules.into_iter().collect(),
            verdicts: waiting.verdicts,
        })
        .collect();
    list.sort_by(|a, b| b.verdicts.cmp(&a.verdicts).then_with(|| a.what.cmp(&b.what)));
    list
}

#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    policies: &'a Policies,
    snapshot: &'a Snapshot,
    scan: &'a Scan,
    verdicts: &'a dyn Verdicts,
}

impl Writer<'_> {
    fn finding(
        &self,
        evaluator: &Evaluator<'_>,
        finding: &Finding,
        detail: Detail,
        unread: &mut BTreeMap<Hole, Waiting>,
    ) -> Option<FindingResult> {
        let run = self.scan.runs.get(finding.run)?;
        let rule = self.scan.rule(self.policies, finding)?;
        let pack = run.pack.and_then(|at| self.policies.packs.get(at)).map(|pack| pack.name.clone());
        let requirement = finding.requirement.and_then(|at| rule.requirements.get(at)).map(|requirement| requirement.name.clone());
        let subject = finding.subject.map(|id| subject(self.snapshot, id));
        let explained = matches!(finding.verdict, Verdict::Fail | Verdict::Unknown | Verdict::Pending);
        let detail = if finding.verdict == Verdict::Unknown { detail } else { Detail::Full };
        let explanation = explained.then(|| explain(evaluator, self.scan, finding, detail));
        if let Some(explanation) = &explanation {
            self.note_unread(&rule.id, &explanation.missing, unread);
        }
        let (message, remedy, lines, mut missing) = explanation.map_or_else(Default::default, |e| self.explanation(e));
        if finding.exhausted {
            missing.push(Missing {
                what: "more steps of evaluation".to_owned(),
                reason: format!("the limit of {} steps was reached", crate::evaluate::STEPS_MAX),
                as_of: None,
                api: None,
                permission: None,
                register: None,
            });
        }
        let key = [
            pack.as_deref().unwrap_or("-"),
            &rule.id,
            requirement.as_deref().unwrap_or("-"),
            subject.as_ref().map_or("*", |subject| &subject.id),
        ]
        .join("|");
        Some(FindingResult {
            key,
            rule: rule.id.clone(),
            pack,
            requirement,
            subject,
            verdict: finding.verdict,
            applicability: finding.requirement.is_none() && finding.verdict == Verdict::Unknown,
            waived: finding.waiver.is_some(),
            waiver: finding.waiver,
            severity: rule.severity,
            blocking: run.blocking,
            due: finding.due.map(format_instant),
            message,
            remedy,
            explanation: lines,
            missing,
            attested: finding.attested.iter().filter_map(|id| self.attested(*id)).collect(),
        })
    }

    fn explanation(&self, explanation: Explanation) -> (Option<String>, Option<String>, Vec<ExplanationLine>, Vec<Missing>) {
        let lines = explanation.lines.into_iter().map(|line| ExplanationLine {
            depth: line.depth,
            text: line.text,
            outcome: line.truth,
            evidence: line
                .evidence
                .into_iter()
                .map(|item| EvidenceItem {
                    subject: subject(self.snapshot, item.entity),
                    property: self.property_name(item.property),
                    value: item.value,
                    source: item.source.and_then(|id| self.snapshot.source(id)).map(|source| source.display()),
                })
                .collect(),
        });
        let missing = explanation.missing.iter().map(|fact| missing(self.snapshot, fact));
        (explanation.message, explanation.remedy, lines.collect(), missing.collect())
    }

    fn property_name(&self, id: crate::model::PropertyId) -> String {
        self.policies.schema.property(id).map_or_else(|| "?".to_owned(), |property| property.name.clone())
    }

    fn note_unread(&self, rule: &str, missing: &[MissingFact], unread: &mut BTreeMap<Hole, Waiting>) {
        let mut counted: BTreeSet<Hole> = BTreeSet::new();
        for fact in missing {
            let hole =
                (hole(self.snapshot, fact.what), fact.source.api.clone(), fact.source.permission.clone(), fact.source.register.clone());
            let waiting = unread.entry(hole.clone()).or_default();
            waiting.reasons.insert(fact.reason.clone());
            waiting.rules.insert(rule.to_owned());
            waiting.verdicts += usize::from(counted.insert(hole));
        }
    }

    fn attested(&self, id: SourceId) -> Option<AttestedBy> {
        let source = self.snapshot.source(id)?;
        let attestation = source.attestation.as_ref()?;
        Some(AttestedBy {
            id: attestation.id.clone(),
            by: attestation.attested_by.clone(),
            source: source.display(),
            review_due: attestation.review_due_at.map(format_instant),
        })
    }

    fn rules(&self) -> Vec<RuleResult> {
        let results = self.scan.runs.iter().enumerate().filter_map(|(at, run)| {
            let verdicts = Counts::of(&self.verdicts.tally(at));
            let rule = self.policies.rules.get(run.rule.0 as usize)?;
            Some(RuleResult {
                id: rule.id.clone(),
                pack: run.pack.and_then(|at| self.policies.packs.get(at)).map(|pack| pack.name.clone()),
                title: rule.title.clone(),
                severity: rule.severity,
                blocking: run.blocking,
                why: rule.why.clone(),
                refs: rule.refs.clone(),
                tags: rule.tags.clone(),
                vacuous: verdicts.assessed() == 0,
                verdicts,
                source: None,
                fixes: fixes(self.policies, rule),
            })
        });
        results.collect()
    }

    fn summary(&self, rules: &[RuleResult]) -> Summary {
        let mut summary = Summary { rules: rules.len(), ..Summary::default() };
        for run in 0..self.scan.runs.len() {
            let tally = self.verdicts.tally(run);
            summary.verdicts.add(&Counts::of(&tally));
            summary.attested += tally.attested;
        }
        summary.evaluated = summary.verdicts.decided();
        summary.of = summary.verdicts.assessed();
        summary.vacuous = rules.iter().filter(|rule| rule.vacuous).map(|rule| rule.id.clone()).collect();
        summary.vacuous.dedup();
        summary
    }

    fn parameters(&self) -> BTreeMap<String, String> {
        let Some(evaluator) = self.scan.evaluator(self.policies, self.snapshot, 0) else { return BTreeMap::new() };
        let run = self.scan.runs.first().map_or(Vec::new(), |run| run.params.clone());
        let shown = self.policies.params.iter().zip(&run).filter(|(param, _)| !param.is_const);
        shown.map(|(param, value)| (format!("{}.{}", param.module, param.name), show(&evaluator, value))).collect()
    }

    fn waivers(&self) -> Vec<WaiverResult> {
        let results = self.scan.waivers.iter().filter_map(|used| {
            let waiver = self.policies.waivers.get(used.waiver)?;
            let rule = self.policies.rules.get(waiver.rule.0 as usize)?;
            let requirement = waiver.requirement.and_then(|at| rule.requirements.get(at));
            let state = match (used.state.covers(), used.subjects, used.fails) {
                (true, 0, _) => WaiverOutcome::Unmatched,
                (true, _, 0) => WaiverOutcome::Unneeded,
                _ => WaiverOutcome::Is(used.state),
            };
            Some(WaiverResult {
                rule: rule.id.clone(),
                requirement: requirement.map(|requirement| requirement.name.clone()),
                state,
                until: format_instant(waiver.until),
                because: waiver.because.clone(),
                approved_by: waiver.approved_by.clone(),
                ticket: waiver.ticket.clone(),
                fails: used.fails,
                subjects: used.subjects,
            })
        });
        results.collect()
    }
}

fn show(evaluator: &Evaluator<'_>, value: &crate::evaluate::Val) -> String {
    evaluator.show(value)
}

fn rule_source(rule: &Rule, sources: &SourceSet, paths: &[String], n_builtin: usize) -> Option<RuleSource> {
    let at = rule.span.file.0 as usize;
    let (file, path) = (sources.get(rule.span.file)?, paths.get(at)?);
    let text = sources.slice(rule.span).to_owned();
    let (line, _) = file.line_column(rule.span.start);
    let end_line = line + text.matches('\n').count();
    Some(RuleSource { file: format!("{path}.tenet"), builtin: at < n_builtin, line, end_line, text })
}

/// Lists the actions of the fixes of a rule, each once a fix.
fn fixes(policies: &Policies, rule: &Rule) -> Vec<FixResult> {
    let mut results: Vec<FixResult> = Vec::new();
    for fix in &rule.fixes {
        let requirements = fix.requirements.iter().filter_map(|at| rule.requirements.get(*at)).map(|requirement| requirement.name.clone());
        let requirements: Vec<String> = requirements.collect();
        let mut steps: Vec<&FixStep> = fix.steps.iter().rev().collect();
        while let Some(step) = steps.pop() {
            match step {
                FixStep::Loop(_, inner) => steps.extend(inner.iter().rev()),
                FixStep::Call(id, _) => {
                    let Some(action) = policies.actions.get(id.0 as usize) else { continue };
                    let result = FixResult {
                        name: fix.name.clone(),
                        requirements: requirements.clone(),
                        action: action.name.clone(),
                        by_a_person: action.mode == ActionMode::Human || action.identity.is_some(),
                        needs: action.needs.clone(),
                    };
                    if !results.contains(&result) {
                        results.push(result);
                    }
                }
            }
        }
    }
    results
}

/// Names an entity.
#[must_use]
pub fn subject(snapshot: &Snapshot, id: crate::model::EntityId) -> Subject {
    let entity = snapshot.entity_type(id).map_or("?", |ty| snapshot.schema().entity_name(ty)).to_owned();
    Subject { entity, id: snapshot.key(id).into_owned(), name: snapshot.label(id) }
}

/// Puts a missing fact into words.
#[must_use]
pub fn missing(snapshot: &Snapshot, fact: &MissingFact) -> Missing {
    let schema = snapshot.schema();
    let property = |id| schema.property(id).map_or("?", |property| property.name.as_str());
    let what = match fact.what {
        MissingWhat::Attribute(id, p) => format!("{} of {}", property(p), snapshot.label(id)),
        MissingWhat::List(id, p) => format!("all {} of {}", property(p), snapshot.label(id)),
        MissingWhat::Extent(ty) => format!("the list of every {}", schema.entity_name(ty)),
        MissingWhat::Type(id) => format!("what kind of principal or scope {} is", snapshot.label(id)),
        MissingWhat::UnseenMember(ty) => format!("every {} there is", schema.entity_name(ty)),
    };
    Missing {
        what,
        reason: fact.reason.clone(),
        as_of: fact.at.map(format_instant),
        api: fact.source.api.clone(),
        permission: fact.source.permission.clone(),
        register: fact.source.register.clone(),
    }
}

/// Names the kind of a missing fact, such as `Subscription.agreement`.
fn hole(snapshot: &Snapshot, what: MissingWhat) -> String {
    let schema = snapshot.schema();
    match what {
        MissingWhat::Attribute(_, p) | MissingWhat::List(_, p) => schema
            .property(p)
            .map_or_else(|| "?".to_owned(), |property| format!("{}.{}", schema.entity_name(property.owner), property.name)),
        MissingWhat::Extent(ty) | MissingWhat::UnseenMember(ty) => format!("every {}", schema.entity_name(ty)),
        MissingWhat::Type(id) => {
            format!("kind of {}", snapshot.entity_type(id).map_or("entity", |ty| schema.entity_name(ty)))
        }
    }
}
