//! A driver's turn: ended attempts in, due messages out.

use std::sync::Arc;

use bytes::Bytes;
use outbox_core::acknowledgement::Outcome;
use outbox_core::clock::Timestamp;
use outbox_core::hl7::AckCondition;
use outbox_core::message::{Body, MessageId, Tags};
use outbox_core::retry::{Next, Reason};
use outbox_core::state::State;
use outbox_core::status::Failure as MessageFailure;
use outbox_core::store::{Claimed, Completion, Turn, TurnResult};
use rusqlite::{OptionalExtension, Row, params};

use super::lane;
use super::unit::{Move, Unit};
use crate::error::Failure;

/// Carries out a turn.
pub(crate) fn turn(unit: &mut Unit<'_>, turn: &Turn) -> Result<TurnResult, Failure> {
    for completion in &turn.completions {
        complete(unit, &turn.destination, completion)?;
    }
    let mut result = TurnResult::default();
    let record: Option<(bool, i64)> = unit
        .connection
        .prepare_cached("SELECT paused_at IS NOT NULL, nudges FROM destination WHERE name = ?1")?
        .query_row([turn.destination.as_ref()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    (result.paused, result.nudges) = record.unwrap_or_default();
    if turn.claim > 0 && !result.paused {
        undefer(unit, &turn.destination)?;
        result.claimed = claim(unit, &turn.destination, turn.claim)?;
        result.next_due = next_due(unit, &turn.destination)?;
    }
    Ok(result)
}

/// What is needed of a message to move it.
pub(crate) struct Standing {
    pub(crate) seq: i64,
    pub(crate) id: MessageId,
    pub(crate) control_id: String,
    pub(crate) lane: Option<Vec<u8>>,
    pub(crate) state: State,
    pub(crate) attempts: u32,
    pub(crate) tags: Tags,
    pub(crate) cancel_requested: bool,
}

impl Standing {
    pub(crate) const COLUMNS: &'static str = "seq, id, control_id, lane, state, attempts, tags, cancel_requested";

    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (state, tags): (String, Option<String>) = (row.get(4)?, row.get(6)?);
        Ok(Self {
            seq: row.get(0)?,
            id: MessageId::from_bytes(row.get(1)?),
            control_id: row.get(2)?,
            lane: row.get(3)?,
            state: state.parse().unwrap_or(State::Held),
            attempts: row.get(5)?,
            tags: tags.and_then(|tags| serde_json::from_str(&tags).ok()).unwrap_or_default(),
            cancel_requested: row.get(7)?,
        })
    }

    pub(crate) fn moved<'a>(
        &'a self,
        destination: &'a Arc<str>,
        to: State,
        attempts: u32,
        failure: Option<&'a MessageFailure>,
    ) -> Move<'a> {
        Move {
            seq: self.seq,
            id: self.id,
            control_id: &self.control_id,
            destination,
            from: Some(self.state),
            to,
            attempts,
            failure,
            tags: &self.tags,
        }
    }
}

/// Ends an attempt, if it is still the one that was claimed: after a take-over a late completion changes nothing.
fn complete(unit: &mut Unit<'_>, destination: &Arc<str>, completion: &Completion) -> Result<(), Failure> {
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
    let record = &completion.record;
    let attempts = standing.attempts + u32::from(record.counted);
    let indeterminate = record.outcome == Outcome::Indeterminate;
    unit.connection
        .prepare_cached(
            "UPDATE message SET attempts = ?2, indeterminates = indeterminates + ?3, updated_at = ?4 WHERE seq = ?1",
        )?
        .execute(params![standing.seq, attempts, indeterminate, unit.now.0])?;
    match completion.next {
        Next::Deliver { acknowledged } => {
            deliver(unit, destination, &standing, attempts, acknowledged, record.warning)?;
        }
        // Withdrawn by a person while it was in flight, and the receiver did not take it.
        _ if standing.cancel_requested => cancel(unit, destination, &standing)?,
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
            fail(unit, destination, &standing, attempts, &failure)?;
        }
    }
    standing.lane.as_deref().map_or(Ok(()), |lane| lane::settle(unit, lane))
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
            "UPDATE message SET state = ?2, place = NULL, due_at = NULL, sent_at = ?3, acknowledged_at = ?4,
                                warning = coalesce(?5, warning), cancel_requested = 0 WHERE seq = ?1",
        )?
        .execute(params![standing.seq, to.as_str(), unit.now.0, acknowledged.then_some(unit.now.0), warning])?;
    unit.moved(&standing.moved(destination, to, attempts, None))
}

fn again(unit: &Unit<'_>, standing: &Standing, due: Timestamp, delay_ms: u64) -> Result<(), Failure> {
    let place = if standing.lane.is_some() { "waiting" } else { "front" };
    unit.connection
        .prepare_cached("UPDATE message SET place = ?2, due_at = ?3, delay_ms = ?4 WHERE seq = ?1")?
        .execute(params![standing.seq, place, due.0, i64::try_from(delay_ms).unwrap_or(i64::MAX)])?;
    Ok(())
}

fn fail(
    unit: &mut Unit<'_>,
    destination: &Arc<str>,
    standing: &Standing,
    attempts: u32,
    failure: &MessageFailure,
) -> Result<(), Failure> {
    unit.connection
        .prepare_cached(
            "UPDATE message SET state = 'FAILED', place = NULL, due_at = NULL, failure_code = ?2, failure = ?3 WHERE seq = ?1",
        )?
        .execute(params![standing.seq, failure.code, serde_json::to_string(failure).unwrap_or_default()])?;
    unit.moved(&standing.moved(destination, State::Failed, attempts, Some(failure)))
}

