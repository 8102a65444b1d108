//! Any bytes as a file of a snapshot: the first byte chooses a manifest, a table vouched for by a manifest, or JSON Lines.
#![no_main]

use std::fs;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};
use tenet::check::core_schema;
use tenet::model::Schema;
use tenet::snapshot::{Records, Snapshot, SnapshotBuilder};
use tenet::sources::disk::{Manifest, import_jsonl, read_snapshot, write_snapshot};

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(core_schema);

fn one_user() -> Records {
    let mut builder = SnapshotBuilder::new(Arc::clone(&SCHEMA));
    builder.entity_named("User", "00000000-0000-0000-0000-000000000001").expect("a type");
    builder.records()
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    match choice % 4 {
        0 => {
            let _ = Manifest::parse(bytes);
        }
        1 => {
            let path = folder.path().join("a.snapshot");
            write_snapshot(&SCHEMA, &Records::default(), &path, false).expect("an empty snapshot");
            fs::write(path.join("manifest.json"), bytes).expect("written");
            let _ = read_snapshot(&SCHEMA, &path);
        }
        2 => {
            // The digest in the manifest is made to fit, so that the bytes of the table are looked at.
            let path = folder.path().join("a.snapshot");
            let mut manifest = write_snapshot(&SCHEMA, &one_user(), &path, false).expect("a snapshot");
            let Some(entry) = manifest.files.iter_mut().find(|file| file.name == "User.parquet") else { return };
            fs::write(path.join(&entry.name), bytes).expect("written");
            entry.sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            fs::write(path.join("manifest.json"), manifest.to_json().expect("a manifest")).expect("written");
            if let Ok((builder, _)) = read_snapshot(&SCHEMA, &path) {
                let _ = Snapshot::freeze(Arc::clone(&SCHEMA), builder.records());
            }
        }
        _ => {
            let table = folder.path().join("User.jsonl");
            fs::write(&table, bytes).expect("written");
            if let Ok(builder) = import_jsonl(&SCHEMA, &[table]) {
                let _ = Snapshot::freeze(Arc::clone(&SCHEMA), builder.records());
            }
        }
    }
});
