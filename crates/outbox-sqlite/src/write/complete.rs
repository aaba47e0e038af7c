//! The end of an attempt.

use std::sync::Arc;

use outbox_core::acknowledgement::{Outcome, leaving};
use outbox_core::clock::Timestamp;
use outbox_core::retry::{Next, Reason};
use outbox_core::state::State;
use outbox_core::status::Failure as MessageFailure;
use outbox_core::store::Completion;
use rusqlite::{OptionalExtension, params};

use super::standing::{Standing, cancel, fail, tell_end};
use super::unit::Unit;
use super::{alert, lane};
use crate::error::Failure;

/// Ends an attempt, if it is still the one that was claimed: after a take-over a late completion changes nothing.
pub(crate) fn complete(unit: &mut Unit<'_>, destination: &Arc<str>, completion: &Completion) -> Result<(), Failure> {
    let sql = format!("SELECT {} FROM message WHERE seq = ?1 AND place = 'flight' AND tries = ?2", Standing::COLUMNS);
    let standing = unit
        .connection
        .prepare_cached(&sql)?
        .query_row(params![completion.seq, completion.attempt], Standing::read)
        .optional()?;
    let Some(standing) = standing else {
        tracing::warn!(seq = completion.seq, "a completion came after its claim was taken over");
        return Ok(());
    };
    end_attempt(unit, completion)?;
    tell_end(unit, destination, &standing, completion.attempt)?;
    outbox_core::fault!("complete-row-written", Failure::planted);
    let record = &completion.record;
    let attempts = standing.attempts + u32::from(record.counted);
    if let Next::Deliver { acknowledged } = completion.next {
        deliver(unit, destination, &standing, attempts, acknowledged, record.warning)?;
        outbox_core::fault!("complete-delivered", Failure::planted);
        return lane::settle_any(unit, standing.lane.as_ref());
    }
    // The receiver may have it, whoever is to blame; against the message's own limit only its own doubts count.
    let doubt = record.outcome == Outcome::Indeterminate;
    unit.connection
        .prepare_cached(
            "UPDATE message SET attempts = ?2, indeterminates = indeterminates + ?3, updated_at = ?4,
                                possible_duplicate = possible_duplicate OR ?5 WHERE seq = ?1",
        )?
        .execute(params![standing.seq, attempts, doubt && record.counted, unit.now.0, doubt && !record.counted])?;
    match completion.next {
        // Withdrawn by a person while it was in flight, and the receiver did not take it.
        _ if standing.cancel_requested => cancel(unit, destination, &standing, attempts)?,
        Next::Deliver { .. } => {}
        Next::Again { due, delay } => {
            again(unit, &standing, due, u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))?;
        }
        Next::Fail(reason) => {
            let failure = MessageFailure {
                reason: reason.as_str().to_owned(),
                code: record.code.clone(),
                http_status: record.http_status,
                ack_code: record.ack_code.clone(),
                err_codes: (!record.err_codes.is_empty()).then(|| record.err_codes.clone()),
            };
            if reason == Reason::Rejected {
                alert::refused(unit, destination, leaving(&failure.code))?;
            }
            fail(unit, destination, &standing, attempts, &failure, completion.holds_lane)?;
        }
    }
    lane::settle_any(unit, standing.lane.as_ref())
}

