//! SSH signatures: who may sign (`allowed_signers`), making a signature and checking one.
//!
//! In: the files of OpenSSH. Out: a name, or why there is none. The formats are those of `ssh-keygen -Y sign` and `-Y verify`
//! (OpenSSH: `PROTOCOL.sshsig`; `ssh-keygen(1)`, "ALLOWED SIGNERS"). Invariants: a name stands for one person, so a line that
//! names a pattern or several people vouches for nobody; a signature has one text, so a changed byte is a bad signature.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};

use crate::remedy::approval::Signer;

/// The largest `allowed_signers` that is read.
pub const SIGNERS_BYTES_MAX: u64 = 1 << 20;
/// The largest signature or key that is read.
pub const SIGNATURE_BYTES_MAX: u64 = 64 << 10;

/// Those who may sign.
#[derive(Debug, Clone, Default)]
pub struct AllowedSigners {
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    number: usize,
    names: String,
    key: PublicKey,
    certificates: bool,
    namespaces: Option<Vec<String>>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

/// A passphrase; shows nothing of itself.
#[derive(Clone)]
pub struct Passphrase(pub String);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Why nothing was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key is locked.
    #[error("the key is encrypted; give its passphrase")]
    Encrypted,
    /// The passphrase does not open the key.
    #[error("the passphrase does not open the key")]
    WrongPassphrase,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl AllowedSigners {
    /// Reads the file of those who may sign.
    ///
    /// # Errors
    /// What is wrong, with the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        let read = lines.map(|(at, line)| read_line(at + 1, line.trim()).map_err(|message| format!("line {}: {message}", at + 1)));
        Ok(Self { lines: read.collect::<Result<_, _>>()? })
    }

    /// Returns the name of whoever a key belongs to.
    ///
    /// # Errors
    /// Why the key vouches for nobody.
    pub fn name_of(&self, key: &PublicKey, namespace: &str, now: Timestamp) -> Result<String, String> {
        let mut names: Vec<String> = Vec::new();
        let mut reason = "its key is not in allowed_signers".to_owned();
        for line in self.lines.iter().filter(|line| line.key.key_data() == key.key_data()) {
            match line.name(namespace, now) {
                Ok(name) => names.push(name),
                Err(why) => reason = format!("line {} of allowed_signers: {why}", line.number),
            }
        }
        names.dedup();
        match names.as_slice() {
            [name] => Ok(name.clone()),
            [] => Err(reason),
            _ => Err(format!("its key stands for several people: {}", names.join(", "))),
        }
    }

    /// Checks a signature over bytes; returns who signed.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn verify(&self, bytes: &[u8], signature: &str, namespace: &str, now: Timestamp) -> Result<Signer, String> {
        let parsed = SshSig::from_pem(signature).map_err(|error| format!("it is no SSH signature: {error}"))?;
        if parsed.to_pem(LineEnding::LF).ok().is_none_or(|text| text.trim_end() != signature.trim_end()) {
            return Err("it is not written as signatures are".to_owned());
        }
        // The version is not part of what is signed (`PROTOCOL.sshsig`), so nothing but this look holds it.
        if parsed.version() != SshSig::VERSION {
            return Err(format!("it is of version {} of signatures, and {} is known here", parsed.version(), SshSig::VERSION));
        }
        if parsed.namespace() != namespace {
            return Err(format!("it was made for `{}`, not for `{namespace}`", parsed.namespace()));
        }
        let key = PublicKey::from(parsed.public_key().clone());
        key.verify(namespace, bytes, &parsed).map_err(|_| "it is not a signature of this file".to_owned())?;
        let name = self.name_of(&key, namespace, now)?;
        Ok(Signer { name, key: key.fingerprint(HashAlg::Sha256).to_string() })
    }
}

impl Line {
    fn name(&self, namespace: &str, now: Timestamp) -> Result<String, String> {
        if self.certificates {
            return Err("certificates of an authority do not count here".to_owned());
        }
        if self.names.contains(['*', '?', '!', ',']) {
            return Err("a name with a pattern, or several names, stand for nobody in particular".to_owned());
        }
        // An empty list allows nothing; patterns other than a lone star are not followed.
        if let Some(namespaces) = &self.namespaces
            && !namespaces.iter().any(|allowed| allowed == namespace || allowed == "*")
        {
            return Err(format!("the key may not sign for `{namespace}`"));
        }
        if self.after.is_some_and(|after| now < after) {
            return Err("the key is not valid yet".to_owned());
        }
        if self.before.is_some_and(|before| now >= before) {
            return Err("the key is no longer valid".to_owned());
        }
        Ok(self.names.clone())
    }
}

