//! Random rules as text, led by types so that most of them pass the checker.

use super::random::Random;
use super::schema::{Many, One, Shape, Ty};

/// What names mean where an expression is written.
#[derive(Debug, Clone, Default)]
struct Scope {
    /// Paths to entities that are never none there.
    paths: Vec<(String, Ty)>,
    /// Names of numbers and of sets.
    ints: Vec<String>,
    sets: Vec<(String, Ty)>,
}

impl Scope {
    fn with(&self, path: impl Into<String>, ty: Ty) -> Self {
        let mut scope = self.clone();
        scope.paths.push((path.into(), ty));
        scope
    }
}

struct Def {
    name: String,
    formal: Ty,
    with_number: bool,
    result: DefResult,
}

#[derive(Clone, Copy, PartialEq)]
enum DefResult {
    Bool,
    Int,
    Set(Ty),
}

struct Writer<'a> {
    random: &'a mut Random,
    shape: Shape,
    names: usize,
    defs: Vec<Def>,
    /// Whether `as of` is written.
    time: bool,
}

/// Returns a policy file: the schema, parameters, definitions and rules.
pub(crate) fn policy(random: &mut Random, shape: Shape) -> String {
    let time = random.chance(60);
    let mut writer = Writer { random, shape, names: 0, defs: Vec::new(), time };
    let mut text = format!(
        "edition 1\nmodule oracle\n{}param limit: Int = {}\nparam tint: Color = {}\nconst tints: set Color = {{Red, Blue}}\n",
        shape.text(),
        writer.random.below(3),
        ["Red", "Green", "Blue"][writer.random.below(3)],
    );
    for _ in 0..writer.random.below(4) {
        text.push_str(&writer.def());
    }
    for at in 0..=writer.random.below(2) {
        text.push_str(&writer.rule(at));
    }
    text
}

