//! What the outbox keeps of a message: the bytes to send, and the few fields it works with.

use std::fmt;

use super::Charset;

/// A message that was read and found fit to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The message as it is stored, compared and sent. Its form is fixed, so that the same message handed over twice is the
    /// same bytes: it begins with MSH (no byte order mark, no blank line before), every segment ends with one CR, the last
    /// one included, and there are no blank lines. Nothing inside a segment is ever changed.
    pub bytes: Vec<u8>,
    /// MSH-10, exact; 1 to 199 printable ASCII characters.
    pub control_id: String,
    /// MSH-9.1 and MSH-9.2 joined by `^` whatever the message's own separator: `ADT^A08`, or `ACK` without an event.
    pub message_type: String,
    /// MSH-11.1; empty when absent.
    pub processing_id: String,
    /// MSH-12.1.
    pub version: String,
    /// MSH-18, first repetition.
    pub charset: Charset,
    /// MSH-15: when the receiver should answer with a commit acknowledgement. `None` when empty or not in table 0155.
    pub accept_ack: Option<AckCondition>,
    /// MSH-16: when the receiver should answer with an application acknowledgement. `None` likewise.
    pub application_ack: Option<AckCondition>,
    /// Whose record this is; `None` without a PID-3 that identifies somebody.
    pub patient: Option<PatientKey>,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("bytes", &self.bytes.len())
            .field("message_type", &self.message_type)
            .field("charset", &self.charset)
            .field("patient", &self.patient)
            .finish_non_exhaustive()
    }
}

/// When an acknowledgement is wanted (HL7 table 0155).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckCondition {
    /// `AL`: always.
    Always,
    /// `NE`: never.
    Never,
    /// `ER`: only on error or rejection.
    OnError,
    /// `SU`: only on success.
    OnSuccess,
}

impl AckCondition {
    /// Reads MSH-15 or MSH-16. `None` for an empty field and for anything outside the table, which then means what an empty
    /// field means: original mode, where the one answer is the application's.
    pub fn parse(value: &[u8]) -> Option<Self> {
        match value.trim_ascii() {
            b"AL" => Some(Self::Always),
            b"NE" => Some(Self::Never),
            b"ER" => Some(Self::OnError),
            b"SU" => Some(Self::OnSuccess),
            _ => None,
        }
    }

    /// The code of the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "AL",
            Self::Never => "NE",
            Self::OnError => "ER",
            Self::OnSuccess => "SU",
        }
    }
}

/// Which patient a message is about: the first repetition of PID-3, its id (CX.1) and assigning authority (CX.4), byte for
/// byte. Two spellings of one patient are two keys; two patients never share one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatientKey {
    /// CX.1, never empty.
    pub id: Vec<u8>,
    /// CX.4 with its subcomponents; may be empty.
    pub authority: Vec<u8>,
}

impl PatientKey {
    /// One byte string for the pair. NUL joins the two, for [`read`](super::read) refuses it inside a message, so no other
    /// pair gives the same string.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.id.as_slice(), self.authority.as_slice()].join(&0)
    }
}

impl fmt::Debug for PatientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientKey(masked)")
    }
}
