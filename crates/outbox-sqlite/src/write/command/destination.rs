//! Orders about a whole destination, and what the dispatcher sees of it.

use outbox_core::status::Changed;
use outbox_core::store::By;
use rusqlite::{OptionalExtension, params};

use crate::error::Failure;
use crate::write::unit::Unit;

pub(super) fn pause(unit: &Unit<'_>, destination: &str, by: &By) -> Result<Changed, Failure> {
    // A pause upon a pause keeps the first date and takes the newer reason.
    unit.connection
        .prepare_cached(
            "INSERT INTO destination (name, since, paused_at, paused_reason) VALUES (?1, ?2, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET paused_at = coalesce(paused_at, excluded.paused_at), paused_reason = excluded.paused_reason",
        )?
        .execute(params![destination, unit.now.0, by.reason])?;
    Ok(Changed { count: 1, ..Changed::default() })
}

/// Every destination that the file knows or holds messages for.
pub(super) fn all(unit: &Unit<'_>) -> Result<Vec<String>, Failure> {
    let mut statement =
        unit.connection.prepare_cached("SELECT name FROM destination UNION SELECT destination FROM standing")?;
    let names = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

pub(super) fn resume(unit: &Unit<'_>, destination: &str) -> Result<Changed, Failure> {
    let was = unit
        .connection
        .prepare_cached(
            "UPDATE destination SET paused_at = NULL, paused_reason = NULL WHERE name = ?1 AND paused_at IS NOT NULL",
        )?
        .execute([destination])?;
    Ok(Changed { count: was as u64, ..Changed::default() })
}

/// Keeps what persons changed of a destination's configuration, with what they changed before.
pub(super) fn configure(unit: &Unit<'_>, destination: &str, patch: &str) -> Result<Changed, Failure> {
    let present: Option<String> = unit
        .connection
        .prepare_cached("SELECT patch FROM destination WHERE name = ?1")?
        .query_row([destination], |row| row.get(0))
        .optional()?
        .flatten();
    let read = |json: &str| serde_json::from_str::<serde_json::Map<_, _>>(json).unwrap_or_default();
    let mut whole = present.as_deref().map(read).unwrap_or_default();
    whole.extend(read(patch));
    keep(unit, destination, Some(&serde_json::Value::Object(whole).to_string()))
}

/// Takes all such changes back.
pub(super) fn reset(unit: &Unit<'_>, destination: &str) -> Result<Changed, Failure> {
    keep(unit, destination, None)
}

fn keep(unit: &Unit<'_>, destination: &str, patch: Option<&str>) -> Result<Changed, Failure> {
    unit.connection
        .prepare_cached(
            "INSERT INTO destination (name, since, patch, patches) VALUES (?1, ?2, ?3, 1)
             ON CONFLICT (name) DO UPDATE SET patch = excluded.patch, patches = patches + 1",
        )?
        .execute(params![destination, unit.now.0, patch])?;
    Ok(Changed { count: 1, ..Changed::default() })
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

/// Remembers what the dispatcher is configured with.
pub(crate) fn note_configuration(unit: &Unit<'_>, configuration: &str) -> Result<(), Failure> {
    unit.connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES ('configuration', ?1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?
        .execute([configuration.as_bytes()])?;
    Ok(())
}
