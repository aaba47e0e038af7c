//! One transaction of the writer: many operations, each in a savepoint of its own, and one commit.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use outbox_core::clock::Timestamp;
use outbox_core::error::{OutboxError, code};
use outbox_core::event::{AttemptEnded, StatusChange};
use outbox_core::message::{MessageId, Tags};
use outbox_core::state::State;
use outbox_core::status::Failure as MessageFailure;
use rusqlite::{Connection, OptionalExtension, params};

use crate::cursor::Cursor;
use crate::digest::Digests;
use crate::error::Failure;

/// Stored messages that need not be in the tally yet.
const UNTALLIED_MAX: i64 = 500;

/// What anybody hears of.
#[derive(Clone, Copy)]
pub(crate) struct Observed {
    /// Changes of state.
    pub(crate) changes: bool,
    /// Attempts that ended.
    pub(crate) attempts: bool,
}

/// What the observer is told of a commit, after it.
#[derive(Default)]
pub(crate) struct News {
    pub(crate) changes: Vec<StatusChange>,
    pub(crate) attempts: Vec<AttemptEnded>,
}

/// What an operation may use.
pub(crate) struct Unit<'a> {
    /// Inside the transaction.
    pub(crate) connection: &'a Connection,
    /// The time of the whole group.
    pub(crate) now: Timestamp,
    /// The keys of the file.
    pub(crate) digests: &'a Digests,
    /// What anybody hears of.
    pub(crate) observed: Observed,
    /// Most messages PENDING or HELD.
    pub(crate) pending_max: u64,
    /// Why new messages are refused, if they are: room is kept for what happens to stored ones.
    pub(crate) no_room: Option<&'static str>,
    /// PENDING and HELD together, once an operation asked.
    pending: Option<i64>,
    /// The highest `seq`, once an operation asked.
    newest: Option<i64>,
    /// The same before this group.
    newest_before: Option<i64>,
    /// Something moved, so the tally must be written.
    has_moved: bool,
    /// The number of the latest change, once it was asked for.
    latest_change: Option<i64>,
    /// By how much the tally of a state changes; written once, before the commit.
    tally: BTreeMap<(Arc<str>, &'static str), i64>,
    news: News,
    /// The present operation's part of both, dropped when it is refused.
    undo: Vec<(Arc<str>, &'static str, i64)>,
    news_kept: (usize, usize),
    /// Both numbers as they were before the present operation: cursors are made of them, and one that names what was taken
    /// back would hide what comes under that number later.
    numbers_kept: (Option<i64>, Option<i64>),
    /// Every operation has a savepoint of its own.
    careful: bool,
    /// An operation failed after it wrote, and there was no savepoint to go back to.
    pub(crate) untidy: bool,
    /// What ended the whole transaction.
    pub(crate) fatal: Option<Failure>,
}

/// A move that was made, to be recorded.
pub(crate) struct Move<'a> {
    pub(crate) seq: i64,
    pub(crate) id: MessageId,
    pub(crate) control_id: &'a str,
    pub(crate) destination: &'a Arc<str>,
    pub(crate) from: Option<State>,
    pub(crate) to: State,
    pub(crate) attempts: u32,
    pub(crate) failure: Option<&'a MessageFailure>,
    pub(crate) tags: &'a Tags,
}

impl<'a> Unit<'a> {
    pub(crate) fn new(
        connection: &'a Connection,
        now: Timestamp,
        digests: &'a Digests,
        observed: Observed,
        pending_max: u64,
        no_room: Option<&'static str>,
    ) -> Self {
        Self {
            connection,
            now,
            digests,
            observed,
            pending_max,
            no_room,
            pending: None,
            newest: None,
            newest_before: None,
            has_moved: false,
            latest_change: None,
            tally: BTreeMap::new(),
            news: News::default(),
            undo: Vec::new(),
            news_kept: (0, 0),
            numbers_kept: (None, None),
            careful: false,
            untidy: false,
            fatal: None,
        }
    }

