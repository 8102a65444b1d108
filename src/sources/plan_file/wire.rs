//! The plan as it stands in its file: one type for each noun, with the names of the file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::remedy::plan;

/// Mirrors an enumeration of the core with the names of the file.
macro_rules! mirror {
    ($name:ident of $core:path { $($variant:ident = $text:literal),+ }) => {
        #[derive(Debug, Clone, Copy, Serialize, Deserialize)]
        pub(in crate::sources) enum $name { $(#[serde(rename = $text)] $variant),+ }

        impl From<$core> for $name {
            fn from(value: $core) -> Self {
                use $core as Core;
                match value { $(Core::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $core {
            fn from(value: $name) -> Self {
                use $core as Core;
                match value { $($name::$variant => Core::$variant),+ }
            }
        }
    };
}

/// Mirrors a structure of the core, field by field; fields marked `into` are converted.
macro_rules! mirror_struct {
    ($name:ident of $core:path { $($field:ident: $ty:ty),+ $(,)? } $(into { $($other:ident: $other_ty:ty),+ $(,)? })?
        $(each { $($list:ident: $item:ty),+ $(,)? })?) => {
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(in crate::sources) struct $name {
            $(pub(in crate::sources) $field: $ty,)+
            $($(pub(in crate::sources) $other: $other_ty,)+)?
            $($(pub(in crate::sources) $list: Vec<$item>,)+)?
        }

        impl From<$core> for $name {
            fn from(value: $core) -> Self {
                Self {
                    $($field: value.$field,)+
                    $($($other: value.$other.into(),)+)?
                    $($($list: value.$list.into_iter().map(Into::into).collect(),)+)?
                }
            }
        }

        impl From<$name> for $core {
            fn from(value: $name) -> Self {
                Self {
                    $($field: value.$field,)+
                    $($($other: value.$other.into(),)+)?
                    $($($list: value.$list.into_iter().map(Into::into).collect(),)+)?
                }
            }
        }
    };
}

mirror!(Op of plan::Op { Add = "add", Change = "change", Remove = "remove" });
mirror!(Risk of plan::Risk { Low = "low", Medium = "medium", High = "high" });
mirror!(Repeatable of plan::Repeatable { Same = "same", Never = "never" });
mirror!(Service of plan::Service { Arm = "arm", Graph = "graph" });
mirror!(Method of plan::Method { Put = "PUT", Patch = "PATCH", Post = "POST", Delete = "DELETE" });

mirror_struct!(Digests of plan::Digests { result: String, snapshot: String, policies: String, waivers: String, parameters: String });
mirror_struct!(Approvals of plan::Approvals { needed: u32, allowed_signers: String });
mirror_struct!(Limits of plan::Limits { max_changes: u32, max_changes_percent: u32 });
mirror_struct!(Summary of plan::Summary { before: BTreeMap<String, u64>, after: BTreeMap<String, u64> });
mirror_struct!(Why of plan::Why { rule: String, requirement: String, subject: String, text: String });
mirror_struct!(Read of plan::Read { path: String, query: Vec<(String, String)> } into { service: Service });
mirror_struct!(Request of plan::Request { path: String, query: Vec<(String, String)>, body: Option<Json> } into { service: Service, method: Method });
mirror_struct!(Expectation of plan::Expectation { what: String } into { read: Read, found: Found });
mirror_struct!(Operation of plan::Operation { window_seconds: u32 } into { request: Request, repeatable: Repeatable }
    each { before: Expectation, after: Expectation });
mirror_struct!(Step of plan::Step { id: String, depends_on: Vec<String>, action: String, title: String, target: String, permissions: Vec<String> }
    into { op: Op, risk: Risk, operation: Operation, undo: Undo } each { why: Why });
mirror_struct!(ManualStep of plan::ManualStep { id: String, depends_on: Vec<String>, action: String, title: String, instructions: String,
    who: Vec<String>, verified_by: String } each { why: Why });
mirror_struct!(NotPlanned of plan::NotPlanned { reasons: Vec<String> } into { why: Why });

/// What a reading must show.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sources) enum Found {
    Absent,
    Present(BTreeMap<String, Json>),
    Some(BTreeMap<String, Json>),
    Nothing(BTreeMap<String, Json>),
}

impl From<plan::Found> for Found {
    fn from(value: plan::Found) -> Self {
        match value {
            plan::Found::Absent => Self::Absent,
            plan::Found::Present(fields) => Self::Present(fields),
            plan::Found::Some(fields) => Self::Some(fields),
            plan::Found::Nothing(fields) => Self::Nothing(fields),
        }
    }
}

impl From<Found> for plan::Found {
    fn from(value: Found) -> Self {
        match value {
            Found::Absent => Self::Absent,
            Found::Present(fields) => Self::Present(fields),
            Found::Some(fields) => Self::Some(fields),
            Found::Nothing(fields) => Self::Nothing(fields),
        }
    }
}

/// How a step is undone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sources) enum Undo {
    By(Box<Operation>),
    Irreversible(String),
}

impl From<plan::Undo> for Undo {
    fn from(value: plan::Undo) -> Self {
        match value {
            plan::Undo::By(operation) => Self::By(Box::new((*operation).into())),
            plan::Undo::Irreversible(reason) => Self::Irreversible(reason),
        }
    }
}

impl From<Undo> for plan::Undo {
    fn from(value: Undo) -> Self {
        match value {
            Undo::By(operation) => Self::By(Box::new((*operation).into())),
            Undo::Irreversible(reason) => Self::Irreversible(reason),
        }
    }
}

/// The file as a whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) format: String,
    pub(super) id: String,
    created: String,
    expires: String,
    tool: String,
    digests: Digests,
    tenant: String,
    principal: Option<String>,
    planner: String,
    approvals: Approvals,
    limits: Limits,
    summary: Summary,
    steps: Vec<Step>,
    manual: Vec<ManualStep>,
    not_planned: Vec<NotPlanned>,
}

impl From<plan::Plan> for Plan {
    fn from(plan: plan::Plan) -> Self {
        Self {
            format: super::FORMAT.to_owned(),
            id: plan.id,
            created: plan.created.to_string(),
            expires: plan.expires.to_string(),
            tool: plan.tool,
            digests: plan.digests.into(),
            tenant: plan.tenant,
            principal: plan.principal,
            planner: plan.planner,
            approvals: plan.approvals.into(),
            limits: plan.limits.into(),
            summary: plan.summary.into(),
            steps: plan.steps.into_iter().map(Into::into).collect(),
            manual: plan.manual.into_iter().map(Into::into).collect(),
            not_planned: plan.not_planned.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<Plan> for plan::Plan {
    type Error = String;

    fn try_from(wire: Plan) -> Result<Self, String> {
        let instant = |name: &str, text: &str| text.parse().map_err(|_| format!("`{name}`: `{text}` is not a time"));
        Ok(Self {
            created: instant("created", &wire.created)?,
            expires: instant("expires", &wire.expires)?,
            id: wire.id,
            tool: wire.tool,
            digests: wire.digests.into(),
            tenant: wire.tenant,
            principal: wire.principal,
            planner: wire.planner,
            approvals: wire.approvals.into(),
            limits: wire.limits.into(),
            summary: wire.summary.into(),
            steps: wire.steps.into_iter().map(Into::into).collect(),
            manual: wire.manual.into_iter().map(Into::into).collect(),
            not_planned: wire.not_planned.into_iter().map(Into::into).collect(),
        })
    }
}
