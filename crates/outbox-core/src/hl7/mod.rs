//! Reading an HL7 v2 message: just enough to keep, order, send and answer for it, and nothing of its clinical meaning.
//!
//! The parts, in the order the bytes meet them:
//!
//! - [`read`] takes what the caller handed over, refuses what no receiver could take ([`Hl7Problem`]) and gives an
//!   [`Envelope`]: the bytes in the form in which they are stored and sent, and the few header fields that the outbox needs;
//! - [`Delimiters`] and [`Charset`] are what MSH-1, MSH-2 and MSH-18 say about the rest of the message;
//! - [`Message`] is a view of bytes that looks up segments, fields, repetitions and components by number or by
//!   [`FieldPath`], without copying; escape sequences are decoded only where asked ([`Delimiters::unescape`]);
//! - [`check`] looks for mistakes that [`read`] takes and receivers do not.
//!
//! Chapter and table numbers are those of HL7 2.5.1; chapter 2 ("Control") is meant where none is given.

pub mod check;

mod charset;
mod delimiters;
mod envelope;
mod message;
mod path;
mod problem;
mod read;
mod segments;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use charset::Charset;
pub use delimiters::Delimiters;
pub use envelope::{AckCondition, Envelope, PatientKey};
pub use message::{Field, Message, Repetition, Segment};
pub use path::{FieldPath, PathProblem};
pub use problem::{Hl7Problem, PROBLEMS, Place};
pub use read::{CONTROL_ID_BYTES_MAX, Limits, Source, read};
pub use segments::{SegmentEnds, Segments};
