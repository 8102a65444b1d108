//! `tenet plan`: what would mend the findings, as a plan that can be reviewed, approved and applied.
//!
//! Nothing here can write to a tenant: it works on a snapshot, and turns actions into requests without sending any.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use super::args::{Global, Plan};
use super::exit::Failure;
use super::load::Loaded;
use super::repo::{Repo, policies_digest};
use super::{Exit, output, repo, scan as scanning};
use crate::Compiled;
use crate::check::Policies;
use crate::evaluate::engine::scan;
use crate::evaluate::{Detail, Options, Scan};
use crate::model::{parse_duration, parse_instant, sha256_hex};
use crate::remedy::plan::{Approvals, Digests, Limits, Why};
use crate::remedy::{PlanError, Request, Selection, make_plan};
use crate::report::{Fresh, ResultDocument, render_advice, render_plan, result_document};
use crate::snapshot::Snapshot;
use crate::sources::azure::AzureRequests;
use crate::sources::plan_file::{PlanFile, encode_plan, write_plan};
use crate::text::did_you_mean;

/// The largest result that is read.
const RESULT_BYTES_MAX: u64 = 1 << 30;
/// The longest a plan may be valid, in seconds.
const VALID_SECONDS_MAX: i64 = 7 * 24 * 60 * 60;

pub(super) fn run(global: &Global, args: &Plan) -> anyhow::Result<Exit> {
    let (file, advice) = make(global, args)?;
    output::print(&(render_plan(&file.plan) + &render_advice(&advice)))?;
    if let Some(path) = &args.output {
        write_plan(&file, path).map_err(|error| Failure::usage(error.to_string()))?;
        output::say(global, &format!("wrote {}; digest {}", path.display(), file.digest));
    }
    let anything = !file.plan.steps.is_empty() || !file.plan.manual.is_empty();
    Ok(if anything && args.detailed_exitcode { Exit::Changes } else { Exit::Ok })
}

/// Makes a plan, and neither shows nor writes it; with the advice that speaks afterwards.
pub(super) fn make(global: &Global, args: &Plan) -> anyhow::Result<(PlanFile, Vec<Why>)> {
    let valid_for = valid_for(&args.valid_for)?;
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files_and(&args.selection.policies)?)?;
    let policies = &compiled.policies;
    let params = repo.parameters(&compiled, &args.selection)?;
    let packs = repo.packs(&compiled, &args.selection)?;
    let loaded = repo.snapshot(global, &compiled, &args.selection)?;
    let reported = args.from.as_deref().map(Reported::read).transpose()?;
    let now = match (global.now, &reported) {
        (None, Some(reported)) => reported.now,
        _ => loaded.now(global)?,
    };
    let options = Options { now, params: &params, packs: packs.as_deref(), select: &|_| true, subject: None, waivers: true };
    let work = output::Work::begin(global, "planning");
    let result = scan(policies, &loaded.snapshot, &options);
    loaded.check()?;
    let result = result.map_err(|error| Failure::usage(error.to_string()))?;
    let made = Made { repo: &repo, compiled: &compiled, loaded: &loaded, scan: &result };
    let digests = made.digests(reported.as_ref())?;
    let request = Request {
        policies,
        snapshot: &loaded.snapshot,
        options: &options,
        scan: &result,
        bind: &AzureRequests,
        selection: chosen(policies, &loaded.snapshot, args)?,
        reported: reported.map(|reported| reported.findings),
        search: args.search,
        tenant: made.tenant()?,
        principal: args.principal.clone().or_else(|| repo.config.plan.principal.clone()),
        planner: args.planner.clone().or_else(|| repo.config.plan.planner.clone()).unwrap_or_default(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        digests,
        approvals: approvals(&repo)?,
        limits: Limits { max_changes: args.max_changes, max_changes_percent: args.max_changes_percent },
        valid_for,
    };
    let planned = make_plan(&request).map_err(|error| refusal(&error))?;
    loaded.check()?;
    drop(work);
    let file = encode_plan(planned.plan).map_err(|error| Failure::new(Exit::Bug, format!("the plan cannot be written: {error}")))?;
    Ok((file, planned.advice))
}

fn refusal(error: &PlanError) -> Failure {
    let exit = match error {
        PlanError::Limit { .. } => Exit::Limit,
        PlanError::Engine(_) => Exit::Usage,
        PlanError::Build(_) | PlanError::Inconsistent(_) => Exit::Bug,
    };
    Failure::new(exit, error.to_string())
}

fn valid_for(text: &str) -> anyhow::Result<SignedDuration> {
    let seconds = parse_duration(text).map_err(|error| Failure::usage(format!("--valid-for: {error}")))?;
    if !(1..=VALID_SECONDS_MAX).contains(&seconds) {
        return Err(Failure::usage(format!("--valid-for {text}: write something between one second and 7 days")).into());
    }
    Ok(SignedDuration::from_secs(seconds))
}

/// Checks that what is chosen is a rule or something in the snapshot, so that a slip of the pen does not select nothing.
fn chosen(policies: &Policies, snapshot: &Snapshot, args: &Plan) -> anyhow::Result<Selection> {
    for (flag, wanted) in args.only.iter().map(|id| ("--only", id)).chain(args.exclude.iter().map(|id| ("--exclude", id))) {
        let ids = policies.rules.iter().map(|rule| rule.id.as_str());
        let is_rule = ids.clone().any(|id| scanning::matches_id(wanted, id));
        // Targets are ids of ARM, paths of Microsoft Graph, or object ids.
        let is_target = wanted.starts_with('/') || scanning::find_subject(snapshot, wanted).is_ok();
        if !is_rule && !is_target {
            let help = did_you_mean(wanted, ids).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(Failure::usage(format!("{flag} {wanted}: there is no such rule and no such target{help}")).into());
        }
    }
    Ok(Selection { only: args.only.clone(), exclude: args.exclude.clone() })
}

