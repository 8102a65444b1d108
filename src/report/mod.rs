//! Results and diagnostics for people and machines, one format a file.
//!
//! In: a scan with its policies and snapshot, or diagnostics with their sources. Out: text. Invariants: canonical order;
//! everything that comes from a tenant is escaped for the format it is written to; a summary shows every count.

mod diagnostics;
mod document;
mod escape;
mod explanation;
mod formats;
pub mod graph;
mod html;
mod plan;
mod previous;
mod result;
mod saved;
mod stream;
mod table;
mod words;

pub use diagnostics::{DiagnosticFormat, render_diagnostics};
pub use document::{
    AttestedBy, Captured, Counts, EvidenceItem, ExplanationLine, FindingResult, FixResult, Missing, RESULT_FORMAT, ResultDocument,
    RuleResult, RuleSource, RunIdentity, Subject, Summary, Unread, WaiverOutcome, WaiverResult,
};
pub use escape::{plain, plain_json, plain_lines, shorten};
pub use explanation::{explain_rule, explain_verdict};
pub use formats::{Format, Rendering, write_report};
pub use html::{Since, Surroundings};
pub use plan::render_plan;
pub use previous::{PreviousError, PreviousFinding, PreviousResult, PreviousRun, PreviousSubject, read_previous};
pub use result::{Report, missing, result_document, subject};
pub use saved::{Each, ResultError, ResultSource, SavedResult};
pub use stream::write_result;
pub use table::{TableStyle, missing_line, remedy_of, render_table};
