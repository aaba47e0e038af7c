//! A driver's turn: ended attempts in, due messages out.

use outbox_core::clock::Timestamp;
use outbox_core::store::{LaneHash, Turn, TurnResult};
use rusqlite::{OptionalExtension, params};

use super::claim::claim;
use super::complete::{complete, give_back};
use super::lane;
use super::unit::Unit;
use crate::error::Failure;

/// Most messages that fall due for the first time in one turn.
const UNDEFERRED_MAX: u32 = 1_000;

/// Carries out a turn.
pub(crate) fn turn(unit: &mut Unit<'_>, turn: &Turn) -> Result<TurnResult, Failure> {
    outbox_core::fault!("turn-apply", Failure::planted);
    for completion in &turn.completions {
        complete(unit, &turn.destination, completion)?;
    }
    for (seq, attempt) in &turn.given_back {
        give_back(unit, &turn.destination, *seq, *attempt)?;
    }
    let mut result = TurnResult::default();
    let record: Option<(bool, i64, i64, i64)> = unit
        .connection
        .prepare_cached("SELECT paused_at IS NOT NULL, nudges, patches, placed FROM destination WHERE name = ?1")?
        .query_row([turn.destination.as_ref()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let (paused, nudges, patches, placed) = record.unwrap_or_default();
    (result.paused, result.nudges, result.patches) = (paused, nudges, patches);
    if turn.claim > 0 && !paused && !turn.term.is_over() {
        outbox_core::plant!("plant-forget-claim", {
            unit.connection.execute_batch("SAVEPOINT claimed")?;
        });
        undefer(unit, &turn.destination)?;
        let claims = claim(unit, turn, placed)?;
        outbox_core::fault!("claim-made", Failure::planted);
        if claims.placed != placed {
            unit.connection
                .prepare_cached(
                    "INSERT INTO destination (name, since, placed) VALUES (?1, ?2, ?3)
                     ON CONFLICT (name) DO UPDATE SET placed = excluded.placed",
                )?
                .execute(params![turn.destination.as_ref(), unit.now.0, claims.placed])?;
        }
        outbox_core::plant!("plant-forget-claim", {
            unit.connection.execute_batch("ROLLBACK TO claimed; RELEASE claimed")?;
        });
        (result.claimed, result.more) = (claims.claimed, claims.more);
        result.next_due = next_due(unit, &turn.destination)?;
    }
    Ok(result)
}

/// Lets messages into their lanes whose `notBefore` has passed.
fn undefer(unit: &Unit<'_>, destination: &str) -> Result<(), Failure> {
    let due: Vec<(i64, i64, Option<LaneHash>)> = unit
        .connection
        .prepare_cached(
            "SELECT seq, position, lane FROM message WHERE destination = ?1 AND place = 'deferred' AND due_at <= ?2
             ORDER BY due_at LIMIT ?3",
        )?
        .query_map(params![destination, unit.now.0, UNDEFERRED_MAX], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    due.into_iter().try_for_each(|(seq, position, lane)| enter(unit, destination, seq, position, lane.as_ref()))
}

/// Lets a PENDING message stand in its lane.
pub(crate) fn enter(
    unit: &Unit<'_>,
    destination: &str,
    seq: i64,
    position: i64,
    lane: Option<&LaneHash>,
) -> Result<(), Failure> {
    let place = lane::place_of(unit, destination, position, lane)?;
    unit.connection
        .prepare_cached("UPDATE message SET place = ?2, rank = priority WHERE seq = ?1")?
        .execute(params![seq, place])?;
    lane::settle_any(unit, lane)
}

fn next_due(unit: &Unit<'_>, destination: &str) -> Result<Option<Timestamp>, Failure> {
    let next: Option<i64> = unit
        .connection
        .prepare_cached(
            "SELECT min(due_at) FROM (
               SELECT * FROM (SELECT due_at FROM message WHERE destination = ?1 AND rank = 0 AND place = 'front' AND due_at > ?2
                              ORDER BY due_at LIMIT 1)
               UNION ALL
               SELECT * FROM (SELECT due_at FROM message WHERE destination = ?1 AND rank = 1 AND place = 'front' AND due_at > ?2
                              ORDER BY due_at LIMIT 1)
               UNION ALL
               SELECT * FROM (SELECT due_at FROM message WHERE destination = ?1 AND place = 'deferred' ORDER BY due_at LIMIT 1))",
        )?
        .query_row(params![destination, unit.now.0], |row| row.get(0))?;
    Ok(next.map(Timestamp))
}
