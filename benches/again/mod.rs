//! A scan again after role assignments changed: what is decided once it is known what differs.
//!
//! Over a generated tenant of `TENET_BENCH_SUBSCRIPTIONS` subscriptions (400) and the rules that ship; or over the index of a
//! snapshot folder, `TENET_BENCH_SNAPSHOT`, and the rules of the rivals. `TENET_BENCH_CHANGES` says how many change: 1,1000.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use tenet::check::Policies;
use tenet::evaluate::Options;
use tenet::evaluate::engine::delta::{Previous, carried, delta_between, redecide};
use tenet::evaluate::engine::{Plan, decide};
use tenet::model::{PropertyId, Schema};
use tenet::snapshot::Snapshot;
use tenet::snapshot::columns::{AttributeColumn, CODES_MAX, Codes, Columns, ListColumn, Members, Part, PartData, PartStore};
use tenet::sources::disk::{IndexKey, open_index, read_manifest};
use tenet::{BuiltinModules, PolicyFile, compile};

/// Where parts come from that did not change.
#[derive(Debug)]
enum Base {
    Store(Arc<dyn PartStore>),
    Columns(Arc<Columns>),
}

/// A store in which some parts are others.
#[derive(Debug)]
struct Edited {
    base: Base,
    parts: Vec<(Part, PartData)>,
}

impl PartStore for Edited {
    fn load(&self, part: Part) -> Result<Option<PartData>, String> {
        if let Some((_, data)) = self.parts.iter().find(|(edited, _)| *edited == part) {
            return Ok(Some(data.clone()));
        }
        match &self.base {
            Base::Store(store) => store.load(part),
            Base::Columns(columns) => Ok(columns.part(part).cloned()),
        }
    }

    fn bytes(&self, part: Part) -> u64 {
        match &self.base {
            Base::Store(store) => store.bytes(part),
            Base::Columns(_) => 0,
        }
    }

    fn digest(&self, part: Part) -> Option<&str> {
        match &self.base {
            Base::Store(store) if !self.parts.iter().any(|(edited, _)| *edited == part) => store.digest(part),
            _ => None,
        }
    }
}

fn property(schema: &Schema, owner: &str, name: &str) -> PropertyId {
    schema.property_named(schema.entity_named(owner).unwrap().id, name).unwrap().id
}

/// Gives `n` role assignments, spread over all, the principal of another one.
fn edited(columns: &Arc<Columns>, base: Base, n: usize) -> Columns {
    let schema = columns.schema();
    let (principal, held) = (property(schema, "RoleAssignment", "principal"), property(schema, "Principal", "role_assignments"));
    let column = columns.attribute(principal).unwrap();
    let mut codes: Vec<u32> = (0..column.len as usize).map(|at| column.codes.get(at).unwrap()).collect();
    let total = codes.len();
    for change in 0..n {
        let at = (2 * change + 1) * total / (2 * n);
        codes[at] = (1..total).map(|step| codes[(at + step * 7919) % total]).find(|other| *other != codes[at]).unwrap();
    }
    let list = columns.list(held).unwrap();
    let lists = list_of(list, column.first, &codes);
    let attribute = AttributeColumn { codes: Codes::Each(codes), ..column.clone() };
    let parts = vec![(Part::Attribute(principal), PartData::Attribute(attribute)), (Part::List(held), PartData::List(lists))];
    Columns::new(Arc::clone(schema), columns.frame(), Some(Arc::new(Edited { base, parts })))
}

/// The other side of references.
fn list_of(list: &ListColumn, first: u32, codes: &[u32]) -> ListColumn {
    let n = list.offsets.len() - 1;
    let place = |code: u32| Some((code.checked_sub(list.first)?) as usize).filter(|at| code <= CODES_MAX && *at < n);
    let mut offsets = vec![0_u32; n + 1];
    codes.iter().filter_map(|code| place(*code)).for_each(|at| offsets[at + 1] += 1);
    for at in 0..n {
        offsets[at + 1] += offsets[at];
    }
    let mut next = offsets.clone();
    let mut members = vec![0; offsets[n] as usize];
    for (id, at) in (first..).zip(codes.iter().map(|code| place(*code))) {
        if let Some(at) = at {
            members[next[at] as usize] = id;
            next[at] += 1;
        }
    }
    ListColumn { offsets, members: Members::Each(members), ..list.clone() }
}

