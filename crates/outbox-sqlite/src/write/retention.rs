//! Retention: what need not be kept any more is removed, a few milliseconds at a time.
//!
//! Only delivered and withdrawn messages are ever touched. A content is overwritten as a purge overwrites it; a row becomes
//! the tombstone that a purge leaves. One very large content takes as long as overwriting it takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use outbox_core::retention::{Place, Retention, Swept};
use outbox_core::state::State;
use rusqlite::{Row, params};

use super::command::erase;
use super::unit::Unit;
use crate::error::Failure;

/// How long one batch may take: it shares its transaction with what others do.
const BATCH_TIME: Duration = Duration::from_millis(2);
/// What one batch may overwrite, in bytes: its commit writes as much to the log, and that takes longer than the overwriting.
const BATCH_BYTES: u64 = 256 << 10;
/// Rows that are looked at together.
const LOOK: u32 = 100;
/// Lines that are removed together; they are short.
const LINES: u32 = 500;
/// Pages that are given back together.
const PAGES: u32 = 32;
/// Free pages that stay in the file for new messages: at least so many, and this part of all.
const PAGES_KEPT_MIN: i64 = 1_024;
const PAGES_KEPT_SHARE: i64 = 10;

/// One batch.
pub(crate) fn sweep(unit: &mut Unit<'_>, retention: &Retention, from: Place) -> Result<Swept, Failure> {
    let mut batch = Batch { ends: Instant::now() + BATCH_TIME, bytes: 0, swept: Swept::default(), overwrites: false };
    let mut place = Some(from);
    let mut result = Ok(());
    while let Some(at) = place.filter(|_| !batch.is_over()) {
        match batch.step(unit, retention, at) {
            Ok(next) => place = next,
            Err(failure) => {
                result = Err(failure);
                break;
            }
        }
    }
    if batch.overwrites {
        unit.connection.pragma_update(None, "secure_delete", "FAST")?;
    }
    result?;
    Ok(Swept { next: place, ..batch.swept })
}

struct Batch {
    ends: Instant,
    /// Overwritten so far.
    bytes: u64,
    swept: Swept,
    /// Whole pages that become free are overwritten too.
    overwrites: bool,
}

impl Batch {
    fn is_over(&self) -> bool {
        self.bytes >= BATCH_BYTES || Instant::now() >= self.ends
    }

    fn step(&mut self, unit: &mut Unit<'_>, retention: &Retention, at: Place) -> Result<Option<Place>, Failure> {
        let before = |kept: Option<Duration>| kept.map(|kept| unit.now.0.saturating_sub(milliseconds(kept)));
        let (bodies, rows, changes) = (before(retention.bodies), before(retention.rows), before(retention.changes));
        Ok(match (at, bodies, rows, changes) {
            (Place::Bodies(after), Some(before), ..) => {
                Some(self.bodies(unit, before, after)?.map_or(Place::Delivered(i64::MIN, 0), Place::Bodies))
            }
            (Place::Bodies(_), None, ..) => Some(Place::Delivered(i64::MIN, 0)),
            (Place::Delivered(at, after), _, Some(before), _) => {
                let next = self.delivered(unit, before, (at, after))?;
                Some(next.map_or(Place::Cancelled(0), |(at, after)| Place::Delivered(at, after)))
            }
            (Place::Delivered(..), _, None, _) => Some(Place::Cancelled(0)),
            (Place::Cancelled(after), _, Some(before), _) => {
                Some(self.cancelled(unit, before, after)?.map_or(Place::Changes, Place::Cancelled))
            }
            (Place::Cancelled(_), _, None, _) => Some(Place::Changes),
            (Place::Changes, .., Some(before)) => {
                let removed = prune(unit, "change", before)?;
                self.swept.changes += removed;
                Some(if removed == 0 { Place::Actions } else { Place::Changes })
            }
            (Place::Changes, .., None) => Some(Place::Actions),
            (Place::Actions, _, Some(before), _) if prune(unit, "action", before)? > 0 => Some(Place::Actions),
            (Place::Actions, _, Some(before), _) if forget_work(unit, before)? > 0 => Some(Place::Actions),
            (Place::Actions, ..) => Some(Place::Room),
            (Place::Room, ..) => give_back(unit)?.then_some(Place::Room),
        })
    }