impl Writer<'_> {
    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn any_type(&mut self) -> Ty {
        *self.random.pick(&[Ty::Party, Ty::Person, Ty::Team, Ty::Asset, Ty::Asset, Ty::Grant])
    }

    fn def(&mut self) -> String {
        let name = self.name("d");
        let formal = self.any_type();
        let var = self.name("x");
        let with_number = self.random.chance(40);
        let mut scope = Scope::default().with(var.clone(), formal);
        let number = self.name("n");
        if with_number {
            scope.ints.push(number.clone());
        }
        let second = if with_number { format!(", {number}: Int") } else { String::new() };
        let head = format!("def {name}({var}: {}{second})", formal.name());
        let (result, body) = match self.random.below(5) {
            0 => (DefResult::Int, format!(": Int = {}", self.int(&scope, 2))),
            1 => {
                let (set, ty) = self.set(&scope, 2);
                (DefResult::Set(ty), format!(": set {} = {set}", ty.name()))
            }
            2 | 3 => {
                let mut branches = String::new();
                for at in 0..=self.random.below(3) {
                    branches.push_str(&format!("\n  | way{at}: {}", self.bool(&scope, 2)));
                }
                (DefResult::Bool, format!(": Bool ={branches}"))
            }
            _ => (DefResult::Bool, format!(": Bool = {}", self.bool(&scope, 2))),
        };
        self.defs.push(Def { name, formal, with_number, result });
        format!("{head}{body}\n")
    }

    fn rule(&mut self, at: usize) -> String {
        let ty = self.any_type();
        let var = self.name("s");
        let mut scope = Scope::default().with(var.clone(), ty);
        let mut filter = String::new();
        if self.random.chance(50) {
            if self.random.chance(35)
                && let Some((fact, _, path, narrow)) = self.fact(&scope)
            {
                filter = format!(" where {fact}");
                scope = scope.with(path, narrow);
            } else {
                filter = format!(" where {}", self.bool(&scope, 1));
            }
        }
        let mut clauses = String::new();
        for _ in 0..self.random.below(3) {
            let name = self.name("l");
            match self.random.below(3) {
                0 => {
                    let (set, ty) = self.set(&scope, 2);
                    clauses.push_str(&format!("  let {name} = {set}\n"));
                    scope.sets.push((name, ty));
                }
                1 => {
                    let int = self.int(&scope, 2);
                    clauses.push_str(&format!("  let {name} = {int}\n"));
                    scope.ints.push(name);
                }
                _ => {
                    let extreme = self.extreme(&scope, 2);
                    clauses.push_str(&format!("  let {name} = {extreme}\n"));
                    let number = self.random.below(3);
                    scope.ints.push(format!("({name} ?? {number})"));
                }
            }
        }
        if self.random.chance(25) {
            clauses.push_str(&format!("  due {}\n", self.instant(&scope)));
        }
        for at in 0..=self.random.below(3) {
            clauses.push_str(&format!("  require q{at}: {}\n", self.bool(&scope, 3)));
        }
        format!("rule R-{at} for {var}: {}{filter} {{\n  title \"A rule\"\n{clauses}}}\n", ty.name())
    }

    // ---- conditions

    fn bool(&mut self, scope: &Scope, depth: usize) -> String {
        if depth == 0 {
            return self.atom(scope, 0);
        }
        let deeper = depth - 1;
        match self.random.below(20) {
            0..=2 => {
                let word = if self.random.chance(50) { " and " } else { " or " };
                let parts: Vec<String> = (0..2 + self.random.below(2)).map(|_| self.bool(scope, deeper)).collect();
                format!("({})", parts.join(word))
            }
            3 => format!("({} implies {})", self.bool(scope, deeper), self.bool(scope, deeper)),
            4 => format!("(not {})", self.bool(scope, deeper)),
            5..=7 => self.guarded(scope, deeper),
            8..=13 => self.quantifier(scope, deeper),
            14 => self.call(scope, DefResult::Bool).unwrap_or_else(|| self.quantifier(scope, deeper)),
            _ => self.atom(scope, deeper),
        }
    }

    /// Returns a condition, the negation of it, and the path that it narrows.
    fn fact(&mut self, scope: &Scope) -> Option<(String, String, String, Ty)> {
        let (path, ty) = self.random.pick(&scope.paths).clone();
        let mut options: Vec<(String, String, String, Ty)> = Vec::new();
        let not_none = |path: String, ty: Ty| (format!("{path} is not none"), format!("{path} is none"), path, ty);
        let is = |path: String, ty: Ty| (format!("{path} is {}", ty.name()), format!("{path} is not {}", ty.name()), path, ty);
        match ty {
            Ty::Party => options.extend([is(path.clone(), Ty::Person), is(path, Ty::Team)]),
            Ty::Person => options.push(not_none(format!("{path}.boss"), Ty::Person)),
            Ty::Team => {}
            Ty::Asset => {
                options.push(is(format!("{path}.owner"), Ty::Person));
                options.push(is(format!("{path}.owner"), Ty::Team));
                options.push(not_none(format!("{path}.parent"), Ty::Asset));
                if !self.shape.owner_required {
                    options.push(not_none(format!("{path}.owner"), Ty::Party));
                }
            }
            Ty::Grant => {
                options.push(not_none(format!("{path}.holder"), Ty::Party));
                options.push(is(format!("{path}.holder"), Ty::Person));
                options.push(is(format!("{path}.holder"), Ty::Team));
            }
        }
        (!options.is_empty()).then(|| self.random.pick(&options).clone())
    }

    /// A fact and something that only makes sense if it holds.
    fn guarded(&mut self, scope: &Scope, depth: usize) -> String {
        let Some((fact, negation, path, ty)) = self.fact(scope) else { return self.atom(scope, depth) };
        let body = self.bool(&scope.with(path, ty), depth);
        match self.random.below(5) {
            0 => format!("({negation} or {body})"),
            1 => format!("({fact} implies {body})"),
            2 => format!("(not ({fact}) or {body})"),
            3 => format!("(not ({negation}) and {body})"),
            _ => format!("({fact} and {body})"),
        }
    }

    fn quantifier(&mut self, scope: &Scope, depth: usize) -> String {
        let kind = match self.random.below(9) {
            0 | 1 => "some".to_owned(),
            2 => "no".to_owned(),
            3 | 4 => "all".to_owned(),
            5 => "all nonempty".to_owned(),
            6 => format!("exactly {}", self.random.below(3)),
            7 => format!("at most {}", self.random.below(3)),
            _ => format!("at least {}", self.random.below(4)),
        };
        let (binders, inner) = self.binders(scope, depth);
        if !kind.starts_with("all") && self.random.chance(25) {
            return format!("({kind} {binders})");
        }
        let body = self.bool(&inner, depth);
        format!("({kind} {binders} : {body})")
    }

    fn binders(&mut self, scope: &Scope, depth: usize) -> (String, Scope) {
        if self.random.chance(8) {
            return self.code_binder(scope);
        }
        let mut inner = scope.clone();
        let mut binders = Vec::new();
        let n = if self.random.chance(25) { 2 } else { 1 };
        for at in 0..n {
            let (set, ty) = if at == 0 { self.set(&inner, 2) } else { self.step(&inner, 1) };
            let var = self.name("v");
            inner = inner.with(var.clone(), ty);
            // The variable just bound is the one to speak about.
            inner.paths.push((var.clone(), ty));
            let mut filter = String::new();
            if self.random.chance(35) {
                if self.random.chance(40)
                    && let Some((fact, _, path, narrow)) = self.fact(&Scope { paths: vec![(var.clone(), ty)], ..Scope::default() })
                {
                    filter = format!(" where {fact}");
                    inner = inner.with(path, narrow);
                } else {
                    filter = format!(" where {}", self.bool(&inner, depth.min(1)));
                }
            }
            binders.push(format!("{var} in {set}{filter}"));
        }
        (binders.join(", "), inner)
    }

    /// A variable over numbers or colors.
    fn code_binder(&mut self, scope: &Scope) -> (String, Scope) {
        let var = self.name("c");
        let mut inner = scope.clone();
        let asset = self.path_of(scope, Ty::Asset).unwrap_or_else(|| "Asset".to_owned());
        let set = if self.random.chance(30) {
            format!("{{{}, {}}}", self.int(scope, 0), self.int(scope, 0))
        } else if self.random.chance(30) {
            format!("({asset}.codes + {{1}})")
        } else {
            format!("{asset}.codes")
        };
        inner.ints.push(var.clone());
        (format!("{var} in {set}"), inner)
    }

    fn call(&mut self, scope: &Scope, result: DefResult) -> Option<String> {
        let fitting: Vec<usize> = (0..self.defs.len()).filter(|at| self.defs[*at].result == result).collect();
        if fitting.is_empty() {
            return None;
        }
        let at = *self.random.pick(&fitting);
        let (name, formal, with_number) = (self.defs[at].name.clone(), self.defs[at].formal, self.defs[at].with_number);
        let path = self.path_below(scope, formal)?;
        let second = if with_number { format!(", {}", self.int(scope, 1)) } else { String::new() };
        Some(format!("{name}({path}{second})"))
    }

    fn path_of(&mut self, scope: &Scope, ty: Ty) -> Option<String> {
        let fitting: Vec<&String> = scope.paths.iter().filter(|(_, known)| *known == ty).map(|(path, _)| path).collect();
        (!fitting.is_empty()).then(|| (*self.random.pick(&fitting)).clone())
    }

    fn path_below(&mut self, scope: &Scope, ty: Ty) -> Option<String> {
        let fitting: Vec<&String> = scope.paths.iter().filter(|(_, known)| known.is_below(ty)).map(|(path, _)| path).collect();
        (!fitting.is_empty()).then(|| (*self.random.pick(&fitting)).clone())
    }

    fn atom(&mut self, scope: &Scope, depth: usize) -> String {
        match self.random.below(14) {
            0 => return self.order(scope, depth),
            1 => return self.membership(scope, depth),
            2 => return self.times(scope),
            3 => return self.same(scope),
            _ => {}
        }
        // Later paths are closer: prefer them.
        let last = scope.paths.len() - 1;
        let at = if self.random.chance(50) { last } else { self.random.below(scope.paths.len()) };
        let (path, ty) = scope.paths[at].clone();
        let bool = if self.random.chance(50) { "true" } else { "false" };
        let of = self.random.below(7);
        match ty {
            Ty::Person if of < 4 => match of {
                0 => format!("({}?.active ?? {bool})", format_args!("{path}.boss")),
                1 => format!("{path}.boss is none"),
                2 => self.as_of(scope, &format!("{path}.color"), One::Color, |path| format!("({path} == tint)")),
                _ => self.as_of(scope, &format!("{path}.color"), One::Color, |path| format!("({path} in {{Red, Green}})")),
            },
            Ty::Team if of < 3 => match of {
                0 => format!("({path}.kind ?? Blue) in tints"),
                1 => format!("{path}.kind is not none"),
                _ => format!("({path}.kind is none or {path}.kind != Green)"),
            },
            Ty::Party | Ty::Person | Ty::Team => match of {
                0..=2 => format!("{path}.active"),
                3 => format!("{path}.level is none"),
                4 => format!("({path}.level is not none and {path}.level > {})", self.int(scope, 0)),
                5 => format!("({path}.level is not none implies {path}.level <= {})", self.int(scope, 0)),
                _ if ty == Ty::Party => format!("{path} is {}", if bool == "true" { "Person" } else { "Team" }),
                _ => format!("({path}.party_id matches /(person|team)[02]/)"),
            },
            Ty::Asset => match of {
                0 => format!("({path}.flag ?? {bool})"),
                1 => self.as_of(scope, &format!("{path}.owner?.active"), One::Owner, |path| format!("({path} ?? {bool})")),
                2 => format!("{path}.owner is {}", if bool == "true" { "Person" } else { "Team" }),
                3 => format!("{path}.cost >= {}", self.int(scope, 1)),
                4 => self.as_of(scope, &format!("{path}.parent"), One::Parent, |path| format!("({path} is none)")),
                5 => format!("({path}.since < {})", self.instant(scope)),
                _ => format!("({path}.flag is not none and {path}.flag)"),
            },
            Ty::Grant => match of {
                0 => format!("{path}.shade != tint"),
                1 => format!("{path}.shade in tints"),
                2 => format!("{path}.holder is not none"),
                3 => format!("(({path}.stamp ?? now) > {})", self.instant(scope)),
                4 => format!("({path}.asset.flag ?? {bool})"),
                5 => format!("({path}.asset.cost < {})", self.int(scope, 0)),
                _ => format!("{path}.holder is Team"),
            },
        }
    }

    /// Reads a path as of some instant, if it keeps a history.
    fn as_of(&mut self, scope: &Scope, path: &str, one: One, wrap: impl Fn(String) -> String) -> String {
        if self.time && self.shape.history(one) && self.random.chance(60) {
            let at = self.past(scope);
            return wrap(format!("({path} as of {at})"));
        }
        wrap(path.to_owned())
    }

    fn order(&mut self, scope: &Scope, depth: usize) -> String {
        let op = *self.random.pick(&["<", "<=", ">", ">=", "==", "!="]);
        format!("({} {op} {})", self.int(scope, depth.max(1)), self.int(scope, 0))
    }

    fn membership(&mut self, scope: &Scope, depth: usize) -> String {
        let word = if self.random.chance(30) { "not in" } else { "in" };
        if self.random.chance(15)
            && let Some(asset) = self.path_of(scope, Ty::Asset)
        {
            return format!("({} {word} {asset}.codes)", self.int(scope, 0));
        }
        for _ in 0..4 {
            let (set, ty) = self.set(scope, depth.max(1));
            if let Some(path) = self.path_below(scope, ty) {
                return format!("({path} {word} {set})");
            }
        }
        self.order(scope, depth)
    }

    fn same(&mut self, scope: &Scope) -> String {
        let op = if self.random.chance(50) { "==" } else { "!=" };
        let (path, ty) = self.random.pick(&scope.paths).clone();
        let other = match ty {
            Ty::Grant => return format!("({path}.asset {op} {})", self.path_of(scope, Ty::Asset).unwrap_or(format!("{path}.asset"))),
            Ty::Asset => {
                let Some(party) = self.path_below(scope, Ty::Party) else { return format!("({path} {op} {path})") };
                return format!("({path}.owner is not none and {path}.owner {op} {party})");
            }
            Ty::Party | Ty::Person | Ty::Team => self.path_of(scope, ty).unwrap_or(path.clone()),
        };
        format!("({path} {op} {other})")
    }

    /// Lengths and spans of time.
    fn times(&mut self, scope: &Scope) -> String {
        let (a, b, c) = (self.instant(scope), self.instant(scope), self.instant(scope));
        match self.random.below(5) {
            0 => format!("({a} - {b} > {} days)", 10 + self.random.below(60)),
            1 => format!("(interval({a}, {b}) covers {c})"),
            2 => format!("(interval({a}, {b}) overlaps interval({c}, {}))", self.instant(scope)),
            3 => format!("(interval({a}, {b}) covers interval({c}, {}))", self.instant(scope)),
            _ => format!("({a} <= {b})"),
        }
    }

    // ---- values

    fn int(&mut self, scope: &Scope, depth: usize) -> String {
        match self.random.below(if depth == 0 { 5 } else { 11 }) {
            0 | 1 => self.random.below(4).to_string(),
            2 => "limit".to_owned(),
            3 if !scope.ints.is_empty() => self.random.pick(&scope.ints).clone(),
            3 | 4 => self.path_of(scope, Ty::Asset).map_or_else(|| "1".to_owned(), |path| format!("{path}.cost")),
            5 => self.path_below(scope, Ty::Party).map_or_else(|| "2".to_owned(), |path| format!("({path}.level ?? 1)")),
            6 => {
                let op = if self.random.chance(50) { "+" } else { "-" };
                format!("({} {op} {})", self.int(scope, depth - 1), self.int(scope, 0))
            }
            7 => self.call(scope, DefResult::Int).unwrap_or_else(|| "0".to_owned()),
            8 => format!("({} ?? {})", self.extreme(scope, depth - 1), self.random.below(3)),
            _ => {
                let (binders, inner) = self.binders(scope, depth - 1);
                if self.random.chance(60) {
                    return format!("count({binders})");
                }
                format!("count({binders} : {})", self.bool(&inner, depth - 1))
            }
        }
    }

    fn extreme(&mut self, scope: &Scope, depth: usize) -> String {
        let word = if self.random.chance(50) { "min" } else { "max" };
        let (binders, inner) = self.binders(scope, depth.min(1));
        // The variable just bound, or a number.
        let body = match inner.paths.iter().rev().find(|(path, _)| !path.contains('.')) {
            Some((path, ty)) if ty.is_below(Ty::Party) => format!("{path}.level"),
            Some((path, Ty::Asset)) => format!("{path}.cost"),
            Some((path, _)) => format!("{path}.asset.cost"),
            None => "1".to_owned(),
        };
        format!("{word}({binders} : {body})")
    }

    fn instant(&mut self, scope: &Scope) -> String {
        match self.random.below(7) {
            0 => "now".to_owned(),
            1 => format!("now {} {} days", if self.random.chance(50) { "+" } else { "-" }, 5 + self.random.below(40)),
            2 => (*self.random.pick(&["2026-01-05", "2026-02-10", "2026-03-20", "2026-04-03"])).to_owned(),
            3 => self.path_of(scope, Ty::Grant).map_or_else(|| "now".to_owned(), |path| format!("({path}.stamp ?? 2026-03-20)")),
            4 => {
                let (set, ty) = self.set(scope, 1);
                let var = self.name("w");
                match ty {
                    Ty::Asset => format!("(max({var} in {set} : {var}.since) ?? now)"),
                    Ty::Grant => format!("(min({var} in {set} : {var}.stamp) ?? now)"),
                    _ => "now".to_owned(),
                }
            }
            _ => self
                .path_of(scope, Ty::Asset)
                .map_or_else(|| "now".to_owned(), |path| format!("({path}.since + {} days)", self.random.below(50))),
        }
    }

    /// An instant that is not after `now`.
    fn past(&mut self, scope: &Scope) -> String {
        match self.random.below(5) {
            0 => "now".to_owned(),
            1 => format!("now - {} days", 1 + self.random.below(70)),
            2 => self.path_of(scope, Ty::Asset).map_or_else(|| "2026-02-01".to_owned(), |path| format!("{path}.since")),
            _ => (*self.random.pick(&["2026-01-05", "2026-02-01", "2026-02-10", "2026-03-01", "2026-03-10"])).to_owned(),
        }
    }

    // ---- sets

    /// A set of entities, safe to stand wherever a set may.
    fn set(&mut self, scope: &Scope, depth: usize) -> (String, Ty) {
        match self.random.below(if depth == 0 { 6 } else { 13 }) {
            0 | 1 => {
                let ty = self.any_type();
                (ty.name().to_owned(), ty)
            }
            2 if !scope.sets.is_empty() => self.random.pick(&scope.sets).clone(),
            3..=8 => self.step(scope, depth),
            9 | 10 => {
                let (set, ty) = self.set(scope, depth - 1);
                let var = self.name("f");
                let inner = scope.with(var.clone(), ty).with(var.clone(), ty);
                if ty == Ty::Party && self.random.chance(50) {
                    let narrow = if self.random.chance(50) { Ty::Person } else { Ty::Team };
                    return (format!("{set}[{var} | {var} is {}]", narrow.name()), narrow);
                }
                (format!("{set}[{var} | {}]", self.bool(&inner, depth - 1)), ty)
            }
            11 => {
                let (a, ty) = self.set(scope, depth - 1);
                for _ in 0..5 {
                    let (b, other) = self.set(scope, depth - 1);
                    if other == ty {
                        return (format!("({a} + {b})"), ty);
                    }
                }
                (a, ty)
            }
            _ => {
                for ty in [Ty::Asset, Ty::Grant, Ty::Person, Ty::Party] {
                    if let (Some(a), Some(b), true) = (self.path_of(scope, ty), self.path_of(scope, ty), self.random.chance(60)) {
                        return (format!("{{{a}, {b}}}"), ty);
                    }
                }
                self.step(scope, depth)
            }
        }
    }

    /// A navigation from a path, a closure, or a step from a set.
    fn step(&mut self, scope: &Scope, depth: usize) -> (String, Ty) {
        if depth > 0 && self.random.chance(20) {
            let (set, ty) = self.set(scope, depth - 1);
            let (name, target, one, many) = match ty {
                Ty::Party | Ty::Person if self.random.chance(50) => ("groups", Ty::Team, None, Some(Many::Groups)),
                Ty::Person => ("boss", Ty::Person, Some(One::Boss), None),
                Ty::Party => ("assets", Ty::Asset, None, Some(Many::Assets)),
                Ty::Team => ("members", Ty::Party, None, Some(Many::Members)),
                Ty::Asset if self.random.chance(50) => ("owner", Ty::Party, Some(One::Owner), None),
                Ty::Asset => ("grants", Ty::Grant, None, Some(Many::Grants)),
                Ty::Grant if self.random.chance(50) => ("holder", Ty::Party, None, None),
                Ty::Grant => ("asset", Ty::Asset, None, None),
            };
            let history = one.is_some_and(|one| self.shape.history(one)) || many.is_some_and(|many| self.shape.set_history(many));
            return (self.at(scope, format!("{set}.{name}"), history), target);
        }
        let last = scope.paths.len().saturating_sub(2);
        let at = if self.random.chance(50) { last } else { self.random.below(scope.paths.len()) };
        let (path, ty) = scope.paths[at].clone();
        let found = *self.random.pick(&[Ty::Asset, Ty::Person, Ty::Grant, Ty::Team, Ty::Party]);
        if self.random.chance(40)
            && let Some(call) = self.call(scope, DefResult::Set(found))
        {
            return (call, found);
        }
        let closure = ["^+", "^*"][self.random.below(2)];
        let party = [
            ("groups", "", Ty::Team, self.shape.members_history),
            ("assets", "", Ty::Asset, self.shape.owner_history),
            ("groups", "^+", Ty::Team, self.shape.members_history),
        ];
        let mut options: Vec<(&str, &str, Ty, bool)> = match ty {
            Ty::Party => party.to_vec(),
            Ty::Person => vec![
                ("boss", closure, Ty::Person, self.shape.boss_history),
                ("reports", closure, Ty::Person, self.shape.boss_history),
                ("reports", "", Ty::Person, self.shape.boss_history),
            ],
            Ty::Team => {
                vec![("members", "", Ty::Party, self.shape.members_history), ("members", closure, Ty::Party, self.shape.members_history)]
            }
            Ty::Asset => vec![
                ("grants", "", Ty::Grant, self.shape.grants_history),
                ("grants", "", Ty::Grant, self.shape.grants_history),
                ("parent", closure, Ty::Asset, self.shape.parent_history),
            ],
            Ty::Grant => vec![
                ("asset.grants", "", Ty::Grant, self.shape.grants_history),
                ("asset.parent", closure, Ty::Asset, self.shape.parent_history),
            ],
        };
        if matches!(ty, Ty::Person | Ty::Team) {
            options.extend(party);
        }
        let (name, mark, target, history) = *self.random.pick(&options);
        (self.at(scope, format!("{path}.{name}{mark}"), history), target)
    }

    fn at(&mut self, scope: &Scope, path: String, history: bool) -> String {
        if self.time && history && self.random.chance(60) {
            return format!("({path} as of {})", self.past(scope));
        }
        path
    }
}