fn policies() -> Policies {
    let Ok(_) = std::env::var("TENET_BENCH_SNAPSHOT") else { return compile(BuiltinModules::All, &[]).policies };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rivals/rules");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let file = |path: &std::path::PathBuf| PolicyFile {
        name: path.display().to_string(),
        path: format!("policies/{}", path.file_stem().unwrap().to_string_lossy()),
        text: std::fs::read_to_string(path).unwrap(),
    };
    let compiled = compile(BuiltinModules::WithoutRules, &files.iter().map(file).collect::<Vec<_>>());
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
    compiled.policies
}

fn opened(policies: &Policies) -> (Snapshot, Option<Arc<dyn PartStore>>) {
    let Ok(path) = std::env::var("TENET_BENCH_SNAPSHOT") else {
        let subscriptions = std::env::var("TENET_BENCH_SUBSCRIPTIONS").map_or(400, |text| text.parse().unwrap());
        let snapshot = Snapshot::freeze(policies.schema.clone(), super::records(policies, subscriptions, 0));
        return (snapshot, None);
    };
    let manifest = read_manifest(path.as_ref()).and_then(|manifest| manifest.digest()).unwrap();
    let open = open_index(&policies.schema, path.as_ref(), &IndexKey::new(&policies.schema, manifest, None)).unwrap();
    let open = open.expect("the snapshot has an index; scan it once");
    (Snapshot::from_columns(open.columns), Some(open.store))
}

pub(crate) fn again(c: &mut Criterion) {
    let policies = policies();
    let (before, store) = opened(&policies);
    let params = std::collections::BTreeMap::new();
    let options = Options { now: before.meta().captured_to.unwrap(), ..super::options(&params) };
    let plan = Plan::new(&policies, &options).unwrap();
    let begun = Instant::now();
    let decided = decide(&plan, &policies, &before, &options, false).unwrap();
    eprintln!("all of it, cold: {:?}", begun.elapsed());
    let begun = Instant::now();
    decide(&plan, &policies, &before, &options, false).unwrap();
    eprintln!("all of it, warm: {:?}", begun.elapsed());
    let changes = std::env::var("TENET_BENCH_CHANGES").unwrap_or_else(|_| "1,1000".to_owned());
    let mut group = c.benchmark_group("again");
    group.sample_size(10);
    for n in changes.split(',').map(|text| text.parse::<usize>().unwrap()) {
        let base = store.clone().map_or_else(|| Base::Columns(Arc::clone(before.columns())), Base::Store);
        let after = Snapshot::from_columns(edited(before.columns(), base, n));
        let begun = Instant::now();
        let delta = delta_between(&plan, before.columns(), after.columns()).unwrap();
        eprintln!("{n} changed: the difference, {} facts, found in {:?}", delta.len(), begun.elapsed());
        let previous = || carried(options.now, (&plan, &policies, decided.clone()), (&plan, &policies));
        check(&plan, &policies, &after, &options, previous(), &delta);
        group.bench_function(BenchmarkId::new("assignments", n), |b| {
            b.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    let previous = previous();
                    let begun = Instant::now();
                    let decided = redecide(&plan, &policies, &after, &options, previous, &delta).unwrap();
                    spent += begun.elapsed();
                    drop(decided);
                }
                spent
            });
        });
    }
    group.finish();
}

/// What is decided again is what is decided whole.
fn check(
    plan: &Plan,
    policies: &Policies,
    after: &Snapshot,
    options: &Options<'_>,
    previous: Previous,
    delta: &tenet::snapshot::columns::delta::Delta,
) {
    let begun = Instant::now();
    let (again, shares) = redecide(plan, policies, after, options, previous, delta).unwrap();
    eprintln!("decided again, cold, in {:?}", begun.elapsed());
    for ((run, _), share) in plan.runs.iter().zip(shares).filter(|(_, share)| share.again > 0) {
        eprintln!("  {}: {share:?}", policies.rules[run.rule.0 as usize].id);
    }
    let whole = decide(plan, policies, after, options, false).unwrap();
    for (one, other) in again.decisions.iter().zip(&whole.decisions) {
        assert!(one.applies == other.applies && one.verdicts == other.verdicts && one.due == other.due && one.unseen == other.unseen);
    }
}
