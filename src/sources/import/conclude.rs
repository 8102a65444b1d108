//! What follows when all files are read.

use super::claims::ListKind;
use super::intake::{Condition, Intake, Refusal, Taken};
use super::{Fields, FileReport, Lists, Tally};
use crate::model::{Completeness, FactSource, SourceKind, Value};
use crate::sources::arm::{activity_log, managed_services};

type Step = fn(&mut Intake<'_>, &mut Tally) -> Taken;

/// States all that had to wait, and gives the reports.
pub(in crate::sources) fn finish(intake: &mut Intake<'_>, lists: &Lists, tallies: Vec<Tally>) -> Vec<FileReport> {
    if let Some(instant) = intake.options.captured_at {
        intake.builder.captured_at(instant);
    }
    let mut closing = Tally::new("(all files)");
    let steps: [(&str, Step); 10] = [
        ("events", |intake, _| activity_log::state(intake)),
        ("delegations", describe_delegations),
        ("acquisition", state_acquired),
        ("conditions", state_effective),
        ("customers", state_customer_names),
        ("home", state_home),
        ("settings", state_settings),
        ("directoryRoleMembers", state_role_members),
        ("root", state_root),
        ("locks", state_unlockable),
    ];
    for (what, step) in steps {
        if let Err(Refusal(why)) = step(intake, &mut closing) {
            closing.skip(what, &why);
        }
    }
    if let Err(Refusal(why)) = lists.settle(intake, &mut closing).and_then(|()| state_absent(intake)) {
        closing.skip("completeness", &why);
    }
    let mut reports: Vec<FileReport> = tallies.into_iter().map(Tally::report).collect();
    let closing = closing.report();
    if !(closing.taken.is_empty() && closing.skipped.is_empty() && closing.notes.is_empty()) {
        reports.push(closing);
    }
    reports
}

/// Gives each delegation the definition it names.
fn describe_delegations(intake: &mut Intake<'_>, tally: &mut Tally) -> Taken {
    for (delegation, definition) in intake.later.delegations.clone() {
        let Some(definitions) = intake.later.definitions.get(&definition).cloned() else {
            tally.note(format!("{} names {definition}, which no file holds", intake.builder.key_of(delegation)));
            let open = crate::model::Completeness::open(Some("its definition was not read".to_owned()), None);
            intake.builder.claim(delegation, "authorizations", open)?;
            continue;
        };
        for (definition, source) in definitions {
            managed_services::describe(intake, delegation, &definition, source)?;
        }
    }
    Ok(())
}

/// Locks are made on subscriptions, resource groups and resources: there is none above (`arm::locks` names the source).
fn state_unlockable(intake: &mut Intake<'_>, _: &mut Tally) -> Taken {
    let source = intake.builder.source(FactSource::new(SourceKind::Derived, "what can be locked"));
    for scope in intake.of_type("ManagementGroup").into_iter().chain(intake.of_type("RootScope")) {
        intake.builder.claim(scope, "locks", Completeness::now(Some(source)))?;
    }
    Ok(())
}

/// There is one root of all scopes, whether anything was read at it or not.
fn state_root(intake: &mut Intake<'_>, _: &mut Tally) -> Taken {
    intake.scope("/")?;
    let source = intake.builder.source(crate::model::FactSource::new(crate::model::SourceKind::Derived, "scope path"));
    let ty = intake.builder.entity_type("RootScope")?;
    intake.builder.claim_extent(ty, crate::model::Completeness::now(Some(source)));
    Ok(())
}

/// Of all sources for the time of acquisition, the best rank counts.
fn state_acquired(intake: &mut Intake<'_>, _: &mut Tally) -> Taken {
    for (subscription, times) in intake.later.acquired.clone() {
        let best = times.first().map(|(rank, ..)| *rank);
        for (_, text, source) in times.iter().filter(|(rank, ..)| Some(*rank) == best) {
            intake.builder.set_text(subscription, "acquired_at", text, *source)?;
        }
    }
    Ok(())
}

/// Partner Center tells the name of the company; the directory's own name goes first.
fn state_customer_names(intake: &mut Intake<'_>, _: &mut Tally) -> Taken {
    let mut names = std::mem::take(&mut intake.later.customer_names);
    names.retain(|(tenant, name, ..)| intake.builder.known_source(*tenant, name).is_none());
    for (tenant, name, text, source) in names {
        intake.builder.set_text(tenant, name, &text, source)?;
    }
    Ok(())
}

/// An assignment takes effect if some source says that it has no condition, and none says that it has one.
fn state_effective(intake: &mut Intake<'_>, _: &mut Tally) -> Taken {
    for (assignment, texts) in intake.later.conditions.clone() {
        let attached = texts.iter().any(|(says, _)| *says == Condition::Attached);
        for (says, source) in texts {
            match says {
                Condition::Attached => {
                    let reason = "a condition is attached and was not evaluated";
                    intake.builder.set_unknown(assignment, "effective", reason, source)?;
                }
                Condition::None if !attached => {
                    intake.builder.set(assignment, "effective", Value::Bool(true), source)?;
                    intake.builder.set_none(assignment, "condition", source)?;
                }
                Condition::NotSaid if !attached => {
                    let reason = "the export does not say whether a condition is attached";
                    intake.builder.set_unknown(assignment, "effective", reason, source)?;
                    intake.builder.set_unknown(assignment, "condition", reason, source)?;
                }
                _ => {}
            }
        }
    }
    for (assignment, text, source) in intake.later.condition_texts.clone() {
        intake.builder.set_text(assignment, "condition", &text, source)?;
    }
    Ok(())
}

/// Returns the one directory the files describe.
fn home(intake: &Intake<'_>) -> Option<String> {
    let mut tenants = intake.later.home.iter();
    match (tenants.next(), tenants.next()) {
        (Some(only), None) => Some(only.clone()),
        _ => None,
    }
}

/// A snapshot describes one directory; all others it names are not that one.
fn state_home(intake: &mut Intake<'_>, tally: &mut Tally) -> Taken {
    let Some(home) = home(intake) else {
        if intake.later.home.len() > 1 {
            let named: Vec<&str> = intake.later.home.iter().map(String::as_str).collect();
            let text = format!("the files describe several directories: {}", named.join(", "));
            tally.note(text.clone());
            intake.builder.problem(text);
        }
        return Ok(());
    };
    intake.builder.entity_named("Tenant", &home)?;
    intake.builder.meta_mut().tenant = Some(home.clone());
    let source = intake.builder.source(super::intake::home_source());
    for tenant in intake.of_type("Tenant") {
        let is_home = intake.builder.key_of(tenant) == home;
        intake.builder.set(tenant, "is_home", Value::Bool(is_home), source)?;
    }
    for (handle, property, source) in intake.later.residents.clone() {
        intake.builder.set_text(handle, property, &home, source)?;
    }
    Ok(())
}

/// Settings that do not say whose they are belong to the home directory.
fn state_settings(intake: &mut Intake<'_>, tally: &mut Tally) -> Taken {
    let settings = std::mem::take(&mut intake.later.settings);
    let Some(home) = home(intake) else {
        for _ in settings {
            tally.skip("settings", "it is not known which directory they are of: add its organization object or name the tenant");
        }
        return Ok(());
    };
    let tenant = intake.builder.entity_named("Tenant", &home)?;
    for (properties, reason, source) in std::mem::take(&mut intake.later.refused_settings) {
        for property in properties {
            if *property == "subscription_policy_exemptions" {
                let open = crate::model::Completeness::open(Some(reason.clone()), Some(source));
                intake.builder.claim(tenant, property, open)?;
            } else {
                intake.builder.set_unknown(tenant, property, &reason, source)?;
            }
        }
    }
    for (item, source) in settings {
        let fields = Fields::of(&item);
        let none = fields.text("allowInvitesFrom").is_some_and(|from| from.eq_ignore_ascii_case("none"));
        let spelled = serde_json::Value::from("NoOne");
        let from = if none { Some(&spelled) } else { fields.get("allowInvitesFrom") };
        intake.copy(tenant, "guest_invite_policy", from, source)?;
        let pairs = [
            ("guest_user_role", "guestUserRoleId"),
            ("blocks_subscriptions_leaving", "blockSubscriptionsLeavingTenant"),
            ("blocks_subscriptions_entering", "blockSubscriptionsIntoTenant"),
        ];
        intake.copy_all(tenant, &fields, &pairs, source)?;
        if fields.get("exemptedPrincipals").is_some_and(serde_json::Value::is_array) {
            let ids = fields.list("exemptedPrincipals");
            for id in ids.iter().filter_map(serde_json::Value::as_str) {
                let principal = intake.principal(id, None)?;
                intake.builder.link(tenant, "subscription_policy_exemptions", principal, crate::model::Interval::CURRENT, source)?;
            }
            let whole = ids.iter().all(serde_json::Value::is_string);
            intake.claim_inner(tenant, "subscription_policy_exemptions", whole, source)?;
        }
    }
    Ok(())
}

/// Members of activated roles, now that the template of each role is known.
fn state_role_members(intake: &mut Intake<'_>, tally: &mut Tally) -> Taken {
    for (role, member, source) in std::mem::take(&mut intake.later.role_members) {
        match intake.later.role_templates.get(&role).cloned() {
            Some(template) => {
                crate::sources::graph::directory_roles::hold(intake, member, &template, "/", source)?;
            }
            None => tally.skip("directoryRoleMembers", "the role itself is not in the files: add the answer of /directoryRoles"),
        }
    }
    Ok(())
}

/// What a whole list does not hold does not exist.
fn state_absent(intake: &mut Intake<'_>) -> Taken {
    let kinds = [(ListKind::Users, "User"), (ListKind::Groups, "Group"), (ListKind::ServicePrincipals, "ServicePrincipal")];
    for (kind, ty) in kinds {
        let Some(source) = intake.whole(kind) else { continue };
        for principal in intake.of_type(ty) {
            if !intake.later.settled.contains(&principal) && !intake.later.foreign.contains(&principal) {
                intake.builder.set(principal, "exists", Value::Bool(false), source)?;
            }
        }
    }
    if let Some(source) = intake.whole(ListKind::CrossTenantPartners) {
        for tenant in intake.of_type("Tenant") {
            if !intake.later.partners.contains(&tenant) {
                intake.builder.set_none(tenant, "is_service_provider", source)?;
            }
        }
    }
    Ok(())
}
