//! A tar to files in a folder, and the comparison of every byte of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tar::{Archive, Builder, EntryType};

use super::write::{Member, append};
use super::{BUNDLE_BYTES_MAX, BundleError, FILE_BYTES_MAX, FILES_MAX, MANIFEST, MANIFEST_BYTES_MAX, Manifest, SIGNATURE, wrong_name};
use crate::remedy::approval::Signer;
use crate::sources::disk::hex;

/// Tells who signed the bytes of a manifest, or why the signature does not count.
pub type CheckSignature<'c> = &'c dyn Fn(&[u8], &str) -> Result<Signer, String>;

/// A bundle whose files are what its manifest says, and whose manifest is what was signed.
#[derive(Debug)]
pub struct Opened {
    /// The manifest.
    pub manifest: Manifest,
    /// Who signed it.
    pub signer: Signer,
    /// The files with their sha256.
    pub files: BTreeMap<String, String>,
}

/// Reads a bundle into an empty folder and compares it with its manifest. Nothing of the manifest is believed before its
/// signature was checked.
///
/// # Errors
/// [`BundleError`], with the name of the file that differs.
pub fn open_bundle(path: &Path, folder: &Path, check: CheckSignature<'_>) -> Result<Opened, BundleError> {
    let io = |source| BundleError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    if size > BUNDLE_BYTES_MAX {
        return Err(BundleError::Limit { what: path.display().to_string(), limit: BUNDLE_BYTES_MAX });
    }
    let mut reading = Reading { folder, check, order: Vec::new(), seen: BTreeSet::new(), digests: BTreeMap::new(), listed: None };
    reading.entries(BufReader::new(&mut file))?;
    let order = std::mem::take(&mut reading.order);
    let opened = reading.finish()?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    compare(BufReader::new(file), size, &order, folder)?;
    Ok(opened)
}

/// A manifest whose signature counts.
struct Listed {
    manifest: Manifest,
    signer: Signer,
    files: BTreeMap<String, String>,
}

struct Reading<'f> {
    folder: &'f Path,
    check: CheckSignature<'f>,
    order: Vec<String>,
    /// Names in lower case: two that differ in case alone would be one file on some systems.
    seen: BTreeSet<String>,
    digests: BTreeMap<String, String>,
    listed: Option<Listed>,
}