    /// Drops contents and answers. Answers where to go on.
    fn bodies(&mut self, unit: &Unit<'_>, before: i64, after: i64) -> Result<Option<i64>, Failure> {
        let looked = candidates(
            unit,
            "SELECT seq, 0, destination, state, created_at, updated_at, 0 FROM
               (SELECT seq FROM body WHERE seq > ?1 ORDER BY seq LIMIT ?2) CROSS JOIN message USING (seq)",
            params![after, LOOK],
        )?;
        // Numbers follow time; a clock that once stood wrong makes an exception of a message, not of a hundred.
        if looked.iter().all(|message| message.created_at > before) {
            return Ok(None);
        }
        for message in &looked {
            if message.has_ended(before) {
                self.overwrite(unit)?;
                self.bytes += length(unit, message.seq)?;
                for sql in [
                    "DELETE FROM body WHERE seq = ?1",
                    "UPDATE attempt SET answer = NULL WHERE seq = ?1 AND answer IS NOT NULL",
                ] {
                    unit.connection.prepare_cached(sql)?.execute([message.seq])?;
                }
                self.swept.bodies += 1;
            }
            if self.is_over() {
                return Ok(Some(message.seq));
            }
        }
        Ok(looked.last().map(|message| message.seq))
    }

    /// Makes tombstones of delivered messages, those first that were delivered first.
    fn delivered(
        &mut self,
        unit: &mut Unit<'_>,
        before: i64,
        after: (i64, i64),
    ) -> Result<Option<(i64, i64)>, Failure> {
        let looked = candidates(
            unit,
            "SELECT seq, sent_at, destination, state, created_at, updated_at, purged_at IS NOT NULL FROM message
             WHERE sent_at IS NOT NULL AND purged_at IS NULL AND sent_at <= ?1 AND (sent_at, seq) > (?2, ?3)
             ORDER BY sent_at, seq LIMIT ?4",
            params![before, after.0, after.1, LOOK],
        )?;
        self.bury(unit, before, &looked).map(|last| last.map(|message| (message.sent_at, message.seq)))
    }

    /// The same of withdrawn ones.
    fn cancelled(&mut self, unit: &mut Unit<'_>, before: i64, after: i64) -> Result<Option<i64>, Failure> {
        let looked = candidates(
            unit,
            "SELECT seq, 0, destination, state, created_at, updated_at, purged_at IS NOT NULL FROM message
             WHERE state = 'CANCELLED' AND seq > ?1 ORDER BY seq LIMIT ?2",
            params![after, LOOK],
        )?;
        self.bury(unit, before, &looked).map(|last| last.map(|message| message.seq))
    }

    /// Answers the last that was looked at.
    fn bury<'a>(
        &mut self,
        unit: &mut Unit<'_>,
        before: i64,
        looked: &'a [Ended],
    ) -> Result<Option<&'a Ended>, Failure> {
        for message in looked {
            if message.has_ended(before) && !message.is_tombstone {
                self.overwrite(unit)?;
                erase(unit, message.seq)?;
                unit.buried(&message.destination, message.state);
                self.swept.rows += 1;
            }
            if self.is_over() {
                return Ok(Some(message));
            }
        }
        Ok(looked.last())
    }

    fn overwrite(&mut self, unit: &Unit<'_>) -> Result<(), Failure> {
        if !self.overwrites {
            unit.connection.pragma_update(None, "secure_delete", true)?;
            self.overwrites = true;
        }
        Ok(())
    }
}

/// A message that may have come to its end.
struct Ended {
    seq: i64,
    sent_at: i64,
    destination: Arc<str>,
    state: State,
    created_at: i64,
    updated_at: i64,
    is_tombstone: bool,
}

