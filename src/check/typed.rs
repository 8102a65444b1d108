//! Checked policies: names are resolved to ids, every expression has a type, nothing in them can fail at run time.

use std::sync::Arc;

use jiff::Timestamp;
use regex::Regex;

use crate::model::{EntityTypeId, PropertyId, RuleSeverity, Schema, Type, Value};
use crate::syntax::ast::{Aggregate, Quantifier};
use crate::text::Span;

/// A variable of one rule, definition, action or waiver: a slot of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VarId(pub u32);

/// A parameter or constant, by its place in [`Policies::params`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId(pub u32);

/// A definition, by its place in [`Policies::defs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefId(pub u32);

/// An action, by its place in [`Policies::actions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub u32);

/// A rule, by its place in [`Policies::rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// Everything a run evaluates.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    /// The types.
    pub schema: Arc<Schema>,
    /// Parameters and constants.
    pub params: Vec<Param>,
    /// Definitions; a body refers only to definitions, never to itself.
    pub defs: Vec<Def>,
    /// Actions.
    pub actions: Vec<Action>,
    /// Rules, sorted by id.
    pub rules: Vec<Rule>,
    /// Packs, sorted by name.
    pub packs: Vec<Pack>,
    /// Waivers, in the order of files.
    pub waivers: Vec<Waiver>,
    /// Tests, in the order of files.
    pub tests: Vec<Test>,
}

/// A parameter or constant.
#[derive(Debug, Clone)]
pub struct Param {
    /// The module that declares it.
    pub module: String,
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Its value or default.
    pub value: Option<Expr>,
    /// Whether it cannot be set.
    pub is_const: bool,
    /// Its doc lines.
    pub docs: Vec<String>,
    /// Its declaration.
    pub span: Span,
}

/// A definition.
#[derive(Debug, Clone)]
pub struct Def {
    /// The module that declares it.
    pub module: String,
    /// Its name.
    pub name: String,
    /// Its parameters, which take the first slots of its frame.
    pub formals: Vec<(String, Type)>,
    /// For each parameter whether anything looks at it.
    pub reads: Vec<bool>,
    /// What it gives.
    pub result: Type,
    /// Its body.
    pub body: Expr,
    /// Slots of its frame.
    pub n_slots: u32,
    /// Names of the slots.
    pub slot_names: Vec<String>,
    /// Its doc lines.
    pub docs: Vec<String>,
    /// Its declaration.
    pub span: Span,
}

/// A text with typed holes.
pub type Template = Vec<TemplatePart>;

/// A piece of a [`Template`].
#[derive(Debug, Clone)]
pub enum TemplatePart {
    /// Literal text.
    Text(String),
    /// A value.
    Expr(Expr),
}

/// Who carries out an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionMode {
    /// A service does, asked by us.
    Api,
    /// A person does; it can be simulated, never performed.
    Human,
}

/// An action.
#[derive(Debug, Clone)]
pub struct Action {
    /// The module that declares it.
    pub module: String,
    /// Its name.
    pub name: String,
    /// Its parameters, which take the first slots of its frame.
    pub formals: Vec<(String, Type)>,
    /// Who carries it out; with `identity`, a service only where that identity is signed in.
    pub mode: ActionMode,
    /// `mode api as e`: the identity it is done for, which has to be signed in itself; for any other it is a person's.
    pub identity: Option<Expr>,
    /// Who may do it: slot, type, condition.
    pub actor: Option<(VarId, EntityTypeId, Option<Expr>)>,
    /// Permissions it needs.
    pub needs: Vec<String>,
    /// What must hold before.
    pub requires: Vec<Expr>,
    /// What it changes.
    pub effects: Vec<Effect>,
    /// What takes it back, as the name of another action.
    pub undo: Option<String>,
    /// Why nothing takes it back; never together with `undo`.
    pub irreversible: Option<String>,
    /// Where a person clicks, in the order they are written: the one to try first stands first.
    pub paths: Vec<ClickPath>,
    /// How it is seen that it was done.
    pub verify: Option<Template>,
    /// What a person does.
    pub remedy: Option<Template>,
    /// Slots of its frame.
    pub n_slots: u32,
    /// Names of the slots.
    pub slot_names: Vec<String>,
    /// Its doc lines.
    pub docs: Vec<String>,
    /// Its declaration.
    pub span: Span,
}

