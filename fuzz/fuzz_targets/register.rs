//! Any text as a register: the first byte chooses the form, and whether it is YAML or CSV.
#![no_main]

use std::sync::Arc;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tenet::check::core_schema;
use tenet::model::Schema;
use tenet::snapshot::{Snapshot, SnapshotBuilder};
use tenet::sources::register::{RegisterDeclaration, RegisterForm, load_register};
use tenet::text::SourceSet;

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(core_schema);

fuzz_target!(|input: (u8, &str)| {
    let (choice, text) = input;
    let forms = ["designations", "partner_links", "partners", "principals", "reviews", "subscriptions"];
    let form = forms.get(usize::from(choice >> 1) % 7).and_then(|name| RegisterForm::from_name(name));
    let form = form.unwrap_or_else(|| RegisterForm::Entity("User".to_owned()));
    let name = if choice & 1 == 0 { "r.yaml" } else { "r.csv" };
    let mut builder = SnapshotBuilder::new(Arc::clone(&SCHEMA));
    let mut sources = SourceSet::default();
    let _ = load_register(&mut builder, &RegisterDeclaration::new(name, form), name, text, &mut sources);
    let _ = Snapshot::freeze(Arc::clone(&SCHEMA), builder.records());
});
