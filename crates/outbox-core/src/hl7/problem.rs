//! What is refused at enqueue. No problem carries a byte of the message: the words, the place and the code are all of it.

use std::fmt;

use super::Charset;

/// Where a problem is, in the input as it was handed over (byte offsets; in a string, offsets of its UTF-8 form).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Byte offset from 0.
    pub position: usize,
    /// The segment's place in the message, from 1; 0 when the problem is not in a segment.
    pub ordinal: usize,
    /// The segment's name, only when it is one of the standard names: any other word might be a person's.
    pub segment: Option<&'static str>,
    /// The field's HL7 number.
    pub field: Option<u16>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.position)?;
        match (self.ordinal, self.segment, self.field) {
            (0, ..) => Ok(()),
            (ordinal, None, _) => write!(f, ", segment {ordinal}"),
            (ordinal, Some(name), None) => write!(f, ", segment {ordinal} ({name})"),
            (_, Some(name), Some(field)) => write!(f, ", {name}-{field}"),
        }
    }
}

/// Why a message was refused. [`PROBLEMS`] has the words for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is explained by its row of PROBLEMS, and twice would be once too often")]
pub enum Hl7Problem {
    Empty { place: Place },
    TooLarge { place: Place, bytes: usize, limit: usize },
    NotMsh { place: Place },
    Batch { place: Place },
    SeveralMessages { place: Place },
    Nul { place: Place },
    FramingByte { place: Place },
    Delimiters { place: Place },
    SegmentName { place: Place },
    SegmentEnds { place: Place },
    MissingMessageType { place: Place },
    MissingControlId { place: Place },
    MissingVersion { place: Place },
    HeaderValue { place: Place },
    ControlIdLength { place: Place, bytes: usize },
    ControlIdCharacters { place: Place },
    CharsetUnknown { place: Place },
    CharsetInvalid { place: Place, charset: Charset },
    CharsetText { place: Place, charset: Charset },
}

/// Every problem: its code, what is wrong, what to do. The reference page is generated from this table.
pub const PROBLEMS: &[(&str, &str, &str)] = &[
    ("ERR_HL7_EMPTY", "the message is empty", "pass the whole message, beginning with MSH"),
    (
        "ERR_HL7_TOO_LARGE",
        "the message is over the size limit",
        "send large documents by reference, or raise limits.messageBytes if the receiver takes more",
    ),
    (
        "ERR_HL7_NOT_MSH",
        "the message does not begin with MSH",
        "pass one HL7 v2 message in its pipe form, without anything in front of it",
    ),
    ("ERR_HL7_BATCH", "this is a batch file (FHS, BHS, BTS or FTS)", "enqueue its messages one by one"),
    (
        "ERR_HL7_SEVERAL_MESSAGES",
        "a second MSH segment begins here",
        "enqueue each message by itself, so that each gets its own status",
    ),
    (
        "ERR_HL7_NUL",
        "there is a NUL byte (0x00)",
        "remove it; if every second byte is NUL, the text is UTF-16 and must be encoded as UTF-8",
    ),
    (
        "ERR_HL7_FRAMING_BYTE",
        "there is a byte 0x0B or 0x1C, which MLLP uses to frame messages",
        "remove it; pass the message without MLLP framing, the outbox adds it where it is needed",
    ),
    (
        "ERR_HL7_DELIMITERS",
        "the delimiters in MSH-1 and MSH-2 cannot be used",
        "write MSH|^~\\& : a field separator and four or five encoding characters, all different ASCII punctuation",
    ),
    (
        "ERR_HL7_SEGMENT_NAME",
        "a line does not begin with a segment name (a capital letter, then two capital letters or digits, then the field separator)",
        "end segments with CR only, and escape line ends inside fields (\\.br\\ or \\X0D\\)",
    ),
    (
        "ERR_HL7_SEGMENT_ENDS",
        "some segments end with CR and this one with a line feed only",
        "end every segment with CR; a line feed that is part of a text must not be followed by a segment name",
    ),
    ("ERR_HL7_MISSING_MESSAGE_TYPE", "MSH-9 (message type) is missing", "set MSH-9, such as ADT^A08"),
    (
        "ERR_HL7_MISSING_CONTROL_ID",
        "MSH-10 (message control id) is missing",
        "set MSH-10 to an id of its own for each message",
    ),
    ("ERR_HL7_MISSING_VERSION", "MSH-12 (version) is missing", "set MSH-12, such as 2.5.1"),
    (
        "ERR_HL7_HEADER_VALUE",
        "a header field (MSH-9, MSH-11 or MSH-12) holds something other than a short code",
        "check that no field separator is missing or too many before it; letters, digits, '.', '_' and '-' are allowed, up to 32",
    ),
    ("ERR_HL7_CONTROL_ID_LENGTH", "MSH-10 (message control id) is over 199 bytes", "shorten it; HL7 2.5.1 allows 20"),
    (
        "ERR_HL7_CONTROL_ID_CHARACTERS",
        "MSH-10 (message control id) holds a character outside printable ASCII",
        "use letters and digits: receivers echo the id, and it travels in an HTTP header",
    ),
    (
        "ERR_HL7_CHARSET_UNKNOWN",
        "MSH-18 names a character set that is not supported",
        "use UNICODE UTF-8, ASCII or 8859/1 to 8859/16 (HL7 table 0211), or leave MSH-18 empty for UTF-8",
    ),
    (
        "ERR_HL7_CHARSET_INVALID",
        "this byte is not valid in the character set of the message (MSH-18; empty means UTF-8)",
        "encode the message in the set that MSH-18 names, or name the set that it is encoded in",
    ),
    (
        "ERR_HL7_CHARSET_TEXT",
        "the message was passed as a string, which is sent as UTF-8, but MSH-18 names another character set",
        "set MSH-18 to UNICODE UTF-8, or pass the bytes (Uint8Array) encoded in that set",
    ),
];

