//! Orders of persons: carried out, and recorded with what they changed.

mod destination;
mod each;
mod put_back;
mod rectify;
mod replace;
mod withdraw;

use outbox_core::error::{OutboxError, code};
use outbox_core::message::MessageId;
use outbox_core::state::State;
use outbox_core::status::Changed;
use outbox_core::store::{By, Command};
use rusqlite::params;

pub(crate) use self::destination::{note_configuration, note_destination};
use self::each::for_each;
pub(crate) use self::replace::replace;
pub(crate) use self::withdraw::erase;
use super::unit::Unit;
use crate::error::Failure;

/// Longest `actor` and `reason`, in characters.
const WORDS_MAX: usize = 500;

/// Carries an order out.
pub(crate) fn command(unit: &mut Unit<'_>, command: &Command, by: &By) -> Result<Changed, Failure> {
    check(by)?;
    let changed = match command {
        Command::Retry { filter, allow_overtaken } => {
            let states = [State::Pending, State::Failed, State::Cancelled];
            for_each(unit, filter, &states, |unit, row| put_back::retry(unit, row, *allow_overtaken))?
        }
        Command::Release { filter, allow_overtaken } => {
            for_each(unit, filter, &[State::Held], |unit, row| put_back::release(unit, row, *allow_overtaken))?
        }
        Command::Resend { filter, allow_overtaken } => {
            let states = [State::Sent, State::Acknowledged];
            for_each(unit, filter, &states, |unit, row| put_back::resend(unit, row, *allow_overtaken))?
        }
        Command::Cancel { filter } => {
            for_each(unit, filter, &[State::Pending, State::Held, State::Failed], withdraw::cancel)?
        }
        Command::Hold { filter } => for_each(unit, filter, &[State::Pending], withdraw::hold)?,
        Command::Purge { filter } => for_each(unit, filter, &State::ALL, withdraw::purge)?,
        Command::Pause { destination } => destination::pause(unit, destination, by)?,
        Command::Resume { destination } => destination::resume(unit, destination)?,
        Command::Configure { destination, patch } => destination::configure(unit, destination, patch)?,
        Command::Reset { destination } => destination::reset(unit, destination)?,
        Command::Rectify(order) => rectify::rectify(unit, order, by)?,
        Command::Reveal { .. } => Changed::default(),
        Command::Export { ids } => Changed { count: ids.len() as u64, ..Changed::default() },
    };
    outbox_core::fault!("command-carried-out", Failure::planted);
    let (name, detail) = described(command);
    record(unit, name, &detail, by, changed.count)?;
    Ok(changed)
}

/// The file was put back, or came from elsewhere: what it says is old or another's, so a person looks before anything is sent.
pub(crate) fn pause_restored(unit: &Unit<'_>, found: &[&str]) -> Result<(), Failure> {
    tracing::warn!(
        different = found.join(" "),
        "the file was restored, copied or moved; all its destinations are paused"
    );
    let by = By { actor: String::from("hl7-outbox"), reason: Some(outbox_core::status::RESTORED.to_owned()) };
    for destination in destination::all(unit)? {
        let changed = destination::pause(unit, &destination, &by)?;
        record(
            unit,
            "pause",
            &serde_json::json!({ "destination": destination, "different": found }),
            &by,
            changed.count,
        )?;
    }
    Ok(())
}

fn check(by: &By) -> Result<(), Failure> {
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
    Ok(())
}

fn described(command: &Command) -> (&'static str, serde_json::Value) {
    use serde_json::json;
    let overtaking = |filter, allow: &bool| json!({ "filter": filter, "allowOvertaken": allow });
    match command {
        Command::Retry { filter, allow_overtaken } => ("retry", overtaking(filter, allow_overtaken)),
        Command::Release { filter, allow_overtaken } => ("release", overtaking(filter, allow_overtaken)),
        Command::Resend { filter, allow_overtaken } => ("resend", overtaking(filter, allow_overtaken)),
        Command::Cancel { filter } => ("cancel", json!({ "filter": filter })),
        Command::Hold { filter } => ("hold", json!({ "filter": filter })),
        Command::Purge { filter } => ("purge", json!({ "filter": filter })),
        Command::Pause { destination } => ("pause", json!({ "destination": destination })),
        Command::Resume { destination } => ("resume", json!({ "destination": destination })),
        // The values may hold addresses and headers: the keys are on record, the values stand in the destination's row.
        Command::Configure { destination, patch } => {
            let patch: serde_json::Map<String, serde_json::Value> = serde_json::from_str(patch).unwrap_or_default();
            ("configure", json!({ "destination": destination, "keys": patch.keys().collect::<Vec<_>>() }))
        }
        Command::Reset { destination } => ("reset", json!({ "destination": destination })),
        // The same of owner and note; they stand in the row of the work alone.
        Command::Rectify(order) => (
            "rectify",
            json!({ "refusal": order.id, "tags": order.tags, "keys": order.change.keys(), "rectified": order.change.rectified }),
        ),
        Command::Reveal { id, attempt } => ("reveal", json!({ "id": id, "attempt": attempt })),
        Command::Export { ids } => ("export", json!({ "seqs": ids.iter().map(MessageId::seq).collect::<Vec<_>>() })),
    }
}

fn record(unit: &Unit<'_>, command: &str, detail: &serde_json::Value, by: &By, count: u64) -> Result<(), Failure> {
    unit.connection
        .prepare_cached(
            "INSERT INTO action (at, actor, reason, command, detail, changed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            unit.now.0,
            by.actor,
            by.reason,
            command,
            detail.to_string(),
            i64::try_from(count).unwrap_or(i64::MAX)
        ])?;
    Ok(())
}

/// Remembers where a named reader of the changes has come to.
pub(crate) fn note_consumer(unit: &Unit<'_>, name: &str, cursor: &str) -> Result<(), Failure> {
    outbox_core::fault!("consumer-note", Failure::planted);
    unit.connection
        .prepare_cached(
            "INSERT INTO consumer (name, cursor, updated_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor, updated_at = excluded.updated_at",
        )?
        .execute(params![name, cursor, unit.now.0])?;
    Ok(())
}
