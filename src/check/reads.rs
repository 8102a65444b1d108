//! Which parameters of a definition its body looks at. What is handed over and never looked at is not evaluated: no verdict
//! rests on it, and it makes nothing unknown.

use super::typed::{Def, Expr, ExprKind};
use super::walk::children;

/// Notes for each definition which of its parameters are looked at, by itself or by a definition it hands them to. Definitions
/// form a DAG, so this ends after as many rounds as calls are nested.
pub(super) fn note_reads(defs: &mut [Def]) {
    loop {
        let mut found = Vec::new();
        for (at, def) in defs.iter().enumerate() {
            for (slot, _) in def.reads.iter().enumerate().filter(|(_, reads)| !**reads) {
                if looks_at(&def.body, slot, defs) {
                    found.push((at, slot));
                }
            }
        }
        if found.is_empty() {
            return;
        }
        for (at, slot) in found {
            if let Some(reads) = defs.get_mut(at).and_then(|def| def.reads.get_mut(slot)) {
                *reads = true;
            }
        }
    }
}

fn looks_at(expr: &Expr, slot: usize, defs: &[Def]) -> bool {
    match &expr.kind {
        ExprKind::Var(var) => var.0 as usize == slot,
        ExprKind::Call(def, args) => {
            let reads = defs.get(def.0 as usize).map_or(&[][..], |def| def.reads.as_slice());
            args.iter().zip(reads).any(|(arg, reads)| *reads && looks_at(arg, slot, defs))
        }
        _ => children(expr).into_iter().any(|child| looks_at(child, slot, defs)),
    }
}
