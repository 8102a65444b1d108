//! The result on a terminal, or as plain columns when it is piped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;

use comfy_table::presets::{NOTHING, UTF8_HORIZONTAL_ONLY};
use comfy_table::{ContentArrangement, Table};

use super::document::{AttestedBy, Counts, FindingResult, Missing, ResultDocument, Summary, Unread};
use super::escape::{plain, plain_lines, shorten};
use super::result::{Holes, Report};
use super::saved::ResultSource;
use crate::model::Verdict;

/// Fails shown one by one; the rest is counted.
const FAILS_MAX: usize = 40;
/// Kinds of missing facts shown; the rest is counted.
const UNREAD_MAX: usize = 20;

/// Unknown verdicts asked what they lack; finding that out takes longer than deciding.
const ASKED_MAX: usize = 100_000;

/// Fails named of a waiver that does not count; the rest is counted.
const NAMED_MAX: usize = 3;

/// How a table is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableStyle {
    /// Whether lines are drawn; plain columns without.
    pub lines: bool,
    /// Columns of the terminal.
    pub width: u16,
}

/// Writes a result for people. Counts come from the head of the report; only what is shown is explained.
#[must_use]
pub fn render_table(report: &Report<'_>, style: TableStyle) -> String {
    render(report.head(), &Shown::of(report), style)
}

/// Writes a result that is there already. The same text, but that nothing is left unasked.
///
/// # Errors
/// What reading says.
pub(super) fn table_again(result: &dyn ResultSource, style: TableStyle) -> io::Result<String> {
    Ok(render(result.head(), &Shown::again(result)?, style))
}

fn render(document: &ResultDocument, shown: &Shown, style: TableStyle) -> String {
    let mut out = String::new();
    heading(document, &mut out);
    rules(document, style, &mut out);
    fails(document, shown, &mut out);
    pending(document, shown, &mut out);
    unread(document, shown, &mut out);
    attested(shown, &mut out);
    waivers(document, &mut out);
    summary(document, &mut out);
    // A saved result may say anything anywhere.
    plain_lines(&out)
}

/// A register, who vouches, and until when.
type Vouched = (String, String, Option<String>);

/// What a table shows of the findings.
#[derive(Default)]
struct Shown {
    fails: Vec<FindingResult>,
    pending: Vec<FindingResult>,
    unread: Vec<Unread>,
    /// Unknown verdicts that were not asked what they lack.
    n_unasked: usize,
    /// The entries and the rules that rest on them.
    attested: BTreeMap<Vouched, (BTreeSet<String>, BTreeSet<String>)>,
}

impl Shown {
    fn of(report: &Report<'_>) -> Self {
        let mut shown = Self::default();
        let (mut holes, mut n_asked) = (Holes::default(), 0);
        for finding in report.runs().flatten() {
            let verdict = finding.finding.verdict;
            match verdict {
                Verdict::Fail if finding.finding.waiver.is_none() && shown.fails.len() < FAILS_MAX => {
                    shown.fails.extend(finding.made(&mut holes));
                }
                Verdict::Pending if shown.pending.len() < FAILS_MAX => shown.pending.extend(finding.made(&mut holes)),
                Verdict::Unknown if n_asked < ASKED_MAX => {
                    finding.note(&mut holes);
                    n_asked += 1;
                }
                Verdict::Unknown => shown.n_unasked += 1,
                _ => {}
            }
            finding.attested(|rule, attested| shown.rests_on(rule, attested));
        }
        shown.unread = holes.sorted();
        shown
    }

    fn again(result: &dyn ResultSource) -> io::Result<Self> {
        let mut shown = Self { unread: result.head().unread.clone(), ..Self::default() };
        result.findings(&mut |finding| {
            let list = match finding.verdict {
                Verdict::Fail if !finding.waived => Some(&mut shown.fails),
                Verdict::Pending => Some(&mut shown.pending),
                _ => None,
            };
            if let Some(list) = list.filter(|list| list.len() < FAILS_MAX) {
                list.push(finding.clone());
            }
            finding.attested.iter().for_each(|attested| shown.rests_on(&finding.rule, attested.clone()));
            Ok(())
        })?;
        Ok(shown)
    }

