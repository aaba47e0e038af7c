//! Wall time that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use outbox_core::clock::{Clock, Timestamp};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Stands at an arbitrary, fixed moment.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(1_767_225_600_000)))
    }

    /// Moves by so many milliseconds, backwards if negative.
    pub fn move_by(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}
