//! What a picture shows: nodes, and labelled edges between them.

use serde::Serialize;

/// How many findings of each kind an entity has that are not passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Marks {
    /// Fails that no waiver covers.
    pub fail: usize,
    /// Fails that a waiver covers.
    pub waived: usize,
    /// Verdicts that could not be decided.
    pub unknown: usize,
    /// Verdicts that are not due yet.
    pub pending: usize,
}

impl Marks {
    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Says them in signs and words, such as `✗ 2 fail · ? 1 unknown`; nothing if there is none.
    #[must_use]
    pub fn words(self) -> String {
        let counts =
            [('✗', self.fail, "fail"), ('?', self.unknown, "unknown"), ('◷', self.pending, "pending"), ('∅', self.waived, "waived")];
        let said: Vec<String> = counts.iter().filter(|(_, n, _)| *n > 0).map(|(sign, n, word)| format!("{sign} {n} {word}")).collect();
        said.join(" · ")
    }

    /// Names the gravest kind: `fail`, `unknown`, `pending`, `waived`, or `none`.
    #[must_use]
    pub fn gravest(self) -> &'static str {
        match self {
            Self { fail: 1.., .. } => "fail",
            Self { unknown: 1.., .. } => "unknown",
            Self { pending: 1.., .. } => "pending",
            Self { waived: 1.., .. } => "waived",
            _ => "none",
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.fail += other.fail;
        self.waived += other.waived;
        self.unknown += other.unknown;
        self.pending += other.pending;
    }
}

/// What a node stands for; each kind has a shape of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// A directory.
    Tenant,
    /// A place where access can be granted.
    Scope,
    /// Somebody or something that can hold access.
    Principal,
    /// A partner account.
    Partner,
    /// A record that ties others: a delegation, a designation, a link, a review.
    Record,
    /// Others of a list, counted and not shown.
    More,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// What it stands for.
    pub kind: NodeKind,
    /// The type in words: `Guest user`, `Subscription`.
    #[serde(rename = "type")]
    pub entity: String,
    /// Its key; none for a count of others.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// What its findings say.
    pub marks: Marks,
    /// Lists of it that may not be whole, in words.
    pub gaps: Vec<String>,
    /// Neighbours that were left out because the picture is full.
    pub left_out: usize,
    /// Whether the picture is about it.
    pub focus: bool,
}

/// What an edge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrowKind {
    /// A scope holds another.
    Contains,
    /// A role is held.
    Grants,
    /// A role can be activated.
    Eligible,
    /// Belongs to a group.
    Member,
    /// A delegation.
    Delegates,
    /// A record names a partner, or a partner is recognised through an identity.
    Names,
    /// Something was so, and is no longer.
    Ended,
    /// Anything else, by the name of the property.
    Refers,
}

/// An edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrow {
    /// Place of the node it comes from.
    pub from: usize,
    /// Place of the node it goes to.
    pub to: usize,
    /// What it says.
    pub kind: ArrowKind,
    /// The roles or the relation, each once.
    pub labels: Vec<String>,
    /// What findings about the tie itself say.
    pub marks: Marks,
    /// Whether the picture is about it.
    pub focus: bool,
}

impl Arrow {
    /// Puts its labels and marks into one line; labels beyond three are counted.
    #[must_use]
    pub fn caption(&self) -> String {
        /// Roles named on one edge.
        const LABELS_MAX: usize = 3;
        let mut caption = self.labels.iter().take(LABELS_MAX).cloned().collect::<Vec<_>>().join(", ");
        if self.labels.len() > LABELS_MAX {
            caption += &format!(" and {} more", self.labels.len() - LABELS_MAX);
        }
        let marks = self.marks.words();
        match (caption.is_empty(), marks.is_empty()) {
            (_, true) => caption,
            (true, false) => marks,
            (false, false) => format!("{caption} · {marks}"),
        }
    }
}

/// A picture. Nodes stand in the order in which they were reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// What it shows.
    pub title: String,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Edges, by the places of their nodes.
    pub edges: Vec<Arrow>,
    /// What is not in it, in words.
    pub notes: Vec<String>,
}
