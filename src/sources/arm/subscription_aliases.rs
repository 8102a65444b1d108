//! Subscription aliases and the policy on moves between directories.

use serde_json::Value;

use super::billing::RANK_ALIAS;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

pub(in crate::sources) fn take(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.text("subscriptionId").ok_or_else(|| Refusal::new("it names no subscription yet"))?;
    let subscription = super::subscriptions::azure(intake, id)?;
    let source = intake.source("arm:subscriptionAliases");
    let created = fields.get("createdTime");
    intake.acquired(subscription, RANK_ALIAS, created, source);
    // An alias without a reseller does not prove that there is none now.
    let reseller = fields.get("resellerId").filter(|id| !id.is_null());
    intake.copy(subscription, "reseller_partner_id", reseller, source)
}

/// The policy does not say whose it is: it belongs to the directory the files describe.
pub(in crate::sources) fn take_policy(intake: &mut Intake<'_>, item: &Value) {
    let source = intake.source("arm:subscriptionPolicies");
    intake.later.settings.push((item.clone(), source));
}
