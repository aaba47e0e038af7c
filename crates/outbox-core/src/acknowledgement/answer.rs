//! One acknowledgement: what it says, and for which message.

use super::error_segment::Problem;
use crate::hl7::{Message, Segment};

/// Receivers built for versions before 2.7 keep 20 bytes of the control id (HL7 2.5.1, 2.15.9.10) and echo those.
const CUT_ID_BYTES: usize = 20;

/// MSA-1 (HL7 table 0008).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AckCode {
    Accept,
    Error,
    Reject,
    /// Not in the table.
    Unknown,
}

/// Whether an acknowledgement is for the message at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdMatch {
    Same,
    Cut,
    Empty,
    Other,
}

/// An acknowledgement as it lies in the answer.
pub(super) struct Answer<'a> {
    message: Message<'a>,
    msa: Segment<'a>,
    /// The last segment was cut off and is not believed.
    is_cut: bool,
}

impl<'a> Answer<'a> {
    /// `None` without an MSA segment, or when the cut went through it.
    pub(super) fn read(message: Message<'a>, is_cut: bool) -> Option<Self> {
        let msa = message.segment("MSA")?;
        (!is_cut || msa.is_ended()).then_some(Self { message, msa, is_cut })
    }

    /// MSA-1, as it came.
    pub(super) fn code_bytes(&self) -> &'a [u8] {
        self.msa.field(1).map_or(b"".as_slice(), |field| field.bytes().trim_ascii())
    }

    pub(super) fn code(&self) -> AckCode {
        match self.code_bytes() {
            [b'A' | b'C' | b'a' | b'c', kind] => match kind.to_ascii_uppercase() {
                b'A' => AckCode::Accept,
                b'E' => AckCode::Error,
                b'R' => AckCode::Reject,
                _ => AckCode::Unknown,
            },
            _ => AckCode::Unknown,
        }
    }

    /// CA, CE or CR: the receiver has stored the message, or not, but has not looked into it (HL7 2.5.1, 2.9.3).
    pub(super) fn is_commit(&self) -> bool {
        matches!(self.code_bytes().first(), Some(b'C' | b'c'))
    }

    /// MSA-2 against MSH-10. An id that contains a delimiter comes back escaped from a careful receiver.
    pub(super) fn id_match(&self, control_id: &str) -> IdMatch {
        let echoed = self.msa.field(2).map_or(b"".as_slice(), |field| field.bytes().trim_ascii());
        let sent = control_id.as_bytes().trim_ascii();
        let unescaped = self.message.delimiters().unescape(echoed);
        if echoed.is_empty() {
            IdMatch::Empty
        } else if echoed == sent || *unescaped == *sent {
            IdMatch::Same
        } else if sent.len() > CUT_ID_BYTES && echoed == sent[..CUT_ID_BYTES].trim_ascii() {
            IdMatch::Cut
        } else {
            IdMatch::Other
        }
    }

    /// What the ERR segments complain about, with MSA-3 as a further text. Before 2.5, and without any ERR, the code can be
    /// in MSA-6 (HL7 2.4, 2.16.8.6).
    pub(super) fn problems(&self, control_id: &str) -> Vec<Problem> {
        let text = self.msa.field(3).map_or(b"".as_slice(), |field| field.bytes());
        let segments = self.message.segments().filter(|segment| segment.name() == b"ERR");
        let believed = segments.filter(|segment| !self.is_cut || segment.is_ended());
        let mut problems: Vec<_> = believed.flat_map(|err| Problem::read(&err, text, control_id)).collect();
        if problems.is_empty() {
            problems.extend(Problem::read_msa(&self.msa, text, control_id));
        }
        problems
    }
}
