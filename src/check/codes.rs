//! What each diagnostic code means: the page behind `tenet explain T0102`.

use crate::text::CodePage;

macro_rules! pages {
    ($(($code:literal, $title:literal, $text:literal)),* $(,)?) => {
        &[$(CodePage { code: $code, title: $title, text: $text }),*]
    };
}

/// All codes of policy text, in order.
pub const CODES: &[CodePage] = pages![
    (
        "T0001",
        "syntax error",
        "The text does not follow the grammar. The message names what was expected at that place. Other items of the file are read all the same."
    ),
    (
        "T0002",
        "limit exceeded",
        "A file, an item or the nesting in it is larger than the limit the message names. Split the item; policies that people review are far below these limits."
    ),
    (
        "T0003",
        "edition",
        "A file says which edition of the language it is written in: `edition 1`. Other editions are not understood by this version."
    ),
    ("T0004", "text outside any item", "Something stands between the items of a file that belongs to none of them."),
    (
        "T0005",
        "unclosed bracket or text",
        "A bracket or a text was opened and never closed. The item after it was found by its first word at the beginning of a line."
    ),
    (
        "T0006",
        "`and` and `or` mixed",
        "Readers disagree about which of the two binds tighter, so the language has no rule for it: put parentheses around one of them."
    ),
    (
        "T0007",
        "body needs parentheses",
        "The body of a quantifier reaches over `and`, not over `or` and `implies`. Put the body, or the quantifier, in parentheses."
    ),
    (
        "T0008",
        "misplaced or repeated",
        "`edition`, `module` and `import` stand at the top of a file, once each (imports any number of times), and a clause that can be said once is said once."
    ),
    ("T0009", "reserved", "The word is kept for a later edition of the language."),
    ("T0010", "bad literal", "A date that does not exist, a number too large, or an escape that is not known."),
    ("T0011", "chained comparison", "`a < b < c` has no meaning here; write `a < b and b < c`."),
    ("T0101", "unknown name", "Nothing of this name is declared in the file or brought in by its imports."),
    (
        "T0102",
        "unknown property",
        "The entity has no attribute or navigation of this name. `tenet explain ENTITY` lists what it has; `extend` adds to it."
    ),
    ("T0103", "wrong type", "The expression has another type than the place needs."),
    ("T0104", "not comparable", "The two sides can never be equal, or have no order."),
    ("T0105", "wrong number of arguments", "A definition, action or quantifier got more or fewer parts than it takes."),
    ("T0106", "set needed", "A quantifier, a filter and `in` work on sets."),
    ("T0107", "single value needed", "A set stands where one value is needed: use a quantifier, `count` or `in`."),
    ("T0108", "name hidden", "No name may hide another: a reader could not tell which of the two is meant."),
    ("T0109", "declared twice", "Two things of one kind share a name, or a clause that can be said once is said twice."),
    (
        "T0110",
        "optional used unguarded",
        "The value may be none. Say first what holds then: `x is not none and …`, `x?.name`, or `x ?? other`. There is no default for *unknown*."
    ),
    (
        "T0111",
        "member of a subtype",
        "Only some of these entities have the property. Ask for the type first: `x is User and x.user_type == Guest`."
    ),
    (
        "T0112",
        "leads back to itself",
        "Definitions, parameters and entities form no circles, so every evaluation ends. To follow a navigation any number of steps write `^+` or `^*`."
    ),
    (
        "T0113",
        "unjoined pair",
        "Two variables run over whole types and nothing joins them: every pair would be looked at. Let one run over a navigation of the other, or add a condition that mentions both."
    ),
    (
        "T0114",
        "unknown module",
        "An import names a module by its path from the top of the repository or of the built-in library. It cannot leave the repository."
    ),
    ("T0115", "circular import", "Two modules import each other. Move what both need into a third."),
    ("T0116", "unknown type", "There is no type or entity of this name."),
    ("T0117", "unknown enum value", "The enumeration has no such value."),
    ("T0118", "no history", "`as of` reads the steps of a path that the schema declares with `history`; there is none on its left."),
    ("T0119", "inverse does not fit", "The two sides of a navigation refer to each other's entity, and each has one inverse."),
    ("T0120", "text in a condition", "Text is built only in messages. Conditions compare values."),
    (
        "T0121",
        "`known` decides",
        "`known(…)` speaks about what was read, not about the tenant. It may stand in messages and in rules of severity advice."
    ),
    ("T0122", "invisible character", "Characters that cannot be seen can make a text read differently from what it does. Delete them."),
    (
        "T0123",
        "bad regular expression",
        "The pattern cannot be compiled, or is too large. Patterns are linear-time and match the whole text."
    ),
    ("T0124", "value does not fit its type", "The literal does not match the pattern of its type."),
    ("T0201", "incomplete item", "A rule requires at least one thing; an action says its mode."),
    ("T0202", "unknown rule", "No rule has this id, now or before (`@was`)."),
    ("T0203", "unknown requirement", "The rule has no requirement of this name."),
    ("T0204", "unknown severity", "A severity is critical, high, medium, low or advice."),
    (
        "T0205",
        "incomplete waiver",
        "A waiver says until when, because of what, and approved by whom, and is about the subjects of its rule."
    ),
    ("T0206", "waiver too long", "A rule says for how long it may be waived; without a word, 90 days."),
    ("T0207", "not waivable", "The rule says that it is never waived."),
    ("T0208", "unknown action", "Fixes call actions; they are imported like definitions."),
    ("T0209", "test does not fit", "The world of a test or an expectation refers to something that is not there."),
    ("T0210", "no title", "Every rule has a title, which reports show."),
    ("T0211", "pack does not fit", "A pack sets parameters by name and uses rules as blocking or advisory."),
    (
        "T0212",
        "reversible or not",
        "An action names the action that takes it back with `undo`, or says with `irreversible` why there is none; not both."
    ),
    (
        "T0213",
        "undated click path",
        "Portals are renamed often, so a click path says as of when its page was read: a year, a month or a day, such as `2022-10`."
    ),
    (
        "T0214",
        "waiver without effect",
        "The last day of the waiver is over, or it would run longer than its rule allows: what it covered counts again. `tenet waive prune` takes out what is over."
    ),
    ("T0302", "always or never", "The condition holds always or never; it is probably not what was meant."),
    ("T0303", "constant condition", "A literal `true` or `false` decides nothing, or everything."),
    (
        "T0304",
        "variable not mentioned",
        "The condition of a quantifier or filter does not mention its variable, so it is the same for every member."
    ),
    ("T0305", "unused value", "Nothing uses this `let`."),
    ("T0306", "unused import", "Nothing uses this import."),
    ("T0307", "unused parameter", "No rule in these files uses this parameter."),
    ("T0308", "unused definition", "No rule or definition in these files uses this one."),
];

/// Returns the page of a code, whatever its case.
#[must_use]
pub fn code_page(code: &str) -> Option<&'static CodePage> {
    CODES.iter().find(|page| page.code.eq_ignore_ascii_case(code))
}
