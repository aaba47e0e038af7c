//! Who stands first in a lane.

use rusqlite::{OptionalExtension, params};

use super::unit::Unit;
use crate::error::Failure;

/// Puts the first of a lane to its front, after any change in the lane. A message in flight keeps its place until its
/// attempt has ended, also when an earlier one has come back in the meantime.
pub(crate) fn settle(unit: &Unit<'_>, lane: &[u8]) -> Result<(), Failure> {
    let connection = unit.connection;
    let front: Option<(i64, String)> = connection
        .prepare_cached("SELECT seq, place FROM message WHERE lane = ?1 AND place IN ('front', 'flight')")?
        .query_row([lane], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if front.as_ref().is_some_and(|(_, place)| place == "flight") {
        return Ok(());
    }
    let waiting: Option<i64> = connection
        .prepare_cached("SELECT seq FROM message WHERE lane = ?1 AND place = 'waiting' ORDER BY seq LIMIT 1")?
        .query_row([lane], |row| row.get(0))
        .optional()?;
    let mut place = connection.prepare_cached("UPDATE message SET place = ?2 WHERE seq = ?1")?;
    match (front, waiting) {
        (_, None) => {}
        (Some((front, _)), Some(first)) if front < first => {}
        (front, Some(first)) => {
            if let Some((front, _)) = front {
                place.execute(params![front, "waiting"])?;
            }
            place.execute(params![first, "front"])?;
        }
    }
    Ok(())
}

/// Lets a message stand in its lane, in the order of its `seq`. Without a lane it is always first.
pub(crate) fn enter(unit: &Unit<'_>, seq: i64, lane: Option<&[u8]>) -> Result<(), Failure> {
    let place = if lane.is_some() { "waiting" } else { "front" };
    unit.connection.prepare_cached("UPDATE message SET place = ?2 WHERE seq = ?1")?.execute(params![seq, place])?;
    lane.map_or(Ok(()), |lane| settle(unit, lane))
}
