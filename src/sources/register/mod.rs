//! Registers: attested facts of the governance repo that no API gives.
//!
//! In: a YAML or CSV file and its declaration in `tenet.toml`. Out: facts in a
//! [`SnapshotBuilder`], each with who vouches for it, or every error of the file at its place.
//!
//! Invariants: a register with an error brings no fact at all; a blank cell is unknown and `none` is known absence; a list is
//! open unless the register claims that it is complete.
//!
//! - `yaml`, `csv`: text to rows with places
//! - `declare`: the forms, and rows checked against the schema
//! - `attest`: who vouches, the evidence, claims of completeness
//! - `pal`: the attestation file that the holder of a Partner Admin Link makes
//! - `insights`: exports of Partner Center
//! - `fill`: checked rows to facts

mod attest;
mod csv;
mod declare;
mod fill;
mod insights;
mod pal;
pub(in crate::sources) mod yaml;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use attest::{evidence_digest, evidence_is_unchanged};

use crate::snapshot::SnapshotBuilder;
use crate::text::{Diagnostic, FileId, Severity, SourceFile, SourceSet, Span, Spanned, sort_diagnostics};

/// The largest register that is read.
pub const REGISTER_BYTES_MAX: usize = 16 << 20;
/// The most rows of a register.
pub const REGISTER_ROWS_MAX: usize = 100_000;
/// The most diagnostics shown of one register.
const DIAGNOSTICS_MAX: usize = 200;

/// A register as `tenet.toml` declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterDeclaration {
    /// The file, relative to the governance repo.
    pub file: String,
    /// What its rows are.
    pub form: RegisterForm,
    /// Its name in sources of facts; the form's name unless it is given.
    pub name: String,
    /// Who vouches for rows that do not say.
    pub attested_by: Option<String>,
    /// When, for rows that do not say.
    pub attested_on: Option<String>,
    /// Until when rows that do not say may be relied on.
    pub review_due: Option<String>,
    /// What the register is complete for; a YAML register may say so itself.
    pub complete: Option<CompletenessClaim>,
    /// Whether the file may be absent.
    pub optional: bool,
    /// Where it is declared.
    pub span: Span,
}

impl RegisterDeclaration {
    /// Declares a register named as its form.
    #[must_use]
    pub fn new(file: impl Into<String>, form: RegisterForm) -> Self {
        Self {
            file: file.into(),
            name: form.name().to_owned(),
            form,
            attested_by: None,
            attested_on: None,
            review_due: None,
            complete: None,
            optional: false,
            span: Span::default(),
        }
    }
}

/// What the rows of a register are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterForm {
    /// Partners named on subscriptions.
    Designations,
    /// Partner Admin Links, by hand or as attestation files.
    PartnerLinks,
    /// Partner accounts.
    Partners,
    /// Reviews of access, and users somebody confirmed.
    Reviews,
    /// What no API says of principals.
    Principals,
    /// What no API says of subscriptions.
    Subscriptions,
    /// Entities of a type, columns named as its properties.
    Entity(String),
}

impl RegisterForm {
    /// The names of the forms.
    pub const NAMES: [&'static str; 6] = ["designations", "partner_links", "partners", "reviews", "principals", "subscriptions"];

    /// Returns the form of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "designations" => Self::Designations,
            "partner_links" => Self::PartnerLinks,
            "partners" => Self::Partners,
            "reviews" => Self::Reviews,
            "principals" => Self::Principals,
            "subscriptions" => Self::Subscriptions,
            _ => return None,
        })
    }

    /// Returns its name; for entities of a governance repo that of the type.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Designations => "designations",
            Self::PartnerLinks => "partner_links",
            Self::Partners => "partners",
            Self::Reviews => "reviews",
            Self::Principals => "principals",
            Self::Subscriptions => "subscriptions",
            Self::Entity(name) => name,
        }
    }

    /// Returns the entity type its rows fill.
    #[must_use]
    pub fn entity(&self) -> &str {
        match self {
            Self::Designations => "Designation",
            Self::PartnerLinks => "PartnerLink",
            Self::Partners => "Partner",
            Self::Reviews => "AccessReview",
            Self::Principals => "Principal",
            Self::Subscriptions => "Subscription",
            Self::Entity(name) => name,
        }
    }
}

/// A claim that nothing is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompletenessClaim {
    /// For which subjects.
    pub subjects: Subjects,
    /// Since when; without it nothing is claimed of earlier times.
    pub from: Option<String>,
    /// The last day; without it the claim holds until it is taken back.
    pub to: Option<String>,
    /// Who says so.
    pub attested_by: Option<String>,
    /// When.
    pub attested_on: Option<String>,
    /// The reference whose other side is complete, where the entity has several.
    pub list: Option<String>,
    /// Where it is claimed.
    pub span: Span,
}

/// For whom a register is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Subjects {
    /// For all there are: then it lists every entity of its type.
    #[default]
    All,
    /// For these ids.
    Listed(Vec<Spanned<String>>),
}

/// A row with its cells as written.
#[derive(Debug, Clone)]
struct Row {
    span: Span,
    cells: Vec<Cell>,
}

