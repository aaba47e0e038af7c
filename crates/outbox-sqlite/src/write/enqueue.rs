//! Storing new messages, or recognising that they are stored already.

use std::sync::Arc;

use outbox_core::clock::Timestamp;
use outbox_core::error::{OutboxError, code};
use outbox_core::hl7::AckCondition;
use outbox_core::message::{Expiry, MessageId, NewMessage, TRACEPARENT};
use outbox_core::state::State;
use outbox_core::store::{Admitted, LaneHash};
use rusqlite::{OptionalExtension, params};

use super::unit::{Move, Unit};
use crate::digest::Digests;
use crate::error::Failure;

/// `expires_ms` of a message that says itself that it never expires.
pub(crate) const EXPIRES_NEVER: i64 = -1;

/// A message with what is computed of it before the transaction.
pub(crate) struct Ready {
    pub(crate) message: NewMessage,
    digest: [u8; 32],
    pub(crate) lane: Option<LaneHash>,
}

impl Ready {
    pub(crate) fn new(message: NewMessage, digests: &Digests) -> Self {
        let digest = digests.body(message.body.reveal());
        let lane = message.lane.as_ref().map(|key| digests.lane(&message.destination, key));
        Self { message, digest, lane }
    }
}

/// Where a message enters.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) state: State,
    pub(crate) place: Option<&'static str>,
    pub(crate) due: Option<Timestamp>,
    /// Its position in its lane, when it is not the last.
    pub(crate) position: Option<i64>,
    /// The message that it replaces.
    pub(crate) replaces: Option<&'a MessageId>,
}

/// Stores all messages of one call.
pub(crate) fn enqueue(unit: &mut Unit<'_>, messages: &[Ready]) -> Result<Vec<Admitted>, Failure> {
    outbox_core::fault!("enqueue-apply", Failure::planted);
    let named = |failure, place| match failure {
        Failure::Refused(error) => Failure::Refused(OutboxError::in_batch(error, place)),
        failure @ Failure::Sqlite(_) => failure,
    };
    messages
        .iter()
        .map(|ready| {
            let entry = entry(unit.now, &ready.message);
            admit(unit, ready, entry).map_err(|failure| named(failure, ready.message.batch_place))
        })
        .collect()
}

fn entry(now: Timestamp, message: &NewMessage) -> Entry<'static> {
    let (state, place, due) = match message.not_before {
        _ if message.hold => (State::Held, None, None),
        Some(at) if at > now => (State::Pending, Some("deferred"), Some(at)),
        _ => (State::Pending, Some("new"), Some(now)),
    };
    Entry { state, place, due, position: None, replaces: None }
}

/// Stores one message, unless it is known.
pub(crate) fn admit(unit: &mut Unit<'_>, ready: &Ready, entry: Entry<'_>) -> Result<Admitted, Failure> {
    let message = &ready.message;
    let full = match unit.no_room {
        Some(why) => Some(why),
        None => (!unit.has_room()?).then_some(code::ERR_QUEUE_FULL),
    };
    if let Some(full) = full {
        return known(unit, ready)?.ok_or_else(|| OutboxError::plain(full).into());
    }
    let seq = unit.newest()? + 1;
    let id = MessageId::new(unit.now, seq);
    if !insert(unit, ready, entry, seq, id)? {
        return known(unit, ready)?.ok_or_else(|| OutboxError::plain(code::ERR_FILE_DAMAGED).into());
    }
    unit.stored(seq);
    outbox_core::fault!("enqueue-row-written", Failure::planted);
    unit.connection
        .prepare_cached("INSERT INTO body (seq, content) VALUES (?1, ?2)")?
        .execute(params![seq, message.body.reveal().as_ref()])?;
    // Nobody looks for a message by the whole of its trace; its random values would cost the index a page each.
    for (key, value) in message.tags.iter().filter(|(key, _)| *key != TRACEPARENT) {
        unit.connection
            .prepare_cached("INSERT INTO tag (key, value, seq) VALUES (?1, ?2, ?3)")?
            .execute(params![key, value, seq])?;
    }
    unit.moved(&Move {
        seq,
        id,
        control_id: &message.control_id,
        destination: &message.destination,
        from: None,
        to: entry.state,
        attempts: 0,
        failure: None,
        tags: &message.tags,
    })?;
    Ok(admitted(message, id, entry.state, false))
}

/// The row; `false` when the control id is there already.
fn insert(unit: &Unit<'_>, ready: &Ready, entry: Entry<'_>, seq: i64, id: MessageId) -> Result<bool, Failure> {
    let message = &ready.message;
    let now = unit.now;
    let tags = (!message.tags.is_empty()).then(|| serde_json::to_string(&message.tags).unwrap_or_default());
    let expires = match message.expires {
        Expiry::AsDestination => None,
        Expiry::Never => Some(EXPIRES_NEVER),
        Expiry::After(time) => Some(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)),
    };
    let stored = unit
        .connection
        .prepare_cached(
            "INSERT INTO message (seq, id, destination, control_id, digest, message_type, lane, position, state, place, due_at,
                                  priority, attempts_max, expires_ms, fresh_at, not_before, application_ack, held_at_entry,
                                  warning, tags, replaces, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?22)
             ON CONFLICT (destination, control_id) DO NOTHING",
        )?
        .execute(params![
            seq,
            id.as_bytes(),
            message.destination.as_ref(),
            message.control_id,
            ready.digest,
            message.message_type,
            ready.lane,
            entry.position.unwrap_or(seq),
            entry.state.as_str(),
            entry.place,
            entry.due.map(|due| due.0),
            message.priority as u8,
            message.max_attempts,
            expires,
            message.not_before.map_or(now.0, |at| at.0.max(now.0)),
            message.not_before.map(|at| at.0),
            message.application_ack.map(AckCondition::as_str),
            entry.state == State::Held,
            message.warning,
            tags,
            entry.replaces.map(MessageId::as_bytes),
            now.0,
        ])?;
    Ok(stored == 1)
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
pub(crate) fn known(unit: &Unit<'_>, ready: &Ready) -> Result<Option<Admitted>, Failure> {
    let message = &ready.message;
    let stored: Option<([u8; 16], [u8; 32], String)> = unit
        .connection
        .prepare_cached("SELECT id, digest, state FROM message WHERE destination = ?1 AND control_id = ?2")?
        .query_row(params![message.destination.as_ref(), message.control_id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    match stored {
        None => Ok(None),
        Some((id, stored, state)) if stored == ready.digest => {
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