    fn rests_on(&mut self, rule: &str, attested: AttestedBy) {
        let key = (register_of(&attested.source), attested.by, attested.review_due);
        let (ids, rules) = self.attested.entry(key).or_default();
        ids.insert(attested.id);
        rules.insert(rule.to_owned());
    }
}

fn heading(document: &ResultDocument, out: &mut String) {
    let tenant = document.tenant.as_deref().unwrap_or("(tenant not known)");
    let _ = writeln!(out, "Tenant {}, as of {}", plain(tenant), plain(&document.now));
    for problem in &document.problems {
        let _ = writeln!(out, "note: {}", plain(problem));
    }
    let _ = writeln!(out);
}

fn rules(document: &ResultDocument, style: TableStyle, out: &mut String) {
    let mut table = Table::new();
    table.load_style(if style.lines { UTF8_HORIZONTAL_ONLY } else { NOTHING });
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(style.width);
    table.set_header(vec!["rule", "severity", "fail", "unknown", "pending", "waived", "pass", "title"]);
    let spoken: Vec<_> = document.rules.iter().filter(|rule| !rule.vacuous).collect();
    for rule in &spoken {
        let Counts { fail, waived, unknown, pending, pass, .. } = rule.verdicts;
        let number = |n: usize| if n == 0 { "·".to_owned() } else { n.to_string() };
        let severity = if rule.blocking { rule.severity.name().to_owned() } else { format!("{} (advisory)", rule.severity.name()) };
        let cells =
            [rule.id.clone(), severity, number(fail), number(unknown), number(pending), number(waived), number(pass), rule.title.clone()];
        table.add_row(cells.map(|cell| plain(&cell)).to_vec());
    }
    for line in table.to_string().lines() {
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let vacuous = document.rules.len() - spoken.len();
    if vacuous > 0 {
        let names = plain(&document.summary.vacuous.join(", "));
        let _ = writeln!(out, "\nApplied to nothing ({vacuous}): {names}");
    }
}

fn subject_name(finding: &FindingResult) -> String {
    match &finding.subject {
        None => "subjects that were not read".to_owned(),
        Some(subject) if subject.name == subject.id => plain(&subject.id),
        Some(subject) => format!("{} ({})", plain(&subject.name), plain(&subject.id)),
    }
}

fn fails(document: &ResultDocument, shown: &Shown, out: &mut String) {
    if shown.fails.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nFAIL");
    for finding in &shown.fails {
        let requirement = plain(finding.requirement.as_deref().unwrap_or("-"));
        let _ = writeln!(out, "  {}.{requirement} [{}] {}", plain(&finding.rule), finding.severity.name(), subject_name(finding));
        if let Some(message) = &finding.message {
            let _ = writeln!(out, "      {}", plain(message));
        }
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(out, "      → {}", plain(remedy));
        }
    }
    more(document.summary.verdicts.fail, FAILS_MAX, "fails", out);
}

fn pending(document: &ResultDocument, shown: &Shown, out: &mut String) {
    if shown.pending.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nPENDING");
    for finding in &shown.pending {
        let [due, requirement] = [finding.due.as_deref().unwrap_or("?"), finding.requirement.as_deref().unwrap_or("-")].map(plain);
        let _ = writeln!(out, "  {}.{requirement} due {due} {}", plain(&finding.rule), subject_name(finding));
    }
    more(document.summary.verdicts.pending, FAILS_MAX, "pending", out);
}

fn unread(document: &ResultDocument, shown: &Shown, out: &mut String) {
    if document.summary.verdicts.unknown == 0 {
        return;
    }
    let _ = writeln!(out, "\nUNKNOWN, and what is missing");
    for hole in shown.unread.iter().take(UNREAD_MAX) {
        let _ = writeln!(
            out,
            "  {} — {} for it",
            plain(&hole.what),
            if hole.verdicts == 1 { "1 verdict waits".to_owned() } else { format!("{} verdicts wait", hole.verdicts) }
        );
        for reason in &hole.reasons {
            let _ = writeln!(out, "      why: {}", plain(reason));
        }
        let remedy = remedy_of(hole.api.as_deref(), hole.permission.as_deref(), hole.register.as_deref());
        let _ = writeln!(out, "      get it by: {}", plain(&remedy));
        let _ = writeln!(out, "      rules: {}", shorten(&plain(&hole.rules.join(", ")), 120));
    }
    more(shown.unread.len(), UNREAD_MAX, "kinds of missing facts", out);
    if shown.n_unasked > 0 {
        let _ = writeln!(out, "  … {} more unknown verdicts were not asked what they lack; `-f json` has it", shown.n_unasked);
    }
}

