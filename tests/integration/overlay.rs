//! A world with changes laid over it reads, and is judged, as one that was made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tenet::check::Policies;
use tenet::evaluate::{Options, Pair, Scan, Table, Watch, scan, scan_again};
use tenet::model::{Base, Bound, EntityId, Value, Verdict};
use tenet::snapshot::{CellState, Change, Overlay, Snapshot};
use tenet::{BuiltinModules, compile};

use super::generate::{NOW, Shape, tenant};

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((bits ^ (bits >> 31)) % n.max(1) as u64).unwrap()
    }
}

/// How many worlds: `TENET_WORLDS`, else a few.
pub(crate) fn worlds(default: u64) -> u64 {
    std::env::var("TENET_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn any(random: &mut Random, world: &Snapshot, ty: &str) -> Option<EntityId> {
    let ids: Vec<EntityId> = world.extent(world.schema().entity_named(ty)?.id).collect();
    (!ids.is_empty()).then(|| ids[random.below(ids.len())])
}

/// A change that some action could make, and some that none makes yet.
fn a_change(random: &mut Random, world: &Snapshot) -> Option<Change> {
    let schema = world.schema();
    let ty = |name: &str| schema.entity_named(name).unwrap();
    let property = |entity: &str, name: &str| schema.property_named(ty(entity).id, name).unwrap().id;
    let known = |value: Value| CellState::Known(value);
    let entity = |id: EntityId| CellState::Known(Value::Entity(id));
    let instant = || CellState::Known(Value::Instant(now()));
    let choice = |name: &str, value: &str| {
        let tenet::model::NamedType::Enum(id) = schema.named(name).unwrap() else { panic!("{name} is no enumeration") };
        let at = schema.enumeration(id).unwrap().values.iter().position(|known| known == value).unwrap();
        CellState::Known(Value::Enum(id, u32::try_from(at).unwrap()))
    };
    Some(match random.below(12) {
        0 => Change::End(any(random, world, "RoleAssignment")?, now()),
        1 => {
            let cells = vec![
                (property("RoleAssignment", "scope"), entity(any(random, world, "Scope")?)),
                (property("RoleAssignment", "principal"), entity(any(random, world, "Principal")?)),
                (property("RoleAssignment", "role"), entity(any(random, world, "RoleDefinition")?)),
                (property("RoleAssignment", "kind"), choice("AssignmentKind", "Standing")),
                (property("RoleAssignment", "effective"), known(Value::Bool(true))),
                (property("RoleAssignment", "created_at"), instant()),
            ];
            Change::Create(ty("RoleAssignment").id, cells)
        }
        2 => {
            let cells = vec![
                (property("Designation", "subscription"), entity(any(random, world, "Subscription")?)),
                (property("Designation", "partner_id"), known(Value::text("3664167"))),
                (property("Designation", "designated_at"), instant()),
                (property("Designation", "mechanism"), choice("Mechanism", "Dpor")),
            ];
            Change::Create(ty("Designation").id, cells)
        }
        3 => Change::Set(any(random, world, "Designation")?, property("Designation", "removed_at"), instant()),
        4 => Change::Set(any(random, world, "User")?, property("User", "account_enabled"), known(Value::Bool(random.below(2) == 0))),
        5 => Change::Set(any(random, world, "PartnerLink")?, property("PartnerLink", "partner_id"), known(Value::text("3664167"))),
        6 => Change::End(any(random, world, "Delegation")?, now()),
        7 => Change::End(any(random, world, "Authorization")?, now()),
        8 => Change::Set(any(random, world, "Principal")?, property("Principal", "exists"), known(Value::Bool(false))),
        9 => {
            let cells = vec![
                (property("RoleEligibility", "scope"), entity(any(random, world, "Scope")?)),
                (property("RoleEligibility", "principal"), entity(any(random, world, "Principal")?)),
                (property("RoleEligibility", "role"), entity(any(random, world, "RoleDefinition")?)),
            ];
            Change::Create(ty("RoleEligibility").id, cells)
        }
        10 => {
            let cells = vec![
                (property("PartnerLink", "identity"), entity(any(random, world, "Principal")?)),
                (property("PartnerLink", "partner_id"), known(Value::text("3664167"))),
                (property("PartnerLink", "state"), choice("LinkState", "Active")),
            ];
            Change::Create(ty("PartnerLink").id, cells)
        }
        _ => Change::Set(any(random, world, "RoleAssignment")?, property("RoleAssignment", "ends_at"), instant()),
    })
}

fn named(world: &Snapshot, value: &Value) -> String {
    value.entity().map_or_else(|| format!("{value:?}"), |id| world.key(id).into_owned())
}

fn ends(interval: tenet::model::Interval) -> (Bound, Bound) {
    (interval.from, interval.to)
}

/// Everything there is to read, in words. Who says so is left out: an overlay is one source more.
fn read_out(world: &Snapshot) -> BTreeSet<String> {
    let schema = Arc::clone(world.schema());
    let mut lines = BTreeSet::new();
    for ty in &schema.entities {
        let keys: BTreeSet<String> = world.extent(ty.id).map(|id| world.key(id).into_owned()).collect();
        lines.insert(format!("{}: {keys:?} {}", ty.name, world.extent_completeness(ty.id).complete));
    }
    for id in (0..u32::try_from(world.len()).unwrap()).map(EntityId) {
        let ty = world.entity_type(id).unwrap();
        let key = world.key(id).into_owned();
        lines.insert(format!("{key} lives {:?}", ends(world.lifetime(id))));
        for (name, property) in &schema.entity(ty).unwrap().properties {
            if schema.property(*property).unwrap().ty.set {
                let nav = world.nav(id, *property);
                let members: BTreeSet<String> =
                    nav.members.iter().map(|edge| format!("{} {:?}", named(world, &edge.member), ends(edge.interval))).collect();
                lines.insert(format!("{key}.{name}: {members:?} {}", nav.completeness.complete));
            } else if !matches!(schema.property(*property).unwrap().ty.base, Base::Nothing) {
                let state = match &world.cell(id, *property).state {
                    CellState::Known(value) => named(world, value),
                    CellState::None => "none".to_owned(),
                    CellState::Unknown(_) => "unknown".to_owned(),
                };
                lines.insert(format!("{key}.{name} = {state}"));
            }
        }
    }
    lines
}

type Verdicts = BTreeMap<(usize, String, Option<usize>), Verdict>;

fn by_key(world: &Snapshot, table: &Table) -> Verdicts {
    let name = |subject: Option<EntityId>| subject.map_or_else(|| "*".to_owned(), |id| world.key(id).into_owned());
    let rows =
        table.iter().flat_map(|((run, subject), judged)| judged.iter().map(move |(at, verdict)| ((*run, name(*subject), *at), *verdict)));
    rows.collect()
}

fn of_scan(world: &Snapshot, scan: &Scan) -> Verdicts {
    let row = |finding: &tenet::evaluate::Finding| {
        let subject = finding.subject.map_or_else(|| "*".to_owned(), |id| world.key(id).into_owned());
        ((finding.run, subject, finding.requirement), finding.verdict)
    };
    scan.findings.iter().map(row).collect()
}

fn differences(a: &Verdicts, b: &Verdicts) -> Vec<String> {
    let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    keys.into_iter()
        .filter(|key| a.get(*key) != b.get(*key))
        .map(|key| format!("{key:?}: {:?}, not {:?}", a.get(key), b.get(key)))
        .collect()
}

pub(crate) fn scanned(policies: &Policies, snapshot: &Snapshot) -> Scan {
    let options = Options { now: now(), params: &BTreeMap::new(), packs: None, select: &|_| true, subject: None, waivers: false };
    scan(policies, snapshot, &options).unwrap()
}

#[test]
fn an_overlay_reads_and_is_judged_as_what_is_made_anew() {
    let compiled = compile(BuiltinModules::All, &[]);
    let policies = &compiled.policies;
    for seed in 0..worlds(12) {
        let gaps = [0, 40, 200][usize::try_from(seed % 3).unwrap()];
        let records = tenant(&policies.schema, Shape { seed, subscriptions: 2 + u32::try_from(seed % 3).unwrap(), gaps }).unwrap();
        let mut below = Snapshot::freeze(Arc::clone(&policies.schema), records);
        // Every other world is read from columns.
        if seed % 2 == 1 {
            below = Snapshot::from_columns(Arc::clone(below.columns()));
        }
        let scan = scanned(policies, &below);
        let mut watch = Watch::new(policies, &below, &scan);
        assert_eq!(by_key(&below, watch.table()), of_scan(&below, &scan), "seed {seed}: before any change");
        let mut world = Overlay::new(&below);
        let mut random = Random(seed);
        for step in 0..6 {
            world.begin();
            for _ in 0..=random.below(3) {
                if let Some(change) = a_change(&mut random, &world.snapshot()) {
                    world.change(change);
                }
            }
            let anew = world.rebuilt().unwrap();
            let (ours, theirs) = (read_out(&world.snapshot()), read_out(&anew));
            let odd: Vec<&String> = ours.symmetric_difference(&theirs).collect();
            assert!(odd.is_empty(), "seed {seed}, step {step}, after {:?}:\n{odd:#?}", world.changes());
            let rejudged = watch.again(policies, &scan, &world);
            watch.accept(rejudged);
            let odd = differences(&by_key(&world.snapshot(), watch.table()), &of_scan(&anew, &scan_again(policies, &anew, &scan)));
            assert!(odd.is_empty(), "seed {seed}, step {step}, after {:?}:\n{odd:#?}", world.changes());
        }
    }
}

#[test]
fn pairs_are_sorted_with_those_nobody_has_seen_first() {
    let mut pairs: Vec<Pair> = vec![(1, None), (0, Some(EntityId(3))), (0, None)];
    pairs.sort();
    assert_eq!(pairs, [(0, None), (0, Some(EntityId(3))), (1, None)]);
}
