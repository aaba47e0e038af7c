//! A view of a message: segments, fields, repetitions and components, each a slice of the same bytes.

use std::fmt;

use memchr::memchr;

use super::{Delimiters, FieldPath, SegmentEnds, Segments};

/// A message as it lies in memory. Copying the view copies no bytes.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    delimiters: Delimiters,
    ends: SegmentEnds,
}

impl<'a> Message<'a> {
    /// A view of the bytes of an [`Envelope`](super::Envelope), or of a message that already has that form. `None` when it
    /// does not begin with a usable MSH.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let msh = &bytes[..memchr(b'\r', bytes).unwrap_or(bytes.len())];
        Delimiters::read(msh).map(|delimiters| Self { bytes, delimiters, ends: SegmentEnds::Cr })
    }

    /// A view of an answer that begins with MSH, read leniently: CR or LF ends a segment, and delimiters that MSH-2 lacks are
    /// the standard ones.
    pub fn answer(bytes: &'a [u8]) -> Option<Self> {
        let msh = &bytes[..memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len())];
        Delimiters::read_answer(msh).map(|delimiters| Self { bytes, delimiters, ends: SegmentEnds::Either })
    }

    /// The bytes viewed.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The message's own delimiters.
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// All segments in their order.
    pub fn segments(&self) -> Segments<'a> {
        Segments::new(self.bytes, 0, self.delimiters, self.ends)
    }

    /// The first segment of this name.
    pub fn segment(&self, name: &str) -> Option<Segment<'a>> {
        self.segments().find(|segment| segment.name() == name.as_bytes())
    }

    /// The bytes at a path in the first segment of its name: of the field's first repetition, that repetition whole or the
    /// component or subcomponent asked for. `None` when there is none or it is empty; escape sequences stay.
    pub fn value(&self, path: &FieldPath) -> Option<&'a [u8]> {
        let field = self.segment(path.segment())?.field(path.field())?;
        if path.is_delimiter_field() {
            return Some(field.bytes());
        }
        let first = field.first();
        let value = match (path.component(), path.subcomponent()) {
            (None, _) => first.bytes(),
            (Some(component), None) => first.component(component)?,
            (Some(component), Some(subcomponent)) => first.subcomponent(component, subcomponent)?,
        };
        (!value.is_empty()).then_some(value)
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bytes)", self.bytes.len())
    }
}

/// One segment, without its end.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) offset: usize,
    pub(super) ordinal: usize,
    pub(super) ended: bool,
    pub(super) delimiters: Delimiters,
}

impl<'a> Segment<'a> {
    /// The name: what stands before the first field separator.
    pub fn name(&self) -> &'a [u8] {
        &self.bytes[..memchr(self.delimiters.field, self.bytes).unwrap_or(self.bytes.len())]
    }

    /// The bytes of the whole segment.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Offset of the segment in the bytes viewed.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Place in the message, from 1, blank lines not counted.
    pub fn ordinal(&self) -> usize {
        self.ordinal
    }

    /// Whether the segment had its end (CR or LF); without it the bytes may have been cut off inside it.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Field by its HL7 number, from 1; `None` behind the last. In MSH the separator itself is field 1 and the encoding
    /// characters are field 2 (HL7 2.5.1, 2.15.9).
    pub fn field(&self, number: u16) -> Option<Field<'a>> {
        let delimiters = self.delimiters;
        let start = memchr(delimiters.field, self.bytes)?;
        let mut skip = number.checked_sub(1)?;
        if &self.bytes[..start] == b"MSH" {
            match skip.checked_sub(1) {
                None => return Some(Field { bytes: &self.bytes[start..=start], delimiters }),
                Some(fewer) => skip = fewer,
            }
        }
        let mut rest = &self.bytes[start + 1..];
        for _ in 0..skip {
            rest = &rest[memchr(delimiters.field, rest)? + 1..];
        }
        Some(Field { bytes: &rest[..memchr(delimiters.field, rest).unwrap_or(rest.len())], delimiters })
    }
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment(#{} at {}, {} bytes)", self.ordinal, self.offset, self.bytes.len())
    }
}

/// One field, with all its repetitions.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    bytes: &'a [u8],
    delimiters: Delimiters,
}

impl<'a> Field<'a> {
    pub(super) fn new(bytes: &'a [u8], delimiters: Delimiters) -> Self {
        Self { bytes, delimiters }
    }

    /// The bytes of the whole field.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The repetitions; an empty field has one empty repetition.
    pub fn repetitions(&self) -> impl Iterator<Item = Repetition<'a>> + use<'a> {
        let delimiters = self.delimiters;
        self.bytes.split(move |&byte| byte == delimiters.repetition).map(move |bytes| Repetition { bytes, delimiters })
    }

    /// The first repetition, which may be empty.
    pub fn first(&self) -> Repetition<'a> {
        let end = memchr(self.delimiters.repetition, self.bytes).unwrap_or(self.bytes.len());
        Repetition { bytes: &self.bytes[..end], delimiters: self.delimiters }
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({} bytes)", self.bytes.len())
    }
}

/// One repetition of a field.
#[derive(Clone, Copy)]
pub struct Repetition<'a> {
    bytes: &'a [u8],
    delimiters: Delimiters,
}

impl<'a> Repetition<'a> {
    /// The bytes of the whole repetition.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Component by number, from 1; `None` behind the last.
    pub fn component(&self, number: u16) -> Option<&'a [u8]> {
        nth(self.bytes, self.delimiters.component, number)
    }

    /// Subcomponent by numbers, from 1; `None` behind the last.
    pub fn subcomponent(&self, component: u16, subcomponent: u16) -> Option<&'a [u8]> {
        nth(self.component(component)?, self.delimiters.subcomponent, subcomponent)
    }
}

impl fmt::Debug for Repetition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repetition({} bytes)", self.bytes.len())
    }
}

fn nth(bytes: &[u8], separator: u8, number: u16) -> Option<&[u8]> {
    bytes.split(|&byte| byte == separator).nth(usize::from(number.checked_sub(1)?))
}
