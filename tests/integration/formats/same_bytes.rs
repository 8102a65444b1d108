//! The same result gives the same bytes: with one thread and two, in other locales and time zones, from shuffled input.

use std::fs;
use std::path::Path;

use tenet::report::Format;

use super::{every_format, repo, tenants};
use crate::program::{command, finish, tenet};

/// Reads every report with this prefix.
fn reports(folder: &Path, prefix: &str) -> Vec<(Format, Vec<u8>)> {
    Format::ALL.into_iter().map(|format| (format, fs::read(folder.join(format!("{prefix}.{}", format.name()))).unwrap())).collect()
}

#[track_caller]
fn same(one: &[(Format, Vec<u8>)], other: &[(Format, Vec<u8>)], what: &str) {
    for ((format, one), (_, other)) in one.iter().zip(other) {
        assert!(one == other, "{what}: {} differs", format.name());
    }
}

fn scan(folder: &Path, prefix: &str, jobs: &str, more: &[&str], environment: &[(&str, &str)]) {
    let mut args = vec!["scan".to_owned(), "--jobs".to_owned(), jobs.to_owned()];
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    args.extend(every_format(prefix));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let run = finish(&command(folder, &args).envs(environment.iter().copied()).output().unwrap());
    assert!([0, 1, 3].contains(&run.code), "{}", run.stderr);
}

#[test]
fn jobs_locales_and_time_zones_change_no_byte() {
    for tenant in tenants() {
        let folder = repo(tenant);
        scan(folder.path(), "one", "1", &[], &[]);
        let one = reports(folder.path(), "one");
        scan(folder.path(), "again", "1", &[], &[]);
        same(&one, &reports(folder.path(), "again"), &format!("{tenant}: again"));
        scan(folder.path(), "two", "2", &[], &[("LANG", "de_DE.UTF-8"), ("TZ", "Asia/Kathmandu")]);
        same(&one, &reports(folder.path(), "two"), &format!("{tenant}: two jobs, German, Kathmandu"));
        scan(folder.path(), "far", "2", &[], &[("LC_ALL", "tr_TR.UTF-8"), ("TZ", "America/St_Johns")]);
        same(&one, &reports(folder.path(), "far"), &format!("{tenant}: two jobs, Turkish, St. John's"));
    }
}

#[test]
fn the_order_of_the_input_changes_no_byte() {
    let folder = repo("contoso");
    let path = folder.path();
    tenet(path, &["export", "tables", "--snapshot", "snapshots/a.snapshot", "-o", "tables"]).ends(0, "ok");
    for entry in fs::read_dir(path.join("tables")).unwrap() {
        let table = entry.unwrap().path();
        let text = fs::read_to_string(&table).unwrap();
        if table.extension().is_some_and(|extension| extension == "jsonl") {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.reverse();
            let half = lines.len() / 3;
            lines.rotate_left(half);
            fs::create_dir_all(path.join("shuffled")).unwrap();
            fs::write(path.join("shuffled").join(table.file_name().unwrap()), lines.join("\n") + "\n").unwrap();
        } else {
            fs::create_dir_all(path.join("shuffled")).unwrap();
            fs::write(path.join("shuffled").join(table.file_name().unwrap()), text).unwrap();
        }
    }
    for from in ["tables", "shuffled"] {
        let to = format!("{from}/s.snapshot");
        tenet(path, &["import", "tables", from, "-o", &to]).ends(0, "ok");
        scan(path, from, "2", &["--snapshot", &to], &[]);
    }
    same(&reports(path, "tables"), &reports(path, "shuffled"), "shuffled");
}
