//! Eligible and activated access (Privileged Identity Management for Azure resources, Microsoft.Authorization 2020-10-01).
//!
//! Access is changed by requests. Each has a new name, and repeating one is an error, so a request is sent again only if reading
//! shows that it had no effect. Its name is chosen from what it does and the instant of the plan.

use serde_json::{Map, Value as Json, json};

use super::Outcome;
use super::facts::World;
use super::ids::{below, name_of};
use super::operation::{Place, WINDOW, operation};
use super::role_assignments::{Grant, another_owner, exists, refuse_foreign_group, sendable_type, take_away};
use crate::model::{EntityId, Value};
use crate::remedy::bind::Bound;
use crate::remedy::plan::{Expectation, Method, Op, Operation, Repeatable, Risk, Undo};

const API: &str = "2020-10-01";

/// The two kinds of access that requests change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Schedule {
    Eligibility,
    Assignment,
}

impl Schedule {
    fn requests(self) -> &'static str {
        match self {
            Self::Eligibility => "roleEligibilityScheduleRequests",
            Self::Assignment => "roleAssignmentScheduleRequests",
        }
    }

    fn instances(self) -> &'static str {
        match self {
            Self::Eligibility => "roleEligibilityScheduleInstances",
            Self::Assignment => "roleAssignmentScheduleInstances",
        }
    }
}

/// What is asked for.
struct Ask<'a> {
    schedule: Schedule,
    grant: &'a Grant,
    /// When it ends; none means that it does not. Only for requests that give.
    ends: Option<String>,
    condition: Option<&'a str>,
}

impl Ask<'_> {
    fn instances(&self) -> Place {
        let list = Place::arm(below(&self.grant.scope, &format!("/providers/Microsoft.Authorization/{}", self.schedule.instances())), API);
        list.with("$filter", format!("principalId eq '{}'", self.grant.principal))
    }

    fn there(&self, what: &str) -> Expectation {
        self.instances().some(&self.values(), format!("{}: {what}", self.grant.words()))
    }

    fn gone(&self, what: &str) -> Expectation {
        self.instances().nothing(&self.values(), format!("{}: {what}", self.grant.words()))
    }

    fn values(&self) -> Vec<(&'static str, Json)> {
        let mut values = self.grant.triple().to_vec();
        values.push(("/properties/memberType", json!("Direct")));
        values
    }

    fn request(&self, world: &World<'_>, request_type: &str, turn: &str) -> (Place, Json) {
        let now = world.now().to_string();
        let parts = [self.grant.scope.as_str(), &self.grant.principal, &self.grant.role, request_type, turn, &now];
        let name = name_of(self.schedule.requests(), &parts);
        let path = below(&self.grant.scope, &format!("/providers/Microsoft.Authorization/{}/{name}", self.schedule.requests()));
        let mut properties = Map::new();
        properties.insert("principalId".to_owned(), json!(self.grant.principal));
        properties.insert("roleDefinitionId".to_owned(), json!(self.grant.role_id()));
        properties.insert("requestType".to_owned(), json!(request_type));
        if request_type == "AdminAssign" {
            let expiration = match &self.ends {
                Some(ends) => json!({ "type": "AfterDateTime", "endDateTime": ends }),
                None => json!({ "type": "NoExpiration" }),
            };
            properties.insert("scheduleInfo".to_owned(), json!({ "startDateTime": now, "expiration": expiration }));
            if let Some(condition) = self.condition {
                properties.insert("condition".to_owned(), json!(condition));
                properties.insert("conditionVersion".to_owned(), json!("2.0"));
            }
        }
        (Place::arm(path, API), json!({ "properties": properties }))
    }

    fn give(&self, world: &World<'_>, turn: &str, mut before: Vec<Expectation>) -> (String, Operation) {
        let (place, body) = self.request(world, "AdminAssign", turn);
        before.insert(0, self.gone("nothing gives it yet"));
        let after = vec![self.there("is given")];
        let sent = place.request(Method::Put, Some(body));
        (place.path().to_owned(), operation(sent, before, after, Repeatable::Never, WINDOW))
    }

    fn take(&self, world: &World<'_>, turn: &str, mut before: Vec<Expectation>) -> (String, Operation) {
        let (place, body) = self.request(world, "AdminRemove", turn);
        before.insert(0, self.there("is as it was read"));
        let after = vec![self.gone("is taken away")];
        let sent = place.request(Method::Put, Some(body));
        (place.path().to_owned(), operation(sent, before, after, Repeatable::Never, WINDOW))
    }
}

/// `grant_eligibility(s, p, r)`.
pub(super) fn grant(world: &World<'_>) -> Outcome {
    let (scope, principal, role) = (world.entity(0)?, world.entity(1)?, world.entity(2)?);
    Ok(vec![make_eligible_for(world, &Grant::new(world, scope, principal, role), principal, None)?])
}

