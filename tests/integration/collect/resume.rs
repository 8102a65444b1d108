//! Killed at any moment, a collection goes on where it was.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tenet::snapshot::SnapshotBuilder;
use tenet::sources::azure::Received;
use tenet::sources::disk::{Evidence, EvidenceEntry, write_collected};
use tenet::sources::import::{ImportOptions, import_arm};

use super::service::{Calm, Passed, Service, Simulated, Weather, collected, contoso, evidence};
use crate::tenant::Tenant;

/// After so many requests nobody is answered any more.
#[derive(Debug)]
struct Ending(u64);

impl Weather for Ending {
    fn between(&mut self, _: &str, _: Timestamp, answer: &mut dyn FnMut() -> Received) -> Passed {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Passed::Answer(answer())
            }
            None => Passed::Held,
        }
    }
}

/// Makes a snapshot of what was collected, as the program does, and returns its digest.
fn snapshot_digest(tenant: &Tenant, folder: &Path) -> String {
    let (place, files) = evidence(folder);
    let schema = &tenant.compiled.policies.schema;
    let mut builder = SnapshotBuilder::new(schema.clone());
    let options = ImportOptions { tenant: Some(super::service::TENANT.to_owned()), ..ImportOptions::default() };
    import_arm(&mut builder, std::slice::from_ref(&place), &options).unwrap();
    let entry = |file: tenet::sources::collect::EvidenceFile| EvidenceEntry { name: file.name, bytes: file.bytes, sha256: file.sha256 };
    let entries: Vec<EvidenceEntry> = files.into_iter().map(entry).collect();
    let evidence = Evidence { folder: &place, files: &entries };
    let manifest = write_collected(schema, &builder.records(), Some(evidence), &folder.join("made.snapshot"), false).unwrap();
    manifest.digest().unwrap()
}

#[test]
fn killed_at_a_hundred_points_and_resumed_the_snapshot_is_the_same() {
    let tenant = Tenant::open("contoso");
    let whole = tempfile::tempdir().unwrap();
    let clock = Simulated::new(1);
    let service = Service::new(contoso(3), Box::new(Calm), &clock);
    let calm = collected(whole.path(), false, &service, &clock).unwrap();
    let n_requests = service.n_requests.load(Ordering::SeqCst);
    let (place, files) = evidence(whole.path());
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(place.join(&file.name)).unwrap()).collect();
    let digest = snapshot_digest(&tenant, whole.path());
    let n_points: u64 = std::env::var("TENET_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let mut most = 0;
    for point in 0..n_points {
        let at = point * n_requests / n_points + point % 3;
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("work");
        let clock = Simulated::new(1);
        let first = Service::new(contoso(3), Box::new(Ending(at.min(n_requests - 1))), &clock);
        assert!(collected(&folder, false, &first, &clock).is_none(), "not killed at {at}");
        // A line that was being written when the machine failed is torn somewhere.
        let journal = folder.join("answers.journal");
        let size = fs::metadata(&journal).unwrap().len();
        if point % 2 == 1 {
            OpenOptions::new().write(true).open(&journal).unwrap().set_len(size - (point * 7).min(size)).unwrap();
        }
        let clock = Simulated::new(1);
        let second = Service::new(contoso(3), Box::new(Calm), &clock);
        let resumed = collected(&folder, true, &second, &clock).unwrap();
        assert_eq!(resumed.gaps, calm.gaps, "killed at {at}");
        let (place, again) = evidence(&folder);
        for (file, text) in again.iter().zip(&texts) {
            let now = fs::read_to_string(place.join(&file.name)).unwrap();
            let differing = now.lines().zip(text.lines()).find(|(one, other)| one != other);
            assert!(now == *text, "killed at {at}: {differing:?}");
        }
        assert_eq!(again.len(), files.len(), "killed at {at}");
        assert_eq!(snapshot_digest(&tenant, &folder), digest, "killed at {at}");
        // What failed, what was under way and what was torn is read again, and the check of a list of several pages begins anew.
        let sent = at.min(n_requests - 1) + second.n_requests.load(Ordering::SeqCst);
        most = most.max(sent.saturating_sub(n_requests));
    }
    println!(
        "{n_points} kills of a collection of {n_requests} requests: at most {most} requests more than without; every snapshot has the digest {digest}"
    );
}

#[test]
fn a_collection_of_something_else_is_not_gone_on_with() {
    use super::service::whose;
    use tenet::sources::collect::{Journal, Whose};
    let scratch = tempfile::tempdir().unwrap();
    drop(Journal::open(scratch.path(), true, &whose()).unwrap());
    let other = Whose { tenant: "c0a70500-0000-4000-8000-000000000002".to_owned(), ..whose() };
    let refused = Journal::open(scratch.path(), true, &other).unwrap_err().to_string();
    assert!(refused.contains("has the directory c0a70500-0000-4000-8000-000000000001"), "{refused}");
    let held = Journal::open(scratch.path(), true, &whose()).unwrap();
    let refused = Journal::open(scratch.path(), true, &whose()).unwrap_err().to_string();
    assert!(refused.contains("another collection is writing here"), "{refused}");
    drop(held);
}