/// Where a person clicks, and what says so.
#[derive(Debug, Clone)]
pub struct ClickPath {
    /// The steps.
    pub text: Template,
    /// The page that names them.
    pub page: String,
    /// As of when the page said so: a year, a month (`2022-10`) or a day.
    pub read: String,
}

/// A change an action makes.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A new entity with these values; the slot holds it for what follows.
    Create(EntityTypeId, Vec<(PropertyId, Expr)>, Option<VarId>),
    /// An entity ceases to exist.
    Delete(Expr),
    /// An attribute of an entity gets a value; after `forget` the value is [`ExprKind::Error`], which is unknown.
    Set(Expr, PropertyId, Expr),
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its public identity.
    pub id: String,
    /// Identities it had before.
    pub was: Vec<String>,
    /// The module that declares it.
    pub module: String,
    /// The slot of its subject; always the first.
    pub subject: VarId,
    /// The type of its subjects.
    pub entity: EntityTypeId,
    /// What narrows them.
    pub filter: Option<Expr>,
    /// What it asks for, in a few words.
    pub title: String,
    /// Why.
    pub why: Option<String>,
    /// How much it matters.
    pub severity: RuleSeverity,
    /// Sources of the rule.
    pub refs: Vec<String>,
    /// Tags to select it by.
    pub tags: Vec<String>,
    /// Named values.
    pub lets: Vec<(VarId, Expr)>,
    /// The instant by which it must hold.
    pub due: Option<Expr>,
    /// What must hold; at least one.
    pub requirements: Vec<Requirement>,
    /// Ways to repair it.
    pub fixes: Vec<Fix>,
    /// What a person can do.
    pub remedy: Option<Template>,
    /// Whether, and for how long, it may be waived.
    pub waivable: Waivable,
    /// Slots of its frame.
    pub n_slots: u32,
    /// Names of the slots.
    pub slot_names: Vec<String>,
    /// Its doc lines.
    pub docs: Vec<String>,
    /// The whole item.
    pub span: Span,
}

/// One named requirement of a rule.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// Its public name.
    pub name: String,
    /// What must hold.
    pub condition: Expr,
    /// What to say if it does not.
    pub message: Option<Template>,
    /// Its clause.
    pub span: Span,
}

/// A fix of a rule.
#[derive(Debug, Clone)]
pub struct Fix {
    /// Its name.
    pub name: String,
    /// The requirements it repairs, by place.
    pub requirements: Vec<usize>,
    /// When it applies.
    pub when: Option<Expr>,
    /// What it does.
    pub steps: Vec<FixStep>,
}

/// A step of a fix.
#[derive(Debug, Clone)]
pub enum FixStep {
    /// For each certain member.
    Loop(Box<Binder>, Vec<FixStep>),
    /// An action with its arguments.
    Call(ActionId, Vec<Expr>),
}

/// Whether a rule may be waived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waivable {
    /// Never.
    No,
    /// For at most `limit` seconds, by these names (empty: the approvers of the configuration).
    UpTo {
        /// Seconds.
        limit: i64,
        /// Names of approvers.
        by: Vec<String>,
    },
}

/// A pack: rules in force, with their own parameters.
#[derive(Debug, Clone)]
pub struct Pack {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: Option<String>,
    /// The rules in it.
    pub uses: Vec<PackUse>,
    /// Its declaration.
    pub span: Span,
}

/// One rule of a pack.
#[derive(Debug, Clone)]
pub struct PackUse {
    /// The rule.
    pub rule: RuleId,
    /// Parameters set for it.
    pub params: Vec<(ParamId, Expr)>,
    /// Whether a fail blocks.
    pub blocking: bool,
}

