//! One part of the index as it lies in its file: a header of fixed size and up to twelve arrays, little-endian, the widest
//! elements first so that all lie aligned without padding.
//!
//! The digest of a part is the BLAKE3 over its header and, for each array, the BLAKE3 of each block of 1 MiB: what is read is
//! hashed while it is still in the cache, and blocks can be hashed side by side. BLAKE3 and not SHA-256, which the rest of
//! the snapshot has, because all that a scan reads is hashed in each run, and it takes a third of the time.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};

use blake3::{Hash, Hasher};
use bytemuck::Pod;

/// The first bytes of every part.
const MAGIC: [u8; 8] = *b"tenetidx";
/// Numbers of a part that are no array.
const SCALARS: usize = 12;
/// The most arrays of a part.
const SECTIONS: usize = 12;
/// Magic, format, kind, scalars, and for each array the width of an element and the number of bytes.
const HEADER_BYTES: usize = 8 + 4 + 4 + 4 * SCALARS + 16 * SECTIONS;
/// How much is read and hashed at a time; part of the definition of the digest.
const BLOCK_BYTES: usize = 1 << 20;
/// An array of fewer blocks is read by one thread.
const PARALLEL_BLOCKS_MIN: usize = 8;

/// An array of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Section<'a> {
    U128(&'a [u128]),
    I64(Cow<'a, [i64]>),
    U32(Cow<'a, [u32]>),
    U8(Cow<'a, [u8]>),
}

impl Section<'_> {
    fn width(&self) -> usize {
        match self {
            Self::U128(_) => 16,
            Self::I64(_) => 8,
            Self::U32(_) => 4,
            Self::U8(_) => 1,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::U128(values) => bytemuck::cast_slice(values),
            Self::I64(values) => bytemuck::cast_slice(values),
            Self::U32(values) => bytemuck::cast_slice(values),
            Self::U8(values) => values,
        }
    }
}

/// A part as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Which kind of part it is.
    pub(super) kind: u32,
    /// Its numbers; what is not given is 0.
    pub(super) scalars: Vec<u32>,
    /// Its arrays.
    pub(super) sections: Vec<Section<'a>>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) digest: String,
}

impl Frame<'_> {
    /// Writes header and arrays.
    pub(super) fn write(&self, format: u32, output: &mut impl Write) -> io::Result<Written> {
        // Every machine this runs on is little-endian; another one reads and writes no index.
        if cfg!(target_endian = "big") {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "an index is written by little-endian machines only"));
        }
        let header = self.header(format)?;
        output.write_all(&header)?;
        let mut digest = Hasher::new();
        digest.update(&header);
        let mut bytes = header.len() as u64;
        for section in &self.sections {
            for block in section.bytes().chunks(BLOCK_BYTES) {
                output.write_all(block)?;
                digest.update(blake3::hash(block).as_bytes());
                bytes += block.len() as u64;
            }
        }
        Ok(Written { bytes, digest: digest.finalize().to_hex().to_string() })
    }

    fn header(&self, format: u32) -> io::Result<Vec<u8>> {
        let fits = self.scalars.len() <= SCALARS && self.sections.len() <= SECTIONS;
        let falls = self.sections.iter().zip(self.sections.iter().skip(1)).all(|(one, next)| one.width() >= next.width());
        if !fits || !falls {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the part does not fit the format of the index"));
        }
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&format.to_le_bytes());
        header.extend_from_slice(&self.kind.to_le_bytes());
        for at in 0..SCALARS {
            header.extend_from_slice(&self.scalars.get(at).copied().unwrap_or(0).to_le_bytes());
        }
        for at in 0..SECTIONS {
            let (width, bytes) = self.sections.get(at).map_or((0, 0), |section| (section.width(), section.bytes().len()));
            header.extend_from_slice(&(width as u64).to_le_bytes());
            header.extend_from_slice(&(bytes as u64).to_le_bytes());
        }
        Ok(header)
    }
}

/// Something that is read at places.
pub(super) trait Input: Sync {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()>;
}

