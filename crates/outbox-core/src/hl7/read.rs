//! From what the caller handed over to an [`Envelope`].

use memchr::{memchr, memchr3};

use super::path::is_segment_name;
use super::segments::known_name;
use super::{
    AckCondition, Charset, Delimiters, Envelope, Hl7Problem, PatientKey, Place, Segment, SegmentEnds, Segments,
};

/// The longest MSH-10 that is taken, in bytes: the longest that any version allows (199, since 2.7).
pub const CONTROL_ID_BYTES_MAX: usize = 199;
/// The longest code in MSH-9, MSH-11 and MSH-12, in bytes.
const HEADER_CODE_BYTES_MAX: usize = 32;
/// MSH fields that are looked at: up to MSH-18.
const HEADER_FIELDS: usize = 18;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What the caller passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A JavaScript string: its bytes are UTF-8 whatever MSH-18 says, so MSH-18 must not say otherwise.
    Text,
    /// Bytes, encoded by the caller in the set that MSH-18 names, and sent as they are.
    Bytes,
}

/// What a message may be at most. The defaults belong to the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size of the input in bytes, before normalising.
    pub message_bytes: usize,
}

/// Reads a message to be sent. Takes the buffer, because the usual message already has its final form and is kept without
/// another copy.
///
/// # Errors
///
/// The first thing found that makes the message unfit; see [`PROBLEMS`](super::PROBLEMS).
pub fn read(input: Vec<u8>, source: Source, limits: &Limits) -> Result<Envelope, Hl7Problem> {
    if input.len() > limits.message_bytes {
        let (bytes, limit) = (input.len(), limits.message_bytes);
        return Err(Hl7Problem::TooLarge { place: Place { position: limit, ..Place::default() }, bytes, limit });
    }
    let start = first_content(&input).ok_or(Hl7Problem::Empty { place: Place::default() })?;
    let ends = SegmentEnds::of(&input);
    check_bytes(&input, ends)?;
    let (msh, delimiters) = first_segment(&input, start, ends)?;
    let header = Header::read(&msh);
    let charset = header.charset(&input)?;
    let survey = survey(&input, start, delimiters, ends)?;
    check_line_feeds(&input, start, &msh, ends)?;
    check_charset(&input, start, charset, source, ends)?;
    Ok(Envelope {
        control_id: header.control_id(&input)?,
        message_type: header.message_type(&input)?,
        processing_id: header.code(&input, 11)?,
        version: header.version(&input)?,
        charset,
        accept_ack: AckCondition::parse(header.field(&input, 15)),
        application_ack: AckCondition::parse(header.field(&input, 16)),
        patient: survey.patient,
        bytes: normalise(input, start, delimiters, ends, survey.is_normal),
    })
}

/// Offset of the first byte that is neither byte order mark nor blank line.
pub(super) fn first_content(input: &[u8]) -> Option<usize> {
    let start = if input.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let content = input[start..].iter().position(|byte| !matches!(byte, b'\r' | b'\n' | b' ' | b'\t'))?;
    // Blanks in front of the name on its own line are no blank line, and MSH must begin its line.
    let on_line = content == 0 || matches!(input[start + content - 1], b'\r' | b'\n');
    Some(if on_line { start + content } else { start })
}

/// No byte that would end a C string or an MLLP frame.
pub(super) fn check_bytes(input: &[u8], ends: SegmentEnds) -> Result<(), Hl7Problem> {
    let Some(position) = memchr3(0x00, 0x0B, 0x1C, input) else { return Ok(()) };
    let place = locate(input, position, ends);
    Err(if input[position] == 0 { Hl7Problem::Nul { place } } else { Hl7Problem::FramingByte { place } })
}

pub(super) fn first_segment(
    input: &[u8],
    start: usize,
    ends: SegmentEnds,
) -> Result<(Segment<'_>, Delimiters), Hl7Problem> {
    let place = Place { position: start, ordinal: 1, ..Place::default() };
    let rest = &input[start..];
    if is_batch_name(rest.get(..3).unwrap_or_default()) {
        return Err(Hl7Problem::Batch { place });
    }
    if !rest.starts_with(b"MSH") {
        return Err(Hl7Problem::NotMsh { place });
    }
    let mut msh = Segments::new(input, start, Delimiters::STANDARD, ends).next().ok_or(Hl7Problem::NotMsh { place })?;
    let place = Place { position: start + 3, segment: Some("MSH"), field: Some(1), ..place };
    let delimiters = Delimiters::read(msh.bytes).ok_or(Hl7Problem::Delimiters { place })?;
    msh.delimiters = delimiters;
    Ok((msh, delimiters))
}

fn is_batch_name(name: &[u8]) -> bool {
    matches!(name, b"FHS" | b"BHS" | b"BTS" | b"FTS")
}

/// Where the fields of MSH lie in the input, by HL7 number; absent ones are empty.
pub(super) struct Header {
    fields: [(usize, usize); HEADER_FIELDS + 1],
    delimiters: Delimiters,
}

