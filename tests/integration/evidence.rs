//! Evidence bundles: signed, whole, and made again by anybody.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::program::tenet;

/// The repo of the demo with a result, a key, and who may sign.
fn repo() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    tenet(root, &["demo", "--keep", ".", "-f", "json=demo.json"]).ends(0, "ok");
    tenet(root, &["scan", "-f", "json=result.json"]).ends(1, "findings");
    let key = tenet::sources::signatures::SigningKey::from_seed(&[7; 32]);
    fs::write(root.join("key"), key.to_openssh().unwrap()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(root.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let line = format!("auditor@contoso.example namespaces=\"tenet-evidence\" {}\n", key.public().to_openssh().unwrap());
    fs::write(root.join("signers"), line).unwrap();
    folder
}

fn sign(root: &Path, more: &[&str]) {
    let mut args = vec!["sign", "result.json", "--key", "key", "-o", "bundle.tar"];
    args.extend(more);
    tenet(root, &args).ends(0, "ok");
}

fn verify(root: &Path, bundle: &str) -> crate::program::Run {
    tenet(root, &["verify", bundle, "--signers", "signers"])
}

/// The files of a tar with the ranges of their headers and contents.
fn entries(bytes: &[u8]) -> Vec<(String, usize, usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while bytes[at..at + 512].iter().any(|byte| *byte != 0) {
        let text = |from: usize, to: usize| {
            let field = &bytes[at + from..at + to];
            String::from_utf8(field.iter().copied().take_while(|byte| *byte != 0).collect()).unwrap()
        };
        let size = usize::from_str_radix(text(124, 136).trim(), 8).unwrap();
        let (prefix, name) = (text(345, 500), text(0, 100));
        let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        found.push((name, at, at + 512, size));
        at += 512 + size.div_ceil(512) * 512;
    }
    found
}

#[test]
fn a_bundle_is_the_same_each_time_and_comes_out_again_anywhere() {
    let folder = repo();
    let root = folder.path();
    fs::write(root.join("report.txt"), "a report\n").unwrap();
    sign(root, &["--report", "report.txt", "--answers", "answers"]);
    let first = fs::read(root.join("bundle.tar")).unwrap();
    sign(root, &["--report", "report.txt", "--answers", "answers"]);
    assert!(first == fs::read(root.join("bundle.tar")).unwrap(), "signing twice gives two bundles");
    let names: Vec<String> = entries(&first).into_iter().map(|(name, ..)| name).collect();
    for wanted in [
        "manifest.json",
        "manifest.json.sig",
        "result.json",
        "reports/report.txt",
        "repo/tenet.toml",
        "repo/waivers.tenet",
        "repo/registers/designations.yaml",
        "repo/evidence/erp-2023.txt",
        "snapshot/contoso.snapshot/manifest.json",
    ] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is not in {names:?}");
    }
    assert!(names.iter().any(|name| name.starts_with("answers/")) && !names.iter().any(|name| name.contains("/index/")), "{names:?}");
    // Somewhere else, with nothing but the bundle and the name of who may sign.
    let elsewhere = tempfile::tempdir().unwrap();
    for file in ["bundle.tar", "signers"] {
        fs::copy(root.join(file), elsewhere.path().join(file)).unwrap();
    }
    let verified =
        tenet(elsewhere.path(), &["verify", "bundle.tar", "--signers", "signers", "--now", "2027-12-01T00:00:00Z"]).ends(0, "ok");
    assert!(verified.stdout.contains("auditor@contoso.example") && verified.stdout.contains("byte for byte"), "{}", verified.stdout);
    tenet(elsewhere.path(), &["verify", "bundle.tar"]).ends(2, "usage");
}

