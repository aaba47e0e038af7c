//! Orders of persons: carried out, and recorded with what they changed.

use std::sync::Arc;

use outbox_core::error::{OutboxError, code};
use outbox_core::message::MessageId;
use outbox_core::state::State;
use outbox_core::status::{Changed, MessageFilter, Unchanged};
use outbox_core::store::{By, Command};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

use super::lane;
use super::turn::{Standing, cancel};
use super::unit::Unit;
use crate::error::Failure;
use crate::filter::Condition;

/// Most ids that an answer lists; the count is exact.
const LISTED_MAX: usize = 1_000;
/// Rows that are looked at together, so that a bulk command keeps little in memory.
const CHUNK: u32 = 500;
/// Longest `actor` and `reason`, in characters.
const WORDS_MAX: usize = 500;

/// Carries an order out.
pub(crate) fn command(unit: &mut Unit<'_>, command: &Command, by: &By) -> Result<Changed, Failure> {
    if by.actor.trim().is_empty() || by.actor.chars().count() > WORDS_MAX {
        return Err(
            OutboxError::new(code::ERR_OPTION, format!("`actor` must be 1 to {WORDS_MAX} characters long")).into()
        );
    }
    if by.reason.as_ref().is_some_and(|reason| reason.chars().count() > WORDS_MAX) {
        return Err(
            OutboxError::new(code::ERR_OPTION, format!("`reason` is longer than {WORDS_MAX} characters")).into()
        );
    }
    let changed = match command {
        Command::Retry { filter, allow_overtaken } => {
            for_each(unit, filter, &[State::Pending, State::Failed, State::Cancelled], |unit, row| {
                retry(unit, row, *allow_overtaken)
            })?
        }
        Command::Cancel { filter } => for_each(unit, filter, &[State::Pending, State::Held, State::Failed], withdraw)?,
        Command::Pause { destination } => pause(unit, destination, by)?,
        Command::Resume { destination } => resume(unit, destination)?,
        Command::Reveal { .. } => Changed::default(),
    };
    record(unit, command, by, changed.count)?;
    Ok(changed)
}

/// A message that a command may change.
struct Candidate {
    standing: Standing,
    destination: Arc<str>,
    in_flight: bool,
}

