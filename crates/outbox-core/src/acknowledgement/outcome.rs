//! What an attempt came to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an attempt came to; the words are those of the configuration, the database and the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The receiver took the message.
    Accepted,
    /// The receiver will not take this message, however often it is sent: a dead letter at once.
    Rejected,
    /// The receiver could not take it now; sent again by the schedule, and counted.
    Retry,
    /// Nobody was reached; no attempt is spent.
    Unreachable,
    /// The receiver asks for a rest; no attempt is spent.
    Throttled,
    /// It may or may not have been taken; the same bytes are sent again.
    Indeterminate,
    /// The set-up of the destination is wrong, not the message.
    Misconfigured,
}

/// The word names no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an outcome; use accepted, rejected, retry, unreachable, throttled, indeterminate or misconfigured")]
pub struct UnknownOutcome;

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Rejected,
        Self::Retry,
        Self::Unreachable,
        Self::Throttled,
        Self::Indeterminate,
        Self::Misconfigured,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Retry => "retry",
            Self::Unreachable => "unreachable",
            Self::Throttled => "throttled",
            Self::Indeterminate => "indeterminate",
            Self::Misconfigured => "misconfigured",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(word: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word).ok_or(UnknownOutcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_reads_back_and_serde_uses_the_same_word() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
            assert_eq!(format!("{outcome:?}").to_lowercase(), outcome.as_str());
        }
        assert_eq!("Accepted".parse::<Outcome>(), Err(UnknownOutcome));
    }
}
