//! A small reader for HL7 v2, written apart from the outbox's own so that the two can disagree.
//!
//! It borrows and never copies. It looks at the fields a receiver needs and leaves all others alone.

use memchr::{memchr, memchr_iter, memchr2};

/// The first fields of MSH, by their number: `msh[10]` is MSH-10.
const MSH_FIELDS: usize = 19;

/// The bytes are no HL7 v2 message at all, so that not even an acknowledgement can be addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotHl7 {
    #[error("the body is empty")]
    Empty,
    #[error("the body does not begin with MSH and a field separator")]
    NoHeader,
    #[error("MSH-2 does not name four different encoding characters")]
    NoDelimiters,
}

/// The characters that separate, as the message itself declares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delimiters {
    pub(crate) field: u8,
    pub(crate) component: u8,
    pub(crate) repetition: u8,
    pub(crate) escape: u8,
    pub(crate) subcomponent: u8,
}

impl Delimiters {
    /// `|^~\&`
    pub(crate) const USUAL: Self =
        Self { field: b'|', component: b'^', repetition: b'~', escape: b'\\', subcomponent: b'&' };
}

/// One message, read as far as a receiver reads before it answers.
#[derive(Clone, Debug)]
pub(crate) struct Message<'a> {
    bytes: &'a [u8],
    msh: [&'a [u8]; MSH_FIELDS],
    pub(crate) delimiters: Delimiters,
    segment_end: u8,
}

impl<'a> Message<'a> {
    /// Reads the header. A body without any CR may end its segments in LF: `has_foreign_ends` tells.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, NotHl7> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        if bytes.is_empty() {
            return Err(NotHl7::Empty);
        }
        let field = match bytes {
            [b'M', b'S', b'H', field, ..] if !field.is_ascii_alphanumeric() && *field > b' ' => *field,
            _ => return Err(NotHl7::NoHeader),
        };
        let segment_end = if memchr(b'\r', bytes).is_some() { b'\r' } else { b'\n' };
        let header = bytes.get(..memchr(segment_end, bytes).unwrap_or(bytes.len())).unwrap_or_default();
        let mut msh: [&[u8]; MSH_FIELDS] = [&[]; MSH_FIELDS];
        // MSH-1 is the separator itself, so the piece after the first separator is MSH-2.
        for (slot, piece) in msh.iter_mut().skip(2).zip(Pieces::of(header, field).skip(1)) {
            *slot = piece;
        }
        let delimiters = match msh[2] {
            [component, repetition, escape, subcomponent, ..] => Delimiters {
                field,
                component: *component,
                repetition: *repetition,
                escape: *escape,
                subcomponent: *subcomponent,
            },
            _ => return Err(NotHl7::NoDelimiters),
        };
        if !delimiters.differ() {
            return Err(NotHl7::NoDelimiters);
        }
        Ok(Self { bytes, msh, delimiters, segment_end })
    }

    /// MSH-n, or nothing.
    pub(crate) fn msh(&self, number: usize) -> &'a [u8] {
        self.msh.get(number).copied().unwrap_or_default()
    }

    /// MSH-10.
    pub(crate) fn control_id(&self) -> &'a [u8] {
        self.msh(10)
    }

    /// MSH-9 as it stands: `ADT^A08^ADT_A01`.
    pub(crate) fn message_type(&self) -> &'a [u8] {
        self.msh(9)
    }

    /// PID-3, first repetition, first component.
    pub(crate) fn patient(&self) -> &'a [u8] {
        let field = self.segment(*b"PID").and_then(|pid| Pieces::of(pid, self.delimiters.field).nth(3));
        let first = field.and_then(|field| Pieces::of(field, self.delimiters.repetition).next());
        first.and_then(|first| Pieces::of(first, self.delimiters.component).next()).unwrap_or_default()
    }

    /// The first segment of this name.
    pub(crate) fn segment(&self, name: [u8; 3]) -> Option<&'a [u8]> {
        self.segments().find(|segment| self.name_of(segment) == &name[..])
    }

    /// What stands before the first field separator.
    pub(crate) fn name_of(&self, segment: &'a [u8]) -> &'a [u8] {
        Pieces::of(segment, self.delimiters.field).next().unwrap_or_default()
    }

    /// All segments that are not blank.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &'a [u8]> {
        // In a CRLF file each segment but the first begins with LF.
        Pieces::of(self.bytes, self.segment_end)
            .map(|segment| segment.strip_prefix(b"\n").unwrap_or(segment))
            .filter(|segment| !segment.is_empty())
    }

    /// Segments end in something else than a bare CR.
    pub(crate) fn has_foreign_ends(&self) -> bool {
        self.segment_end != b'\r' || memchr_iter(b'\r', self.bytes).any(|at| self.bytes.get(at + 1) == Some(&b'\n'))
    }

    /// All of it, without a byte order mark.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the whole first segment is already there; for bytes that are still arriving.
    pub(crate) fn header_is_complete(bytes: &[u8]) -> bool {
        memchr2(b'\r', b'\n', bytes).is_some()
    }
}

