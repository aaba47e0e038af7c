//! Storing new messages, or recognising that they are stored already.

use std::sync::Arc;

use outbox_core::error::{OutboxError, code};
use outbox_core::hl7::AckCondition;
use outbox_core::message::{MessageId, NewMessage};
use outbox_core::state::State;
use outbox_core::store::Admitted;
use rusqlite::{OptionalExtension, params};

use super::unit::{Move, Unit};
use crate::error::Failure;

/// Stores all messages of one call.
pub(crate) fn enqueue(unit: &mut Unit<'_>, messages: &[NewMessage]) -> Result<Vec<Admitted>, Failure> {
    let named = |failure, place| match failure {
        Failure::Refused(error) => Failure::Refused(OutboxError::in_batch(error, place)),
        failure @ Failure::Sqlite(_) => failure,
    };
    messages.iter().map(|message| admit(unit, message).map_err(|failure| named(failure, message.batch_place))).collect()
}

fn admit(unit: &mut Unit<'_>, message: &NewMessage) -> Result<Admitted, Failure> {
    let digest = unit.digests.body(message.body.reveal());
    if let Some(admitted) = known(unit, message, &digest)? {
        return Ok(admitted);
    }
    if !unit.has_room()? {
        return Err(OutboxError::plain(code::ERR_QUEUE_FULL).into());
    }
    let lane = message.lane.as_ref().map(|key| unit.digests.lane(&message.destination, key));
    let place = place(unit, message, lane.as_ref().map(<[u8; 16]>::as_slice))?;
    let tags = (!message.tags.is_empty()).then(|| serde_json::to_string(&message.tags).unwrap_or_default());
    let now = unit.now;
    unit.connection
        .prepare_cached(
            "INSERT INTO message (id, destination, control_id, digest, message_type, lane, state, place, due_at, attempts_max,
                                  application_ack, warning, tags, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'PENDING', ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13)",
        )?
        .execute(params![
            message.id.as_bytes(),
            message.destination.as_ref(),
            message.control_id,
            digest,
            message.message_type,
            lane,
            place,
            message.not_before.unwrap_or(now).0,
            message.max_attempts,
            message.application_ack.map(AckCondition::as_str),
            message.warning,
            tags,
            now.0,
        ])?;
    let seq = unit.connection.last_insert_rowid();
    unit.connection
        .prepare_cached("INSERT INTO body (seq, content) VALUES (?1, ?2)")?
        .execute(params![seq, message.body.reveal().as_ref()])?;
    for (key, value) in &message.tags {
        unit.connection
            .prepare_cached("INSERT INTO tag (key, value, seq) VALUES (?1, ?2, ?3)")?
            .execute(params![key, value, seq])?;
    }
    unit.moved(&Move {
        seq,
        id: message.id,
        control_id: &message.control_id,
        destination: &message.destination,
        from: None,
        to: State::Pending,
        attempts: 0,
        failure: None,
        tags: &message.tags,
    })?;
    Ok(admitted(message, message.id, State::Pending, false))
}

fn admitted(message: &NewMessage, id: MessageId, state: State, duplicate: bool) -> Admitted {
    Admitted {
        id,
        control_id: message.control_id.clone(),
        destination: Arc::clone(&message.destination),
        state,
        duplicate,
    }
}

/// The message of the same control id, if there is one: the same bytes make a duplicate, others a conflict.
fn known(unit: &Unit<'_>, message: &NewMessage, digest: &[u8; 32]) -> Result<Option<Admitted>, Failure> {
    let stored: Option<([u8; 16], [u8; 32], String)> = unit
        .connection
        .prepare_cached("SELECT id, digest, state FROM message WHERE destination = ?1 AND control_id = ?2")?
        .query_row(params![message.destination.as_ref(), message.control_id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    match stored {
        None => Ok(None),
        Some((id, stored, state)) if stored == *digest => {
            let state = state.parse().map_err(|()| OutboxError::plain(code::ERR_FILE_DAMAGED))?;
            Ok(Some(admitted(message, MessageId::from_bytes(id), state, true)))
        }
        Some(_) => Err(OutboxError {
            segment: Some(String::from("MSH")),
            field: Some(10),
            ..OutboxError::plain(code::ERR_CONTROL_ID_CONFLICT)
        }
        .into()),
    }
}

/// Where a new message stands. Its `seq` is higher than any other, so it is first only in an empty lane.
fn place(unit: &Unit<'_>, message: &NewMessage, lane: Option<&[u8]>) -> Result<&'static str, Failure> {
    if message.not_before.is_some_and(|at| at > unit.now) {
        return Ok("deferred");
    }
    let Some(lane) = lane else { return Ok("front") };
    let occupied = unit
        .connection
        .prepare_cached("SELECT 1 FROM message WHERE lane = ?1 AND place IN ('front', 'flight')")?
        .exists([lane])?;
    Ok(if occupied { "waiting" } else { "front" })
}
