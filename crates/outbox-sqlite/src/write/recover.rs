//! What a new dispatcher does first.

use std::sync::Arc;

use rusqlite::params;

use super::lane;
use super::standing::{Standing, cancel, tell_end};
use super::turn::enter;
use super::unit::Unit;
use crate::error::Failure;

/// Every open claim belongs to a dispatcher that is dead. Whether its bytes left is unknown: the attempt ends as
/// indeterminate, and the same bytes go out again, marked, first of their lane.
pub(crate) fn recover(unit: &mut Unit<'_>) -> Result<u64, Failure> {
    let now = unit.now.0;
    let sql =
        format!("SELECT {}, tries, destination FROM message WHERE place = 'flight' ORDER BY seq", Standing::COLUMNS);
    let mut open: Vec<(Standing, u32, String)> = Vec::new();
    let mut statement = unit.connection.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let read = || Ok((Standing::read(row)?, row.get(Standing::WIDTH)?, row.get(Standing::WIDTH + 1)?));
        match read().map_err(|error: rusqlite::Error| Failure::from(error)) {
            Ok(claim) => open.push(claim),
            // It stays in flight, and its lane waits for a person; nobody else's messages wait with it.
            Err(failure) if failure.is_impossible_value() => {
                tracing::error!("the row of a message in flight is damaged; it is left as it is");
            }
            Err(failure) => return Err(failure),
        }
    }
    drop(rows);
    drop(statement);
    for (standing, tries, destination) in &open {
        outbox_core::fault!("recover-row", Failure::planted);
        let seq = standing.seq;
        unit.connection
            .prepare_cached(
                "UPDATE attempt SET ended_at = ?3, outcome = 'indeterminate', row = 'taken-over', code = 'TAKEN_OVER', counted = 1
                 WHERE seq = ?1 AND n = ?2",
            )?
            .execute(params![seq, tries, now])?;
        tell_end(unit, destination, standing, *tries)?;
        unit.connection
            .prepare_cached(
                "UPDATE message SET attempts = attempts + 1, indeterminates = indeterminates + 1, due_at = ?2, delay_ms = 0,
                                    updated_at = ?2 WHERE seq = ?1",
            )?
            .execute(params![seq, now])?;
        outbox_core::plant!("plant-forget-doubt", {
            unit.connection.execute("UPDATE message SET indeterminates = indeterminates - 1 WHERE seq = ?1", [seq])?;
        });
        if standing.cancel_requested {
            // Withdrawn by a person while it was in flight: whether the receiver has it is unknown, but it is not sent again.
            cancel(unit, &Arc::from(destination.as_str()), standing, standing.attempts + 1)?;
            lane::settle_any(unit, standing.lane.as_ref())?;
        } else {
            enter(unit, destination, seq, standing.position, standing.lane.as_ref())?;
        }
    }
    Ok(open.len() as u64)
}

/// No front waits longer than its own delay from now, whatever the wall clock did meanwhile; a message behind it is mended
/// when it comes to the front. A `notBefore` is a date and stays one.
pub(crate) fn mend_due(unit: &Unit<'_>) -> Result<u64, Failure> {
    let mended = unit
        .connection
        .prepare_cached(
            "UPDATE message INDEXED BY message_due SET due_at = ?1 + delay_ms WHERE place = 'front' AND due_at > ?1 + delay_ms",
        )?
        .execute([unit.now.0])?;
    Ok(mended as u64)
}
