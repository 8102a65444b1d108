//! Any bytes as a file of answers: the first byte chooses the importer.
#![no_main]

use std::fs;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tenet::check::core_schema;
use tenet::model::Schema;
use tenet::snapshot::{Snapshot, SnapshotBuilder};
use tenet::sources::import::{ImportOptions, import_arm, import_az, import_azurehound};

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(core_schema);

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("answers.json");
    fs::write(&path, bytes).expect("written");
    let mut builder = SnapshotBuilder::new(Arc::clone(&SCHEMA));
    let options = ImportOptions::default();
    let _ = match choice % 3 {
        0 => import_arm(&mut builder, &[path], &options),
        1 => import_az(&mut builder, &[path], &options),
        _ => import_azurehound(&mut builder, &[path], &options),
    };
    let _ = Snapshot::freeze(Arc::clone(&SCHEMA), builder.records());
});
