//! Sets.

use tenet::model::{Base, Type};

use super::policy::{Scope, Text, Writer};
use super::value::{at_place, step};

impl Writer<'_> {
    /// All entities of some type.
    pub(super) fn whole_type(&mut self) -> Text {
        let ty = self.entity_type();
        Text { extent: true, ..Text::new(self.schema.entity_name(ty), Type::set_of(Base::Entity(ty))) }
    }

    pub(super) fn entity_set(&mut self, scope: &Scope, depth: usize) -> Option<Text> {
        self.set(scope, &|member| member.entity().is_some(), depth)
    }

    /// A set of anything, scalars more often.
    pub(super) fn any_set(&mut self, scope: &Scope, depth: usize) -> Option<Text> {
        if self.random.chance(40) {
            return self.entity_set(scope, depth);
        }
        let ty = self.scalar_type();
        self.set(scope, &|member| member.base == ty.base, depth)
    }

    /// A set whose members fit, safe to stand wherever a set may.
    pub(super) fn set(&mut self, scope: &Scope, fits: &dyn Fn(Type) -> bool, depth: usize) -> Option<Text> {
        self.budget -= 1;
        for _ in 0..6 {
            if let Some(found) = self.some_set(scope, fits, depth).filter(|found| fits(found.ty.member())) {
                return Some(found);
            }
        }
        let fitting: Vec<_> = self.schema.entities.iter().filter(|ty| fits(Type::of(Base::Entity(ty.id)))).map(|ty| ty.id).collect();
        if !fitting.is_empty() {
            let ty = *self.random.pick(&fitting);
            return Some(Text { extent: true, ..Text::new(self.schema.entity_name(ty), Type::set_of(Base::Entity(ty))) });
        }
        self.listed(scope, fits)
    }

    fn some_set(&mut self, scope: &Scope, fits: &dyn Fn(Type) -> bool, depth: usize) -> Option<Text> {
        let deep = depth > 0 && self.budget > 0;
        match self.random.below(20) {
            0 | 1 => Some(self.whole_type()),
            2 => self.place(scope, &|ty| ty.set).map(at_place),
            3 => {
                let fitting: Vec<(String, Type)> = self.params.iter().filter(|(_, ty)| ty.set).cloned().collect();
                if fitting.is_empty() { None } else { Some(self.random.pick(&fitting)).map(|(name, ty)| Text::new(name.clone(), *ty)) }
            }
            4 if deep => self.call(scope, &|ty| ty.set, depth - 1),
            5 => self.listed(scope, fits),
            6 | 7 if deep => self.union(scope, fits, depth - 1),
            8 | 9 if deep => self.filtered(scope, fits, depth - 1),
            10 | 11 if deep => self.step_over(scope, depth - 1),
            12..=14 => self.closure(scope, depth),
            _ => self.navigation(scope, depth),
        }
    }

    fn listed(&mut self, scope: &Scope, fits: &dyn Fn(Type) -> bool) -> Option<Text> {
        let mut items = Vec::new();
        let mut member: Option<Type> = None;
        for _ in 0..1 + self.random.below(3) {
            let found = match member {
                None if fits(Type::of(Base::Int)) || self.random.chance(50) => {
                    let bases = [Base::Int, Base::Instant, Base::Duration, Base::String, Base::Guid, Base::Bool];
                    let base = bases.into_iter().find(|base| fits(Type::of(*base)))?;
                    self.typed(scope, base, 0)
                }
                None => self.entity(scope, &|ty| fits(Type::of(Base::Entity(ty))), 0),
                Some(ty) => match ty.entity() {
                    Some(wanted) => {
                        let schema = self.schema;
                        self.entity(scope, &|have| schema.is_subtype(have, wanted), 0)
                    }
                    None => Some(Text::new(self.literal(ty), ty)),
                },
            };
            let Some(found) = found else { continue };
            member.get_or_insert(found.ty);
            items.push(found.text);
        }
        member.map(|ty| Text::new(format!("{{{}}}", items.join(", ")), Type { set: true, optional: false, ..ty }))
    }

    fn union(&mut self, scope: &Scope, fits: &dyn Fn(Type) -> bool, depth: usize) -> Option<Text> {
        let schema = self.schema;
        let left = self.set(scope, fits, depth)?;
        let member = left.ty.member();
        let alike = |ty: Type| match (ty.entity(), member.entity()) {
            (Some(a), Some(b)) => schema.is_subtype(a, b) || schema.is_subtype(b, a),
            _ => ty.base == member.base,
        };
        let right = self.set(scope, &alike, depth)?;
        let wider = match (left.ty.entity(), right.ty.entity()) {
            (Some(a), Some(b)) if schema.is_subtype(a, b) => right.ty,
            _ => left.ty,
        };
        Some(Text { extent: left.extent || right.extent, ..Text::new(format!("({} + {})", left.text, right.text), wider) })
    }

    fn filtered(&mut self, scope: &Scope, fits: &dyn Fn(Type) -> bool, depth: usize) -> Option<Text> {
        let set = self.set(scope, fits, depth)?;
        if !set.text.starts_with('(') && !set.text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let var = self.name("f");
        let inner = scope.with(var.clone(), set.ty.member());
        let own = Scope { places: inner.places.last().into_iter().cloned().collect() };
        if self.random.chance(35)
            && let Some(fact) = self.fact(&own)
        {
            let ty = if fact.narrowed.text == var { Type { set: true, ..fact.narrowed.ty } } else { set.ty };
            return Some(Text { text: format!("{}[{var} | {}]", set.text, fact.holds), ty, ..set });
        }
        let condition = self.condition(&inner, depth.min(1));
        Some(Text { text: format!("{}[{var} | {condition}]", set.text), ..set })
    }

    /// A list of an entity.
    fn navigation(&mut self, scope: &Scope, depth: usize) -> Option<Text> {
        let base = self.place(scope, &|ty| !ty.set && ty.entity().is_some())?;
        let mut base = at_place(base);
        if self.random.chance(30) {
            let references = self.properties(base.ty.entity()?, &|property| !property.ty.set && property.ty.entity().is_some());
            if !references.is_empty() {
                let reference = self.random.pick(&references).clone();
                base = step(scope, &base, &reference);
            }
        }
        let lists = self.properties(base.ty.entity()?, &|property| property.ty.set);
        if lists.is_empty() {
            return None;
        }
        let list = self.random.pick(&lists).clone();
        let found = Text { ty: list.ty, ..step(scope, &base, &list) };
        Some(self.as_of(scope, found, depth))
    }

    /// One step from every member of a set.
    fn step_over(&mut self, scope: &Scope, depth: usize) -> Option<Text> {
        let base = self.entity_set(scope, depth)?;
        if !base.text.starts_with('(') && !base.text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let steps = self.properties(base.ty.entity()?, &|_| true);
        let property = self.random.pick(&steps).clone();
        let text = format!("{}.{}", base.text, property.name);
        let ty = Type { set: true, optional: false, ..property.ty };
        let found = Text { text, ty, history: base.history || property.history, present: base.present, extent: false };
        Some(self.as_of(scope, found, depth))
    }

    /// Everything reached from an entity, or from the members of a set.
    fn closure(&mut self, scope: &Scope, depth: usize) -> Option<Text> {
        let base = if depth > 0 && self.random.chance(30) {
            self.entity_set(scope, depth - 1)?
        } else {
            self.entity(scope, &|_| true, depth.min(1))?
        };
        if base.text.starts_with('{') {
            return None;
        }
        let from = base.ty.entity()?;
        let schema = self.schema;
        let root = |id| schema.entity(id).map(|ty| ty.root);
        let steps = self.properties(from, &|property| property.ty.entity().is_some_and(|to| root(to) == root(property.owner)));
        if steps.is_empty() {
            return None;
        }
        let property = self.random.pick(&steps).clone();
        let target = property.ty.entity()?;
        let reflexive = self.random.chance(45);
        let member = if reflexive && !schema.is_subtype(from, target) { root(target)? } else { target };
        let mark = if reflexive { "^*" } else { "^+" };
        let found = Text {
            text: format!("{}.{}{mark}", base.text, property.name),
            ty: Type::set_of(Base::Entity(member)),
            history: base.history || property.history,
            present: base.present,
            extent: false,
        };
        Some(self.as_of(scope, found, depth))
    }
}