#[test]
fn a_result_that_does_not_come_out_again_is_not_signed() {
    let folder = repo();
    let root = folder.path();
    let waivers = fs::read_to_string(root.join("waivers.tenet")).unwrap();
    fs::write(root.join("waivers.tenet"), waivers.replace("until 2026-12-15", "until 2026-12-14")).unwrap();
    let refused = tenet(root, &["sign", "result.json", "--key", "key", "-o", "bundle.tar"]).ends(5, "evidence");
    assert!(refused.stderr.contains("gives another result"), "{}", refused.stderr);
    assert!(!root.join("bundle.tar").exists());
    // What a selection and a baseline leave out or add is asked for again.
    fs::write(root.join("waivers.tenet"), waivers).unwrap();
    let args = ["scan", "--rule", "GUEST-*", "--param", "lib.access.max_owners=4", "--baseline", "result.json", "-f", "json=some.json"];
    assert!([1, 3].contains(&tenet(root, &args).code));
    assert!([1, 3].contains(&tenet(root, &["scan", "--rule", "OWNER-*", "-f", "json=other.json"]).code));
    tenet(root, &["sign", "some.json", "--key", "key", "-o", "some.tar"]).ends(2, "usage");
    tenet(root, &["sign", "some.json", "--key", "key", "-o", "some.tar", "--baseline", "other.json"]).ends(5, "evidence");
    tenet(root, &["sign", "some.json", "--key", "key", "-o", "some.tar", "--baseline", "result.json"]).ends(0, "ok");
    verify(root, "some.tar").ends(0, "ok");
}

#[test]
fn a_changed_byte_anywhere_is_found_with_its_file() {
    let folder = repo();
    let root = folder.path();
    sign(root, &[]);
    let bytes = fs::read(root.join("bundle.tar")).unwrap();
    let entries = entries(&bytes);
    assert!(entries.len() > 20, "{}", entries.len());
    let mut n = 0;
    let check = folder.path().join("changed.tar");
    let signers = fs::read_to_string(root.join("signers")).unwrap();
    let signers = tenet::sources::signatures::AllowedSigners::parse(&signers).unwrap();
    let now = jiff::Timestamp::from_second(1_790_000_000).unwrap();
    for (place, (name, header, start, size)) in entries.iter().enumerate() {
        // The first, a middle and the last byte of a file, a byte of its name, size, mode, time and checksum, and of the gap after it.
        let mut positions = vec![header + 3, header + 104, header + 130, header + 140, header + 150, header + 156, header + 260];
        if *size > 0 {
            positions.extend([*start, start + size / 2, start + size - 1, start + (place * 7919) % size]);
        }
        positions.extend((size % 512 > 0).then_some(start + size));
        for position in positions {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            fs::write(&check, &changed).unwrap();
            let target = tempfile::tempdir().unwrap();
            let verify = |bytes: &[u8], signature: &str| signers.verify(bytes, signature, "tenet-evidence", now);
            let error = tenet::sources::bundle::open_bundle(&check, target.path(), &verify).expect_err("a changed byte is found");
            assert!(error.is_tampering(), "{error}");
            assert!(error.to_string().contains(name.as_str()), "byte {position} of {name}: {error}");
            n += 1;
        }
    }
    println!("{n} changed bytes in {} files, all found with their file", entries.len());
    // The same through the program, and what follows the last file.
    let mut changed = bytes.clone();
    let (name, _, start, size) = &entries[entries.len() / 2];
    changed[start + size / 2] ^= 0x20;
    fs::write(&check, &changed).unwrap();
    assert!(verify(root, "changed.tar").ends(5, "evidence").stderr.contains(name.as_str()));
    for end in [&[0_u8; 512][..], b"x"] {
        fs::write(&check, [&bytes, end].concat()).unwrap();
        verify(root, "changed.tar").ends(5, "evidence");
    }
    fs::write(&check, &bytes[..bytes.len() - 512]).unwrap();
    verify(root, "changed.tar").ends(5, "evidence");
}

/// The header of a file in a bundle.
fn header(name: &str, size: usize) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size as u64);
    header.set_cksum();
    header
}

/// Writes a tar of the files, one of them left out or added.
fn rebuilt(root: &Path, without: Option<&str>, with: Option<(&str, tar::EntryType)>) -> PathBuf {
    let bytes = fs::read(root.join("bundle.tar")).unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, _, start, size) in entries(&bytes) {
        if without == Some(name.as_str()) {
            continue;
        }
        builder.append(&header(&name, size), &bytes[start..start + size]).unwrap();
    }
    if let Some((name, kind)) = with {
        let mut header = tar::Header::new_ustar();
        // A name that leads out is refused by the crate, so it is written as bytes.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o600);
        if kind != tar::EntryType::Regular {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_size(0);
        header.set_cksum();
        builder.append(&header, &[][..]).unwrap();
    }
    let path = root.join("other.tar");
    fs::write(&path, builder.into_inner().unwrap()).unwrap();
    path
}

