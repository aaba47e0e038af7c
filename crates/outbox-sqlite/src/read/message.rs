//! Messages, their bodies, attempts and answers.

use outbox_core::clock::Timestamp;
use outbox_core::error::{OutboxError, code};
use outbox_core::message::{MessageId, Priority};
use outbox_core::state::State;
use outbox_core::status::{AttemptView, Failure as MessageFailure, ListRequest, MessageView, Page, WaitingFor};
use outbox_core::store::{LaneHash, MessageRef};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::digest::Digests;
use crate::error::Failure;
use crate::filter::Condition;

/// Most items of a page.
const LIMIT_MAX: u32 = 1_000;
const LIMIT_DEFAULT: u32 = 50;
/// Messages before one in a backlog that are searched for an earlier one of its lane.
const EARLIER_MAX: i64 = 200;

const COLUMNS: &str =
    "id, seq, control_id, message_type, destination, state, place, attempts, tries, possible_duplicate,
    due_at, warning, failure, tags, replaces, replaced_by, created_at, sent_at, acknowledged_at, updated_at, lane,
    position, priority, purged_at";

/// One message.
pub(crate) fn message(connection: &Connection, which: &MessageRef) -> Result<Option<MessageView>, Failure> {
    outbox_core::fault!("read-message", Failure::planted);
    let found = match which {
        MessageRef::Id(id) => connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE seq = ?1 AND id = ?2"))?
            .query_row(params![id.seq(), id.as_bytes()], read)
            .optional()?,
        MessageRef::ControlId { control_id, destination } => connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE destination = ?1 AND control_id = ?2"))?
            .query_row(params![destination, control_id], read)
            .optional()?,
    };
    found.map(|found| complete(connection, found)).transpose()
}

/// The message of that number.
pub(super) fn named(connection: &Connection, seq: i64) -> Result<Option<MessageView>, Failure> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE seq = ?1"))?
        .query_row([seq], read)
        .optional()?;
    found.map(|found| complete(connection, found)).transpose()
}

/// A message and what is still to be looked up for it.
struct Found {
    view: MessageView,
    lane: Option<LaneHash>,
    position: i64,
    waits: bool,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Found> {
    let (state, place): (String, Option<String>) = (row.get(5)?, row.get(6)?);
    let (failure, tags): (Option<String>, Option<String>) = (row.get(12)?, row.get(13)?);
    let id = |n: usize| row.get::<_, Option<[u8; 16]>>(n).map(|bytes| bytes.map(MessageId::from_bytes));
    let time = |n: usize| row.get::<_, Option<i64>>(n).map(|at| at.map(Timestamp));
    let (created_at, updated_at) = (Timestamp(row.get(16)?), Timestamp(row.get(19)?));
    let due_at = time(10)?;
    let waiting_for = match place.as_deref() {
        Some("deferred") => Some(WaitingFor::Due),
        Some("waiting") => Some(WaitingFor::Lane),
        // Due later than it last changed: it waits for its own time.
        Some("front") if due_at.is_some_and(|due| due > updated_at) => Some(WaitingFor::Due),
        _ => None,
    };
    let view = MessageView {
        id: MessageId::from_bytes(row.get(0)?),
        seq: row.get(1)?,
        control_id: row.get(2)?,
        message_type: row.get(3)?,
        destination: row.get(4)?,
        status: state.parse::<State>().map_err(|()| rusqlite::Error::InvalidQuery)?,
        in_flight: place.as_deref() == Some("flight"),
        attempts: row.get(7)?,
        tries: row.get(8)?,
        possible_duplicate: row.get(9)?,
        waiting_for,
        blocked_by: None,
        overtaken: false,
        warning: row.get(11)?,
        failure: failure.and_then(|json| serde_json::from_str::<MessageFailure>(&json).ok()),
        priority: if row.get(22)? { Priority::Urgent } else { Priority::Routine },
        tags: tags.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
        replaces: id(14)?,
        replaced_by: id(15)?,
        created_at,
        due_at,
        sent_at: time(17)?,
        acknowledged_at: time(18)?,
        updated_at,
        purged_at: time(23)?,
    };
    let waits = matches!(place.as_deref(), Some("waiting" | "new"));
    Ok(Found { view, lane: row.get(20)?, position: row.get(21)?, waits })
}

/// Looks up who blocks it, and whether it was overtaken.
fn complete(connection: &Connection, found: Found) -> Result<MessageView, Failure> {
    let Found { mut view, lane, position, waits } = found;
    view.overtaken = view.replaced_by.is_some() && !view.status.is_delivered();
    let Some(lane) = lane else { return Ok(view) };
    if waits {
        let front: Option<[u8; 16]> = connection
            .prepare_cached(
                "SELECT id FROM message WHERE lane = ?1 AND place IN ('front', 'flight')
                 UNION ALL SELECT id FROM message WHERE lane = ?1 AND place = 'barrier' LIMIT 1",
            )?
            .query_row([&lane], |row| row.get(0))
            .optional()?;
        view.blocked_by = front.or(earlier(connection, &lane, view.seq)?).map(MessageId::from_bytes);
        if view.blocked_by.is_some() {
            view.waiting_for = Some(WaitingFor::Lane);
        }
    }
    if !view.status.is_delivered() {
        view.overtaken |= is_overtaken(connection, &lane, position, view.seq)?;
    }
    Ok(view)
}

/// Whether later messages of the lane were delivered; the correction of a message is later than the message.
pub(crate) fn is_overtaken(connection: &Connection, lane: &LaneHash, position: i64, seq: i64) -> Result<bool, Failure> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM lane WHERE key = ?1 AND (delivered, seq) > (?2, ?3)")?
        .exists(params![lane, position, seq])?)
}