impl Input for File {
    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, at)
    }

    #[cfg(not(unix))]
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = self;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(buffer)
    }
}

impl Input for [u8] {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let found = self.get(from..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// An array that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Array {
    U128(Vec<u128>),
    I64(Vec<i64>),
    U32(Vec<u32>),
    U8(Vec<u8>),
}

/// A part as it was read, nothing of it believed but its digest.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    /// Which kind of part it says it is.
    pub(super) kind: u32,
    scalars: std::vec::IntoIter<u32>,
    arrays: std::vec::IntoIter<Array>,
    /// The digest of what was read.
    pub(super) digest: String,
}

impl Loaded {
    /// Reads the part of `bytes` bytes that begins at `at`.
    ///
    /// # Errors
    /// What the system says, or a sentence about the header.
    pub(super) fn read(format: u32, input: &(impl Input + ?Sized), at: u64, bytes: u64) -> io::Result<Self> {
        let wrong = |message: &'static str| io::Error::new(io::ErrorKind::InvalidData, message);
        if cfg!(target_endian = "big") {
            return Err(wrong("it is read by little-endian machines only"));
        }
        let mut header = vec![0; HEADER_BYTES];
        input.read_at(&mut header, at)?;
        let parsed = Header::parse(&header).ok_or_else(|| wrong("it is no part of an index"))?;
        if parsed.format != format {
            return Err(wrong("it is of another format of the index"));
        }
        let total = parsed.sections.iter().try_fold(HEADER_BYTES as u64, |sum, (_, bytes)| sum.checked_add(*bytes));
        if total != Some(bytes) {
            return Err(wrong("its length is not that of its arrays"));
        }
        if at.checked_add(bytes).is_none() {
            return Err(wrong("it lies beyond the end of its file"));
        }
        let mut digest = Hasher::new();
        digest.update(&header);
        let mut at = at + HEADER_BYTES as u64;
        let mut arrays = Vec::with_capacity(parsed.sections.len());
        for (width, bytes) in parsed.sections {
            let array = match width {
                16 => Array::U128(read_array(input, &mut at, bytes, &mut digest)?),
                8 => Array::I64(read_array(input, &mut at, bytes, &mut digest)?),
                4 => Array::U32(read_array(input, &mut at, bytes, &mut digest)?),
                1 => Array::U8(read_array(input, &mut at, bytes, &mut digest)?),
                _ => return Err(wrong("an array has elements of a width that is not known")),
            };
            arrays.push(array);
        }
        Ok(Self {
            kind: parsed.kind,
            scalars: parsed.scalars.into_iter(),
            arrays: arrays.into_iter(),
            digest: digest.finalize().to_hex().to_string(),
        })
    }

    /// Takes the next number.
    pub(super) fn scalar(&mut self) -> Result<u32, String> {
        self.scalars.next().ok_or_else(|| "a number is missing".to_owned())
    }

    pub(super) fn u128s(&mut self) -> Result<Vec<u128>, String> {
        match self.arrays.next() {
            Some(Array::U128(values)) => Ok(values),
            _ => Err("an array of 16-byte numbers is missing".to_owned()),
        }
    }

    pub(super) fn i64s(&mut self) -> Result<Vec<i64>, String> {
        match self.arrays.next() {
            Some(Array::I64(values)) => Ok(values),
            _ => Err("an array of 8-byte numbers is missing".to_owned()),
        }
    }

    pub(super) fn u32s(&mut self) -> Result<Vec<u32>, String> {
        match self.arrays.next() {
            Some(Array::U32(values)) => Ok(values),
            _ => Err("an array of 4-byte numbers is missing".to_owned()),
        }
    }

    pub(super) fn u8s(&mut self) -> Result<Vec<u8>, String> {
        match self.arrays.next() {
            Some(Array::U8(values)) => Ok(values),
            _ => Err("an array of bytes is missing".to_owned()),
        }
    }

