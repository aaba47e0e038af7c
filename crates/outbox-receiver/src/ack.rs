//! Acknowledgements: MSH with sender and receiver swapped, MSA, and ERR for refusals (HL7 2.5.1, chapter 2.9 and 2.15.5).

use std::io::Write;

use bytes::Bytes;

use crate::message::{Delimiters, Message};
use crate::verdict::{AckError, Severity, Verdict, words_of};
use crate::when;

/// Writes the acknowledgement of `message`; none, the bytes could not be read and nobody is addressed.
/// `own_id` becomes its MSH-10.
pub(crate) fn write(message: Option<&Message<'_>>, verdict: &Verdict<'_>, own_id: &[u8], now_us: i64) -> Bytes {
    let delimiters = message.map_or(Delimiters::USUAL, |message| message.delimiters);
    let mut out = Out { bytes: Vec::with_capacity(256), delimiters };
    out.header(message, own_id, now_us);
    let old = message.is_some_and(|message| speaks_old_form(message.msh(12)));
    out.segment("MSA");
    out.text(verdict.code.as_str());
    out.separator(1);
    out.raw(verdict.control_id);
    // Before 2.5 the words stand in MSA-3, because ERR had no place for them.
    let words = verdict.errors.first().filter(|_| old).and_then(|error| error.user_message.as_deref());
    if let Some(text) = verdict.text.or(words) {
        out.separator(1);
        out.text(text);
    }
    out.end();
    for error in verdict.errors {
        if old {
            out.error_before_2_5(error);
        } else {
            out.error(error);
        }
        out.end();
    }
    Bytes::from(out.bytes)
}

/// ERR-2 and the fields after it came with 2.5.
fn speaks_old_form(version: &[u8]) -> bool {
    matches!(version, [b'2', b'.', b'0'..=b'4', ..])
}

struct Out {
    bytes: Vec<u8>,
    delimiters: Delimiters,
}