impl Header {
    pub(super) fn read(msh: &Segment<'_>) -> Self {
        let end = msh.offset + msh.bytes.len();
        let mut fields = [(end, end); HEADER_FIELDS + 1];
        let mut at = "MSH|".len();
        // The first one behind the separator is MSH-2.
        for field in fields.iter_mut().skip(2) {
            let Some(rest) = msh.bytes.get(at..) else { break };
            let length = memchr(msh.delimiters.field, rest).unwrap_or(rest.len());
            *field = (msh.offset + at, msh.offset + at + length);
            at += length + 1;
        }
        Self { fields, delimiters: msh.delimiters }
    }

    fn place(&self, number: u16) -> Place {
        let position = self.fields[usize::from(number)].0;
        Place { position, ordinal: 1, segment: Some("MSH"), field: Some(number) }
    }

    pub(super) fn field<'a>(&self, input: &'a [u8], number: u16) -> &'a [u8] {
        let (start, end) = self.fields[usize::from(number)];
        &input[start..end]
    }

    /// The field's first repetition up to and including the component asked for; empty components count as absent.
    pub(super) fn component<'a>(&self, input: &'a [u8], number: u16, component: usize) -> &'a [u8] {
        let field = self.field(input, number);
        let first = &field[..memchr(self.delimiters.repetition, field).unwrap_or(field.len())];
        first.split(|&byte| byte == self.delimiters.component).nth(component - 1).unwrap_or_default()
    }

    pub(super) fn charset(&self, input: &[u8]) -> Result<Charset, Hl7Problem> {
        let charset = Charset::parse(self.component(input, 18, 1));
        charset.ok_or(Hl7Problem::CharsetUnknown { place: self.place(18) })
    }

    pub(super) fn control_id(&self, input: &[u8]) -> Result<String, Hl7Problem> {
        let (id, place) = (self.field(input, 10), self.place(10));
        if is_absent(id) {
            return Err(Hl7Problem::MissingControlId { place });
        }
        if id.len() > CONTROL_ID_BYTES_MAX {
            return Err(Hl7Problem::ControlIdLength { place, bytes: id.len() });
        }
        // It will be an HTTP header and a log field; a control character there is an attack, and other bytes have no fixed
        // meaning in a header.
        if let Some(wrong) = id.iter().position(|byte| !matches!(byte, b' '..=b'~')) {
            let place = Place { position: place.position + wrong, ..place };
            return Err(Hl7Problem::ControlIdCharacters { place });
        }
        Ok(String::from_utf8_lossy(id).into_owned())
    }

    pub(super) fn message_type(&self, input: &[u8]) -> Result<String, Hl7Problem> {
        if is_absent(self.component(input, 9, 1)) {
            return Err(Hl7Problem::MissingMessageType { place: self.place(9) });
        }
        let code = self.code(input, 9)?;
        let event = self.component(input, 9, 2);
        match event {
            b"" => Ok(code),
            _ => self.short_code(event, 9).map(|event| code + "^" + &event),
        }
    }

    pub(super) fn version(&self, input: &[u8]) -> Result<String, Hl7Problem> {
        if is_absent(self.component(input, 12, 1)) {
            return Err(Hl7Problem::MissingVersion { place: self.place(12) });
        }
        self.code(input, 12)
    }

    /// The field's first component, which must be a short code: it goes into logs, metrics and lists, and when a separator
    /// is missing or too many, a name may have slipped into its place.
    pub(super) fn code(&self, input: &[u8], number: u16) -> Result<String, Hl7Problem> {
        self.short_code(self.component(input, number, 1), number)
    }

    fn short_code(&self, code: &[u8], number: u16) -> Result<String, Hl7Problem> {
        let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if code.len() > HEADER_CODE_BYTES_MAX || !code.iter().all(is_safe) {
            return Err(Hl7Problem::HeaderValue { place: self.place(number) });
        }
        Ok(String::from_utf8_lossy(code).into_owned())
    }
}

/// Nothing, blanks, or the HL7 null (`""`), which deletes a value.
pub(super) fn is_absent(value: &[u8]) -> bool {
    matches!(value.trim_ascii(), b"" | b"\"\"")
}

/// What one walk over all segments finds.
struct Survey {
    patient: Option<PatientKey>,
    /// The input is already in the form of `Envelope::bytes`, or lacks only the final CR.
    is_normal: bool,
}

fn survey(input: &[u8], start: usize, delimiters: Delimiters, ends: SegmentEnds) -> Result<Survey, Hl7Problem> {
    let mut patient = None;
    let mut has_pid = false;
    let mut is_normal = start == 0 && (ends == SegmentEnds::Cr || memchr(b'\n', input).is_none());
    let mut segments = Segments::new(input, start, delimiters, ends);
    let mut expected = start;
    while let Some(segment) = segments.next() {
        check_segment(&segment)?;
        if !has_pid && segment.bytes.starts_with(b"PID") {
            has_pid = true;
            patient = patient_of(&segment);
        }
        is_normal &= segment.offset == expected;
        expected = segments.at();
    }
    // Anything behind the last segment is blank lines.
    is_normal &= expected >= input.len();
    Ok(Survey { patient, is_normal })
}

