//! The nouns of a remediation plan: what is done, why, what must be found before and after, and how it is undone.
//!
//! Invariants: a step names everything that is needed to carry it out, so that apply needs neither policies nor snapshot to
//! act; what is read and what is written are different types, so that nothing that plans can write.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;

/// What will be done to a tenant, in order. The source of its contents: `tenet.plan/v1`.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Identity of the plan: derived from its contents, so that equal inputs give equal plans.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is refused; half-open.
    pub expires: Timestamp,
    /// Version of the program that made it.
    pub tool: String,
    /// What it was made from.
    pub digests: Digests,
    /// The directory it is for.
    pub tenant: String,
    /// Who may apply it: object id of the signed-in identity; none means anybody of the tenant who holds an approved plan.
    pub principal: Option<String>,
    /// Who made it, as approvers are named; an approver may not be the planner.
    pub planner: String,
    /// How many approvals it needs, and by whom they may be given (digest of `allowed_signers`).
    pub approvals: Approvals,
    /// How much it may change.
    pub limits: Limits,
    /// Verdicts before and after.
    pub summary: Summary,
    /// What the program does, in an order in which each step's dependencies stand before it.
    pub steps: Vec<Step>,
    /// What people do.
    pub manual: Vec<ManualStep>,
    /// Findings for which nothing is planned.
    pub not_planned: Vec<NotPlanned>,
}

/// Digests (sha256, lower-case hex) of what a plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Digests {
    /// The result with the findings.
    pub result: String,
    /// The snapshot.
    pub snapshot: String,
    /// All policy files.
    pub policies: String,
    /// The waivers among them.
    pub waivers: String,
    /// Values of parameters.
    pub parameters: String,
}

/// Which approvals a plan needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Approvals {
    /// How many different people.
    pub needed: u32,
    /// Digest (sha256, lower-case hex) of the `allowed_signers` file they must stand in.
    pub allowed_signers: String,
}

/// How much a plan may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps.
    pub max_changes: u32,
    /// Steps as a share of the objects of their kinds in the snapshot, in percent.
    pub max_changes_percent: u32,
}

/// Counts of verdicts by name, before and after the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// As the result says.
    pub before: BTreeMap<String, u64>,
    /// As the simulation says when every step, manual ones included, is done.
    pub after: BTreeMap<String, u64>,
}

/// What a step does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Makes something: `+`.
    Add,
    /// Changes something: `~`.
    Change,
    /// Takes something away: `-`.
    Remove,
}

/// How much harm a step could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Nobody loses access.
    Low,
    /// Somebody loses access, or a setting of the whole directory changes; it can be undone.
    Medium,
    /// An Owner or a partner loses access, or it cannot be undone.
    High,
}

/// The finding a step mends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Id of the rule.
    pub rule: String,
    /// The requirement.
    pub requirement: String,
    /// Key of the subject.
    pub subject: String,
    /// The message of the finding.
    pub text: String,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// `s1`, `s2`, …: unique in the plan.
    pub id: String,
    /// Steps that must be verified before this one begins. The `before` of a step without any is found before the first write, too.
    pub depends_on: Vec<String>,
    /// What it does to the world.
    pub op: Op,
    /// How much harm it could do.
    pub risk: Risk,
    /// The action of the language, by its name.
    pub action: String,
    /// One line for people.
    pub title: String,
    /// The findings it mends; never empty.
    pub why: Vec<Why>,
    /// Id of what is changed: an ARM id, or a path of Microsoft Graph.
    pub target: String,
    /// Permissions that are needed.
    pub permissions: Vec<String>,
    /// What is done.
    pub operation: Operation,
    /// How it is undone.
    pub undo: Undo,
}

/// A request with what must be found before and after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// What is sent.
    pub request: Request,
    /// What must be found just before; anything else makes the plan stale.
    pub before: Vec<Expectation>,
    /// What must be found afterwards, several times in a row.
    pub after: Vec<Expectation>,
    /// Whether it may be sent again if its outcome is not known.
    pub repeatable: Repeatable,
    /// Seconds that replication may take until `after` is found.
    pub window_seconds: u32,
}

/// What happens if a request is sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeatable {
    /// The same as if it were sent once: its name is chosen by us, or it sets a value.
    Same,
    /// Something more; it is sent again only if reading shows that it did not take effect.
    Never,
}

/// How a step is undone.
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    /// By this operation. Bodies that only the tenant knows are completed from what was read before the step.
    By(Box<Operation>),
    /// Not at all, for this reason.
    Irreversible(String),
}

/// A service that is read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Azure Resource Manager.
    Arm,
    /// Microsoft Graph.
    Graph,
}

/// A place that is read, always with GET.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Read {
    /// The service.
    pub service: Service,
    /// Path from the host, with a leading slash and without a query.
    pub path: String,
    /// Parameters of the query in the order they are sent, not escaped.
    pub query: Vec<(String, String)>,
}

/// A verb that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Makes or replaces.
    Put,
    /// Changes a part.
    Patch,
    /// Asks for something to be done.
    Post,
    /// Removes.
    Delete,
}

/// A request that changes something.
///
/// Two things are not known while planning, and stand for themselves until the step is carried out. In the body of an *undo*, a
/// member that is `null` is taken from the same place of what was found before the step (the reading in `before` of the path
/// the undo is sent to), and stays `null` if there was nothing. In the path of an `after` or an undo, `{/pointer}` is the text at
/// that JSON pointer in the answer to the step: `/v1.0/users/{/invitedUser/id}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The service.
    pub service: Service,
    /// The verb.
    pub method: Method,
    /// Path from the host, with a leading slash and without a query.
    pub path: String,
    /// Parameters of the query in the order they are sent, not escaped.
    pub query: Vec<(String, String)>,
    /// What is sent, if anything.
    pub body: Option<Json>,
}

/// Something that must be found.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Where.
    pub read: Read,
    /// What.
    pub found: Found,
    /// Why it matters, for people: `another Owner remains`.
    pub what: String,
}

/// What a reading must show. Only these fields are compared; a field is a JSON pointer, and ids are compared without regard
/// to case.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// There is no such thing: 404, or 204.
    Absent,
    /// It is there with these values; JSON null stands for absent or null.
    Present(BTreeMap<String, Json>),
    /// At least one item of the whole list at `/value` has these values.
    Some(BTreeMap<String, Json>),
    /// No item of the whole list at `/value` has these values.
    Nothing(BTreeMap<String, Json>),
}

/// Something a person does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualStep {
    /// `m1`, `m2`, …: unique in the plan.
    pub id: String,
    /// Steps and manual steps that come first.
    pub depends_on: Vec<String>,
    /// The action of the language, by its name.
    pub action: String,
    /// One line for people.
    pub title: String,
    /// The findings it mends; never empty.
    pub why: Vec<Why>,
    /// What to do: the click path, with the date of its source.
    pub instructions: String,
    /// Who may do it, by name and id, from the snapshot.
    pub who: Vec<String>,
    /// How it will be seen that it was done.
    pub verified_by: String,
}

/// A finding for which nothing is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotPlanned {
    /// The finding.
    pub why: Why,
    /// Each reason, in words.
    pub reasons: Vec<String>,
}
