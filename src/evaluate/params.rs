//! Values of parameters: what a policy says, what a pack says, what the caller says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;

use super::evaluator::Evaluator;
use super::value::{Member, SetValue, Val};
use crate::check::{DefId, Expr, ExprKind, ParamId, Policies, Rule, walk};
use crate::model::{Value, ValueError, parse_scalar};
use crate::snapshot::{Records, Snapshot};

/// Why a parameter has no usable value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParamError {
    /// A name that no parameter has.
    #[error("there is no parameter `{0}`")]
    Unknown(String),
    /// A name that several modules have.
    #[error("`{name}` is a parameter of {modules}; write it as module.{name}")]
    Ambiguous {
        /// The name.
        name: String,
        /// The modules.
        modules: String,
    },
    /// A text that is no value of the parameter's type.
    #[error("`{name}`: {reason}")]
    Misfit {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A rule needs it and nobody set it.
    #[error("rule `{rule}` needs the parameter `{name}`: set it in tenet.toml under [parameters], in a pack, or with --param {name}=VALUE")]
    Unset {
        /// The rule.
        rule: String,
        /// The name.
        name: String,
    },
}

/// Returns a value for each parameter: the caller's, else the declared one, else unknown.
#[must_use]
pub fn parameter_values(policies: &Policies, set: &BTreeMap<ParamId, Val>) -> Vec<Val> {
    let empty = Snapshot::freeze(Arc::clone(&policies.schema), Records::default());
    let mut evaluator = Evaluator::new(policies, &empty, jiff::Timestamp::UNIX_EPOCH, Vec::new());
    for (at, param) in (0_u32..).zip(&policies.params) {
        let own = set.get(&ParamId(at)).cloned();
        let value = own.or_else(|| param.value.as_ref().map(|value| constant(&evaluator, value)));
        evaluator.params.push(value.unwrap_or(Val::Unknown));
    }
    evaluator.params
}

fn constant(evaluator: &Evaluator<'_>, value: &Expr) -> Val {
    evaluator.value(value, &mut Vec::new())
}

/// Reads `NAME=VALUE` as given on a command line or in tenet.toml; `name` may be `module.name`.
///
/// A set is written with commas.
///
/// # Errors
/// [`ParamError`] for an unknown or ambiguous name, a constant, or a text of another type.
pub fn parse_parameter(policies: &Policies, name: &str, text: &str) -> Result<(ParamId, Val), ParamError> {
    let full = |module: &str, param: &str| format!("{module}.{param}");
    let matches: Vec<(u32, &crate::check::Param)> = (0_u32..)
        .zip(&policies.params)
        .filter(|(_, param)| !param.is_const && (param.name == name || full(&param.module, &param.name) == name))
        .collect();
    let (id, param) = match matches.as_slice() {
        [] => return Err(ParamError::Unknown(name.to_owned())),
        [(id, param)] => (ParamId(*id), *param),
        several => {
            let modules = several.iter().map(|(_, param)| param.module.as_str()).collect::<Vec<_>>().join(" and of ");
            return Err(ParamError::Ambiguous { name: name.to_owned(), modules });
        }
    };
    let read = |text: &str| -> Result<Value, ParamError> {
        parse_scalar(&policies.schema, param.ty.member(), text).map_err(|error| {
            let reason = match error {
                ValueError::Misfit(reason) => reason,
                ValueError::Unset => format!("`{text}` means that nothing is set"),
            };
            ParamError::Misfit { name: name.to_owned(), reason }
        })
    };
    if param.ty.optional && text.trim() == "none" {
        return Ok((id, Val::None));
    }
    if !param.ty.set {
        return read(text).map(|value| (id, Val::Known(value)));
    }
    let mut set = SetValue::default();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        set.members.push(Member { value: read(part)?, sure: true });
    }
    Ok((id, Val::Set(std::sync::Arc::new(set.normalized()))))
}

/// Returns the first parameter that a rule needs and that has no value.
pub(super) fn unset_parameter(policies: &Policies, rule: &Rule, values: &[Val]) -> Option<ParamId> {
    let used = used_parameters(policies, rule);
    used.into_iter().find(|id| matches!(values.get(id.0 as usize), Some(Val::Unknown) | None))
}

/// Returns the parameters a rule uses, itself or through definitions.
#[must_use]
pub fn used_parameters(policies: &Policies, rule: &Rule) -> BTreeSet<ParamId> {
    let mut params = BTreeSet::new();
    let mut defs: BTreeSet<DefId> = BTreeSet::new();
    let mut queue: Vec<DefId> = Vec::new();
    let mut look = |expr: &Expr, queue: &mut Vec<DefId>| {
        walk(expr, &mut |expr| match &expr.kind {
            ExprKind::Param(id) => {
                params.insert(*id);
            }
            ExprKind::Call(def, _) => queue.push(*def),
            _ => {}
        });
    };
    let conditions = rule.requirements.iter().map(|requirement| &requirement.condition);
    let lets = rule.lets.iter().map(|(_, value)| value);
    for expr in rule.filter.iter().chain(&rule.due).chain(lets).chain(conditions) {
        look(expr, &mut queue);
    }
    while let Some(def) = queue.pop() {
        if defs.insert(def)
            && let Some(def) = policies.defs.get(def.0 as usize)
        {
            look(&def.body, &mut queue);
        }
    }
    params
}
