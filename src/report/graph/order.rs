//! The order of things within their layers, and how high they stand.

use super::layout::Item;

/// Sweeps over all layers, there and back.
const SWEEPS: usize = 12;
/// Rounds in which heights are smoothed.
const ROUNDS: usize = 16;

type Rows = Vec<Vec<usize>>;

/// Neighbors of each item on the left and on the right.
struct Neighbors {
    left: Vec<Vec<usize>>,
    right: Vec<Vec<usize>>,
}

impl Neighbors {
    fn of(n: usize, links: &[(usize, usize)]) -> Self {
        let mut neighbors = Self { left: vec![Vec::new(); n], right: vec![Vec::new(); n] };
        for (from, to) in links {
            if let Some(right) = neighbors.right.get_mut(*from) {
                right.push(*to);
            }
            if let Some(left) = neighbors.left.get_mut(*to) {
                left.push(*from);
            }
        }
        neighbors
    }

    fn side(&self, at: usize, left: bool) -> &[usize] {
        let side = if left { &self.left } else { &self.right };
        side.get(at).map_or(&[], Vec::as_slice)
    }
}

/// Orders the items of each layer so that few links cross.
pub(super) fn ordered(items: &[Item], links: &[(usize, usize)]) -> Rows {
    let n_layers = items.iter().map(|item| item.layer + 1).max().unwrap_or(0);
    let mut rows: Rows = vec![Vec::new(); n_layers];
    for (at, item) in items.iter().enumerate() {
        if let Some(row) = rows.get_mut(item.layer) {
            row.push(at);
        }
    }
    let neighbors = Neighbors::of(items.len(), links);
    let mut best = (crossings(&rows, &neighbors, items.len()), rows.clone());
    for sweep in 0..SWEEPS {
        let left = sweep % 2 == 0;
        let layers: Vec<usize> = if left { (1..n_layers).collect() } else { (0..n_layers.saturating_sub(1)).rev().collect() };
        for layer in layers {
            let places = places(&rows, items.len());
            if let Some(row) = rows.get_mut(layer) {
                sort_row(row, &neighbors, &places, left);
            }
        }
        let crossed = crossings(&rows, &neighbors, items.len());
        if crossed < best.0 {
            best = (crossed, rows.clone());
        }
    }
    best.1
}

fn places(rows: &Rows, n: usize) -> Vec<usize> {
    let mut places = vec![0; n];
    for row in rows {
        for (place, at) in row.iter().enumerate() {
            if let Some(slot) = places.get_mut(*at) {
                *slot = place;
            }
        }
    }
    places
}

/// Sorts by the mean place of the neighbors on one side, as a fraction so that no rounding decides; the rest keeps its place.
fn sort_row(row: &mut [usize], neighbors: &Neighbors, places: &[usize], left: bool) {
    let place = |at: usize| places.get(at).copied().unwrap_or(0);
    let mean = |at: usize| {
        let side = neighbors.side(at, left);
        let sum: usize = side.iter().map(|other| place(*other)).sum();
        if side.is_empty() { (place(at), 1) } else { (sum, side.len()) }
    };
    row.sort_by(|a, b| {
        let ((sum_a, n_a), (sum_b, n_b)) = (mean(*a), mean(*b));
        (sum_a * n_b).cmp(&(sum_b * n_a)).then(place(*a).cmp(&place(*b)))
    });
}

/// Counts pairs of links between neighboring layers that cross.
fn crossings(rows: &Rows, neighbors: &Neighbors, n: usize) -> usize {
    let places = places(rows, n);
    let place = |at: usize| places.get(at).copied().unwrap_or(0);
    let mut crossed = 0;
    for row in rows {
        // Far ends in the order of near ends: an inversion is a crossing.
        let mut ends: Vec<usize> = Vec::new();
        for at in row {
            let mut far: Vec<usize> = neighbors.side(*at, false).iter().map(|other| place(*other)).collect();
            far.sort_unstable();
            for end in &far {
                crossed += ends.len() - ends.partition_point(|known| known <= end);
            }
            ends.extend(far);
            ends.sort_unstable();
        }
    }
    crossed
}

/// Returns the upper edge of each item: close to its neighbors, in the order of its layer, `gap` apart.
pub(super) fn tops(items: &[Item], links: &[(usize, usize)], rows: &Rows, gap: i32) -> Vec<i32> {
    let neighbors = Neighbors::of(items.len(), links);
    let height = |at: usize| items.get(at).map_or(0, |item| item.size.height);
    let mut tops = vec![0; items.len()];
    for row in rows {
        settle(row, &vec![0; row.len()], &height, gap, &mut tops);
    }
    for round in 0..ROUNDS {
        let layers: Vec<usize> = if round % 2 == 0 { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for layer in layers {
            let Some(row) = rows.get(layer) else { continue };
            let wanted: Vec<i32> = row.iter().map(|at| wanted(*at, &neighbors, &tops, &height, round)).collect();
            settle(row, &wanted, &height, gap, &mut tops);
        }
    }
    let least = tops.iter().copied().min().unwrap_or(0);
    tops.iter().map(|top| top - least).collect()
}

/// The upper edge at which an item would stand level with its neighbors: those before it, those behind it, or all, by turns.
fn wanted(at: usize, neighbors: &Neighbors, tops: &[i32], height: &impl Fn(usize) -> i32, round: usize) -> i32 {
    let middle = |other: &usize| tops.get(*other).copied().unwrap_or(0) + height(*other) / 2;
    let (left, right) = (neighbors.side(at, true), neighbors.side(at, false));
    let sides = match round % 2 {
        _ if round + 4 >= ROUNDS => [left, right],
        0 if !left.is_empty() => [left, &[]],
        1 if !right.is_empty() => [right, &[]],
        _ => [left, right],
    };
    let middles: Vec<i32> = sides.iter().flat_map(|side| side.iter().map(middle)).collect();
    let n = i32::try_from(middles.len()).unwrap_or(i32::MAX);
    if n == 0 { tops.get(at).copied().unwrap_or(0) } else { middles.iter().sum::<i32>() / n - height(at) / 2 }
}

/// A run of items that stand as close as may be, moved as one.
struct Block {
    items: usize,
    /// Sum of the places its first item is wanted at.
    sum: i64,
    height: i64,
}

impl Block {
    fn top(&self) -> i64 {
        self.sum.div_euclid(i64::try_from(self.items).unwrap_or(1).max(1))
    }
}

/// Puts the items of a row as near as possible to where they are wanted, without changing their order: neighbors that would
/// overlap become one block, which stands at the mean of what its members want (pool adjacent violators).
fn settle(row: &[usize], wanted: &[i32], height: &impl Fn(usize) -> i32, gap: i32, tops: &mut [i32]) {
    let mut blocks: Vec<Block> = Vec::new();
    for (at, wanted) in row.iter().zip(wanted) {
        let mut block = Block { items: 1, sum: i64::from(*wanted), height: i64::from(height(*at) + gap) };
        while let Some(above) = blocks.pop_if(|above| above.top() + above.height > block.top()) {
            let moved = i64::try_from(block.items).unwrap_or(0) * above.height;
            block = Block { items: above.items + block.items, sum: above.sum + block.sum - moved, height: above.height + block.height };
        }
        blocks.push(block);
    }
    let mut rest = row.iter();
    for block in blocks {
        let mut top = block.top();
        for at in rest.by_ref().take(block.items) {
            if let Some(slot) = tops.get_mut(*at) {
                *slot = i32::try_from(top).unwrap_or(i32::MAX);
            }
            top += i64::from(height(*at) + gap);
        }
    }
}
