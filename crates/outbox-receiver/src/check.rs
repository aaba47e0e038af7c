//! What a receiver refuses by itself, whatever it was told to answer.

use crate::message::Message;
use crate::verdict::{AckCode, AckError};

/// A refusal that the sender's message has earned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: AckCode,
    pub(crate) error: AckError,
}

impl Refusal {
    fn reject(code: &str, location: &str, text: &str) -> Self {
        Self { code: AckCode::Ar, error: AckError::at(code, location, text) }
    }

    fn error(code: &str, location: &str, text: &str) -> Self {
        Self { code: AckCode::Ae, error: AckError::at(code, location, text) }
    }
}

/// Looks at a message that could be read. `strict` adds what a careful receiver demands beyond the standard's minimum.
pub(crate) fn refusal_of(message: &Message<'_>, strict: bool) -> Option<Refusal> {
    header(message).or_else(|| segments(message)).or_else(|| if strict { careful(message) } else { None })
}

fn header(message: &Message<'_>) -> Option<Refusal> {
    let required = [(9, "MSH^1^9"), (10, "MSH^1^10"), (12, "MSH^1^12")];
    let missing = required.iter().find(|(number, _)| message.msh(*number).is_empty());
    missing.map(|(_, location)| Refusal::reject("101", location, "required field missing"))
}

fn segments(message: &Message<'_>) -> Option<Refusal> {
    for (index, segment) in message.segments().enumerate() {
        let name = message.name_of(segment);
        let well_named = matches!(name, [a, b, c] if a.is_ascii_uppercase()
            && [b, c].iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
        if !well_named {
            return Some(Refusal::error("100", &format!("^{}", index + 1), "this is not the name of a segment"));
        }
        if index > 0 && matches!(name, b"MSH" | b"FHS" | b"BHS") {
            return Some(Refusal::reject("100", &format!("MSH^{}", index + 1), "more than one message"));
        }
    }
    None
}

fn careful(message: &Message<'_>) -> Option<Refusal> {
    if message.has_foreign_ends() {
        return Some(Refusal::error("100", "MSH^1", "segments must end in CR alone"));
    }
    if !matches!(message.msh(11), [b'P' | b'T' | b'D', ..]) {
        return Some(Refusal::reject("202", "MSH^1^11", "unsupported processing id"));
    }
    if !message.msh(12).starts_with(b"2.") {
        return Some(Refusal::reject("203", "MSH^1^12", "unsupported version id"));
    }
    if message.message_type().starts_with(b"ADT") {
        if message.segment(*b"PID").is_none() {
            return Some(Refusal::error("100", "PID^1", "PID is missing"));
        }
        if message.patient().is_empty() {
            return Some(Refusal::error("101", "PID^1^3^1^1", "required field missing"));
        }
    }
    let control = |byte: &u8| matches!(byte, 0 | 0x0B | 0x1C);
    if message.bytes().iter().any(control) {
        return Some(Refusal::error("102", "", "a control character that no message may hold"));
    }
    let utf8 = matches!(message.msh(18), b"" | b"UNICODE UTF-8" | b"ASCII");
    if utf8 && std::str::from_utf8(message.bytes()).is_err() {
        return Some(Refusal::error("102", "MSH^1^18", "the bytes are not in the declared character set"));
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::refusal_of;
    use crate::message::Message;

    fn code(text: &str, strict: bool) -> Option<String> {
        refusal_of(&Message::read(text.as_bytes()).unwrap(), strict).map(|refusal| refusal.error.code)
    }

    #[test]
    fn a_whole_message_is_not_refused_even_by_a_careful_receiver() {
        let good = "MSH|^~\\&|A|B|C|D|1||ADT^A01|X|T|2.5.1\rPID|1||7^^^&Z\r";
        assert_eq!(code(good, true), None);
    }

    #[test]
    fn each_fault_has_its_code() {
        let always = [
            ("MSH|^~\\&|A|B|C|D|1||ADT^A01||T|2.5.1\r", "101"),
            ("MSH|^~\\&|A|B|C|D|1||ADT^A01|X|T\r", "101"),
            ("MSH|^~\\&|A|B|C|D|1||ADT^A01|X|T|2.5.1\rpid|1\r", "100"),
            ("MSH|^~\\&|A|B|C|D|1||ADT^A01|X|T|2.5.1\rMSH|^~\\&\r", "100"),
        ];
        for (text, expected) in always {
            assert_eq!(code(text, false).as_deref(), Some(expected), "{text}");
        }
        let careful = [
            ("MSH|^~\\&|A|B|C|D|1||ADT^A01|X|T|2.5.1\nPID|1||7\n", "100"),
            ("MSH|^~\\&|A|B|C|D|1||ADT^A01|X|Q|2.5.1\rPID|1||7\r", "202"),
            ("MSH|^~\\&|A|B|C|D|1||ADT^A01|X|T|3.0\rPID|1||7\r", "203"),
            ("MSH|^~\\&|A|B|C|D|1||ADT^A01|X|T|2.5.1\r", "100"),
            ("MSH|^~\\&|A|B|C|D|1||ADT^A01|X|T|2.5.1\rPID|1||^^^Z\r", "101"),
            ("MSH|^~\\&|A|B|C|D|1||ADT^A01|X|T|2.5.1\rPID|1||7||\u{b}\r", "102"),
        ];
        for (text, expected) in careful {
            assert_eq!(code(text, false), None, "{text}");
            assert_eq!(code(text, true).as_deref(), Some(expected), "{text}");
        }
    }
}
