//! Which lists were read, and which of them are whole.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::claims::{self, ListKind};
use super::history::Logs;
use super::intake::{Intake, Refusal};
use super::page::Next;
use super::{CompleteClaim, Tally};
use crate::model::{Completeness, SourceId};
use crate::sources::arm::activity_log::About;

const UNRECORDED: &str = "request not recorded; the file may have been filtered";
const PAGE_MISSING: &str = "a continuation page is missing";

/// One page of a list.
#[derive(Debug, Clone)]
pub(in crate::sources) struct Page {
    pub(super) kind: ListKind,
    pub(super) scope: Option<String>,
    pub(super) at_scope: bool,
    /// The address that was asked, if it was recorded.
    pub(super) url: Option<String>,
    pub(super) next: Next,
    /// What certainly keeps the list from being whole: an unreadable object, an error.
    pub(super) gap: Option<String>,
    /// What keeps it from being proved whole.
    pub(super) unproved: Option<String>,
    pub(super) source: SourceId,
    pub(super) read_at: Option<Timestamp>,
}

/// All pages of an import.
#[derive(Debug, Default)]
pub(in crate::sources) struct Lists {
    pages: Vec<Page>,
    /// Files that could not be read.
    pub(in crate::sources) broken: BTreeSet<String>,
}

/// A list put together from its pages.
struct Whole {
    kind: ListKind,
    scope: Option<String>,
    at_scope: bool,
    gap: Option<String>,
    unproved: Option<String>,
    source: SourceId,
    url: Option<String>,
}

impl Lists {
    pub(in crate::sources) fn push(&mut self, page: Page) {
        self.pages.push(page);
    }

    /// Notes an unrecorded list, open for `reason`.
    pub(in crate::sources) fn push_open(&mut self, kind: ListKind, reason: &str, source: SourceId) {
        let page = Page {
            kind,
            scope: None,
            at_scope: false,
            url: None,
            next: Next::Last,
            gap: None,
            unproved: Some(reason.to_owned()),
            source,
            read_at: None,
        };
        self.push(page);
    }

    /// States of each list whether it is whole. Notes go to `tally`.
    ///
    /// # Errors
    /// If the snapshot refuses a claim.
    pub(in crate::sources) fn settle(&self, intake: &mut Intake<'_>, tally: &mut Tally) -> Result<(), Refusal> {
        let lists = self.put_together();
        for list in &lists {
            let reason = list.gap.clone().or_else(|| list.unproved.clone());
            let claim = match reason {
                Some(reason) => Completeness::open(Some(reason), Some(list.source)),
                None => Completeness::now(Some(list.source)),
            };
            state(intake, list.kind, list.scope.as_deref(), list.at_scope, &claim)?;
        }
        for claim in &intake.options.complete {
            self.vouch(intake, claim, &lists, tally)?;
        }
        state_subscriptions(intake)?;
        state_grants(intake, &lists)?;
        state_events(intake, &lists)
    }

    fn put_together(&self) -> Vec<Whole> {
        let mut by_url: BTreeMap<&str, &Page> = BTreeMap::new();
        let mut again: BTreeSet<&str> = BTreeSet::new();
        for page in self.pages.iter().filter(|page| page.url.is_some()) {
            let url = page.url.as_deref().unwrap_or_default();
            // A page recorded twice counts by the reading that succeeded.
            let slot = by_url.entry(url).or_insert(page);
            if slot.gap.is_none() && page.gap.is_none() && slot.read_at != page.read_at {
                again.insert(url);
            }
            if slot.gap.is_some() && page.gap.is_none() {
                *slot = page;
            }
        }
        let follows = |page: &&Page| match &page.next {
            Next::Page(url) => Some(url.clone()),
            _ => None,
        };
        let continued: BTreeSet<String> = by_url.values().filter_map(follows).collect();
        let heads = by_url.iter().filter(|(url, _)| !continued.contains(**url)).map(|(_, page)| walk(page, &by_url, &again));
        let loose = self.pages.iter().filter(|page| page.url.is_none()).map(|page| walk(page, &BTreeMap::new(), &BTreeSet::new()));
        heads.chain(loose).collect()
    }

