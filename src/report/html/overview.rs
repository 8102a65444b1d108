//! The overview: every rule by every subscription, and who reaches which subscription.

use std::collections::BTreeMap;

use super::super::document::{Counts, FindingResult, RuleResult};
use super::super::graph::{AccessMap, AccessPath, AccessRow, access_map};
use super::findings::rule_anchor;
use super::surroundings::Surroundings;
use super::text::Text;
use crate::model::Verdict;

/// Columns of the heat map, the gravest subscriptions; rows of the partner map.
const COLUMNS_MAX: usize = 24;
const ACCESS_MAX: usize = 200;

/// Counts of one rule in one subscription.
#[derive(Default)]
pub(super) struct Heat(BTreeMap<(String, Option<String>, usize), Counts>);

/// The heat map as it is written.
pub(super) struct HeatMap {
    pub(super) columns: Vec<Text>,
    pub(super) rows: Vec<HeatRow>,
    pub(super) columns_more: usize,
}

/// A rule.
pub(super) struct HeatRow {
    pub(super) anchor: String,
    pub(super) rule: Text,
    pub(super) title: Text,
    pub(super) cells: Vec<HeatCell>,
}

/// The gravest verdict of a rule in a subscription.
pub(super) struct HeatCell {
    pub(super) class: &'static str,
    pub(super) text: String,
}

impl Heat {
    pub(super) fn note(&mut self, finding: &FindingResult, at: usize) {
        let counts = self.0.entry((finding.rule.clone(), finding.pack.clone(), at)).or_default();
        match finding.verdict {
            Verdict::Fail if finding.waived => counts.waived += 1,
            Verdict::Fail => counts.fail += 1,
            Verdict::Unknown => counts.unknown += 1,
            Verdict::Pending => counts.pending += 1,
            Verdict::Pass => counts.pass += 1,
            Verdict::NotApplicable => counts.not_applicable += 1,
        }
    }

    pub(super) fn map(&self, rules: &[RuleResult], names: &[Text]) -> HeatMap {
        let (columns, columns_more) = self.columns();
        let twice = |rule: &RuleResult| rules.iter().filter(|other| other.id == rule.id).nth(1).is_some();
        let rows = rules.iter().filter(|rule| !rule.vacuous).map(|rule| HeatRow {
            anchor: rule_anchor(rule),
            rule: Text::of(&rule.id),
            title: Text::of(&if twice(rule) {
                format!("{} (pack {})", rule.title, rule.pack.as_deref().unwrap_or("-"))
            } else {
                rule.title.clone()
            }),
            cells: columns.iter().map(|at| cell(self.0.get(&(rule.id.clone(), rule.pack.clone(), *at)))).collect(),
        });
        let rows = rows.collect();
        let name = |at: &usize| names.get(*at).cloned().unwrap_or_else(|| Text::of("?"));
        HeatMap { columns: columns.iter().map(name).collect(), rows, columns_more }
    }

    /// The gravest subscriptions, in the order of their names; the tenant as a whole first.
    fn columns(&self) -> (Vec<usize>, usize) {
        let mut weights: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for ((_, _, at), counts) in &self.0 {
            let weight = weights.entry(*at).or_default();
            weight.0 += counts.fail;
            weight.1 += counts.unknown;
        }
        let mut ranked: Vec<(usize, (usize, usize))> = weights.into_iter().collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let more = ranked.len().saturating_sub(COLUMNS_MAX);
        let mut columns: Vec<usize> = ranked.into_iter().take(COLUMNS_MAX).map(|(at, _)| at).collect();
        columns.sort_unstable();
        (columns, more)
    }
}

fn cell(counts: Option<&Counts>) -> HeatCell {
    let cell = |class, text: String| HeatCell { class, text };
    match counts {
        None => cell("hn", "·".to_owned()),
        Some(Counts { fail: n @ 1.., .. }) => cell("hf", format!("{n} fail")),
        Some(Counts { unknown: n @ 1.., .. }) => cell("hu", format!("{n} unknown")),
        Some(Counts { pending: n @ 1.., .. }) => cell("hd", format!("{n} pending")),
        Some(Counts { waived: n @ 1.., .. }) => cell("hw", format!("{n} waived")),
        Some(Counts { pass: 1.., .. }) => cell("hp", "pass".to_owned()),
        Some(_) => cell("hn", "n/a".to_owned()),
    }
}

/// The partner map as it is written.
pub(super) struct PartnerMap {
    pub(super) partners: Vec<Text>,
    pub(super) rows: Vec<PartnerRow>,
    pub(super) left_out: usize,
}

/// A subscription.
pub(super) struct PartnerRow {
    pub(super) name: Text,
    pub(super) cells: Vec<Text>,
    pub(super) doubts: Vec<Text>,
}

pub(super) fn partner_map(surroundings: Surroundings<'_>) -> PartnerMap {
    let AccessMap { partners, rows, left_out } = access_map(surroundings.snapshot, surroundings.now, ACCESS_MAX);
    PartnerMap { partners: partners.iter().map(|name| Text::of(name)).collect(), rows: rows.iter().map(row).collect(), left_out }
}

fn row(row: &AccessRow) -> PartnerRow {
    // Where something was not read, an empty cell is no proof.
    let nothing = if row.doubts.is_empty() { "none" } else { "none seen" };
    let cells = row.reached.iter().map(|reached| {
        let paths = AccessPath::ALL.iter().filter_map(|path| Some((path.name(), reached.get(path)?)));
        let said: Vec<String> = paths.map(|(name, n)| if *n == 1 { name.to_owned() } else { format!("{name} ×{n}") }).collect();
        Text::of(if said.is_empty() { nothing.to_owned() } else { said.join(", ") }.as_str())
    });
    PartnerRow { name: Text::of(&row.name), cells: cells.collect(), doubts: row.doubts.iter().map(|doubt| Text::of(doubt)).collect() }
}
