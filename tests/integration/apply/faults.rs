//! Lost answers, full disks, torn lines: the outcome is found out or named unknown, and nothing is sent twice blindly.

use std::fs;
use std::io;

use jiff::SignedDuration;
use serde_json::json;
use tenet::remedy::apply::Ending;
use tenet::remedy::journal::State;
use tenet::sources::journal_file::{JournalFileError, JournalFolder, Store, read_journal};

use super::fake::Fault;
use super::world::{Refused, Scene, add, change, remove, run_in, send, steps};

#[test]
fn a_lost_answer_is_found_out_by_reading() {
    for step in [add(4), remove(5), change(6), send(7)] {
        for fault in
            [Fault::LostBefore, Fault::LostAfter, Fault::AnswerAfter(500), Fault::Answer(503, json!(null)), Fault::AnswerAfter(408)]
        {
            let mut scene = Scene::new(vec![step.clone()]);
            scene.fake.faults = [fault.clone()].into();
            let report = scene.run().unwrap();
            assert_eq!(report.ending, Ending::Complete, "{fault:?}");
            assert_eq!(scene.fake.effects.len(), 1, "{fault:?}: {:?}", scene.fake.effects);
            read_journal(&scene.journal()).unwrap();
        }
    }
}

#[test]
fn what_may_not_be_repeated_is_sent_again_only_after_its_window() {
    let mut scene = Scene::new(vec![send(3)]);
    scene.fake.faults = [Fault::LostBefore].into();
    assert_eq!(scene.run().unwrap().ending, Ending::Complete);
    assert!(scene.clock.waited.get().as_secs() >= 300, "{:?}", scene.clock.waited.get());
    assert_eq!((scene.fake.requests.len(), scene.fake.effects.len()), (2, 1));
    // The effect shows late: nothing is sent again.
    let mut scene = Scene::new(vec![send(3)]);
    scene.fake.lag = 25;
    scene.fake.faults = [Fault::LostAfter].into();
    scene.run().unwrap();
    assert_eq!((scene.fake.requests.len(), scene.fake.effects.len()), (1, 1));
}

#[test]
fn what_reading_cannot_tell_stays_unknown() {
    let mut scene = Scene::new(vec![send(3), add(4)]);
    scene.fake.refused_reads.push("/mails".into());
    assert!(matches!(scene.run(), Err(Refused::Gate(_))), "what cannot be read is not begun");
    // What the mail is looked for by was there before, so reading tells nothing.
    let mut untold = send(3);
    untold.operation.after = untold.operation.before.clone();
    let mut scene = Scene::new(vec![untold, add(4)]);
    scene.fake.faults = [Fault::LostAfter].into();
    let report = scene.run().unwrap();
    assert!(matches!(&report.ending, Ending::Unknown { step, .. } if step == "s3"), "{:?}", report.ending);
    assert_eq!(report.progress.unknown(), ["s3"]);
    assert_eq!(scene.fake.requests.len(), 1);
    // Going on reads again and still does not guess.
    scene.clock.set(scene.clock.now_().checked_add(SignedDuration::from_hours(1)).unwrap());
    assert!(matches!(scene.resume().unwrap().ending, Ending::Unknown { .. }));
    assert_eq!(scene.fake.requests.len(), 1);
}

#[test]
fn a_torn_last_line_is_dropped_and_said_so() {
    let mut scene = Scene::new(steps(6));
    scene.clock.stop_after.set(Some(6));
    scene.run().unwrap();
    scene.clock.stop_after.set(None);
    let whole = fs::read(scene.journal()).unwrap();
    let starts: Vec<usize> = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let last = starts[starts.len() - 2];
    for cut in [last, last + 1, whole.len() - 1] {
        fs::write(scene.journal(), &whole[..cut]).unwrap();
        let read = read_journal(&scene.journal()).unwrap();
        assert_eq!(read.torn_bytes, (cut - last) as u64);
        let mut other = Scene::new(steps(6));
        other.fake.objects = scene.fake.objects.clone();
        other.folder = tempfile::tempdir().unwrap();
        fs::create_dir(other.folder.path().join("journal")).unwrap();
        fs::write(other.journal(), &whole[..cut]).unwrap();
        assert_eq!(other.resume().unwrap().ending, Ending::Complete);
        let text = fs::read_to_string(other.journal()).unwrap();
        assert!(text.contains(&format!("\"dropped_bytes\":{}", cut - last)));
    }
}

