//! Alerts: what was told, and notices on their way.

use std::time::Duration;

use outbox_core::alert::{AlertMove, AlertRecord, AlertType, Notice, NoticeEnd, Step, Telling, key_of};
use rusqlite::{OptionalExtension, params};

use super::unit::Unit;
use crate::error::Failure;

/// Most kinds of refusal that are told apart for one destination; what comes beyond is one kind more.
const KINDS_MAX: i64 = 100;
const OTHER: &str = "OTHER";
/// Most notices that wait for one target. A new one takes the place of the oldest.
const NOTICES_MAX: i64 = 1_000;
/// How long a notice that was given up is kept, for health to tell of it.
pub(crate) const GIVEN_UP_MS: i64 = 7 * 86_400_000;

/// A message was refused: in the transaction that makes it a dead letter.
pub(crate) fn refused(unit: &Unit<'_>, destination: &str, code: &str) -> Result<(), Failure> {
    let r#type = AlertType::Refusal;
    let key = key_of(r#type, Some(destination), Some(code));
    if seen_again(unit, &key)? {
        return Ok(());
    }
    let kinds: i64 = unit
        .connection
        .prepare_cached("SELECT count(*) FROM alert WHERE type = ?1 AND destination = ?2")?
        .query_row(params![r#type.as_str(), destination], |row| row.get(0))?;
    let (code, key) =
        if kinds < KINDS_MAX { (code, key) } else { (OTHER, key_of(r#type, Some(destination), Some(OTHER))) };
    if kinds >= KINDS_MAX && seen_again(unit, &key)? {
        return Ok(());
    }
    unit.connection
        .prepare_cached(
            "INSERT INTO alert (key, type, destination, code, since, seen_at, count) VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1)",
        )?
        .execute(params![key, r#type.as_str(), destination, code, unit.now.0])?;
    Ok(())
}

fn seen_again(unit: &Unit<'_>, key: &str) -> Result<bool, Failure> {
    let changed = unit
        .connection
        .prepare_cached("UPDATE alert SET seen_at = ?2, count = count + 1 WHERE key = ?1")?
        .execute(params![key, unit.now.0])?;
    Ok(changed > 0)
}

/// Moves rows that stand as they were looked at, and makes the notices that follow.
pub(crate) fn move_alerts(unit: &Unit<'_>, moves: &[AlertMove], hears: bool) -> Result<u64, Failure> {
    if hears {
        unit.connection
            .prepare_cached(
                "INSERT INTO meta (key, value) VALUES ('alert_callback', ?1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?
            .execute([unit.now.0.to_string().as_bytes()])?;
    }
    let mut told = 0;
    for AlertMove { step, record, telling } in moves {
        if !apply(unit, step, record)? {
            continue;
        }
        if let Some(telling) = telling {
            told += 1;
            tell(unit, &record.key, telling)?;
        }
    }
    tidy(unit)?;
    Ok(told)
}

/// Answers whether the row stood as it was looked at; in another process's transaction it may have moved since.
fn apply(unit: &Unit<'_>, step: &Step, record: &AlertRecord) -> Result<bool, Failure> {
    let now = unit.now.0;
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> Result<bool, Failure> {
        Ok(unit.connection.prepare_cached(sql)?.execute(values)? > 0)
    };
    let AlertRecord { key, r#type, destination, code, since, seen_at, count, .. } = record;
    match step {
        Step::Note => run(
            "INSERT INTO alert (key, type, destination, code, since, seen_at, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (key) DO NOTHING",
            &[key, &r#type.as_str(), destination, code, &since.0, &seen_at.0, count],
        ),
        Step::Begin => run(
            "INSERT INTO alert (key, type, destination, code, since, seen_at, count, begun_at, told_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
             ON CONFLICT (key) DO UPDATE SET begun_at = excluded.begun_at, told_at = excluded.told_at
             WHERE begun_at IS NULL AND since = excluded.since",
            &[key, &r#type.as_str(), destination, code, &since.0, &seen_at.0, count, &now],
        ),
        Step::Repeat => {
            let told_at = record.told_at.map(|at| at.0);
            run(
                "UPDATE alert SET told_at = ?3 WHERE key = ?1 AND begun_at IS NOT NULL AND told_at IS ?2",
                &[key, &told_at, &now],
            )
        }
        // A refusal that came meanwhile has moved `seen_at`.
        Step::Forget => run(
            "DELETE FROM alert WHERE key = ?1 AND since = ?2 AND seen_at = ?3 AND begun_at IS NULL",
            &[key, &since.0, &seen_at.0],
        ),
        Step::End => run(
            "DELETE FROM alert WHERE key = ?1 AND since = ?2 AND seen_at = ?3 AND begun_at IS NOT NULL",
            &[key, &since.0, &seen_at.0],
        ),
    }
}

fn tell(unit: &Unit<'_>, key: &str, telling: &Telling) -> Result<(), Failure> {
    for target in &telling.targets {
        unit.connection
            .prepare_cached(
                "DELETE FROM notice WHERE n IN (SELECT n FROM notice WHERE target = ?1 AND due_at IS NOT NULL
                                                ORDER BY n DESC LIMIT -1 OFFSET ?2)",
            )?
            .execute(params![target, NOTICES_MAX - 1])?;
        unit.connection
            .prepare_cached(
                "INSERT INTO notice (target, key, alert, body, created_at, due_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
            )?
            .execute(params![target, key, telling.id, telling.body, unit.now.0, telling.expires_at.0])?;
    }
    Ok(())
}

/// What nobody took in its time is given up, and what was given up long ago is forgotten.
fn tidy(unit: &Unit<'_>) -> Result<(), Failure> {
    let now = unit.now.0;
    let given_up = unit
        .connection
        .prepare_cached(
            "UPDATE notice SET due_at = NULL, error = coalesce(error, 'NOBODY_TOOK_IT') WHERE due_at IS NOT NULL AND expires_at <= ?1",
        )?
        .execute([now])?;
    if given_up > 0 {
        tracing::error!(number = given_up, "alerts were given up: nobody took them in their time");
    }
    unit.connection
        .prepare_cached("DELETE FROM notice WHERE due_at IS NULL AND expires_at <= ?1")?
        .execute([now - GIVEN_UP_MS])?;
    Ok(())
}

/// The next notice for a target, if one is due. Whoever has it must say how it ended within `lease`, or it is due again.
pub(crate) fn claim_notice(unit: &Unit<'_>, target: &str, lease: Duration) -> Result<Option<Notice>, Failure> {
    let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    let claimed = unit
        .connection
        .prepare_cached(
            "UPDATE notice SET tries = tries + 1, due_at = ?2 + ?3 WHERE n = (
               SELECT n FROM notice AS due WHERE target = ?1 AND due_at <= ?2 AND expires_at > ?2
                 AND NOT EXISTS (SELECT 1 FROM notice AS earlier WHERE earlier.target = ?1 AND earlier.key = due.key
                                 AND earlier.n < due.n AND earlier.due_at IS NOT NULL)
               ORDER BY due_at, n LIMIT 1)
             RETURNING n, tries, alert, body",
        )?
        .query_row(params![target, unit.now.0, lease_ms], |row| {
            Ok(Notice { n: row.get(0)?, tries: row.get(1)?, id: row.get(2)?, body: row.get(3)? })
        })
        .optional()?;
    Ok(claimed)
}

/// The end of an attempt to hand a notice over.
pub(crate) fn end_notice(unit: &Unit<'_>, end: &NoticeEnd) -> Result<(), Failure> {
    let NoticeEnd { n, tries, error, again } = end;
    let Some(error) = error else {
        // Whoever took it: it is there.
        unit.connection.prepare_cached("DELETE FROM notice WHERE n = ?1")?.execute([n])?;
        return Ok(());
    };
    let again_ms = i64::try_from(again.as_millis()).unwrap_or(i64::MAX);
    unit.connection
        .prepare_cached("UPDATE notice SET error = ?3, due_at = ?4 WHERE n = ?1 AND tries = ?2 AND due_at IS NOT NULL")?
        .execute(params![n, tries, error, unit.now.0.saturating_add(again_ms)])?;
    Ok(())
}
