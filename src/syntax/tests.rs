//! Tests of the whole room: text in, tree and diagnostics out.

use super::ast::{Expr, ExprKind, File, ItemKind, RuleClause, TextPart};
use super::{parse, parse_expression};
use crate::text::{Diagnostic, FileId, SourceFile};

/// Every test file, with the number of items it holds.
pub(super) const FILES: &[(&str, usize)] = &[
    (include_str!("testdata/library.tenet"), 7),
    (include_str!("testdata/policies.tenet"), 8),
    (include_str!("testdata/schema.tenet"), 8),
    (include_str!("testdata/actions.tenet"), 6),
];

fn read(text: &str) -> (File, Vec<Diagnostic>) {
    parse(FileId(0), &SourceFile::new("test.tenet", text))
}

/// Returns code and marked text of each diagnostic.
fn faults(text: &str) -> Vec<(&'static str, String)> {
    let (_, diagnostics) = read(text);
    diagnostics.iter().map(|found| (found.code, text[found.span.range()].to_owned())).collect()
}

fn only(text: &str) -> Diagnostic {
    let (_, mut diagnostics) = read(text);
    assert_eq!(diagnostics.len(), 1, "{text}: {diagnostics:#?}");
    diagnostics.remove(0)
}

/// Checks code, marked text, and a part of message or help of the only diagnostic.
#[track_caller]
fn fault(text: &str, code: &str, marked: &str, said: &str) {
    let found = only(text);
    let all = format!("{} / {}", found.message, found.help.as_deref().unwrap_or(""));
    assert_eq!((found.code, &text[found.span.range()]), (code, marked), "{all}");
    assert!(all.contains(said), "{all}");
}

/// Puts an expression where a rule requires it.
#[track_caller]
fn fault_in(expr: &str, code: &str, marked: &str, said: &str) {
    fault(&format!("rule X-1 for s: S {{\n  require r: {expr}\n  not waivable\n}}\n"), code, marked, said);
}

/// Shows the shape of an expression.
pub(super) fn shape(expr: &Expr) -> String {
    let list = |exprs: &[Expr]| exprs.iter().map(shape).collect::<Vec<_>>().join(" ");
    let bound = |binders: &[super::ast::Binder]| {
        let one = |binder: &super::ast::Binder| {
            let filter = binder.filter.as_ref().map(|filter| format!(" where {}", shape(filter))).unwrap_or_default();
            format!("[{} in {}{filter}]", binder.var.value, shape(&binder.set))
        };
        binders.iter().map(one).collect::<String>()
    };
    let body = |body: &Option<Box<Expr>>| body.as_ref().map(|body| format!(" : {}", shape(body))).unwrap_or_default();
    match &expr.kind {
        ExprKind::None => "none".into(),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Int(value) => value.to_string(),
        ExprKind::Instant(value) => value.to_string(),
        ExprKind::Duration(value) => format!("{value}s"),
        ExprKind::Regex(value) => format!("/{value}/"),
        ExprKind::Now => "now".into(),
        ExprKind::Name(name) => name.clone(),
        ExprKind::Text(parts) => {
            let part = |part: &TextPart| match part {
                TextPart::Text(text) => format!("{text:?}"),
                TextPart::Expr(expr) => format!("{{{}}}", shape(expr)),
            };
            parts.iter().map(part).collect()
        }
        ExprKind::Member(base, name, safe) => format!("{}{}{}", shape(base), if *safe { "?." } else { "." }, name.value),
        ExprKind::Call(callee, arguments) => format!("{}({})", shape(callee), list(arguments)),
        ExprKind::Closure(base, reflexive) => format!("{}{}", shape(base), if *reflexive { "^*" } else { "^+" }),
        ExprKind::Filter(base, name, filter) => format!("{}[{} | {}]", shape(base), name.value, shape(filter)),
        ExprKind::SetLiteral(members) => format!("{{{}}}", list(members)),
        ExprKind::Not(inner) => format!("(not {})", shape(inner)),
        ExprKind::Binary(op, left, right) => format!("({op:?} {} {})", shape(left), shape(right)),
        ExprKind::Is(base, ty, negated) => {
            let ty = ty.as_ref().map_or("none", |ty| &ty.name.value);
            format!("(is{} {} {ty})", if *negated { "-not" } else { "" }, shape(base))
        }
        ExprKind::AsOf(base, at) => format!("(as-of {} {})", shape(base), shape(at)),
        ExprKind::Quantified(kind, binders, inner) => format!("({kind:?} {}{})", bound(binders), body(inner)),
        ExprKind::Aggregate(kind, binders, inner) => format!("({kind:?} {}{})", bound(binders), body(inner)),
    }
}