/// A waiver.
#[derive(Debug, Clone)]
pub struct Waiver {
    /// The rule.
    pub rule: RuleId,
    /// One requirement, by place; all without.
    pub requirement: Option<usize>,
    /// The type of the subjects.
    pub entity: EntityTypeId,
    /// Which of them; the subject is slot 0.
    pub filter: Option<Expr>,
    /// First instant.
    pub from: Option<Timestamp>,
    /// Last day, inclusive: its first instant.
    pub until: Timestamp,
    /// The reason.
    pub because: String,
    /// Who allowed it.
    pub approved_by: Vec<String>,
    /// The ticket.
    pub ticket: Option<String>,
    /// Slots of its frame.
    pub n_slots: u32,
    /// The whole item.
    pub span: Span,
}

impl Waiver {
    /// Returns the first instant at which it no longer counts: its last day is inclusive, in UTC.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        day_after(self.until)
    }
}

/// Returns the first instant of the day after, in UTC.
#[must_use]
pub fn day_after(at: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400;
    let next = at.as_second().div_euclid(DAY).saturating_add(1).saturating_mul(DAY);
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

/// A test: a small world and what must come out.
#[derive(Debug, Clone)]
pub struct Test {
    /// What it shows.
    pub name: String,
    /// The module it stands in.
    pub module: String,
    /// The instant of the run.
    pub now: Option<Timestamp>,
    /// Parameters set for it.
    pub params: Vec<(ParamId, Expr)>,
    /// Its entities.
    pub entities: Vec<GivenEntity>,
    /// What is missing: list, attribute or (no property) the list of a whole type.
    pub missing: Vec<GivenMissing>,
    /// Members of sets, for a while.
    pub links: Vec<GivenLink>,
    /// Earlier values.
    pub history: Vec<GivenHistory>,
    /// What must come out.
    pub expects: Vec<Expectation>,
    /// The whole item.
    pub span: Span,
}

/// An entity of a test's world.
#[derive(Debug, Clone)]
pub struct GivenEntity {
    /// Its name in the test.
    pub name: String,
    /// Its type.
    pub entity: EntityTypeId,
    /// Its key.
    pub key: String,
    /// Its attributes.
    pub fields: Vec<(PropertyId, GivenValue)>,
}

/// A value in a test's world.
#[derive(Debug, Clone)]
pub enum GivenValue {
    /// Known to be absent.
    None,
    /// A scalar.
    Scalar(Value),
    /// Another entity, by place.
    Entity(usize),
    /// A set.
    Set(Vec<GivenValue>),
}

/// A hole in a test's world.
#[derive(Debug, Clone)]
pub struct GivenMissing {
    /// What has the hole.
    pub target: MissingTarget,
    /// The hole reaches up to here; all of time without.
    pub before: Option<Timestamp>,
    /// Why.
    pub because: String,
}

/// What has a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingTarget {
    /// A property of an entity, by place.
    Property(usize, PropertyId),
    /// The list of all entities of a type.
    Extent(EntityTypeId),
}

/// A member of a set of a test's world.
#[derive(Debug, Clone)]
pub struct GivenLink {
    /// The entity, by place.
    pub entity: usize,
    /// The set.
    pub property: PropertyId,
    /// The member, by place.
    pub member: usize,
    /// Since when.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
}

/// An earlier value in a test's world.
#[derive(Debug, Clone)]
pub struct GivenHistory {
    /// The entity, by place.
    pub entity: usize,
    /// The attribute.
    pub property: PropertyId,
    /// The value.
    pub value: GivenValue,
    /// Since when.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
}

/// What must come out of a test.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The rule.
    pub rule: RuleId,
    /// One requirement, by place; the verdict of the whole rule without.
    pub requirement: Option<usize>,
    /// The subject, by place.
    pub subject: usize,
    /// The verdict's name.
    pub verdict: String,
    /// The requirements that decide it, by place.
    pub because: Vec<usize>,
    /// Whether the fixes are simulated first.
    pub after_fix: bool,
    /// Where it stands.
    pub span: Span,
}

