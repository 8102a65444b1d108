//! One policy over one world: both are made from a seed, and can be made again.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tenet::check::{ModuleFile, ParamId, Policies, builtin_files, check};
use tenet::evaluate::{Options, Val, parse_parameter};
use tenet::model::Schema;
use tenet::snapshot::Snapshot;
use tenet::syntax::{ast, parse};
use tenet::text::{Diagnostic, FileId, SourceFile};

use super::compare::{Compared, Depth, compare};
use super::engine::Pair;
use super::policy::{Ground, Policy, Signature, policy};
use super::schema::own_schema;
use super::world::{World, world};
use crate::oracle::random::Random;

/// What policies are written over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The schema made for this, another one in each batch.
    Own,
    /// The schema that ships with the program, and its libraries.
    Core,
    /// The rules that ship with the program.
    Builtin,
}

impl Kind {
    /// Mostly the schema made for this; of eight batches one is over each of the others.
    pub(crate) fn of_batch(batch: u64) -> Self {
        match batch % 8 {
            6 => Self::Core,
            7 => Self::Builtin,
            _ => Self::Own,
        }
    }
}

/// Names a case; written `own:12:3:4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CaseId {
    pub(crate) kind: Kind,
    pub(crate) batch: u64,
    pub(crate) policy: usize,
    pub(crate) world: usize,
}

const KINDS: [(Kind, &str); 3] = [(Kind::Own, "own"), (Kind::Core, "core"), (Kind::Builtin, "builtin")];

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS.iter().find(|(kind, _)| *kind == self.kind).unwrap().1;
        write!(f, "{name}:{}:{}:{}", self.batch, self.policy, self.world)
    }
}

