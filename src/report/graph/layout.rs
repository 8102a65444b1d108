//! Where nodes and edges of a picture stand: layers from left to right, so that every edge but those of a circle points right.
//!
//! The way of Sugiyama, Tagawa and Toda: circles are opened, nodes get layers by their longest path, edges over several
//! layers get a place in each of them, layers are ordered by barycentres, and coordinates are smoothed. Captions of edges
//! stand in layers of their own, so that nothing is written over a node. No step depends on anything but the picture.

use petgraph::algo::{greedy_feedback_arc_set, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use super::order::ordered;

/// The size of a node or of the caption of an edge, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: i32,
    pub(super) height: i32,
}

/// A point, in pixels from the upper left corner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) x: i32,
    pub(super) y: i32,
}

/// Where everything stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// The upper left corner of each node.
    pub(super) nodes: Vec<Point>,
    /// The points each edge goes through, in the direction of its arrow.
    pub(super) edges: Vec<Vec<Point>>,
    /// The middle of each edge's caption.
    pub(super) captions: Vec<Point>,
    pub(super) size: Point,
}

/// An edge to lay out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The size of its caption; of no width without.
    pub(super) caption: Size,
}

/// Something that stands in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) size: Size,
    pub(super) layer: usize,
}

/// Space between layers, around the picture, between things of a layer.
const LAYER_GAP: i32 = 26;
const MARGIN: i32 = 12;
const ROW_GAP: i32 = 14;

/// Lays out nodes and edges.
pub(super) fn layout(nodes: &[Size], lines: &[Line]) -> Layout {
    let turned = turned(nodes.len(), lines);
    let layers = layers(nodes.len(), lines, &turned);
    let mut items: Vec<Item> = nodes.iter().zip(&layers).map(|(size, layer)| Item { size: *size, layer: layer * 2 }).collect();
    let paths: Vec<Vec<usize>> = lines.iter().zip(&turned).map(|(line, turned)| path(line, *turned, &mut items)).collect();
    let links: Vec<(usize, usize)> = paths.iter().flat_map(|path| path.iter().copied().zip(path.iter().copied().skip(1))).collect();
    let rows = ordered(&items, &links);
    let tops = super::order::tops(&items, &links, &rows, ROW_GAP);
    place(nodes, &items, &paths, &turned, &tops)
}

/// Tells of each edge whether it has to be drawn backwards, because it closes a circle.
fn turned(n: usize, lines: &[Line]) -> Vec<bool> {
    let mut graph: DiGraph<(), usize> = DiGraph::with_capacity(n, lines.len());
    for _ in 0..n {
        graph.add_node(());
    }
    for (at, line) in lines.iter().enumerate() {
        graph.add_edge(NodeIndex::new(line.from), NodeIndex::new(line.to), at);
    }
    let mut turned = vec![false; lines.len()];
    for edge in greedy_feedback_arc_set(&graph) {
        if let Some(slot) = turned.get_mut(*edge.weight()) {
            *slot = true;
        }
    }
    turned
}

/// Gives each node a layer: behind everything that points to it, and sources close to what they point to.
fn layers(n: usize, lines: &[Line], turned: &[bool]) -> Vec<usize> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(n, lines.len());
    for _ in 0..n {
        graph.add_node(());
    }
    for (line, turned) in lines.iter().zip(turned) {
        let (from, to) = if *turned { (line.to, line.from) } else { (line.from, line.to) };
        if from != to {
            graph.update_edge(NodeIndex::new(from), NodeIndex::new(to), ());
        }
    }
    let mut layers = vec![0_usize; n];
    // Circles are open, so there is an order.
    let order = toposort(&graph, None).unwrap_or_default();
    let of = |layers: &[usize], node: NodeIndex| layers.get(node.index()).copied().unwrap_or(0);
    for node in &order {
        let before = graph.edges_directed(*node, petgraph::Incoming).map(|edge| of(&layers, edge.source()) + 1).max();
        if let Some(slot) = layers.get_mut(node.index()) {
            *slot = before.unwrap_or(0);
        }
    }
    for node in order.iter().rev() {
        let is_source = graph.edges_directed(*node, petgraph::Incoming).next().is_none();
        let after = graph.edges_directed(*node, petgraph::Outgoing).map(|edge| of(&layers, edge.target())).min();
        if let (true, Some(after), Some(slot)) = (is_source, after, layers.get_mut(node.index())) {
            *slot = after.saturating_sub(1);
        }
    }
    layers
}

/// Gives an edge a place in each layer it crosses, its caption in the middle; returns the items it goes through, from left to right.
fn path(line: &Line, turned: bool, items: &mut Vec<Item>) -> Vec<usize> {
    let (left, right) = if turned { (line.to, line.from) } else { (line.from, line.to) };
    let layer = |items: &[Item], at: usize| items.get(at).map_or(0, |item| item.layer);
    let (first, last) = (layer(items, left), layer(items, right));
    let mut path = vec![left];
    let middle = usize::midpoint(first, last) | 1;
    for layer in first + 1..last {
        path.push(items.len());
        let size = if layer == middle { line.caption } else { Size { width: 0, height: 6 } };
        items.push(Item { size, layer });
    }
    if left != right {
        path.push(right);
    }
    path
}

