#![expect(clippy::cast_possible_truncation, reason = "small random numbers")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::super::tests::{Dice, random_world};
use super::frame::{Frame, Loaded, Section};
use super::parts::Limits;
use super::*;
use crate::model::PropertyId;
use crate::snapshot::Snapshot;
use crate::snapshot::columns::{Codes, Columns, Keys, MemberTimes, Members, NO_SOURCE, Part, PartData, UNKNOWN};
use crate::sources::disk::DiskError;

fn columns(seed: u64) -> Arc<Columns> {
    let schema = crate::check::core_schema();
    let mut records = random_world(&schema, seed);
    // A key that is stated again with another value fits into no column.
    for record in &mut records.entities {
        let is_key = |id: &PropertyId| schema.property(*id).is_some_and(|property| property.is_key);
        record.cells.retain(|(id, _)| !is_key(id));
        record.history.retain(|(id, _)| !is_key(id));
    }
    Arc::clone(Snapshot::freeze(schema, records).columns())
}

fn key(columns: &Columns) -> IndexKey {
    IndexKey::new(columns.schema(), "m", None)
}

/// A snapshot folder with the index of columns.
fn store(columns: &Columns) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_index(columns, folder.path(), &key(columns)).unwrap();
    folder
}

fn open(columns: &Columns, folder: &Path) -> Result<Option<OpenIndex>, DiskError> {
    open_index(columns.schema(), folder, &key(columns))
}

/// Compares everything; the first difference or trouble in words.
fn difference(one: &Columns, other: &Columns) -> Option<String> {
    for part in one.all_parts() {
        let (a, b) = (one.part(part), other.part(part));
        if a != b {
            return Some(format!("{part:?}: {:?}", other.trouble()));
        }
    }
    let about = about::pack(one) != about::pack(other);
    about.then(|| "about".to_owned())
}

#[test]
fn columns_come_back_as_they_were() {
    for seed in 1..30 {
        let columns = columns(seed);
        let folder = store(&columns);
        let opened = open(&columns, folder.path()).unwrap().unwrap();
        assert_eq!(difference(&columns, &opened.columns), None, "seed {seed}");
        assert_eq!(opened.columns.trouble(), None);
        assert!(opened.store.trouble().is_none());
    }
}

#[test]
fn equal_columns_give_equal_bytes() {
    let (one, other) = (columns(7), columns(7));
    let folders = (store(&one), store(&other));
    let (a, b) = (key(&one).folder(folders.0.path()), key(&other).folder(folders.1.path()));
    let mut n = 0;
    for entry in fs::read_dir(&a).unwrap() {
        let name = entry.unwrap().file_name();
        assert_eq!(fs::read(a.join(&name)).unwrap(), fs::read(b.join(&name)).unwrap(), "{name:?}");
        n += 1;
    }
    assert_eq!(fs::read_dir(&b).unwrap().count(), n);
    // Written over itself it is still the same, and nothing is left behind.
    write_index(&one, folders.0.path(), &key(&one)).unwrap();
    assert_eq!(fs::read_dir(folders.0.path().join(FOLDER)).unwrap().count(), 1);
    assert_eq!(difference(&one, &open(&one, folders.0.path()).unwrap().unwrap().columns), None);
}

#[test]
fn an_index_of_something_else_is_not_used() {
    let columns = columns(3);
    let folder = store(&columns);
    let schema = columns.schema();
    let opens = |key: &IndexKey| open_index(schema, folder.path(), key).unwrap().is_some();
    assert!(opens(&key(&columns)));
    assert!(!opens(&IndexKey::new(schema, "other", None)));
    assert!(!opens(&IndexKey::new(schema, "m", Some("registers".to_owned()))));
    let smaller = crate::sources::sample::schema();
    assert!(!opens(&IndexKey::new(&smaller, "m", None)));
    // Even where it lies in the place of the other.
    let other = IndexKey::new(schema, "other", None);
    fs::rename(key(&columns).folder(folder.path()), other.folder(folder.path())).unwrap();
    assert!(!opens(&other));
}

#[test]
fn few_indexes_are_kept() {
    let columns = columns(3);
    let folder = tempfile::tempdir().unwrap();
    for n in 0..9 {
        let key = IndexKey::new(columns.schema(), "m", Some(n.to_string()));
        write_index(&columns, folder.path(), &key).unwrap();
        assert!(open_index(columns.schema(), folder.path(), &key).unwrap().is_some());
    }
    assert_eq!(fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), KEPT_MAX);
}

