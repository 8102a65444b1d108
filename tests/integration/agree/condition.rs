//! Truth values.

use tenet::model::{Base, Property, Type};

use super::policy::{Place, Scope, Text, Writer};

/// A condition about one path, and what it tells about the path's type.
pub(super) struct Fact {
    pub(super) holds: String,
    pub(super) fails: String,
    pub(super) narrowed: Place,
}

impl Writer<'_> {
    /// A condition in parentheses, or one that needs none.
    pub(super) fn condition(&mut self, scope: &Scope, depth: usize) -> String {
        self.budget -= 1;
        if depth == 0 || self.budget <= 0 {
            return self.atom(scope, 0);
        }
        match self.random.below(24) {
            0..=3 => self.connective(scope, depth - 1),
            4 => format!("({} implies {})", self.condition(scope, depth - 1), self.condition(scope, depth - 1)),
            5 => format!("(not {})", self.condition(scope, depth - 1)),
            6..=8 => self.guarded(scope, depth - 1),
            9..=14 => self.quantifier(scope, depth - 1),
            15 | 16 => {
                self.call(scope, &|ty| ty == Type::of(Base::Bool), depth - 1).map_or_else(|| self.atom(scope, depth - 1), |c| c.text)
            }
            _ => self.atom(scope, depth - 1),
        }
    }

    fn connective(&mut self, scope: &Scope, depth: usize) -> String {
        let (word, holds) = if self.random.chance(50) { (" and ", true) } else { (" or ", false) };
        let mut scope = scope.clone();
        let mut parts = Vec::new();
        for _ in 0..2 + self.random.below(3) {
            if self.random.chance(15)
                && let Some(fact) = self.fact(&scope)
            {
                parts.push(format!("({})", if holds { fact.holds } else { fact.fails }));
                scope.push(fact.narrowed);
            } else {
                parts.push(self.condition(&scope, depth));
            }
        }
        format!("({})", parts.join(word))
    }

    /// A fact and something that only makes sense if it holds.
    fn guarded(&mut self, scope: &Scope, depth: usize) -> String {
        let Some(Fact { holds, fails, narrowed }) = self.fact(scope) else { return self.atom(scope, depth) };
        let mut inner = scope.clone();
        inner.push(narrowed);
        let body = self.condition(&inner, depth);
        match self.random.below(5) {
            0 => format!("(({fails}) or {body})"),
            1 => format!("(({holds}) implies {body})"),
            2 => format!("(not ({holds}) or {body})"),
            3 => format!("(not ({fails}) and {body})"),
            _ => format!("(({holds}) and {body})"),
        }
    }

    pub(super) fn fact(&mut self, scope: &Scope) -> Option<Fact> {
        for _ in 0..4 {
            let Place { text, ty } = self.place(scope, &|ty| !ty.set)?;
            let Some(entity) = ty.entity().filter(|_| !ty.optional) else {
                if ty.optional {
                    return Some(present(text, ty));
                }
                continue;
            };
            let kinds = self.subtypes(entity);
            if !kinds.is_empty() && self.random.chance(50) {
                let kind = *self.random.pick(&kinds);
                return Some(self.is_kind(text, kind));
            }
            let optional =
                self.properties(entity, &|property| !property.ty.set && (property.ty.optional || property.ty.entity().is_some()));
            if optional.is_empty() {
                continue;
            }
            let property = self.random.pick(&optional).clone();
            let path = format!("{text}.{}", property.name);
            let property = Property { ty: scope.narrowed(&path, property.ty), ..property };
            let kinds = property.ty.entity().map(|target| self.subtypes(target)).unwrap_or_default();
            if !kinds.is_empty() && self.random.chance(40) {
                let kind = *self.random.pick(&kinds);
                return Some(self.is_kind(path, kind));
            }
            if property.ty.optional {
                return Some(present(path, property.ty));
            }
        }
        None
    }

    fn is_kind(&self, path: String, kind: tenet::model::EntityTypeId) -> Fact {
        let name = self.schema.entity_name(kind);
        Fact {
            holds: format!("{path} is {name}"),
            fails: format!("{path} is not {name}"),
            narrowed: Place { text: path, ty: Type::of(Base::Entity(kind)) },
        }
    }

    pub(super) fn quantifier(&mut self, scope: &Scope, depth: usize) -> String {
        let kind = match self.random.below(10) {
            0 | 1 => "some".to_owned(),
            2 => "no".to_owned(),
            3 | 4 => "all".to_owned(),
            5 => "all nonempty".to_owned(),
            6 => format!("exactly {}", self.random.below(4)),
            7 => format!("at most {}", self.random.below(4)),
            _ => format!("at least {}", self.random.below(4)),
        };
        let (binders, inner) = self.binders(scope, depth);
        if !kind.starts_with("all") && self.random.chance(25) {
            return format!("({kind} {binders})");
        }
        let body = self.condition(&inner, depth);
        format!("({kind} {binders} : {body})")
    }

    /// One to three variables, each with the set it runs over.
    pub(super) fn binders(&mut self, scope: &Scope, depth: usize) -> (String, Scope) {
        let mut inner = scope.clone();
        let mut binders = Vec::new();
        let n = match self.random.below(12) {
            0..=8 => 1,
            9 | 10 => 2,
            _ => 3,
        };
        // Two variables that run over whole types must be joined.
        let mut over_type: Vec<(String, Type)> = Vec::new();
        for at in 0..n {
            let fresh = Scope { places: inner.places.iter().rev().take(2).rev().cloned().collect() };
            let source = if at > 0 && self.random.chance(60) { &fresh } else { &inner };
            let scalars = self.random.chance(10);
            let found = if scalars { self.any_set(source, depth.min(1)) } else { self.entity_set(source, depth.min(2)) };
            let Some(set) = found.or_else(|| Some(self.whole_type())) else { continue };
            let var = self.name("v");
            inner = inner.with(var.clone(), set.ty.member());
            let mut filters = Vec::new();
            if set.extent {
                for (other, ty) in &over_type {
                    filters.push(self.joined(other, *ty, &var, set.ty.member()));
                }
                over_type.push((var.clone(), set.ty.member()));
            }
            if self.random.chance(35) {
                let own = Scope { places: vec![Place { text: var.clone(), ty: set.ty.member() }] };
                if self.random.chance(45)
                    && let Some(fact) = self.fact(&own)
                {
                    filters.push(format!("({})", fact.holds));
                    inner.push(fact.narrowed);
                } else {
                    filters.push(self.condition(&inner, depth.min(1)));
                }
            }
            let filter = if filters.is_empty() { String::new() } else { format!(" where {}", filters.join(" and ")) };
            binders.push(format!("{var} in {}{filter}", set.text));
        }
        (binders.join(", "), inner)
    }

    fn joined(&mut self, one: &str, one_ty: Type, two: &str, two_ty: Type) -> String {
        let related = match (one_ty.entity(), two_ty.entity()) {
            (Some(a), Some(b)) => self.is_below(a, b) || self.is_below(b, a),
            _ => false,
        };
        if related {
            let op = if self.random.chance(70) { "!=" } else { "==" };
            return format!("({one} {op} {two})");
        }
        let (a, b) = (self.first_number(one, one_ty), self.first_number(two, two_ty));
        format!("({a} <= {b})")
    }

    /// A number that mentions a variable.
    fn first_number(&mut self, var: &str, ty: Type) -> String {
        let entity = ty.entity().unwrap();
        let sets = self.properties(entity, &|property| property.ty.set);
        if sets.is_empty() {
            let name = self.name("n");
            return format!("count({name} in {{{var}}})");
        }
        let name = self.name("n");
        let property = self.random.pick(&sets).name.clone();
        format!("count({name} in {var}.{property})")
    }

    pub(super) fn atom(&mut self, scope: &Scope, depth: usize) -> String {
        self.budget -= 1;
        for _ in 0..3 {
            let found = match self.random.below(20) {
                0..=5 => self.comparison(scope, depth),
                6..=8 => self.membership(scope, depth),
                9 => self.none_test(scope, depth),
                10 | 11 => self.kind_test(scope, depth),
                12 | 13 => self.cover(scope, depth),
                14 => self.pattern(scope, depth),
                15 if self.knows => self.known(scope, depth),
                16 if self.random.chance(10) => Some(self.random.chance(50).to_string()),
                _ => self.typed(scope, Base::Bool, depth).map(|value| value.text),
            };
            if let Some(found) = found {
                return found;
            }
        }
        self.comparison_of(scope, Base::Int, depth).unwrap_or_else(|| "(1 <= 2)".to_owned())
    }

    fn comparison(&mut self, scope: &Scope, depth: usize) -> Option<String> {
        match self.random.below(12) {
            0 | 1 => self.comparison_of(scope, Base::Int, depth),
            2 | 3 => self.comparison_of(scope, Base::Instant, depth),
            4 => self.comparison_of(scope, Base::Duration, depth),
            5 => self.comparison_of(scope, Base::Bool, depth),
            6..=8 => self.same_entity(scope, depth),
            _ => {
                let ty = self.scalar_type();
                self.comparison_of(scope, ty.base, depth)
            }
        }
    }

    fn comparison_of(&mut self, scope: &Scope, base: Base, depth: usize) -> Option<String> {
        let left = self.typed(scope, base, depth)?;
        let ordered = matches!(base, Base::Int | Base::Instant | Base::Duration);
        let op = if ordered { *self.random.pick(&["<", "<=", ">", ">=", "==", "!="]) } else { *self.random.pick(&["==", "==", "!="]) };
        let right = if self.random.chance(50) { self.typed(scope, base, depth.min(1)).map(|right| right.text) } else { None };
        let right = right.unwrap_or_else(|| self.literal(left.ty));
        // The side that stands for itself gives the other its type, wherever it stands.
        Some(if self.random.chance(10) {
            format!("({right} {} {})", flipped(op), left.text)
        } else {
            format!("({} {op} {right})", left.text)
        })
    }

    fn same_entity(&mut self, scope: &Scope, depth: usize) -> Option<String> {
        let left = self.entity(scope, &|_| true, depth)?;
        let ty = left.ty.entity()?;
        let schema = self.schema;
        let right = self.entity(scope, &|other| schema.is_subtype(other, ty) || schema.is_subtype(ty, other), depth)?;
        let op = if self.random.chance(60) { "==" } else { "!=" };
        Some(format!("({} {op} {})", left.text, right.text))
    }

    fn membership(&mut self, scope: &Scope, depth: usize) -> Option<String> {
        let word = if self.random.chance(30) { "not in" } else { "in" };
        let schema = self.schema;
        if self.random.chance(60) {
            let item = self.entity(scope, &|_| true, depth)?;
            let ty = item.ty.entity()?;
            let set = self.set(
                scope,
                &|member| member.entity().is_some_and(|m| schema.is_subtype(m, ty) || schema.is_subtype(ty, m)),
                depth.max(1),
            )?;
            return Some(format!("({} {word} {})", item.text, set.text));
        }
        let ty = self.scalar_type();
        let item = self.typed(scope, ty.base, depth)?;
        if self.random.chance(40) {
            let items: Vec<String> = (0..1 + self.random.below(3)).map(|_| self.literal(item.ty)).collect();
            return Some(format!("({} {word} {{{}}})", item.text, items.join(", ")));
        }
        let set = self.set(scope, &|member| member.base == item.ty.base, depth)?;
        Some(format!("({} {word} {})", item.text, set.text))
    }

    fn none_test(&mut self, scope: &Scope, depth: usize) -> Option<String> {
        let value = self.optional(scope, &|_| true, depth)?;
        let word = if self.random.chance(50) { "is none" } else { "is not none" };
        Some(format!("({} {word})", value.text))
    }

    fn kind_test(&mut self, scope: &Scope, depth: usize) -> Option<String> {
        let value = if self.random.chance(40) {
            self.optional(scope, &|ty| ty.entity().is_some(), depth)?
        } else {
            self.entity(scope, &|_| true, depth)?
        };
        let have = value.ty.entity()?;
        let mut related = self.subtypes(have);
        related.push(have);
        related.extend(self.schema.entity(have).and_then(|ty| ty.parent));
        let kind = *self.random.pick(&related);
        let word = if self.random.chance(60) { "is" } else { "is not" };
        Some(format!("({} {word} {})", value.text, self.schema.entity_name(kind)))
    }

    fn cover(&mut self, scope: &Scope, depth: usize) -> Option<String> {
        let scopes = self.schema.entity_named("Scope").map(|ty| ty.id);
        let schema = self.schema;
        if let Some(top) = scopes.filter(|_| self.random.chance(50)) {
            let upper = self.entity(scope, &|ty| schema.is_subtype(ty, top), depth)?;
            let lower = self.entity(scope, &|ty| schema.is_subtype(ty, top), depth)?;
            return Some(format!("({} covers {})", upper.text, lower.text));
        }
        let span = |this: &mut Self| {
            let (a, b) =
                (this.required(scope, Type::of(Base::Instant), depth), this.required(scope, Type::of(Base::Instant), depth.min(1)));
            format!("interval({a}, {b})")
        };
        Some(match self.random.below(3) {
            0 => format!("({} overlaps {})", span(self), span(self)),
            1 => format!("({} covers {})", span(self), span(self)),
            _ => format!("({} covers {})", span(self), self.required(scope, Type::of(Base::Instant), depth)),
        })
    }

    fn pattern(&mut self, scope: &Scope, depth: usize) -> Option<String> {
        let base = *self.random.pick(&[Base::String, Base::Guid, Base::ArmId]);
        let text = self.typed(scope, base, depth)?;
        let pattern = *self.random.pick(&["a.*", ".*[0-5]", "/subscriptions/[^/]*", ".*", "adm-.*|beta", "[a-z]+", "k0?"]);
        Some(format!("({} matches /{}/)", text.text, pattern.replace('/', "\\/")))
    }

    fn known(&mut self, scope: &Scope, depth: usize) -> Option<String> {
        let inner = match self.random.below(4) {
            0 => self.any_set(scope, depth)?.text,
            1 => self.typed(scope, Base::Bool, depth)?.text,
            _ => self.optional(scope, &|_| true, depth)?.text,
        };
        Some(format!("known({inner})"))
    }

    /// A definition called with what is at hand.
    pub(super) fn call(&mut self, scope: &Scope, fits: &dyn Fn(Type) -> bool, depth: usize) -> Option<Text> {
        let fitting: Vec<usize> = (0..self.defs.len()).filter(|at| fits(self.defs[*at].result)).collect();
        if fitting.is_empty() || self.budget <= 0 {
            return None;
        }
        let def = self.defs[*self.random.pick(&fitting)].clone();
        let mut args = Vec::new();
        for formal in &def.formals {
            args.push(self.argument(scope, *formal, depth)?);
        }
        self.budget -= 3;
        Some(Text::new(format!("{}({})", def.name, args.join(", ")), def.result))
    }

    fn argument(&mut self, scope: &Scope, formal: Type, depth: usize) -> Option<String> {
        let schema = self.schema;
        let fits = |ty: Type| match (formal.entity(), ty.entity()) {
            (Some(wanted), Some(have)) => schema.is_subtype(have, wanted),
            _ => ty.base == formal.base,
        };
        if formal.set {
            return self.set(scope, &fits, depth.min(2)).map(|set| set.text);
        }
        if formal.optional && self.random.chance(60) {
            if let Some(value) = self.optional(scope, &fits, depth.min(1)) {
                return Some(value.text);
            }
            if self.random.chance(50) {
                return Some("none".to_owned());
            }
        }
        match formal.entity() {
            Some(wanted) => self.entity(scope, &|have| schema.is_subtype(have, wanted), depth.min(1)).map(|value| value.text),
            None => Some(self.required(scope, formal, depth.min(1))),
        }
    }
}

fn present(path: String, ty: Type) -> Fact {
    Fact { holds: format!("{path} is not none"), fails: format!("{path} is none"), narrowed: Place { text: path, ty: ty.required() } }
}

fn flipped(op: &str) -> &str {
    match op {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        same => same,
    }
}
