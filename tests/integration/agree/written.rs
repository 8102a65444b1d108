//! A result that is written while it is made, and one that is made from the list of all findings.

use tenet::check::Policies;
use tenet::evaluate::engine::judge;
use tenet::evaluate::{Detail, Options, Verdicts as _, scan};
use tenet::report::{Report, RunIdentity, plain_json, result_document, write_result};
use tenet::snapshot::Snapshot;

/// Returns the first difference of counts or bytes.
pub(super) fn written_apart(policies: &Policies, snapshot: &Snapshot, options: &Options<'_>) -> Option<String> {
    let listed = scan(policies, snapshot, options).unwrap();
    let judged = judge(policies, snapshot, options).unwrap();
    if let Some(run) = (0..listed.runs.len()).find(|run| listed.tally(*run) != judged.tally(*run)) {
        return Some(format!("run {run}: {:?} and {:?}", listed.tally(run), judged.tally(run)));
    }
    let mut written = Vec::new();
    let report = Report::new(policies, snapshot, &judged, RunIdentity::default(), Detail::Brief);
    write_result(&report, &mut written).unwrap();
    let written = String::from_utf8(written).unwrap();
    let whole = result_document(policies, snapshot, &listed, RunIdentity::default(), Detail::Brief);
    let whole = format!("{}\n", plain_json(&serde_json::to_string_pretty(&whole).unwrap()));
    let differ = written.lines().zip(whole.lines()).find(|(one, other)| one != other);
    differ.map(|(one, other)| format!("{one} and {other}")).or_else(|| (written != whole).then(|| "one is longer".to_owned()))
}
