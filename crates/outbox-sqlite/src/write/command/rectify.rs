//! What persons note on a group of dead letters.

use outbox_core::error::{OutboxError, code};
use outbox_core::refusals::{RefusalOrder, Seen};
use outbox_core::status::Changed;
use outbox_core::store::By;
use rusqlite::{OptionalExtension, params};

use crate::error::Failure;
use crate::read::part_of;
use crate::write::unit::Unit;

/// Most dead letters that are looked through for a newer one of a part; a group that gained more has certainly changed.
const NEWER_MAX: i64 = 10_000;

/// Notes it, unless the group changed after its giver looked at it.
pub(super) fn rectify(unit: &Unit<'_>, order: &RefusalOrder, by: &By) -> Result<Changed, Failure> {
    let RefusalOrder { id, tags, seen, change } = order;
    let part = part_of(tags);
    let known = unit.connection.prepare_cached("SELECT 1 FROM refusal WHERE n = ?1")?.exists([id])?;
    if !known {
        return Err(OutboxError::plain(code::ERR_REFUSAL).into());
    }
    let changes: Option<i64> = unit
        .connection
        .prepare_cached("SELECT version FROM refusal_work WHERE refusal = ?1 AND tags = ?2")?
        .query_row(params![id, part], |row| row.get(0))
        .optional()?;
    if let Some(seen) = seen {
        let same = seen.changes == changes.unwrap_or(0);
        // An owner or a note is right whatever else was refused; that the cause is mended may not be.
        if !same || (change.rectified == Some(true) && has_newer(unit, *id, &part, *seen)?) {
            return Err(OutboxError::plain(code::ERR_REFUSAL_CHANGED).into());
        }
    }
    unit.connection
        .prepare_cached(
            "INSERT INTO refusal_work (refusal, tags, changed_at, changed_by, version) VALUES (?1, ?2, ?3, ?4, 1)
             ON CONFLICT (refusal, tags) DO UPDATE SET
               changed_at = excluded.changed_at, changed_by = excluded.changed_by, version = version + 1",
        )?
        .execute(params![id, part, unit.now.0, by.actor])?;
    for (column, given) in [("owner", &change.owner), ("note", &change.note)] {
        if let Some(value) = given {
            unit.connection
                .prepare_cached(&format!(
                    "UPDATE refusal_work SET {column} = nullif(?3, '') WHERE refusal = ?1 AND tags = ?2"
                ))?
                .execute(params![id, part, value])?;
        }
    }
    match change.rectified {
        Some(true) => {
            unit.connection
                .prepare_cached(
                    "UPDATE refusal_work SET state = 'rectified', rectified_at = ?3, rectified_by = ?4, reopened_at = NULL
                     WHERE refusal = ?1 AND tags = ?2",
                )?
                .execute(params![id, part, unit.now.0, by.actor])?;
        }
        Some(false) => {
            unit.connection
                .prepare_cached(
                    "UPDATE refusal_work SET state = 'open', rectified_at = NULL, rectified_by = NULL, reopened_at = NULL
                     WHERE refusal = ?1 AND tags = ?2",
                )?
                .execute(params![id, part])?;
        }
        None => {}
    }
    Ok(Changed { count: 1, ..Changed::default() })
}

/// Whether the part has a dead letter that its giver had not seen.
fn has_newer(unit: &Unit<'_>, id: i64, part: &str, seen: Seen) -> Result<bool, Failure> {
    let (looked, newer): (i64, i64) = unit
        .connection
        .prepare_cached(
            "SELECT count(*), coalesce(sum(NOT EXISTS (
               SELECT 1 FROM json_each(?3) AS asked WHERE NOT EXISTS (
                 SELECT 1 FROM tag WHERE tag.key = asked.key AND tag.value = asked.value AND tag.seq = r.seq))), 0)
             FROM (SELECT seq FROM refused WHERE refusal = ?1 AND nth > ?2 ORDER BY nth LIMIT ?4) AS r",
        )?
        .query_row(params![id, seen.newest, part, NEWER_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(newer > 0 || looked >= NEWER_MAX)
}
