//! Containment and nesting as petgraph graphs: circles, and everything reachable over one navigation.

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Bfs, Walker};

use super::read::Snapshot;
use crate::model::{Bound, EntityId, PropertyId, Value};
use crate::snapshot::CellState;

/// The current edges of one navigation over all entities; node indexes are entity ids.
pub(super) struct NavigationGraph {
    graph: DiGraph<(), ()>,
}

impl NavigationGraph {
    /// Builds the graph of a single-valued or set navigation.
    pub(super) fn new(snapshot: &Snapshot, property: PropertyId) -> Self {
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

    /// Returns what is reachable from `start` by one or more steps; `start` itself only if it lies on a circle.
    pub(super) fn reachable(&self, start: EntityId) -> Vec<EntityId> {
        let origin = NodeIndex::new(start.0 as usize);
        if origin.index() >= self.graph.node_count() {
            return Vec::new();
        }
        let mut found: Vec<EntityId> = Bfs::new(&self.graph, origin).iter(&self.graph).filter(|node| *node != origin).map(entity).collect();
        if self.graph.neighbors_directed(origin, petgraph::Incoming).any(|from| from == origin || found.contains(&entity(from))) {
            found.push(start);
        }
        found.sort_unstable();
        found
    }
}

fn entity(node: NodeIndex) -> EntityId {
    EntityId(u32::try_from(node.index()).unwrap_or(u32::MAX))
}

fn targets(snapshot: &Snapshot, id: EntityId, property: PropertyId, is_set: bool) -> Vec<EntityId> {
    if is_set {
        let members = &snapshot.nav(id, property).members;
        let current = members.iter().filter(|edge| edge.interval.to == Bound::Unbounded);
        return current.filter_map(|edge| entity_of(&edge.member)).collect();
    }
    match &snapshot.cell(id, property).state {
        CellState::Known(value) => entity_of(value).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn entity_of(value: &Value) -> Option<EntityId> {
    match value {
        Value::Entity(id) => Some(*id),
        _ => None,
    }
}
