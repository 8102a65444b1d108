//! A comparison as text, Markdown and JSON.

use std::fmt::Write as _;

use super::diff::{Change, Class, Comparison};
use super::escape::{plain, plain_json, shorten};

/// Changes of one class that are listed; the rest is counted.
const LISTED_MAX: usize = 50;
/// The same in Markdown, which is read in a pull request.
const MARKDOWN_LISTED_MAX: usize = 10;
/// Characters of a name.
const NAME_WIDTH: usize = 80;

/// Writes a comparison for people.
#[must_use]
pub fn render_comparison(comparison: &Comparison) -> String {
    let mut out = format!("old result as of {}, new result as of {}\n", comparison.old, comparison.new);
    for (was, now) in &comparison.renamed {
        let _ = writeln!(out, "rule {} is called {} now", plain(was), plain(now));
    }
    for class in Class::ALL {
        let of: Vec<&Change> = comparison.changes.iter().filter(|change| change.class == class).collect();
        if of.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{} ({})", class.name().to_uppercase(), of.len());
        for change in of.iter().take(LISTED_MAX) {
            let why = why(change).map_or_else(String::new, |why| format!("; {why}"));
            let since = change.since.as_ref().map_or_else(String::new, |since| format!(", since {since}"));
            let name = shorten(&plain(&change.name), NAME_WIDTH);
            let _ = writeln!(
                out,
                "  {}.{} [{}] {name}: {} → {}{since}{why}",
                plain(&change.rule),
                plain(&change.requirement),
                change.severity,
                change.old,
                change.new
            );
        }
        if of.len() > LISTED_MAX {
            let _ = writeln!(out, "  … and {} more; `-f json` has them all", of.len() - LISTED_MAX);
        }
    }
    let _ = writeln!(out, "\n{}", counts(comparison));
    out
}

/// Writes a comparison as Markdown for a pull request.
#[must_use]
pub fn markdown_comparison(title: &str, comparison: &Comparison) -> String {
    let mut out = format!("### {}\n\n{}.\n", markdown(title), counts(comparison));
    for (was, now) in comparison.renamed.iter().take(MARKDOWN_LISTED_MAX) {
        let _ = writeln!(out, "\nRule {} is called {} now.", markdown(was), markdown(now));
    }
    // What stands as before is counted above.
    for class in Class::ALL.into_iter().filter(|class| !matches!(class, Class::Still | Class::RuleRenamed)) {
        let of: Vec<&Change> = comparison.changes.iter().filter(|change| change.class == class).collect();
        if of.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n**{}** ({})\n\n| rule | subject | was | is | why |\n|---|---|---|---|---|", class.name(), of.len());
        for change in of.iter().take(MARKDOWN_LISTED_MAX) {
            let why = why(change).unwrap_or_default();
            let name = markdown(&shorten(&change.name, NAME_WIDTH));
            let rule = markdown(&format!("{}.{}", change.rule, change.requirement));
            let _ = writeln!(out, "| {rule} | {name} | {} | {} | {why} |", change.old, change.new);
        }
        if of.len() > MARKDOWN_LISTED_MAX {
            let _ = writeln!(out, "\n… and {} more.", of.len() - MARKDOWN_LISTED_MAX);
        }
    }
    out
}

/// Writes a comparison as `tenet.diff/v1`.
///
/// # Errors
/// What serializing says.
pub fn json_comparison(comparison: &Comparison) -> Result<String, serde_json::Error> {
    Ok(plain_json(&serde_json::to_string_pretty(comparison)?) + "\n")
}

fn counts(comparison: &Comparison) -> String {
    let count = |class: &Class| comparison.counts.get(class.name()).copied().unwrap_or(0);
    Class::ALL.iter().map(|class| format!("{} {}", count(class), class.name())).collect::<Vec<_>>().join(", ")
}

fn why(change: &Change) -> Option<String> {
    let why = change.why.as_ref()?;
    let names: Vec<&str> = why.causes.iter().map(|cause| cause.name()).collect();
    Some(match (why.each_alone, names.as_slice()) {
        (_, [one]) => format!("because of {one}"),
        (true, several) => format!("because of {} (each alone)", several.join(" or ")),
        (false, several) => format!("because of {} together", several.join(" and ")),
    })
}

/// Makes a text safe in a line or cell of Markdown: nothing in it is a mark, a tag, a link or a mention.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::new();
    for c in plain(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '|' | '#' | '!' | '~' | '$' | ':' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::markdown;

    #[test]
    fn nothing_in_a_name_is_a_mark() {
        assert_eq!(
            markdown("a|b\n<img> [x](y) @team `z` ::error"),
            "a\\|b\\\\u{a}&lt;img&gt; \\[x\\]\\(y\\) &#64;team \\`z\\` \\:\\:error"
        );
    }
}
