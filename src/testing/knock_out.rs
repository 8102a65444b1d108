//! Takes one fact at a time out of a test's world: what did not pass with it may not pass without it.

use super::run::{TestFailure, outcomes};
use crate::check::{GivenMissing, GivenValue, MissingTarget, Policies, Test};

const BECAUSE: &str = "knocked out";

/// Knocks out every attribute and list of every entity of a world, and the list of every type in it, one at a time.
#[must_use]
pub fn knock_out(policies: &Policies, test: &Test) -> Vec<TestFailure> {
    let Ok(before) = outcomes(policies, test) else { return Vec::new() };
    let mut failures = Vec::new();
    for target in targets(policies, test) {
        let Ok(after) = outcomes(policies, &without(policies, test, target)) else { continue };
        for ((expect, was), is) in test.expects.iter().zip(&before).zip(&after) {
            let green = |verdict: &str| matches!(verdict, "pass" | "not_applicable");
            if !expect.after_fix && !green(was) && green(is) {
                let message = format!("without {} it is {is}, and with it {was}: a gap looks green", name(policies, test, target));
                failures.push(TestFailure { span: expect.span, message });
            }
        }
    }
    failures
}

/// Returns a test with every world that lacks one fact of its world.
pub fn knocked_out<'a>(policies: &'a Policies, test: &'a Test) -> impl Iterator<Item = Test> + 'a {
    targets(policies, test).into_iter().map(|target| without(policies, test, target))
}

fn targets(policies: &Policies, test: &Test) -> Vec<MissingTarget> {
    let mut targets = Vec::new();
    for (at, entity) in test.entities.iter().enumerate() {
        let Some(ty) = policies.schema.entity(entity.entity) else { continue };
        let own = ty.properties.values().filter(|id| policies.schema.property(**id).is_some_and(|property| !property.is_key));
        targets.extend(own.map(|id| MissingTarget::Property(at, *id)));
        targets.push(MissingTarget::Extent(entity.entity));
    }
    targets
}

fn without(policies: &Policies, test: &Test, target: MissingTarget) -> Test {
    let mut test = test.clone();
    let missing = |target| GivenMissing { target, before: None, because: BECAUSE.to_owned() };
    if let MissingTarget::Property(at, property) = target
        && let Some(entity) = test.entities.get_mut(at)
    {
        // A known member of a set stays known; only the list around it is opened.
        let single = |value: &GivenValue| !matches!(value, GivenValue::Set(_));
        let gone = entity.fields.iter().find_map(|(known, value)| match value {
            GivenValue::Entity(referred) if *known == property => Some(*referred),
            _ => None,
        });
        entity.fields.retain(|(known, value)| *known != property || !single(value));
        // The list on the other side held it because of this reference; without it nobody vouches that the list is whole.
        let inverse = policies.schema.property(property).and_then(|property| property.inverse);
        if let (Some(referred), Some(inverse)) = (gone, inverse) {
            test.missing.push(missing(MissingTarget::Property(referred, inverse)));
        }
    }
    test.missing.push(missing(target));
    test
}

fn name(policies: &Policies, test: &Test, target: MissingTarget) -> String {
    match target {
        MissingTarget::Extent(ty) => format!("the list of every {}", policies.schema.entity_name(ty)),
        MissingTarget::Property(at, id) => {
            let entity = test.entities.get(at).map_or("?", |entity| entity.name.as_str());
            let property = policies.schema.property(id).map_or("?", |property| property.name.as_str());
            format!("{entity}.{property}")
        }
    }
}
