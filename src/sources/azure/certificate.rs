//! A certificate with its private key as proof of who an application is.
//!
//! In: a PEM file. Out: assertions, each signed anew, since they lapse.
//!
//! Source: "Microsoft identity platform application authentication certificate credentials", sections "Assertion format" and
//! "Claims (payload)" (read 2026-11-28): `alg` is PS256, `x5t#S256` the SHA-256 of the certificate, `aud` the address where tokens
//! are asked for, `iss` and `sub` the application, `exp` at most ten minutes after `nbf`. PS256 is of RSA, so that other keys are
//! refused here. `x5c` is RFC 7515, section 4.1.6: the certificate of the key first.
//!
//! Invariants: the key is in memory while an assertion is made and no longer; nothing shows it. PKCS#12 is not read: that takes
//! ciphers (RC2, triple DES) which nothing else here needs.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azure_core::base64;
use azure_core::credentials::Secret;
use jiff::Timestamp;
use pkcs8::der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use pkcs8::der::{self, Decode as _, Reader as _, SliceReader, Tag};
use pkcs8::spki::SubjectPublicKeyInfoRef;
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo, SecretDocument, pkcs5};
use rustls::SignatureScheme;
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::SigningKey;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The largest file with a certificate, its chain and its key.
const CERTIFICATE_BYTES_MAX: u64 = 256 * 1024;
/// How long an assertion is valid, in seconds: the most that the source allows.
const ASSERTION_SECONDS: i64 = 600;
/// The most rounds by which a key is made of a password; OpenSSL takes 2,048.
const ROUNDS_MAX: u32 = 10_000_000;
/// `rsaEncryption` of RFC 8017.
const RSA: &str = "1.2.840.113549.1.1.1";
const LOCKED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const LOCKED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// Why a file does not serve to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum CertificateError {
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it is larger than a certificate with its chain and key may be ({CERTIFICATE_BYTES_MAX} bytes)")]
    TooLarge,
    #[error("it is no PEM file; if it is PKCS#12 (PFX), make one of it: `openssl pkcs12 -in FILE.pfx -out FILE.pem -nodes`")]
    NoPem,
    #[error("it is no PEM file that can be read: {0}")]
    Broken(String),
    #[error("it holds no certificate; the certificate and its private key stand in one file: `cat CERTIFICATE.pem KEY.pem > BOTH.pem`")]
    NoCertificate,
    #[error("it holds no private key; the certificate and its private key stand in one file: `cat CERTIFICATE.pem KEY.pem > BOTH.pem`")]
    NoKey,
    #[error("it holds {0} private keys; leave the one that belongs to the certificate")]
    SeveralKeys(usize),
    #[error("its private key has a password; set AZURE_CLIENT_CERTIFICATE_PASSWORD")]
    Locked,
    #[error("the password in AZURE_CLIENT_CERTIFICATE_PASSWORD does not open its private key")]
    WrongPassword,
    #[error(
        "its private key is protected in a way that is not read here; protect it anew: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE`"
    )]
    LockedOtherwise,
    #[error(
        "its private key takes more than {ROUNDS_MAX} rounds to open; protect it anew: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE`"
    )]
    TooSlow,
    #[error(
        "its private key is not one of RSA, and applications sign in with RSA alone (PS256); make a certificate with an RSA key of 2048 to 4096 bits"
    )]
    NotRsa,
    #[error("its private key cannot be used: {0}; RSA keys have 2048 to 4096 bits here")]
    BadKey(String),
    #[error("certificate {0} of it cannot be read")]
    BadCertificate(usize),
    #[error("its private key belongs to no certificate in it; export both together anew")]
    Strangers,
    #[error("the certificate has expired at {0}; make a new one and upload it to the application")]
    Expired(Timestamp),
    #[error("the certificate is not valid before {0}; is the clock of this machine right?")]
    NotYet(Timestamp),
}

/// A certificate file and how it is used. It is read for each assertion, so that another program may renew it.
#[derive(Debug, Clone)]
pub(super) struct CertificateFile {
    pub(super) path: PathBuf,
    /// Of an encrypted key.
    pub(super) password: Option<Secret>,
    /// Whether the chain goes with each assertion, for applications that trust a subject and issuer.
    pub(super) sends_chain: bool,
}

