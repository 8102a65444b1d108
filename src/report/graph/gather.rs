//! Walks from what a picture is about to what reaches it and what it reaches, within limits.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::picture::{Arrow, ArrowKind, Marks, Node, NodeKind, Picture};
use super::ways::{Reader, Tie, Toward, Way};
use crate::evaluate::Verdicts;
use crate::model::{EntityId, Verdict};
use crate::snapshot::Snapshot;

/// How much a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nodes, counts of others aside.
    pub nodes: usize,
    /// Members shown of one list; the rest is counted in a node of its own.
    pub fan: usize,
    /// Steps from what the picture is about.
    pub depth: usize,
}

impl Limits {
    /// For a picture of its own.
    pub const WHOLE: Self = Self { nodes: 150, fan: 12, depth: 16 };
    /// For a picture beside a finding.
    pub const SMALL: Self = Self { nodes: 24, fan: 5, depth: 5 };
}

/// What a picture is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    /// The whole tenant.
    Tenant,
    /// One entity.
    Subject(EntityId),
}

/// What findings say of each entity.
#[derive(Debug, Clone, Default)]
pub struct Marked(BTreeMap<EntityId, Marks>);

impl Marked {
    /// Counts the findings of a scan by subject.
    #[must_use]
    pub fn of(verdicts: &dyn Verdicts) -> Self {
        let mut marked = Self::default();
        for run in 0..verdicts.scan().runs.len() {
            for finding in verdicts.of_run(run) {
                if let Some(subject) = finding.subject {
                    marked.note(subject, finding.verdict, finding.waiver.is_some());
                }
            }
        }
        marked
    }

    /// Adds what one finding says.
    pub fn note(&mut self, subject: EntityId, verdict: Verdict, waived: bool) {
        let mark = match (verdict, waived) {
            (Verdict::Fail, false) => Marks { fail: 1, ..Marks::default() },
            (Verdict::Fail, true) => Marks { waived: 1, ..Marks::default() },
            (Verdict::Unknown, _) => Marks { unknown: 1, ..Marks::default() },
            (Verdict::Pending, _) => Marks { pending: 1, ..Marks::default() },
            (Verdict::Pass | Verdict::NotApplicable, _) => return,
        };
        self.0.entry(subject).or_default().add(mark);
    }

    fn get(&self, id: EntityId) -> Marks {
        self.0.get(&id).copied().unwrap_or_default()
    }
}

/// Draws a tenant or what lies around a subject.
#[must_use]
pub fn draw(snapshot: &Snapshot, now: Timestamp, marked: &Marked, seed: Seed, limits: Limits) -> Picture {
    let reader = Reader { snapshot, now };
    let mut walk = Walk { reader, marked, limits, places: BTreeMap::new(), arrows: BTreeMap::new(), picture: Picture::default() };
    match seed {
        Seed::Tenant => walk.tenant(),
        Seed::Subject(id) => walk.subject(id),
    }
    walk.finish()
}

type ArrowKey = (usize, usize, ArrowKind);

struct Walk<'a> {
    reader: Reader<'a>,
    marked: &'a Marked,
    limits: Limits,
    places: BTreeMap<EntityId, usize>,
    arrows: BTreeMap<ArrowKey, Arrow>,
    picture: Picture,
}

