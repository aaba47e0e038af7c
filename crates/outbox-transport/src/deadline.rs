//! How long the parts of an attempt may take.

use std::time::Duration;

use outbox_core::acknowledgement::Seen;
use outbox_core::config::Destination;
use tokio::time::Instant;

/// Longer deadlines are as good as none, and cannot overflow the clock.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The `timeouts` of a destination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) connect: Duration,
    write: Duration,
    first_byte: Duration,
    total: Duration,
}

impl Patience {
    pub(crate) fn of(destination: &Destination) -> Self {
        Self {
            connect: destination.connect_timeout.min(LONGEST),
            write: destination.write_timeout.min(LONGEST),
            first_byte: destination.first_byte_timeout.min(LONGEST),
            total: destination.total_timeout.min(LONGEST),
        }
    }

    /// An attempt begins.
    pub(crate) fn begin(self) -> Deadlines {
        Deadlines { total: Instant::now() + self.total, patience: self }
    }
}

/// The deadlines of one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// For the whole attempt.
    pub(crate) total: Instant,
    patience: Patience,
}

impl Deadlines {
    /// For a message whose first byte leaves now: when the kernel must have the last one.
    pub(crate) fn write(&self) -> Instant {
        self.total.min(Instant::now() + self.patience.write)
    }

    /// For a message whose last byte left now: when an answer must have begun.
    pub(crate) fn first_byte(&self) -> Instant {
        self.total.min(Instant::now() + self.patience.first_byte)
    }

    /// What it means that one of them has passed without an answer to a message that was handed over.
    pub(crate) fn missed_answer(&self) -> Seen {
        let fault = if Instant::now() < self.total { "first-byte-timeout" } else { "answer-timeout" };
        Seen::NoAnswer { fault }
    }
}
