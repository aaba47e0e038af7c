//! Orders that take messages out of their lanes: cancel, hold, purge.

use outbox_core::error::code;
use outbox_core::state::State;
use rusqlite::params;

use super::each::{After, Candidate, Done};
use crate::error::Failure;
use crate::write::standing;
use crate::write::unit::Unit;

/// Withdraws a message; one in flight is marked, and withdrawn unless the receiver takes it.
pub(super) fn cancel(unit: &mut Unit<'_>, candidate: &Candidate, after: &mut After) -> Result<Done, Failure> {
    outbox_core::plant!("plant-forget-cancel", { return Ok(Done::Changed) });
    let Candidate { standing, destination, .. } = candidate;
    if candidate.in_flight() {
        unit.connection
            .prepare_cached("UPDATE message SET cancel_requested = 1, updated_at = ?2 WHERE seq = ?1")?
            .execute(params![standing.seq, unit.now.0])?;
        return Ok(Done::Changed);
    }
    standing::cancel(unit, destination, standing, standing.attempts)?;
    leave(candidate, after);
    Ok(Done::Changed)
}

/// Takes a message out of its lane until it is released.
pub(super) fn hold(unit: &mut Unit<'_>, candidate: &Candidate, after: &mut After) -> Result<Done, Failure> {
    let Candidate { standing, destination, .. } = candidate;
    if candidate.in_flight() {
        return Ok(Done::Left(code::ERR_IN_FLIGHT));
    }
    unit.connection
        .prepare_cached(
            "UPDATE message SET state = 'HELD', place = NULL, due_at = NULL, updated_at = ?2 WHERE seq = ?1",
        )?
        .execute(params![standing.seq, unit.now.0])?;
    unit.moved(&standing.moved(destination, State::Held, standing.attempts, None))?;
    leave(candidate, after);
    Ok(Done::Changed)
}

/// Removes a message's content for good. What was not delivered is withdrawn first: nothing ends in silence. The row stays
/// as a tombstone, so that its status is known and a repeated enqueue of it does not send it again.
pub(super) fn purge(unit: &mut Unit<'_>, candidate: &Candidate, after: &mut After) -> Result<Done, Failure> {
    let Candidate { standing, destination, .. } = candidate;
    if candidate.in_flight() {
        return Ok(Done::Left(code::ERR_IN_FLIGHT));
    }
    let mut last = standing.state;
    if matches!(last, State::Pending | State::Held | State::Failed) {
        standing::cancel(unit, destination, standing, standing.attempts)?;
        leave(candidate, after);
        last = State::Cancelled;
    }
    erase(unit, standing.seq)?;
    unit.buried(destination, last);
    Ok(Done::Changed)
}

fn leave(candidate: &Candidate, after: &mut After) {
    if candidate.stands_in_lane() {
        after.settle(candidate.standing.lane.as_ref());
    }
}

/// Lets whole pages that become free be overwritten too, while it erases; elsewhere that would cost writes for nothing.
pub(super) fn overwriting<T>(
    unit: &mut Unit<'_>,
    erase: impl FnOnce(&mut Unit<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    unit.connection.pragma_update(None, "secure_delete", true)?;
    let erased = erase(unit);
    unit.connection.pragma_update(None, "secure_delete", "FAST")?;
    erased
}

/// What a tombstone has no more. The caller lets whole pages be overwritten.
pub(crate) fn erase(unit: &Unit<'_>, seq: i64) -> Result<(), Failure> {
    for sql in
        ["DELETE FROM body WHERE seq = ?1", "DELETE FROM attempt WHERE seq = ?1", "DELETE FROM tag WHERE seq = ?1"]
    {
        unit.connection.prepare_cached(sql)?.execute([seq])?;
    }
    unit.connection
        .prepare_cached(
            "UPDATE message SET tags = NULL, warning = NULL, purged_at = ?2, updated_at = ?2 WHERE seq = ?1",
        )?
        .execute(params![seq, unit.now.0])?;
    Ok(())
}