    /// Takes a user's word for a list, unless the files themselves show a gap in it.
    fn vouch(&self, intake: &mut Intake<'_>, claim: &CompleteClaim, lists: &[Whole], tally: &mut Tally) -> Result<(), Refusal> {
        let wanted = claim.scope.as_deref().map(claims::canonical_scope);
        if let Some(scope) = wanted.as_deref().filter(|scope| !claims::is_known(intake, claim.kind, scope)) {
            tally.note(format!("the claim about {} of {scope} is not taken: no file names that scope", claim.kind.name()));
            return Ok(());
        }
        let meets = |list: &&Whole| {
            let same_scope = wanted.is_none() || list.scope.is_none() || list.scope == wanted;
            list.kind == claim.kind && same_scope
        };
        let gap = lists.iter().filter(meets).find_map(|list| list.gap.clone());
        let broken = self.broken.first().map(|file| format!("{file} could not be read"));
        let source = intake.user_claim();
        if let Some(reason) = gap.or(broken) {
            let name = claim.kind.name();
            tally.note(format!("the claim that {name} are complete is not taken: {reason}"));
            return state(intake, claim.kind, wanted.as_deref(), false, &Completeness::open(Some(reason), Some(source)));
        }
        let complete = Completeness::now(Some(source));
        let scopes = match wanted {
            Some(scope) => vec![Some(scope)],
            None => claims::all_scopes(intake, claim.kind).into_iter().map(Some).chain([None]).collect(),
        };
        for scope in scopes {
            state(intake, claim.kind, scope.as_deref(), false, &complete)?;
        }
        if claim.scope.is_none() {
            claims::state_everywhere(intake, claim.kind, &complete)?;
        }
        Ok(())
    }
}

/// Follows the pages of a list from its first one.
fn walk(head: &Page, by_url: &BTreeMap<&str, &Page>, again: &BTreeSet<&str>) -> Whole {
    let mut whole = Whole {
        kind: head.kind,
        scope: head.scope.clone(),
        at_scope: head.at_scope,
        gap: head.gap.clone(),
        unproved: head.unproved.clone(),
        source: head.source,
        url: head.url.clone(),
    };
    let mut seen: BTreeSet<&str> = head.url.as_deref().into_iter().collect();
    let mut page = head;
    loop {
        if page.url.as_deref().is_some_and(|url| again.contains(url)) {
            // Members of either reading may be gone at the time of the other.
            whole.gap = whole.gap.or_else(|| Some("the request was recorded more than once, at different times".to_owned()));
        }
        let missing = match &page.next {
            Next::Last => return whole,
            Next::Token => PAGE_MISSING,
            Next::Page(url) => match by_url.get_key_value(url.as_str()) {
                Some((url, _)) if !seen.insert(url) => "the continuation leads back to a page before",
                Some((_, next)) => {
                    page = next;
                    whole.gap = whole.gap.or_else(|| page.gap.clone());
                    continue;
                }
                None => PAGE_MISSING,
            },
        };
        whole.gap = whole.gap.or_else(|| Some(missing.to_owned()));
        return whole;
    }
}

