//! Orders of persons: carried out, and recorded with what they changed.

mod destination;
mod each;
mod put_back;
mod rectify;
mod replace;
mod withdraw;

use std::time::Duration;

use outbox_core::error::{OutboxError, code};
use outbox_core::message::MessageId;
use outbox_core::status::{Changed, Unchanged};
use outbox_core::store::{By, Command};
use rusqlite::params;

pub(crate) use self::destination::{note_configuration, note_destination};
pub(crate) use self::each::{LISTED_MAX, Part, Probed, meant};
pub(crate) use self::replace::replace;
pub(crate) use self::withdraw::erase;
use super::unit::Unit;
use crate::bulk::Parts;
use crate::error::Failure;
use crate::walk::{Meant, Walk};

/// Longest `actor` and `reason`, in characters.
const WORDS_MAX: usize = 500;
/// How long the messages of a command are looked for inside a transaction. What takes longer is looked for by a reader.
const FIRST_LOOK_TIME_MAX: Duration = Duration::from_millis(5);
/// Contents that are overwritten in one commit with others, in bytes. More go one after another, in the time of a part.
const PURGE_BYTES_MAX: u64 = 4 << 20;

/// What became of an order at once.
pub(crate) enum Begun {
    /// It is carried out.
    Whole(Changed),
    /// It means more messages than one commit may change: so far it is on record.
    Large {
        /// To the messages that it means.
        walk: Box<Walk>,
        /// The number of its record.
        action: i64,
        /// Named, and not there.
        missing: Vec<Unchanged>,
    },
}

/// Carries an order out, or begins one on many messages.
pub(crate) fn command(unit: &mut Unit<'_>, command: &Command, by: &By, parts: &Parts) -> Result<Begun, Failure> {
    check(by)?;
    let changed = match command {
        Command::Pause { destination } => destination::pause(unit, destination, by)?,
        Command::Resume { destination } => destination::resume(unit, destination)?,
        Command::Configure { destination, patch } => destination::configure(unit, destination, patch)?,
        Command::Reset { destination } => destination::reset(unit, destination)?,
        Command::Rectify(order) => rectify::rectify(unit, order, by)?,
        Command::Reveal { .. } => Changed::default(),
        Command::Export { ids } => Changed { count: ids.len() as u64, ..Changed::default() },
        _ => match on_messages(unit, command, by, parts)? {
            Begun::Whole(changed) => changed,
            large @ Begun::Large { .. } => return Ok(large),
        },
    };
    outbox_core::fault!("command-carried-out", Failure::planted);
    let (name, detail) = described(command);
    record(unit, name, &detail, by, changed.count)?;
    Ok(Begun::Whole(changed))
}

/// A command on few messages that are found at once is one commit, whatever else it shares it with.
fn on_messages(unit: &mut Unit<'_>, command: &Command, by: &By, parts: &Parts) -> Result<Begun, Failure> {
    let Some(meant) = each::meant(command) else { return Ok(Begun::Whole(Changed::default())) };
    let bound = unit.newest()?;
    // Looked for before anything changes: a purge would hide what it has just changed.
    let missing = each::missing(unit, &meant.filter)?;
    let (mut walk, mut found) = (Walk::plain(meant.clone(), bound), Vec::new());
    walk.look(unit.connection, &mut found, parts.messages + 1, FIRST_LOOK_TIME_MAX)?;
    let heavy = matches!(command, Command::Purge { .. }) && each::weight(unit, &found)? > PURGE_BYTES_MAX;
    if !walk.is_through() || found.len() > parts.messages || heavy {
        let (name, detail) = described(command);
        let action = record(unit, name, &detail, by, 0)?;
        return Ok(Begun::Large { walk: Box::new(Walk::begin(unit.connection, meant, bound)?), action, missing });
    }
    let mut changed = each::part(unit, command, &meant, &found, None, &Probed::new())?.changed;
    changed.unchanged.extend(missing);
    changed.unchanged.truncate(each::LISTED_MAX);
    Ok(Begun::Whole(changed))
}

/// Carries a part of an order out, and adds what it changed to the order's record.
pub(crate) fn part(
    unit: &mut Unit<'_>,
    command: &Command,
    meant: &Meant,
    action: i64,
    seqs: &[i64],
    time: Duration,
    probed: &Probed,
) -> Result<Part, Failure> {
    // What is kept on a full disk is for deliveries; a purge gives room back.
    if let Some(why) = unit.no_room.filter(|_| !matches!(command, Command::Purge { .. })) {
        return Err(OutboxError::plain(why).into());
    }
    let part = each::part(unit, command, meant, seqs, Some(time), probed)?;
    outbox_core::fault!("bulk-part", Failure::planted);
    unit.connection
        .prepare_cached("UPDATE action SET changed = changed + ?2 WHERE n = ?1")?
        .execute(params![action, i64::try_from(part.changed.count).unwrap_or(i64::MAX)])?;
    Ok(part)
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

fn record(unit: &Unit<'_>, command: &str, detail: &serde_json::Value, by: &By, count: u64) -> Result<i64, Failure> {
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
    Ok(unit.connection.last_insert_rowid())
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
