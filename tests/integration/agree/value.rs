//! Single values.

use tenet::model::{Base, EntityTypeId, Type};

use super::policy::{Place, Scope, Text, Writer};

impl Writer<'_> {
    /// A place in scope; the closest ones more often.
    pub(super) fn place(&mut self, scope: &Scope, fits: &dyn Fn(Type) -> bool) -> Option<Place> {
        let fitting: Vec<&Place> = scope.places.iter().filter(|place| fits(place.ty)).collect();
        let last = fitting.last()?;
        Some(if self.random.chance(50) { (*last).clone() } else { (*self.random.pick(&fitting)).clone() })
    }

    /// An entity that is not none.
    pub(super) fn entity(&mut self, scope: &Scope, fits: &dyn Fn(EntityTypeId) -> bool, depth: usize) -> Option<Text> {
        let here = |ty: Type| !ty.set && !ty.optional && ty.entity().is_some_and(fits);
        if self.random.chance(70)
            && let Some(place) = self.place(scope, &here)
        {
            return Some(at_place(place));
        }
        for _ in 0..3 {
            match self.random.below(4) {
                0 | 1 => {
                    if let Some(found) = self.attribute(scope, &|ty| ty.entity().is_some_and(fits), depth) {
                        if !found.ty.optional {
                            return Some(found);
                        }
                        let other = self.place(scope, &here);
                        if let Some(other) = other.filter(|other| self.is_below(other.ty.entity().unwrap(), found.ty.entity().unwrap())) {
                            return Some(Text::new(format!("({} ?? {})", found.text, other.text), found.ty.required()));
                        }
                    }
                }
                2 if depth > 0 => {
                    if let Some(call) = self.call(scope, &|ty| here(ty), depth - 1) {
                        return Some(call);
                    }
                }
                _ => {}
            }
        }
        self.place(scope, &here).map(at_place)
    }

    /// A single-valued property of something in scope, perhaps as of some instant; often optional.
    pub(super) fn attribute(&mut self, scope: &Scope, fits: &dyn Fn(Type) -> bool, depth: usize) -> Option<Text> {
        for _ in 0..5 {
            let base = self.place(scope, &|ty| !ty.set && ty.entity().is_some())?;
            let mut base = at_place(base);
            let hops = self.random.below(3).min(depth);
            for _ in 0..hops {
                let references = self.properties(base.ty.entity()?, &|property| !property.ty.set && property.ty.entity().is_some());
                if !references.is_empty() {
                    let reference = self.random.pick(&references).clone();
                    base = step(scope, &base, &reference);
                }
            }
            let fitting = self.properties(base.ty.entity()?, &|property| !property.ty.set && fits(property.ty));
            if fitting.is_empty() {
                continue;
            }
            // Newer properties and keys alike.
            let property = self.random.pick(&fitting).clone();
            let found = step(scope, &base, &property);
            return Some(self.as_of(scope, found, depth));
        }
        None
    }

    /// Reads a path as of some instant, at times.
    pub(super) fn as_of(&mut self, scope: &Scope, path: Text, depth: usize) -> Text {
        if !path.history || path.present || !self.time || !self.random.chance(45) || self.budget <= 0 {
            return path;
        }
        let at = self.instant(scope, depth.min(1));
        Text { text: format!("({} as of {at})", path.text), history: false, ..path }
    }

    /// An instant for `as of`: mostly one that something is recorded for.
    fn instant(&mut self, scope: &Scope, depth: usize) -> String {
        let instant = Type::of(Base::Instant);
        match self.random.below(8) {
            0 => "now".to_owned(),
            1 => format!("(now - {})", self.literal(Type::of(Base::Duration))),
            2..=4 => self.literal(instant),
            _ => self.required(scope, instant, depth),
        }
    }

    /// Something that may be none.
    pub(super) fn optional(&mut self, scope: &Scope, fits: &dyn Fn(Type) -> bool, depth: usize) -> Option<Text> {
        for _ in 0..4 {
            let found = match self.random.below(8) {
                0 => self.place(scope, &|ty| ty.optional && fits(ty)).map(at_place),
                1 if depth > 0 => self.call(scope, &|ty| ty.optional && fits(ty), depth - 1),
                2 if depth > 0 && fits(Type::of(Base::Int)) => Some(self.extreme(scope, depth - 1)),
                _ => self.attribute(scope, fits, depth),
            };
            if let Some(found) = found.filter(|found| found.ty.optional && fits(found.ty)) {
                return Some(found);
            }
        }
        None
    }

    /// A value of a type that is not none; a literal if nothing else is at hand.
    pub(super) fn required(&mut self, scope: &Scope, ty: Type, depth: usize) -> String {
        if self.budget > 0
            && self.random.chance(75)
            && let Some(found) = self.typed(scope, ty.base, depth)
        {
            return found.text;
        }
        self.literal(ty)
    }

    /// A value that says its type by itself and is not none.
    pub(super) fn typed(&mut self, scope: &Scope, base: Base, depth: usize) -> Option<Text> {
        self.budget -= 1;
        for _ in 0..3 {
            let found = match self.random.below(12) {
                0 | 1 => {
                    let place = self.place(scope, &|ty| !ty.set && ty.base == base);
                    place.map(at_place)
                }
                2 => {
                    let fitting: Vec<(String, Type)> = self.params.iter().filter(|(_, ty)| ty.base == base && !ty.set).cloned().collect();
                    if fitting.is_empty() { None } else { Some(self.random.pick(&fitting)).map(|(name, ty)| Text::new(name.clone(), *ty)) }
                }
                3 => self.call(scope, &|ty| ty.base == base && !ty.set, depth.saturating_sub(1)),
                4..=6 if depth > 0 || (self.budget > 0 && self.random.chance(30)) => self.made(scope, base, depth.saturating_sub(1)),
                _ => self.attribute(scope, &|ty| ty.base == base, depth),
            };
            if let Some(found) = found {
                return Some(self.guaranteed(scope, found, depth));
            }
        }
        let number = Text::new(self.literal(Type::of(base)), Type::of(base));
        matches!(base, Base::Int | Base::Instant | Base::Duration).then_some(number)
    }

    /// Gives a value for none.
    fn guaranteed(&mut self, scope: &Scope, value: Text, depth: usize) -> Text {
        if !value.ty.optional {
            return value;
        }
        let ty = value.ty.required();
        if depth > 0
            && self.random.chance(20)
            && let Some(other) = self.attribute(scope, &|other| other.base == ty.base, depth - 1)
        {
            // The second way out may be none again, then the third is a literal.
            let last =
                if other.ty.optional { format!(" ?? {}", self.literal(Type { alias: other.ty.alias, ..ty })) } else { String::new() };
            return Text::new(format!("({} ?? ({}{last}))", value.text, other.text), ty);
        }
        let other = self.literal(ty);
        Text::new(format!("({} ?? {other})", value.text), ty)
    }

    /// A value made of others.
    fn made(&mut self, scope: &Scope, base: Base, depth: usize) -> Option<Text> {
        let ty = Type::of(base);
        let (instant, duration) = (Type::of(Base::Instant), Type::of(Base::Duration));
        let text = match (base, self.random.below(6)) {
            (Base::Bool, _) => self.condition(scope, depth.min(1)),
            (Base::Int, 0 | 1) => {
                let op = if self.random.chance(50) { "+" } else { "-" };
                format!("({} {op} {})", self.required(scope, ty, depth), self.required(scope, ty, 0))
            }
            (Base::Int, 2) => return Some(self.extreme(scope, depth)),
            (Base::Int, _) => {
                let (binders, inner) = self.binders(scope, depth);
                if self.random.chance(60) {
                    format!("count({binders})")
                } else {
                    format!("count({binders} : {})", self.condition(&inner, depth))
                }
            }
            (Base::Instant, 0) => "now".to_owned(),
            (Base::Instant, 1 | 2) => return Some(self.extreme_of(scope, depth, base)),
            (Base::Instant, 3) => format!("({} + {})", self.required(scope, duration, 0), self.required(scope, ty, depth)),
            (Base::Instant, _) => {
                let op = if self.random.chance(50) { "+" } else { "-" };
                format!("({} {op} {})", self.required(scope, ty, depth), self.required(scope, duration, 0))
            }
            (Base::Duration, 0 | 1) => return Some(self.extreme_of(scope, depth, base)),
            (Base::Duration, 2) => {
                let op = if self.random.chance(50) { "+" } else { "-" };
                format!("({} {op} {})", self.required(scope, ty, depth), self.required(scope, ty, 0))
            }
            (Base::Duration, _) => format!("({} - {})", self.required(scope, instant, depth), self.required(scope, instant, 0)),
            _ => return None,
        };
        Some(Text::new(text, ty))
    }

    pub(super) fn extreme(&mut self, scope: &Scope, depth: usize) -> Text {
        self.extreme_of(scope, depth, Base::Int)
    }

    /// The smallest or largest value of some members, which may be none.
    fn extreme_of(&mut self, scope: &Scope, depth: usize, base: Base) -> Text {
        let word = if self.random.chance(50) { "min" } else { "max" };
        let (binders, inner) = self.binders(scope, depth);
        let body = match self.attribute(&inner, &|ty| ty.base == base, depth.min(1)) {
            Some(body) => body.text,
            None => self.required(&inner, Type::of(base), depth.min(1)),
        };
        Text::new(format!("{word}({binders} : {body})"), Type::of(base).or_none())
    }
}

/// A place as an expression. Of a path it may be known what it is now; as of another instant it may be something else.
pub(super) fn at_place(place: Place) -> Text {
    Text { present: place.text.contains('.'), ..Text::new(place.text, place.ty) }
}

/// Takes a step over a property.
pub(super) fn step(scope: &Scope, base: &Text, property: &tenet::model::Property) -> Text {
    let dot = if base.ty.optional { "?." } else { "." };
    let text = format!("{}{dot}{}", base.text, property.name);
    let ty = Type { optional: base.ty.optional || property.ty.optional, ..property.ty };
    let narrowed = scope.narrowed(&text, ty);
    Text { text, ty: narrowed, history: base.history || property.history, present: base.present || narrowed != ty, extent: false }
}
