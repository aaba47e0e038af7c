//! From an answer to what is done on an MLLP connection.

use std::time::Duration;

use bytes::Bytes;

use crate::answer::Answer;
use crate::desk::Desk;
use crate::http::{filling, garbage};
use crate::message::Message;
use crate::mllp::frame::framed;
use crate::verdict::Verdict;

/// What happens on the connection after a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// These bytes; the connection goes on.
    Write(Bytes),
    /// These bytes after so long, while the connection goes on.
    Later(Duration, Bytes),
    /// First these, then those after so long.
    Twice(Bytes, Duration, Bytes),
    /// A byte at a time.
    Drip(Bytes, Duration),
    /// These bytes, then FIN.
    LastWords(Bytes),
    /// The beginning of a frame, and the same bytes for ever.
    Endless(Bytes),
    /// No answer; the connection goes on.
    Nothing,
    /// No answer; the connection ends.
    Close { reset: bool },
}

/// What the answer chosen for a message means here.
pub(crate) fn render(desk: &Desk, answer: &Answer, message: &Message<'_>) -> Act {
    let ack = desk.acknowledge_as(answer, message).unwrap_or_default();
    let frame = framed(&ack);
    match answer {
        Answer::Ca { then: Some(then) } => {
            let verdict = Verdict { errors: &then.errors, ..Verdict::plain(then.code, message.control_id()) };
            let follow = framed(&desk.acknowledge(Some(message), &verdict));
            Act::Twice(frame, Duration::from_millis(then.after_ms), follow)
        }
        Answer::Aa { .. }
        | Answer::Ae { .. }
        | Answer::Ar { .. }
        | Answer::Ce { .. }
        | Answer::Cr { .. }
        | Answer::Ca { then: None }
        | Answer::WrongControlId { .. } => Act::Write(frame),
        Answer::TruncatedAck { bytes, framed: whole } => {
            let bytes = bytes.unwrap_or(ack.len() / 2).min(ack.len());
            if *whole {
                Act::Write(framed(ack.get(..bytes).unwrap_or_default()))
            } else {
                Act::LastWords(frame.slice(..=bytes))
            }
        }
        Answer::Garbage { bytes, framed: true } => Act::Write(framed(&garbage(*bytes))),
        Answer::Garbage { bytes, framed: false } => Act::LastWords(garbage(*bytes)),
        Answer::Late { after_ms } => Act::Later(Duration::from_millis(*after_ms), frame),
        Answer::Drip { every_ms } => Act::Drip(frame, Duration::from_millis(*every_ms)),
        Answer::Endless { chunk_bytes } => Act::Endless(filling(*chunk_bytes)),
        Answer::Silent {} => Act::Nothing,
        Answer::CloseAfterBody { reset } | Answer::CloseBeforeBody { reset } => Act::Close { reset: *reset },
        Answer::Status { .. } | Answer::Empty { .. } | Answer::CaptivePortal {} | Answer::Redirect { .. } => {
            Act::Close { reset: false }
        }
    }
}
