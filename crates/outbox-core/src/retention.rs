//! How long is kept what nobody waits for any more.
//!
//! A store never touches PENDING, HELD and FAILED messages, whatever their age. What it removes, it removes in batches
//! ([`crate::store::Store::sweep`]), and the dispatcher asks for one only while there is nothing better to do.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// How long what is kept after a message has come to its end; `None` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Bytes and answers of delivered and withdrawn messages: 90 days. Long enough to send a quarter again after a receiver
    /// lost it; and no longer, for the clinic's record is what the law wants kept for 25 years, and a second copy of it is
    /// only a second place from which it can leak.
    pub bodies: Option<Duration>,
    /// Their rows, with attempts and labels, what persons ordered, and what they noted on refusals of which none is left:
    /// 400 days, so that a year can be compared with the year before. What is left is a tombstone.
    pub rows: Option<Duration>,
    /// Lines of the feed of changes: 30 days.
    pub changes: Option<Duration>,
}

impl Retention {
    /// A reader of the changes may be away for a holiday.
    pub const CHANGES_MIN: Duration = Duration::from_secs(7 * 86_400);

    /// The shortest of the three, if anything is ever removed.
    pub fn shortest(&self) -> Option<Duration> {
        [self.bodies, self.rows, self.changes].into_iter().flatten().min()
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { bodies: Some(90 * DAY), rows: Some(400 * DAY), changes: Some(30 * DAY) }
    }
}

/// Where a pass over the file stands; each part is handed back to the store that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Contents, after this number.
    Bodies(i64),
    /// Delivered messages, after this time of delivery and number.
    Delivered(i64, i64),
    /// Withdrawn messages, after this number.
    Cancelled(i64),
    /// The feed of changes.
    Changes,
    /// What persons ordered.
    Actions,
    /// Room that is given back to the file system.
    Room,
}

impl Place {
    /// Where a pass begins.
    pub const START: Self = Self::Bodies(0);
}

/// What a batch removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Swept {
    /// Messages whose content is gone.
    pub bodies: u64,
    /// Messages that became tombstones.
    pub rows: u64,
    /// Lines of the feed.
    pub changes: u64,
    /// Where to go on; `None` at the end of the pass.
    pub next: Option<Place>,
}
