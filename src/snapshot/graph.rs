//! Containment and nesting as petgraph graphs: circles, and everything reachable over one navigation.

use std::collections::BTreeSet;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::rows::Rows;
use crate::model::{Bound, EntityId, PropertyId};
use crate::snapshot::CellState;

/// The current edges of one navigation over all entities; node indexes are entity ids.
pub(super) struct NavigationGraph {
    graph: DiGraph<(), ()>,
}

impl NavigationGraph {
    /// Builds the graph of a single-valued or set navigation.
    pub(super) fn new(snapshot: &Rows, property: PropertyId) -> Self {
        let mut graph = DiGraph::with_capacity(snapshot.len(), snapshot.len());
        for _ in 0..snapshot.len() {
            graph.add_node(());
        }
        let is_set = snapshot.schema.property(property).is_some_and(|property| property.ty.set);
        for at in 0..u32::try_from(snapshot.len()).unwrap_or(u32::MAX) {
            let from = NodeIndex::new(at as usize);
            for target in targets(snapshot, EntityId(at), property, is_set) {
                graph.add_edge(from, NodeIndex::new(target.0 as usize), ());
            }
        }
        Self { graph }
    }

    /// Returns the circles: groups of entities that reach themselves, each sorted.
    pub(super) fn circles(&self) -> Vec<Vec<EntityId>> {
        let mut circles: Vec<Vec<EntityId>> = kosaraju_scc(&self.graph)
            .into_iter()
            .filter(|part| part.len() > 1 || part.iter().any(|node| self.graph.contains_edge(*node, *node)))
            .map(|part| {
                let mut ids: Vec<EntityId> = part.into_iter().map(entity).collect();
                ids.sort_unstable();
                ids
            })
            .collect();
        circles.sort();
        circles
    }

    /// Returns what is reachable from `start` by one to [`STEPS_MAX`] steps, sorted, and whether there is more beyond.
    ///
    /// `start` itself is among it only if it lies on a circle.
    pub(super) fn reachable(&self, start: EntityId) -> Reached {
        let mut seen: BTreeSet<NodeIndex> = BTreeSet::new();
        let mut level = vec![NodeIndex::new(start.0 as usize)];
        for _ in 0..STEPS_MAX {
            let next: Vec<NodeIndex> =
                level.iter().flat_map(|node| self.graph.neighbors(*node)).filter(|node| seen.insert(*node)).collect();
            if next.is_empty() {
                return Reached { entities: seen.into_iter().map(entity).collect(), more: false };
            }
            level = next;
        }
        Reached { entities: seen.into_iter().map(entity).collect(), more: true }
    }
}

/// The longest walk along containment: Azure nests management groups six deep (Microsoft Learn, "Management groups").
pub(crate) const STEPS_MAX: usize = 64;

/// What a walk came to.
pub(super) struct Reached {
    /// The entities, sorted.
    pub(super) entities: Vec<EntityId>,
    /// Whether the walk ended at its limit.
    pub(super) more: bool,
}

fn entity(node: NodeIndex) -> EntityId {
    EntityId(u32::try_from(node.index()).unwrap_or(u32::MAX))
}

fn targets(snapshot: &Rows, id: EntityId, property: PropertyId, is_set: bool) -> Vec<EntityId> {
    if is_set {
        let members = &snapshot.nav(id, property).members;
        let current = members.iter().filter(|edge| edge.interval.to == Bound::Unbounded);
        return current.filter_map(|edge| edge.member.entity()).collect();
    }
    match &snapshot.cell(id, property).state {
        CellState::Known(value) => value.entity().into_iter().collect(),
        _ => Vec::new(),
    }
}