impl Reading<'_> {
    fn entries(&mut self, input: impl Read) -> Result<(), BundleError> {
        let mut archive = Archive::new(input);
        let entries = archive.entries().map_err(|error| BundleError::changed(MANIFEST, error.to_string()))?;
        for entry in entries.raw(true) {
            if self.order.len() >= FILES_MAX {
                return Err(BundleError::Limit { what: "files of a bundle".to_owned(), limit: FILES_MAX as u64 });
            }
            let expected = self.expected();
            let mut entry = entry.map_err(|error| BundleError::changed(&expected, format!("its header is damaged: {error}")))?;
            let name = entry.path_bytes();
            let name = std::str::from_utf8(&name).map_err(|_| BundleError::changed(&expected, "its name is not UTF-8"))?.to_owned();
            if entry.header().entry_type() != EntryType::Regular {
                return Err(BundleError::changed(&name, "it is no plain file; links and the like are refused"));
            }
            let size = entry.header().size().map_err(|error| BundleError::changed(&name, error.to_string()))?;
            self.take(&name, size, &mut entry)?;
        }
        Ok(())
    }

    /// Names the file that should come next.
    fn expected(&self) -> String {
        match (self.order.len(), &self.listed) {
            (0, _) => MANIFEST.to_owned(),
            (n, Some(listed)) => {
                let next = listed.files.keys().nth(n.saturating_sub(2));
                next.map_or_else(|| "after the last file".to_owned(), Clone::clone)
            }
            (_, None) => SIGNATURE.to_owned(),
        }
    }

    fn take(&mut self, name: &str, size: u64, input: &mut dyn Read) -> Result<(), BundleError> {
        if let Some(reason) = wrong_name(name) {
            return Err(BundleError::Name { name: name.to_owned(), reason });
        }
        // The manifest stands first and its signature second; what it names follows in any order.
        if (self.order.is_empty() != (name == MANIFEST)) || ((self.order.len() == 1) != (name == SIGNATURE)) {
            let expected = self.expected();
            return Err(BundleError::changed(expected, format!("`{name}` stands in its place")));
        }
        if !self.seen.insert(name.to_lowercase()) {
            return Err(BundleError::changed(name, "it is there twice"));
        }
        let limit = if name == MANIFEST || name == SIGNATURE { MANIFEST_BYTES_MAX } else { FILE_BYTES_MAX };
        if size > limit {
            return Err(BundleError::Limit { what: name.to_owned(), limit });
        }
        if let Some(listed) = &self.listed
            && !listed.files.contains_key(name)
        {
            return Err(BundleError::changed(name, "it was added: the manifest does not name it"));
        }
        self.order.push(name.to_owned());
        let digest = copy(input, &self.folder.join(name), size, name)?;
        if name == SIGNATURE {
            self.listed = Some(self.believe()?);
        } else if name != MANIFEST {
            self.digests.insert(name.to_owned(), digest);
        }
        Ok(())
    }

    /// Reads the manifest, after its signature.
    fn believe(&self) -> Result<Listed, BundleError> {
        let read = |name: &str| {
            let path = self.folder.join(name);
            std::fs::read(&path).map_err(|source| BundleError::Io { path, source })
        };
        let bytes = read(MANIFEST)?;
        let signature = String::from_utf8(read(SIGNATURE)?).map_err(|_| BundleError::changed(SIGNATURE, "it is not UTF-8 text"))?;
        let signer =
            (self.check)(&bytes, &signature).map_err(|reason| BundleError::changed(format!("{MANIFEST} and {SIGNATURE}"), reason))?;
        let manifest = Manifest::parse(&bytes)?;
        let files = manifest.files()?;
        Ok(Listed { manifest, signer, files })
    }

    /// Compares what was found with what the manifest names.
    fn finish(self) -> Result<Opened, BundleError> {
        let missing = if self.order.is_empty() { MANIFEST } else { SIGNATURE };
        let Listed { manifest, signer, files } = self.listed.ok_or_else(|| BundleError::changed(missing, "it is missing"))?;
        for (name, digest) in &files {
            match self.digests.get(name) {
                None => return Err(BundleError::changed(name, "it is missing")),
                Some(found) if found != digest => {
                    return Err(BundleError::changed(
                        name,
                        format!("it was changed: its sha256 is {found}, and the manifest says {digest}"),
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(Opened { manifest, signer, files })
    }
}

/// Writes a file of exactly this size; returns its sha256.
fn copy(input: &mut dyn Read, path: &Path, size: u64, name: &str) -> Result<String, BundleError> {
    let io = |source| BundleError::Io { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io)?;
    }
    let mut output = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(io)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0_u64;
    loop {
        let n = input.read(&mut buffer).map_err(|error| BundleError::changed(name, format!("it is cut: {error}")))?;
        let piece = buffer.get(..n).unwrap_or(&[]);
        if n == 0 {
            break;
        }
        total = total.saturating_add(n as u64);
        digest.update(piece);
        output.write_all(piece).map_err(io)?;
    }
    if total != size {
        return Err(BundleError::changed(name, format!("it is cut: {total} bytes of {size}")));
    }
    Ok(hex(&digest.finalize()))
}

/// Writes the same files once more and compares each byte, so that headers, gaps and what follows the last file count, too.
fn compare(original: impl Read, size: u64, order: &[String], folder: &Path) -> Result<(), BundleError> {
    let mut builder = Builder::new(Comparing { original, differs: false, n: 0 });
    for name in order {
        append(&mut builder, name, &Member::File(folder.join(name)))?;
        if builder.get_ref().differs {
            return Err(BundleError::changed(name, "the bytes around it are not those of a bundle"));
        }
    }
    let last = || order.last().cloned().unwrap_or_default();
    let compared = builder.into_inner().map_err(|source| BundleError::Io { path: PathBuf::from("the bundle"), source })?;
    if compared.differs || compared.n != size {
        return Err(BundleError::changed(last(), "the bytes after it are not those of a bundle"));
    }
    Ok(())
}

/// Compares what is written with what is there.
struct Comparing<R> {
    original: R,
    differs: bool,
    n: u64,
}

impl<R: Read> Write for Comparing<R> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut found = vec![0; bytes.len()];
        if !self.differs {
            self.differs = self.original.read_exact(&mut found).is_err() || found != bytes;
        }
        self.n = self.n.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
