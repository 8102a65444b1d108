//! The commands as people run them: approve, show, apply's refusals, undo.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use ssh_key::LineEnding;
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use tenet::remedy::apply::Ending;
use tenet::remedy::plan::Plan;
use tenet::sources::plan_file::{PlanFile, encode_plan, read_plan, write_plan};

use super::world::{Scene, plan, steps};
use crate::program::{Run, command, finish, tenet};

/// Writes a key and returns the line of `allowed_signers` for it.
fn key(folder: &Path, name: &str, seed: u8) -> String {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
    fs::write(folder.join(name), key.to_openssh(LineEnding::LF).unwrap()).unwrap();
    format!("{name}@example.org {}\n", key.public_key().to_openssh().unwrap())
}

/// A folder with a plan that two people must approve, and the keys of three.
fn approvable(change: impl FnOnce(&mut Plan)) -> (tempfile::TempDir, PlanFile) {
    let folder = tempfile::tempdir().unwrap();
    let signers = key(folder.path(), "mia", 1) + &key(folder.path(), "ann", 2) + &key(folder.path(), "ben", 3);
    fs::write(folder.path().join("allowed_signers"), &signers).unwrap();
    key(folder.path(), "stranger", 4);
    let mut plan = plan(steps(4));
    plan.approvals.needed = 2;
    plan.approvals.allowed_signers = tenet::model::sha256_hex(signers.as_bytes());
    plan.expires = "2099-01-01T00:00:00Z".parse().unwrap();
    change(&mut plan);
    let file = encode_plan(plan).unwrap();
    write_plan(&file, &folder.path().join("plan.json")).unwrap();
    (folder, file)
}

fn approve(folder: &Path, name: &str) -> Run {
    tenet(folder, &["approve", "plan.json", "--key", name])
}

#[test]
fn two_people_approve_and_the_planner_does_not() {
    let (folder, file) = approvable(|_| ());
    let folder = folder.path();
    assert!(approve(folder, "mia").ends(14, "unapproved").stderr.contains("mia@example.org made the plan"));
    assert!(approve(folder, "stranger").ends(14, "unapproved").stderr.contains("its key is not in allowed_signers"));
    assert!(!folder.join("plan.json.sig.1").exists());
    let first = approve(folder, "ann").ends(0, "ok").stdout;
    assert!(first.contains("needs 2 approvals and has 1") && first.contains(&file.digest), "{first}");
    // Twice the same person is one person.
    assert!(approve(folder, "ann").ends(0, "ok").stdout.contains("ann@example.org approved already"));
    assert!(tenet(folder, &["show", "plan.json"]).ends(0, "ok").stdout.contains("not approved: the plan needs 2 approvals and has 1"));
    assert!(approve(folder, "ben").ends(0, "ok").stdout.contains("approved by ann@example.org, ben@example.org"));
    let shown = tenet(folder, &["show", "plan.json"]).ends(0, "ok").stdout;
    assert!(shown.contains("approved by ann@example.org, ben@example.org"), "{shown}");
    assert!(shown.contains("- s1   step 1") && shown.contains("         undo: PUT /things/1\n"), "{shown}");
    let document: Json = serde_json::from_str(&tenet(folder, &["show", "plan.json", "--json"]).ends(0, "ok").stdout).unwrap();
    assert_eq!((document["approved"].as_bool(), document["plan"]["id"].as_str()), (Some(true), Some(file.plan.id.as_str())));
    let approval = tenet(folder, &["show", "plan.json.sig.1"]).ends(0, "ok").stdout;
    assert!(approval.contains("by ann@example.org with the key SHA256:"), "{approval}");
    // A changed approval does not count.
    let path = folder.join("plan.json.sig.3");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen('A', "B", 1)).unwrap();
    let refused = tenet(folder, &["apply", "plan.json"]).ends(14, "unapproved").stderr;
    assert!(refused.contains("plan.json.sig.3 does not count"), "{refused}");
    // Nor do any once somebody else may approve.
    fs::write(&path, text).unwrap();
    let signers = fs::read_to_string(folder.join("allowed_signers")).unwrap();
    fs::write(folder.join("allowed_signers"), signers + "# one more\n").unwrap();
    assert!(tenet(folder, &["apply", "plan.json"]).ends(14, "unapproved").stderr.contains("not the file the plan was made with"));
}

