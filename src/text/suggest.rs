//! Near misses: the word an author probably meant.

/// Longest word that is compared; longer ones are no slips of a finger.
const WORD_MAX: usize = 64;

/// Returns the candidate nearest to `word`: at most two slips away, or a third of its length for short words.
///
/// A slip is a letter more, less, other, or two swapped. Case alone is no slip. Of equally near candidates the first in
/// alphabetical order counts, so the order they come in makes no difference.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted: Vec<char> = word.to_lowercase().chars().collect();
    if wanted.is_empty() || wanted.len() > WORD_MAX {
        return None;
    }
    let limit = if wanted.len() < 6 { (wanted.len() / 3).max(1) } else { 2 };
    let near = candidates.into_iter().filter(|candidate| *candidate != word && candidate.len() <= 4 * WORD_MAX);
    let measured = near.filter_map(|candidate| {
        let letters: Vec<char> = candidate.to_lowercase().chars().collect();
        let slips = distance(&wanted, &letters);
        (slips <= limit).then_some((slips, candidate))
    });
    measured.min().map(|(_, candidate)| candidate.to_owned())
}

/// Counts slips between two words (optimal string alignment), row by row.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(above.len());
        row.push(i + 1);
        let mut previous_b = None;
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX / 2);
            let changed = at(&above, j) + usize::from(x != y);
            let mut best = changed.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            if previous_a == Some(y) && previous_b == Some(x) && j > 0 {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
            previous_b = Some(y);
        }
        before = std::mem::replace(&mut above, row);
        previous_a = Some(x);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn finds_the_nearest_word() {
        let words = ["agreement", "state", "service", "designations"];
        assert_eq!(did_you_mean("agrement", words), Some("agreement".into()));
        assert_eq!(did_you_mean("sevrice", words), Some("service".into()));
        assert_eq!(did_you_mean("State", words), Some("state".into()));
        assert_eq!(did_you_mean("desginatoins", words), Some("designations".into()));
        assert_eq!(did_you_mean("colour", words), None);
        assert_eq!(did_you_mean("", words), None);
    }

    #[test]
    fn order_of_candidates_makes_no_difference() {
        assert_eq!(did_you_mean("bat", ["cat", "bar"]), Some("bar".into()));
        assert_eq!(did_you_mean("bat", ["bar", "cat"]), Some("bar".into()));
    }
}