/// A typed expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Type,
    /// Where it stands.
    pub span: Span,
}

/// A variable of a quantifier.
#[derive(Debug, Clone)]
pub struct Binder {
    /// Its slot.
    pub var: VarId,
    /// What it runs over; a set.
    pub set: Expr,
    /// What narrows it.
    pub filter: Option<Expr>,
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

impl Comparison {
    /// Returns it as it is written.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }

    /// Returns what holds of `b` and `a` where this holds of `a` and `b`.
    #[must_use]
    pub fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
            Self::Equal | Self::NotEqual => self,
        }
    }
}

/// The kinds of typed expression.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// A literal.
    Value(Value),
    /// `none`
    None,
    /// `now`
    Now,
    /// A variable.
    Var(VarId),
    /// A parameter or constant.
    Param(ParamId),
    /// A definition with its arguments.
    Call(DefId, Vec<Expr>),
    /// A single-valued property of an entity; `safe` gives none for none.
    Attribute {
        /// The entity.
        base: Box<Expr>,
        /// The property.
        property: PropertyId,
        /// Whether the base may be none.
        safe: bool,
        /// The instant it is read as of; now without.
        at: Option<Box<Expr>>,
    },
    /// A set property of an entity, or any property over a set of entities, flattened.
    Navigation {
        /// The entity or set.
        base: Box<Expr>,
        /// The property.
        property: PropertyId,
        /// The instant it is read as of; now without.
        at: Option<Box<Expr>>,
    },
    /// Everything reached by steps over one property.
    Closure {
        /// Where it starts: an entity or a set.
        base: Box<Expr>,
        /// The step.
        property: PropertyId,
        /// Whether the start belongs to it.
        reflexive: bool,
        /// The instant it is read as of; now without.
        at: Option<Box<Expr>>,
    },
    /// All entities of a type.
    Extent(EntityTypeId),
    /// The members of a set that satisfy a condition.
    Filter(Box<Binder>),
    /// The members of either set.
    Union(Box<Expr>, Box<Expr>),
    /// `{a, b}`
    Set(Vec<Expr>),
    /// `not`
    Not(Box<Expr>),
    /// `and`
    And(Vec<Expr>),
    /// `or`
    Or(Vec<Expr>),
    /// `implies`
    Implies(Box<Expr>, Box<Expr>),
    /// Named branches: an `or` that can say which one holds.
    Branches(Vec<(String, Expr)>),
    /// A comparison of two values.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// `in`, `not in`
    In {
        /// The value.
        item: Box<Expr>,
        /// The set.
        set: Box<Expr>,
        /// Whether it is `not in`.
        negated: bool,
    },
    /// `is none`, `is not none`
    IsNone(Box<Expr>, bool),
    /// `is T`, `is not T`
    IsType(Box<Expr>, EntityTypeId, bool),
    /// `covers` on scopes or intervals.
    Covers(Box<Expr>, Box<Expr>),
    /// `overlaps` on intervals.
    Overlaps(Box<Expr>, Box<Expr>),
    /// `matches`
    Matches(Box<Expr>, Regex),
    /// `??`
    Coalesce(Box<Expr>, Box<Expr>),
    /// `+` on instants, durations, numbers
    Add(Box<Expr>, Box<Expr>),
    /// `-` on instants, durations, numbers
    Subtract(Box<Expr>, Box<Expr>),
    /// `interval(from, to)`
    Interval(Box<Expr>, Box<Expr>),
    /// `known(e)`
    Known(Box<Expr>),
    /// A quantifier.
    Quantified(Quantifier, Vec<Binder>, Option<Box<Expr>>),
    /// `count`, `min`, `max`
    Aggregate(Aggregate, Vec<Binder>, Option<Box<Expr>>),
    /// Stands where an error was reported; never in policies that are evaluated.
    Error,
}
