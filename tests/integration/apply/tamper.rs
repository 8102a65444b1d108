//! A changed byte of a journal is found.

use std::fs;

use tenet::remedy::apply::Ending;
use tenet::sources::journal_file::{JournalFileError, decode_journal, read_journal};

use super::world::{Refused, Scene, add, steps};

#[test]
fn every_flipped_bit_but_of_the_last_line_is_found() {
    let mut scene = Scene::new(steps(4));
    scene.ends(&Ending::Complete);
    let bytes = fs::read(scene.journal()).unwrap();
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    let mut tried = 0;
    // All bits of some bytes, one bit of all others: reading a journal costs as much as its plan is long.
    for at in 0..last {
        for bit in (0..8).filter(|bit| at % 61 == 0 || at % 8 == *bit as usize) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            tried += 1;
            match decode_journal(&changed, "journal".as_ref()) {
                Err(error) => assert!(error.is_tampering(), "byte {at}: {error}"),
                Ok(_) => panic!("byte {at}, bit {bit}"),
            }
        }
    }
    println!("{tried} bits of {last} bytes were flipped");
}

#[test]
fn lines_cannot_be_taken_out_swapped_or_repeated() {
    let mut scene = Scene::new(steps(4));
    scene.ends(&Ending::Complete);
    let text = fs::read_to_string(scene.journal()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let broken = |lines: Vec<&str>| decode_journal((lines.join("\n") + "\n").as_bytes(), "journal".as_ref()).unwrap_err().to_string();
    for at in 0..lines.len() - 1 {
        let mut fewer = lines.clone();
        fewer.remove(at);
        assert!(broken(fewer).contains(&format!("journal:{}: the journal was changed", at + 1)));
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        broken(swapped);
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        broken(twice);
    }
    assert!(decode_journal(b"", "journal".as_ref()).is_err());
    assert!(decode_journal(b"{}\n", "journal".as_ref()).unwrap_err().to_string().contains("journal:1: "));
    // A journal that merely ends early is one of an apply that was stopped.
    let early = lines[..4].join("\n") + "\n";
    assert!(!decode_journal(early.as_bytes(), "journal".as_ref()).unwrap().progress.closed);
}

#[test]
fn the_journal_of_another_plan_is_refused() {
    let mut scene = Scene::new(vec![add(4)]);
    scene.ends(&Ending::Complete);
    let mut other = Scene::new(vec![add(8)]);
    fs::create_dir(other.folder.path().join("journal")).unwrap();
    fs::copy(scene.journal(), other.journal()).unwrap();
    let refused = other.resume().unwrap_err();
    assert!(matches!(&refused, Refused::Journal(error @ JournalFileError::OtherPlan { .. }) if error.is_tampering()), "{refused:?}");
    assert_eq!(other.fake.requests.len(), 0);
    // Nor does one go on that is complete.
    let read = read_journal(&scene.journal()).unwrap();
    assert!(read.progress.closed);
}