/// Says how a missing fact can be got.
#[must_use]
pub fn remedy_of(api: Option<&str>, permission: Option<&str>, register: Option<&str>) -> String {
    let read = match (api, permission) {
        (Some(api), Some(permission)) => Some(format!("reading {api} (needs {permission})")),
        (Some(api), None) => Some(format!("reading {api}")),
        _ => None,
    };
    let entry = register.map(|register| match register {
        "any" => "an entry in a register".to_owned(),
        register => format!("an entry in the register `{register}`"),
    });
    match (read, entry) {
        (Some(read), Some(entry)) => format!("{read}, or {entry}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "nothing known".to_owned(),
    }
}

/// Puts one missing fact on one line.
#[must_use]
pub fn missing_line(missing: &Missing) -> String {
    let as_of = missing.as_of.as_ref().map_or_else(String::new, |at| format!(" as of {at}"));
    let remedy = remedy_of(missing.api.as_deref(), missing.permission.as_deref(), missing.register.as_deref());
    format!("{}{}: {}; get it by {}", plain(&missing.what), plain(&as_of), plain(&missing.reason), plain(&remedy))
}

fn attested(shown: &Shown, out: &mut String) {
    let by_register = &shown.attested;
    if by_register.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nATTESTED: verdicts that rest on somebody's word");
    for ((register, by, due), (ids, rules)) in by_register.iter().take(UNREAD_MAX) {
        let due = due.as_ref().map_or_else(String::new, |due| format!(", review due {}", plain(due)));
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let _ = writeln!(
            out,
            "  {}: {} entries by {}{due}: {}",
            plain(register),
            ids.len(),
            plain(by),
            shorten(&plain(&rules.join(", ")), 100)
        );
    }
    more(by_register.len(), UNREAD_MAX, "attestations", out);
}

/// Names a register without the line of one entry.
pub(super) fn register_of(source: &str) -> String {
    match source.rsplit_once(':') {
        Some((register, line)) if line.trim_end_matches(')').bytes().all(|byte| byte.is_ascii_digit()) => format!("{register})"),
        _ => source.to_owned(),
    }
}

fn waivers(document: &ResultDocument, out: &mut String) {
    if document.waivers.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nWAIVERS");
    for waiver in &document.waivers {
        let requirement = waiver.requirement.as_ref().map_or_else(String::new, |name| format!(".{}", plain(name)));
        let by = waiver.approved_by.join(", ");
        let _ = writeln!(
            out,
            "  {}{requirement} {} until {} by {}: {}",
            plain(&waiver.rule),
            waiver.state.name(),
            plain(&waiver.until),
            plain(&by),
            plain(&waiver.because)
        );
        if !matches!(waiver.state.name(), "active" | "lapsing") && waiver.fails > 0 {
            for key in waiver.findings.iter().take(NAMED_MAX) {
                let _ = writeln!(out, "      counts again: {}", plain(key));
            }
            more(waiver.fails, waiver.findings.len().min(NAMED_MAX), "fails", out);
        }
    }
}

fn summary(document: &ResultDocument, out: &mut String) {
    let _ = writeln!(out, "\n{}", counts_line(&document.summary));
    if document.summary.attested > 0 {
        let _ = writeln!(out, "{} verdicts rest on attestations", document.summary.attested);
    }
}

/// Writes every count, and how much was evaluated.
pub(super) fn counts_line(summary: &Summary) -> String {
    let Counts { fail, unknown, pending, waived, pass, not_applicable } = &summary.verdicts;
    format!(
        "{fail} fail, {unknown} unknown, {pending} pending, {waived} waived, {pass} pass, {not_applicable} not applicable; evaluated {} of {} verdicts of {} rules",
        summary.evaluated, summary.of, summary.rules,
    )
}

fn more(have: usize, shown: usize, what: &str, out: &mut String) {
    if have > shown {
        let _ = writeln!(out, "  … and {} more {what}; `-f json` has them all", have - shown);
    }
}