impl Delimiters {
    fn differ(self) -> bool {
        let all = [self.field, self.component, self.repetition, self.escape, self.subcomponent];
        all.iter()
            .enumerate()
            .all(|(at, one)| !one.is_ascii_control() && !all.iter().skip(at + 1).any(|other| other == one))
    }
}

/// Splits at one byte, with memchr: a report may be megabytes long.
pub(crate) struct Pieces<'a> {
    rest: Option<&'a [u8]>,
    at: u8,
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(bytes: &'a [u8], at: u8) -> Self {
        Self { rest: Some(bytes), at }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let Some((piece, after)) = memchr(self.at, rest).and_then(|end| rest.split_at_checked(end)) else {
            return Some(rest);
        };
        self.rest = after.get(1..);
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::{Message, NotHl7};

    #[test]
    fn the_fields_a_receiver_needs_are_found() {
        let bytes = b"MSH|^~\\&|A|B|C|D|20300102030405+0400||ADT^A08^ADT_A01|CTL-1|T|2.5.1\rEVN|A08\rPID|1||P-77^^^&X~OTHER^^^Y||DOE\r";
        let message = Message::read(bytes).unwrap();
        assert_eq!(message.control_id(), b"CTL-1");
        assert_eq!(message.message_type(), b"ADT^A08^ADT_A01");
        assert_eq!(message.patient(), b"P-77");
        assert_eq!(message.msh(12), b"2.5.1");
        assert_eq!(message.segments().count(), 3);
        assert!(!message.has_foreign_ends());
    }

    #[test]
    fn other_delimiters_and_other_segment_ends_are_read_and_told() {
        let message = Message::read(b"MSH#*~\\&#A#B#C#D###ADT*A01#X#T#2.5.1\nPID#1##77*8\n").unwrap();
        assert_eq!((message.control_id(), message.patient()), (&b"X"[..], &b"77"[..]));
        assert!(message.has_foreign_ends());
        let crlf = Message::read(b"MSH|^~\\&|||||||ADT|X\r\nPID|||5\r\n").unwrap();
        assert_eq!((crlf.control_id(), crlf.patient()), (&b"X"[..], &b"5"[..]));
        assert!(crlf.has_foreign_ends());
    }

    #[test]
    fn what_is_no_message_is_said_to_be_none_and_nothing_panics() {
        assert_eq!(Message::read(b"").unwrap_err(), NotHl7::Empty);
        assert_eq!(Message::read(b"{\"json\":1}").unwrap_err(), NotHl7::NoHeader);
        assert_eq!(Message::read(b"MSHX^~\\&").unwrap_err(), NotHl7::NoHeader);
        assert_eq!(Message::read(b"MSH|^~").unwrap_err(), NotHl7::NoDelimiters);
        assert_eq!(Message::read(b"MSH|^^\\&|").unwrap_err(), NotHl7::NoDelimiters);
        let whole = b"MSH|^~\\&|A|B|C|D|1||ADT^A08|CTL-1|T|2.5.1\r\rPID|1||P^^^&X\r\n";
        for end in 0..whole.len() {
            for flip in [0_u8, 0x0D, 0xFF] {
                let mut bytes = whole.get(..end).unwrap().to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last = flip;
                }
                if let Ok(message) = Message::read(&bytes) {
                    let _ = (message.patient(), message.segments().count(), message.has_foreign_ends());
                }
            }
        }
    }
}
