//! The tree of a `.tenet` file, as written: names are not resolved, types not checked.

use jiff::Timestamp;

use crate::text::{FileId, Span, Spanned};

/// A name with its place.
pub type Ident = Spanned<String>;

/// A name that may belong to another module: `role.owner`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qualified {
    /// The import alias in front of the dot.
    pub module: Option<Ident>,
    /// The name itself.
    pub name: Ident,
}

impl Qualified {
    /// Returns the span of the whole name.
    #[must_use]
    pub fn span(&self) -> Span {
        self.module.as_ref().map_or(self.name.span, |module| module.span.to(self.name.span))
    }
}

/// One file.
#[derive(Debug, Clone, Default)]
pub struct File {
    /// The id of the text.
    pub id: FileId,
    /// `edition 1`.
    pub edition: Option<Spanned<i64>>,
    /// `module lib.dpor`.
    pub module: Option<Ident>,
    /// The imports, in order.
    pub imports: Vec<Import>,
    /// The items, in order.
    pub items: Vec<Item>,
}

/// `import "path" as alias` or `import "path" { a, b }`.
#[derive(Debug, Clone)]
pub struct Import {
    /// The path as written, without quotes.
    pub path: Ident,
    /// The alias; without one the names of the module come in directly.
    pub alias: Option<Ident>,
    /// The names to bring in; empty for all of them.
    pub names: Vec<Ident>,
    /// The whole import.
    pub span: Span,
}

/// What every item has.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The lines of the doc comment, without slashes.
    pub docs: Vec<String>,
    /// `@source(…)`, `@was(…)`.
    pub annotations: Vec<Annotation>,
    /// The whole item, doc comment included.
    pub span: Span,
}

/// `@name(key: "value", …)`.
#[derive(Debug, Clone)]
pub struct Annotation {
    /// The name after the at sign.
    pub name: Ident,
    /// The arguments; the key is missing for positional ones.
    pub args: Vec<(Option<Ident>, Ident)>,
}

/// One item of a file.
#[derive(Debug, Clone)]
pub struct Item {
    /// Docs, annotations, span.
    pub head: Head,
    /// What it is.
    pub kind: ItemKind,
}

/// The kinds of item.
#[derive(Debug, Clone)]
pub enum ItemKind {
    /// `enum`
    Enum(Enum),
    /// `type`
    Type(TypeAlias),
    /// `entity`
    Entity(Entity),
    /// `extend`
    Extend(Extend),
    /// `param` and `const`
    Param(Param),
    /// `def`
    Def(Def),
    /// `action`
    Action(Box<Action>),
    /// `rule`
    Rule(Rule),
    /// `pack`
    Pack(Pack),
    /// `waive`
    Waive(Waive),
    /// `test`
    Test(Test),
}

/// `enum Name { A, B }`.
#[derive(Debug, Clone)]
pub struct Enum {
    /// Its name.
    pub name: Ident,
    /// Its values, with their doc lines.
    pub values: Vec<(Ident, Vec<String>)>,
}

/// `type Name = String matching /…/`.
#[derive(Debug, Clone)]
pub struct TypeAlias {
    /// Its name.
    pub name: Ident,
    /// The type it stands for.
    pub base: Qualified,
    /// The pattern every value matches.
    pub pattern: Option<Ident>,
}

/// `T`, `T?`, `set T`.
#[derive(Debug, Clone)]
pub struct TypeExpr {
    /// Whether it is a set.
    pub set: bool,
    /// The name of the type.
    pub name: Qualified,
    /// Whether `none` is allowed.
    pub optional: bool,
    /// The whole expression.
    pub span: Span,
}

/// `entity Name is Parent key id: T { … }`.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Whether it has no entities of its own.
    pub is_abstract: bool,
    /// Its name.
    pub name: Ident,
    /// What it inherits from.
    pub parent: Option<Qualified>,
    /// The name and type of its key.
    pub key: Option<(Ident, TypeExpr)>,
    /// Its attributes and navigations.
    pub attributes: Vec<Attribute>,
}

/// `extend Name { … }`.
#[derive(Debug, Clone)]
pub struct Extend {
    /// The entity.
    pub name: Qualified,
    /// What it gets.
    pub attributes: Vec<Attribute>,
}

/// One attribute or navigation.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// Docs and annotations.
    pub head: Head,
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr,
    /// The attribute of the other side.
    pub inverse: Option<Ident>,
    /// Whether earlier values are kept.
    pub history: bool,
}

/// `param name: T = value`, `const name: T = value`.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr,
    /// Its value, or its default.
    pub value: Option<Expr>,
    /// Whether it cannot be set.
    pub is_const: bool,
}

/// `name: T` of a definition or an action.
#[derive(Debug, Clone)]
pub struct Formal {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr,
}

/// `def name(…): T = …`.
#[derive(Debug, Clone)]
pub struct Def {
    /// Its name.
    pub name: Ident,
    /// Its parameters.
    pub formals: Vec<Formal>,
    /// What it gives.
    pub result: TypeExpr,
    /// How it is computed.
    pub body: DefBody,
}

