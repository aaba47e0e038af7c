//! What the dispatcher acts on.

use std::time::Duration;

use super::{Outcome, Row};

/// What an attempt came to, and why. Holds codes only, none of the receiver's words, and may be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it came to.
    pub outcome: Outcome,
    /// The row of the table that decided.
    pub row: Row,
    /// With `accepted`: an HL7 acknowledgement accepted the message (ACKNOWLEDGED), or it was accepted at transport level or
    /// by a commit acknowledgement only (SENT). False with every other outcome.
    pub acknowledged: bool,
    /// With `accepted`: why somebody should look all the same.
    pub warning: Option<&'static str>,
    /// Something that an operator must see beyond this message.
    pub alarm: Option<&'static str>,
    /// The HTTP status, if there was one.
    pub http_status: Option<u16>,
    /// MSA-1 of the acknowledgement for this message; `None` when none came, so a refusal with it came from the receiver's
    /// HL7 side and proves that the receiver is up.
    pub ack_code: Option<String>,
    /// ERR-3 and ERR-5 codes of that acknowledgement: at most [`ERR_CODES_MAX`](super::ERR_CODES_MAX), each of at most
    /// [`ERR_CODE_BYTES_MAX`](super::ERR_CODE_BYTES_MAX) letters, digits, `.`, `_` and `-`.
    pub err_codes: Vec<String>,
    /// The reason in one word for `failure.code`: the fault in capitals (`CONNECT_REFUSED`), `HTTP_<status>`, `ACK_<MSA-1>`,
    /// `ACK_<MSA-1>_<deciding error code>`, or one of `ACK_ID_DIFFERS`, `ACK_CODE_UNKNOWN`, `ACK_UNPARSABLE`.
    pub code: String,
    /// With `throttled`: how long the receiver asks to be left alone, between [`RETRY_AFTER_MIN`](super::RETRY_AFTER_MIN) and
    /// [`RETRY_AFTER_MAX`](super::RETRY_AFTER_MAX); `None` when it did not say.
    pub retry_after: Option<Duration>,
    /// More may come over this connection that changes the verdict: read on, and judge again. Only with
    /// [`MllpEnd::Open`](super::MllpEnd::Open).
    pub read_on: bool,
}

/// A verdict of which only the outcome matters, for the tests of those who act on verdicts.
#[cfg(test)]
pub(crate) fn verdict_of(outcome: Outcome) -> Verdict {
    Verdict {
        outcome,
        row: Row::NotDelivered,
        acknowledged: outcome == Outcome::Accepted,
        warning: None,
        alarm: None,
        http_status: None,
        ack_code: None,
        err_codes: Vec::new(),
        code: String::new(),
        retry_after: None,
        read_on: false,
    }
}

/// The values of [`Verdict::warning`].
pub(super) mod warning {
    pub(crate) const ID_CUT: &str = "ack-id-cut";
    pub(crate) const ID_EMPTY: &str = "ack-id-empty";
    pub(crate) const RECEIVER_WARNED: &str = "receiver-warned";
    pub(crate) const APPLICATION_ACK_MISSING: &str = "application-ack-missing";
    pub(crate) const DUPLICATE_EXPECTED: &str = "receiver-had-it";
    pub(crate) const STATUS_DISAGREES: &str = "http-status-disagrees";
    pub(crate) const BY_OVERRIDE: &str = "accepted-by-override";
}

/// The values of [`Verdict::alarm`].
pub(super) mod alarm {
    pub(crate) const CAPTIVE_PORTAL: &str = "captive-portal";
    pub(crate) const REDIRECT: &str = "redirect";
    pub(crate) const OVERRIDE_IGNORED: &str = "override-ignored";
}