fn approvals(repo: &Repo) -> anyhow::Result<Approvals> {
    let path = repo.root.join("allowed_signers");
    let allowed_signers = if path.exists() { sha256_hex(&std::fs::read(&path)?) } else { String::new() };
    Ok(Approvals { needed: repo.config.plan.approvals, allowed_signers })
}

/// What a plan is made from.
struct Made<'a> {
    repo: &'a Repo,
    compiled: &'a Compiled,
    loaded: &'a Loaded,
    scan: &'a Scan,
}

impl Made<'_> {
    fn tenant(&self) -> anyhow::Result<String> {
        let said = self.loaded.snapshot.meta().tenant.clone();
        let configured = self.repo.config.tenant.as_ref().map(|tenant| tenant.value.clone());
        if let (Some(said), Some(configured)) = (&said, &configured)
            && !said.eq_ignore_ascii_case(configured)
        {
            let text = format!("the snapshot is of the tenant {said}, and tenet.toml is for {configured}");
            return Err(Failure::new(Exit::Stale, text).into());
        }
        said.or(configured).ok_or_else(|| Failure::usage("neither the snapshot nor tenet.toml says which tenant it is").into())
    }

    fn digests(&self, reported: Option<&Reported>) -> anyhow::Result<Digests> {
        let document = || -> anyhow::Result<ResultDocument> {
            let identity = self.loaded.identity(self.compiled)?;
            let mut document = result_document(&self.compiled.policies, &self.loaded.snapshot, self.scan, identity, Detail::Brief);
            let exit = scanning::outcome(&document, scanning::FailOn::Blocking, false, Fresh::default());
            exit.name().clone_into(&mut document.summary.outcome);
            Ok(document)
        };
        let document = document()?;
        self.loaded.check()?;
        let parameters = serde_json::to_value(&document.parameters)?;
        let snapshot = self.loaded.manifest.digest()?;
        let policies = policies_digest(self.compiled);
        let result = match reported {
            Some(reported) => {
                reported.fits(&policies, &snapshot, &parameters)?;
                reported.digest.clone()
            }
            None => sha256_hex(scanning::json(&document)?.as_bytes()),
        };
        let waivers = self.waivers();
        let parameters = sha256_hex(parameters.to_string().as_bytes());
        Ok(Digests { result, snapshot, policies, waivers: sha256_hex(waivers.as_bytes()), parameters })
    }

    /// The texts of all waivers, in the order of the files.
    fn waivers(&self) -> String {
        let mut texts = String::new();
        for waiver in &self.compiled.policies.waivers {
            let file = self.compiled.sources.get(waiver.span.file);
            let range = waiver.span.start as usize..waiver.span.end as usize;
            texts += file.and_then(|file| file.text.get(range)).unwrap_or("");
            texts.push('\0');
        }
        texts
    }
}

/// A saved result.
struct Reported {
    name: String,
    digest: String,
    now: Timestamp,
    document: Json,
    findings: BTreeSet<(String, String, String)>,
}

impl Reported {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let wrong = |what: &str| Failure::usage(format!("{name}: {what}"));
        let size = std::fs::metadata(path).map_err(|error| wrong(&error.to_string()))?.len();
        if size > RESULT_BYTES_MAX {
            return Err(wrong(&format!("{size} bytes, and the limit for a result is {RESULT_BYTES_MAX}")).into());
        }
        let bytes = std::fs::read(path).map_err(|error| wrong(&error.to_string()))?;
        let document: Json = serde_json::from_slice(&bytes).map_err(|error| wrong(&format!("this is not JSON: {error}")))?;
        match document.get("format").and_then(Json::as_str) {
            Some("tenet.result/v1") => {}
            other => {
                let text = format!("`{}` is not the format tenet.result/v1; make it with `tenet scan -f json`", other.unwrap_or("nothing"));
                return Err(wrong(&text).into());
            }
        }
        let said = document.get("now").and_then(Json::as_str).unwrap_or("");
        let now = parse_instant(said).ok().flatten().ok_or_else(|| wrong("it does not say as of when it was made (`now`)"))?;
        let list = document.get("findings").and_then(Json::as_array).ok_or_else(|| wrong("it has no `findings`"))?;
        let findings = list.iter().filter_map(failed).collect();
        Ok(Self { digest: sha256_hex(&bytes), name, now, document, findings })
    }

    /// Refuses a result of other policies, another snapshot or other parameters.
    fn fits(&self, policies: &str, snapshot: &str, parameters: &Json) -> anyhow::Result<()> {
        let said = |pointer: &str| self.document.pointer(pointer).and_then(Json::as_str).unwrap_or("nothing").to_owned();
        let stale = |what: &str, is: &str, was: &str| {
            let text = format!("{} was made from other {what} ({was}, and here are {is}); scan again", self.name);
            Failure::new(Exit::Stale, text)
        };
        let was = said("/run/policies_digest");
        if was != policies {
            return Err(stale("policies", policies, &was).into());
        }
        let was = said("/run/snapshot_digest");
        if was != snapshot {
            return Err(stale("snapshots", snapshot, &was).into());
        }
        if self.document.get("parameters") != Some(parameters) {
            return Err(Failure::new(Exit::Stale, format!("{} was made with other parameters; scan again", self.name)).into());
        }
        Ok(())
    }
}

fn failed(finding: &Json) -> Option<(String, String, String)> {
    let text = |pointer: &str| finding.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
    let fails = text("/verdict").as_deref() == Some("fail") && finding.get("waived") != Some(&Json::Bool(true));
    if fails { Some((text("/rule")?, text("/requirement")?, text("/subject/id")?)) } else { None }
}
