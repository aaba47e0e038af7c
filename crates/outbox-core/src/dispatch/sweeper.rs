//! Retention, as the dispatcher carries it out: a batch at a time, while nothing else is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::metrics::Metrics;
use crate::retention::{Place, Retention, Swept};
use crate::store::{Store, wait};

/// The longest and the shortest pause between two passes over the file.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// A new dispatcher first sends what waits.
const FIRST_PAUSE_MAX: Duration = Duration::from_secs(60);
/// An outbox that is never at rest gets a batch so often all the same, or its file would grow for ever.
const BUSY_PAUSE: Duration = Duration::from_secs(30);

/// Removes what need not be kept any more.
pub(super) struct Sweeper {
    retention: Retention,
    metrics: Arc<Metrics>,
    /// Where the present pass stands; `None` between two.
    place: Option<Place>,
    /// When the next pass begins.
    begins: Instant,
    /// When the latest batch ended.
    rested: Instant,
    /// Of this pass.
    swept: Swept,
}

impl Sweeper {
    pub(super) fn new(retention: Retention, metrics: Arc<Metrics>) -> Self {
        let now = Instant::now();
        let begins = now + pause(&retention).min(FIRST_PAUSE_MAX);
        Self { retention, metrics, place: None, begins, rested: now, swept: Swept::default() }
    }

    /// Removes a batch, if it is time. Answers whether the store was asked.
    pub(super) fn offer(&mut self, store: &Arc<dyn Store>, quiet: bool) -> bool {
        let now = Instant::now();
        if self.retention.shortest().is_none() || !quiet && now.duration_since(self.rested) < BUSY_PAUSE {
            return false;
        }
        let place = match self.place {
            Some(place) => place,
            None if now >= self.begins => Place::START,
            None => return false,
        };
        let retention = self.retention;
        match wait(|done| store.sweep(retention, place, done)) {
            Ok(swept) => self.note(swept),
            Err(error) => {
                tracing::warn!(code = error.code, "what need not be kept could not be removed yet");
                self.end();
            }
        }
        self.rested = Instant::now();
        true
    }

    fn note(&mut self, swept: Swept) {
        self.metrics.swept(&swept);
        self.swept.bodies += swept.bodies;
        self.swept.rows += swept.rows;
        self.swept.changes += swept.changes;
        self.place = swept.next;
        if self.place.is_none() {
            let Swept { bodies, rows, changes, .. } = self.swept;
            if bodies + rows + changes > 0 {
                tracing::info!(bodies, rows, changes, "what need not be kept any more was removed");
            }
            self.end();
        }
    }

    fn end(&mut self) {
        (self.place, self.swept) = (None, Swept::default());
        self.begins = Instant::now() + pause(&self.retention);
    }
}

/// What is kept for an hour is looked at more often than what is kept for a year.
fn pause(retention: &Retention) -> Duration {
    retention.shortest().map_or(PAUSE_MAX, |shortest| (shortest / 100).clamp(PAUSE_MIN, PAUSE_MAX))
}
