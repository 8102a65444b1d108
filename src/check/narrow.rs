//! Flow typing: what a condition that holds, or does not, tells about the types of paths.

use super::typed::{Expr, ExprKind};
use crate::model::{Base, EntityTypeId, Schema, Type};

/// A variable and the single-valued steps from it, all read as of now.
pub(super) type Path = Vec<u32>;

/// What is known of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    /// It is not none.
    Present,
    /// It is of this type, and so not none.
    Is(EntityTypeId),
}

/// Returns the path of an expression, if it is one.
pub(super) fn path_of(expr: &Expr) -> Option<Path> {
    match &expr.kind {
        ExprKind::Var(var) => Some(vec![var.0]),
        ExprKind::Attribute { base, property, at: None, .. } => {
            let mut path = path_of(base)?;
            path.push(property.0);
            Some(path)
        }
        _ => None,
    }
}

/// Collects what holds of paths when `expr` is true (`holds`) or false.
pub(super) fn facts(expr: &Expr, holds: bool, out: &mut Vec<(Path, Fact)>) {
    match &expr.kind {
        ExprKind::Not(inner) => facts(inner, !holds, out),
        ExprKind::And(parts) if holds => parts.iter().for_each(|part| facts(part, true, out)),
        ExprKind::Or(parts) if !holds => parts.iter().for_each(|part| facts(part, false, out)),
        ExprKind::Implies(left, right) if !holds => {
            facts(left, true, out);
            facts(right, false, out);
        }
        ExprKind::IsNone(inner, negated) if *negated == holds => {
            out.extend(path_of(inner).map(|path| (path, Fact::Present)));
        }
        ExprKind::IsType(inner, ty, negated) if *negated != holds => {
            out.extend(path_of(inner).map(|path| (path, Fact::Is(*ty))));
        }
        _ => {}
    }
}

/// Returns the type of an expression after what is known of its path.
pub(super) fn narrowed(schema: &Schema, ty: Type, path: &Path, known: &[(Path, Fact)]) -> Type {
    let mut result = ty;
    for (_, fact) in known.iter().filter(|(known, _)| known == path) {
        result.optional = false;
        if let (Fact::Is(narrow), Base::Entity(wide)) = (fact, result.base)
            && schema.is_subtype(*narrow, wide)
        {
            result.base = Base::Entity(*narrow);
        }
    }
    result
}
