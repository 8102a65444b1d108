//! The modules that ship with the program.

use std::sync::Arc;

use super::schema::build_schema;
use crate::model::Schema;
use crate::syntax::parse;
use crate::text::{FileId, SourceFile};

/// A file that ships with the program.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// Its path below `policies/`.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! builtin {
    ($($path:literal),* $(,)?) => {
        &[$(Builtin { path: $path, text: include_str!(concat!("../../policies/", $path)) }),*]
    };
}

const FILES: &[Builtin] = builtin![
    "tenant/core.tenet",
    "tenant/roles.tenet",
    "lib/access.tenet",
    "lib/dpor.tenet",
    "lib/partner_link.tenet",
    "actions/access.tenet",
    "actions/delegations.tenet",
    "actions/groups.tenet",
    "actions/guests.tenet",
    "actions/partner.tenet",
    "actions/people.tenet",
    "actions/roles.tenet",
    "access/partner.tenet",
    "attestations/contradictions.tenet",
    "delegations/delegations.tenet",
    "dpor/azure.tenet",
    "dpor/claims.tenet",
    "dpor/customer.tenet",
    "dpor/licences.tenet",
    "dpor/register.tenet",
    "dpor/time.tenet",
    "guests/guests.tenet",
    "owners/count.tenet",
    "owners/people.tenet",
    "pal/identity.tenet",
    "pal/partner.tenet",
    "reviews/reviews.tenet",
    "roles/azure.tenet",
    "roles/directory.tenet",
    "settings/tenant.tenet",
    "packs.tenet",
];

/// Returns all files that ship with the program: the schema first, then libraries, actions and rules.
#[must_use]
pub fn builtin_files() -> &'static [Builtin] {
    FILES
}

/// Returns the schema of `tenant/core` alone.
#[must_use]
pub fn core_schema() -> Arc<Schema> {
    let core = FILES.iter().find(|file| file.path == "tenant/core.tenet");
    let text = core.map_or("", |file| file.text);
    let (file, _) = parse(FileId(0), &SourceFile::new("tenant/core.tenet", text));
    let (schema, _) = build_schema(&[("tenant.core", &file)]);
    Arc::new(schema)
}
