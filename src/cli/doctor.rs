//! `tenet doctor`: who is signed in, what they may read, and which rules what they may not read costs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use super::Exit;
use super::args::{Doctor, Global};
use super::collect::{admitted, choice, not_signed_in};
use super::reading::{RuleReads, rule_reads};
use super::{output, repo};
use crate::report::plain;
use crate::sources::collect::{Access, Operation, Permission, Probed, Whose, probe};

/// Rules named for one read; the rest is counted.
const RULES_MAX: usize = 12;

pub(super) fn run(global: &Global, args: &Doctor) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files(&[])?)?;
    let rules = rule_reads(&repo, &compiled, &args.reads.rules)?;
    let choice = choice(&repo, &compiled, &args.reads)?;
    if args.grant_list {
        output::print(&grants(&choice.asked(), &rules))?;
        return Ok(Exit::Ok);
    }
    let runtime = Runtime::new()?;
    let client = args.auth.connect(&repo.config, global.offline).map_err(not_signed_in)?;
    let way = client.way();
    let whose = admitted(&runtime, &client, &repo)?;
    let work = output::Work::begin(global, "trying each read");
    let probed = runtime.block_on(probe(&client, &whose, &choice));
    drop(work);
    if args.json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&document(&whose, way, &probed, &rules))?))?;
    } else {
        output::print(&table(&whose, way, &probed, &rules))?;
    }
    Ok(exit(&probed))
}

fn exit(probed: &[Probed]) -> Exit {
    let allowed = probed.iter().filter(|one| one.access == Access::Allowed).count();
    match allowed {
        0 => Exit::Auth,
        n if n == probed.len() => Exit::Ok,
        _ => Exit::Incomplete,
    }
}

/// Rules that lose facts if an operation gives none.
fn losing(operation: Operation, rules: &[RuleReads]) -> Vec<&str> {
    let loses = |rule: &&RuleReads| rule.reads.iter().any(|read| operation.serves(read));
    rules.iter().filter(loses).map(|rule| rule.rule.as_str()).collect()
}

fn table(whose: &Whose, way: &str, probed: &[Probed], rules: &[RuleReads]) -> String {
    let mut text = format!("identity {} in the directory {}, signed in by {way}\n\n", whose.principal, whose.tenant);
    for one in probed {
        let (word, reason) = match &one.access {
            Access::Allowed => ("allowed", None),
            Access::Denied { reason } => ("denied", Some(reason)),
            Access::Unknown { reason } => ("unknown", Some(reason)),
        };
        let tried =
            if one.n_known > 1 { format!(" ({} of {} tried, {} there)", one.n_allowed, one.n_tried, one.n_known) } else { String::new() };
        let _ = writeln!(text, "{word:<8} {} {}{tried}", one.operation.name(), one.operation.what());
        if let Some(reason) = reason {
            let _ = writeln!(text, "           {}", plain(reason));
            let _ = writeln!(text, "           needs {}", one.operation.permission().name());
            let lost = losing(one.operation, rules);
            let named: Vec<&str> = lost.iter().copied().take(RULES_MAX).collect();
            let more = if lost.len() > RULES_MAX { format!(" and {} more", lost.len() - RULES_MAX) } else { String::new() };
            let lost = if lost.is_empty() { "no rule in force".to_owned() } else { format!("{}{more}", named.join(", ")) };
            let _ = writeln!(text, "           without it these may stay unknown: {lost}");
        }
    }
    let count = |wanted: fn(&Access) -> bool| probed.iter().filter(|one| wanted(&one.access)).count();
    let _ = writeln!(
        text,
        "\n{} allowed, {} denied, {} unknown",
        count(|access| matches!(access, Access::Allowed)),
        count(|access| matches!(access, Access::Denied { .. })),
        count(|access| matches!(access, Access::Unknown { .. }))
    );
    text
}

fn document(whose: &Whose, way: &str, probed: &[Probed], rules: &[RuleReads]) -> Json {
    let reads: Vec<Json> = probed
        .iter()
        .map(|one| {
            let (access, reason) = match &one.access {
                Access::Allowed => ("allowed", None),
                Access::Denied { reason } => ("denied", Some(reason)),
                Access::Unknown { reason } => ("unknown", Some(reason)),
            };
            json!({
                "read": one.operation.name(), "of": one.operation.what(), "request": one.operation.shown(), "access": access,
                "reason": reason, "permission": one.operation.permission().name(), "tried": one.n_tried, "allowed": one.n_allowed,
                "rules": losing(one.operation, rules),
            })
        })
        .collect();
    json!({ "format": "tenet.doctor/v1", "tenant": whose.tenant, "principal": whose.principal, "signed_in_by": way, "reads": reads })
}

/// The least that has to be granted for what is chosen.
fn grants(asked: &[Operation], rules: &[RuleReads]) -> String {
    let mut groups: BTreeMap<u8, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for operation in asked {
        let (group, name) = match operation.permission() {
            Permission::SignIn => continue,
            Permission::Action(name) => (0, name),
            Permission::Graph(name) => (1, name),
            Permission::Billing(name) => (2, name),
            Permission::Other(name) => (3, name),
        };
        groups.entry(group).or_default().entry(name).or_default().insert(operation.name());
    }
    let heads = [
        "Azure: the role Reader at the root management group has all of these actions; a custom role there needs only them.\n\
         The tenant root itself (`/`) shows its assignments to whoever may read role assignments there.",
        "Microsoft Graph: application permissions, with the consent of an administrator of the directory.",
        "Billing: roles of billing, which are apart from those of Azure and are given in the billing account.",
        "Given in other ways; most tenants do without, and the facts that need them stay unknown.",
    ];
    let mut text = String::from("The least permissions for what is read. Nothing here can change anything.\n");
    for (group, names) in &groups {
        let _ = writeln!(text, "\n{}", heads.get(usize::from(*group)).copied().unwrap_or_default());
        for (name, reads) in names {
            let n_rules = rules
                .iter()
                .filter(|rule| asked.iter().any(|one| reads.contains(one.name()) && rule.reads.iter().any(|read| one.serves(read))))
                .count();
            let reads: Vec<&str> = reads.iter().copied().collect();
            let _ = writeln!(text, "  {name}  ({}; {} read it)", reads.join(", "), output::counted(n_rules, "rule"));
        }
    }
    text
}
