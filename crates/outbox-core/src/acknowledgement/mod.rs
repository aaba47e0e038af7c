//! From what an attempt saw to what it came to.
//!
//! The transport reports what it [`Seen`]; [`judge`] finds the [`Row`] of the table that it falls under and gives the
//! [`Verdict`]. The table ([`ROWS`]) is data: its words make the reference page, and a [`Policy`] overrides single rows for a
//! destination.
//!
//! The order of belief: an acknowledgement for this very message (MSA-2) outweighs everything, an HTTP status counts only
//! without one ("HL7 over HTTP" sends 200 with refusals too), and what cannot be understood proves nothing: it is never
//! taken for acceptance. Acknowledgements are those of HL7 2.5.1, 2.9 and 2.15.8 (MSA), 2.15.5 (ERR), tables 0008, 0357 and
//! 0516; the older ERR and MSA forms are read as well.

mod answer;
mod body;
mod error_segment;
mod http;
mod judge;
mod mllp;
mod outcome;
mod policy;
mod retry_after;
mod row;
mod safe_code;
mod seen;
mod table;
mod verdict;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use judge::{code_of_fault, judge};
pub use mllp::{MllpWord, word_of};
pub use outcome::{Outcome, UnknownOutcome};
pub use policy::{Policy, PolicyProblem};
pub use retry_after::{RETRY_AFTER_MAX, RETRY_AFTER_MIN};
pub use row::{Row, RowName, UnknownRow};
pub use safe_code::{ERR_CODE_BYTES_MAX, ERR_CODES_MAX, leaving};
pub use seen::{Asked, MllpEnd, Seen};
pub use table::{ROWS, RowEntry};
pub use verdict::Verdict;
#[cfg(test)]
pub(crate) use verdict::verdict_of;
