//! What only the snapshot knows: the subscription a record belongs to, and what lies around a subject.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::document::{FindingResult, Subject};
use super::super::graph::{Limits, Marked, Seed, draw, write_svg_inline};
use crate::model::{EntityId, RuleSeverity, Verdict};
use crate::snapshot::{CellState, Snapshot};

/// Pictures of one page, and their bytes.
const PICTURES_MAX: usize = 40;
const PICTURE_BYTES_MAX: usize = 45_000;

/// The snapshot a result was made from, and the instant of the run.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The snapshot, registers included.
    pub snapshot: &'a Snapshot,
    /// The instant.
    pub now: Timestamp,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Surroundings").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Surroundings<'_> {
    fn entity(self, subject: &Subject) -> Option<EntityId> {
        self.snapshot.find(self.snapshot.schema().entity_named(&subject.entity)?.id, &subject.id)
    }

    fn reference(self, id: EntityId, name: &str) -> Option<EntityId> {
        let property = self.snapshot.schema().property_named(self.snapshot.entity_type(id)?, name)?;
        match &self.snapshot.cell(id, property.id).state {
            CellState::Known(value) => value.entity(),
            CellState::None | CellState::Unknown(_) => None,
        }
    }

    /// Returns the key of the subscription a record is about, directly or through its scope.
    pub(super) fn subscription_of(self, subject: &Subject) -> Option<String> {
        let id = self.entity(subject)?;
        let ties = ["subscription", "scope", "delegation"];
        let mut other = ties.iter().find_map(|name| self.reference(id, name))?;
        // An authorization belongs to a delegation, which has a scope.
        if let Some(scope) = self.reference(other, "scope") {
            other = scope;
        }
        subscription_in(&self.snapshot.key(other))
    }

    /// Returns the name of the directory.
    pub(super) fn tenant_name(self) -> Option<String> {
        let snapshot = self.snapshot;
        let ty = snapshot.schema().entity_named("Tenant")?;
        let id = snapshot.find(ty.id, snapshot.meta().tenant.as_deref()?)?;
        Some(snapshot.label(id)).filter(|name| *name != snapshot.key(id))
    }

    /// Returns the name of an entity by type and key.
    pub(super) fn name(self, entity: &str, key: &str) -> Option<String> {
        let id = self.snapshot.find(self.snapshot.schema().entity_named(entity)?.id, key)?;
        Some(self.snapshot.label(id))
    }
}

/// Returns the key of the subscription that a key of a scope lies in.
pub(super) fn subscription_in(key: &str) -> Option<String> {
    let rooms = ["/subscriptions/", "/commercesubscriptions/"];
    let (room, rest) = rooms.iter().find_map(|room| Some((*room, key.strip_prefix(room)?)))?;
    let guid = rest.split('/').next().filter(|guid| !guid.is_empty())?;
    Some(format!("{room}{guid}"))
}

/// How grave the findings of a subject are: the gravest severity that fails, fails, unknowns.
type Gravity = (Option<RuleSeverity>, usize, usize);

/// Collects subjects with findings, to draw the gravest of them.
#[derive(Default)]
pub(super) struct Drawing {
    marked: Marked,
    subjects: BTreeMap<Subject, Gravity>,
}

impl Drawing {
    pub(super) fn note(&mut self, surroundings: Surroundings<'_>, finding: &FindingResult) {
        let Some(subject) = &finding.subject else { return };
        if matches!(finding.verdict, Verdict::Pass | Verdict::NotApplicable) {
            return;
        }
        let Some(id) = surroundings.entity(subject) else { return };
        self.marked.note(id, finding.verdict, finding.waived);
        let gravity = self.subjects.entry(subject.clone()).or_default();
        match finding.verdict {
            Verdict::Fail if !finding.waived => {
                gravity.0 = gravity.0.max(Some(finding.severity));
                gravity.1 += 1;
            }
            _ => gravity.2 += 1,
        }
    }

    /// Draws as many of the gravest subjects as there is room for. Returns the pictures, and how many subjects go without.
    pub(super) fn pictures(&self, surroundings: Surroundings<'_>) -> (BTreeMap<Subject, String>, usize) {
        let mut ranked: Vec<(&Gravity, &Subject)> = self.subjects.iter().map(|(subject, gravity)| (gravity, subject)).collect();
        ranked.sort_by(|a, b| b.0.cmp(a.0).then(a.1.cmp(b.1)));
        let (mut pictures, mut bytes) = (BTreeMap::new(), 0);
        for (_, subject) in ranked.into_iter().take(PICTURES_MAX) {
            let Some(id) = surroundings.entity(subject) else { continue };
            let picture = draw(surroundings.snapshot, surroundings.now, &self.marked, Seed::Subject(id), Limits::SMALL);
            // One thing by itself is no picture.
            if picture.nodes.len() < 2 {
                continue;
            }
            let svg = write_svg_inline(&picture);
            if bytes + svg.len() > PICTURE_BYTES_MAX {
                continue;
            }
            bytes += svg.len();
            pictures.insert(subject.clone(), svg);
        }
        let without = self.subjects.len() - pictures.len();
        (pictures, without)
    }
}
