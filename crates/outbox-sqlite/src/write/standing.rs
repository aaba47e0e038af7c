//! What is needed of a message to move it, and the moves that several operations share.

use std::sync::Arc;

use outbox_core::event::AttemptEnded;
use outbox_core::message::{MessageId, TRACEPARENT, Tags};
use outbox_core::state::State;
use outbox_core::status::Failure as MessageFailure;
use outbox_core::store::LaneHash;
use rusqlite::{Row, params};

use super::unit::{Move, Unit};
use crate::error::Failure;
use crate::read::{ATTEMPT, attempt};

/// What is needed of a message to move it.
pub(crate) struct Standing {
    pub(crate) seq: i64,
    pub(crate) id: MessageId,
    pub(crate) control_id: String,
    pub(crate) lane: Option<LaneHash>,
    pub(crate) position: i64,
    pub(crate) state: State,
    pub(crate) attempts: u32,
    pub(crate) tags: Tags,
    pub(crate) cancel_requested: bool,
}

impl Standing {
    pub(crate) const COLUMNS: &'static str =
        "seq, id, control_id, lane, position, state, attempts, tags, cancel_requested";
    /// How many columns those are: further ones begin here.
    pub(crate) const WIDTH: usize = 9;

    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let tags = row.get_ref(7)?.as_str_or_null()?.and_then(|tags| serde_json::from_str(tags).ok());
        Ok(Self {
            seq: row.get(0)?,
            id: MessageId::from_bytes(row.get(1)?),
            control_id: row.get(2)?,
            lane: row.get(3)?,
            position: row.get(4)?,
            state: row.get_ref(5)?.as_str()?.parse().map_err(|()| rusqlite::Error::InvalidQuery)?,
            attempts: row.get(6)?,
            tags: tags.unwrap_or_default(),
            cancel_requested: row.get(8)?,
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

/// Tells who follows attempts of one that has ended, as it stands in the file now.
pub(crate) fn tell_end(unit: &mut Unit<'_>, destination: &str, standing: &Standing, n: u32) -> Result<(), Failure> {
    if !unit.observed.attempts {
        return Ok(());
    }
    let sql = format!("SELECT {ATTEMPT} FROM attempt WHERE seq = ?1 AND n = ?2");
    let ended = unit.connection.prepare_cached(&sql)?.query_row(params![standing.seq, n], attempt)?;
    unit.ended(AttemptEnded {
        id: standing.id,
        destination: destination.to_owned(),
        traceparent: standing.tags.get(TRACEPARENT).cloned(),
        attempt: ended,
    });
    Ok(())
}

/// Makes a dead letter. With `barrier` its lane waits for a person.
pub(crate) fn fail(
    unit: &mut Unit<'_>,
    destination: &Arc<str>,
    standing: &Standing,
    attempts: u32,
    failure: &MessageFailure,
    barrier: bool,
) -> Result<(), Failure> {
    let place = (barrier && standing.lane.is_some()).then_some("barrier");
    unit.connection
        .prepare_cached(
            "UPDATE message SET state = 'FAILED', place = ?4, due_at = NULL, failure_code = ?2, failure = ?3, updated_at = ?5
             WHERE seq = ?1",
        )?
        .execute(params![
            standing.seq,
            failure.code,
            serde_json::to_string(failure).unwrap_or_default(),
            place,
            unit.now.0
        ])?;
    unit.moved(&standing.moved(destination, State::Failed, attempts, Some(failure)))
}

/// Withdraws a message that is not in flight any more.
pub(crate) fn cancel(
    unit: &mut Unit<'_>,
    destination: &Arc<str>,
    standing: &Standing,
    attempts: u32,
) -> Result<(), Failure> {
    unit.connection
        .prepare_cached(
            "UPDATE message SET state = 'CANCELLED', place = NULL, due_at = NULL, failure_code = NULL, failure = NULL,
                                cancel_requested = 0, updated_at = ?2 WHERE seq = ?1",
        )?
        .execute(params![standing.seq, unit.now.0])?;
    unit.moved(&standing.moved(destination, State::Cancelled, attempts, None))
}
