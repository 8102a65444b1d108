//! Results and diagnostics for people and machines, one format a file.
//!
//! In: a scan with its policies and snapshot, or diagnostics with their sources. Out: text. Invariants: canonical order;
//! everything that comes from a tenant is escaped for the format it is written to; a summary shows every count.

mod ahead;
mod catalogue;
mod comparison;
mod diagnostics;
mod diff;
mod document;
mod escape;
mod explanation;
mod formats;
pub mod graph;
mod html;
mod ledger;
mod plan;
mod previous;
mod pseudonyms;
mod result;
mod saved;
mod stream;
mod table;
mod words;

pub use catalogue::{ParameterLine, ReadLine, RulePage, catalogue_html, catalogue_markdown, rule_page};
pub use comparison::{json_comparison, markdown_comparison, render_comparison};
pub use diagnostics::{DiagnosticFormat, render_diagnostics};
pub use diff::{Cause, Change, Class, Comparison, Swap, Why, compare};
pub use document::{
    Asked, AttestedBy, Captured, Counts, EvidenceItem, ExplanationLine, FindingResult, FixResult, Missing, PastFinding, RESULT_FORMAT,
    ResultDocument, RuleResult, RuleSource, RunIdentity, Standing, Subject, Summary, Unread, WaiverOutcome, WaiverResult,
};
pub use escape::{plain, plain_json, plain_lines, shorten};
pub use explanation::{explain_rule, explain_verdict};
pub use formats::{Format, Rendering, write_report};
pub use html::Surroundings;
pub use ledger::{Fresh, Ledger, Line, Stand};
pub use plan::{render_advice, render_plan};
pub use previous::{PreviousError, PreviousFinding, PreviousResult, PreviousRun, PreviousSubject, read_previous};
pub use pseudonyms::{KEY_BYTES_MIN, Pseudonymised, Pseudonyms};
pub use result::{Report, missing, result_document, subject};
pub use saved::{Each, ResultError, ResultSource, SavedResult};
pub use stream::write_result;
pub use table::{TableStyle, missing_line, remedy_of, render_table};