    /// Returns the width of the elements of each array, and how many there are.
    #[cfg(test)]
    pub(super) fn shape(&self) -> Vec<(usize, usize)> {
        let shape = |array: &Array| match array {
            Array::U128(values) => (16, values.len()),
            Array::I64(values) => (8, values.len()),
            Array::U32(values) => (4, values.len()),
            Array::U8(values) => (1, values.len()),
        };
        self.arrays.as_slice().iter().map(shape).collect()
    }

    /// Refuses arrays that nobody asked for.
    pub(super) fn end(mut self) -> Result<(), String> {
        match self.arrays.next() {
            None => Ok(()),
            Some(_) => Err("there is an array too many".to_owned()),
        }
    }
}

struct Header {
    format: u32,
    kind: u32,
    scalars: Vec<u32>,
    sections: Vec<(u64, u64)>,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let mut numbers = rest.get(..8 + 4 * SCALARS)?.chunks_exact(4).filter_map(|four| Some(u32::from_le_bytes(four.try_into().ok()?)));
        let (format, kind) = (numbers.next()?, numbers.next()?);
        let scalars = numbers.collect();
        let mut pairs = rest.get(8 + 4 * SCALARS..)?.chunks_exact(8).filter_map(|eight| Some(u64::from_le_bytes(eight.try_into().ok()?)));
        let mut sections = Vec::new();
        while let (Some(width), Some(bytes)) = (pairs.next(), pairs.next()) {
            sections.push((width, bytes));
        }
        while sections.pop_if(|section| *section == (0, 0)).is_some() {}
        Some(Self { format, kind, scalars, sections })
    }
}

/// Reads an array as it lies on disk.
fn read_array<T: Pod>(input: &(impl Input + ?Sized), at: &mut u64, bytes: u64, digest: &mut Hasher) -> io::Result<Vec<T>> {
    let wrong = |message: &'static str| io::Error::new(io::ErrorKind::InvalidData, message);
    let bytes = usize::try_from(bytes).map_err(|_| wrong("an array is larger than memory can be"))?;
    if !bytes.is_multiple_of(size_of::<T>()) {
        return Err(wrong("an array ends within an element"));
    }
    let n = bytes / size_of::<T>();
    // Asked for on its own first: where memory is short that is an error, and not the end of the program.
    Vec::<T>::new().try_reserve_exact(n).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    let mut values = vec![T::zeroed(); n];
    for hash in read_blocks(input, *at, bytemuck::cast_slice_mut(&mut values))? {
        digest.update(hash.as_bytes());
    }
    *at += bytes as u64;
    Ok(values)
}

/// Reads bytes and returns the digests of their blocks. Whoever waits for a large array alone reads it with all cores; a task
/// that is one of many does not, as its neighbours have them.
fn read_blocks(input: &(impl Input + ?Sized), at: u64, bytes: &mut [u8]) -> io::Result<Vec<Hash>> {
    let read = |bytes: &mut [u8], mut at: u64| -> io::Result<Vec<Hash>> {
        let mut hashes = Vec::with_capacity(bytes.len().div_ceil(BLOCK_BYTES));
        for block in bytes.chunks_mut(BLOCK_BYTES) {
            input.read_at(block, at)?;
            hashes.push(blake3::hash(block));
            at += block.len() as u64;
        }
        Ok(hashes)
    };
    let n_blocks = bytes.len().div_ceil(BLOCK_BYTES);
    let n_threads = if rayon::current_thread_index().is_some() { 1 } else { rayon::current_num_threads() };
    if n_blocks < PARALLEL_BLOCKS_MIN || n_threads < 2 {
        return read(bytes, at);
    }
    // Threads of their own: those of the pool may be lent to work that waits for this very part.
    std::thread::scope(|scope| {
        let share = n_blocks.div_ceil(n_threads) * BLOCK_BYTES;
        let begins = (0_u64..).map(|nth| at + nth * share as u64);
        let tasks: Vec<_> = bytes.chunks_mut(share).zip(begins).map(|(share, at)| scope.spawn(move || read(share, at))).collect();
        let mut hashes = Vec::with_capacity(n_blocks);
        for task in tasks {
            hashes.extend(task.join().map_err(|_| io::Error::other("a thread that read it ended early"))??);
        }
        Ok(hashes)
    })
}