/// A segment may follow in a message, as far as its name tells.
pub(super) fn check_segment(segment: &Segment<'_>) -> Result<(), Hl7Problem> {
    let name = segment.bytes.get(..3).unwrap_or_default();
    let is_bounded = segment.bytes.get(3).is_none_or(|&byte| byte == segment.delimiters.field);
    let place = Place { position: segment.offset, ordinal: segment.ordinal, ..Place::default() };
    match name {
        _ if !is_bounded || !is_segment_name(name) => Err(Hl7Problem::SegmentName { place }),
        b"MSH" if segment.ordinal > 1 => Err(Hl7Problem::SeveralMessages { place }),
        _ if is_batch_name(name) => Err(Hl7Problem::Batch { place }),
        _ => Ok(()),
    }
}

/// The key of the first repetition of PID-3. An authority without an id identifies nobody, and would put all unidentified
/// patients into one lane.
fn patient_of(pid: &Segment<'_>) -> Option<PatientKey> {
    let first = pid.field(3)?.first();
    let id = first.component(1).filter(|id| !is_absent(id))?;
    Some(PatientKey { id: id.to_vec(), authority: first.component(4).unwrap_or_default().to_vec() })
}

/// In a message with CR ends, a line feed belongs to its field. But one that is followed by a standard segment name and a
/// field separator was a segment end in the eyes of whoever wrote it (a file edited on two systems): taking it as text would
/// hide a segment inside a field, so the message is refused instead of guessed at. In MSH, which has no texts, any name counts.
pub(super) fn check_line_feeds(
    input: &[u8],
    start: usize,
    msh: &Segment<'_>,
    ends: SegmentEnds,
) -> Result<(), Hl7Problem> {
    if ends != SegmentEnds::Cr {
        return Ok(());
    }
    let (delimiters, msh_end) = (msh.delimiters, msh.offset + msh.bytes.len());
    for found in memchr::memchr_iter(b'\n', &input[start..]) {
        let position = start + found;
        let line = &input[position + 1..];
        let ends_segment = input[position - 1] == b'\r';
        let has_separator = line.get(3) == Some(&delimiters.field);
        let in_msh = position < msh_end && line.get(..3).is_some_and(is_segment_name);
        if !ends_segment && has_separator && (in_msh || known_name(line, delimiters.field).is_some()) {
            return Err(Hl7Problem::SegmentEnds { place: locate(input, position, SegmentEnds::Cr) });
        }
    }
    Ok(())
}

pub(super) fn check_charset(
    input: &[u8],
    start: usize,
    charset: Charset,
    source: Source,
    ends: SegmentEnds,
) -> Result<(), Hl7Problem> {
    let content = &input[start..];
    if source == Source::Text && charset != Charset::Utf8 {
        // The bytes of a string are UTF-8, and only its ASCII part is the same in the declared set.
        let Some(wrong) = Charset::Ascii.first_invalid(content) else { return Ok(()) };
        return Err(Hl7Problem::CharsetText { place: locate(input, start + wrong, ends), charset });
    }
    match charset.first_invalid(content) {
        None => Ok(()),
        Some(wrong) => Err(Hl7Problem::CharsetInvalid { place: locate(input, start + wrong, ends), charset }),
    }
}

/// The segment and field of a byte, for an error. Only a standard name is told; the rest of the message may be in any state.
fn locate(input: &[u8], position: usize, ends: SegmentEnds) -> Place {
    let nowhere = Place { position, ..Place::default() };
    let Some(start) = first_content(input) else { return nowhere };
    let separator = input.get(start + 3).copied().filter(u8::is_ascii_punctuation).unwrap_or(b'|');
    let mut segments = Segments::new(input, start, Delimiters::STANDARD, ends);
    let holder = segments.find(|segment| position <= segment.offset + segment.bytes.len());
    let Some(segment) = holder.filter(|segment| segment.offset <= position) else { return nowhere };
    let name = known_name(segment.bytes, separator);
    let before = &segment.bytes[..position - segment.offset];
    let separators = memchr::memchr_iter(separator, before).count() + usize::from(name == Some("MSH"));
    let field = u16::try_from(separators).ok().filter(|&number| number > 0 && name.is_some());
    Place { position, ordinal: segment.ordinal, segment: name, field }
}

/// Brings the input into the form that [`Envelope::bytes`] describes.
fn normalise(mut input: Vec<u8>, start: usize, delimiters: Delimiters, ends: SegmentEnds, is_normal: bool) -> Vec<u8> {
    if is_normal {
        if input.last() != Some(&b'\r') {
            input.push(b'\r');
        }
        return input;
    }
    let mut bytes = Vec::with_capacity(input.len() - start + 1);
    for segment in Segments::new(&input, start, delimiters, ends) {
        bytes.extend_from_slice(segment.bytes);
        bytes.push(b'\r');
    }
    bytes
}
