//! `tenet schema`: JSON Schemas of our files.

use super::args::{Schema, SchemaFile};
use super::{Exit, output};

const GRAPH: &str = include_str!("../../docs/schemas/graph.schema.json");
const RESULT: &str = include_str!("../../docs/schemas/result.schema.json");
const MANIFEST: &str = include_str!("../../docs/schemas/manifest.schema.json");

const JOURNAL: &str = include_str!("../../docs/schemas/journal.schema.json");
const PLAN: &str = include_str!("../../docs/schemas/plan.schema.json");

pub(super) fn run(args: &Schema) -> anyhow::Result<Exit> {
    output::print(match args.file {
        SchemaFile::Graph => GRAPH,
        SchemaFile::Result => RESULT,
        SchemaFile::Manifest => MANIFEST,
        SchemaFile::Plan => PLAN,
        SchemaFile::Journal => JOURNAL,
    })?;
    Ok(Exit::Ok)
}
