//! What names mean: modules, their imports, and the globals they declare.

use std::collections::BTreeMap;

use super::typed::{ActionId, DefId, ParamId, RuleId};
use crate::model::{Schema, Type};
use crate::text::Span;

/// Something a module declares besides types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// A parameter or constant.
    Param(ParamId),
    /// A definition.
    Def(DefId),
    /// An action.
    Action(ActionId),
    /// Another module, by alias.
    Module(usize),
}

/// The names of one module.
#[derive(Debug, Clone, Default)]
pub(super) struct ModuleNames {
    /// `lib.dpor`
    pub(super) name: String,
    /// What it declares.
    pub(super) own: BTreeMap<String, (Global, Span)>,
    /// What its imports bring in.
    pub(super) imported: BTreeMap<String, (Global, Span)>,
}

impl ModuleNames {
    pub(super) fn get(&self, name: &str) -> Option<(Global, Span)> {
        self.own.get(name).or_else(|| self.imported.get(name)).copied()
    }
}

/// The type of a parameter, or the signature of a definition or action.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub(super) name: String,
    pub(super) formals: Vec<(String, Type)>,
    pub(super) result: Type,
    pub(super) span: Span,
}

/// Everything that expressions refer to.
#[derive(Debug)]
pub(super) struct Globals<'a> {
    pub(super) schema: &'a Schema,
    pub(super) modules: Vec<ModuleNames>,
    pub(super) params: Vec<Signature>,
    pub(super) defs: Vec<Signature>,
    pub(super) actions: Vec<Signature>,
    /// Rules by their present and former identities.
    pub(super) rules: BTreeMap<String, RuleId>,
}

impl Globals<'_> {
    pub(super) fn signature(&self, global: Global) -> Option<&Signature> {
        match global {
            Global::Param(id) => self.params.get(id.0 as usize),
            Global::Def(id) => self.defs.get(id.0 as usize),
            Global::Action(id) => self.actions.get(id.0 as usize),
            Global::Module(_) => None,
        }
    }
}