    /// Runs one operation and answers as its caller shall hear it. A refusal leaves nothing of it; a failure of the engine
    /// ends the transaction ([`Self::fatal`]); a panic is a refusal of this operation alone.
    ///
    /// A savepoint costs a copy of every page that the operation touches, and nearly every refusal comes before the first
    /// write. So a group runs without savepoints at first; should an operation fail after it wrote, [`Self::untidy`] asks
    /// for the whole group to be run again with them.
    pub(super) fn guarded<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, OutboxError> {
        self.undo.clear();
        self.news_kept = (self.news.changes.len(), self.news.attempts.len());
        self.numbers_kept = (self.newest, self.latest_change);
        let written = self.connection.total_changes();
        let begun = if self.careful { self.savepoint("SAVEPOINT operation") } else { Ok(()) };
        let result = begun.and_then(|()| match std::panic::catch_unwind(AssertUnwindSafe(|| run(self))) {
            Ok(result) => result,
            Err(_) => Err(OutboxError::plain(code::ERR_PANIC).into()),
        });
        if result.is_err() {
            self.forget();
        }
        let ended = if self.careful {
            self.end_savepoint(result.is_err())
        } else {
            self.untidy |= result.is_err() && self.connection.total_changes() != written;
            Ok(())
        };
        match (result, ended) {
            (Ok(value), Ok(())) => Ok(value),
            (Err(Failure::Refused(error)), Ok(())) => Err(error),
            // A constraint that an operation runs into is a defect of ours, not the end of the file; and a damaged row ends
            // those operations alone that need it.
            (Err(failure), Ok(())) if failure.is_constraint() || failure.is_impossible_value() => {
                Err(failure.into_error())
            }
            (Err(failure), _) | (Ok(_), Err(failure)) => {
                self.fatal = Some(failure);
                Err(OutboxError::plain(code::ERR_STORE_FAILED))
            }
        }
    }

    fn savepoint(&self, statement: &str) -> Result<(), Failure> {
        self.connection.prepare_cached(statement)?.execute([])?;
        Ok(())
    }

    fn end_savepoint(&mut self, refused: bool) -> Result<(), Failure> {
        // After a full disk or an I/O error SQLite may have rolled everything back by itself.
        if self.connection.is_autocommit() {
            return Ok(());
        }
        if refused {
            self.savepoint("ROLLBACK TO operation")?;
        }
        self.savepoint("RELEASE operation")
    }

    /// Takes the present operation's part of the books back.
    fn forget(&mut self) {
        self.news.changes.truncate(self.news_kept.0);
        self.news.attempts.truncate(self.news_kept.1);
        (self.newest, self.latest_change) = self.numbers_kept;
        for (destination, state, by) in std::mem::take(&mut self.undo) {
            self.count(&destination, state, -by);
        }
        self.undo.clear();
    }

    fn count(&mut self, destination: &Arc<str>, state: &'static str, by: i64) {
        *self.tally.entry((Arc::clone(destination), state)).or_default() += by;
        if matches!(state, "PENDING" | "HELD")
            && let Some(pending) = &mut self.pending
        {
            *pending += by;
        }
        self.undo.push((Arc::clone(destination), state, by));
    }

    /// The highest `seq` of the file.
    pub(crate) fn newest(&mut self) -> Result<i64, Failure> {
        if let Some(newest) = self.newest {
            return Ok(newest);
        }
        let newest = self
            .connection
            .prepare_cached("SELECT coalesce(max(seq), 0) FROM message")?
            .query_row([], |row| row.get(0))?;
        self.newest_before = Some(newest);
        Ok(*self.newest.insert(newest))
    }

    /// A message was stored under `seq`.
    pub(crate) fn stored(&mut self, seq: i64) {
        self.newest = Some(seq);
    }

    fn latest_change(&mut self) -> Result<i64, Failure> {
        if let Some(latest) = self.latest_change {
            return Ok(latest);
        }
        let latest = self
            .connection
            .prepare_cached("SELECT coalesce(max(n), 0) FROM change")?
            .query_row([], |row| row.get(0))?;
        Ok(*self.latest_change.insert(latest))
    }

    /// The highest `seq` before this group.
    fn newest_before(&mut self) -> Result<i64, Failure> {
        self.newest()?;
        Ok(self.newest_before.unwrap_or(0))
    }

    /// Up to which `seq` stored messages are in the tally.
    fn tallied(&self) -> Result<i64, Failure> {
        let until = self
            .connection
            .prepare_cached("SELECT count FROM tally WHERE destination = ''")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok(until.unwrap_or(0))
    }

