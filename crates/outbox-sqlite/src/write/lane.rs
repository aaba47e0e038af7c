//! Who stands first in a lane.

use outbox_core::store::LaneHash;
use rusqlite::{OptionalExtension, params};

use super::unit::Unit;
use crate::error::Failure;

/// Puts the first of a lane to its front, after any change in the lane. A message in flight keeps its place until its
/// attempt has ended, also when an earlier one has come back in the meantime. Behind a barrier nobody moves.
pub(crate) fn settle(unit: &Unit<'_>, lane: &LaneHash) -> Result<(), Failure> {
    let connection = unit.connection;
    let front: Option<Stand> = connection
        .prepare_cached(
            "SELECT seq, position, place = 'flight' FROM message WHERE lane = ?1 AND place IN ('front', 'flight')",
        )?
        .query_row([lane], Stand::read)
        .optional()?;
    if front.as_ref().is_some_and(|front| front.in_flight) {
        return Ok(());
    }
    let waiting: Option<Stand> = connection
        .prepare_cached(
            "SELECT seq, position, 0 FROM message WHERE lane = ?1 AND place = 'waiting' ORDER BY position, seq LIMIT 1",
        )?
        .query_row([lane], Stand::read)
        .optional()?;
    let barrier: Option<(i64, i64)> = connection
        .prepare_cached(
            "SELECT position, seq FROM message WHERE lane = ?1 AND place = 'barrier' ORDER BY position, seq LIMIT 1",
        )?
        .query_row([lane], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let first = [&front, &waiting].into_iter().flatten().min_by_key(|stand| (stand.position, stand.seq));
    let before = |first: &&Stand| barrier.is_none_or(|barrier| (first.position, first.seq) < barrier);
    let first = first.filter(before).map(|first| first.seq);
    if let Some(front) = front.filter(|front| first != Some(front.seq)) {
        connection.prepare_cached("UPDATE message SET place = 'waiting' WHERE seq = ?1")?.execute([front.seq])?;
    }
    if let Some(first) = first {
        // An urgent message lends its rank to all that stand before it.
        connection
            .prepare_cached(
                "UPDATE message SET place = 'front', due_at = min(due_at, ?3 + delay_ms),
                        rank = max(priority, EXISTS (SELECT 1 FROM message AS later
                                                     WHERE later.lane = ?2 AND later.priority = 1 AND later.place = 'waiting'))
                 WHERE seq = ?1",
            )?
            .execute(params![first, lane, unit.now.0])?;
    }
    Ok(())
}

struct Stand {
    seq: i64,
    position: i64,
    in_flight: bool,
}

impl Stand {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { seq: row.get(0)?, position: row.get(1)?, in_flight: row.get(2)? })
    }
}

/// Whether a message at `position` would not be the first of its lane.
pub(crate) fn is_occupied(unit: &Unit<'_>, lane: &LaneHash) -> Result<bool, Failure> {
    let occupied = unit
        .connection
        .prepare_cached("SELECT 1 FROM message WHERE lane = ?1 AND place IN ('front', 'flight')")?
        .exists([lane])?;
    Ok(occupied
        || unit
            .connection
            .prepare_cached("SELECT 1 FROM message WHERE lane = ?1 AND place = 'barrier'")?
            .exists([lane])?)
}

/// Settles the lane of a message that may have none.
pub(crate) fn settle_any(unit: &Unit<'_>, lane: Option<&LaneHash>) -> Result<(), Failure> {
    lane.map_or(Ok(()), |lane| settle(unit, lane))
}

/// The place of a message that comes (back) into its lane, before the lane is settled: behind those that the dispatcher has
/// not looked at if it belongs there, else in its lane. Without a lane it is always first.
pub(crate) fn place_of(
    unit: &Unit<'_>,
    destination: &str,
    position: i64,
    lane: Option<&LaneHash>,
) -> Result<&'static str, Failure> {
    if position > placed(unit, destination)? {
        return Ok("new");
    }
    Ok(if lane.is_some() { "waiting" } else { "front" })
}

/// Up to which `seq` the dispatcher has given the messages of a destination their places.
pub(crate) fn placed(unit: &Unit<'_>, destination: &str) -> Result<i64, Failure> {
    Ok(unit
        .connection
        .prepare_cached("SELECT placed FROM destination WHERE name = ?1")?
        .query_row([destination], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

/// Remembers how far a lane has come.
pub(crate) fn delivered(unit: &Unit<'_>, lane: &LaneHash, position: i64, seq: i64) -> Result<(), Failure> {
    unit.connection
        .prepare_cached(
            "INSERT INTO lane (key, delivered, seq) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO UPDATE SET delivered = excluded.delivered, seq = excluded.seq
             WHERE (excluded.delivered, excluded.seq) > (delivered, lane.seq)",
        )?
        .execute(params![lane, position, seq])?;
    Ok(())
}