fn place(nodes: &[Size], items: &[Item], paths: &[Vec<usize>], turned: &[bool], tops: &[i32]) -> Layout {
    let n_layers = items.iter().map(|item| item.layer + 1).max().unwrap_or(0);
    let mut widths = vec![0; n_layers];
    for item in items {
        if let Some(width) = widths.get_mut(item.layer) {
            *width = item.size.width.max(*width);
        }
    }
    let mut lefts = Vec::with_capacity(n_layers);
    let mut x = MARGIN;
    for (layer, width) in widths.iter().enumerate() {
        lefts.push(x);
        // A layer of captions without any takes no room of its own.
        x += width + if layer % 2 == 1 && *width == 0 { LAYER_GAP / 2 } else { LAYER_GAP };
    }
    let left = |item: &Item| lefts.get(item.layer).copied().unwrap_or(MARGIN);
    let width = |item: &Item| widths.get(item.layer).copied().unwrap_or(0);
    let top = |at: usize| tops.get(at).copied().unwrap_or(0) + MARGIN;
    let middle = |at: usize| {
        items.get(at).map_or(Point { x: 0, y: 0 }, |item| Point { x: left(item) + width(item) / 2, y: top(at) + item.size.height / 2 })
    };
    let n = nodes.len();
    let mut layout = Layout::default();
    for (at, item) in items.iter().enumerate().take(n) {
        layout.nodes.push(Point { x: left(item), y: top(at) });
    }
    for (path, turned) in paths.iter().zip(turned) {
        let mut points: Vec<Point> = Vec::new();
        for (step, at) in path.iter().enumerate() {
            let Some(item) = items.get(*at) else { continue };
            let center = middle(*at);
            match (*at < n, step) {
                (true, 0) => points.push(Point { x: left(item) + item.size.width, ..center }),
                (true, _) => points.push(Point { x: left(item), ..center }),
                (false, _) => {
                    points.push(Point { x: left(item), ..center });
                    points.push(Point { x: left(item) + width(item), ..center });
                }
            }
        }
        let caption = path.iter().copied().filter(|at| *at >= n).max_by_key(|at| items.get(*at).map_or(0, |item| item.size.width));
        layout.captions.push(caption.map_or(Point { x: 0, y: 0 }, middle));
        if *turned {
            points.reverse();
        }
        layout.edges.push(points);
    }
    let bottom = items.iter().enumerate().map(|(at, item)| top(at) + item.size.height).max().unwrap_or(0);
    layout.size = Point { x: (x - LAYER_GAP + MARGIN).max(2 * MARGIN), y: bottom + MARGIN };
    layout
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: Size = Size { width: 100, height: 40 };
    const CAPTION: Size = Size { width: 50, height: 14 };

    fn line(from: usize, to: usize) -> Line {
        Line { from, to, caption: CAPTION }
    }

    fn boxes(layout: &Layout) -> Vec<(i32, i32)> {
        layout.nodes.iter().map(|at| (at.x, at.y)).collect()
    }

    #[test]
    fn edges_point_right_and_nothing_overlaps() {
        let lines = [line(0, 2), line(1, 2), line(2, 3), line(2, 4), line(0, 4), line(1, 3)];
        let made = layout(&[NODE; 5], &lines);
        for (line, points) in lines.iter().zip(&made.edges) {
            assert!(made.nodes[line.from].x + NODE.width < made.nodes[line.to].x, "{line:?}");
            assert!(points.windows(2).all(|pair| pair[0].x <= pair[1].x), "{points:?}");
        }
        for (at, one) in boxes(&made).into_iter().enumerate() {
            for other in boxes(&made).into_iter().skip(at + 1) {
                let apart = (one.0 - other.0).abs() >= NODE.width || (one.1 - other.1).abs() >= NODE.height;
                assert!(apart, "{one:?} and {other:?} overlap");
            }
        }
        assert_eq!(made, layout(&[NODE; 5], &lines));
    }

    #[test]
    fn circles_and_loops_are_drawn_backwards() {
        let made = layout(&[NODE; 3], &[line(0, 1), line(1, 2), line(2, 0), line(1, 1)]);
        assert_eq!(made.edges.len(), 4);
        let back = made.edges.iter().filter(|points| points.first().unwrap().x > points.last().unwrap().x).count();
        assert_eq!(back, 1, "{:?}", made.edges);
    }

    #[test]
    fn an_empty_picture_has_a_size() {
        let made = layout(&[], &[]);
        assert!(made.nodes.is_empty() && made.size.x > 0 && made.size.y > 0);
    }
}