/// Whose assertion it is, and for whom.
#[derive(Debug, Clone)]
pub(super) struct Parties {
    /// The application.
    pub(super) client: String,
    /// The address where tokens are asked for.
    pub(super) audience: String,
}

impl CertificateFile {
    /// Makes an assertion that is valid from `now` on. `id` is to be another one each time.
    ///
    /// # Errors
    /// Why the file does not serve, with its path and a way out.
    pub(super) fn assertion(&self, parties: &Parties, now: Timestamp, id: &str) -> Result<String, String> {
        let held = read(&self.path).and_then(|text| Held::of(&text, self.password.as_ref()));
        let made = held.and_then(|held| held.valid_at(now)?.assertion(parties, now, id, self.sends_chain));
        made.map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

fn read(path: &Path) -> Result<String, CertificateError> {
    let unreadable = |error: std::io::Error| CertificateError::Unreadable(error.to_string());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(CERTIFICATE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > CERTIFICATE_BYTES_MAX {
        return Err(CertificateError::TooLarge);
    }
    // Names of keys, which tools write between the sections, may be in any encoding.
    Some(String::from_utf8_lossy(&bytes).into_owned()).filter(|text| text.contains("-----BEGIN ")).ok_or(CertificateError::NoPem)
}

/// What a file holds: a key, its certificate, and the other certificates in their order.
struct Held {
    key: Arc<dyn SigningKey>,
    certificates: Vec<CertificateDer<'static>>,
    facts: Facts,
}

impl Held {
    fn of(text: &str, password: Option<&Secret>) -> Result<Self, CertificateError> {
        let (keys, mut certificates) = sections(text)?;
        let key = match (keys.as_slice(), locked(text)) {
            ([], None) => return Err(CertificateError::NoKey),
            ([], Some(section)) => rsa_key(&unlock(section, password)?)?,
            ([key], None) => rsa_key(key)?,
            (keys, locked) => return Err(CertificateError::SeveralKeys(keys.len() + usize::from(locked.is_some()))),
        };
        if certificates.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let public = public_key(&*key).ok_or(CertificateError::NotRsa)?;
        let facts: Vec<Facts> = certificates
            .iter()
            .enumerate()
            .map(|(at, certificate)| Facts::of(certificate).map_err(|_| CertificateError::BadCertificate(at + 1)))
            .collect::<Result<_, _>>()?;
        let own = facts.into_iter().enumerate().find(|(_, facts)| facts.public_key == public);
        let (at, facts) = own.ok_or(CertificateError::Strangers)?;
        certificates.get_mut(..=at).unwrap_or_default().rotate_right(1);
        Ok(Self { key, certificates, facts })
    }

    fn valid_at(self, now: Timestamp) -> Result<Self, CertificateError> {
        match now {
            _ if now > self.facts.until => Err(CertificateError::Expired(self.facts.until)),
            _ if now < self.facts.from => Err(CertificateError::NotYet(self.facts.from)),
            _ => Ok(self),
        }
    }

    fn assertion(&self, parties: &Parties, now: Timestamp, id: &str, sends_chain: bool) -> Result<String, CertificateError> {
        let own = self.certificates.first().ok_or(CertificateError::NoCertificate)?;
        let mut header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": base64::encode_url_safe(Sha256::digest(own)) });
        if sends_chain && let Some(fields) = header.as_object_mut() {
            fields.insert("x5c".to_owned(), self.certificates.iter().map(base64::encode).collect());
        }
        let (client, from) = (&parties.client, now.as_second());
        let claims = json!({
            "aud": parties.audience, "iss": client, "sub": client, "jti": id,
            "nbf": from, "iat": from, "exp": from + ASSERTION_SECONDS,
        });
        let signed = format!("{}.{}", base64::encode_url_safe(header.to_string()), base64::encode_url_safe(claims.to_string()));
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PSS_SHA256]).ok_or(CertificateError::NotRsa)?;
        let signature = signer.sign(signed.as_bytes()).map_err(|error| CertificateError::BadKey(error.to_string()))?;
        Ok(format!("{signed}.{}", base64::encode_url_safe(signature)))
    }
}

type Sections = (Vec<PrivateKeyDer<'static>>, Vec<CertificateDer<'static>>);

/// Returns the keys without a password and the certificates of a PEM file. Other sections are passed over.
fn sections(text: &str) -> Result<Sections, CertificateError> {
    // A key of the time before PKCS#8, which says in lines of its own how it is encrypted.
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(CertificateError::LockedOtherwise);
    }
    let (mut keys, mut certificates) = (Vec::new(), Vec::new());
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()) {
        let (kind, der) = section.map_err(|error| CertificateError::Broken(error.to_string()))?;
        match kind {
            SectionKind::Certificate => certificates.push(CertificateDer::from(der)),
            _ => keys.extend(PrivateKeyDer::from_pem(kind, der)),
        }
    }
    Ok((keys, certificates))
}