impl Out {
    fn header(&mut self, message: Option<&Message<'_>>, own_id: &[u8], now_us: i64) {
        let Delimiters { field, component, repetition, escape, subcomponent } = self.delimiters;
        let msh = |number| message.map_or(&[][..], |message: &Message<'_>| message.msh(number));
        self.bytes.extend_from_slice(&[b'M', b'S', b'H', field, component, repetition, escape, subcomponent]);
        for number in [5, 6, 3, 4] {
            self.separator(1);
            self.raw(msh(number));
        }
        self.separator(1);
        when::push_dtm(&mut self.bytes, now_us);
        self.separator(2);
        self.raw(b"ACK");
        let event = msh(9).split(|byte| *byte == component).nth(1).unwrap_or_default();
        if !event.is_empty() {
            for part in [event, b"ACK"] {
                self.bytes.push(component);
                self.raw(part);
            }
        }
        self.separator(1);
        self.raw(own_id);
        self.separator(1);
        self.raw(if msh(11).is_empty() { b"P" } else { msh(11) });
        self.separator(1);
        self.raw(if msh(12).is_empty() { b"2.5.1" } else { msh(12) });
        if !msh(18).is_empty() {
            self.separator(6);
            self.raw(msh(18));
        }
        self.end();
    }

    fn error(&mut self, error: &AckError) {
        self.segment("ERR");
        self.separator(1);
        self.location(error);
        self.separator(1);
        self.coded(&error.code, error.text.as_deref().unwrap_or(words_of(&error.code)), "HL70357");
        self.separator(1);
        self.raw(match error.severity {
            Severity::E => b"E",
            Severity::W => b"W",
            Severity::I => b"I",
            Severity::F => b"F",
            Severity::None => b"",
        });
        self.separator(1);
        let (code, text) = (error.application_code.as_deref(), error.application_text.as_deref());
        if code.is_some() || text.is_some() {
            self.coded(code.unwrap_or_default(), text.unwrap_or_default(), "");
        }
        if let Some(words) = &error.user_message {
            self.separator(3);
            self.text(words);
        }
    }

    /// ERR-1: the place, and the code with its words as subcomponents of the fourth component.
    fn error_before_2_5(&mut self, error: &AckError) {
        self.segment("ERR");
        let place: Vec<&str> = error.location.as_deref().unwrap_or_default().split('^').collect();
        for index in 0..3 {
            self.text(place.get(index).copied().unwrap_or_default());
            self.bytes.push(self.delimiters.component);
        }
        self.text(&error.code);
        self.bytes.push(self.delimiters.subcomponent);
        self.text(error.text.as_deref().unwrap_or(words_of(&error.code)));
        self.bytes.push(self.delimiters.subcomponent);
        self.raw(b"HL70357");
    }

    fn location(&mut self, error: &AckError) {
        for (index, part) in error.location.as_deref().unwrap_or_default().split('^').enumerate() {
            if index > 0 {
                self.bytes.push(self.delimiters.component);
            }
            self.text(part);
        }
    }

    fn coded(&mut self, code: &str, text: &str, table: &str) {
        let last = [code, text, table].iter().rposition(|part| !part.is_empty()).map_or(0, |at| at + 1);
        // A table without a code names nothing.
        let parts = if code.is_empty() && text.is_empty() { 0 } else { last };
        for (index, part) in [code, text, table].iter().take(parts).enumerate() {
            if index > 0 {
                self.bytes.push(self.delimiters.component);
            }
            self.text(part);
        }
    }

    fn segment(&mut self, name: &str) {
        self.raw(name.as_bytes());
        self.separator(1);
    }

    fn separator(&mut self, times: usize) {
        self.bytes.extend(std::iter::repeat_n(self.delimiters.field, times));
    }

    fn end(&mut self) {
        self.bytes.push(b'\r');
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Words of ours: what would separate is escaped, and line ends become `\.br\`.
    fn text(&mut self, text: &str) {
        let Delimiters { field, component, repetition, escape, subcomponent } = self.delimiters;
        for byte in text.bytes() {
            let code: &[u8] = match byte {
                _ if byte == field => b"F",
                _ if byte == component => b"S",
                _ if byte == repetition => b"R",
                _ if byte == escape => b"E",
                _ if byte == subcomponent => b"T",
                b'\r' | b'\n' => b".br",
                0x00..0x20 => {
                    // Writing into a Vec cannot fail.
                    let _ = write!(self.bytes, "{0}X{byte:02X}{0}", escape as char);
                    continue;
                }
                _ => {
                    self.bytes.push(byte);
                    continue;
                }
            };
            self.bytes.push(escape);
            self.bytes.extend_from_slice(code);
            self.bytes.push(escape);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::write;
    use crate::message::Message;
    use crate::verdict::{AckCode, AckError, Verdict};

    fn acknowledged(message: &str, verdict: &Verdict<'_>) -> String {
        let message = Message::read(message.as_bytes()).unwrap();
        String::from_utf8(write(Some(&message), verdict, b"OWN-1", 1_893_553_445_000_000).to_vec()).unwrap()
    }

    #[test]
    fn an_acceptance_goes_back_to_the_sender() {
        let told = "MSH|^~\\&|APP^X|FAC|REC|RFAC|1||ADT^A08^ADT_A01|C-1|T|2.5.1\rPID|1\r";
        assert_eq!(
            acknowledged(told, &Verdict::plain(AckCode::Aa, b"C-1")),
            "MSH|^~\\&|REC|RFAC|APP^X|FAC|20300102030405+0000||ACK^A08^ACK|OWN-1|T|2.5.1\rMSA|AA|C-1\r"
        );
    }

    #[test]
    fn a_refusal_says_where_and_why_in_the_form_of_its_version() {
        let error = AckError {
            application_code: Some("1014".into()),
            application_text: Some("no | such".into()),
            ..AckError::at("103", "PV1^1^7", "Unknown\nphysician")
        };
        let errors = [error];
        let verdict = Verdict { code: AckCode::Ae, control_id: b"C-1", text: None, errors: &errors };
        let new = acknowledged("MSH|^~\\&|A|B|C|D|1||ADT^A01|C-1|T|2.5.1||||||UNICODE UTF-8\r", &verdict);
        assert!(new.contains("|T|2.5.1||||||UNICODE UTF-8\r"), "{new}");
        assert!(
            new.ends_with("MSA|AE|C-1\rERR||PV1^1^7|103^Table value not found^HL70357|E|1014^no \\F\\ such|||Unknown\\.br\\physician\r"),
            "{new}"
        );
        let old = acknowledged("MSH|^~\\&|A|B|C|D|1||ADT^A01|C-1|T|2.3\r", &verdict);
        assert!(
            old.ends_with("MSA|AE|C-1|Unknown\\.br\\physician\rERR|PV1^1^7^103&Table value not found&HL70357\r"),
            "{old}"
        );
    }
}