/// States completeness of a list, with what is special about some kinds.
fn state(intake: &mut Intake<'_>, kind: ListKind, scope: Option<&str>, at_scope: bool, claim: &Completeness) -> Result<(), Refusal> {
    let open = |reason: &str| Completeness::open(Some(reason.to_owned()), claim.source);
    let by_user = claim.source.is_some_and(|source| intake.is_user_claim(source));
    match kind {
        ListKind::RoleDefinitions if claim.complete && !by_user => {
            let claim = open("the listing holds only the roles that can be assigned on its scope");
            claims::state(intake, kind, scope, at_scope, &claim)
        }
        ListKind::ManagementGroups | ListKind::Entities | ListKind::Descendants if claim.complete && !by_user => {
            state_management_groups(intake, kind, scope, claim)
        }
        // Groups may be hidden, whatever else tells of some.
        ListKind::Entities if !claim.complete => claims::state(intake, ListKind::ManagementGroups, None, false, claim),
        ListKind::GroupMembers if claim.complete && !by_user && scope.is_some_and(|id| intake.later.hidden_groups.contains(id)) => {
            let claim = open("the group hides its members from whoever lacks Member.Read.Hidden");
            claims::state(intake, kind, scope, at_scope, &claim)
        }
        ListKind::DirectoryRoleMembers => {
            let template = scope.and_then(|id| intake.later.role_templates.get(id).cloned());
            match template {
                Some(template) => claims::state(intake, kind, Some(&template), at_scope, claim),
                None => Ok(()),
            }
        }
        _ => {
            if claim.complete {
                intake.note_whole(kind, claim.source);
            } else if let Some(reason) = &claim.reason {
                intake.later.open.entry(kind).or_insert_with(|| reason.clone());
            }
            claims::state(intake, kind, scope, at_scope, claim)
        }
    }
}

/// A reader sees only groups on which it has a role; with the root group in sight, that is all of them.
fn state_management_groups(intake: &mut Intake<'_>, kind: ListKind, scope: Option<&str>, claim: &Completeness) -> Result<(), Refusal> {
    let roots: Vec<String> = intake.later.roots.iter().map(|root| intake.builder.key_of(*root).to_owned()).collect();
    let seen = match (kind, scope) {
        (ListKind::Descendants, Some(scope)) => roots.iter().any(|root| root == scope),
        _ => !roots.is_empty(),
    };
    if !seen {
        let reason = "the root management group was not seen, so groups may be hidden from the reader".to_owned();
        let open = Completeness::open(Some(reason), claim.source);
        return claims::state(intake, ListKind::ManagementGroups, None, false, &open);
    }
    intake.note_whole(ListKind::ManagementGroups, claim.source);
    claims::state(intake, ListKind::ManagementGroups, None, false, claim)?;
    if kind != ListKind::ManagementGroups {
        for group in intake.of_type("ManagementGroup") {
            intake.builder.claim(group, "children", claim.clone())?;
        }
    }
    Ok(())
}

/// Subscriptions are known whole only if those of Azure and the licence subscriptions both are.
fn state_subscriptions(intake: &mut Intake<'_>) -> Result<(), Refusal> {
    let unknown = |what: &str, kind: ListKind| {
        let because = intake.later.open.get(&kind).map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{what} are not known to be all here{because}")
    };
    if let Some(reason) = open_at_partner_center(intake) {
        let ty = intake.builder.entity_type("Subscription")?;
        intake.builder.claim_extent(ty, Completeness::open(Some(reason), None));
        return Ok(());
    }
    let azure = intake.whole(ListKind::Subscriptions);
    let licences = intake.whole(ListKind::CommerceSubscriptions);
    let claim = match (azure, licences) {
        (Some(source), Some(_)) => Completeness::now(Some(source)),
        (Some(source), None) => Completeness::open(Some(unknown("licence subscriptions", ListKind::CommerceSubscriptions)), Some(source)),
        (None, Some(source)) => Completeness::open(Some(unknown("Azure subscriptions", ListKind::Subscriptions)), Some(source)),
        (None, None) => {
            let reason = [ListKind::Subscriptions, ListKind::CommerceSubscriptions].iter().find_map(|kind| intake.later.open.get(kind));
            Completeness::open(Some(reason.cloned().unwrap_or_else(unrecorded)), None)
        }
    };
    let ty = intake.builder.entity_type("Subscription")?;
    intake.builder.claim_extent(ty, claim);
    Ok(())
}