/// Returns the section with an encrypted key.
fn locked(text: &str) -> Option<&str> {
    let from = text.get(text.find(LOCKED)?..)?;
    from.get(..from.find(LOCKED_END)? + LOCKED_END.len())
}

/// Opens an encrypted key: PBES2 of RFC 8018 with PBKDF2, as OpenSSL makes it. Other derivations may take any amount of memory.
fn unlock(section: &str, password: Option<&Secret>) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let password = password.ok_or(CertificateError::Locked)?;
    let (_, document) = SecretDocument::from_pem(section).map_err(|error| CertificateError::Broken(error.to_string()))?;
    let locked = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| CertificateError::LockedOtherwise)?;
    let derivation = locked.encryption_algorithm.pbes2().map(|scheme| &scheme.kdf);
    let rounds = derivation.and_then(|kdf| kdf.pbkdf2()).ok_or(CertificateError::LockedOtherwise)?.iteration_count;
    if rounds > ROUNDS_MAX {
        return Err(CertificateError::TooSlow);
    }
    let open = locked.decrypt(password.secret()).map_err(|error| match error {
        // The library says of a wrong password that encrypting failed, or the key that comes out is none.
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed | pkcs5::Error::EncryptFailed) | pkcs8::Error::Asn1(_) => {
            CertificateError::WrongPassword
        }
        _ => CertificateError::LockedOtherwise,
    })?;
    Ok(PrivatePkcs8KeyDer::from(open.as_bytes().to_vec()).into())
}

