//! Signatures of our own and of OpenSSH, both ways, if `ssh-keygen` is on the machine.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{Cipher, Kdf, LineEnding};

use super::{AllowedSigners, Passphrase, SignError, SigningKey};

const NAMESPACE: &str = "tenet-plan";

fn now() -> jiff::Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn private() -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]))
}

fn key() -> SigningKey {
    SigningKey::open(&private().to_openssh(LineEnding::LF).unwrap(), None).unwrap()
}

fn public() -> String {
    let text = key().public().to_openssh().unwrap();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn signers(line: &str) -> AllowedSigners {
    AllowedSigners::parse(&format!("# who may\n\n{line}\n")).unwrap()
}

#[test]
fn a_signature_names_who_made_it() {
    let signature = key().sign(b"plan", NAMESPACE).unwrap();
    let signers = signers(&format!("ann@example.org {} a comment", public()));
    let signer = signers.verify(b"plan", &signature, NAMESPACE, now()).unwrap();
    assert_eq!(signer.name, "ann@example.org");
    assert!(signer.key.starts_with("SHA256:"));
    assert_eq!(signers.verify(b"plan2", &signature, NAMESPACE, now()).unwrap_err(), "it is not a signature of this file");
    assert!(signers.verify(b"plan", &signature, "tenet-evidence", now()).unwrap_err().contains("it was made for `tenet-plan`"));
    let stranger = AllowedSigners::parse("").unwrap().verify(b"plan", &signature, NAMESPACE, now());
    assert_eq!(stranger.unwrap_err(), "its key is not in allowed_signers");
}

#[test]
fn every_flipped_bit_of_a_signature_is_refused() {
    let signature = key().sign(b"plan", NAMESPACE).unwrap();
    let signers = signers(&format!("ann {}", public()));
    assert!(signers.verify(b"plan", &signature, NAMESPACE, now()).is_ok());
    // The line end at the very end says nothing.
    for at in 0..signature.len() - 1 {
        for bit in 0..8 {
            let mut bytes = signature.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(signers.verify(b"plan", &text, NAMESPACE, now()).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn options_of_allowed_signers_are_followed_or_refused() {
    let signature = key().sign(b"plan", NAMESPACE).unwrap();
    let says = |options: &str| {
        signers(&format!("ann {options} {}", public())).verify(b"plan", &signature, NAMESPACE, now()).map(|signer| signer.name)
    };
    assert_eq!(says("namespaces=\"git,tenet-plan\"").unwrap(), "ann");
    assert_eq!(says("valid-after=\"20260101Z\",valid-before=\"202603011201Z\"").unwrap(), "ann");
    assert!(says("namespaces=\"git\"").unwrap_err().contains("may not sign for `tenet-plan`"));
    assert!(says("valid-after=\"20260301120001Z\"").unwrap_err().contains("not valid yet"));
    assert!(says("valid-before=\"20260301120000Z\"").unwrap_err().contains("no longer valid"));
    assert!(says("cert-authority").unwrap_err().contains("certificates of an authority"));
    for names in ["*@example.org", "ann,eve", "!eve"] {
        let refused = signers(&format!("{names} {}", public())).verify(b"plan", &signature, NAMESPACE, now()).unwrap_err();
        assert!(refused.contains("nobody in particular"), "{refused}");
    }
    let twice = AllowedSigners::parse(&format!("ann {0}\neve {0}\n", public())).unwrap();
    assert!(twice.verify(b"plan", &signature, NAMESPACE, now()).unwrap_err().contains("several people: ann, eve"));
    for (line, message) in [
        ("ann", "line 1: there is no key"),
        ("ann ssh-ed25519 AAAA", "line 1: the key cannot be read"),
        (&format!("ann verify-required {}", public()), "line 1: there is no option `verify-required`"),
        (&format!("ann valid-after=20260101 {}", public()), "write the time in UTC"),
        (&format!("ann valid-after=2026Z {}", public()), "is not a time"),
    ] {
        assert!(AllowedSigners::parse(line).unwrap_err().contains(message), "{line}: {:?}", AllowedSigners::parse(line));
    }
}

#[test]
fn encrypted_keys_need_their_passphrase() {
    let kdf = Kdf::Bcrypt { salt: vec![1; 16], rounds: 4 };
    let encrypted = private().encrypt_with(Cipher::Aes256Ctr, kdf, 7, "correct horse").unwrap().to_openssh(LineEnding::LF).unwrap();
    assert_eq!(SigningKey::open(&encrypted, None).err(), Some(SignError::Encrypted));
    assert_eq!(SigningKey::open(&encrypted, Some(&Passphrase("wrong".into()))).err(), Some(SignError::WrongPassphrase));
    let key = SigningKey::open(&encrypted, Some(&Passphrase("correct horse".into()))).unwrap();
    assert!(key.sign(b"x", NAMESPACE).is_ok());
    assert!(matches!(SigningKey::open("no key", None).err(), Some(SignError::Other(_))));
    assert_eq!(format!("{:?}", Passphrase("secret".into())), "Passphrase(…)");
}

fn ssh_keygen(folder: &Path, args: &[&str], stdin: &[u8]) -> Option<(bool, String)> {
    let mut child = Command::new("ssh-keygen")
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn openssh_checks_what_we_sign_and_we_check_what_it_signs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    if ssh_keygen(folder.path(), &["-q", "-t", "ed25519", "-N", "", "-C", "a key", "-f", "key"], b"").is_none() {
        eprintln!("skipped: there is no ssh-keygen on this machine");
        return;
    }
    let public = std::fs::read_to_string(path("key.pub")).unwrap();
    std::fs::write(path("allowed_signers"), format!("ann@example.org namespaces=\"tenet-plan\" {public}")).unwrap();
    let plan = b"{\"format\":\"tenet.plan/v1\"}";
    std::fs::write(path("plan.json"), plan).unwrap();
    // Ours, checked by OpenSSH.
    let key = SigningKey::open(&std::fs::read_to_string(path("key")).unwrap(), None).unwrap();
    std::fs::write(path("ours.sig"), key.sign(plan, NAMESPACE).unwrap()).unwrap();
    let args = ["-Y", "verify", "-f", "allowed_signers", "-I", "ann@example.org", "-n", NAMESPACE, "-s", "ours.sig"];
    let (good, said) = ssh_keygen(folder.path(), &args, plan).unwrap();
    assert!(good, "{said}");
    let (good, said) = ssh_keygen(folder.path(), &args, b"{}").unwrap();
    assert!(!good, "{said}");
    // That of OpenSSH, checked by us.
    let (good, said) = ssh_keygen(folder.path(), &["-q", "-Y", "sign", "-f", "key", "-n", NAMESPACE, "plan.json"], b"").unwrap();
    assert!(good, "{said}");
    let theirs = std::fs::read_to_string(path("plan.json.sig")).unwrap();
    let signers = AllowedSigners::parse(&std::fs::read_to_string(path("allowed_signers")).unwrap()).unwrap();
    assert_eq!(signers.verify(plan, &theirs, NAMESPACE, now()).unwrap().name, "ann@example.org");
    assert!(signers.verify(b"{}", &theirs, NAMESPACE, now()).is_err());
}
