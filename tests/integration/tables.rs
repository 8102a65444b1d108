//! Tables of other tools: straight to columns and row by row give the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tenet::model::Schema;
use tenet::snapshot::Snapshot;
use tenet::snapshot::columns::Columns;
use tenet::sources::tables::{Imported, TablesError, TablesOptions, import_tables};

fn schema() -> Arc<Schema> {
    Arc::new((*tenet::compile(tenet::BuiltinModules::All, &[]).policies.schema).clone())
}

fn import(folder: &Path, mapping: &Path, row_by_row: bool) -> Result<Imported, TablesError> {
    let paths: Vec<PathBuf> = vec![folder.to_owned()];
    let options = TablesOptions { row_by_row, ..TablesOptions::default() };
    import_tables(&schema(), &paths, mapping, &options, &mut |_| {})
}

fn plain(folder: &Path, mapping: &Path) -> Snapshot {
    match import(folder, mapping, true).unwrap() {
        Imported::Facts { builder, .. } => Snapshot::freeze(Arc::clone(builder.schema()), builder.records()),
        Imported::Columns(..) => panic!("asked for row by row"),
    }
}

fn fast(folder: &Path, mapping: &Path) -> Columns {
    match import(folder, mapping, false).unwrap() {
        Imported::Columns(columns, _) => *columns,
        Imported::Facts { reason, .. } => panic!("{reason}"),
    }
}

#[track_caller]
fn same(one: &Columns, other: &Columns) {
    assert_eq!(one.trouble(), None);
    let (a, b) = (one.frame(), other.frame());
    assert_eq!((&a.meta, &a.sources, &a.own), (&b.meta, &b.sources, &b.own));
    assert_eq!((&a.extents, &a.claims, &a.unspoken), (&b.extents, &b.claims, &b.unspoken));
    let name = |property: tenet::model::PropertyId| one.schema().property(property).map(|property| property.name.clone());
    let parts: Vec<_> = one.parts_present().collect();
    let others: Vec<_> = other.parts_present().collect();
    let names = |parts: &[(tenet::snapshot::columns::Part, Arc<tenet::snapshot::columns::PartData>)]| {
        parts.iter().map(|(part, _)| *part).collect::<Vec<_>>()
    };
    for (part, data) in &parts {
        let known = others.iter().find(|(known, _)| known == part);
        let Some((_, known)) = known else { panic!("{part:?} is not there: {data:?}") };
        if data != known {
            let named = match part {
                tenet::snapshot::columns::Part::List(id) | tenet::snapshot::columns::Part::Attribute(id) => name(*id),
                _ => None,
            };
            let (a, b) = (format!("{data:?}"), format!("{known:?}"));
            panic!("{part:?} {named:?} differs:\n{:.3000}\n{:.3000}", a, b);
        }
    }
    assert_eq!(names(&parts), names(&others));
}

/// Compares the two ways over a folder that is named in the environment: for tables too large for a fixture.
#[test]
fn a_folder_of_ones_own() {
    let Ok(folder) = std::env::var("TENET_TABLES") else { return };
    let mapping = std::env::var("TENET_TABLES_MAPPING").unwrap();
    let (folder, mapping) = (PathBuf::from(folder), PathBuf::from(mapping));
    same(plain(&folder, &mapping).columns(), &fast(&folder, &mapping));
}

#[test]
fn fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tables");
    let mapping = folder.join("mapping.yaml");
    if !fs::exists(&mapping).unwrap() {
        return;
    }
    same(plain(&folder, &mapping).columns(), &fast(&folder, &mapping));
}
