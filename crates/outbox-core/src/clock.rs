//! Wall time as stored in the file, and where it comes from.
//!
//! Order never depends on it: a lane's order is `seq`. Wall time only says when something happened and when a message is
//! due; delays inside a process run on the monotonic clock of tokio.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `delay` later; saturates at the end of time instead of wrapping.
    #[must_use]
    pub fn plus(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long until `later`; zero if that has passed.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// ISO 8601 in UTC with milliseconds, as the public surface gives every time.
    pub fn to_iso(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map_or_else(|_| String::from("unknown"), |at| format!("{at:.3}"))
    }

    /// Reads an ISO 8601 time with an offset (`2026-01-31T08:00:00Z`).
    pub fn from_iso(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Self(at.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_iso())
    }
}

/// The source of wall time. Tests hand in one that they move themselves, backwards too.
pub trait Clock: Send + Sync + 'static {
    /// Now, by the wall clock.
    fn now(&self) -> Timestamp;
}

/// The operating system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_milliseconds_in_utc_and_read_back() {
        let at = Timestamp(1_767_225_600_007);
        assert_eq!(at.to_iso(), "2026-01-01T00:00:00.007Z");
        assert_eq!(Timestamp::from_iso("2026-01-01T04:00:00.007+04:00"), Some(at));
        assert_eq!(Timestamp::from_iso("yesterday"), None);
    }

    #[test]
    fn a_delay_beyond_the_end_of_time_saturates() {
        assert_eq!(Timestamp(i64::MAX - 1).plus(Duration::from_secs(9)), Timestamp(i64::MAX));
        assert_eq!(Timestamp(5).until(Timestamp(2)), Duration::ZERO);
    }
}