impl Hl7Problem {
    /// The stable code, `ERR_HL7_…`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "ERR_HL7_EMPTY",
            Self::TooLarge { .. } => "ERR_HL7_TOO_LARGE",
            Self::NotMsh { .. } => "ERR_HL7_NOT_MSH",
            Self::Batch { .. } => "ERR_HL7_BATCH",
            Self::SeveralMessages { .. } => "ERR_HL7_SEVERAL_MESSAGES",
            Self::Nul { .. } => "ERR_HL7_NUL",
            Self::FramingByte { .. } => "ERR_HL7_FRAMING_BYTE",
            Self::Delimiters { .. } => "ERR_HL7_DELIMITERS",
            Self::SegmentName { .. } => "ERR_HL7_SEGMENT_NAME",
            Self::SegmentEnds { .. } => "ERR_HL7_SEGMENT_ENDS",
            Self::MissingMessageType { .. } => "ERR_HL7_MISSING_MESSAGE_TYPE",
            Self::MissingControlId { .. } => "ERR_HL7_MISSING_CONTROL_ID",
            Self::MissingVersion { .. } => "ERR_HL7_MISSING_VERSION",
            Self::HeaderValue { .. } => "ERR_HL7_HEADER_VALUE",
            Self::ControlIdLength { .. } => "ERR_HL7_CONTROL_ID_LENGTH",
            Self::ControlIdCharacters { .. } => "ERR_HL7_CONTROL_ID_CHARACTERS",
            Self::CharsetUnknown { .. } => "ERR_HL7_CHARSET_UNKNOWN",
            Self::CharsetInvalid { .. } => "ERR_HL7_CHARSET_INVALID",
            Self::CharsetText { .. } => "ERR_HL7_CHARSET_TEXT",
        }
    }

    /// Where it is.
    pub fn place(&self) -> Place {
        match *self {
            Self::Empty { place }
            | Self::TooLarge { place, .. }
            | Self::NotMsh { place }
            | Self::Batch { place }
            | Self::SeveralMessages { place }
            | Self::Nul { place }
            | Self::FramingByte { place }
            | Self::Delimiters { place }
            | Self::SegmentName { place }
            | Self::SegmentEnds { place }
            | Self::MissingMessageType { place }
            | Self::MissingControlId { place }
            | Self::MissingVersion { place }
            | Self::HeaderValue { place }
            | Self::ControlIdLength { place, .. }
            | Self::ControlIdCharacters { place }
            | Self::CharsetUnknown { place }
            | Self::CharsetInvalid { place, .. }
            | Self::CharsetText { place, .. } => place,
        }
    }

    /// The segment's name, when the problem is in a segment with a standard name.
    pub fn segment(&self) -> Option<&str> {
        self.place().segment
    }

    /// The field's HL7 number, when the problem is in a field of such a segment.
    pub fn field(&self) -> Option<u16> {
        self.place().field
    }

    /// Byte offset in the input as it was handed over.
    pub fn position(&self) -> usize {
        self.place().position
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        self.words().1
    }

    fn words(&self) -> (&'static str, &'static str) {
        let row = PROBLEMS.iter().find(|(code, ..)| *code == self.code());
        row.map_or(("", ""), |&(_, meaning, remedy)| (meaning, remedy))
    }
}

impl std::error::Error for Hl7Problem {}

impl fmt::Display for Hl7Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (meaning, remedy) = self.words();
        write!(f, "{meaning} ({}", self.place())?;
        match self {
            Self::TooLarge { bytes, limit, .. } => write!(f, "; {bytes} bytes, limit {limit}")?,
            Self::ControlIdLength { bytes, .. } => write!(f, "; {bytes} bytes")?,
            Self::CharsetInvalid { charset, .. } | Self::CharsetText { charset, .. } => {
                write!(f, "; {}", charset.name())?;
            }
            _ => {}
        }
        write!(f, "); {remedy}")
    }
}
