//! Cutting bytes into segments.

use memchr::{memchr, memchr2};

use super::{Delimiters, Segment};

/// What ends a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentEnds {
    /// CR, the only end that HL7 knows (2.5.4). A line feed directly behind it belongs to it (a CRLF file): no field can
    /// begin there, so nothing is lost. Any other line feed is part of a field.
    Cr,
    /// Line feed: a file without a single CR.
    Lf,
    /// Either of them: an answer, read as leniently as possible.
    Either,
}

impl SegmentEnds {
    /// How the segments of these bytes end: with CR if there is one at all, else with a line feed.
    pub fn of(bytes: &[u8]) -> Self {
        if memchr(b'\r', bytes).is_some() { Self::Cr } else { Self::Lf }
    }
}

/// Iterator over the segments of some bytes; blank lines are passed over.
#[derive(Clone)]
pub struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
    ordinal: usize,
    delimiters: Delimiters,
    ends: SegmentEnds,
}

impl<'a> Segments<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize, delimiters: Delimiters, ends: SegmentEnds) -> Self {
        Self { bytes, at, ordinal: 0, delimiters, ends }
    }

    /// The offset where the next search begins: one past the end of the last segment, or past the end of the bytes by one
    /// when the last segment lacked its end.
    pub(super) fn at(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        loop {
            if self.ends == SegmentEnds::Cr {
                while self.bytes.get(self.at) == Some(&b'\n') {
                    self.at += 1;
                }
            }
            if self.ends == SegmentEnds::Either {
                // Answers written by hand are indented now and then.
                while matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
                    self.at += 1;
                }
            }
            let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
            let end = match self.ends {
                SegmentEnds::Cr => memchr(b'\r', rest),
                SegmentEnds::Lf => memchr(b'\n', rest),
                SegmentEnds::Either => memchr2(b'\r', b'\n', rest),
            };
            let line = &rest[..end.unwrap_or(rest.len())];
            let offset = self.at;
            self.at += line.len() + 1;
            if line.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                continue;
            }
            self.ordinal += 1;
            let ended = end.is_some();
            return Some(Segment { bytes: line, offset, ordinal: self.ordinal, ended, delimiters: self.delimiters });
        }
    }
}

/// The segments that a message of this trade is made of. Used for two judgements that must not depend on the content: whether
/// a name may be shown in an error (a word of a broken message may be a person's), and whether a line feed inside a message
/// with CR ends was meant as a segment end.
#[rustfmt::skip]
pub(super) const KNOWN_NAMES: [&str; 37] = ["ACC", "AL1", "BHS", "BTS", "DB1", "DG1", "DRG", "ERR", "EVN", "FHS", "FT1", "FTS",
    "GT1", "IAM", "IN1", "IN2", "IN3", "MRG", "MSA", "MSH", "NK1", "NTE", "OBR", "OBX", "ORC", "PD1", "PDA", "PID", "PR1",
    "PV1", "PV2", "ROL", "RXA", "RXE", "SPM", "TXA", "UB2"];

/// The known name at the start of a line, if the name ends there.
pub(super) fn known_name(line: &[u8], field_separator: u8) -> Option<&'static str> {
    let name = line.get(..3)?;
    if !matches!(line.get(3), None | Some(b'\r' | b'\n')) && line.get(3) != Some(&field_separator) {
        return None;
    }
    KNOWN_NAMES.into_iter().find(|known| known.as_bytes() == name)
}