impl Ended {
    /// The age counts from its last move, so that what was sent again is kept anew.
    fn has_ended(&self, before: i64) -> bool {
        matches!(self.state, State::Sent | State::Acknowledged | State::Cancelled) && self.updated_at <= before
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            sent_at: row.get(1)?,
            destination: Arc::from(row.get_ref(2)?.as_str()?),
            // What cannot be read is left alone.
            state: row.get_ref(3)?.as_str()?.parse().unwrap_or(State::Held),
            created_at: row.get(4)?,
            updated_at: row.get(5)?,
            is_tombstone: row.get(6)?,
        })
    }
}

/// What a message's content and answers hold, in bytes.
fn length(unit: &Unit<'_>, seq: i64) -> Result<u64, Failure> {
    let sql =
        "SELECT length(content) + (SELECT coalesce(sum(length(answer)), 0) FROM attempt WHERE attempt.seq = body.seq)
               FROM body WHERE seq = ?1";
    Ok(unit.connection.prepare_cached(sql)?.query_row([seq], |row| row.get(0))?)
}

fn candidates(unit: &Unit<'_>, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Ended>, Failure> {
    let mut statement = unit.connection.prepare_cached(sql)?;
    let rows = statement.query_map(values, Ended::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes the oldest lines of a table that grows at its end. The last of the old ones stays, so that a number never comes twice.
fn prune(unit: &Unit<'_>, table: &str, before: i64) -> Result<u64, Failure> {
    let mut statement =
        unit.connection.prepare_cached(&format!("SELECT n, at FROM {table} ORDER BY n LIMIT {LINES}"))?;
    let mut rows = statement.query([])?;
    let (mut old, mut last_but_one) = (None, None);
    while let Some(row) = rows.next()? {
        let at: i64 = row.get(1)?;
        // A time to come was given by a clock that stood wrong: what follows tells how old it is.
        if at > before && at <= unit.now.0 {
            break;
        }
        last_but_one = old.replace(row.get::<_, i64>(0)?);
    }
    drop(rows);
    let Some(until) = last_but_one else { return Ok(0) };
    let removed = unit.connection.prepare_cached(&format!("DELETE FROM {table} WHERE n <= ?1"))?.execute([until])?;
    Ok(removed as u64)
}

/// Removes what persons noted on groups that have had no dead letter since, and such groups. Groups with dead letters stay as
/// their messages do.
fn forget_work(unit: &Unit<'_>, before: i64) -> Result<u64, Failure> {
    let forgotten = unit
        .connection
        .prepare_cached(
            "DELETE FROM refusal_work WHERE (refusal, tags) IN (
               SELECT refusal, tags FROM refusal_work AS work
               WHERE changed_at <= ?1 AND NOT EXISTS (SELECT 1 FROM refused WHERE refused.refusal = work.refusal) LIMIT ?2)
             RETURNING refusal",
        )?
        .query_map(params![before, LINES], |row| row.get::<_, i64>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    for refusal in &forgotten {
        unit.connection
            .prepare_cached(
                "DELETE FROM refusal WHERE n = ?1 AND NOT EXISTS (SELECT 1 FROM refusal_work WHERE refusal = n)",
            )?
            .execute([refusal])?;
    }
    Ok(forgotten.len() as u64)
}

/// Gives free pages back to the file system, but for those that new messages will take. Answers whether there are more.
/// A file of an earlier version cannot; its pages are only used again.
fn give_back(unit: &Unit<'_>) -> Result<bool, Failure> {
    let ask = |pragma: &str| -> Result<i64, Failure> {
        Ok(unit.connection.prepare_cached(&format!("PRAGMA {pragma}"))?.query_row([], |row| row.get(0))?)
    };
    if ask("auto_vacuum")? == 0 {
        return Ok(false);
    }
    let kept = (ask("page_count")? / PAGES_KEPT_SHARE).max(PAGES_KEPT_MIN);
    let spare = ask("freelist_count")? - kept;
    if spare <= 0 {
        return Ok(false);
    }
    let now = spare.min(i64::from(PAGES));
    let mut statement = unit.connection.prepare(&format!("PRAGMA incremental_vacuum({now})"))?;
    let mut rows = statement.query([])?;
    // A step a page.
    while rows.next()?.is_some() {}
    Ok(spare > now)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