/// The body of a definition.
#[derive(Debug, Clone)]
pub enum DefBody {
    /// One expression.
    Expr(Expr),
    /// Named branches, of which one must hold.
    Branches(Vec<(Ident, Expr)>),
}

/// `action name(…) { … }`.
#[derive(Debug, Clone)]
pub struct Action {
    /// Its name.
    pub name: Ident,
    /// Its parameters.
    pub formals: Vec<Formal>,
    /// `mode api` or `mode human`.
    pub mode: Option<Ident>,
    /// `mode api as e`: the identity that has to be signed in.
    pub identity: Option<Expr>,
    /// Who may do it: name, type, condition.
    pub actor: Option<(Ident, Qualified, Option<Expr>)>,
    /// Permissions needed.
    pub needs: Vec<Ident>,
    /// What must hold before.
    pub requires: Vec<Expr>,
    /// What it changes.
    pub effects: Vec<Effect>,
    /// The action that takes it back.
    pub undo: Option<(Ident, Vec<Expr>)>,
    /// Why nothing takes it back.
    pub irreversible: Option<Ident>,
    /// Where a person clicks.
    pub paths: Vec<ClickPath>,
    /// How it is seen that it was done.
    pub verify: Option<Expr>,
    /// What a person does.
    pub remedy: Option<Expr>,
}

/// `path "…" from "…" read "…"`.
#[derive(Debug, Clone)]
pub struct ClickPath {
    /// The steps, a message.
    pub text: Expr,
    /// The page that names them.
    pub page: Ident,
    /// As of when the page said so.
    pub read: Ident,
}

/// One change an action makes.
#[derive(Debug, Clone)]
pub enum Effect {
    /// `create T { … }`, perhaps with a name for what is created.
    Create(Qualified, Vec<(Ident, Expr)>, Option<Ident>),
    /// `delete e`
    Delete(Expr),
    /// `forget e.a`
    Forget(Expr),
    /// `set e.a := v`
    Set(Expr, Expr),
}

/// `rule ID for x: T where … { … }`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its public identity.
    pub id: Ident,
    /// The variable that stands for the subject.
    pub subject: Ident,
    /// The type of its subjects.
    pub entity: Qualified,
    /// What narrows them.
    pub filter: Option<Expr>,
    /// Its clauses, in order.
    pub clauses: Vec<RuleClause>,
    /// Whether a clause could not be read and is missing here.
    pub broken: bool,
}

/// One clause of a rule.
#[derive(Debug, Clone)]
pub enum RuleClause {
    /// `title "…"`
    Title(Ident),
    /// `why "…"`
    Why(Ident),
    /// `severity high`
    Severity(Ident),
    /// `refs ["…"]`
    Refs(Vec<Ident>),
    /// `tags ["…"]`
    Tags(Vec<Ident>),
    /// `let x = …`
    Let(Ident, Expr),
    /// `due …`
    Due(Expr),
    /// `require name: … else "…"`
    Require(Ident, Expr, Option<Expr>),
    /// `fix name for a, b when … { … }`
    Fix(Fix),
    /// `remedy "…"`
    Remedy(Expr),
    /// `waivable up to 90 days by "…"`; seconds and names.
    Waivable(Option<Spanned<i64>>, Vec<Ident>, Span),
    /// `not waivable`
    NotWaivable(Span),
}

/// `fix name for a, b when … { … }`.
#[derive(Debug, Clone)]
pub struct Fix {
    /// Its name.
    pub name: Ident,
    /// The requirements it repairs.
    pub requirements: Vec<Ident>,
    /// When it applies.
    pub when: Option<Expr>,
    /// What it does.
    pub steps: Vec<FixStep>,
}

/// One step of a fix.
#[derive(Debug, Clone)]
pub enum FixStep {
    /// `for x in set where … { … }`
    Loop(Box<Binder>, Vec<FixStep>),
    /// `action(arguments)`
    Call(Qualified, Vec<Expr>, Span),
}

/// `pack name { use … }`.
#[derive(Debug, Clone)]
pub struct Pack {
    /// Its name.
    pub name: Ident,
    /// Its title.
    pub title: Option<Ident>,
    /// The rules in it.
    pub uses: Vec<PackUse>,
}

/// `use ID { param: value } at blocking`.
#[derive(Debug, Clone)]
pub struct PackUse {
    /// The rule.
    pub rule: Ident,
    /// Parameters set for it.
    pub params: Vec<(Ident, Expr)>,
    /// `blocking` or `advisory`.
    pub level: Option<Ident>,
}

/// `waive ID.requirement for x: T where … { … }`.
#[derive(Debug, Clone)]
pub struct Waive {
    /// The rule.
    pub rule: Ident,
    /// One requirement of it; all without.
    pub requirement: Option<Ident>,
    /// The variable that stands for the subject.
    pub subject: Ident,
    /// The type of the subjects.
    pub entity: Qualified,
    /// Which of them.
    pub filter: Option<Expr>,
    /// First day.
    pub from: Option<Spanned<Timestamp>>,
    /// Last day, inclusive.
    pub until: Option<Spanned<Timestamp>>,
    /// The reason.
    pub because: Option<Ident>,
    /// Who allowed it.
    pub approved_by: Vec<Ident>,
    /// The ticket.
    pub ticket: Option<Ident>,
}