/// The first of a lane that nobody has looked at: no index knows it, so only the nearest rows are searched.
fn earlier(connection: &Connection, lane: &LaneHash, seq: i64) -> Result<Option<[u8; 16]>, Failure> {
    Ok(connection
        .prepare_cached(
            "SELECT id FROM message INDEXED BY message_not_delivered
             WHERE state = 'PENDING' AND seq < ?2 AND seq >= ?2 - ?3 AND lane = ?1 AND place IN ('new', 'front', 'flight')
             ORDER BY seq LIMIT 1",
        )?
        .query_row(params![lane, seq, EARLIER_MAX], |row| row.get(0))
        .optional()?)
}

/// A page by key: the cursor is the last `seq` of the page before, so pages neither shift nor slow down with depth.
pub(crate) fn list(connection: &Connection, request: &ListRequest) -> Result<Page<MessageView>, Failure> {
    outbox_core::fault!("read-list", Failure::planted);
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(OutboxError::new(code::ERR_OPTION, format!("`limit` must be 1 to {LIMIT_MAX}")).into());
    }
    let mut condition = Condition::of(&request.filter)?;
    if let Some(cursor) = &request.cursor {
        // Exactly what a page gave: a sign, a blank or a leading zero is somebody else's.
        let given = cursor.parse::<i64>().ok().filter(|seq| *seq > 0 && seq.to_string() == *cursor);
        let seq = given.ok_or_else(|| OutboxError::plain(code::ERR_CURSOR))?;
        condition.and(if request.oldest_first { "seq > ?" } else { "seq < ?" }, [Value::Integer(seq)]);
    }
    let direction = if request.oldest_first { "ASC" } else { "DESC" };
    let sql = format!("SELECT {COLUMNS} FROM message WHERE {} ORDER BY seq {direction} LIMIT {limit}", condition.sql());
    let mut statement = connection.prepare_cached(&sql)?;
    let found: Vec<Found> = statement.query_map(params_from_iter(condition.values), read)?.collect::<Result<_, _>>()?;
    let next_cursor =
        (found.len() == limit as usize).then(|| found.last().map(|last| last.view.seq.to_string())).flatten();
    let items = found.into_iter().map(|found| complete(connection, found)).collect::<Result<_, _>>()?;
    Ok(Page { items, next_cursor })
}

/// The bytes of a message; never others than those that were stored.
pub(crate) fn content(connection: &Connection, digests: &Digests, id: MessageId) -> Result<Option<Vec<u8>>, Failure> {
    outbox_core::fault!("read-content", Failure::planted);
    let found: Option<(Vec<u8>, Vec<u8>)> = connection
        .prepare_cached("SELECT content, digest FROM body JOIN message USING (seq) WHERE seq = ?1 AND id = ?2")?
        .query_row(params![id.seq(), id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((content, digest)) if !digests.is_body(&content, &digest) => {
            tracing::error!(seq = id.seq(), "a stored message is damaged; its content is not shown");
            Err(OutboxError::plain(code::ERR_BODY_DAMAGED).into())
        }
        found => Ok(found.map(|(content, _)| content)),
    }
}

/// The columns of an attempt, as [`attempt`] reads them.
pub(crate) const ATTEMPT: &str =
    "n, started_at, ended_at, outcome, row, http_status, ack_code, err_codes, code, bytes_sent, counted, manual";

pub(crate) fn attempt(row: &Row<'_>) -> rusqlite::Result<AttemptView> {
    let (outcome, err_codes): (Option<String>, Option<String>) = (row.get(3)?, row.get(7)?);
    let bytes_sent: Option<i64> = row.get(9)?;
    Ok(AttemptView {
        n: row.get(0)?,
        started_at: Timestamp(row.get(1)?),
        ended_at: row.get::<_, Option<i64>>(2)?.map(Timestamp),
        outcome: outcome.and_then(|word| word.parse().ok()),
        row: row.get(4)?,
        http_status: row.get(5)?,
        ack_code: row.get(6)?,
        err_codes: err_codes.and_then(|json| serde_json::from_str(&json).ok()),
        code: row.get(8)?,
        bytes_sent: bytes_sent.and_then(|bytes| u64::try_from(bytes).ok()),
        counted: row.get(10)?,
        manual: row.get(11)?,
    })
}

/// Its attempts, oldest first.
pub(crate) fn attempts(connection: &Connection, id: MessageId) -> Result<Vec<AttemptView>, Failure> {
    outbox_core::fault!("read-attempts", Failure::planted);
    let sql = format!(
        "SELECT {ATTEMPT} FROM attempt WHERE seq = (SELECT seq FROM message WHERE seq = ?1 AND id = ?2) ORDER BY n"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![id.seq(), id.as_bytes()], attempt)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The raw answer of one attempt.
pub(crate) fn answer(connection: &Connection, id: MessageId, attempt: u32) -> Result<Option<Vec<u8>>, Failure> {
    outbox_core::fault!("read-answer", Failure::planted);
    let answer: Option<Option<Vec<u8>>> = connection
        .prepare_cached(
            "SELECT answer FROM attempt WHERE seq = (SELECT seq FROM message WHERE seq = ?1 AND id = ?2) AND n = ?3",
        )?
        .query_row(params![id.seq(), id.as_bytes(), attempt], |row| row.get(0))
        .optional()?;
    Ok(answer.flatten())
}
