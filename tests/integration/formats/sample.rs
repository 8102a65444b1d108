//! A small result with everything in it, made by hand, so that reports of it change only if formats do.

use std::collections::BTreeMap;

use tenet::evaluate::{Truth, WaiverState};
use tenet::model::{RuleSeverity, Verdict};
use tenet::report::{
    Asked, AttestedBy, Captured, Counts, EvidenceItem, ExplanationLine, FindingResult, FixResult, Missing, RESULT_FORMAT, ResultDocument,
    RuleResult, RuleSource, RunIdentity, Subject, Summary, Unread, WaiverOutcome, WaiverResult,
};

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn subject(name: &str) -> Subject {
    Subject { entity: "Subscription".to_owned(), id: format!("/subscriptions/{}", name.to_lowercase()), name: name.to_owned() }
}

pub(crate) fn finding(rule: &str, requirement: Option<&str>, subject: Option<Subject>, verdict: Verdict) -> FindingResult {
    let id = subject.as_ref().map_or("*", |subject| &subject.id);
    FindingResult {
        key: ["base", rule, requirement.unwrap_or("-"), id].join("|"),
        rule: rule.to_owned(),
        pack: text("base"),
        requirement: requirement.map(str::to_owned),
        subject,
        verdict,
        applicability: requirement.is_none() && verdict == Verdict::Unknown,
        waived: false,
        waiver: None,
        since: None,
        severity: RuleSeverity::High,
        blocking: true,
        due: None,
        message: None,
        remedy: None,
        explanation: Vec::new(),
        missing: Vec::new(),
        attested: Vec::new(),
    }
}

fn findings() -> Vec<FindingResult> {
    let fail = FindingResult {
        message: text("Shop has 2 live partners of record; there must be exactly one."),
        remedy: text("Remove the one that is not agreed."),
        explanation: vec![ExplanationLine {
            depth: 0,
            text: "count(s.designations) == 1".to_owned(),
            outcome: Some(Truth::False),
            evidence: vec![EvidenceItem {
                subject: subject("Shop"),
                property: "designations".to_owned(),
                value: "shop-2025, shop-2026".to_owned(),
                source: text("designations (registers/designations.yaml:12)"),
            }],
        }],
        attested: vec![attested("shop-2025")],
        ..finding("ONE-1", Some("exactly_one"), Some(subject("Shop")), Verdict::Fail)
    };
    let waived = FindingResult {
        waived: true,
        waiver: Some(0),
        message: text("Lab has no partner of record."),
        ..finding("ONE-1", Some("exactly_one"), Some(subject("Lab")), Verdict::Fail)
    };
    let unknown = FindingResult {
        missing: vec![
            missing("agreement of Mill", "denied: needs billing account reader", "billing:billingProperty", Some("billing account reader")),
            Missing { api: None, permission: None, register: text("subscriptions"), ..missing("state of Mill", "not read", "", None) },
        ],
        ..finding("ONE-1", Some("exactly_one"), Some(subject("Mill")), Verdict::Unknown)
    };
    let pending = FindingResult {
        due: text("2026-11-30"),
        message: text("Yard is not linked yet."),
        severity: RuleSeverity::Medium,
        blocking: false,
        ..finding("TWO-1", Some("linked"), Some(subject("Yard")), Verdict::Pending)
    };
    let medium = |finding: FindingResult| FindingResult { severity: RuleSeverity::Medium, blocking: false, ..finding };
    vec![
        fail,
        waived,
        unknown,
        FindingResult {
            attested: vec![attested("dock-2026")],
            ..finding("ONE-1", Some("exactly_one"), Some(subject("Dock")), Verdict::Pass)
        },
        finding("ONE-1", None, Some(subject("Old")), Verdict::NotApplicable),
        FindingResult {
            missing: vec![missing("the list of every Subscription", "throttled (429)", "arm:subscriptions", Some("Reader"))],
            ..finding("ONE-1", None, None, Verdict::Unknown)
        },
        pending,
        medium(finding("TWO-1", Some("linked"), Some(subject("Shop")), Verdict::Pass)),
    ]
}

fn missing(what: &str, reason: &str, api: &str, permission: Option<&str>) -> Missing {
    Missing {
        what: what.to_owned(),
        reason: reason.to_owned(),
        as_of: None,
        api: text(api),
        permission: permission.map(str::to_owned),
        register: None,
    }
}

fn attested(id: &str) -> AttestedBy {
    AttestedBy {
        id: id.to_owned(),
        by: "harper.lang@contoso.example".to_owned(),
        source: "designations (registers/designations.yaml:12)".to_owned(),
        review_due: text("2027-01-31"),
    }
}