/// Withdraws a message that is not in flight any more.
pub(crate) fn cancel(unit: &mut Unit<'_>, destination: &Arc<str>, standing: &Standing) -> Result<(), Failure> {
    unit.connection
        .prepare_cached(
            "UPDATE message SET state = 'CANCELLED', place = NULL, due_at = NULL, failure_code = NULL, failure = NULL,
                                cancel_requested = 0, updated_at = ?2 WHERE seq = ?1",
        )?
        .execute(params![standing.seq, unit.now.0])?;
    unit.moved(&standing.moved(destination, State::Cancelled, standing.attempts, None))
}

/// Lets messages into their lanes whose `notBefore` has passed.
fn undefer(unit: &Unit<'_>, destination: &str) -> Result<(), Failure> {
    let due: Vec<(i64, Option<Vec<u8>>)> = unit
        .connection
        .prepare_cached(
            "SELECT seq, lane FROM message WHERE destination = ?1 AND place = 'deferred' AND due_at <= ?2 ORDER BY due_at LIMIT 1000",
        )?
        .query_map(params![destination, unit.now.0], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    due.into_iter().try_for_each(|(seq, lane)| lane::enter(unit, seq, lane.as_deref()))
}

/// Claims what is due, the longest due first. Damaged messages are put aside on the way and take nobody's place.
fn claim(unit: &mut Unit<'_>, destination: &Arc<str>, most: u32) -> Result<Vec<Claimed>, Failure> {
    let mut claimed = Vec::with_capacity(most as usize);
    loop {
        let room = most as usize - claimed.len();
        let seqs: Vec<i64> = unit
            .connection
            .prepare_cached(
                "SELECT seq FROM message WHERE destination = ?1 AND place = 'front' AND due_at <= ?2 ORDER BY due_at, seq LIMIT ?3",
            )?
            .query_map(params![destination.as_ref(), unit.now.0, room], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let found = seqs.len();
        let before = claimed.len();
        for seq in seqs {
            claimed.extend(claim_one(unit, destination, seq)?);
        }
        // A damaged one may have let the next of its lane to the front: look again.
        let all_readable = claimed.len() - before == found;
        if all_readable && (found < room || claimed.len() == most as usize) {
            return Ok(claimed);
        }
    }
}

fn claim_one(unit: &mut Unit<'_>, destination: &Arc<str>, seq: i64) -> Result<Option<Claimed>, Failure> {
    let now = unit.now;
    let (claimed, digest, manual) = unit
        .connection
        .prepare_cached(
            "SELECT id, control_id, tries, attempts, indeterminates, attempts_max, application_ack, digest, manual, content,
                    possible_duplicate OR indeterminates > 0
             FROM message LEFT JOIN body USING (seq) WHERE seq = ?1",
        )?
        .query_row([seq], |row| {
            let control_id: String = row.get(1)?;
            let application_ack: Option<String> = row.get(6)?;
            let claimed = Claimed {
                seq,
                id: MessageId::from_bytes(row.get(0)?),
                attempt: row.get::<_, u32>(2)? + 1,
                control_id: Arc::from(control_id),
                body: Body::new(Bytes::from(row.get::<_, Option<Vec<u8>>>(9)?.unwrap_or_default())),
                attempts: row.get(3)?,
                indeterminates: row.get(4)?,
                possible_duplicate: row.get(10)?,
                attempts_max: row.get(5)?,
                application_ack: application_ack.as_deref().and_then(|code| AckCondition::parse(code.as_bytes())),
            };
            Ok((claimed, row.get::<_, [u8; 32]>(7)?, row.get::<_, bool>(8)?))
        })?;
    if !unit.digests.is_body(claimed.body.reveal(), &digest) {
        unreadable(unit, destination, seq)?;
        return Ok(None);
    }
    unit.connection
        .prepare_cached(
            "UPDATE message SET place = 'flight', tries = tries + 1, manual = 0, updated_at = ?2,
                                possible_duplicate = possible_duplicate OR indeterminates > 0 WHERE seq = ?1",
        )?
        .execute(params![seq, now.0])?;
    unit.connection
        .prepare_cached("INSERT INTO attempt (seq, n, started_at, manual) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![seq, claimed.attempt, now.0, manual])?;
    Ok(Some(claimed))
}

/// Bytes that are not those that were stored are never sent.
fn unreadable(unit: &mut Unit<'_>, destination: &Arc<str>, seq: i64) -> Result<(), Failure> {
    tracing::error!(seq, "a stored message is damaged; it is not sent");
    let sql = format!("SELECT {} FROM message WHERE seq = ?1", Standing::COLUMNS);
    let standing = unit.connection.prepare_cached(&sql)?.query_row([seq], Standing::read)?;
    let failure = MessageFailure {
        reason: Reason::Unreadable.as_str().to_owned(),
        code: String::from("BODY_DAMAGED"),
        http_status: None,
        ack_code: None,
        err_codes: None,
    };
    fail(unit, destination, &standing, standing.attempts, &failure)?;
    standing.lane.as_deref().map_or(Ok(()), |lane| lane::settle(unit, lane))
}

fn next_due(unit: &Unit<'_>, destination: &str) -> Result<Option<Timestamp>, Failure> {
    let next: Option<i64> = unit
        .connection
        .prepare_cached(
            "SELECT min(due_at) FROM (
               SELECT * FROM (SELECT due_at FROM message WHERE destination = ?1 AND place = 'front' AND due_at > ?2 ORDER BY due_at LIMIT 1)
               UNION ALL
               SELECT * FROM (SELECT due_at FROM message WHERE destination = ?1 AND place = 'deferred' ORDER BY due_at LIMIT 1))",
        )?
        .query_row(params![destination, unit.now.0], |row| row.get(0))?;
    Ok(next.map(Timestamp))
}