fn read_line(number: usize, text: &str) -> Result<Line, String> {
    let (names, rest) = word(text).ok_or("it names nobody")?;
    let (second, after_second) = word(rest).ok_or("there is no key")?;
    let is_key_type = ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| second.starts_with(prefix));
    let (options, key) = if is_key_type { ("", rest) } else { (second, after_second) };
    let key = PublicKey::from_openssh(key.trim()).map_err(|error| format!("the key cannot be read: {error}"))?;
    let names = names.trim_matches('"').to_owned();
    let mut line = Line { number, names, key, certificates: false, namespaces: None, after: None, before: None };
    for option in split_outside_quotes(options, ',').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "cert-authority" => line.certificates = true,
            "namespaces" => line.namespaces = Some(value.split(',').map(str::to_owned).collect()),
            "valid-after" => line.after = Some(time(value)?),
            "valid-before" => line.before = Some(time(value)?),
            _ => return Err(format!("there is no option `{name}`")),
        }
    }
    Ok(line)
}

/// Splits off a word; white space in double quotes belongs to it.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut quoted = false;
    let end = text.find(|c: char| {
        quoted ^= c == '"';
        !quoted && c.is_whitespace()
    });
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    (!word.is_empty()).then_some((word, rest))
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        !quoted && c == separator
    })
}

/// Reads `YYYYMMDD[HHMM[SS]]Z`. OpenSSH takes a time without `Z` as local, which would make the answer depend on the machine.
fn time(text: &str) -> Result<Timestamp, String> {
    let digits = text.strip_suffix('Z').ok_or_else(|| format!("`{text}`: write the time in UTC, with a Z at its end"))?;
    let wrong = || format!("`{text}` is not a time: write YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, and a Z");
    let padded = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return Err(wrong()),
    };
    let local = DateTime::strptime("%Y%m%d%H%M%S", &padded).map_err(|_| wrong())?;
    TimeZone::UTC.to_timestamp(local).map_err(|_| wrong())
}

/// A private key that is open.
pub struct SigningKey(PrivateKey);

impl SigningKey {
    /// Opens a private key of OpenSSH.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn open(text: &str, passphrase: Option<&Passphrase>) -> Result<Self, SignError> {
        let other = |error: ssh_key::Error| SignError::Other(format!("this is no private key of OpenSSH: {error}"));
        let key = PrivateKey::from_openssh(text).map_err(other)?;
        if !key.is_encrypted() {
            return Ok(Self(key));
        }
        let passphrase = passphrase.ok_or(SignError::Encrypted)?;
        key.decrypt(&passphrase.0).map(Self).map_err(|_| SignError::WrongPassphrase)
    }

    /// Makes the Ed25519 key of a seed. Whoever knows the seed has the key.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(PrivateKey::from(Ed25519Keypair::from_seed(seed)))
    }

    /// Writes the private key as OpenSSH does, without a passphrase.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn to_openssh(&self) -> Result<String, SignError> {
        let text = self.0.to_openssh(LineEnding::LF).map_err(|error| SignError::Other(format!("the key cannot be written: {error}")))?;
        Ok(text.to_string())
    }

    /// Returns the key that others see.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        self.0.public_key()
    }

    /// Signs bytes: what is signed is their sha256. The text ends with a line end, as that of `ssh-keygen` does.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, bytes: &[u8], namespace: &str) -> Result<String, SignError> {
        let wrong = |error: ssh_key::Error| SignError::Other(format!("the key cannot sign: {error}"));
        let signature = self.0.sign(namespace, HashAlg::Sha256, bytes).map_err(wrong)?;
        let text = signature.to_pem(LineEnding::LF).map_err(wrong)?;
        Ok(text.trim_end().to_owned() + "\n")
    }
}

#[cfg(test)]
mod tests;
