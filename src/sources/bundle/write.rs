//! Files to a tar whose bytes follow from the names and the contents alone.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use tar::{Builder, EntryType, Header};

use super::{BUNDLE_BYTES_MAX, BundleError, FILE_BYTES_MAX, FILES_MAX, wrong_name};

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// Bytes at hand.
    Bytes(Vec<u8>),
    /// A file on disk.
    File(PathBuf),
}

/// Writes members in the order given.
///
/// # Errors
/// [`BundleError`]
pub fn write_bundle(members: &[(String, Member)], output: &mut dyn Write) -> Result<(), BundleError> {
    if members.len() > FILES_MAX {
        return Err(BundleError::Limit { what: "files of a bundle".to_owned(), limit: FILES_MAX as u64 });
    }
    let mut builder = Builder::new(output);
    let mut total = 0_u64;
    for (name, member) in members {
        total = total.saturating_add(append(&mut builder, name, member)?);
        if total > BUNDLE_BYTES_MAX {
            return Err(BundleError::Limit { what: "bytes of a bundle".to_owned(), limit: BUNDLE_BYTES_MAX });
        }
    }
    builder.finish().map_err(|source| BundleError::Io { path: "the bundle".into(), source })
}

/// Appends one file.
pub(super) fn append<W: Write>(builder: &mut Builder<W>, name: &str, member: &Member) -> Result<u64, BundleError> {
    let io = |source: std::io::Error| BundleError::Io { path: name.into(), source };
    let (size, mut input): (u64, Box<dyn Read + '_>) = match member {
        Member::Bytes(bytes) => (bytes.len() as u64, Box::new(bytes.as_slice())),
        Member::File(path) => {
            let file = File::open(path).map_err(|source| BundleError::Io { path: path.clone(), source })?;
            let size = file.metadata().map_err(io)?.len();
            (size, Box::new(file.take(size)))
        }
    };
    if size > FILE_BYTES_MAX {
        return Err(BundleError::Limit { what: name.to_owned(), limit: FILE_BYTES_MAX });
    }
    builder.append(&header(name, size)?, &mut input).map_err(io)?;
    Ok(size)
}

/// Makes the header of a file: nobody's, of no time, readable by its owner.
fn header(name: &str, size: u64) -> Result<Header, BundleError> {
    let wrong = |reason| BundleError::Name { name: name.to_owned(), reason };
    if let Some(reason) = wrong_name(name) {
        return Err(wrong(reason));
    }
    let mut header = Header::new_ustar();
    header.set_path(name).map_err(|_| wrong("the name is too long for a tar"))?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    Ok(header)
}