/// Who plans cannot lower the number of approvals: the file at hand when a plan is applied counts, too.
#[test]
fn a_plan_made_for_fewer_approvals_is_refused() {
    let (folder, _) = approvable(|plan| plan.approvals.needed = 1);
    let folder = folder.path();
    approve(folder, "ann").ends(0, "ok");
    fs::write(folder.join("tenet.toml"), "[plan]\napprovals = 2\n").unwrap();
    let refused = tenet(folder, &["apply", "plan.json"]).ends(14, "unapproved").stderr;
    assert!(refused.contains("made for 1 of the 2 approvals"), "{refused}");
    fs::write(folder.join("tenet.toml"), "[plan]\napprovals = 1\n").unwrap();
    assert!(!tenet(folder, &["apply", "plan.json"]).stderr.contains("approvals"));
}

/// A plan that names nobody says so, and what follows.
#[test]
fn a_plan_that_names_nobody_says_so() {
    let (folder, _) = approvable(|plan| {
        plan.planner = String::new();
        plan.principal = None;
    });
    let shown = tenet(folder.path(), &["show", "plan.json"]).ends(0, "ok").stdout;
    assert!(shown.contains("note: nobody is named as the one who made this plan, so no approval of it can count"), "{shown}");
    assert!(shown.contains("note: no identity is named that applies this plan"), "{shown}");
    let (folder, _) = approvable(|_| ());
    assert!(!tenet(folder.path(), &["show", "plan.json"]).ends(0, "ok").stdout.contains("note: "));
}

#[test]
fn a_passphrase_comes_from_a_file_or_the_environment() {
    let (folder, _) = approvable(|_| ());
    let folder = folder.path();
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[2; 32]));
    let kdf = ssh_key::Kdf::Bcrypt { salt: vec![1; 16], rounds: 4 };
    let locked = key.encrypt_with(ssh_key::Cipher::Aes256Ctr, kdf, 7, "correct horse").unwrap();
    fs::write(folder.join("ann"), locked.to_openssh(LineEnding::LF).unwrap()).unwrap();
    fs::write(folder.join("passphrase"), "correct horse\n").unwrap();
    assert!(approve(folder, "ann").ends(2, "usage").stderr.contains("the key is encrypted; give its passphrase with --passphrase-file"));
    tenet(folder, &["approve", "plan.json", "--key", "ann", "--passphrase-file", "passphrase"]).ends(0, "ok");
    let mut with = command(folder, &["approve", "plan.json", "--key", "ann"]);
    finish(&with.env("TENET_KEY_PASSPHRASE", "correct horse").output().unwrap()).ends(0, "ok");
    let mut with = command(folder, &["approve", "plan.json", "--key", "ann"]);
    let wrong = finish(&with.env("TENET_KEY_PASSPHRASE", "battery staple").output().unwrap()).ends(2, "usage");
    assert!(!wrong.stderr.contains("battery"));
}