/// A disk on which only so many bytes fit.
struct Disk<S> {
    inner: S,
    left: usize,
}

impl<S: Store> Store for Disk<S> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fits = bytes.len().min(self.left);
        self.left -= fits;
        self.inner.append(&bytes[..fits])?;
        if fits < bytes.len() { Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device")) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }
}

#[test]
fn a_full_disk_stops_before_the_next_write() {
    let mut scene = Scene::new(steps(4));
    scene.ends(&Ending::Complete);
    let size = fs::metadata(scene.journal()).unwrap().len() as usize;
    let step = (size / 97).max(1);
    let (mut complete, mut stopped) = (0, 0);
    for left in (0..size).step_by(step).chain([size]) {
        let mut scene = Scene::new(steps(4));
        let folder = scene.folder.path().join("journal");
        let disk = |journal: tenet::sources::journal_file::JournalFile| journal.map_store(|inner| Disk { inner, left });
        let report = run_in(&scene.file, &folder, &mut scene.fake, &scene.clock, disk).unwrap();
        let begun = read_or_nothing(&scene);
        assert!(scene.fake.requests.len() <= begun, "{left}: a request left before its begin was on disk");
        match report.ending {
            Ending::Complete => complete += 1,
            Ending::NoJournal(message) => {
                assert!(message.contains("no space left"), "{message}");
                stopped += 1;
            }
            other => panic!("{left}: {other:?}"),
        }
        // With space again it goes on, and every effect is there once.
        let report = scene.resume().unwrap();
        assert_eq!(report.ending, Ending::Complete, "{left}");
        assert_eq!(scene.fake.effects.len(), 4, "{left}: {:?}", scene.fake.effects);
    }
    assert!(complete >= 1 && stopped > 50);
}

/// Counts the begins that a journal on disk holds.
fn read_or_nothing(scene: &Scene) -> usize {
    let text = fs::read_to_string(scene.journal()).unwrap_or_default();
    text.lines().filter(|line| line.contains("\"kind\":\"begin\"") && line.ends_with('}')).count()
}

#[test]
fn a_failed_sync_stops_it_for_good() {
    struct Unsynced<S>(S, usize);
    impl<S: Store> Store for Unsynced<S> {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.append(bytes)
        }
        fn sync(&mut self) -> io::Result<()> {
            self.1 += 1;
            if self.1 == 4 { Err(io::Error::other("input/output error")) } else { self.0.sync() }
        }
    }
    let mut scene = Scene::new(steps(4));
    let folder = scene.folder.path().join("journal");
    let report =
        run_in(&scene.file, &folder, &mut scene.fake, &scene.clock, |journal| journal.map_store(|inner| Unsynced(inner, 0))).unwrap();
    assert!(matches!(report.ending, Ending::NoJournal(_)), "{:?}", report.ending);
    assert!(matches!(report.progress.state("s1"), State::Unknown(_)));
    assert_eq!(scene.fake.requests.len(), 1);
    assert_eq!(scene.resume().unwrap().ending, Ending::Complete);
    assert_eq!(scene.fake.effects.len(), 4);
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_anything_is_sent() {
    let mut scene = Scene::new(steps(4));
    let file = scene.folder.path().join("journal");
    fs::write(&file, "not a folder").unwrap();
    assert!(matches!(scene.run(), Err(Refused::Journal(JournalFileError::Io { .. }))));
    assert_eq!(scene.fake.requests.len(), 0);
}

#[test]
fn one_apply_at_a_time() {
    let scene = Scene::new(steps(1));
    let folder = scene.folder.path().join("journal");
    let held = JournalFolder::lock(&folder, "mia, process 7", scene.clock.now_()).unwrap();
    let refused = JournalFolder::lock(&folder, "ann", scene.clock.now_()).unwrap_err();
    assert_eq!(refused.to_string(), format!("{}: another apply is at work: mia, process 7, since 2026-03-01T12:01:00Z", folder.display()));
    drop(held);
    assert!(JournalFolder::lock(&folder, "ann", scene.clock.now_()).is_ok());
}
