//! What alerts are judged from: figures that are kept, and the first row of an index. No table is read through.

use outbox_core::alert::{AlertRecord, AlertType, AlertView, Undelivered};
use outbox_core::clock::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::stats::oldest_pending;
use crate::error::Failure;
use crate::write::GIVEN_UP_MS;

/// What is wrong as far as the file knows; free room is the caller's to add.
pub(crate) fn alert_view(connection: &Connection, now: Timestamp) -> Result<AlertView, Failure> {
    let mut due = connection.prepare_cached("SELECT DISTINCT target FROM notice WHERE due_at <= ?1")?;
    let mut dead =
        connection.prepare_cached("SELECT destination, count FROM tally WHERE state = 'FAILED' AND count > 0")?;
    let mut paused = connection
        .prepare_cached("SELECT name, paused_at, paused_reason FROM destination WHERE paused_at IS NOT NULL")?;
    let untidy = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM notice WHERE due_at IS NOT NULL AND expires_at <= ?1
                                OR due_at IS NULL AND expires_at <= ?2)",
        )?
        .query_row([now.0, now.0 - GIVEN_UP_MS], |row| row.get(0))?;
    Ok(AlertView {
        records: records(connection)?,
        dead_letters: dead.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?,
        oldest_pending_at: oldest_pending(connection, &outbox_core::status::MessageFilter::default())?.map(Timestamp),
        paused: paused
            .query_map([], |row| Ok((row.get(0)?, Timestamp(row.get(1)?), row.get(2)?)))?
            .collect::<Result<_, _>>()?,
        disk_free_bytes: u64::MAX,
        due: due.query_map(params![now.0], |row| row.get(0))?.collect::<Result<_, _>>()?,
        untidy,
        callback_at: alert_callback(connection)?,
    })
}

/// When a process last said that it has a function for alerts.
pub(crate) fn alert_callback(connection: &Connection) -> Result<Option<Timestamp>, Failure> {
    let stored: Option<Vec<u8>> = connection
        .prepare_cached("SELECT value FROM meta WHERE key = 'alert_callback'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(stored.and_then(|stored| String::from_utf8(stored).ok()?.parse().ok()).map(Timestamp))
}

fn records(connection: &Connection) -> Result<Vec<AlertRecord>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT key, type, destination, code, since, seen_at, count, begun_at, told_at FROM alert ORDER BY key",
    )?;
    let mut rows = statement.query([])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        // A newer version may know more types; they are its own to judge.
        let Some(r#type) = AlertType::from_stored(&row.get::<_, String>(1)?) else { continue };
        records.push(AlertRecord {
            key: row.get(0)?,
            r#type,
            destination: row.get(2)?,
            code: row.get(3)?,
            since: Timestamp(row.get(4)?),
            seen_at: Timestamp(row.get(5)?),
            count: row.get(6)?,
            begun_at: row.get::<_, Option<i64>>(7)?.map(Timestamp),
            told_at: row.get::<_, Option<i64>>(8)?.map(Timestamp),
        });
    }
    Ok(records)
}

/// Notices that were tried in vain, or were given up.
pub(crate) fn undelivered(connection: &Connection) -> Result<Vec<Undelivered>, Failure> {
    // SQLite takes the other columns from the row with the greatest `n`.
    let mut statement = connection.prepare_cached(
        "SELECT target, count(due_at), count(*) - count(due_at), error, min(created_at), max(n) FROM notice
         WHERE error IS NOT NULL GROUP BY target",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Undelivered {
            target: row.get(0)?,
            waiting: row.get(1)?,
            given_up: row.get(2)?,
            error: row.get(3)?,
            since: Timestamp(row.get(4)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