fn make_eligible_for(world: &World<'_>, grant: &Grant, principal: EntityId, condition: Option<&str>) -> Result<Bound, String> {
    refuse_foreign_group(world, principal)?;
    sendable_type(world, principal)?;
    let ask = Ask { schedule: Schedule::Eligibility, grant, ends: None, condition };
    let (target, operation) = ask.give(world, "do", vec![exists(world, principal)?]);
    let (_, back) = ask.take(world, "undo", Vec::new());
    Ok(Bound {
        op: Op::Add,
        risk: Risk::Low,
        title: format!("make {} eligible for {} on {}", grant.principal_label, grant.role_label, grant.scope),
        target,
        operation,
        undo: Undo::By(Box::new(back)),
    })
}

/// `make_eligible(a)`: eligible first, then the standing assignment goes.
pub(super) fn make_eligible(world: &World<'_>) -> Outcome {
    let assignment = world.entity(0)?;
    let grant = Grant::of(world, assignment)?;
    let condition = world.text(assignment, "condition")?;
    let principal = world.refers(assignment, "principal")?;
    Ok(vec![make_eligible_for(world, &grant, principal, condition.as_deref())?, take_away(world, assignment)?])
}

/// `end_eligibility(e)`.
pub(super) fn end_eligibility(world: &World<'_>) -> Outcome {
    let eligibility = world.entity(0)?;
    let grant = Grant::of(world, eligibility)?;
    refuse_foreign_group(world, world.refers(eligibility, "principal")?)?;
    let ends = instant(world, eligibility, "ends_at")?;
    let ask = Ask { schedule: Schedule::Eligibility, grant: &grant, ends, condition: None };
    let (target, operation) = ask.take(world, "do", Vec::new());
    let (_, back) = ask.give(world, "undo", Vec::new());
    Ok(vec![Bound {
        op: Op::Remove,
        risk: Risk::Medium,
        title: format!("end the eligibility for {}", grant.words()),
        target,
        operation,
        undo: Undo::By(Box::new(back)),
    }])
}

/// `end_activation(a)`.
pub(super) fn end_activation(world: &World<'_>) -> Outcome {
    let assignment = world.entity(0)?;
    let grant = Grant::of(world, assignment)?;
    refuse_foreign_group(world, world.refers(assignment, "principal")?)?;
    if world.choice(assignment, "kind")? != "Activated" {
        return Err(format!("{} is no activation", grant.words()));
    }
    let remaining = if grant.is_owner() { another_owner(world, assignment)? } else { Vec::new() };
    let condition = world.text(assignment, "condition")?;
    let ends = instant(world, assignment, "ends_at")?;
    let undoable = ends.is_some();
    let ask = Ask { schedule: Schedule::Assignment, grant: &grant, ends, condition: condition.as_deref() };
    let (target, operation) = ask.take(world, "do", remaining);
    let undo = if undoable {
        Undo::By(Box::new(ask.give(world, "undo", Vec::new()).1))
    } else {
        Undo::Irreversible("when the activation would have ended is not known".to_owned())
    };
    let title = format!("end the activation of {}", grant.words());
    Ok(vec![Bound { op: Op::Remove, risk: grant.risk_of_removal(), title, target, operation, undo }])
}

/// `activate_again(a)`: time-bound access up to when the activation would have ended.
pub(super) fn activate_again(world: &World<'_>) -> Outcome {
    let assignment = world.entity(0)?;
    let grant = Grant::of(world, assignment)?;
    let principal = world.refers(assignment, "principal")?;
    refuse_foreign_group(world, principal)?;
    let ends = instant(world, assignment, "ends_at")?;
    if ends.is_none() {
        return Err(format!("when the activation of {} would have ended is not known", grant.words()));
    }
    let condition = world.text(assignment, "condition")?;
    let ask = Ask { schedule: Schedule::Assignment, grant: &grant, ends, condition: condition.as_deref() };
    let (target, operation) = ask.give(world, "do", vec![exists(world, principal)?]);
    let (_, back) = ask.take(world, "undo", Vec::new());
    Ok(vec![Bound {
        op: Op::Add,
        risk: if grant.is_owner() { Risk::Medium } else { Risk::Low },
        title: format!("assign {} for the rest of its time", grant.words()),
        target,
        operation,
        undo: Undo::By(Box::new(back)),
    }])
}

/// Returns an instant as the service takes it: with the time of day, even at midnight.
fn instant(world: &World<'_>, id: EntityId, name: &str) -> Result<Option<String>, String> {
    Ok(match world.value(id, name)? {
        Some(Value::Instant(at)) => Some(at.to_string()),
        _ => None,
    })
}
