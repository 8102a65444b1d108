//! A plan for people: a line a step, its reason, its undo.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::escape::plain;
use crate::remedy::plan::{ManualStep, Method, NotPlanned, Op, Plan, Request, Risk, Step, Undo, Why};

/// Writes a plan: `+` makes, `~` changes, `-` takes away, `!` is for people.
#[must_use]
pub fn render_plan(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        write_step(step, &mut text);
    }
    for step in &plan.manual {
        write_manual(step, &mut text);
    }
    if plan.steps.is_empty() && plan.manual.is_empty() {
        text += "Nothing to do.\n\n";
    }
    if !plan.not_planned.is_empty() {
        text += "Not planned:\n";
        for left in &plan.not_planned {
            write_left(left, &mut text);
        }
        text.push('\n');
    }
    if plan.summary.before.is_empty() && plan.summary.after.is_empty() {
        text += "Verdicts: not counted for this plan; scan again when it is done.\n";
    } else {
        let _ = writeln!(text, "Verdicts: {}", counts(&plan.summary.before, &plan.summary.after));
    }
    let count = |op: Op| plan.steps.iter().filter(|step| step.op == op).count();
    let _ = writeln!(
        text,
        "Plan: {} to add, {} to change, {} to remove, {} manual; {} not planned.",
        count(Op::Add),
        count(Op::Change),
        count(Op::Remove),
        plan.manual.len(),
        plan.not_planned.len()
    );
    for note in unnamed(plan) {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

/// Says who is not named in a plan, and what follows.
fn unnamed(plan: &Plan) -> Vec<&'static str> {
    let mut notes = Vec::new();
    if plan.planner.trim().is_empty() && plan.approvals.needed > 0 {
        notes.push(
            "nobody is named as the one who made this plan, so no approval of it can count and it cannot be applied; \
             plan again with --planner, or set `planner` under [plan] in tenet.toml",
        );
    }
    if plan.principal.is_none() && !plan.steps.is_empty() {
        notes.push(
            "no identity is named that applies this plan, so anybody signed in to the tenant may, and nobody could look whether \
             they keep their own access; plan again with --principal, or set `principal` under [plan] in tenet.toml",
        );
    }
    notes
}

/// Advice that a plan makes speak: it holds no fix back, and nobody should be surprised by it.
#[must_use]
pub fn render_advice(advice: &[Why]) -> String {
    let mut text = String::new();
    for why in advice {
        let _ = writeln!(
            text,
            "advice afterwards: {}.{} on {}: {}",
            plain(&why.rule),
            plain(&why.requirement),
            plain(&why.subject),
            plain(&why.text)
        );
    }
    text
}

fn write_step(step: &Step, text: &mut String) {
    let sign = match step.op {
        Op::Add => '+',
        Op::Change => '~',
        Op::Remove => '-',
    };
    let risk = match step.risk {
        Risk::Low => "",
        Risk::Medium => "  (medium risk)",
        Risk::High => "  (high risk)",
    };
    let _ = writeln!(text, "  {sign} {:<4} {}{risk}", plain(&step.id), plain(&step.title));
    write_whys(&step.why, text);
    let _ = writeln!(text, "         send: {}", request(&step.operation.request));
    match &step.undo {
        Undo::By(undo) => text.push_str(&format!("         undo: {}\n", request(&undo.request))),
        Undo::Irreversible(reason) => text.push_str(&format!("         cannot be undone: {}\n", plain(reason))),
    }
    if !step.depends_on.is_empty() {
        let _ = writeln!(text, "         after {}", plain(&step.depends_on.join(", ")));
    }
    text.push('\n');
}

fn write_whys(whys: &[Why], text: &mut String) {
    for why in whys {
        let _ = writeln!(text, "         because {}.{}: {}", plain(&why.rule), plain(&why.requirement), plain(&why.text));
    }
}

fn write_manual(step: &ManualStep, text: &mut String) {
    let _ = writeln!(text, "  ! {:<4} {}", plain(&step.id), plain(&step.title));
    write_whys(&step.why, text);
    if !step.who.is_empty() {
        let _ = writeln!(text, "         who:  {}", plain(&step.who.join(", ")));
    }
    let mut lead = "do:";
    for line in step.instructions.lines() {
        let _ = writeln!(text, "         {lead:<5} {}", plain(line));
        lead = "";
    }
    let _ = writeln!(text, "         seen: {}", plain(&step.verified_by));
    if !step.depends_on.is_empty() {
        let _ = writeln!(text, "         after {}", plain(&step.depends_on.join(", ")));
    }
    text.push('\n');
}

fn write_left(left: &NotPlanned, text: &mut String) {
    let why = &left.why;
    let _ = writeln!(text, "  {}.{} on {}: {}", plain(&why.rule), plain(&why.requirement), plain(&why.subject), plain(&why.text));
    for reason in &left.reasons {
        let _ = writeln!(text, "      {}", plain(reason));
    }
}

fn request(request: &Request) -> String {
    let method = match request.method {
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    };
    format!("{method} {}", plain(&request.path))
}

/// `fail 12 -> 3, pass 80 -> 89, unknown 4`
fn counts(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> String {
    let of = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or(0);
    let names = ["fail", "waived", "unknown", "pending", "pass", "not_applicable"];
    let parts = names.iter().map(|name| {
        let (was, is) = (of(before, name), of(after, name));
        let shown = name.replace('_', " ");
        if was == is { format!("{shown} {was}") } else { format!("{shown} {was} -> {is}") }
    });
    parts.collect::<Vec<_>>().join(", ")
}