impl FromStr for CaseId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` names no case; write own:12:3:4");
        let parts: Vec<&str> = text.split(':').collect();
        let [kind, batch, policy, world] = parts.as_slice() else { return Err(wrong()) };
        let kind = KINDS.iter().find(|(_, name)| name == kind).ok_or_else(wrong)?.0;
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let place = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        Ok(Self { kind, batch: number(batch)?, policy: place(policy)?, world: place(world)? })
    }
}

/// A seed of its own for each thing that is drawn.
fn seed(batch: u64, what: u64, at: usize) -> u64 {
    let mixed = Random::new(batch.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ (what << 56)).next();
    Random::new(mixed ^ at as u64).next()
}

/// Files that are read once, whatever is written over them.
pub(crate) struct Files {
    parsed: Vec<(String, ast::File)>,
    schema: Arc<Schema>,
    imports: String,
    library: Vec<Signature>,
    /// The policies in them, for those that ship.
    policies: Option<Policies>,
}

fn parsed(name: &str, text: &str, at: usize) -> (ast::File, Vec<Diagnostic>) {
    let (file, mut diagnostics) = parse(FileId(u32::try_from(at).unwrap()), &SourceFile::new(name, text));
    diagnostics.retain(Diagnostic::is_error);
    (file, diagnostics)
}

impl Files {
    fn of(texts: &[(String, String)]) -> Self {
        let mut files = Vec::new();
        for (at, (name, text)) in texts.iter().enumerate() {
            let (file, errors) = parsed(name, text, at);
            assert!(errors.is_empty(), "{name}: {errors:?}");
            files.push((name.trim_end_matches(".tenet").replace('/', "."), file));
        }
        let mut this = Self { parsed: files, schema: Arc::default(), imports: String::new(), library: Vec::new(), policies: None };
        let (policies, errors) = this.checked(None);
        assert!(errors.is_empty(), "{errors:?}");
        this.schema = Arc::clone(&policies.schema);
        for def in policies.defs.iter().filter(|def| def.module.starts_with("lib.")) {
            let alias = def.module.rsplit('.').next().unwrap();
            let import = format!("import \"{}\" as {alias}\n", def.module.replace('.', "/"));
            if !this.imports.contains(&import) {
                this.imports.push_str(&import);
            }
            let formals = def.formals.iter().map(|(_, ty)| *ty).collect();
            this.library.push(Signature { name: format!("{alias}.{}", def.name), formals, result: def.result });
        }
        this.policies = Some(policies);
        this
    }

    fn checked(&self, own: Option<&ast::File>) -> (Policies, Vec<Diagnostic>) {
        let mut modules: Vec<ModuleFile<'_>> =
            self.parsed.iter().map(|(name, file)| ModuleFile { fallback_name: name.clone(), builtin: true, file }).collect();
        modules.extend(own.map(|file| ModuleFile { fallback_name: "generated".to_owned(), builtin: false, file }));
        let (policies, mut errors) = check(&modules);
        errors.retain(Diagnostic::is_error);
        (policies, errors)
    }

    /// Reads the schema of a batch, or the files that ship.
    pub(crate) fn open(kind: Kind, batch: u64) -> Self {
        let shipped = |rooms: &[&str]| -> Vec<(String, String)> {
            let files = builtin_files().iter().filter(|file| rooms.is_empty() || rooms.iter().any(|room| file.path.starts_with(room)));
            files.map(|file| (file.path.to_owned(), file.text.to_owned())).collect()
        };
        match kind {
            Kind::Own => Self::of(&[("agree/schema.tenet".to_owned(), own_text(batch))]),
            Kind::Core => Self::of(&shipped(&["tenant/", "lib/"])),
            Kind::Builtin => Self::of(&shipped(&[])),
        }
    }

    pub(crate) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Compiles a policy text over them.
    pub(crate) fn compile(&self, text: &str) -> Result<Policies, Vec<Diagnostic>> {
        let (file, mut errors) = parsed("generated.tenet", text, self.parsed.len());
        if errors.is_empty() {
            let (policies, found) = self.checked(Some(&file));
            if found.is_empty() {
                return Ok(policies);
            }
            errors = found;
        }
        Err(errors)
    }

    /// The policies that ship.
    pub(crate) fn shipped(&self) -> &Policies {
        self.policies.as_ref().unwrap()
    }
}

/// The text of the schema of a batch.
pub(crate) fn own_text(batch: u64) -> String {
    own_schema(&mut Random::new(seed(batch, 0, 0)))
}

pub(crate) fn policy_of(id: CaseId, files: &Files) -> Policy {
    let ground = Ground { schema: &files.schema, imports: &files.imports, library: &files.library };
    let seed = seed(id.batch, 1, id.policy);
    policy(seed, ground, if id.kind == Kind::Own { 4 } else { 3 })
}

pub(crate) fn world_of(id: CaseId, files: &Files) -> World {
    let mut random = Random::new(seed(id.batch, 2, id.world));
    let size = match id.kind {
        Kind::Own => *random.pick(&[2, 3, 5, 12]),
        _ => *random.pick(&[1, 2, 3, 6]),
    };
    world(&mut random, &files.schema, size)
}

/// What a scan is asked, by name.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) packs: Option<Vec<String>>,
    params: Vec<(String, String)>,
    /// An entity of the world, by place.
    subject: Option<usize>,
    pub(crate) waivers: bool,
}

impl Asked {
    /// A parameter may be gone while a case is made smaller.
    pub(crate) fn params(&self, policies: &Policies) -> BTreeMap<ParamId, Val> {
        self.params.iter().filter_map(|(name, text)| parse_parameter(policies, name, text).ok()).collect()
    }
}

pub(crate) fn asked(id: CaseId, policies: &Policies, world: &World) -> Asked {
    let mut random = Random::new(seed(id.batch, 3, id.policy * 1_000 + id.world));
    let packs = if policies.packs.is_empty() || random.chance(65) {
        None
    } else {
        Some(policies.packs.iter().map(|pack| pack.name.clone()).filter(|_| random.chance(70)).collect())
    };
    let mut params = Vec::new();
    for param in policies.params.iter().filter(|param| !param.is_const && param.module == "generated") {
        if random.chance(if param.value.is_some() { 15 } else { 85 }) {
            let text = super::pools::parameter_text(&mut random, &policies.schema, param.ty.member());
            params.push((param.name.clone(), text));
        }
    }
    let subject = if random.chance(6) && !world.entities.is_empty() { Some(random.below(world.entities.len())) } else { None };
    Asked { packs, params, subject, waivers: random.chance(90) }
}

/// Compares two engines as asked.
pub(crate) fn judge(policies: &Policies, snapshot: &Snapshot, world: &World, asked: &Asked, pair: Pair<'_>, depth: Depth) -> Compared {
    let params = asked.params(policies);
    let subject = asked.subject.and_then(|at| world.entities.get(at)?.as_ref()).and_then(|(ty, key)| snapshot.find(*ty, key));
    let options =
        Options { now: world.now, params: &params, packs: asked.packs.as_deref(), select: &|_| true, subject, waivers: asked.waivers };
    compare(policies, snapshot, &options, pair, depth)
}
