//! Orders that put messages back into their lanes: retry, release, resend. Each takes its old place.

use outbox_core::error::code;
use outbox_core::state::State;
use rusqlite::params;

use super::each::{After, Candidate, Done};
use crate::error::Failure;
use crate::read::is_overtaken;
use crate::write::lane;
use crate::write::turn::enter;
use crate::write::unit::Unit;

/// PENDING: due now. FAILED, CANCELLED: pending again in the old place of the lane, attempts and error reset.
pub(super) fn retry(
    unit: &mut Unit<'_>,
    candidate: &Candidate,
    allow_overtaken: bool,
    after: &mut After,
) -> Result<Done, Failure> {
    let standing = &candidate.standing;
    if candidate.in_flight() {
        return Ok(Done::Left(code::ERR_IN_FLIGHT));
    }
    if !allow_overtaken && overtaken(unit, candidate)? {
        return Ok(Done::Left(code::OVERTAKEN));
    }
    if standing.state == State::Cancelled && !has_content(unit, standing.seq)? {
        return Ok(Done::Left(code::ERR_CONTENT_REMOVED));
    }
    after.nudge(&candidate.destination);
    if standing.state != State::Pending {
        return pend(unit, candidate, unit.now.0, true, false, after);
    }
    unit.connection
        .prepare_cached(
            "UPDATE message SET due_at = ?2, delay_ms = 0, manual = 1, fresh_at = max(fresh_at, ?2), updated_at = ?2 WHERE seq = ?1",
        )?
        .execute(params![standing.seq, unit.now.0])?;
    if candidate.place.as_deref() == Some("deferred") {
        enter(unit, &candidate.destination, standing.seq, standing.position, standing.lane.as_ref())?;
    }
    Ok(Done::Changed)
}

/// HELD: pending, in the old place of the lane; a `notBefore` that has not come is still kept.
pub(super) fn release(
    unit: &mut Unit<'_>,
    candidate: &Candidate,
    allow_overtaken: bool,
    after: &mut After,
) -> Result<Done, Failure> {
    if !allow_overtaken && overtaken(unit, candidate)? {
        return Ok(Done::Left(code::OVERTAKEN));
    }
    let due = candidate.not_before.map_or(unit.now.0, |at| at.max(unit.now.0));
    pend(unit, candidate, due, false, false, after)
}

/// SENT, ACKNOWLEDGED: pending again, marked as a possible duplicate.
pub(super) fn resend(
    unit: &mut Unit<'_>,
    candidate: &Candidate,
    allow_overtaken: bool,
    after: &mut After,
) -> Result<Done, Failure> {
    if !has_content(unit, candidate.standing.seq)? {
        return Ok(Done::Left(code::ERR_CONTENT_REMOVED));
    }
    if !allow_overtaken && overtaken(unit, candidate)? {
        return Ok(Done::Left(code::OVERTAKEN));
    }
    after.nudge(&candidate.destination);
    pend(unit, candidate, unit.now.0, true, true, after)
}

/// Retention drops the contents of delivered and withdrawn messages.
fn has_content(unit: &Unit<'_>, seq: i64) -> Result<bool, Failure> {
    Ok(unit.connection.prepare_cached("SELECT 1 FROM body WHERE seq = ?1")?.exists([seq])?)
}

fn pend(
    unit: &mut Unit<'_>,
    candidate: &Candidate,
    due: i64,
    manual: bool,
    duplicate: bool,
    after: &mut After,
) -> Result<Done, Failure> {
    let Candidate { standing, destination, .. } = candidate;
    let place = if due > unit.now.0 {
        "deferred"
    } else {
        lane::place_of(unit, destination, standing.position, standing.lane.as_ref())?
    };
    unit.connection
        .prepare_cached(
            "UPDATE message SET state = 'PENDING', place = ?3, rank = priority, due_at = ?2, delay_ms = 0, attempts = 0,
                                manual = ?4, failure_code = NULL, failure = NULL, fresh_at = max(fresh_at, ?2), updated_at = ?6,
                                possible_duplicate = possible_duplicate OR indeterminates > 0 OR ?5, indeterminates = 0
             WHERE seq = ?1",
        )?
        .execute(params![standing.seq, due, place, manual, duplicate, unit.now.0])?;
    unit.moved(&standing.moved(destination, State::Pending, 0, None))?;
    if candidate.stands_in_lane() || matches!(place, "waiting" | "front") {
        after.settle(standing.lane.as_ref());
    }
    Ok(Done::Changed)
}

/// Later messages of its lane were delivered, or a correction stands for it.
fn overtaken(unit: &Unit<'_>, candidate: &Candidate) -> Result<bool, Failure> {
    let standing = &candidate.standing;
    let Some(lane) = standing.lane.as_ref().filter(|_| !candidate.replaced) else { return Ok(candidate.replaced) };
    is_overtaken(unit.connection, lane, standing.position, standing.seq)
}