#[test]
fn plans_that_are_not_as_written_are_refused_before_anything_else() {
    let (folder, _) = approvable(|plan| plan.approvals.needed = 0);
    let folder = folder.path();
    let text = fs::read_to_string(folder.join("plan.json")).unwrap();
    let apply = |text: String| {
        fs::write(folder.join("plan.json"), text).unwrap();
        tenet(folder, &["apply", "plan.json"])
    };
    let edited = apply(text.replace("\"value\":3", "\"value\":4").replace("step 1", "step one")).ends(5, "evidence").stderr;
    assert!(edited.contains("plan.json:1:") && edited.contains("the plan was changed after it was written"), "{edited}");
    let newer = apply(text.replace("tenet.plan/v1", "tenet.plan/v7")).ends(2, "usage").stderr;
    assert!(newer.contains("it has the format tenet.plan/v7, and this program reads tenet.plan/v1"), "{newer}");
    let cut = apply(text[..text.len() / 2].to_owned()).ends(2, "usage").stderr;
    assert!(cut.contains("plan.json: EOF while parsing"), "{cut}");
    assert!(tenet(folder, &["apply", "none.json"]).ends(2, "usage").stderr.contains("none.json: cannot read"));
    let (other, _) = approvable(|plan| {
        plan.approvals.needed = 0;
        plan.steps[0].action = "format_disk".into();
    });
    let unknown = tenet(other.path(), &["apply", "plan.json"]).ends(2, "usage").stderr;
    assert!(unknown.contains("plan.json: step s1: there is no action `format_disk`"), "{unknown}");
    assert!(tenet(other.path(), &["--now", "2026-01-01", "apply", "plan.json"]).ends(2, "usage").stderr.contains("clock of this machine"));
    for folder in [folder, other.path()] {
        assert!(!folder.join("journal").exists(), "nothing was begun");
    }
}

#[test]
fn a_journal_is_shown_and_undone() {
    let mut scene = Scene::new(steps(4));
    scene.ends(&Ending::Complete);
    let folder = scene.folder.path();
    let journal = scene.journal().display().to_string();
    let shown = tenet(folder, &["show", &journal]).ends(0, "ok").stdout;
    assert!(
        shown.contains("verified by 3 readings") && shown.contains("done         s4 step 4\n") && shown.ends_with("complete\n"),
        "{shown}"
    );
    let document: Json = serde_json::from_str(&tenet(folder, &["show", &journal, "--json"]).ends(0, "ok").stdout).unwrap();
    assert_eq!(document["steps"]["s1"], "done");
    let undone = tenet(folder, &["--now", "2026-03-02T00:00:00Z", "undo", &journal, "-o", "back.json", "--planner", "ann"]).ends(0, "ok");
    assert!(undone.stdout.contains("+ s1   undo: step 1"), "{}", undone.stdout);
    let back = read_plan(&folder.join("back.json")).unwrap().plan;
    assert_eq!((back.steps.len(), back.planner.as_str()), (4, "ann"));
    // A changed journal is no evidence of anything.
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("verified", "verifies", 1)).unwrap();
    for args in [vec!["show", &journal], vec!["undo", &journal, "-o", "other.json"]] {
        assert!(tenet(folder, &args).ends(5, "evidence").stderr.contains("the journal was changed after it was written"));
    }
    assert!(!folder.join("other.json").exists());
}

/// `--policies` names policies besides those of the repo, as for `apply`, which would refuse a plan of others.
#[test]
fn an_undo_is_made_by_the_policies_of_the_repo_and_more() {
    let mut scene = Scene::new(steps(1));
    scene.ends(&Ending::Complete);
    let folder = scene.folder.path();
    let journal = scene.journal().display().to_string();
    fs::write(folder.join("tenet.toml"), "policies = [\"own.tenet\"]\n").unwrap();
    fs::write(folder.join("more.tenet"), "edition 1\nmodule more\nconst TWO: Int = 2\n").unwrap();
    let digest = |own: &str, args: &[&str]| {
        fs::write(folder.join("own.tenet"), own).unwrap();
        let undo = ["undo", &journal, "-o", "back.json"];
        tenet(folder, &[&undo[..], args].concat()).ends(0, "ok");
        read_plan(&folder.join("back.json")).unwrap().plan.digests.policies
    };
    let (one, other) = ("edition 1\nmodule own\nconst ONE: Int = 1\n", "edition 1\nmodule own\nconst ONE: Int = 11\n");
    let more = ["--policies", "more.tenet"];
    assert_ne!(digest(one, &more), digest(other, &more), "the policies of the repo count");
    assert_ne!(digest(one, &more), digest(one, &[]), "and those besides them");
}