/// Takes an earlier attempt out of the count: its destination was down, as it turned out. The message is due now, and a dead
/// letter that came of that attempt is pending again.
pub(crate) fn give_back(unit: &mut Unit<'_>, destination: &Arc<str>, seq: i64, attempt: u32) -> Result<(), Failure> {
    outbox_core::fault!("give-back", Failure::planted);
    let doubt: Option<bool> = unit
        .connection
        .prepare_cached(
            "UPDATE attempt SET counted = 0 WHERE seq = ?1 AND n = ?2 AND counted = 1 AND ended_at IS NOT NULL
             RETURNING outcome = 'indeterminate'",
        )?
        .query_row(params![seq, attempt], |row| row.get(0))
        .optional()?;
    let Some(doubt) = doubt else { return Ok(()) };
    let sql = format!("SELECT {}, tries, place FROM message WHERE seq = ?1", Standing::COLUMNS);
    let (standing, tries, place): (Standing, u32, Option<String>) = unit
        .connection
        .prepare_cached(&sql)?
        .query_row([seq], |row| Ok((Standing::read(row)?, row.get(Standing::WIDTH)?, row.get(Standing::WIDTH + 1)?)))?;
    unit.connection
        .prepare_cached(
            "UPDATE message SET attempts = max(attempts - 1, 0), indeterminates = max(indeterminates - ?2, 0),
                                possible_duplicate = possible_duplicate OR ?2 WHERE seq = ?1",
        )?
        .execute(params![seq, doubt])?;
    if tries != attempt {
        return Ok(());
    }
    match (standing.state, place.as_deref()) {
        (State::Pending, Some("front" | "waiting")) => {
            unit.connection
                .prepare_cached("UPDATE message SET due_at = ?2, delay_ms = 0, updated_at = ?2 WHERE seq = ?1")?
                .execute(params![seq, unit.now.0])?;
        }
        (State::Failed, _) => {
            let place = lane::place_of(unit, destination, standing.position, standing.lane.as_ref())?;
            unit.connection
                .prepare_cached(
                    "UPDATE message SET state = 'PENDING', place = ?3, rank = priority, due_at = ?2, delay_ms = 0,
                                        failure_code = NULL, failure = NULL, updated_at = ?2 WHERE seq = ?1",
                )?
                .execute(params![seq, unit.now.0, place])?;
            unit.moved(&standing.moved(destination, State::Pending, standing.attempts.saturating_sub(1), None))?;
            lane::settle_any(unit, standing.lane.as_ref())?;
        }
        _ => {}
    }
    Ok(())
}

fn end_attempt(unit: &Unit<'_>, completion: &Completion) -> Result<(), Failure> {
    let record = &completion.record;
    let err_codes =
        (!record.err_codes.is_empty()).then(|| serde_json::to_string(&record.err_codes).unwrap_or_default());
    unit.connection
        .prepare_cached(
            "UPDATE attempt SET ended_at = ?3, outcome = ?4, row = ?5, code = ?6, http_status = ?7, ack_code = ?8,
                                err_codes = ?9, bytes_sent = ?10, counted = ?11, answer = ?12
             WHERE seq = ?1 AND n = ?2",
        )?
        .execute(params![
            completion.seq,
            completion.attempt,
            unit.now.0,
            record.outcome.as_str(),
            record.row,
            record.code,
            record.http_status,
            record.ack_code,
            err_codes,
            i64::try_from(record.bytes_sent).unwrap_or(i64::MAX),
            record.counted,
            record.answer,
        ])?;
    Ok(())
}

fn deliver(
    unit: &mut Unit<'_>,
    destination: &Arc<str>,
    standing: &Standing,
    attempts: u32,
    acknowledged: bool,
    warning: Option<&'static str>,
) -> Result<(), Failure> {
    let to = if acknowledged { State::Acknowledged } else { State::Sent };
    unit.connection
        .prepare_cached(
            "UPDATE message SET state = ?2, place = NULL, due_at = NULL, attempts = ?6, sent_at = ?3, acknowledged_at = ?4,
                                warning = coalesce(?5, warning), cancel_requested = 0, updated_at = ?3 WHERE seq = ?1",
        )?
        .execute(params![
            standing.seq,
            to.as_str(),
            unit.now.0,
            acknowledged.then_some(unit.now.0),
            warning,
            attempts
        ])?;
    if let Some(lane) = &standing.lane {
        lane::delivered(unit, lane, standing.position, standing.seq)?;
    }
    unit.moved(&standing.moved(destination, to, attempts, None))
}

fn again(unit: &Unit<'_>, standing: &Standing, due: Timestamp, delay_ms: u64) -> Result<(), Failure> {
    let place = if standing.lane.is_some() { "waiting" } else { "front" };
    unit.connection
        .prepare_cached("UPDATE message SET place = ?2, rank = priority, due_at = ?3, delay_ms = ?4 WHERE seq = ?1")?
        .execute(params![standing.seq, place, due.0, i64::try_from(delay_ms).unwrap_or(i64::MAX)])?;
    Ok(())
}