/// What became of one candidate.
enum Done {
    Changed,
    Left(&'static str),
}

/// Applies `act` to every match, in the order of `seq`. Messages named by id that are missing or in another state are
/// listed with the reason; with any other filter they are simply not meant.
fn for_each(
    unit: &mut Unit<'_>,
    filter: &MessageFilter,
    states: &[State],
    act: impl Fn(&mut Unit<'_>, &Candidate) -> Result<Done, Failure>,
) -> Result<Changed, Failure> {
    let mut changed = Changed::default();
    let mut after = 0;
    loop {
        let candidates = candidates(unit, filter, after)?;
        let Some(last) = candidates.last() else { break };
        after = last.standing.seq;
        for candidate in &candidates {
            let named = filter.ids.is_some() || filter.control_ids.is_some();
            let done = match states.contains(&candidate.standing.state) {
                true => act(unit, candidate)?,
                false if named => Done::Left(code::ERR_STATE),
                false => continue,
            };
            match done {
                Done::Changed => {
                    changed.count += 1;
                    if changed.changed.len() < LISTED_MAX {
                        changed.changed.push(candidate.standing.id);
                    }
                }
                Done::Left(code) if changed.unchanged.len() < LISTED_MAX => {
                    changed.unchanged.push(Unchanged { id: candidate.standing.id.to_string(), code });
                }
                Done::Left(_) => {}
            }
        }
    }
    missing(unit, filter, &mut changed)?;
    Ok(changed)
}

fn candidates(unit: &Unit<'_>, filter: &MessageFilter, after: i64) -> Result<Vec<Candidate>, Failure> {
    let mut condition = Condition::of(filter)?;
    condition.and("seq > ?", [Value::Integer(after)]);
    let sql = format!(
        "SELECT {}, destination, place FROM message WHERE {} ORDER BY seq LIMIT {CHUNK}",
        Standing::COLUMNS,
        condition.sql()
    );
    let mut statement = unit.connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(condition.values), |row| {
        let place: Option<String> = row.get(9)?;
        Ok(Candidate {
            standing: Standing::read(row)?,
            destination: Arc::from(row.get::<_, String>(8)?),
            in_flight: place.as_deref() == Some("flight"),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ids that name no message at all.
fn missing(unit: &Unit<'_>, filter: &MessageFilter, changed: &mut Changed) -> Result<(), Failure> {
    for id in filter.ids.iter().flatten() {
        let parsed: MessageId = id.parse()?;
        let exists =
            unit.connection.prepare_cached("SELECT 1 FROM message WHERE id = ?1")?.exists([parsed.as_bytes()])?;
        if !exists && changed.unchanged.len() < LISTED_MAX {
            changed.unchanged.push(Unchanged { id: id.clone(), code: code::ERR_MESSAGE_ID });
        }
    }
    Ok(())
}

/// PENDING: due now. FAILED, CANCELLED: pending again in the old place of the lane, attempts and error reset.
fn retry(unit: &mut Unit<'_>, candidate: &Candidate, allow_overtaken: bool) -> Result<Done, Failure> {
    let Candidate { standing, destination, in_flight } = candidate;
    if *in_flight {
        return Ok(Done::Left(code::ERR_IN_FLIGHT));
    }
    if !allow_overtaken && overtaken(unit, standing)? {
        return Ok(Done::Left(code::OVERTAKEN));
    }
    unit.connection
        .prepare_cached("INSERT INTO destination (name, since, nudges) VALUES (?1, ?2, 1) ON CONFLICT (name) DO UPDATE SET nudges = nudges + 1")?
        .execute(params![destination.as_ref(), unit.now.0])?;
    if standing.state == State::Pending {
        let deferred = unit
            .connection
            .prepare_cached("UPDATE message SET due_at = ?2, delay_ms = 0, manual = 1, updated_at = ?2 WHERE seq = ?1 RETURNING place = 'deferred'")?
            .query_row(params![standing.seq, unit.now.0], |row| row.get::<_, bool>(0))?;
        if deferred {
            lane::enter(unit, standing.seq, standing.lane.as_deref())?;
        }
        return Ok(Done::Changed);
    }
    let place = if standing.lane.is_some() { "waiting" } else { "front" };
    unit.connection
        .prepare_cached(
            "UPDATE message SET state = 'PENDING', place = ?3, due_at = ?2, delay_ms = 0, attempts = 0, indeterminates = 0,
                                manual = 1, failure_code = NULL, failure = NULL, updated_at = ?2,
                                possible_duplicate = possible_duplicate OR indeterminates > 0 WHERE seq = ?1",
        )?
        .execute(params![standing.seq, unit.now.0, place])?;
    unit.moved(&standing.moved(destination, State::Pending, 0, None))?;
    standing.lane.as_deref().map_or(Ok(()), |lane| lane::settle(unit, lane))?;
    Ok(Done::Changed)
}

fn overtaken(unit: &Unit<'_>, standing: &Standing) -> Result<bool, Failure> {
    let Some(lane) = &standing.lane else { return Ok(false) };
    Ok(unit
        .connection
        .prepare_cached(
            "SELECT 1 FROM message WHERE lane = ?1 AND seq > ?2 AND state IN ('SENT', 'ACKNOWLEDGED') LIMIT 1",
        )?
        .exists(params![lane, standing.seq])?)
}

/// Withdraws a message; one in flight is marked, and withdrawn unless the receiver takes it.
fn withdraw(unit: &mut Unit<'_>, candidate: &Candidate) -> Result<Done, Failure> {
    let Candidate { standing, destination, in_flight } = candidate;
    if *in_flight {
        unit.connection
            .prepare_cached("UPDATE message SET cancel_requested = 1, updated_at = ?2 WHERE seq = ?1")?
            .execute(params![standing.seq, unit.now.0])?;
        return Ok(Done::Changed);
    }
    cancel(unit, destination, standing)?;
    standing.lane.as_deref().map_or(Ok(()), |lane| lane::settle(unit, lane))?;
    Ok(Done::Changed)
}

fn pause(unit: &Unit<'_>, destination: &str, by: &By) -> Result<Changed, Failure> {
    // A pause upon a pause keeps the first date and takes the newer reason.
    unit.connection
        .prepare_cached(
            "INSERT INTO destination (name, since, paused_at, paused_reason) VALUES (?1, ?2, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET paused_at = coalesce(paused_at, excluded.paused_at), paused_reason = excluded.paused_reason",
        )?
        .execute(params![destination, unit.now.0, by.reason])?;
    Ok(Changed { count: 1, ..Changed::default() })
}

fn resume(unit: &Unit<'_>, destination: &str) -> Result<Changed, Failure> {
    let was = unit
        .connection
        .prepare_cached(
            "UPDATE destination SET paused_at = NULL, paused_reason = NULL WHERE name = ?1 AND paused_at IS NOT NULL",
        )?
        .execute([destination])?;
    Ok(Changed { count: was as u64, ..Changed::default() })
}

fn record(unit: &Unit<'_>, command: &Command, by: &By, count: u64) -> Result<(), Failure> {
    let (name, detail) = match command {
        Command::Retry { filter, allow_overtaken } => {
            ("retry", serde_json::json!({ "filter": filter, "allowOvertaken": allow_overtaken }))
        }
        Command::Cancel { filter } => ("cancel", serde_json::json!({ "filter": filter })),
        Command::Pause { destination } => ("pause", serde_json::json!({ "destination": destination })),
        Command::Resume { destination } => ("resume", serde_json::json!({ "destination": destination })),
        Command::Reveal { id, attempt } => ("reveal", serde_json::json!({ "id": id, "attempt": attempt })),
    };
    unit.connection
        .prepare_cached(
            "INSERT INTO action (at, actor, reason, command, detail, changed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            unit.now.0,
            by.actor,
            by.reason,
            name,
            detail.to_string(),
            i64::try_from(count).unwrap_or(i64::MAX)
        ])?;
    Ok(())
}

/// Remembers what the dispatcher sees of a destination.
pub(crate) fn note_destination(unit: &Unit<'_>, name: &str, state: &str, reason: Option<&str>) -> Result<(), Failure> {
    let present: Option<String> = unit
        .connection
        .prepare_cached("SELECT state FROM destination WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    if present.as_deref().unwrap_or("ok") == state {
        return Ok(());
    }
    unit.connection
        .prepare_cached(
            "INSERT INTO destination (name, state, since, reason) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET state = excluded.state, since = excluded.since, reason = excluded.reason",
        )?
        .execute(params![name, state, unit.now.0, reason])?;
    Ok(())
}
