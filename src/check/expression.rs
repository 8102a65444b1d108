//! Names and types of expressions.

use std::collections::BTreeSet;

use super::narrow::{Fact, Path, facts, narrowed, path_of};
use super::scope::{Global, Globals};
use super::typed::{Binder, DefId, Expr, ExprKind, ParamId, Template, TemplatePart, VarId};
use crate::model::{Base, EntityTypeId, NamedType, Property, Type, Value, ValueError, is_guid, parse_scalar};
use crate::syntax::ast;
use crate::text::{Diagnostic, Span, did_you_mean};

/// A variable and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) span: Span,
    pub(super) used: bool,
}

/// Checks the expressions of one item; variables are numbered through.
pub(super) struct Checker<'a> {
    pub(super) globals: &'a Globals<'a>,
    pub(super) module: usize,
    pub(super) variables: Vec<Variable>,
    pub(super) scope: Vec<VarId>,
    pub(super) known: Vec<(Path, Fact)>,
    pub(super) as_of: Option<Expr>,
    /// Whether texts may be built and optional values shown.
    pub(super) in_message: bool,
    /// Whether `known(…)` may stand here.
    pub(super) allows_known: bool,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) used_defs: BTreeSet<DefId>,
    pub(super) used_params: BTreeSet<ParamId>,
    pub(super) used_names: BTreeSet<String>,
}

/// The type of what was reported already; nothing more is said of it.
pub(super) const REPORTED: Type = Type { base: Base::Nothing, alias: None, optional: false, set: false };

const BOOL: Type = Type { base: Base::Bool, alias: None, optional: false, set: false };

impl<'a> Checker<'a> {
    pub(super) fn new(globals: &'a Globals<'a>, module: usize) -> Self {
        Self {
            globals,
            module,
            variables: Vec::new(),
            scope: Vec::new(),
            known: Vec::new(),
            as_of: None,
            in_message: false,
            allows_known: false,
            diagnostics: Vec::new(),
            used_defs: BTreeSet::new(),
            used_params: BTreeSet::new(),
            used_names: BTreeSet::new(),
        }
    }

    pub(super) fn error(&mut self, code: &'static str, span: Span, text: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, span, text));
    }

    pub(super) fn type_name(&self, ty: Type) -> String {
        self.globals.schema.type_name(ty)
    }

    /// Brings a variable into scope; a name may mean one thing only.
    pub(super) fn declare(&mut self, name: &ast::Ident, ty: Type) -> VarId {
        let earlier = self.scope.iter().filter_map(|var| self.variables.get(var.0 as usize)).find(|var| var.name == name.value);
        let taken = earlier
            .map(|var| var.span)
            .or_else(|| self.globals.modules.get(self.module).and_then(|module| module.get(&name.value)).map(|(_, span)| span));
        if let Some(span) = taken {
            let diagnostic = Diagnostic::error("T0108", name.span, format!("`{}` already means something here", name.value))
                .label(span, "it is declared here")
                .help("choose another name: no name may hide another");
            self.diagnostics.push(diagnostic);
        } else if self.globals.schema.named(&name.value).is_some() {
            self.error("T0108", name.span, format!("`{}` is the name of a type", name.value));
        }
        let id = VarId(u32::try_from(self.variables.len()).unwrap_or(u32::MAX));
        self.variables.push(Variable { name: name.value.clone(), ty, span: name.span, used: false });
        self.scope.push(id);
        id
    }