fn refused(columns: &Columns, folder: &Path) -> String {
    let opened = match open(columns, folder) {
        Err(error) => {
            assert!(error.is_tampering(), "{error}");
            return error.to_string();
        }
        Ok(opened) => opened.expect("it is there"),
    };
    difference(columns, &opened.columns).expect("something differs");
    let error = opened.store.trouble().expect("there is trouble");
    assert!(error.is_tampering(), "{error}");
    assert_eq!(opened.columns.trouble(), Some(error.to_string().as_str()));
    error.to_string()
}

#[test]
fn missing_extra_and_cut_files_are_named() {
    let columns = columns(5);
    let folder = store(&columns);
    let index = key(&columns).folder(folder.path());
    let file = index.join(COLUMNS);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert!(refused(&columns, folder.path()).starts_with("index/columns: it has "));
    fs::write(&file, [&bytes[..], b"more"].concat()).unwrap();
    assert!(refused(&columns, folder.path()).starts_with("index/columns: it has "));
    fs::remove_file(&file).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        assert!(matches!(open(&columns, folder.path()), Err(DiskError::Io { .. })));
        fs::remove_file(&file).unwrap();
    }
    fs::write(&file, &bytes).unwrap();
    fs::write(index.join("extra"), "").unwrap();
    assert!(refused(&columns, folder.path()).starts_with("index/extra: this file is no part of an index"));
    fs::remove_file(index.join("extra")).unwrap();
    assert!(open(&columns, folder.path()).unwrap().is_some());
    for file in [CONTENTS, SEAL, COLUMNS] {
        let bytes = fs::read(index.join(file)).unwrap();
        fs::remove_file(index.join(file)).unwrap();
        assert!(refused(&columns, folder.path()).contains("missing"), "{file}");
        fs::write(index.join(file), bytes).unwrap();
    }
}

/// Flips single bits anywhere: an error, or nothing changes.
#[test]
fn altered_bytes_are_found() {
    let columns = columns(11);
    let folder = store(&columns);
    let index = key(&columns).folder(folder.path());
    let mut names: Vec<_> = fs::read_dir(&index).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let seed = 0x5eed;
    let mut dice = Dice(seed);
    for name in names {
        let bytes = fs::read(index.join(&name)).unwrap();
        let n = if name == COLUMNS { 300 } else { 6 };
        for _ in 0..n {
            let (at, bit) = (dice.roll(bytes.len()), dice.roll(8));
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            fs::write(index.join(&name), &altered).unwrap();
            match open(&columns, folder.path()) {
                Err(error) => assert!(error.is_tampering(), "{error}"),
                Ok(None) => panic!("seed {seed}, {name:?} byte {at} bit {bit}: taken for another index"),
                Ok(Some(opened)) => {
                    let differs = difference(&columns, &opened.columns);
                    assert!(opened.store.trouble().is_some() && differs.is_some(), "seed {seed}, {name:?} byte {at} bit {bit}: not found");
                }
            }
        }
        fs::write(index.join(&name), &bytes).unwrap();
    }
}

/// Parts whose places were exchanged, and one that is cut where the next begins, are not those the digests vouch for.
#[test]
fn parts_in_other_places_are_found() {
    let columns = columns(11);
    let folder = store(&columns);
    let index = key(&columns).folder(folder.path());
    let (contents, bytes) = (fs::read_to_string(index.join(CONTENTS)).unwrap(), fs::read(index.join(COLUMNS)).unwrap());
    let parsed: Contents = serde_json::from_str(&contents).unwrap();
    let sealed = |contents: &Contents| {
        let text = serde_json::to_string_pretty(contents).unwrap() + "\n";
        fs::write(index.join(SEAL), seal(&hex(&Sha256::digest(&text)))).unwrap();
        fs::write(index.join(CONTENTS), text).unwrap();
    };
    for at in (0..parsed.parts.len() - 1).step_by(7) {
        let mut swapped = parsed.clone();
        let (name, next) = (swapped.parts[at].name.clone(), swapped.parts[at + 1].name.clone());
        swapped.parts[at].name = next;
        swapped.parts[at + 1].name = name;
        sealed(&swapped);
        if let Ok(Some(opened)) = open(&columns, folder.path()) {
            assert!(difference(&columns, &opened.columns).is_some(), "part {at}");
        }
        let mut shifted = parsed.clone();
        shifted.parts[at].bytes -= 1;
        shifted.parts[at + 1].bytes += 1;
        sealed(&shifted);
        let found = refused(&columns, folder.path());
        assert!(found.starts_with("index/columns: the part `"), "{found}");
        let mut twice = parsed.clone();
        twice.parts[at].name.clone_from(&parsed.parts[at + 1].name);
        sealed(&twice);
        assert!(refused(&columns, folder.path()).contains("it names a part twice"));
        let mut huge = parsed.clone();
        huge.parts[at].bytes = u64::MAX - 5;
        sealed(&huge);
        assert!(refused(&columns, folder.path()).contains("more bytes than are read"));
    }
    sealed(&parsed);
    assert_eq!(fs::read(index.join(COLUMNS)).unwrap(), bytes);
    assert_eq!(difference(&columns, &open(&columns, folder.path()).unwrap().unwrap().columns), None);
}

