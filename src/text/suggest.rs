//! "Did you mean …?"

/// Returns the candidate nearest to `word`, if it is near enough to be a slip of the pen.
///
/// Near enough is an edit distance (insert, delete, replace, swap neighbors) of at most two, and of at most a third of the
/// word; one letter is near nothing. Of equally near candidates the first in alphabetical order is returned.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length < 2 {
        return None;
    }
    let limit = 2.min((length / 3).max(1));
    let near = candidates.into_iter().filter(|candidate| *candidate != word);
    let scored = near.map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate));
    scored.filter(|(distance, _)| *distance <= limit).min().map(|(_, candidate)| candidate)
}

/// Counts the edits between two words; words of over 64 characters are never near.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(65).collect();
    let b: Vec<char> = b.chars().take(65).collect();
    if a.len() > 64 || b.len() > 64 || a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let replace = at(&last, j) + usize::from(x != y);
            let mut best = replace.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn finds_slips_and_nothing_else() {
        assert_eq!(did_you_mean("agrement", ["agreement", "state"]), Some("agreement"));
        assert_eq!(did_you_mean("sevreity", ["severity"]), Some("severity"));
        assert_eq!(did_you_mean("x", ["yes"]), None);
        assert_eq!(did_you_mean("billing", ["role"]), None);
    }
}