fn rule(id: &str, title: &str, findings: &[FindingResult]) -> RuleResult {
    let mut verdicts = Counts::default();
    let own: Vec<_> = findings.iter().filter(|finding| finding.rule == id).collect();
    own.iter().for_each(|finding| verdicts.count(finding.standing()));
    RuleResult {
        id: id.to_owned(),
        was: Vec::new(),
        pack: text("base"),
        title: title.to_owned(),
        severity: own.first().map_or(RuleSeverity::Low, |finding| finding.severity),
        blocking: own.first().is_none_or(|finding| finding.blocking),
        why: text("Two partners of record split the credit, and nobody answers for the subscription."),
        refs: vec!["Microsoft Learn, Link a partner ID, read 2026-10-01".to_owned()],
        tags: vec!["dpor".to_owned()],
        vacuous: verdicts.assessed() == 0,
        verdicts,
        source: Some(RuleSource {
            file: format!("policies/{}.tenet", id.to_lowercase()),
            builtin: id == "TWO-1",
            line: 7,
            end_line: 9,
            text: format!("rule {id} for s: Subscription {{\n  title \"{title}\"\n}}"),
        }),
        fixes: vec![
            FixResult {
                name: "end_it".to_owned(),
                requirements: vec!["exactly_one".to_owned()],
                action: "remove_designation".to_owned(),
                by_a_person: true,
                needs: vec!["Owner".to_owned()],
            },
            FixResult {
                name: "link_it".to_owned(),
                requirements: vec!["linked".to_owned()],
                action: "link_partner".to_owned(),
                by_a_person: false,
                needs: vec!["Microsoft.ManagementPartner/partners/write".to_owned()],
            },
        ],
    }
}

fn waiver(state: WaiverOutcome, until: &str, because: &str, fails: usize) -> WaiverResult {
    WaiverResult {
        rule: "ONE-1".to_owned(),
        requirement: None,
        state,
        from: None,
        until: until.to_owned(),
        ends: format!("{until}T24:00:00Z"),
        because: because.to_owned(),
        approved_by: vec!["governance-board".to_owned()],
        ticket: text("GOV-17"),
        fails,
        subjects: fails,
        findings: Vec::new(),
    }
}

/// The counts of findings.
pub(crate) fn summary(findings: &[FindingResult], n_rules: usize, vacuous: Vec<String>) -> Summary {
    let mut verdicts = Counts::default();
    findings.iter().for_each(|finding| verdicts.count(finding.standing()));
    Summary {
        evaluated: verdicts.decided(),
        of: verdicts.assessed(),
        verdicts,
        attested: findings.iter().filter(|finding| !finding.attested.is_empty()).count(),
        rules: n_rules,
        vacuous,
        outcome: "findings".to_owned(),
    }
}

/// Every verdict, each kind of waiver, attestations, missing facts, subjects nobody has seen, a rule that applied to nothing.
pub(crate) fn sample() -> ResultDocument {
    let findings = findings();
    let rules = vec![
        rule("ONE-1", "One digital partner of record", &findings),
        rule("TWO-1", "The partner is linked", &findings),
        rule("VOID-1", "Nothing to see", &findings),
    ];
    let unread = |what: &str, api: Option<&str>, register: Option<&str>| Unread {
        what: what.to_owned(),
        reasons: vec!["denied: needs billing account reader".to_owned()],
        api: api.map(str::to_owned),
        permission: api.map(|_| "billing account reader".to_owned()),
        register: register.map(str::to_owned),
        rules: vec!["ONE-1".to_owned()],
        verdicts: 1,
    };
    ResultDocument {
        format: RESULT_FORMAT.to_owned(),
        run: RunIdentity {
            tool_version: "0.0.0".to_owned(),
            policies_digest: "ab".repeat(32),
            snapshot_digest: Some("cd".repeat(32)),
            snapshot: text("sample.snapshot"),
            registers_digest: Some("ef".repeat(32)),
            rule_digests: BTreeMap::from([("base|ONE-1".to_owned(), "01".repeat(32))]),
            asked: Asked::default(),
        },
        now: "2026-10-20T08:00:00Z".to_owned(),
        tenant: text("c0a70500-0000-4000-8000-000000000001"),
        captured: Captured { from: text("2026-10-20T07:00:00Z"), to: text("2026-10-20T08:00:00Z") },
        parameters: BTreeMap::from([("lib.dpor.partner_id".to_owned(), "3664167".to_owned())]),
        summary: summary(&findings, rules.len(), vec!["VOID-1".to_owned()]),
        rules,
        findings,
        unread: vec![
            unread("Subscription.agreement", Some("billing:billingProperty"), None),
            unread("Subscription.state", None, Some("subscriptions")),
        ],
        waivers: vec![
            waiver(WaiverOutcome::Is(WaiverState::Active), "2026-12-31", "Being wound up", 1),
            waiver(WaiverOutcome::Is(WaiverState::Lapsing), "2026-11-01", "Moves to another agreement", 0),
            waiver(WaiverOutcome::Is(WaiverState::Lapsed), "2026-09-30", "Was to be closed in September", 0),
            waiver(WaiverOutcome::Is(WaiverState::TooLong), "2029-12-31", "For ever", 0),
            waiver(WaiverOutcome::Unneeded, "2026-12-31", "Has one since", 0),
            waiver(WaiverOutcome::Unmatched, "2026-12-31", "Nobody knows", 0),
        ],
        problems: vec!["two readings of one subscription differ".to_owned()],
        history: Vec::new(),
    }
}