impl Walk<'_> {
    /// First everything the directory contains, then who reaches it.
    fn tenant(&mut self) {
        let snapshot = self.reader.snapshot;
        let tenant = snapshot.meta().tenant.clone();
        let home = tenant.as_deref().zip(snapshot.schema().entity_named("Tenant")).and_then(|(key, ty)| snapshot.find(ty.id, key));
        let Some(home) = home else {
            "Tenant".clone_into(&mut self.picture.title);
            self.picture.notes.push("the snapshot does not say which directory it describes".to_owned());
            return;
        };
        self.picture.title = format!("Tenant {}", snapshot.label(home));
        self.node(home, true);
        self.spread(&[home], Toward::Downstream, |kind| kind == ArrowKind::Contains);
        let inside: Vec<EntityId> = self.in_order();
        self.spread(&inside, Toward::Upstream, |_| true);
    }

    fn subject(&mut self, id: EntityId) {
        let reader = self.reader;
        self.picture.title = format!("{} {}", reader.type_words(id), reader.name(id));
        let ends: Vec<EntityId> =
            [("principal", "scope"), ("principal", "role")].iter().find_map(|(from, to)| self.tie_ends(id, from, to)).unwrap_or_default();
        if let [principal, far] = ends.as_slice() {
            // A role assignment is an edge: the picture shows its two ends and who stands behind the principal.
            self.node(*principal, false);
            self.node(*far, false);
            self.spread(&[*principal], Toward::Upstream, |_| true);
            self.connect(*principal, id);
            return;
        }
        self.node(id, true);
        self.spread(&[id], Toward::Upstream, |_| true);
        self.spread(&[id], Toward::Downstream, |_| true);
    }

    fn tie_ends(&self, id: EntityId, from: &str, to: &str) -> Option<Vec<EntityId>> {
        let is_tie = ["RoleAssignment", "RoleEligibility", "DirectoryRoleAssignment"].iter().any(|name| self.reader.is_a(id, name));
        is_tie.then(|| Some(vec![self.reader.reference(id, from)?, self.reader.reference(id, to)?])).flatten()
    }

    /// Draws the edges of `id` that are the tie `itself`.
    fn connect(&mut self, id: EntityId, itself: EntityId) {
        let Some(at) = self.places.get(&id).copied() else { return };
        for way in self.reader.ways(id, Toward::Downstream) {
            for tie in way.ties.iter().filter(|tie| tie.itself == Some(itself)) {
                if let Some(to) = self.node(tie.other, false) {
                    self.arrow(at, to, tie, true);
                }
            }
        }
    }

    fn in_order(&self) -> Vec<EntityId> {
        let mut placed: Vec<(usize, EntityId)> = self.places.iter().map(|(id, at)| (*at, *id)).collect();
        placed.sort_unstable();
        placed.into_iter().map(|(_, id)| id).collect()
    }

    /// Walks in one direction from `seeds`, level by level.
    fn spread(&mut self, seeds: &[EntityId], toward: Toward, wanted: impl Fn(ArrowKind) -> bool) {
        let mut queue: VecDeque<(EntityId, usize)> = seeds.iter().map(|id| (*id, 0)).collect();
        let mut seen: std::collections::BTreeSet<EntityId> = seeds.iter().copied().collect();
        while let Some((id, depth)) = queue.pop_front() {
            let Some(at) = self.places.get(&id).copied() else { continue };
            for mut way in self.reader.ways(id, toward) {
                way.ties.retain(|tie| wanted(tie.kind));
                if depth >= self.limits.depth {
                    self.leave_out(at, &way, 0);
                    continue;
                }
                for other in self.show(at, way) {
                    if seen.insert(other) {
                        queue.push_back((other, depth + 1));
                    }
                }
            }
        }
    }

    /// Draws the ties of one list, the gravest first; what is beyond the limits is counted. Returns whom it showed.
    fn show(&mut self, at: usize, way: Way) -> Vec<EntityId> {
        let others = self.by_gravity(&way);
        let mut shown = Vec::new();
        for (n, other) in others.iter().enumerate() {
            let known = self.places.contains_key(other);
            if !known && n >= self.limits.fan && others.len() > self.limits.fan + 1 {
                continue;
            }
            let Some(place) = self.node(*other, false) else { continue };
            for tie in way.ties.iter().filter(|tie| tie.other == *other) {
                self.arrow(at, place, tie, false);
            }
            shown.push(*other);
        }
        if self.is_full() {
            self.leave_out(at, &way, shown.len());
        } else if others.len() > shown.len() {
            self.more(at, &way, others.len() - shown.len());
        }
        shown
    }

    fn is_full(&self) -> bool {
        self.places.len() >= self.limits.nodes
    }

    fn by_gravity(&self, way: &Way) -> Vec<EntityId> {
        let mut marks: BTreeMap<EntityId, Marks> = BTreeMap::new();
        for tie in &way.ties {
            let mark = marks.entry(tie.other).or_insert_with(|| self.marked.get(tie.other));
            mark.add(tie.itself.map_or_else(Marks::default, |itself| self.marked.get(itself)));
        }
        let mut others: Vec<(Marks, EntityId)> = marks.into_iter().map(|(id, marks)| (marks, id)).collect();
        others.sort_by_key(|(marks, id)| (std::cmp::Reverse((marks.fail, marks.unknown, marks.pending, marks.waived)), *id));
        others.into_iter().map(|(_, id)| id).collect()
    }

    /// Adds a node, or returns the one there is; nothing if the picture is full.
    fn node(&mut self, id: EntityId, focus: bool) -> Option<usize> {
        if let Some(at) = self.places.get(&id) {
            return Some(*at);
        }
        if self.is_full() {
            return None;
        }
        let at = self.picture.nodes.len();
        self.places.insert(id, at);
        self.picture.nodes.push(Node {
            kind: self.reader.kind(id),
            entity: self.reader.type_words(id),
            id: Some(self.reader.snapshot.key(id).into_owned()),
            name: self.reader.name(id),
            marks: self.marked.get(id),
            gaps: self.reader.gaps(id),
            left_out: 0,
            focus,
        });
        Some(at)
    }

    fn arrow(&mut self, at: usize, other: usize, tie: &Tie, focus: bool) {
        let (from, to) = match tie.toward {
            Toward::Upstream => (other, at),
            Toward::Downstream => (at, other),
        };
        let marks = tie.itself.map_or_else(Marks::default, |itself| self.marked.get(itself));
        let blank = || Arrow { from, to, kind: tie.kind, labels: Vec::new(), marks: Marks::default(), focus: false };
        let arrow = self.arrows.entry((from, to, tie.kind)).or_insert_with(blank);
        // Both ends may show the same tie; what it says counts once.
        let label = tie.label.clone().unwrap_or_default();
        if !label.is_empty() && !arrow.labels.contains(&label) {
            arrow.labels.push(label);
        }
        arrow.marks = Marks {
            fail: arrow.marks.fail.max(marks.fail),
            waived: arrow.marks.waived.max(marks.waived),
            unknown: arrow.marks.unknown.max(marks.unknown),
            pending: arrow.marks.pending.max(marks.pending),
        };
        arrow.focus |= focus;
    }

    fn more(&mut self, at: usize, way: &Way, n: usize) {
        let Some(first) = way.ties.first() else { return };
        let place = self.picture.nodes.len();
        self.picture.nodes.push(Node {
            kind: NodeKind::More,
            entity: String::new(),
            id: None,
            name: format!("and {n} more {}", way.noun),
            marks: Marks::default(),
            gaps: Vec::new(),
            left_out: n,
            focus: false,
        });
        let tie = Tie { label: None, itself: None, ..first.clone() };
        self.arrow(at, place, &tie, false);
    }

    /// Counts at a node who is not drawn.
    fn leave_out(&mut self, at: usize, way: &Way, shown: usize) {
        let others: std::collections::BTreeSet<EntityId> = way.ties.iter().map(|tie| tie.other).collect();
        let drawn = others.iter().filter(|id| self.places.contains_key(id)).count().max(shown);
        if let Some(node) = self.picture.nodes.get_mut(at) {
            node.left_out += others.len() - drawn.min(others.len());
        }
    }

    fn finish(mut self) -> Picture {
        self.picture.edges = self.arrows.into_values().collect();
        for arrow in &mut self.picture.edges {
            arrow.labels.sort();
        }
        let (nodes, cut) = (self.limits.nodes, self.picture.nodes.iter().any(|node| node.kind != NodeKind::More && node.left_out > 0));
        if cut {
            self.picture.notes.push(format!(
                "a picture has at most {nodes} nodes and goes {} steps far; what is left out is counted at its neighbour",
                self.limits.depth
            ));
        }
        self.picture
    }
}
