//! Things that are no arrays as bytes: claims, sources, times. Small numbers and texts one after the other.

use jiff::Timestamp;

use crate::model::{Attestation, Bound, Completeness, FactSource, Interval, SourceId, SourceKind};

/// Writes values one after the other.
#[derive(Debug, Default)]
pub(super) struct Packer(pub(super) Vec<u8>);

impl Packer {
    pub(super) fn flag(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    pub(super) fn number(&mut self, value: usize) {
        self.0.extend_from_slice(&(value as u64).to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn instant(&mut self, at: Timestamp) {
        self.0.extend_from_slice(&at.as_nanosecond().to_le_bytes());
    }

    fn bound(&mut self, bound: Bound) {
        match bound {
            Bound::Unbounded => self.0.push(0),
            Bound::Unknown => self.0.push(1),
            Bound::At(at) => {
                self.0.push(2);
                self.instant(at);
            }
        }
    }

    pub(super) fn completeness(&mut self, claim: &Completeness) {
        self.flag(claim.complete);
        self.option(claim.reason.as_deref(), Self::text);
        self.number(claim.covered.len());
        for interval in &claim.covered {
            self.bound(interval.from);
            self.bound(interval.to);
        }
        self.option(claim.source, |packer, source| packer.number(source.0 as usize));
    }

    pub(super) fn source(&mut self, source: &FactSource) {
        self.0.push(match source.kind {
            SourceKind::Api => 0,
            SourceKind::Table => 1,
            SourceKind::Register => 2,
            SourceKind::Derived => 3,
            SourceKind::Test => 4,
        });
        self.text(&source.name);
        self.option(source.location.as_deref(), Self::text);
        self.option(source.request.as_deref(), Self::text);
        self.option(source.read_at, Self::instant);
        self.option(source.attestation.as_ref(), Self::attestation);
    }

    fn attestation(&mut self, attestation: &Attestation) {
        self.text(&attestation.id);
        self.text(&attestation.attested_by);
        self.option(attestation.attested_at, Self::instant);
        self.option(attestation.evidence_file.as_deref(), Self::text);
        self.option(attestation.evidence_hash.as_deref(), Self::text);
        self.option(attestation.review_due_at, Self::instant);
    }
}

/// Reads what a [`Packer`] wrote. Nothing is believed: whatever does not fit is an error.
#[derive(Debug)]
pub(super) struct Unpacker<'a>(pub(super) &'a [u8]);

type Read<T> = Result<T, String>;

impl<'a> Unpacker<'a> {
    fn take(&mut self, n: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Read<u8> {
        self.take(1)?.first().copied().ok_or_else(|| "it ends too early".to_owned())
    }

    pub(super) fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(format!("{other} is neither 0 nor 1")),
        }
    }

    pub(super) fn number(&mut self) -> Read<usize> {
        let bytes = self.take(8)?.try_into().map_err(|_| "it ends too early")?;
        usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| "a number is too large".to_owned())
    }

    pub(super) fn number32(&mut self) -> Read<u32> {
        u32::try_from(self.number()?).map_err(|_| "a number is too large".to_owned())
    }

    /// Reads how many things follow; each takes at least a byte, so no more are believed than bytes are left.
    pub(super) fn count(&mut self) -> Read<usize> {
        let n = self.number()?;
        if n > self.0.len() { Err(format!("{n} things do not fit into {} bytes", self.0.len())) } else { Ok(n) }
    }

    pub(super) fn text(&mut self) -> Read<String> {
        let n = self.number()?;
        let bytes = self.take(n)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "a text is not UTF-8".to_owned())
    }

    pub(super) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    pub(super) fn instant(&mut self) -> Read<Timestamp> {
        let bytes = self.take(16)?.try_into().map_err(|_| "it ends too early")?;
        Timestamp::from_nanosecond(i128::from_le_bytes(bytes)).map_err(|_| "a time is out of range".to_owned())
    }

    fn bound(&mut self) -> Read<Bound> {
        match self.byte()? {
            0 => Ok(Bound::Unbounded),
            1 => Ok(Bound::Unknown),
            2 => self.instant().map(Bound::At),
            other => Err(format!("{other} is no end of an interval")),
        }
    }

    /// Reads a claim; its source is one of `n_sources`.
    pub(super) fn completeness(&mut self, n_sources: u32) -> Read<Completeness> {
        let complete = self.flag()?;
        let reason = self.option(Self::text)?;
        let n = self.count()?;
        let mut covered = Vec::new();
        for _ in 0..n {
            covered.push(Interval { from: self.bound()?, to: self.bound()? });
        }
        let source = self.option(Self::number32)?;
        match source {
            Some(source) if source >= n_sources => Err(format!("there is no source {source}")),
            _ => Ok(Completeness { complete, reason, covered, source: source.map(SourceId) }),
        }
    }

    pub(super) fn source(&mut self) -> Read<FactSource> {
        let kind = match self.byte()? {
            0 => SourceKind::Api,
            1 => SourceKind::Table,
            2 => SourceKind::Register,
            3 => SourceKind::Derived,
            4 => SourceKind::Test,
            other => return Err(format!("{other} is no kind of source")),
        };
        Ok(FactSource {
            kind,
            name: self.text()?,
            location: self.option(Self::text)?,
            request: self.option(Self::text)?,
            read_at: self.option(Self::instant)?,
            attestation: self.option(Self::attestation)?,
        })
    }

    fn attestation(&mut self) -> Read<Attestation> {
        Ok(Attestation {
            id: self.text()?,
            attested_by: self.text()?,
            attested_at: self.option(Self::instant)?,
            evidence_file: self.option(Self::text)?,
            evidence_hash: self.option(Self::text)?,
            review_due_at: self.option(Self::instant)?,
        })
    }

    pub(super) fn end(self) -> Read<()> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{} bytes are left over", self.0.len())) }
    }
}