fn expr(text: &str) -> String {
    let source = SourceFile::new("value", text);
    parse_expression(FileId(0), &source).map_or_else(|errors| format!("{errors:?}"), |expr| shape(&expr))
}

#[test]
fn the_example_is_read() {
    for (text, items) in FILES {
        let (file, diagnostics) = read(text);
        assert!(diagnostics.is_empty(), "{diagnostics:#?}");
        assert_eq!(file.items.len(), *items);
        for item in &file.items {
            let whole = &text[item.head.span.range()];
            assert!(whole.trim() == whole && !whole.is_empty(), "{whole}");
        }
    }
}

#[test]
fn items_hold_what_was_written() {
    let (file, _) = read(FILES[1].0);
    assert_eq!(file.edition.as_ref().map(|edition| edition.value), Some(1));
    assert_eq!(file.module.as_ref().map(|module| module.value.as_str()), Some("policies.dpor"));
    assert_eq!(file.imports[0].alias.as_ref().map(|alias| alias.value.as_str()), Some("dpor"));
    assert_eq!(file.imports[1].names.len(), 2);
    let ItemKind::Rule(rule) = &file.items[0].kind else { panic!("a rule") };
    assert_eq!((rule.id.value.as_str(), rule.clauses.len()), ("DPOR-001", 10));
    let RuleClause::Fix(fix) = &rule.clauses[7] else { panic!("a fix: {:?}", rule.clauses[7]) };
    assert_eq!((fix.requirements.len(), fix.steps.len()), (2, 1));
    let RuleClause::Waivable(Some(limit), approvers, _) = &rule.clauses[9] else { panic!("waivable") };
    assert_eq!((limit.value, approvers[0].value.as_str()), (90 * 86_400, "governance-board"));
    assert_eq!(file.items[1].head.docs, ["Owner-only, as of the instant the designation was made."]);
    let ItemKind::Waive(waive) = &file.items[5].kind else { panic!("a waiver") };
    assert_eq!(waive.requirement.as_ref().map(|name| name.value.as_str()), Some("no_guest_owner"));
    let ItemKind::Test(test) = &file.items[7].kind else { panic!("a test") };
    assert_eq!((test.given.len(), test.expects.len()), (5, 1));
}

#[test]
fn schema_keeps_attributes_with_odd_names() {
    let (file, _) = read(FILES[2].0);
    let ItemKind::Entity(entity) = &file.items[7].kind else { panic!("an entity") };
    let names: Vec<_> = entity.attributes.iter().map(|attribute| attribute.name.value.as_str()).collect();
    assert_eq!(names, ["inverse", "history", "review_at"]);
    assert!(entity.attributes[1].history && entity.attributes[1].ty.set && entity.attributes[1].ty.optional);
    assert_eq!(entity.attributes[2].head.annotations[0].args[1].1.value, "3");
    assert_eq!(file.items[7].head.annotations[0].args[0].1.value, "OldName");
}

#[test]
fn precedence() {
    assert_eq!(expr("not a == b and c"), "(And (not (Equal a b)) c)");
    assert_eq!(expr("s.agreement as of d.designated_at == EA"), "(Equal (as-of s.agreement d.designated_at) EA)");
    assert_eq!(expr("a implies b implies c"), "(Implies a (Implies b c))");
    assert_eq!(expr("a and b implies c or d"), "(Implies (And a b) (Or c d))");
    assert_eq!(expr("a ?? b ?? c + d - e"), "(Coalesce a (Coalesce b (Subtract (Add c d) e)))");
    assert_eq!(expr("x not in s.parent^* as of t"), "(NotIn x (as-of s.parent^* t))");
    assert_eq!(expr("a is not none and b is m.User"), "(And (is-not a none) (is b User))");
    assert_eq!(
        expr("some x in a as of t, y in x.b where y.c : x == y and z"),
        "(Some [x in (as-of a t)][y in x.b where y.c] : (And (Equal x y) z))"
    );
    assert_eq!(expr("all nonempty x in s : (a or b)"), "(AllNonempty [x in s] : (Or a b))");
    assert_eq!(expr("at most 2 x in s and at  least 1 y in t : p"), "(And (AtMost(2) [x in s]) (AtLeast(1) [y in t] : p))");
    assert_eq!(
        expr("count(d in live : a or b) > min(d in s.ds : d.at)"),
        "(Greater (Count [d in live] : (Or a b)) (Min [d in s.ds] : d.at))"
    );
    assert_eq!(expr("f(x, -1 ,)[d | d.a?.b^+ ]"), "f(x -1)[d | d.a?.b^+]");
    assert_eq!(expr("a -1"), "(Subtract a 1)");
    assert_eq!(expr("(some x in s : p) or q"), "(Or (Some [x in s] : p) q)");
    assert_eq!(expr("some x in s : (p or r) or q"), "(Or (Some [x in s] : (Or p r)) q)");
}