/// A partner knows subscriptions of its customers, too. Why some of them may be missing, if they were asked for, or if it is not
/// known whether the directory is a partner's.
fn open_at_partner_center(intake: &Intake<'_>) -> Option<String> {
    if let Some(reason) = intake.later.open.get(&ListKind::Organization) {
        return Some(format!("whether the directory is a partner's, with subscriptions of customers, is not known: {reason}"));
    }
    let kinds = [ListKind::PartnerCustomers, ListKind::PartnerSubscriptions, ListKind::AzureEntitlements];
    let reason = kinds.iter().find_map(|kind| intake.later.open.get(kind))?;
    Some(format!("subscriptions of customers are not known to be all here: {reason}"))
}

/// If every place is known and was listed wholly, all that is granted anywhere is known too.
fn state_grants(intake: &mut Intake<'_>, lists: &[Whole]) -> Result<(), Refusal> {
    if intake.whole(ListKind::Subscriptions).is_none() || open_at_partner_center(intake).is_some() {
        return Ok(());
    }
    let whole = |kind: ListKind, scope: &str, below: bool| {
        let of_scope = |list: &&Whole| list.kind == kind && list.scope.as_deref() == Some(scope);
        let is_whole = |list: &Whole| list.gap.is_none() && list.unproved.is_none() && !(below && list.at_scope);
        lists.iter().filter(of_scope).any(is_whole)
    };
    let keys = |intake: &Intake<'_>, ty: &str| -> Vec<String> {
        intake.of_type(ty).into_iter().map(|handle| intake.builder.key_of(handle).to_owned()).collect()
    };
    let subscriptions: Vec<String> = keys(intake, "Subscription").into_iter().filter(|key| key.starts_with("/subscriptions/")).collect();
    let mut upper = keys(intake, "ManagementGroup");
    upper.push("/".to_owned());
    let assigned = intake.whole(ListKind::ManagementGroups).is_some()
        && upper.iter().all(|scope| whole(ListKind::RoleAssignments, scope, false))
        && subscriptions.iter().all(|scope| whole(ListKind::RoleAssignments, scope, true));
    // Delegations lie on subscriptions and on resource groups, and are listed for each of them.
    let delegated = subscriptions.iter().all(|scope| whole(ListKind::ResourceGroups, scope, false))
        && subscriptions.iter().chain(&keys(intake, "ResourceGroup")).all(|scope| whole(ListKind::RegistrationAssignments, scope, false));
    // Nothing above a subscription can be locked, and a listing of one returns the locks below it.
    let locked = subscriptions.iter().all(|scope| whole(ListKind::Locks, scope, true));
    let source = intake.whole(ListKind::Subscriptions);
    for (ty, known) in [("RoleAssignment", assigned), ("Delegation", delegated), ("Lock", locked)] {
        if known {
            let ty = intake.builder.entity_type(ty)?;
            intake.builder.claim_extent(ty, Completeness::now(source));
        }
    }
    Ok(())
}

/// States for which time events tell all that happened to the lists of subscriptions, if an earlier snapshot saw these lists;
/// whether it did is looked at when it is folded in.
fn state_events(intake: &mut Intake<'_>, lists: &[Whole]) -> Result<(), Refusal> {
    if !intake.options.earlier {
        return Ok(());
    }
    let is_whole = |list: &&Whole| list.gap.is_none() && list.unproved.is_none();
    let mut logs = Logs::default();
    for list in lists.iter().filter(is_whole).filter(|list| list.kind == ListKind::ActivityLog) {
        if let (Some(scope), Some(url)) = (&list.scope, &list.url) {
            logs.push(scope, url, list.source);
        }
    }
    let read =
        |kind: ListKind, scope: &str| lists.iter().filter(is_whole).any(|list| list.kind == kind && list.scope.as_deref() == Some(scope));
    logs.state(intake, &|about, scope| match about {
        About::RoleAssignment => read(ListKind::RoleAssignments, scope) && read(ListKind::RoleEligibility, scope),
        _ => read(ListKind::RegistrationAssignments, scope),
    })
}

/// Returns why an unrecorded list is open.
pub(super) fn unrecorded() -> String {
    UNRECORDED.to_owned()
}
