//! Which action comes first: what another one rests on before it, additions before removals.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use petgraph::algo::has_path_connecting;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use super::trial::Act;
use crate::snapshot::{Change, Fact};

/// The order of actions, and what each waits for: places in the list given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    /// Places in the order of execution.
    pub(super) sequence: Vec<usize>,
    /// For each place those it waits for, sorted.
    pub(super) waits_for: Vec<Vec<usize>>,
}

/// Orders actions; `acts` is an order that is known to work, from which only what is free of each other is moved.
pub(super) fn order(acts: &[&Act]) -> Order {
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    let nodes: Vec<NodeIndex> = acts.iter().map(|_| graph.add_node(())).collect();
    let node = |at: usize| nodes.get(at).copied().unwrap_or_default();
    for (later, act) in acts.iter().enumerate() {
        for (earlier, other) in acts.iter().enumerate().take(later) {
            // Whether somebody can be given access before another one loses it is tried, not concluded from what is read.
            let moves_ahead = class(act) == Class::Add && class(other) == Class::Remove;
            if !moves_ahead && depends(act, other) {
                graph.add_edge(node(earlier), node(later), ());
            }
        }
    }
    // Who gets access in place of somebody gets it before that one loses it.
    for (at, act) in acts.iter().enumerate().filter(|(_, act)| class(act) == Class::Remove) {
        for (other, added) in acts.iter().enumerate().filter(|(_, act)| class(act) == Class::Add) {
            let shares = lists(act).intersection(&lists(added)).next().is_some();
            let known = graph.contains_edge(node(other), node(at)) || has_path_connecting(&graph, node(at), node(other), None);
            if shares && !known {
                graph.add_edge(node(other), node(at), ());
            }
        }
    }
    let waits_for = (0..acts.len())
        .map(|at| {
            let mut places: Vec<usize> = graph.edges_directed(node(at), petgraph::Incoming).map(|edge| edge.source().index()).collect();
            places.sort_unstable();
            places.dedup();
            places
        })
        .collect();
    Order { sequence: sequence(acts, &graph), waits_for }
}

/// A topological order: of what is free, additions first, then changes, then removals, each as they were found.
fn sequence(acts: &[&Act], graph: &DiGraph<(), ()>) -> Vec<usize> {
    let mut waiting: Vec<usize> = graph.node_indices().map(|node| graph.neighbors_directed(node, petgraph::Incoming).count()).collect();
    let ready = |at: usize| acts.get(at).map(|act| Reverse((class(act), at)));
    let mut free: BinaryHeap<Reverse<(Class, usize)>> =
        waiting.iter().enumerate().filter(|(_, count)| **count == 0).filter_map(|(at, _)| ready(at)).collect();
    let mut sequence = Vec::new();
    while let Some(Reverse((_, at))) = free.pop() {
        sequence.push(at);
        for next in graph.neighbors(NodeIndex::new(at)) {
            if let Some(count) = waiting.get_mut(next.index()) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    free.extend(ready(next.index()));
                }
            }
        }
    }
    sequence
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Add,
    Change,
    Remove,
}

fn class(act: &Act) -> Class {
    let creates = act.changes.iter().any(|change| matches!(change, Change::Create(..)));
    let ends = act.changes.iter().any(|change| matches!(change, Change::End(..)));
    match (creates, ends) {
        (_, true) => Class::Remove,
        (true, false) => Class::Add,
        (false, false) => Class::Change,
    }
}

/// Whether one action must stay behind an earlier one: what it rests on was changed there, or what that rested on it changes.
fn depends(later: &Act, earlier: &Act) -> bool {
    let real = |fact: &&Fact| !matches!(fact, Fact::Extent(_));
    earlier.touches.intersection(&later.reads).any(|fact| real(&fact))
        || earlier.reads.intersection(&later.touches).any(|fact| real(&fact))
        || earlier.touches.intersection(&later.touches).any(|fact| matches!(fact, Fact::Cell(..)))
}

fn lists(act: &Act) -> BTreeSet<Fact> {
    act.touches.iter().filter(|fact| matches!(fact, Fact::List(..))).copied().collect()
}