    /// Whether one more message may wait.
    pub(crate) fn has_room(&mut self) -> Result<bool, Failure> {
        let pending = if let Some(pending) = self.pending {
            pending
        } else {
            let untallied = self.newest_before()? - self.tallied()?;
            let stored: i64 = self
                .connection
                .prepare_cached("SELECT coalesce(sum(count), 0) FROM tally WHERE state = 'PENDING' OR state = 'HELD'")?
                .query_row([], |row| row.get(0))?;
            let unwritten: i64 = self
                .tally
                .iter()
                .filter(|((_, state), _)| matches!(*state, "PENDING" | "HELD"))
                .map(|(_, by)| by)
                .sum();
            let stored = stored + untallied;
            *self.pending.insert(stored + unwritten)
        };
        Ok(u64::try_from(pending).unwrap_or(0) < self.pending_max)
    }

    /// Gives every operation a savepoint of its own.
    pub(crate) fn careful(mut self) -> Self {
        self.careful = true;
        self
    }

    /// Records a move: the change feed, the tally, and the observer. That a message was stored is told by its own row.
    pub(crate) fn moved(&mut self, made: &Move<'_>) -> Result<(), Failure> {
        let newest = self.newest()?;
        if let Some(from) = made.from {
            let failure = made.failure.map(|failure| serde_json::to_string(failure).unwrap_or_default());
            self.connection
                .prepare_cached(
                    "INSERT INTO change (newest, at, seq, was, became, attempts, failure) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    newest,
                    self.now.0,
                    made.seq,
                    from.as_str(),
                    made.to.as_str(),
                    made.attempts,
                    failure
                ])?;
            self.latest_change = Some(self.connection.last_insert_rowid());
            self.count(made.destination, from.as_str(), -1);
            self.has_moved = true;
        }
        self.count(made.destination, made.to.as_str(), 1);
        if self.observed.changes {
            let cursor = Cursor { change: self.latest_change()?, seq: newest };
            self.news.changes.push(StatusChange {
                cursor: cursor.to_string(),
                at: self.now,
                id: made.id,
                control_id: made.control_id.to_owned(),
                destination: made.destination.to_string(),
                from: made.from,
                to: made.to,
                attempts: made.attempts,
                failure: made.failure.cloned(),
                tags: made.tags.clone(),
            });
        }
        Ok(())
    }

    /// An attempt ended.
    pub(crate) fn ended(&mut self, attempt: AttemptEnded) {
        self.news.attempts.push(attempt);
    }

    /// A message of that state left the counts: its row is a tombstone now.
    pub(crate) fn buried(&mut self, destination: &Arc<str>, state: State) {
        self.count(destination, state.as_str(), -1);
        self.has_moved = true;
    }

    /// Writes the tally, if it is time; what is left is the commit. Answers what the observer is told.
    pub(crate) fn close(mut self) -> Result<News, Failure> {
        if self.newest.is_none() && !self.has_moved {
            return Ok(self.news);
        }
        let (before, until) = (self.newest_before()?, self.tallied()?);
        let newest = self.newest()?;
        if !self.has_moved && newest - until < UNTALLIED_MAX {
            return Ok(self.news);
        }
        // What was stored before this group and is not in the tally yet has not moved until now.
        let mut stored = self.connection.prepare_cached(
            "SELECT destination, held_at_entry, count(*) FROM message WHERE seq > ?1 AND seq <= ?2 GROUP BY 1, 2",
        )?;
        let mut rows = stored.query([until, before])?;
        while let Some(row) = rows.next()? {
            let state = if row.get(1)? { State::Held } else { State::Pending };
            *self.tally.entry((Arc::from(row.get::<_, String>(0)?), state.as_str())).or_default() +=
                row.get::<_, i64>(2)?;
        }
        let mut write = self.connection.prepare_cached(
            "INSERT INTO tally (destination, state, count) VALUES (?1, ?2, ?3)
             ON CONFLICT (destination, state) DO UPDATE SET count = count + excluded.count",
        )?;
        let mut amend = self
            .connection
            .prepare_cached("UPDATE tally SET count = count + ?3 WHERE destination = ?1 AND state = ?2")?;
        for ((destination, state), by) in &self.tally {
            match by {
                0 => {}
                // An insert of a negative count would break the constraint before the conflict is seen.
                ..0 => drop(amend.execute(params![destination.as_ref(), state, by])?),
                _ => drop(write.execute(params![destination.as_ref(), state, by])?),
            }
        }
        write.execute(params!["", "", newest - until])?;
        Ok(self.news)
    }
}

/// Runs foreign code; a panic becomes an error of its caller.
pub(super) fn caught<T>(run: impl FnOnce() -> Result<T, OutboxError>) -> Result<T, OutboxError> {
    std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(OutboxError::plain(code::ERR_PANIC)))
}
