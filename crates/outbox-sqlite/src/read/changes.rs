//! The feed of changes: what happened to messages, in the order of the commits.

use std::iter::Peekable;
use std::vec::IntoIter;

use outbox_core::clock::Timestamp;
use outbox_core::error::{OutboxError, code};
use outbox_core::event::StatusChange;
use outbox_core::message::MessageId;
use outbox_core::state::State;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::cursor::Cursor;
use crate::error::Failure;

/// Most changes of one reading.
const LIMIT_MAX: u32 = 1_000;

/// Changes after a cursor. Moves stand in the table `change`; that a message was stored is read from its own row, and belongs
/// before the first move that was made when the row was there already.
pub(crate) fn changes(connection: &Connection, after: Option<&str>, limit: u32) -> Result<Vec<StatusChange>, Failure> {
    outbox_core::fault!("read-changes", Failure::planted);
    let limit = limit.clamp(1, LIMIT_MAX);
    let mut cursor = match after {
        Some(text) => text.parse()?,
        None => beginning(connection)?,
    };
    check_age(connection, cursor)?;
    let mut moves = moves(connection, cursor, limit)?.into_iter().peekable();
    let mut entries = entries(connection, cursor, limit)?.into_iter().peekable();
    let mut told = Vec::new();
    while told.len() < limit as usize {
        let Some(mut change) = next(&mut moves, &mut entries, &mut cursor) else { break };
        change.cursor = cursor.to_string();
        told.push(change);
    }
    Ok(told)
}

struct Move {
    n: i64,
    newest: i64,
    change: StatusChange,
}

type Entry = (i64, StatusChange);

fn next(
    moves: &mut Peekable<IntoIter<Move>>,
    entries: &mut Peekable<IntoIter<Entry>>,
    cursor: &mut Cursor,
) -> Option<StatusChange> {
    let horizon = moves.peek().map_or(i64::MAX, |made| made.newest);
    if let Some((seq, entry)) = entries.next_if(|(seq, _)| *seq <= horizon) {
        cursor.seq = seq;
        return Some(entry);
    }
    let made = moves.next()?;
    cursor.change = made.n;
    Some(made.change)
}

/// The place before the oldest change that is kept. What was stored before a pruned feed begins is not told: how it went on
/// would be missing.
fn beginning(connection: &Connection) -> Result<Cursor, Failure> {
    let oldest = connection
        .prepare_cached("SELECT n, newest FROM change ORDER BY n LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match oldest {
        Some((n @ 2.., newest)) => Cursor { change: n - 1, seq: newest },
        _ => Cursor::default(),
    })
}

/// The number of the oldest change that is kept, 1 when there is none yet.
fn oldest(connection: &Connection) -> Result<i64, Failure> {
    let oldest: Option<i64> =
        connection.prepare_cached("SELECT min(n) FROM change")?.query_row([], |row| row.get(0))?;
    Ok(oldest.unwrap_or(1))
}

fn check_age(connection: &Connection, cursor: Cursor) -> Result<(), Failure> {
    let oldest = oldest(connection)?;
    if cursor.change + 1 >= oldest {
        return Ok(());
    }
    let fresh = Cursor { change: oldest - 1, seq: cursor.seq };
    Err(OutboxError { cursor: Some(fresh.to_string().into()), ..OutboxError::plain(code::ERR_CURSOR_EXPIRED) }.into())
}

fn moves(connection: &Connection, after: Cursor, limit: u32) -> Result<Vec<Move>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT n, newest, at, was, became, change.attempts, change.failure, id, control_id, destination, tags
         FROM change JOIN message USING (seq) WHERE n > ?1 ORDER BY n LIMIT ?2",
    )?;
    let rows = statement.query_map(params![after.change, limit], |row| {
        let failure: Option<String> = row.get(6)?;
        Ok(Move {
            n: row.get(0)?,
            newest: row.get(1)?,
            change: StatusChange {
                at: Timestamp(row.get(2)?),
                from: Some(state(row, 3)?),
                to: state(row, 4)?,
                attempts: row.get(5)?,
                failure: failure.and_then(|json| serde_json::from_str(&json).ok()),
                ..described(row, 7)?
            },
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn entries(connection: &Connection, after: Cursor, limit: u32) -> Result<Vec<Entry>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, created_at, held_at_entry, id, control_id, destination, tags
         FROM message WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let rows = statement.query_map(params![after.seq, limit], |row| {
        let to = if row.get(2)? { State::Held } else { State::Pending };
        Ok((row.get(0)?, StatusChange { at: Timestamp(row.get(1)?), to, ..described(row, 3)? }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    row.get_ref(column)?.as_str()?.parse().map_err(|()| rusqlite::Error::InvalidQuery)
}

/// What is said of a message in both kinds of rows, from `first` on.
fn described(row: &Row<'_>, first: usize) -> rusqlite::Result<StatusChange> {
    let tags: Option<String> = row.get(first + 3)?;
    Ok(StatusChange {
        cursor: String::new(),
        at: Timestamp(0),
        id: MessageId::from_bytes(row.get(first)?),
        control_id: row.get(first + 1)?,
        destination: row.get(first + 2)?,
        from: None,
        to: State::Pending,
        attempts: 0,
        failure: None,
        tags: tags.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
    })
}

/// The cursor behind everything that has happened.
pub(crate) fn latest_cursor(connection: &Connection) -> Result<String, Failure> {
    outbox_core::fault!("read-latest-cursor", Failure::planted);
    let cursor = connection
        .prepare_cached("SELECT (SELECT coalesce(max(n), 0) FROM change), (SELECT coalesce(max(seq), 0) FROM message)")?
        .query_row([], |row| Ok(Cursor { change: row.get(0)?, seq: row.get(1)? }))?;
    Ok(cursor.to_string())
}

/// Where a named reader has come to.
pub(crate) fn consumer(connection: &Connection, name: &str) -> Result<Option<String>, Failure> {
    outbox_core::fault!("read-consumer", Failure::planted);
    Ok(connection
        .prepare_cached("SELECT cursor FROM consumer WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}
