//! The words that begin an item, and how an item looks from its first words.

/// What an item is, by its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemWord {
    Edition,
    Module,
    Import,
    Enum,
    Type,
    Entity,
    Extend,
    Param,
    Const,
    Def,
    Action,
    Rule,
    Pack,
    Waive,
    Test,
    Check,
}

/// Every word that begins an item, for suggestions.
const ITEM_WORDS: &[&str] = &[
    "edition", "module", "import", "enum", "type", "abstract", "entity", "extend", "param", "const", "def", "action", "rule", "pack",
    "waive", "test",
];

impl ItemWord {
    /// Returns the item a word begins.
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "edition" => Self::Edition,
            "module" => Self::Module,
            "import" => Self::Import,
            "enum" => Self::Enum,
            "type" => Self::Type,
            "entity" | "abstract" => Self::Entity,
            "extend" => Self::Extend,
            "param" => Self::Param,
            "const" => Self::Const,
            "def" => Self::Def,
            "action" => Self::Action,
            "rule" => Self::Rule,
            "pack" => Self::Pack,
            "waive" => Self::Waive,
            "test" => Self::Test,
            "check" => Self::Check,
            _ => return None,
        })
    }
}

/// Tells whether `text` begins with the first words of an item, such as `rule X-1 for`.
///
/// It is asked where a keyword alone proves nothing: inside of a block or a text whose end may be missing.
pub(super) fn begins_item(text: &str) -> bool {
    let (word, rest) = split_word(text);
    let Some(item) = ItemWord::of(word) else { return false };
    if !rest.starts_with([' ', '\t']) {
        return false;
    }
    let (name, after) = split_word(rest.trim_start_matches([' ', '\t']));
    let after = after.trim_start_matches([' ', '\t']);
    let (next, _) = split_word(after);
    match item {
        ItemWord::Import | ItemWord::Test => name.is_empty() && after.starts_with('"'),
        _ if name.is_empty() => false,
        ItemWord::Edition => name.bytes().all(|byte| byte.is_ascii_digit()),
        ItemWord::Entity if word == "abstract" => name == "entity",
        ItemWord::Module => after.is_empty() || after.starts_with(['\n', '\r', '/']),
        ItemWord::Enum | ItemWord::Pack => after.starts_with('{'),
        ItemWord::Extend => after.starts_with('{'),
        ItemWord::Entity => after.starts_with('{') || matches!(next, "is" | "key"),
        ItemWord::Type => after.starts_with('=') && !after.starts_with("=="),
        ItemWord::Param | ItemWord::Const => after.starts_with(':'),
        ItemWord::Def | ItemWord::Action => after.starts_with('('),
        ItemWord::Rule | ItemWord::Waive => next == "for",
        ItemWord::Check => !next.is_empty() || after.starts_with('{'),
    }
}

/// Returns the item word that somebody who wrote `word` probably meant.
pub(super) fn nearest_item(word: &str) -> Option<&'static str> {
    const ELSEWHERE: &[(&str, &str)] = &[
        ("policy", "rule"),
        ("definition", "def"),
        ("define", "def"),
        ("function", "def"),
        ("parameter", "param"),
        ("constant", "const"),
        ("waiver", "waive"),
        ("include", "import"),
        ("class", "entity"),
    ];
    let elsewhere = |word: &str| ELSEWHERE.iter().find(|(other, _)| *other == word).map(|(_, item)| *item);
    let near = || nearest(word, ELSEWHERE.iter().map(|(other, _)| *other)).and_then(elsewhere);
    nearest(word, ITEM_WORDS.iter().copied()).or_else(|| elsewhere(word)).or_else(near)
}

/// Splits off a leading name, which may hold dots and dashes.
fn split_word(text: &str) -> (&str, &str) {
    let is_part = |byte: u8| super::lex::is_word(byte) || matches!(byte, b'.' | b'-');
    let length = text.bytes().take_while(|byte| is_part(*byte)).count();
    (text.get(..length).unwrap_or(""), text.get(length..).unwrap_or(""))
}

/// Returns the candidate nearest to `word`, if it is near enough to be meant.
pub(super) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.len() > 24 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance > 0 && *distance <= (candidate.len() / 3).clamp(1, 2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Counts the letters to insert, drop or replace; two swapped neighbors count once.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut last = None;
    for (line, letter) in left.to_lowercase().chars().enumerate() {
        let mut next = vec![line + 1];
        for (column, other) in right.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&row, column) + usize::from(letter != *other)).min(at(&row, column + 1) + 1).min(at(&next, column) + 1);
            let swapped = column > 0 && last == Some(*other) && right.get(column - 1) == Some(&letter);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(letter);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{begins_item, distance, nearest};

    #[test]
    fn shapes() {
        assert!(begins_item("rule X-1 for s: S {"));
        assert!(begins_item("abstract entity Scope key id: ArmId {"));
        assert!(begins_item("test \"x\" {"));
        assert!(!begins_item("rule of thumb"));
        assert!(!begins_item("type: String"));
        assert!(!begins_item("param x = 3"));
    }

    #[test]
    fn near_words() {
        assert_eq!(distance("sevrity", "severity"), 1);
        assert_eq!(distance("rlue", "rule"), 1);
        assert_eq!(nearest("rul", ["pack", "rule"]), Some("rule"));
        assert_eq!(nearest("rule", ["rule"]), None);
        assert_eq!(nearest("banana", ["rule", "def"]), None);
    }
}