#[derive(Debug, Clone)]
struct Cell {
    name: String,
    name_span: Span,
    value: CellValue,
    span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum CellValue {
    /// Nothing is written: unknown.
    Blank,
    /// The word `none`: known absence.
    None,
    Text(String),
    List(Vec<Spanned<String>>),
}

impl CellValue {
    fn of_text(text: &str) -> Self {
        match text.trim() {
            "" => Self::Blank,
            "none" => Self::None,
            text => Self::Text(text.to_owned()),
        }
    }
}

/// A file as rows, before the schema is looked at.
#[derive(Debug, Default)]
struct RegisterText {
    rows: Vec<Row>,
    claims: Vec<CompletenessClaim>,
    defaults: Vec<Cell>,
}

/// Reads a register and, if nothing is wrong with it, adds its facts to the builder.
///
/// The file is added to `sources` under `file_name`. Warnings do not keep facts out; one error keeps out all of them. Evidence
/// files are not looked at: see [`load_register_file`].
pub fn load_register(
    builder: &mut SnapshotBuilder,
    declaration: &RegisterDeclaration,
    file_name: &str,
    text: &str,
    sources: &mut SourceSet,
) -> Vec<Diagnostic> {
    load(builder, declaration, file_name, text, sources, &|_| Vec::new())
}

/// Reads a register of the governance repo at `root`, and compares its evidence files with the digests the rows state.
///
/// A digest that differs is an error, a file that is absent a warning.
pub fn load_register_file(
    builder: &mut SnapshotBuilder,
    declaration: &RegisterDeclaration,
    root: &Path,
    sources: &mut SourceSet,
) -> Vec<Diagnostic> {
    let path = root.join(&declaration.file);
    if let Some(why) = super::config::leaves_folder(&declaration.file) {
        let message = format!("the register `{}` {why}", declaration.file);
        return vec![Diagnostic::error("R0002", declaration.span, message)];
    }
    if declaration.optional && !path.exists() {
        return Vec::new();
    }
    match read_text(&path) {
        Ok(text) => {
            let check = |evidence: &[attest::Evidence]| attest::check_evidence(root, evidence);
            load(builder, declaration, &declaration.file, &text, sources, &check)
        }
        Err(message) => vec![Diagnostic::error("R0002", declaration.span, format!("the register `{}` {message}", declaration.file))],
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut bytes = Vec::new();
    file.take(REGISTER_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        format!("is not UTF-8: see line {line}; save it with that encoding")
    })
}

type EvidenceCheck<'a> = &'a dyn Fn(&[attest::Evidence]) -> Vec<Diagnostic>;

fn load(
    builder: &mut SnapshotBuilder,
    declaration: &RegisterDeclaration,
    file_name: &str,
    text: &str,
    sources: &mut SourceSet,
    check_evidence: EvidenceCheck<'_>,
) -> Vec<Diagnostic> {
    if text.len() > REGISTER_BYTES_MAX {
        let file = sources.add(SourceFile::new(file_name, ""));
        let message = format!("the register has {} bytes; at most {REGISTER_BYTES_MAX} are read", text.len());
        return vec![Diagnostic::error("R0002", Span::new(file, 0, 0), message)];
    }
    let file = sources.add(SourceFile::new(file_name, text));
    let mut diagnostics = Vec::new();
    let checked = parse(declaration, file_name, file, text, &mut diagnostics)
        .map(|parsed| declare::check(builder, declaration, sources, file, &parsed, &mut diagnostics));
    if let Some(checked) = checked {
        diagnostics.extend(check_evidence(&checked.evidence));
        if !diagnostics.iter().any(Diagnostic::is_error) {
            diagnostics.extend(fill::fill(builder, &checked));
        }
    }
    sort_diagnostics(&mut diagnostics);
    shorten(&mut diagnostics, file);
    diagnostics
}

/// Reads the text as what its name says it is.
fn parse(
    declaration: &RegisterDeclaration,
    file_name: &str,
    file: FileId,
    text: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<RegisterText> {
    let name = file_name.to_lowercase();
    let parsed = if [".csv", ".tsv", ".txt"].iter().any(|end| name.ends_with(end)) {
        match csv::parse(text, file, diagnostics) {
            parsed if declaration.form.entity() == "PartnerAttribution" && insights::is_insights(&parsed) => {
                insights::rows(&parsed, diagnostics)
            }
            parsed => parsed,
        }
    } else {
        let node = yaml::parse(text, file, "register").map_err(|error| diagnostics.push(error)).ok()?;
        match declaration.form {
            RegisterForm::PartnerLinks if pal::is_pal(&node) => pal::rows(&node, diagnostics),
            _ => yaml::rows(&node, declaration.form.name(), diagnostics),
        }
    };
    if parsed.rows.len() > REGISTER_ROWS_MAX {
        let message = format!("the register has {} rows; at most {REGISTER_ROWS_MAX} are read", parsed.rows.len());
        diagnostics.push(Diagnostic::error("R0002", Span::new(file, 0, 0), message));
        return None;
    }
    Some(parsed)
}

fn shorten(diagnostics: &mut Vec<Diagnostic>, file: FileId) {
    if diagnostics.len() > DIAGNOSTICS_MAX {
        let n_errors = |list: &[Diagnostic]| list.iter().filter(|one| one.severity == Severity::Error).count();
        let (n, total) = (n_errors(diagnostics), diagnostics.len());
        // Errors go first, so that what is left never looks sound.
        diagnostics.sort_by_key(|one| one.severity);
        diagnostics.truncate(DIAGNOSTICS_MAX);
        let message = format!("the register has {n} errors and {} warnings; the first {DIAGNOSTICS_MAX} are shown", total - n);
        let summary = Diagnostic::warning("R0002", Span::new(file, 0, 0), message);
        diagnostics.push(summary);
    }
}

#[cfg(test)]
mod tests;