#[test]
fn literals() {
    assert_eq!(expr(r#""a\"\{{x + "b"}\n}""#), r#""a\"{"{(Add x "b")}"\n}""#);
    assert_eq!(expr("{2026-12-31, 2 weeks, 7 days, now, none, true}"), "{2026-12-31T00:00:00Z 1209600s 604800s now none true}");
    assert_eq!(expr(r"x matches /a\/[0-9]{2}/"), "(Matches x /a/[0-9]{2}/)");
}

#[test]
fn reserved_words_are_no_names() {
    for word in ["none", "now", "not", "no", "and", "overlaps", "true", "exactly"] {
        assert!(!read(&format!("rule X-1 for s: S {{ let {word} = x }}\n")).1.is_empty(), "{word}");
        assert!(read(&format!("rule X-1 for s: S {{ let {word}_x = x.{word} }}\n")).1.is_empty(), "{word}");
    }
    let kind = |text: &str| parse_expression(FileId(0), &SourceFile::new("value", text)).unwrap().kind;
    assert!(matches!((kind("none"), kind("now"), kind("true")), (ExprKind::None, ExprKind::Now, ExprKind::Bool(true))));
}

#[test]
fn expressions_alone() {
    let failing = |text: &str| {
        let found = parse_expression(FileId(0), &SourceFile::new("value", text)).unwrap_err();
        (found[0].code, text.get(found[0].span.range()).map(str::to_owned))
    };
    assert_eq!(failing("a b"), ("T0001", Some("b".into())));
    assert_eq!(failing("a or b and c"), ("T0006", Some("and".into())));
    assert_eq!(failing("2026-02-30"), ("T0010", Some("2026-02-30".into())));
    assert_eq!(failing("(a").0, "T0005");
    assert!(parse_expression(FileId(0), &SourceFile::new("value", "")).is_err());
    assert!(parse_expression(FileId(0), &SourceFile::new("value", "a\nrule X for s: S { }")).is_err());
}

#[test]
fn hints_for_slips() {
    fault_in("s.a = b", "T0001", "=", "`==` compares");
    fault_in("s.a && b", "T0001", "&&", "write `and`");
    fault_in("s.a || b", "T0001", "||", "write `or`");
    fault_in("!b", "T0001", "!", "write `not`");
    fault_in("s.a == null", "T0001", "null", "write `none`");
    fault_in("s.a == 'x'", "T0001", "'", "double quotes");
    fault_in("s.a impleis b", "T0001", "impleis", "did you mean `implies`?");
    fault_in("(s.a == )", "T0001", ")", "expected an expression");
    fault_in("s.a + not b", "T0001", "not", "parentheses");
    fault("rule X-1 for s: S {\n  sevrity high\n}", "T0001", "sevrity", "did you mean `severity`?");
    fault("rule X-1 for s: S {\n  title \"a\"\n  sevrity high\n}", "T0001", "sevrity", "did you mean `severity`?");
    fault("rule X-1 for s: S {\n  require s.a == b\n}", "T0001", ".", "name the requirement");
    fault("rule X-1 for s: S {\n  require some x in s : p\n}", "T0001", "some", "a requirement name");
    fault("rule X-1 for s: S {\n  require r s.a == b\n}", "T0001", "s", "`:`");
    fault("rule X-1 for s S {\n}", "T0001", "S", "expected `:`");
    fault("rule X-1 fro s: S {\n}", "T0001", "fro", "did you mean `for`?");
    fault("rule X-1 for s: S wher p {\n}", "T0001", "wher", "did you mean `where`?");
    fault("def f(x: Int) Bool = x", "T0001", "Bool", "expected `:`");
    fault("enum A { B, }\nenum C { D } enum E { F }", "T0001", "enum", "line of its own");
    fault("entity A { a: }", "T0001", "}", "a type");
}

#[test]
fn two_broken_clauses_give_two_diagnostics() {
    let text = "rule X-1 for s: S {\n  title 3\n  severity high\n  require a: b = c\n  require d: e\n}\nparam p: Int\n";
    assert_eq!(faults(text), [("T0001", "3".to_owned()), ("T0001", "=".to_owned())]);
    let (file, _) = read(text);
    assert_eq!(file.items.len(), 2);
    let ItemKind::Rule(rule) = &file.items[0].kind else { panic!("a rule") };
    assert_eq!(rule.clauses.len(), 2);
}

#[test]
fn limits() {
    let deep = |depth: usize| format!("param p: X = {}x{}\n", "(".repeat(depth), ")".repeat(depth));
    assert!(read(&deep(64)).1.is_empty());
    fault(&deep(65), "T0002", "(", "at most 64");
    let long = |count: usize| format!("param p: X = x{}", " + x".repeat(count));
    assert!(read(&long(199)).1.is_empty());
    assert_eq!(only(&long(200)).code, "T0002");
    assert_eq!(only(&long(60_000)).code, "T0002");
    assert_eq!(only(&format!("param p: X = {}x", "not ".repeat(390))).code, "T0002");
    assert_eq!(only(&format!("param p: X = {}x", "not ".repeat(401))).code, "T0002");
    assert_eq!(only(&format!("param p: X = x{}", ".x".repeat(20_000))).code, "T0002");
    assert_eq!(only(&format!("param p: X = x{}", " implies x".repeat(20_000))).code, "T0002");
    assert_eq!(only(&format!("param p: X = \"{}\"", "x".repeat(256 * 1024))).code, "T0002");
    assert_eq!(only(&" ".repeat(8 * 1024 * 1024 + 1)).code, "T0002");
    let wide: String = (0..300).map(|n| format!("  require r{n}: some x in s : x.y is none\n")).collect();
    assert!(read(&format!("rule X-1 for s: S {{\n{wide}}}\n")).1.is_empty());
}

#[test]
fn the_worst_allowed_nesting_fits_a_small_stack() {
    let worst = || {
        for open in ["(", "f(", "a[d | ", "{", "count(d in ", "\"{", "some x in s : ", "no x in s where ", "all x in ", "at most 1 x in "] {
            let close = match open.trim_end().chars().last() {
                Some('(') => ")",
                Some('|') => "]",
                Some('{') if open.starts_with('"') => "}\"",
                Some('{') => "}",
                _ if open.starts_with("count") => ")",
                _ => "",
            };
            let text = format!("param p: X = {}x{}\n", open.repeat(64), close.repeat(64));
            let (file, diagnostics) = read(&text);
            assert!(diagnostics.is_empty() && file.items.len() == 1, "{open}: {diagnostics:?}");
            let text = format!("param p: X = {}x +{}\n", open.repeat(64), close.repeat(64));
            assert_eq!(read(&text).1.len(), 1, "{open}");
            let text = format!("param p: X = {}x{}\n", open.repeat(65), close.repeat(65));
            assert_eq!(only(&text).code, "T0002", "{open}");
        }
    };
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(worst).unwrap().join().unwrap();
}

#[test]
fn editions_and_places() {
    fault("edition 2\n", "T0003", "2", "edition 1");
    fault("edition 1\nedition 1\n", "T0008", "edition 1", "second time");
    fault("module a\nedition 1\n", "T0008", "edition 1", "very top");
    fault("enum A { B }\nimport \"x\"\n", "T0008", "import \"x\"", "in front");
    fault("enum A { B }\nmodule x\n", "T0008", "module x", "top");
    fault("rule X-1 for s: S {\n  title \"a\"\n  title \"b\"\n}", "T0008", "title", "second time");
    fault("rule X-1 for s: S {\n  not waivable\n  waivable\n}", "T0008", "waivable", "second time");
    fault("action a() { mode api mode human }", "T0008", "mode", "second time");
}

#[test]
fn text_outside_items() {
    fault("rul X-1 for s: S {\n}\n", "T0004", "rul", "did you mean `rule`?");
    fault("enum A { B }\npolcy X-1 for s: S {\n title \"x\" }\nenum C { D }", "T0004", "polcy", "did you mean `rule`?");
    fault("definition f() { }", "T0004", "definition", "did you mean `def`?");
    fault("const a: Int = 3\nbanana b: Int = 3\n", "T0004", "banana", "an item begins with");
    fault("enum A { B }\n/// lost\n", "T0004", "/// lost", "belong");
    fault("check x scope 3 { }\nenum A { B }\n", "T0009", "check", "reserved");
}

#[test]
fn open_brackets_and_texts() {
    let text = "rule X-1 for s: S {\n  title \"a\"\n\n/// doc\nrule X-2 for s: S { title \"b\" }\n";
    fault(text, "T0005", "{", "never closed");
    assert_eq!(read(text).0.items.len(), 1);
    fault("enum A { B }\n}\nenum C { D }\n", "T0005", "}", "closes nothing");
    fault("param p: X = f(a]\nparam q: Int\n", "T0005", "]", "closes nothing");
    fault("param p: X = {f(a}\nparam q: Int\n", "T0005", "(", "never closed");
    fault("rule X-1 for s: S {\n  title \"a\n  why \"b\"\n}\n", "T0005", "\"a", "never closed");
    let text = "rule X-1 for s: S {\n  title \"a\n  refs [\"b\"]\n  severity = 3\n}\n";
    assert_eq!(faults(text), [("T0005", "\"a".to_owned()), ("T0001", "=".to_owned())]);
    fault("param p: X = \"a {b c\"\n", "T0005", "\"a {b c\"", "`{`");
    fault("param p: X = \"a\n\nparam q: Y\n", "T0005", "\"a", "quote");
}

#[test]
fn connectives() {
    fault_in("a and b or c", "T0006", "or", "mixed");
    fault_in("a or b implies (c or b and d)", "T0006", "and", "mixed");
    fault_in("some x in s : a or b", "T0007", "or", "parentheses");
    fault_in("p and (some x in s : some y in t : a implies b)", "T0007", "implies", "parentheses");
    fault_in("no x in s where a or b", "T0007", "or", "where");
    fault_in("some x in s : (a or b) == c or d", "T0007", "or", "parentheses");
    fault_in("a < b < c", "T0011", "<", "chained");
    fault_in("a is none == b", "T0011", "==", "chained");
    fault_in("a == b in c", "T0011", "in", "chained");
}

#[test]
fn bad_literals() {
    fault_in("a == 2026-02-30", "T0010", "2026-02-30", "no day");
    fault_in("a == 2026-02-03T25:00:00Z", "T0010", "2026-02-03T25:00:00Z", "time of day");
    fault_in("a == 99999999999999999999", "T0010", "99999999999999999999", "too large");
    fault_in("a == 9999999999999999 weeks", "T0010", "9999999999999999 weeks", "too large");
    fault_in(r#"a == "x\q""#, "T0010", r"\q", "escape");
    fault("rule X-1 for s: S {\n  title \"x\\q\"\n}", "T0010", r"\q", "escape");
    fault_in("exactly -1 x in s", "T0010", "exactly -1", "negative");
}

#[test]
fn blanks_of_all_kinds() {
    let text = FILES[1].0.replace('\n', "\r\n");
    assert!(read(&format!("\u{feff}{text}")).1.is_empty());
    assert_eq!(read("").1.len(), 0);
    assert_eq!(read("// only a comment").1.len(), 0);
    assert_eq!(read("rule X-1 // a\n for s: S { // b\n // c\n}").1.len(), 0);
}

/// A small generator, so that a failure can be repeated from its seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// Drops what stands in backticks.
fn own_words(message: &str) -> String {
    message.split('`').step_by(2).collect()
}

#[test]
fn nothing_panics() {
    const SCRAPS: &[&str] = &[
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "\"",
        "\\",
        "\n",
        " ",
        "/",
        "//",
        "///",
        "|",
        ":",
        ".",
        "?",
        "=",
        "-",
        "é",
        "\u{feff}",
        "rule X-1 for ",
        "\nparam p: ",
        "some x in ",
        "not ",
        "2026-02-30",
        "{\"{",
        "@",
        "'",
        "\0",
        "\r",
        "9",
        "count(",
        "as of ",
        " or ",
    ];
    for seed in 1..=300_u64 {
        let mut random = Random(seed);
        let mut text = FILES[random.below(FILES.len())].0.to_owned();
        for _ in 0..=random.below(6) {
            let mut at = random.below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            if random.below(3) == 0 {
                let mut end = (at + random.below(40)).min(text.len());
                while !text.is_char_boundary(end) {
                    end += 1;
                }
                text.replace_range(at..end, "");
            } else {
                text.insert_str(at, SCRAPS[random.below(SCRAPS.len())]);
            }
        }
        let outcome = std::panic::catch_unwind(|| read(&text));
        assert!(outcome.is_ok(), "seed {seed}");
        for found in outcome.map(|(_, found)| found).unwrap_or_default() {
            assert!(text.get(found.span.range()).is_some(), "seed {seed}: {found:?}");
            assert!(!found.message.contains('\n') && !own_words(&found.message).contains('_'), "seed {seed}: {found:?}");
        }
    }
    for seed in 1..=200_u64 {
        let mut random = Random(seed);
        let text: String = (0..random.below(200)).map(|_| SCRAPS[random.below(SCRAPS.len())]).collect();
        assert!(std::panic::catch_unwind(|| read(&text)).is_ok(), "seed {seed}: {text:?}");
    }
}
