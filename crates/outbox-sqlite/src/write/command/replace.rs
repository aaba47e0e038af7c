//! A corrected message instead of a refused one.

use outbox_core::error::{OutboxError, code};
use outbox_core::message::MessageId;
use outbox_core::state::State;
use outbox_core::store::{Admitted, By};
use rusqlite::{OptionalExtension, params};

use super::each::Candidate;
use crate::error::Failure;
use crate::write::claim::place_until;
use crate::write::enqueue::{Entry, Ready, admit, known};
use crate::write::lane;
use crate::write::standing::{Standing, cancel};
use crate::write::unit::Unit;

/// Stores the correction in the lane place of the FAILED or HELD message, which becomes CANCELLED; both know each other. A
/// correction for another patient goes to the end of that patient's lane. The same correction again changes nothing.
pub(crate) fn replace(
    unit: &mut Unit<'_>,
    id: MessageId,
    correction: &mut Ready,
    before: Option<&Ready>,
    by: &By,
) -> Result<Admitted, Failure> {
    super::check(by)?;
    let sql = format!(
        "SELECT {}, {}, replaced_by FROM message WHERE seq = ?1 AND id = ?2 AND purged_at IS NULL",
        Standing::COLUMNS,
        Candidate::COLUMNS
    );
    let old: Option<(Candidate, Option<[u8; 16]>)> = unit
        .connection
        .prepare_cached(&sql)?
        .query_row(params![id.seq(), id.as_bytes()], |row| Ok((Candidate::read(row)?, row.get(Candidate::WIDTH)?)))
        .optional()?;
    let Some((old, replaced_by)) = old else { return Err(OutboxError::plain(code::ERR_MESSAGE_ID).into()) };
    if let Some(stored) = known(unit, correction)? {
        let again = replaced_by == Some(*stored.id.as_bytes());
        return if again { Ok(stored) } else { Err(OutboxError::plain(code::ERR_CONTROL_ID_CONFLICT).into()) };
    }
    if !matches!(old.standing.state, State::Failed | State::Held) {
        return Err(OutboxError::plain(code::ERR_STATE).into());
    }
    if before.is_some_and(|before| before.lane != old.standing.lane) {
        correction.lane = old.standing.lane;
    }
    let entry = entry(unit, &old, correction)?;
    // First out, then in: the correction takes the place that the old one leaves.
    cancel(unit, &old.destination, &old.standing, old.standing.attempts)?;
    let admitted = admit(unit, correction, Entry { replaces: Some(&id), ..entry })?;
    unit.connection
        .prepare_cached("UPDATE message SET replaced_by = ?2 WHERE seq = ?1")?
        .execute(params![old.standing.seq, admitted.id.as_bytes()])?;
    lane::settle_any(unit, old.standing.lane.as_ref())?;
    lane::settle_any(unit, correction.lane.as_ref())?;
    super::record(unit, "replace", &serde_json::json!({ "id": id, "replacement": admitted.id }), by, 1)?;
    Ok(admitted)
}

fn entry(unit: &Unit<'_>, old: &Candidate, correction: &Ready) -> Result<Entry<'static>, Failure> {
    let (state, due) = (State::Pending, Some(unit.now));
    if old.standing.lane != correction.lane {
        return Ok(Entry { state, place: Some("new"), due, position: None, replaces: None });
    }
    let position = old.standing.position;
    let placed = lane::placed(unit, &old.destination)?;
    if placed < position {
        // What stands before it gets its place first.
        let (placed, _) = place_until(unit, &old.destination, placed, position, usize::MAX)?;
        unit.connection
            .prepare_cached(
                "INSERT INTO destination (name, since, placed) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET placed = excluded.placed",
            )?
            .execute(params![old.destination.as_ref(), unit.now.0, placed])?;
    }
    let place = if correction.lane.is_some() { "waiting" } else { "front" };
    Ok(Entry { state, place: Some(place), due, position: Some(position), replaces: None })
}
