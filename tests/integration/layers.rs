//! The rooms use each other in one direction only.
//!
//! Reads the paths `crate::…` of every file against the table below; `docs/architecture.md` says why.

use std::path::{Path, PathBuf};

/// Each room with the rooms it may use besides itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("model", &["text"]),
    ("syntax", &["text"]),
    ("check", &["text", "model", "syntax"]),
    ("query", &["text", "model", "check"]),
    ("snapshot", &["model"]),
    ("evaluate", &["text", "model", "check", "query", "snapshot"]),
    ("remedy", &["model", "check", "snapshot", "evaluate"]),
    ("report", &["text", "model", "check", "snapshot", "evaluate", "remedy"]),
    ("testing", &["text", "model", "syntax", "check", "snapshot", "evaluate", "remedy", "report"]),
    ("sources", &["text", "model", "snapshot", "remedy"]),
    ("cli", &["text", "model", "syntax", "check", "snapshot", "evaluate", "remedy", "report", "testing", "sources"]),
];

/// What tests inside a room may use besides: they need policies and files to work on.
const TESTS_MAY_USE: &[&str] = &["text", "model", "syntax", "check", "snapshot", "evaluate", "sources"];

#[test]
fn rooms_use_only_the_rooms_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut n_files = 0;
    for entry in std::fs::read_dir(&src).unwrap() {
        let path = entry.unwrap().path();
        let room = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !path.is_dir() {
            assert!(["lib", "main"].contains(&room.as_str()), "{}: every file stands in a room", path.display());
            continue;
        }
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            panic!("the room `{room}` is not in the table");
        };
        for file in files(&path) {
            n_files += 1;
            let text = std::fs::read_to_string(&file).unwrap();
            let name = file.strip_prefix(&src).unwrap().display().to_string();
            let mut in_tests = name.contains("/tests") || name.ends_with("/tests.rs");
            for (at, line) in text.lines().enumerate() {
                in_tests |= line.trim() == "#[cfg(test)]";
                for used in rooms_used(line) {
                    let fine = used == room || allowed.contains(&used) || (in_tests && TESTS_MAY_USE.contains(&used));
                    if !fine {
                        wrong.push(format!("src/{name}:{}: `{room}` may not use `{used}`: {}", at + 1, line.trim()));
                    }
                }
            }
        }
    }
    assert!(n_files > 50, "only {n_files} files were read");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_table_lists_every_room_once_and_no_room_uses_a_later_one() {
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        let earlier: Vec<&str> = ROOMS.iter().take(at).map(|(room, _)| *room).collect();
        assert!(!earlier.contains(room), "`{room}` is listed twice");
        for used in *allowed {
            assert!(earlier.contains(used), "`{room}` uses `{used}`, which does not come before it");
        }
    }
}

/// Returns the rooms that the paths of a line lead to.
fn rooms_used(line: &str) -> Vec<&'static str> {
    let code = line.split("//").next().unwrap_or("");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if at > 0 && code.as_bytes()[at - 1].is_ascii_alphanumeric() {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        // `use crate::{check::…, model::…}` leads to several.
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => group.split([',', '{', '}', ' ']).collect(),
            None => vec![rest],
        };
        for name in names {
            let word: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.extend(ROOMS.iter().map(|(room, _)| *room).filter(|room| *room == word));
        }
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
