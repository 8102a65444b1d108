//! Billing: the agreement of a subscription, billing accounts, their subscriptions and enrollment accounts.

use serde_json::Value;

use crate::model::canonical_arm_id;
use crate::sources::import::{Fields, Intake, Refusal, Taken};

/// Ranks of sources for the time of acquisition, best first.
pub(in crate::sources) const RANK_ALIAS: u8 = 0;
const RANK_PURCHASE: u8 = 1;
/// The order at Partner Center.
pub(in crate::sources) const RANK_ORDER: u8 = 2;
/// The creation time of a licence subscription.
pub(in crate::sources) const RANK_LICENCE: u8 = 3;
/// An event of the activity log.
pub(in crate::sources) const RANK_EVENT: u8 = 4;

/// The billing property of a subscription: agreement and account.
pub(in crate::sources) fn take_property(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = canonical_arm_id(fields.id()?);
    let mut segments = id.split('/').skip(1);
    let subscription = match (segments.next(), segments.next()) {
        (Some("subscriptions"), Some(guid)) => super::subscriptions::azure(intake, guid)?,
        _ => return Err(Refusal::new("its id names no subscription")),
    };
    let source = intake.source("billing:billingProperty");
    match fields.get("billingAccountAgreementType") {
        None => {
            let reason = "denied: needs billing account reader; the answer leaves the agreement out";
            intake.builder.set_unknown(subscription, "agreement", reason, source)?;
        }
        Some(agreement) => intake.copy(subscription, "agreement", Some(&agreement_name(agreement)), source)?,
    }
    intake.copy(subscription, "billing_account", fields.get("billingAccountId"), source)?;
    let enrollment = fields.get("enrollmentDetails").and_then(|details| details.get("enrollmentAccountId"));
    intake.copy(subscription, "enrollment_account", enrollment.filter(|id| is_path(id)), source)
}

/// Spells an agreement as the schema does; `Other` is a value of its own there.
fn agreement_name(value: &Value) -> Value {
    if value.as_str() == Some("Other") { Value::from("OtherAgreement") } else { value.clone() }
}

/// An enrollment account named by its number alone would not meet the one of the account's list.
fn is_path(id: &Value) -> bool {
    id.as_str().is_some_and(|id| id.contains('/'))
}

pub(in crate::sources) fn take_account(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("billing:billingAccounts");
    let account = intake.builder.entity_named("BillingAccount", fields.id()?)?;
    let agreement = fields.get("agreementType").map(agreement_name);
    intake.copy(account, "agreement", agreement.as_ref(), source)?;
    let pairs = [("display_name", "displayName"), ("status", "accountStatus"), ("billing_tenant", "primaryBillingTenantId")];
    intake.copy_all(account, &fields, &pairs, source)?;
    let reseller = fields.get("enrollmentDetails").and_then(|details| details.get("indirectRelationshipInfo"));
    let name = reseller.map(|reseller| reseller.get("displayName").unwrap_or(&Value::Null));
    intake.copy(account, "indirect_partner_name", name, source)
}

pub(in crate::sources) fn take_subscription(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let id = fields.text("subscriptionId").ok_or_else(|| Refusal::new("it has no subscriptionId"))?;
    let subscription = super::subscriptions::azure(intake, id)?;
    let source = intake.source("billing:billingSubscriptions");
    if let Some(account) = account_of(&fields) {
        let account = intake.builder.entity_named("BillingAccount", &account)?;
        intake.builder.refer(subscription, "billing_account", account, source)?;
    }
    intake.copy(subscription, "enrollment_account", fields.get("enrollmentAccountId").filter(|id| is_path(id)), source)?;
    intake.acquired(subscription, RANK_PURCHASE, fields.get("purchaseDate"), source);
    let reseller = fields.get("reseller").map(|reseller| reseller.get("resellerId").unwrap_or(&Value::Null));
    intake.copy(subscription, "reseller_partner_id", reseller, source)
}

fn account_of(fields: &Fields<'_>) -> Option<String> {
    let id = canonical_arm_id(fields.id().ok()?);
    let segments: Vec<&str> = id.split('/').skip(1).take(4).collect();
    match segments.as_slice() {
        ["providers", "microsoft.billing", "billingaccounts", _] => Some(format!("/{}", segments.join("/"))),
        _ => None,
    }
}

pub(in crate::sources) fn take_enrollment_account(intake: &mut Intake<'_>, item: &Value) -> Taken {
    let fields = Fields::of(item);
    let source = intake.source("billing:enrollmentAccounts");
    // Read through a department, the account is the same one.
    let account = account_of(&fields).ok_or_else(|| Refusal::new("its id names no billing account"))?;
    let name = fields.id()?.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let enrollment = intake.builder.entity_named("EnrollmentAccount", &format!("{account}/enrollmentAccounts/{name}"))?;
    let account = intake.builder.entity_named("BillingAccount", &account)?;
    intake.builder.refer(enrollment, "billing_account", account, source)?;
    let pairs = [
        ("display_name", "displayName"),
        ("owner", "accountOwner"),
        ("status", "status"),
        ("starts_at", "startDate"),
        ("ends_at", "endDate"),
        ("is_dev_test", "isDevTestEnabled"),
    ];
    intake.copy_all(enrollment, &fields, &pairs, source)
}
