//! Finding acknowledgements in the bytes of an answer.

use memchr::memmem;

use super::answer::{Answer, IdMatch};
use crate::hl7::Message;

/// How many messages of one answer are looked at. Two are normal (a commit and an application acknowledgement).
const MESSAGES_MAX: usize = 16;
const FRAME_START: u8 = 0x0B;
const FRAME_END: u8 = 0x1C;

/// What the bytes of an answer hold.
pub(super) enum Body<'a> {
    /// No HL7.
    NoHl7,
    /// HL7 without an acknowledgement that can be read.
    Unparsable,
    /// At least one acknowledgement.
    Answers(Vec<Answer<'a>>),
}

/// Looks for HL7 wherever it may be: bare or in an MLLP frame, behind a byte order mark or text, with CR, LF or CRLF ends.
/// Content types are not asked; receivers send what they like. `truncated` bytes were cut off at a limit: the segment that
/// the cut went through is not believed.
pub(super) fn read(bytes: &[u8], truncated: bool) -> Body<'_> {
    let starts = message_starts(bytes);
    if starts.is_empty() {
        // An acknowledgement that lost its header is no proof, but it must not pass for "no HL7" either: that would make
        // `accepted` of a refusal.
        let has_msa =
            lines(bytes).any(|line| line.starts_with(b"MSA") && line.get(3).copied().is_some_and(is_separator));
        return if has_msa || truncated || !is_text(bytes) { Body::Unparsable } else { Body::NoHl7 };
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let acknowledgement = |(&start, end): (&usize, usize)| {
        let message = unframed(&bytes[start..end]);
        let is_cut = truncated && end == bytes.len() && message.len() == end - start;
        Answer::read(Message::answer(message)?, is_cut)
    };
    let answers: Vec<_> = starts.iter().zip(ends).filter_map(acknowledgement).collect();
    if answers.is_empty() { Body::Unparsable } else { Body::Answers(answers) }
}

/// Whether bytes hold acknowledgements that name this message, and no others.
pub(super) fn is_only_for(bytes: &[u8], control_id: &str) -> bool {
    let names_it = |answer: &Answer<'_>| matches!(answer.id_match(control_id), IdMatch::Same | IdMatch::Cut);
    matches!(read(bytes, false), Body::Answers(answers) if answers.iter().all(names_it))
}

/// Whether bytes can be text or JSON in any usual character set: a 2xx with such a body may pass for "taken, without HL7".
/// Control characters, in ASCII or in the 8859 sets, are neither, and prove nothing.
fn is_text(bytes: &[u8]) -> bool {
    let is_utf8 = std::str::from_utf8(bytes).is_ok();
    let is_control = |byte: &u8| match byte {
        b'\t' | b'\r' | b'\n' | 0x0C => false,
        0x80..=0x9F => !is_utf8,
        byte => *byte < b' ' || *byte == 0x7F,
    };
    !bytes.iter().any(is_control)
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| matches!(byte, b'\r' | b'\n' | &FRAME_START | &FRAME_END)).map(<[u8]>::trim_ascii_start)
}

fn unframed(message: &[u8]) -> &[u8] {
    &message[..memchr::memchr(FRAME_END, message).unwrap_or(message.len())]
}

/// Where messages begin. The first may stand anywhere in the text around it, as long as it does not continue a word; a
/// further one only where a line or a frame begins, since an error text may well say "MSH|".
fn message_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts: Vec<usize> = Vec::new();
    for at in memmem::find_iter(bytes, b"MSH") {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let begins_line = before.is_none_or(|byte| matches!(byte, b'\r' | b'\n' | FRAME_START | FRAME_END));
        let begins_word = before.is_none_or(|byte| !byte.is_ascii_alphanumeric());
        let has_delimiters = bytes.get(at + 3).copied().is_some_and(is_separator)
            && bytes.get(at + 4).is_none_or(u8::is_ascii_punctuation);
        if has_delimiters && (begins_line || starts.is_empty() && begins_word) {
            starts.push(at);
        }
        if starts.len() == MESSAGES_MAX {
            break;
        }
    }
    starts
}

/// What may separate fields; the punctuation of prose and JSON may not, for a text can speak of "MSH-10" or list "MSH".
fn is_separator(byte: u8) -> bool {
    byte.is_ascii_punctuation() && !b"\"'()[]{}<>.,:;-_/".contains(&byte)
}

/// Whether this is a page for people: by its content type, or by its tags (a captive portal may claim anything).
pub(super) fn is_html(content_type: Option<&str>, body: &[u8]) -> bool {
    const LOOK_AT: usize = 1024;
    let kind = content_type.unwrap_or_default().trim_start().to_ascii_lowercase();
    let head = body[..body.len().min(LOOK_AT)].to_ascii_lowercase();
    let has = |tag: &str| memmem::find(&head, tag.as_bytes()).is_some();
    let is_page = has("<!doctype html") || has("<html") || has("<head>") || has("<body");
    // An empty body is no page whatever it is labelled; servers label empty answers text/html by default.
    let is_labelled = kind.starts_with("text/html") || kind.starts_with("application/xhtml");
    is_page || is_labelled && !body.trim_ascii().is_empty()
}