/// One thread or several, alone or among others: the same digest and the same values, and a changed byte is seen.
#[test]
fn large_arrays_are_read_by_several_threads() {
    let values: Vec<u32> = (0..5_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761)).collect();
    let frame = Frame { kind: 9, scalars: Vec::new(), sections: vec![Section::U32(values.as_slice().into())] };
    let mut bytes = vec![7_u8; 100];
    let written = frame.write(FORMAT, &mut bytes).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let read = |bytes: &[u8]| Loaded::read(FORMAT, bytes, 100, written.bytes).unwrap();
    for mut loaded in [read(&bytes), pool.install(|| read(&bytes))] {
        assert_eq!(loaded.digest, written.digest);
        assert!(loaded.u32s().unwrap() == values);
    }
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_ne!(read(&bytes).digest, written.digest);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_an_error_and_stays_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    let columns = columns(2);
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let written = write_index(&columns, folder.path(), &key(&columns));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    // The superuser may write everywhere.
    if written.is_err() {
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn the_world_of_a_test_has_no_index() {
    let schema = crate::check::core_schema();
    let mut records = random_world(&schema, 1);
    records.meta.closed_world = true;
    let columns = Arc::clone(Snapshot::freeze(schema, records).columns());
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(write_index(&columns, folder.path(), &key(&columns)), Err(DiskError::ClosedWorld)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Every part of columns as the bytes of its file, with the limits of its codes.
fn files(columns: &Columns) -> Vec<(Part, Vec<u8>, Limits)> {
    let mut own = Vec::new();
    for entity in &columns.schema().entities {
        own.push(columns.own(entity.id));
    }
    let mut entries = BTreeMap::new();
    let mut files = Vec::new();
    for part in columns.all_parts() {
        let Some(data) = columns.part(part) else { continue };
        let mut bytes = Vec::new();
        let written = encode::encode(part, data).write(FORMAT, &mut bytes).unwrap();
        assert_eq!(written.bytes, bytes.len() as u64);
        let name = parts::name(columns.schema(), part).unwrap();
        let entry = PartEntry { name: name.clone(), rows: parts::rows(data), bytes: written.bytes, digest: written.digest };
        entries.insert(name, Placed { at: 0, entry });
        files.push((part, bytes));
    }
    let n_sources = u32::try_from(columns.sources().len()).unwrap();
    let limits = |part| Limits::of(columns.schema(), &entries, part, &own, n_sources);
    files.into_iter().map(|(part, bytes)| (part, bytes, limits(part))).collect()
}

fn decode(part: Part, bytes: &[u8], limits: &Limits) -> Result<PartData, String> {
    let loaded = Loaded::read(FORMAT, bytes, 0, bytes.len() as u64).map_err(|error| error.to_string())?;
    decode::decode(part, loaded, limits)
}

/// Says again, slowly, what a decoded part may hold.
fn assert_sound(data: &PartData, limits: &Limits) {
    let each = |codes: &Codes, len: usize| -> Vec<u32> {
        match codes {
            Codes::Constant(code) => vec![*code],
            Codes::Each(each) => {
                assert_eq!(each.len(), len);
                each.clone()
            }
        }
    };
    let value = |code: u32, limit: u32| assert!(code < limit || code >= UNKNOWN, "{code} of {limit}");
    let offsets = |first: u32, offsets: &[u32]| {
        assert_eq!(offsets[0], 0);
        assert!(offsets.is_sorted());
        assert!(first as usize + offsets.len() - 1 <= limits.entities as usize);
        *offsets.last().unwrap() as usize
    };
    let texts = |texts: &crate::snapshot::columns::Texts| {
        for pair in texts.offsets.windows(2) {
            std::str::from_utf8(&texts.bytes[pair[0] as usize..pair[1] as usize]).unwrap();
        }
    };
    match data {
        PartData::Attribute(column) => {
            assert!(u64::from(column.first) + u64::from(column.len) <= u64::from(limits.entities));
            for code in each(&column.codes, column.len as usize) {
                value(code, limits.values);
            }
        }
        PartData::Sources(column) => {
            let all = each(&column.0, usize::try_from(limits.rows).unwrap());
            assert!(all.iter().all(|code| *code < limits.sources || *code == NO_SOURCE));
        }
        PartData::Reasons(reasons) => assert!(reasons.0.iter().all(|(at, _)| u64::from(*at) < limits.rows)),
        PartData::List(column) => {
            let n = offsets(column.first, &column.offsets);
            match &column.members {
                Members::Consecutive(first) => assert!(*first as usize + n <= limits.values as usize),
                Members::Each(each) => assert!(each.len() == n && each.iter().all(|code| *code < limits.values)),
            }
            if let MemberTimes::Each { from, to } = &column.times {
                each(from, n).into_iter().chain(each(to, n)).for_each(|code| value(code, limits.instants));
            }
            let n_lists = column.offsets.len() - 1;
            assert!(
                n_lists == 0 || each(&column.completeness, n_lists).iter().all(|code| (*code as usize) < column.completeness_kinds.len())
            );
        }
        PartData::History(column) => {
            let n = offsets(column.first, &column.offsets);
            each(&column.from, n).into_iter().chain(each(&column.to, n)).for_each(|code| value(code, limits.instants));
            for code in each(&column.codes, n) {
                value(code, limits.values);
            }
        }
        PartData::Lifetimes(column) => {
            assert!(u64::from(column.first) + u64::from(column.len) <= u64::from(limits.entities));
            let len = column.len as usize;
            each(&column.from, len).into_iter().chain(each(&column.to, len)).for_each(|code| value(code, limits.instants));
        }
        PartData::LifetimeEnds(ends) => {
            assert!(ends.from_max.into_iter().chain(ends.to_min).all(|code| code < limits.instants));
        }
        PartData::Keys(Keys::Guids(_)) => {}
        PartData::Keys(Keys::Prefixed { prefixes, prefix, guid }) => {
            assert_eq!(prefix.len(), guid.len());
            assert!(prefix.iter().all(|at| (*at as usize) < prefixes.offsets.len() - 1));
            texts(prefixes);
        }
        PartData::Keys(Keys::Texts(keys)) => texts(keys),
        PartData::Texts(all) => texts(all),
        PartData::Instants(instants) => {
            assert!(instants.iter().is_sorted_by(|one, next| one < next) && instants.iter().count() == instants.len());
        }
        PartData::Integers(integers) => assert!(integers.is_sorted()),
    }
    let parallel = matches!(data, PartData::Sources(_) | PartData::Reasons(_) | PartData::LifetimeEnds(_));
    assert!(parallel || parts::rows(data) == limits.rows);
}

/// Somebody who makes the digests agree: no bytes may give a code of something that is not there.
#[test]
fn forged_parts_are_errors_or_sound() {
    let (mut n_sound, mut n_refused) = (0, 0);
    for seed in 1..=40 {
        let mut dice = Dice(seed * 0x9e37_79b9 + 1);
        let columns = columns(seed % 5 + 1);
        for (part, bytes, limits) in files(&columns) {
            assert_sound(&decode(part, &bytes, &limits).unwrap(), &limits);
            for _ in 0..4 {
                let mut forged = bytes.clone();
                for _ in 0..=dice.roll(3) {
                    let at = dice.roll(forged.len());
                    // Mostly where it is understood: format, kind, numbers, lengths, and the arrays.
                    forged[at] = if dice.roll(2) == 0 { dice.roll(256) as u8 } else { forged[at] ^ (1 << dice.roll(8)) };
                }
                if dice.roll(6) == 0 {
                    forged.truncate(dice.roll(forged.len()));
                }
                match decode(part, &forged, &limits) {
                    Ok(data) => {
                        assert_sound(&data, &limits);
                        n_sound += 1;
                    }
                    Err(_) => n_refused += 1,
                }
            }
        }
    }
    assert!(n_sound > 100 && n_refused > 100, "{n_sound} sound, {n_refused} refused");
}

/// Random numbers and arrays in a frame that is well made, for each kind of part.
#[test]
fn random_parts_are_errors_or_sound() {
    let columns = columns(4);
    let some = files(&columns);
    let mut n_sound = 0;
    for seed in 1..=3_000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (part, bytes, limits) = &some[dice.roll(some.len())];
        let shape = Loaded::read(FORMAT, bytes.as_slice(), 0, bytes.len() as u64).unwrap();
        let small = |dice: &mut Dice| match dice.roll(8) {
            0 => u32::MAX - dice.roll(3) as u32,
            1 => dice.roll(1 << 20) as u32,
            _ => dice.roll(4) as u32,
        };
        let lengths: Vec<(usize, usize)> =
            shape.shape().into_iter().map(|(width, n)| (width, if dice.roll(3) == 0 { dice.roll(6) } else { n })).collect();
        let words: Vec<Vec<u32>> = lengths.iter().map(|(_, n)| (0..*n).map(|_| small(&mut dice)).collect()).collect();
        let longs: Vec<Vec<u128>> = words.iter().map(|words| words.iter().map(|word| u128::from(*word)).collect()).collect();
        let sections = lengths.iter().zip(words.iter().zip(&longs)).map(|((width, _), (words, longs))| match width {
            16 => Section::U128(longs),
            8 => Section::I64(words.iter().map(|word| i64::from(*word)).collect()),
            4 => Section::U32(words.as_slice().into()),
            _ => Section::U8(words.iter().map(|word| *word as u8).collect()),
        });
        let frame = Frame { kind: parts::kind(*part), scalars: (0..12).map(|_| small(&mut dice)).collect(), sections: sections.collect() };
        let mut forged = Vec::new();
        frame.write(FORMAT, &mut forged).unwrap();
        if let Ok(data) = decode(*part, &forged, limits) {
            assert_sound(&data, limits);
            n_sound += 1;
        }
        let noise: Vec<u8> = (0..dice.roll(400)).map(|_| dice.roll(256) as u8).collect();
        assert!(decode(*part, &noise, limits).is_err());
        assert!(about::unpack(columns.schema(), &noise).is_err());
    }
    assert!(n_sound > 10, "{n_sound} sound");
}

#[test]
fn altered_texts_about_a_snapshot_are_errors_or_read() {
    let columns = columns(6);
    let bytes = about::pack(&columns);
    let mut dice = Dice(77);
    for _ in 0..2_000 {
        let mut forged = bytes.clone();
        let at = dice.roll(forged.len());
        forged[at] = dice.roll(256) as u8;
        forged.truncate(if dice.roll(4) == 0 { dice.roll(forged.len()) } else { forged.len() });
        // Columns of whatever was read do not fall over; ids that are no ranges are trouble.
        if let Ok(frame) = about::unpack(columns.schema(), &forged) {
            let _ = Columns::new(Arc::clone(columns.schema()), frame, None).trouble();
        }
    }
}

#[test]
fn huge_counts_are_refused_before_memory_is_asked_for() {
    let mut bytes = Vec::new();
    let frame = Frame { kind: 10, scalars: Vec::new(), sections: vec![Section::I64(vec![1, 2, 3].into())] };
    frame.write(FORMAT, &mut bytes).unwrap();
    let end = bytes.len() - 24;
    let at = end - 12 * 16 + 8;
    for huge in [u64::MAX, u64::MAX - 255, 1 << 62, 1 << 40, 32, 16, 23] {
        let mut forged = bytes.clone();
        forged[at..at + 8].copy_from_slice(&huge.to_le_bytes());
        let error = Loaded::read(FORMAT, forged.as_slice(), 0, forged.len() as u64).unwrap_err();
        assert_eq!(error.to_string(), "its length is not that of its arrays");
        // A file that says it is as long as that ends before.
        if huge < 1 << 40 {
            let longer = (end as u64) + huge;
            let _ = Loaded::read(FORMAT, forged.as_slice(), 0, longer);
        }
    }
    let error = Loaded::read(FORMAT + 1, bytes.as_slice(), 0, bytes.len() as u64).unwrap_err();
    assert_eq!(error.to_string(), "it is of another format of the index");
}