fn rsa_key(der: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, CertificateError> {
    let is_rsa = match der {
        PrivateKeyDer::Pkcs1(_) => true,
        PrivateKeyDer::Pkcs8(key) => {
            let info = PrivateKeyInfo::try_from(key.secret_pkcs8_der()).map_err(|error| CertificateError::BadKey(error.to_string()))?;
            info.algorithm.oid.to_string() == RSA
        }
        _ => false,
    };
    if !is_rsa {
        return Err(CertificateError::NotRsa);
    }
    rustls::crypto::ring::sign::any_supported_type(der).map_err(|_| CertificateError::BadKey("it is broken, or of another size".to_owned()))
}

fn public_key(key: &dyn SigningKey) -> Option<Vec<u8>> {
    let info = key.public_key()?;
    Some(SubjectPublicKeyInfoRef::try_from(info.as_ref()).ok()?.subject_public_key.raw_bytes().to_vec())
}

/// What is read of a certificate.
struct Facts {
    from: Timestamp,
    until: Timestamp,
    public_key: Vec<u8>,
}

impl Facts {
    /// Source: RFC 5280, section 4.1.
    fn of(certificate: &[u8]) -> der::Result<Self> {
        AnyRef::from_der(certificate)?.sequence(|outer| {
            let facts = AnyRef::decode(outer)?.sequence(|fields| {
                if matches!(fields.peek_tag()?, Tag::ContextSpecific { .. }) {
                    AnyRef::decode(fields)?;
                }
                let [_number, _signature, _issuer] = [AnyRef::decode(fields)?, AnyRef::decode(fields)?, AnyRef::decode(fields)?];
                let (from, until) = AnyRef::decode(fields)?.sequence(|times| Ok((time(times)?, time(times)?)))?;
                let _subject = AnyRef::decode(fields)?;
                let public_key = SubjectPublicKeyInfoRef::decode(fields)?.subject_public_key.raw_bytes().to_vec();
                pass_over(fields)?;
                Ok(Self { from, until, public_key })
            })?;
            pass_over(outer)?;
            Ok(facts)
        })
    }
}

fn time(reader: &mut SliceReader<'_>) -> der::Result<Timestamp> {
    let since = match reader.peek_tag()? {
        Tag::UtcTime => UtcTime::decode(reader)?.to_unix_duration(),
        _ => GeneralizedTime::decode(reader)?.to_unix_duration(),
    };
    // The last time there can be is later than any that is written: 99991231235959Z means no end.
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}

fn pass_over(reader: &mut SliceReader<'_>) -> der::Result<()> {
    while !reader.is_finished() {
        AnyRef::decode(reader)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = include_str!("../../../fixtures/certificates/app.pem");
    const LOCKED_APP: &str = include_str!("../../../fixtures/certificates/locked.pem");
    const CHAIN: &str = include_str!("../../../fixtures/certificates/chain.pem");
    const EXPIRED: &str = include_str!("../../../fixtures/certificates/expired.pem");
    const LATER: &str = include_str!("../../../fixtures/certificates/later.pem");
    const EC: &str = include_str!("../../../fixtures/certificates/ec.pem");
    const SLOW: &str = include_str!("../../../fixtures/certificates/slow.pem");
    const SCRYPT: &str = include_str!("../../../fixtures/certificates/scrypt.pem");
    const WEAK: &str = include_str!("../../../fixtures/certificates/weak.pem");

    fn held(text: &str, password: Option<&str>) -> Result<Held, CertificateError> {
        Held::of(text, password.map(|text| Secret::new(text.to_owned())).as_ref())
    }

    fn why(text: &str, password: Option<&str>) -> CertificateError {
        held(text, password).and_then(|held| held.valid_at("2026-10-20T08:00:00Z".parse().unwrap())).err().unwrap()
    }

    fn split(pem: &str) -> (&str, &str) {
        pem.split_at(pem.find("-----BEGIN CERTIFICATE").unwrap())
    }

    /// The parts of an assertion: header, claims, and whether a key of this certificate signed it.
    fn read_back(assertion: &str, certificate: &CertificateDer<'_>) -> (serde_json::Value, serde_json::Value, bool) {
        let parts: Vec<&str> = assertion.split('.').collect();
        let decoded = |at: usize| base64::decode_url_safe(parts[at]).unwrap();
        let json = |at: usize| serde_json::from_slice(&decoded(at)).unwrap();
        let signed = format!("{}.{}", parts[0], parts[1]);
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let (_, pss) = algorithms.mapping.iter().find(|(scheme, _)| *scheme == SignatureScheme::RSA_PSS_SHA256).unwrap();
        let verified = pss[0].verify_signature(&Facts::of(certificate).unwrap().public_key, signed.as_bytes(), &decoded(2));
        (json(0), json(1), verified.is_ok())
    }

    #[test]
    fn an_assertion_says_who_for_whom_and_until_when() {
        let parties = Parties { client: "app-id".to_owned(), audience: "https://l.example/t/oauth2/v2.0/token".to_owned() };
        let now: Timestamp = "2026-10-20T08:00:00Z".parse().unwrap();
        for (pem, password) in [(APP, None), (LOCKED_APP, Some("test-password")), (APP, Some("not needed"))] {
            let held = held(pem, password).unwrap().valid_at(now).unwrap();
            let assertion = held.assertion(&parties, now, "one", false).unwrap();
            let (header, claims, verified) = read_back(&assertion, &held.certificates[0]);
            let print = base64::encode_url_safe(Sha256::digest(&held.certificates[0]));
            assert_eq!(header, json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": print }));
            let at = now.as_second();
            let wanted =
                json!({ "aud": parties.audience, "iss": "app-id", "sub": "app-id", "jti": "one", "nbf": at, "iat": at, "exp": at + 600 });
            assert_eq!(claims, wanted);
            assert!(verified);
            let other = held_certificate(CHAIN);
            assert!(!read_back(&assertion, &other).2);
        }
    }

    fn held_certificate(pem: &str) -> CertificateDer<'static> {
        held(pem, None).unwrap().certificates.remove(0)
    }

    #[test]
    fn the_certificate_of_the_key_goes_first_in_a_chain() {
        let parties = Parties { client: "c".to_owned(), audience: "a".to_owned() };
        let held = held(CHAIN, None).unwrap();
        let assertion = held.assertion(&parties, Timestamp::UNIX_EPOCH, "one", true).unwrap();
        let in_file: Vec<CertificateDer<'_>> = sections(CHAIN).unwrap().1;
        let (header, _, verified) = read_back(&assertion, &in_file[1]);
        assert!(verified);
        assert_eq!(header["x5c"], json!([base64::encode(&in_file[1]), base64::encode(&in_file[0])]));
    }

    #[test]
    fn what_does_not_serve_says_why() {
        let ((key, certificate), (other_key, _)) = (split(APP), split(EC));
        let both = |first: &str, second: &str| format!("{first}{second}");
        assert_eq!(why(key, None), CertificateError::NoCertificate);
        assert_eq!(why(certificate, None), CertificateError::NoKey);
        assert_eq!(why(&both(key, APP), None), CertificateError::SeveralKeys(2));
        assert_eq!(why(&both(key, LOCKED_APP), Some("test-password")), CertificateError::SeveralKeys(2));
        assert_eq!(why(LOCKED_APP, None), CertificateError::Locked);
        assert_eq!(why(LOCKED_APP, Some("wrong")), CertificateError::WrongPassword);
        let slow = format!("{SLOW}{certificate}");
        assert_eq!(why(&slow, Some("x")), CertificateError::TooSlow);
        assert_eq!(why(&format!("{SCRYPT}{certificate}"), Some("x")), CertificateError::LockedOtherwise);
        assert_eq!(why(&both("Proc-Type: 4,ENCRYPTED\n", APP), None), CertificateError::LockedOtherwise);
        assert_eq!(why(EC, None), CertificateError::NotRsa);
        assert!(matches!(why(WEAK, None), CertificateError::BadKey(_)));
        assert_eq!(why(&both(key, split(WEAK).1), None), CertificateError::Strangers);
        assert_eq!(why(&both(other_key, certificate), None), CertificateError::NotRsa);
        assert_eq!(why(&both(key, EXPIRED), None), CertificateError::Expired("2020-01-01T00:00:00Z".parse().unwrap()));
        assert_eq!(why(&both(key, LATER), None), CertificateError::NotYet("2090-01-01T00:00:00Z".parse().unwrap()));
        let cut = certificate.replace("-----END CERTIFICATE-----", "");
        assert!(matches!(why(&both(key, &cut), None), CertificateError::Broken(_)));
        let other = certificate.replacen("MII", "MIJ", 1);
        assert_eq!(why(&both(key, &other), None), CertificateError::BadCertificate(1));
    }

    #[test]
    fn files_are_bounded_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            CertificateFile { path, password: None, sends_chain: false }
        };
        let parties = Parties { client: String::new(), audience: String::new() };
        let says = |file: CertificateFile| file.assertion(&parties, Timestamp::UNIX_EPOCH, "").unwrap_err();
        let large = vec![b' '; usize::try_from(CERTIFICATE_BYTES_MAX).unwrap() + 1];
        assert!(says(file("large.pem", &large)).contains("large.pem: it is larger than"));
        assert!(says(file("app.pfx", b"\x30\x82\x01\x00\xff")).contains("openssl pkcs12 -in FILE.pfx -out FILE.pem -nodes"));
        let gone = CertificateFile { path: folder.path().join("gone.pem"), password: None, sends_chain: false };
        assert!(says(gone).contains("gone.pem: it cannot be read"));
        // Names that tools write between the sections may be in any encoding.
        let named = [b"friendlyName: \xe4\n".as_slice(), APP.as_bytes()].concat();
        assert!(says(file("named.pem", &named)).contains("not valid before 2020-01-01"));
        assert!(!format!("{:?}", file("x", b"")).contains("BEGIN"));
    }
}
