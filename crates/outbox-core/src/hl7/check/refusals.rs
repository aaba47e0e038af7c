//! Everything that enqueue would refuse, where [`read`](super::super::read) stops at the first.

use super::super::read::{
    Header, check_bytes, check_charset, check_line_feeds, check_segment, first_content, first_segment,
};
use super::super::segments::known_name;
use super::super::{Charset, Delimiters, Hl7Problem, Limits, Message, Place, SegmentEnds, Segments, Source};
use super::finding::Findings;

/// The part of the input that can be looked into.
pub(super) struct Content<'a> {
    pub(super) segments: Segments<'a>,
    /// All bytes are ASCII.
    pub(super) is_ascii: bool,
    /// Line feeds are text: segments end in CR.
    pub(super) ends: SegmentEnds,
}

impl<'a> Content<'a> {
    /// Of a message that was read.
    pub(super) fn of(message: &Message<'a>) -> Self {
        Self { segments: message.segments(), is_ascii: message.bytes().is_ascii(), ends: SegmentEnds::Cr }
    }
}

/// Adds what enqueue would refuse, in the order in which it would. `None` when there is nothing to look into: no MSH, or too
/// many bytes.
///
/// A mistake of the whole message (its bytes, its line ends, its character set) is told once, at its first byte.
pub(super) fn find<'a>(
    input: &'a [u8],
    source: Source,
    limits: Limits,
    findings: &mut Findings,
) -> Option<Content<'a>> {
    if input.len() > limits.message_bytes {
        let (bytes, limit) = (input.len(), limits.message_bytes);
        let place = Place { position: limit, ..Place::default() };
        findings.add_problem(&Hl7Problem::TooLarge { place, bytes, limit }, String::new);
        return None;
    }
    let Some(start) = first_content(input) else {
        findings.add_problem(&Hl7Problem::Empty { place: Place::default() }, String::new);
        return None;
    };
    let ends = SegmentEnds::of(input);
    let mut note = |problem: Result<(), Hl7Problem>, delimiters: Delimiters| {
        if let Err(problem) = problem {
            let segments = Segments::new(input, start, delimiters, ends);
            findings.add_problem(&problem, || label(problem.place(), segments));
        }
    };
    note(check_bytes(input, ends), Delimiters::STANDARD);
    let (msh, delimiters) = match first_segment(input, start, ends) {
        Ok(found) => found,
        Err(problem) => {
            note(Err(problem), Delimiters::STANDARD);
            return None;
        }
    };
    let mut note = |problem| note(problem, delimiters);
    let header = Header::read(&msh);
    let charset = header.charset(input);
    note(charset.map(|_| ()));
    let segments = Segments::new(input, start, delimiters, ends);
    for segment in segments.clone() {
        let problem = check_segment(&segment);
        let is_next_message = matches!(problem, Err(Hl7Problem::SeveralMessages { .. }));
        note(problem);
        if is_next_message {
            break;
        }
    }
    note(check_line_feeds(input, start, &msh, ends));
    // Bytes in a set that nobody knows cannot be wrong.
    if let Ok(charset) = charset {
        note(check_charset(input, start, charset, source, ends));
    }
    note(header.control_id(input).map(drop));
    note(header.message_type(input).map(drop));
    note(header.code(input, 11).map(drop));
    note(header.version(input).map(drop));
    Some(Content { segments, is_ascii: Charset::Ascii.first_invalid(&input[start..]).is_none(), ends })
}

/// `PID`, `OBX[2]`, `#4` or nothing: see [`Finding::segment`](super::Finding::segment).
fn label(place: Place, segments: Segments<'_>) -> String {
    let Some(name) = place.segment else {
        return if place.ordinal == 0 { String::new() } else { format!("#{}", place.ordinal) };
    };
    let is_same =
        |segment: &super::super::Segment<'_>| known_name(segment.bytes, segment.delimiters.field) == Some(name);
    match segments.take(place.ordinal).filter(is_same).count() {
        0 | 1 => name.to_owned(),
        nth => format!("{name}[{nth}]"),
    }
}