    /// Runs `inner` and forgets the variables and facts it brought into scope.
    pub(super) fn scoped<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        let (scope, known) = (self.scope.len(), self.known.len());
        let as_of = self.as_of.take();
        let result = inner(self);
        self.as_of = as_of;
        self.scope.truncate(scope);
        self.known.truncate(known);
        result
    }

    /// Takes as given that `expr` is true (or false) for what is checked next.
    pub(super) fn assume(&mut self, expr: &Expr, holds: bool) {
        facts(expr, holds, &mut self.known);
    }

    /// Checks a condition: a required truth value.
    pub(super) fn condition(&mut self, expr: &ast::Expr) -> Expr {
        let checked = self.expr(expr, Some(BOOL));
        self.require(checked, BOOL)
    }

    /// Checks that an expression fits where `wanted` is needed.
    pub(super) fn require(&mut self, expr: Expr, wanted: Type) -> Expr {
        if matches!(expr.kind, ExprKind::Error) || wanted.base == Base::Nothing {
            return expr;
        }
        if expr.ty.optional && !wanted.optional && expr.ty.base != Base::Nothing {
            return self.unguarded(expr);
        }
        if !self.fits(expr.ty, wanted) {
            let text = format!("expected {}, found {}", self.type_name(wanted), self.type_name(expr.ty));
            let mut diagnostic = Diagnostic::error("T0103", expr.span, text);
            if wanted.base == Base::Bool && expr.ty.set {
                diagnostic = diagnostic.help("a set is not true or false; write `some x in …` or `no x in …`");
            }
            self.diagnostics.push(diagnostic);
            return failed(expr.span, wanted);
        }
        expr
    }

    pub(super) fn unguarded(&mut self, expr: Expr) -> Expr {
        let diagnostic = Diagnostic::error("T0110", expr.span, format!("this is {} and may be none", self.type_name(expr.ty)))
            .help("put `… is not none and` in front, or give a value for none with `??`");
        self.diagnostics.push(diagnostic);
        failed(expr.span, expr.ty.required())
    }

    /// Warns about a condition that is a literal.
    pub(super) fn warn_constant(&mut self, condition: &Expr) {
        if let ExprKind::Value(Value::Bool(value)) = condition.kind {
            let text = format!("`{value}` decides nothing here, or everything");
            self.diagnostics.push(Diagnostic::warning("T0303", condition.span, text));
        }
    }

    fn fits(&self, have: Type, wanted: Type) -> bool {
        if have.base == Base::Nothing {
            return wanted.optional && !wanted.set;
        }
        let base = match (have.base, wanted.base) {
            (Base::Entity(sub), Base::Entity(above)) => self.globals.schema.is_subtype(sub, above),
            (a, b) => a == b,
        };
        base && have.set == wanted.set && (wanted.optional || !have.optional)
    }

    /// Checks an expression; `expected` gives bare enum values and literals their type.
    pub(super) fn expr(&mut self, expr: &ast::Expr, expected: Option<Type>) -> Expr {
        let span = expr.span;
        let make = |kind, ty| Expr { kind, ty, span };
        match &expr.kind {
            ast::ExprKind::None => make(ExprKind::None, Type::of(Base::Nothing).or_none()),
            ast::ExprKind::Bool(value) => make(ExprKind::Value(Value::Bool(*value)), BOOL),
            ast::ExprKind::Int(value) => make(ExprKind::Value(Value::Int(*value)), Type::of(Base::Int)),
            ast::ExprKind::Instant(at) => make(ExprKind::Value(Value::Instant(*at)), Type::of(Base::Instant)),
            ast::ExprKind::Duration(seconds) => make(ExprKind::Value(Value::Duration(*seconds)), Type::of(Base::Duration)),
            ast::ExprKind::Now => make(ExprKind::Now, Type::of(Base::Instant)),
            ast::ExprKind::Text(parts) => self.text(parts, span, expected),
            ast::ExprKind::Regex(_) => {
                self.error("T0103", span, "a regular expression stands only after `matches`");
                failed(span, BOOL)
            }
            ast::ExprKind::Name(name) => self.name(name, span, expected),
            ast::ExprKind::Member(base, name, safe) => self.member(base, name, *safe, span),
            ast::ExprKind::Call(callee, args) => self.call(callee, args, span),
            ast::ExprKind::Closure(base, reflexive) => self.closure(base, *reflexive, span),
            ast::ExprKind::Filter(base, var, condition) => self.filter(base, var, condition, span),
            ast::ExprKind::SetLiteral(items) => self.set_literal(items, span, expected),
            ast::ExprKind::Not(inner) => {
                let inner = self.scoped_keeping(|this| this.condition(inner));
                make(ExprKind::Not(Box::new(inner)), BOOL)
            }
            ast::ExprKind::Binary(op, left, right) => self.binary(*op, left, right, span, expected),
            ast::ExprKind::Is(base, ty, negated) => self.is_test(base, ty.as_ref(), *negated, span),
            ast::ExprKind::AsOf(base, at) => self.as_of(base, at, span),
            ast::ExprKind::Quantified(kind, binders, body) => self.quantified(*kind, binders, body.as_deref(), span),
            ast::ExprKind::Aggregate(kind, binders, body) => self.aggregate(*kind, binders, body.as_deref(), span),
        }
    }

    /// Runs `inner` and forgets the facts it assumed.
    pub(super) fn scoped_keeping<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        let known = self.known.len();
        let result = inner(self);
        self.known.truncate(known);
        result
    }

    fn text(&mut self, parts: &[ast::TextPart], span: Span, expected: Option<Type>) -> Expr {
        let mut text = String::new();
        for part in parts {
            match part {
                ast::TextPart::Text(literal) => text.push_str(literal),
                ast::TextPart::Expr(_) => {
                    self.diagnostics.push(
                        Diagnostic::error("T0120", span, "text is built only in messages")
                            .help("a condition compares values; move the text to `else`, `remedy` or `title`"),
                    );
                    return failed(span, Type::of(Base::String));
                }
            }
        }
        let ty = expected.map_or(Type::of(Base::String), |ty| ty.member());
        let ty = match ty.base {
            Base::String | Base::Guid | Base::ArmId => ty,
            _ => Type::of(Base::String),
        };
        match parse_scalar(self.globals.schema, ty, &text) {
            Ok(value) => Expr { kind: ExprKind::Value(value), ty, span },
            Err(ValueError::Misfit(reason)) => {
                self.error("T0124", span, reason);
                failed(span, ty)
            }
            Err(ValueError::Unset) => failed(span, ty),
        }
    }

    fn name(&mut self, name: &str, span: Span, expected: Option<Type>) -> Expr {
        let var = self.scope.iter().rev().copied().find(|var| self.variables.get(var.0 as usize).is_some_and(|v| v.name == name));
        if let Some(var) = var {
            let Some(variable) = self.variables.get_mut(var.0 as usize) else { return failed(span, BOOL) };
            variable.used = true;
            let ty = variable.ty;
            if ty == REPORTED {
                return failed(span, ty);
            }
            return self.narrow(Expr { kind: ExprKind::Var(var), ty, span });
        }
        if let Some((global, _)) = self.globals.modules.get(self.module).and_then(|module| module.get(name)) {
            self.used_names.insert(name.to_owned());
            return self.global(global, name, span);
        }
        if let Some(NamedType::Entity(id)) = self.globals.schema.named(name) {
            return Expr { kind: ExprKind::Extent(id), ty: Type::set_of(Base::Entity(id)), span };
        }
        if let Some(value) = self.enum_value(name, span, expected) {
            return value;
        }
        let diagnostic = self.unknown_name(name, span, expected);
        self.diagnostics.push(diagnostic);
        failed(span, expected.unwrap_or(BOOL))
    }

    fn global(&mut self, global: Global, name: &str, span: Span) -> Expr {
        match global {
            Global::Param(id) => {
                self.used_params.insert(id);
                let ty = self.globals.signature(global).map_or(REPORTED, |signature| signature.result);
                if ty == REPORTED {
                    return failed(span, ty);
                }
                Expr { kind: ExprKind::Param(id), ty, span }
            }
            Global::Def(_) | Global::Action(_) => {
                let text = format!("`{name}` needs its arguments: `{name}(…)`");
                self.error("T0105", span, text);
                failed(span, BOOL)
            }
            Global::Module(_) => {
                self.error("T0101", span, format!("`{name}` is a module; write `{name}.something`"));
                failed(span, BOOL)
            }
        }
    }

    /// Finds a bare enum value: of the expected enumeration, or of the only one that has it.
    fn enum_value(&mut self, name: &str, span: Span, expected: Option<Type>) -> Option<Expr> {
        let schema = self.globals.schema;
        let wanted = match expected.map(|ty| ty.base) {
            Some(Base::Enum(id)) => Some(id),
            _ => None,
        };
        let has = |e: &&crate::model::EnumType| e.values.iter().any(|value| value == name);
        let found = match wanted {
            Some(id) => schema.enumeration(id).filter(has),
            None => schema.enums.iter().find(has),
        }?;
        let at = found.values.iter().position(|value| value == name)?;
        let value = Value::Enum(found.id, u32::try_from(at).ok()?);
        Some(Expr { kind: ExprKind::Value(value), ty: Type::of(Base::Enum(found.id)), span })
    }

    fn unknown_name(&self, name: &str, span: Span, expected: Option<Type>) -> Diagnostic {
        let schema = self.globals.schema;
        if let Some(Base::Enum(id)) = expected.map(|ty| ty.base)
            && let Some(e) = schema.enumeration(id)
        {
            let near = did_you_mean(name, e.values.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
            let all = format!("its values are {}", e.values.join(", "));
            return Diagnostic::error("T0117", span, format!("`{name}` is not a value of {}", e.name)).help(near.unwrap_or(all));
        }
        let module = self.globals.modules.get(self.module);
        let vars = self.scope.iter().filter_map(|var| self.variables.get(var.0 as usize)).map(|var| var.name.as_str());
        let own = module.into_iter().flat_map(|module| module.own.keys().chain(module.imported.keys())).map(String::as_str);
        let values = schema.enums.iter().flat_map(|e| &e.values).map(String::as_str);
        let names = vars.chain(own).chain(schema.names.keys().map(String::as_str)).chain(values);
        let help = did_you_mean(name, names).map(|near| format!("did you mean `{near}`?"));
        Diagnostic::error("T0101", span, format!("there is no `{name}` here")).maybe_help(help)
    }

    /// Applies what earlier conditions tell about a path.
    fn narrow(&self, mut expr: Expr) -> Expr {
        if let Some(path) = path_of(&expr) {
            expr.ty = narrowed(self.globals.schema, expr.ty, &path, &self.known);
        }
        expr
    }

    fn module_alias(&self, base: &ast::Expr) -> Option<(usize, String)> {
        let ast::ExprKind::Name(name) = &base.kind else { return None };
        let is_var = self.scope.iter().any(|var| self.variables.get(var.0 as usize).is_some_and(|v| v.name == *name));
        match self.globals.modules.get(self.module)?.get(name)? {
            (Global::Module(id), _) if !is_var => Some((id, name.clone())),
            _ => None,
        }
    }

    /// Looks a name up in another module.
    fn foreign(&mut self, module: usize, alias: String, name: &ast::Ident) -> Option<Global> {
        self.used_names.insert(alias);
        let names = self.globals.modules.get(module)?;
        if let Some((global, _)) = names.own.get(&name.value) {
            return Some(*global);
        }
        let help = did_you_mean(&name.value, names.own.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
        let diagnostic = Diagnostic::error("T0101", name.span, format!("module `{}` has no `{}`", names.name, name.value));
        self.diagnostics.push(diagnostic.maybe_help(help));
        None
    }

    fn member(&mut self, base: &ast::Expr, name: &ast::Ident, safe: bool, span: Span) -> Expr {
        if let Some((module, alias)) = self.module_alias(base) {
            let global = self.foreign(module, alias, name);
            return global.map_or_else(|| failed(span, BOOL), |global| self.global(global, &name.value, span));
        }
        let base = self.expr(base, None);
        if matches!(base.kind, ExprKind::Error) {
            return failed(span, base.ty);
        }
        let Some(property) = self.property(&base, name) else { return failed(span, BOOL) };
        if base.ty.optional && !safe && !base.ty.set {
            let base = self.unguarded_step(base, name);
            return failed(span, base.ty);
        }
        let at = self.as_of.clone().filter(|_| property.history).map(Box::new);
        if base.ty.set || property.ty.set {
            let ty = Type { set: true, optional: false, ..property.ty };
            return Expr { kind: ExprKind::Navigation { base: Box::new(base), property: property.id, at }, ty, span };
        }
        let mut ty = property.ty;
        ty.optional |= base.ty.optional;
        let expr = Expr { kind: ExprKind::Attribute { base: Box::new(base), property: property.id, safe, at }, ty, span };
        self.narrow(expr)
    }

    fn unguarded_step(&mut self, base: Expr, name: &ast::Ident) -> Expr {
        let diagnostic = Diagnostic::error("T0110", base.span, format!("this is {} and may be none", self.type_name(base.ty)))
            .help(format!("put `… is not none and` in front, or write `?.{}`, which is none for none", name.value));
        self.diagnostics.push(diagnostic);
        failed(base.span, base.ty.required())
    }

    fn property(&mut self, base: &Expr, name: &ast::Ident) -> Option<Property> {
        let schema = self.globals.schema;
        let Some(entity) = base.ty.entity() else {
            self.error("T0102", name.span, format!("{} has no `{}`: it is not an entity", self.type_name(base.ty), name.value));
            return None;
        };
        if let Some(property) = schema.property_named(entity, &name.value) {
            return Some(property.clone());
        }
        let owner = schema.entity_name(entity).to_owned();
        let below = schema.subtypes(entity).find(|sub| sub.properties.contains_key(&name.value)).map(|sub| sub.name.clone());
        let diagnostic = match below {
            Some(sub) => Diagnostic::error("T0111", name.span, format!("only a {sub} has `{}`, and this is {owner}", name.value))
                .help(format!("put `… is {sub} and` in front")),
            None => {
                let names = schema.entity(entity).into_iter().flat_map(|ty| ty.properties.keys()).map(String::as_str);
                let help = did_you_mean(&name.value, names).map(|near| format!("did you mean `{near}`?"));
                Diagnostic::error("T0102", name.span, format!("{owner} has no property `{}`", name.value)).maybe_help(help)
            }
        };
        self.diagnostics.push(diagnostic);
        None
    }

    fn call(&mut self, callee: &ast::Expr, args: &[ast::Expr], span: Span) -> Expr {
        let as_of = self.as_of.take();
        let result = match &callee.kind {
            ast::ExprKind::Name(name) if matches!(name.as_str(), "arm" | "guid" | "interval" | "known") => self.builtin(name, args, span),
            ast::ExprKind::Name(name) => {
                let global = self.globals.modules.get(self.module).and_then(|module| module.get(name)).map(|(global, _)| global);
                self.used_names.insert(name.clone());
                if global.is_none() {
                    let diagnostic = self.unknown_name(name, callee.span, None);
                    self.diagnostics.push(diagnostic);
                }
                self.call_global(global, name, args, span)
            }
            ast::ExprKind::Member(base, name, _) => {
                if let Some((module, alias)) = self.module_alias(base) {
                    let global = self.foreign(module, alias, name);
                    self.call_global(global, &name.value, args, span)
                } else {
                    let checked = self.expr(base, None);
                    if !matches!(checked.kind, ExprKind::Error) {
                        self.error("T0101", name.span, format!("`{}` is no definition; values have no methods", name.value));
                    }
                    failed(span, BOOL)
                }
            }
            _ => {
                self.error("T0101", callee.span, "only a definition can be called");
                failed(span, BOOL)
            }
        };
        self.as_of = as_of;
        result
    }

    fn builtin(&mut self, name: &str, args: &[ast::Expr], span: Span) -> Expr {
        let wanted = if name == "interval" { 2 } else { 1 };
        if args.len() != wanted {
            self.error(
                "T0105",
                span,
                format!("`{name}` takes {wanted} argument{}, not {}", if wanted == 1 { "" } else { "s" }, args.len()),
            );
            return failed(span, BOOL);
        }
        let base = match name {
            "arm" => Base::ArmId,
            "guid" => Base::Guid,
            "interval" => Base::Instant,
            _ => return self.known_test(args, span),
        };
        let mut checked: Vec<Expr> = Vec::new();
        for arg in args {
            let arg = self.expr(arg, Some(Type::of(base)));
            let arg = self.require(arg, Type::of(base));
            checked.push(self.well_formed(arg));
        }
        let mut checked = checked.into_iter();
        match (checked.next(), checked.next()) {
            (Some(from), Some(to)) => Expr { kind: ExprKind::Interval(Box::new(from), Box::new(to)), ty: Type::of(Base::Interval), span },
            (Some(id), None) => Expr { span, ..id },
            _ => failed(span, BOOL),
        }
    }

    /// An identity with a slip in it would match nothing, for ever and in silence.
    fn well_formed(&mut self, arg: Expr) -> Expr {
        let ExprKind::Value(Value::Text(text)) = &arg.kind else { return arg };
        let (fits, wanted) = match arg.ty.base {
            Base::Guid => (is_guid(text), "a GUID such as 8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
            Base::ArmId => (text.starts_with('/'), "an id such as /subscriptions/…"),
            _ => return arg,
        };
        if fits {
            return arg;
        }
        self.error("T0124", arg.span, format!("`{text}` is not {wanted}"));
        failed(arg.span, arg.ty)
    }

    fn known_test(&mut self, args: &[ast::Expr], span: Span) -> Expr {
        if !self.allows_known && !self.in_message {
            self.diagnostics.push(
                Diagnostic::error("T0121", span, "`known(…)` may not decide a verdict")
                    .help("it speaks about what was read, not about the tenant: use it in messages, or in rules of severity advice"),
            );
        }
        let inner = args.first().map(|arg| self.expr(arg, None));
        inner.map_or_else(|| failed(span, BOOL), |inner| Expr { kind: ExprKind::Known(Box::new(inner)), ty: BOOL, span })
    }

    fn call_global(&mut self, global: Option<Global>, name: &str, args: &[ast::Expr], span: Span) -> Expr {
        let Some(Global::Def(id)) = global else {
            if let Some(global) = global {
                let what = if matches!(global, Global::Action(_)) { "an action: it stands only in a fix" } else { "no definition" };
                self.error("T0101", span, format!("`{name}` is {what}"));
            }
            return failed(span, BOOL);
        };
        self.used_defs.insert(id);
        let Some(signature) = self.globals.defs.get(id.0 as usize) else { return failed(span, BOOL) };
        let args = self.arguments(name, &signature.formals, signature.span, args, span);
        if signature.result == REPORTED {
            return failed(span, REPORTED);
        }
        Expr { kind: ExprKind::Call(id, args), ty: signature.result, span }
    }

    /// Checks arguments against the parameters of a definition or action.
    pub(super) fn arguments(
        &mut self,
        name: &str,
        formals: &[(String, Type)],
        declared: Span,
        args: &[ast::Expr],
        span: Span,
    ) -> Vec<Expr> {
        if formals.len() != args.len() {
            let text =
                format!("`{name}` takes {} argument{}, not {}", formals.len(), if formals.len() == 1 { "" } else { "s" }, args.len());
            self.diagnostics.push(Diagnostic::error("T0105", span, text).label(declared, "declared here"));
        }
        let mut checked = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            let formal = formals.get(at).map(|(_, ty)| *ty);
            let arg = self.expr(arg, formal);
            checked.push(match formal {
                Some(formal) => self.require(arg, formal),
                None => arg,
            });
        }
        checked
    }

    fn closure(&mut self, base: &ast::Expr, reflexive: bool, span: Span) -> Expr {
        let ast::ExprKind::Member(start, name, _) = &base.kind else {
            self.error("T0103", span, "`^+` and `^*` repeat one navigation: write `x.parent^*`");
            return failed(span, BOOL);
        };
        let start = self.expr(start, None);
        if matches!(start.kind, ExprKind::Error) {
            return failed(span, start.ty);
        }
        if start.ty.optional {
            let start = self.unguarded(start);
            return failed(span, start.ty);
        }
        let Some(property) = self.property(&start, name) else { return failed(span, BOOL) };
        let (Some(target), Some(from)) = (property.ty.entity(), start.ty.entity()) else {
            self.error("T0103", name.span, format!("`{}` does not lead to entities, so it cannot be repeated", name.value));
            return failed(span, BOOL);
        };
        let schema = self.globals.schema;
        let root = |id: EntityTypeId| schema.entity(id).map_or(id, |ty| ty.root);
        if root(target) != root(property.owner) {
            self.error("T0103", name.span, format!("`{}` leads to another kind of entity, so it cannot be repeated", name.value));
            return failed(span, BOOL);
        }
        let member = if reflexive && !schema.is_subtype(from, target) { root(target) } else { target };
        let at = self.as_of.clone().filter(|_| property.history).map(Box::new);
        let kind = ExprKind::Closure { base: Box::new(start), property: property.id, reflexive, at };
        Expr { kind, ty: Type::set_of(Base::Entity(member)), span }
    }

    fn filter(&mut self, base: &ast::Expr, var: &ast::Ident, condition: &ast::Expr, span: Span) -> Expr {
        let set = self.expr(base, None);
        if matches!(set.kind, ExprKind::Error) {
            return failed(span, set.ty);
        }
        if !set.ty.set {
            self.error("T0106", set.span, format!("{} is not a set", self.type_name(set.ty)));
            return failed(span, set.ty);
        }
        let wide = set.ty;
        self.scoped(|this| {
            let slot = this.declare(var, wide.member());
            let condition = this.condition(condition);
            this.warn_unmentioned(&[slot], condition.span);
            let mut known = Vec::new();
            facts(&condition, true, &mut known);
            let ty = Type { set: true, ..narrowed(this.globals.schema, wide.member(), &vec![slot.0], &known) };
            let binder = Binder { var: slot, set, filter: Some(condition) };
            Expr { kind: ExprKind::Filter(Box::new(binder)), ty, span }
        })
    }

    fn set_literal(&mut self, items: &[ast::Expr], span: Span, expected: Option<Type>) -> Expr {
        let mut element = expected.map(Type::member);
        let mut checked = Vec::new();
        for item in items {
            let item = self.expr(item, element);
            if item.ty.set {
                self.error("T0107", item.span, "a set cannot be a member of a set");
                continue;
            }
            let wanted = *element.get_or_insert(item.ty.member());
            checked.push(self.require(item, wanted));
        }
        let ty = Type { set: true, ..element.unwrap_or(Type::of(Base::Nothing)) };
        Expr { kind: ExprKind::Set(checked), ty, span }
    }

    fn is_test(&mut self, base: &ast::Expr, ty: Option<&ast::Qualified>, negated: bool, span: Span) -> Expr {
        let base = self.expr(base, None);
        if matches!(base.kind, ExprKind::Error) {
            return failed(span, BOOL);
        }
        let Some(name) = ty else {
            if base.ty.set {
                self.error("T0107", base.span, "a set is never none; write `no x in …`");
            } else if !base.ty.optional {
                let text = format!("this is {} and never none", self.type_name(base.ty));
                self.diagnostics.push(Diagnostic::warning("T0302", base.span, text));
            }
            return Expr { kind: ExprKind::IsNone(Box::new(base), negated), ty: BOOL, span };
        };
        let schema = self.globals.schema;
        let (Some(have), Some(wanted)) = (base.ty.entity(), schema.entity_named(&name.name.value)) else {
            let names = schema.names.keys().map(String::as_str);
            let help = did_you_mean(&name.name.value, names).map(|near| format!("did you mean `{near}`?"));
            let text = format!("`is` asks for none or for the type of an entity, and `{}` is neither", name.name.value);
            self.diagnostics.push(Diagnostic::error("T0116", name.span(), text).maybe_help(help));
            return failed(span, BOOL);
        };
        if !schema.is_subtype(wanted.id, have) && !schema.is_subtype(have, wanted.id) {
            let text = format!("a {} is never a {}", schema.entity_name(have), wanted.name);
            self.error("T0104", span, text);
        }
        Expr { kind: ExprKind::IsType(Box::new(base), wanted.id, negated), ty: BOOL, span }
    }

    fn as_of(&mut self, base: &ast::Expr, at: &ast::Expr, span: Span) -> Expr {
        let at = self.scoped_keeping(|this| {
            let outer = this.as_of.take();
            let at = this.expr(at, Some(Type::of(Base::Instant)));
            let at = this.require(at, Type::of(Base::Instant));
            this.as_of = outer;
            at
        });
        let outer = self.as_of.replace(at);
        let base = self.expr(base, None);
        self.as_of = outer;
        if !matches!(base.kind, ExprKind::Error) && !has_history_step(&base) {
            self.diagnostics.push(
                Diagnostic::error("T0118", span, "nothing to the left of `as of` keeps a history")
                    .help("`as of` reads the steps of a path that are declared `history` in the schema"),
            );
        }
        Expr { span, ..base }
    }

    /// Checks a text with interpolated values.
    pub(super) fn template(&mut self, expr: &ast::Expr) -> Template {
        let ast::ExprKind::Text(parts) = &expr.kind else { return Vec::new() };
        let before = std::mem::replace(&mut self.in_message, true);
        let mut template = Vec::new();
        for part in parts {
            template.push(match part {
                ast::TextPart::Text(text) => TemplatePart::Text(text.clone()),
                ast::TextPart::Expr(expr) => TemplatePart::Expr(self.scoped(|this| this.expr(expr, None))),
            });
        }
        self.in_message = before;
        template
    }
}

/// Returns what stands in place of an expression that was reported.
pub(super) fn failed(span: Span, ty: Type) -> Expr {
    Expr { kind: ExprKind::Error, ty, span }
}

/// Returns the type of an expression, for a variable that stands for it.
pub(super) fn known_type(expr: &Expr) -> Type {
    if matches!(expr.kind, ExprKind::Error) { REPORTED } else { expr.ty }
}

fn has_history_step(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Attribute { base, at, .. } | ExprKind::Navigation { base, at, .. } | ExprKind::Closure { base, at, .. } => {
            at.is_some() || has_history_step(base)
        }
        ExprKind::Filter(binder) => has_history_step(&binder.set),
        _ => false,
    }
}
