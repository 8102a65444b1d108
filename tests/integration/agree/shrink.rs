//! Makes a case in which two engines differ smaller, as long as they still do.

use super::case::{Asked, Files, judge};
use super::compare::Depth;
use super::engine::Pair;
use super::policy::Policy;
use super::world::World;

/// The most cases that are tried.
const TRIES_MAX: usize = 4_000;

pub(crate) struct Shrinker<'a> {
    pub(crate) files: &'a Files,
    pub(crate) asked: &'a Asked,
    pub(crate) pair: Pair<'a>,
    pub(crate) depth: Depth,
    pub(crate) tries: usize,
}

impl Shrinker<'_> {
    /// The differences of a case; none if it is no case any more.
    fn differs(&mut self, policy: Option<&Policy>, world: &World) -> bool {
        self.tries += 1;
        if self.tries > TRIES_MAX {
            return false;
        }
        let compiled;
        let policies = match policy {
            Some(policy) => match self.files.compile(&policy.text()) {
                Ok(policies) => {
                    compiled = policies;
                    &compiled
                }
                Err(_) => return false,
            },
            None => self.files.shipped(),
        };
        let snapshot = world.snapshot(self.files.schema());
        !judge(policies, &snapshot, world, self.asked, self.pair, self.depth).differences.is_empty()
    }

    /// Drops rules and clauses, then entities and facts, then parts of expressions, until nothing more can go.
    pub(crate) fn shrink(&mut self, mut policy: Option<Policy>, mut world: World) -> (Option<Policy>, World) {
        loop {
            let mut smaller = false;
            if let Some(policy) = &mut policy {
                smaller |= self.fewer_items(policy, &world);
            }
            smaller |= self.fewer_facts(policy.as_ref(), &mut world);
            if let Some(policy) = &mut policy {
                smaller |= self.shorter(policy, &world);
            }
            if !smaller || self.tries > TRIES_MAX {
                return (policy, world);
            }
        }
    }

    fn fewer_items(&mut self, policy: &mut Policy, world: &World) -> bool {
        let mut smaller = false;
        for at in (0..policy.items.len()).rev() {
            let mut tried = policy.clone();
            tried.items.remove(at);
            if self.differs(Some(&tried), world) {
                *policy = tried;
                smaller = true;
                continue;
            }
            for clause in (0..policy.items[at].clauses.len()).rev() {
                let mut tried = policy.clone();
                tried.items[at].clauses.remove(clause);
                if self.differs(Some(&tried), world) {
                    *policy = tried;
                    smaller = true;
                }
            }
        }
        smaller
    }

    fn fewer_facts(&mut self, policy: Option<&Policy>, world: &mut World) -> bool {
        let mut smaller = false;
        for at in 0..world.entities.len() {
            if world.entities[at].is_some() {
                let tried = world.without_entity(at);
                if self.differs(policy, &tried) {
                    *world = tried;
                    smaller = true;
                }
            }
        }
        for at in (0..world.facts.len()).rev() {
            let tried = world.without_fact(at);
            if self.differs(policy, &tried) {
                *world = tried;
                smaller = true;
            }
        }
        smaller
    }

    /// Puts a part of what stands in parentheses in its place, or a literal.
    fn shorter(&mut self, policy: &mut Policy, world: &World) -> bool {
        let mut smaller = false;
        for at in 0..policy.items.len() {
            for clause in 0..=policy.items[at].clauses.len() {
                let mut from = 0;
                while let Some((text, next)) = self.shorter_text(policy, world, at, clause, from) {
                    from = next;
                    if let Some(text) = text {
                        *slot(policy, at, clause) = text;
                        smaller = true;
                    }
                }
            }
        }
        smaller
    }

    /// Tries the first parenthesis from `from` on: the text it may become, and where to go on.
    fn shorter_text(&mut self, policy: &Policy, world: &World, at: usize, clause: usize, from: usize) -> Option<(Option<String>, usize)> {
        let mut tried = policy.clone();
        let text = slot(&mut tried, at, clause).clone();
        let groups = groups(&text);
        let (start, end) = *groups.iter().find(|(start, _)| *start >= from)?;
        let mut parts: Vec<&str> = vec!["true", "false"];
        parts.extend(groups.iter().filter(|(a, b)| *a > start && *b < end).map(|(a, b)| &text[*a..*b]));
        for part in parts {
            if part.len() >= end - start {
                continue;
            }
            let shorter = format!("{}{part}{}", &text[..start], &text[end..]);
            slot(&mut tried, at, clause).clone_from(&shorter);
            if self.differs(Some(&tried), world) {
                return Some((Some(shorter), start));
            }
        }
        Some((None, start + 1))
    }
}

/// The text of a clause; the last place is the head of the item.
fn slot(policy: &mut Policy, item: usize, clause: usize) -> &mut String {
    let item = &mut policy.items[item];
    match item.clauses.get_mut(clause) {
        Some(text) => text,
        None => &mut item.head,
    }
}

/// Where parentheses open and, past the end, close.
fn groups(text: &str) -> Vec<(usize, usize)> {
    let mut open = Vec::new();
    let mut found = Vec::new();
    let mut in_text = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => in_text = !in_text,
            '(' if !in_text => open.push(at),
            ')' if !in_text => found.extend(open.pop().map(|start| (start, at + 1))),
            _ => {}
        }
    }
    found.sort_unstable();
    found
}
