//! A place in the feed of changes.

use std::fmt;
use std::str::FromStr;

use outbox_core::error::{OutboxError, code};

/// Everything up to it has been told: changes by number, stored messages by `seq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) change: i64,
    pub(crate) seq: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.change, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = OutboxError;

    /// Exactly what was given out: a sign, a blank or a leading zero is somebody else's.
    fn from_str(text: &str) -> Result<Self, OutboxError> {
        let parse = || {
            let (change, seq) = text.split_once('.')?;
            let cursor = Self { change: change.parse().ok()?, seq: seq.parse().ok()? };
            (cursor.change >= 0 && cursor.seq >= 0 && cursor.to_string() == text).then_some(cursor)
        };
        parse().ok_or_else(|| OutboxError::plain(code::ERR_CURSOR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nothing_else_passes_for_one() {
        let cursor = Cursor { change: 12, seq: 345 };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for wrong in ["", "12", "+1.2", "01.2", "1.2.3", "1. 2", "-1.2", "a.b"] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
    }
}
