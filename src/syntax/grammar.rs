//! The pest parser made from `grammar/tenet.pest`, and small tools to walk its pairs.

use std::iter::Peekable;

use pest::iterators::Pairs;

/// The generated parser.
#[derive(pest_derive::Parser)]
#[grammar = "../grammar/tenet.pest"]
pub(super) struct Grammar;

/// A matched rule of the grammar.
pub(super) type Pair<'i> = pest::iterators::Pair<'i, Rule>;

/// The children of a pair, without keywords and ends, taken one after the other.
pub(super) struct Parts<'i> {
    pairs: Peekable<Pairs<'i, Rule>>,
}

impl<'i> Parts<'i> {
    /// Opens a pair.
    pub(super) fn of(pair: Pair<'i>) -> Self {
        Self { pairs: pair.into_inner().peekable() }
    }

    /// Takes the next child if it is of `rule`.
    pub(super) fn next_of(&mut self, rule: Rule) -> Option<Pair<'i>> {
        self.skip_keywords();
        self.pairs.next_if(|pair| pair.as_rule() == rule)
    }

    /// Takes all next children of `rule`.
    pub(super) fn every(&mut self, rule: Rule) -> Vec<Pair<'i>> {
        std::iter::from_fn(|| self.next_of(rule)).collect()
    }

    fn skip_keywords(&mut self) {
        while self.pairs.next_if(|pair| is_silent(pair.as_rule())).is_some() {}
    }
}

impl<'i> Iterator for Parts<'i> {
    type Item = Pair<'i>;

    fn next(&mut self) -> Option<Pair<'i>> {
        self.skip_keywords();
        self.pairs.next()
    }
}

/// Tells whether the rule carries no meaning beyond its place.
fn is_silent(rule: Rule) -> bool {
    rule == Rule::EOI || (keyword(rule).is_some() && !matches!(rule, Rule::kw_not | Rule::kw_set))
}

macro_rules! keywords {
    ($($rule:ident $word:literal),* $(,)?) => {
        /// Returns the word of a keyword rule.
        pub(super) fn keyword(rule: Rule) -> Option<&'static str> {
            match rule {
                $(Rule::$rule => Some($word),)*
                _ => None,
            }
        }
    };
}

keywords![
    kw_is "is", kw_not "not", kw_in "in", kw_where "where", kw_set "set", kw_action "action", kw_actor "actor",
    kw_after "after", kw_approved "approved", kw_as "as", kw_at "at", kw_because "because", kw_before "before",
    kw_by "by", kw_const "const", kw_create "create", kw_def "def", kw_delete "delete", kw_due "due",
    kw_edition "edition", kw_effect "effect", kw_else "else", kw_entity "entity", kw_enum "enum", kw_expect "expect",
    kw_extend "extend", kw_fix "fix", kw_for "for", kw_forget "forget", kw_from "from", kw_given "given", kw_history "history", kw_import "import",
    kw_inverse "inverse", kw_irreversible "irreversible", kw_key "key", kw_let "let", kw_link "link", kw_matching "matching", kw_missing "missing",
    kw_mode "mode", kw_module "module", kw_needs "needs", kw_on "on", kw_pack "pack", kw_param "param",
    kw_path "path", kw_read "read", kw_refs "refs", kw_remedy "remedy", kw_require "require", kw_requires "requires", kw_rule "rule",
    kw_severity "severity", kw_tags "tags", kw_test "test", kw_ticket "ticket", kw_title "title", kw_to "to",
    kw_type "type", kw_undo "undo", kw_until "until", kw_up "up", kw_use "use", kw_verify "verify", kw_waivable "waivable",
    kw_waive "waive", kw_when "when", kw_why "why",
];
