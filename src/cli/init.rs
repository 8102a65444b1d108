//! `tenet init`: a governance repo to begin with.

use std::path::Path;

use anyhow::Context as _;

use super::args::{Global, Init};
use super::exit::Failure;
use super::{Exit, output};

const FILES: &[(&str, &str)] = &[
    ("tenet.toml", include_str!("../../fixtures/init/tenet.toml")),
    ("policies/house.tenet", include_str!("../../fixtures/init/policies/house.tenet")),
    ("policies/house.test.tenet", include_str!("../../fixtures/init/policies/house.test.tenet")),
    ("waivers.tenet", include_str!("../../fixtures/init/waivers.tenet")),
    ("registers/designations.yaml", include_str!("../../fixtures/init/registers/designations.yaml")),
    ("registers/partners.yaml", include_str!("../../fixtures/init/registers/partners.yaml")),
    ("allowed_signers", include_str!("../../fixtures/init/allowed_signers")),
    (".gitignore", include_str!("../../fixtures/init/gitignore")),
    (".pre-commit-config.yaml", include_str!("../../fixtures/init/pre-commit-config.yaml")),
    (".github/workflows/tenet.yml", include_str!("../../fixtures/init/github-workflow.yml")),
    ("azure-pipelines.yml", include_str!("../../fixtures/init/azure-pipelines.yml")),
];

pub(super) fn run(global: &Global, args: &Init) -> anyhow::Result<Exit> {
    let root = global.directory.as_deref().unwrap_or_else(|| Path::new(".")).join(&args.directory);
    let taken: Vec<&str> = FILES.iter().map(|(name, _)| *name).filter(|name| root.join(name).exists()).collect();
    if !taken.is_empty() {
        return Err(Failure::usage(format!("{}: {} exists already; nothing was written", root.display(), taken.join(", "))).into());
    }
    for (name, text) in FILES {
        write(&root.join(name), text)?;
    }
    std::fs::create_dir_all(root.join("snapshots")).with_context(|| format!("cannot make {}", root.join("snapshots").display()))?;
    // `./` in front says nothing to a reader.
    let place = root.strip_prefix(".").ok().filter(|place| !place.as_os_str().is_empty()).unwrap_or(&root);
    let go = if args.directory.as_path() == Path::new(".") { String::new() } else { format!("  cd {}\n", place.display()) };
    output::print(&format!(
        "made a governance repo in {}\nnext: fill in tenant and registers there, then\n{go}  tenet check\n  tenet test\n  tenet import arm ANSWERS -o snapshots/first.snapshot\n  tenet scan\n",
        place.display()
    ))?;
    Ok(Exit::Ok)
}

/// Writes a file and the folders above it.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    output::write_file(path, text)
}
