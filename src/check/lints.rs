//! Warnings about what nobody uses, and characters that nobody sees.

use super::typed::ParamId;
use super::{Context, DefId};
use crate::text::{Diagnostic, FileId, Span};

/// The codes of what nothing uses.
pub const UNUSED: &[&str] = &["T0305", "T0306", "T0307", "T0308"];

/// Warns about imports, parameters and definitions that nothing uses, in files that do not ship with the program.
pub(super) fn unused(context: &mut Context<'_>) {
    let empty = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    for (at, module) in context.modules.iter().enumerate().filter(|(_, module)| !module.builtin) {
        let used = context.uses.names.get(&at).unwrap_or(&empty);
        for import in &module.file.imports {
            let names = import.alias.iter().chain(&import.names);
            for name in names.filter(|name| !used.contains(&name.value)) {
                found.push(Diagnostic::warning("T0306", name.span, format!("`{}` is imported and never used", name.value)));
            }
        }
    }
    let own: Vec<bool> = context.modules.iter().map(|module| module.builtin).collect();
    let is_builtin = |name: &str| context.modules.iter().zip(&own).any(|(module, builtin)| module.name == name && *builtin);
    for (at, param) in (0_u32..).zip(&context.policies.params) {
        if !context.uses.params.contains(&ParamId(at)) && !is_builtin(&param.module) {
            found.push(Diagnostic::warning("T0307", param.span, format!("`{}` is never used", param.name)));
        }
    }
    for (at, def) in (0_u32..).zip(&context.policies.defs) {
        if !context.uses.defs.contains(&DefId(at)) && !is_builtin(&def.module) {
            found.push(Diagnostic::warning("T0308", def.span, format!("`{}` is never used", def.name)));
        }
    }
    context.diagnostics.extend(found);
}

/// Reports characters that change how a text looks without being seen: a reviewer would approve something else.
#[must_use]
pub fn invisible_characters(file: FileId, text: &str) -> Vec<Diagnostic> {
    let hidden = text.char_indices().filter(
        |(_, c)| matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{00AD}'),
    );
    hidden
        .filter(|(at, c)| !(*at == 0 && *c == '\u{FEFF}'))
        .map(|(at, c)| {
            let span = Span::new(file, at, at + c.len_utf8());
            let text = format!("the invisible character U+{:04X} stands here", u32::from(c));
            Diagnostic::error("T0122", span, text).help("delete it: it can make text read differently from what it does")
        })
        .collect()
}
