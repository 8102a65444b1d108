//! `tenet graph`: the tenant or the neighbourhood of a subject as a picture, with what the findings say.

use super::Exit;
use super::args::{Global, Graph, GraphFormat};
use super::exit::Failure;
use super::scan::find_subject;
use super::{output, repo};
use crate::check::Rule;
use crate::evaluate::Options;
use crate::evaluate::engine::judge;
use crate::report::graph::{Limits, Marked, Seed, draw, write_dot, write_json, write_mermaid, write_svg};

pub(super) fn run(global: &Global, args: &Graph) -> anyhow::Result<Exit> {
    let repo = repo::open(global)?;
    let compiled = repo.compile(global, &repo.policy_files_and(&args.selection.policies)?)?;
    let params = repo.parameters(&compiled, &args.selection)?;
    let packs = repo.packs(&compiled, &args.selection)?;
    let loaded = repo.snapshot(global, &compiled, &args.selection)?;
    let now = loaded.now(global)?;
    let subject = args.subject.as_ref().map(|text| find_subject(&loaded.snapshot, text)).transpose();
    loaded.check()?;
    let seed = subject?.map_or(Seed::Tenant, Seed::Subject);
    let every = |_: &Rule| true;
    let options = Options { now, params: &params, packs: packs.as_deref(), select: &every, subject: None, waivers: true };
    let work = output::Work::begin(global, "evaluating");
    let judged = judge(&compiled.policies, &loaded.snapshot, &options);
    loaded.check()?;
    let judged = judged.map_err(|error| Failure::usage(error.to_string()))?;
    let limits = Limits { nodes: args.nodes as usize, ..Limits::WHOLE };
    let picture = draw(&loaded.snapshot, now, &Marked::of(&judged), seed, limits);
    loaded.check()?;
    let text = match args.format {
        GraphFormat::Svg => write_svg(&picture),
        GraphFormat::Dot => write_dot(&picture),
        GraphFormat::Mermaid => write_mermaid(&picture),
        GraphFormat::Json => write_json(&picture)?,
    };
    drop(work);
    match &args.output {
        None => output::print(&text)?,
        Some(path) => {
            output::write_file(path, &text)?;
            output::say(global, &format!("wrote {}: {} nodes, {} edges", path.display(), picture.nodes.len(), picture.edges.len()));
        }
    }
    Ok(Exit::Ok)
}