#[test]
fn missing_added_and_hostile_files_are_named() {
    let folder = repo();
    let root = folder.path();
    sign(root, &[]);
    rebuilt(root, None, None);
    assert!(fs::read(root.join("bundle.tar")).unwrap() == fs::read(root.join("other.tar")).unwrap(), "the test writes the same tar");
    rebuilt(root, Some("repo/waivers.tenet"), None);
    let missing = verify(root, "other.tar").ends(5, "evidence").stderr;
    assert!(missing.contains("repo/waivers.tenet: it is missing"), "{missing}");
    for without in ["manifest.json", "manifest.json.sig"] {
        rebuilt(root, Some(without), None);
        assert!(verify(root, "other.tar").ends(5, "evidence").stderr.contains(without));
    }
    let regular = tar::EntryType::Regular;
    for name in ["repo/policies/added.tenet", "../escaped", "/absolute", "repo//x", "repo/../../x", "RESULT.json", "result.json"] {
        rebuilt(root, None, Some((name, regular)));
        let refused = verify(root, "other.tar").ends(5, "evidence").stderr;
        assert!(refused.contains(name), "{name}: {refused}");
    }
    for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Directory, tar::EntryType::Fifo, tar::EntryType::XHeader] {
        rebuilt(root, None, Some(("repo/link", kind)));
        let refused = verify(root, "other.tar").ends(5, "evidence").stderr;
        assert!(refused.contains("repo/link"), "{kind:?}: {refused}");
    }
    assert!(!root.join("escaped").exists() && !Path::new("/absolute").exists());
    // A stranger's signature, and one for something else.
    let other = tenet::sources::signatures::SigningKey::from_seed(&[8; 32]);
    let line = format!("auditor@contoso.example {}\n", other.public().to_openssh().unwrap());
    fs::write(root.join("strangers"), line).unwrap();
    let refused = tenet(root, &["verify", "bundle.tar", "--signers", "strangers"]).ends(5, "evidence").stderr;
    assert!(refused.contains("manifest.json") && refused.contains("not in allowed_signers"), "{refused}");
}

fn ssh_keygen(root: &Path, args: &[&str], input: Option<&Path>) -> Option<std::process::Output> {
    let input = input.map_or_else(Stdio::null, |path| fs::File::open(path).unwrap().into());
    Command::new("ssh-keygen").args(args).current_dir(root).stdin(input).output().ok()
}

#[test]
fn ssh_keygen_agrees_both_ways() {
    let folder = repo();
    let root = folder.path();
    if ssh_keygen(root, &["-Y", "none"], None).is_none() {
        println!("skipped: there is no ssh-keygen");
        return;
    }
    sign(root, &[]);
    let bytes = fs::read(root.join("bundle.tar")).unwrap();
    for (name, _, start, size) in entries(&bytes).into_iter().take(2) {
        fs::write(root.join(name), &bytes[start..start + size]).unwrap();
    }
    let verify_args = ["-Y", "verify", "-f", "signers", "-I", "auditor@contoso.example", "-n", "tenet-evidence", "-s", "manifest.json.sig"];
    let output = ssh_keygen(root, &verify_args, Some(&root.join("manifest.json"))).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The other way: a bundle with the signature of ssh-keygen.
    fs::remove_file(root.join("manifest.json.sig")).unwrap();
    let output = ssh_keygen(root, &["-Y", "sign", "-f", "key", "-n", "tenet-evidence", "manifest.json"], None).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let signature = fs::read(root.join("manifest.json.sig")).unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, _, start, size) in entries(&bytes) {
        let content = if name == "manifest.json.sig" { &signature[..] } else { &bytes[start..start + size] };
        builder.append(&header(&name, content.len()), content).unwrap();
    }
    fs::write(root.join("theirs.tar"), builder.into_inner().unwrap()).unwrap();
    verify(root, "theirs.tar").ends(0, "ok");
}
