//! Values that policies and worlds draw from, few enough that they meet.

use jiff::Timestamp;
use tenet::model::{Base, EnumId, Schema, Type, Value, format_instant};

use crate::oracle::random::Random;

const TEXTS: [&str; 8] = ["alpha", "beta", "adm-gamma", "", "Zoë", "k0", "k1", "Owner"];
const GUIDS: [&str; 7] = [
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "62e90394-69f5-4237-9190-012177145e10",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
    "e8611ab8-c189-46e8-94e1-60213ab1f814",
];
const ARM_IDS: [&str; 10] = [
    "/",
    "/subscriptions/s0",
    "/subscriptions/s0/resourcegroups/r0",
    "/providers/microsoft.management/managementgroups/m0",
    "/subscriptions/s1",
    "/providers/microsoft.management/managementgroups/m1",
    "/subscriptions/s0/resourcegroups/r0/providers/p/x/y",
    "/subscriptions/s1/resourcegroups/r0",
    "/providers/microsoft.management/managementgroups/m0/sub",
    "/subscriptions/s10",
];
const NUMBERS: [i64; 8] = [0, 1, 2, 3, 5, 7, 10, -1];
/// Texts for named types with a pattern, by the name of the type.
const NAMED: [(&str, &[&str]); 2] =
    [("Code", &["a", "b1", "ab", "cc9", "ba2"]), ("PartnerId", &["1234567", "7654321", "55555", "99999999"])];

const DAY: i64 = 86_400;
/// 2026-01-01.
const FIRST_DAY: i64 = 1_767_225_600;

/// A day of early 2026, by number; there are ten days between one and the next.
pub(crate) fn day(at: usize) -> Timestamp {
    Timestamp::from_second(FIRST_DAY + i64::try_from(at).unwrap() * 10 * DAY).unwrap()
}

pub(crate) const N_DAYS: usize = 12;

/// An instant: mostly one of the days, at times next to one.
pub(crate) fn instant(random: &mut Random) -> Timestamp {
    let at = day(random.below(N_DAYS));
    match random.below(24) {
        0 => at + jiff::SignedDuration::from_secs(1),
        1 => at - jiff::SignedDuration::from_nanos(1),
        2 => at + jiff::SignedDuration::from_millis(500),
        _ => at,
    }
}

pub(crate) fn number(random: &mut Random) -> i64 {
    if random.chance(2) { *random.pick(&[i64::MAX, i64::MIN, i64::MAX - 1]) } else { *random.pick(&NUMBERS) }
}

fn duration(random: &mut Random) -> i64 {
    if random.chance(2) {
        return *random.pick(&[i64::MAX, i64::MIN, 1]);
    }
    DAY * *random.pick(&[0, 1, 3, 10, 20, 30, 90, -10])
}

fn texts(schema: &Schema, ty: Type) -> Vec<&'static str> {
    let alias = ty.alias.and_then(|id| schema.alias(id));
    let named = alias.and_then(|alias| NAMED.iter().find(|(name, _)| *name == alias.name));
    match (named, ty.base) {
        (Some((_, texts)), _) => texts.to_vec(),
        (None, Base::Guid) => GUIDS.to_vec(),
        (None, Base::ArmId) => ARM_IDS.to_vec(),
        (None, _) => TEXTS.to_vec(),
    }
}

/// The key of the entity of a number among those of one root type. The numbers stand in an order of their own.
pub(crate) fn key(schema: &Schema, ty: Type, at: usize) -> String {
    if ty.base == Base::Int {
        return [7, 10, 9, -1, 2, 100].get(at).map_or_else(|| (200 + at).to_string(), ToString::to_string);
    }
    let texts: Vec<&str> = texts(schema, ty).into_iter().filter(|text| !text.is_empty()).collect();
    match (texts.get(at), ty.alias, ty.base) {
        (_, None, Base::String) => format!("k{at}"),
        (Some(text), _, _) => (*text).to_owned(),
        (None, _, Base::Guid) => format!("0000000{:x}-0000-4000-8000-{at:012x}", at % 16),
        (None, _, Base::ArmId) => format!("/subscriptions/x{}/resourcegroups/g{at}", at % 5),
        // A number fits the patterns of those types whose texts ran out.
        (None, _, _) => format!("{}", 6_000_000 + at),
    }
}

/// A value for a world; nothing for types that only expressions have.
pub(crate) fn value(random: &mut Random, schema: &Schema, ty: Type) -> Option<Value> {
    Some(match ty.base {
        Base::Bool => Value::Bool(random.chance(60)),
        Base::Int => Value::Int(number(random)),
        Base::Instant => Value::Instant(if random.chance(1) { Timestamp::MAX } else { instant(random) }),
        Base::Duration => Value::Duration(duration(random)),
        Base::Enum(id) => Value::Enum(id, enum_value(random, schema, id)),
        Base::String | Base::Guid | Base::ArmId => Value::text(*random.pick(&texts(schema, ty))),
        Base::Interval | Base::Entity(_) | Base::Nothing => return None,
    })
}

fn enum_value(random: &mut Random, schema: &Schema, id: EnumId) -> u32 {
    let n = schema.enumeration(id).map_or(1, |e| e.values.len());
    u32::try_from(random.below(n.min(4))).unwrap()
}

/// A literal as a policy writes it. Texts and values of enumerations need a place that says their type.
pub(crate) fn literal(random: &mut Random, schema: &Schema, ty: Type) -> String {
    match ty.base {
        Base::Bool => random.chance(50).to_string(),
        Base::Int => random.pick(&NUMBERS).to_string(),
        Base::Instant => format_instant(day(random.below(N_DAYS))),
        Base::Duration => {
            (*random.pick(&["1 day", "10 days", "20 days", "30 days", "3 weeks", "12 hours", "0 seconds", "90 minutes"])).to_owned()
        }
        Base::Enum(id) => {
            let at = enum_value(random, schema, id) as usize;
            schema.enumeration(id).unwrap().values[at].clone()
        }
        Base::Guid if random.chance(30) => format!("guid(\"{}\")", random.pick(&GUIDS)),
        Base::ArmId if random.chance(30) => format!("arm(\"{}\")", random.pick(&ARM_IDS)),
        _ => format!("\"{}\"", random.pick(&texts(schema, ty))),
    }
}

/// A value for a parameter as it is given from outside.
pub(crate) fn parameter_text(random: &mut Random, schema: &Schema, ty: Type) -> String {
    match ty.base {
        Base::String | Base::Guid | Base::ArmId => (*random.pick(&texts(schema, ty))).to_owned(),
        _ => literal(random, schema, ty),
    }
}