/// `test "…" { given { … } expect … }`.
#[derive(Debug, Clone)]
pub struct Test {
    /// What it shows.
    pub name: Ident,
    /// Its small world.
    pub given: Vec<GivenStep>,
    /// What must come out.
    pub expects: Vec<Expect>,
}

/// A name of a given entity or type, and one of its attributes.
#[derive(Debug, Clone)]
pub struct GivenPath {
    /// The entity or the type.
    pub base: Ident,
    /// The attribute or navigation.
    pub member: Option<Ident>,
}

/// One step of a given world.
#[derive(Debug, Clone)]
pub enum GivenStep {
    /// `now = …`
    Now(Spanned<Timestamp>),
    /// `param p = …`
    Param(Qualified, Expr),
    /// `missing path before … because "…"`
    Missing(GivenPath, Option<Spanned<Timestamp>>, Ident),
    /// `link path member from … until …`
    Link(GivenPath, Ident, Option<Spanned<Timestamp>>, Option<Spanned<Timestamp>>),
    /// `history path value from … until …`
    History(GivenPath, Expr, Option<Spanned<Timestamp>>, Option<Spanned<Timestamp>>),
    /// `Type name = "key" { … }`
    Entity(Qualified, Ident, Option<Ident>, Vec<(Ident, Expr)>),
}

/// `expect ID.requirement on name verdict because a, b after fix`.
#[derive(Debug, Clone)]
pub struct Expect {
    /// The rule.
    pub rule: Ident,
    /// One requirement of it.
    pub requirement: Option<Ident>,
    /// The given entity.
    pub subject: Ident,
    /// The verdict's name.
    pub verdict: Ident,
    /// The requirements that decide it.
    pub because: Vec<Ident>,
    /// Whether the fixes are simulated first.
    pub after_fix: bool,
    /// The whole expectation.
    pub span: Span,
}

/// An expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// One variable of a quantifier: `x in set where condition`.
#[derive(Debug, Clone)]
pub struct Binder {
    /// The variable.
    pub var: Ident,
    /// What it runs over.
    pub set: Expr,
    /// What narrows it.
    pub filter: Option<Expr>,
}

/// A piece of an interpolated text.
#[derive(Debug, Clone)]
pub enum TextPart {
    /// Literal text, escapes resolved.
    Text(String),
    /// `{expression}`.
    Expr(Expr),
}

/// The kinds of quantifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// At least one.
    Some,
    /// None at all.
    No,
    /// Every one.
    All,
    /// Every one, and at least one.
    AllNonempty,
    /// Just so many.
    Exactly(i64),
    /// So many or fewer.
    AtMost(i64),
    /// So many or more.
    AtLeast(i64),
}

/// The kinds of aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// How many.
    Count,
    /// The smallest.
    Min,
    /// The largest.
    Max,
}

/// Operators between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `implies`
    Implies,
    /// `and`
    And,
    /// `or`
    Or,
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
    /// `in`
    In,
    /// `not in`
    NotIn,
    /// `covers`
    Covers,
    /// `overlaps`
    Overlaps,
    /// `matches`
    Matches,
    /// `??`
    Coalesce,
    /// `+`
    Add,
    /// `-`
    Subtract,
}

/// The kinds of expression.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// `none`
    None,
    /// `true`, `false`
    Bool(bool),
    /// `7`
    Int(i64),
    /// `"…{x}…"`
    Text(Vec<TextPart>),
    /// `2026-12-31`, `2026-12-31T10:00:00Z`
    Instant(Timestamp),
    /// `7 days`, in seconds
    Duration(i64),
    /// `/…/`
    Regex(String),
    /// `now`
    Now,
    /// A variable, parameter, type, enum value or module alias.
    Name(String),
    /// `base.name`, `base?.name`
    Member(Box<Expr>, Ident, bool),
    /// `callee(arguments)`
    Call(Box<Expr>, Vec<Expr>),
    /// `base^+`, `base^*` (reflexive)
    Closure(Box<Expr>, bool),
    /// `base[x | condition]`
    Filter(Box<Expr>, Ident, Box<Expr>),
    /// `{a, b}`
    SetLiteral(Vec<Expr>),
    /// `not e`
    Not(Box<Expr>),
    /// `a op b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `e is none` (no type), `e is T`, negated
    Is(Box<Expr>, Option<Qualified>, bool),
    /// `e as of t`
    AsOf(Box<Expr>, Box<Expr>),
    /// `some x in s : body`
    Quantified(Quantifier, Vec<Binder>, Option<Box<Expr>>),
    /// `count(x in s)`
    Aggregate(Aggregate, Vec<Binder>, Option<Box<Expr>>),
}
