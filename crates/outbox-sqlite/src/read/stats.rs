//! Figures.

use std::collections::BTreeMap;

use outbox_core::clock::Timestamp;
use outbox_core::state::State;
use outbox_core::status::{Delivered, DestinationState, MessageFilter, Percentiles, Retries, Stats};
use outbox_core::store::DestinationRecord;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::error::Failure;
use crate::filter::Condition;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Deliveries that the percentiles are taken from: the latest ones.
const SAMPLE_MAX: u32 = 10_000;

/// The figures of `getStats`. Without tags the counts come from the tally; with tags the tagged messages are counted.
pub(crate) fn stats(connection: &Connection, filter: &MessageFilter, now: Timestamp) -> Result<Stats, Failure> {
    outbox_core::fault!("read-stats", Failure::planted);
    let mut stats = Stats::default();
    for state in State::ALL {
        stats.by_status.insert(state, 0);
    }
    counts(connection, filter, &mut stats)?;
    stats.oldest_pending_age_ms = oldest_pending(connection, filter)?.map(|created| (now.0 - created).max(0));
    let since = |age: i64| one(connection, filter, "SELECT count(*)", "sent_at >= ?", [Value::Integer(now.0 - age)]);
    stats.delivered = Delivered {
        last1m: unsigned(since(MINUTE_MS)?),
        last1h: unsigned(since(HOUR_MS)?),
        last24h: unsigned(since(DAY_MS)?),
    };
    let dead = one(
        connection,
        filter,
        "SELECT count(*)",
        "state = 'FAILED' AND updated_at >= ?",
        [Value::Integer(now.0 - DAY_MS)],
    )?;
    stats.success_rate24h = rate(stats.delivered.last24h, unsigned(dead));
    stats.delivery_ms = percentiles(connection, filter, now)?;
    stats.retries24h = retries(connection, filter, now)?;
    stats.last_attempt_at = last_attempt(connection, filter)?;
    Ok(stats)
}

fn counts(connection: &Connection, filter: &MessageFilter, stats: &mut Stats) -> Result<(), Failure> {
    let condition = if filter.tags.is_some() { Condition::of(filter)? } else { Condition::of_tally(filter) };
    let source = if filter.tags.is_some() {
        format!(
            "SELECT destination, state, count(*) FROM message WHERE {} GROUP BY destination, state",
            condition.sql()
        )
    } else {
        format!("SELECT destination, state, count FROM standing WHERE {}", condition.sql())
    };
    let mut statement = connection.prepare_cached(&source)?;
    let mut rows = statement.query(params_from_iter(condition.values))?;
    while let Some(row) = rows.next()? {
        let (destination, name, count): (String, String, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let Ok(standing) = name.parse::<State>() else { continue };
        *stats.by_status.entry(standing).or_default() += count;
        let of_destination =
            stats.by_destination.entry(destination).or_insert_with(|| State::ALL.into_iter().map(|s| (s, 0)).collect());
        *of_destination.entry(standing).or_default() += count;
    }
    Ok(())
}

/// When the first message that is PENDING was stored. Numbers are given in the order of time, so the first row will do.
pub(super) fn oldest_pending(connection: &Connection, filter: &MessageFilter) -> Result<Option<i64>, Failure> {
    let mut condition = Condition::of(filter)?;
    condition.in_states(&[State::Pending]);
    let sql = format!("SELECT created_at FROM message WHERE {} ORDER BY seq LIMIT 1", condition.sql());
    Ok(connection.prepare_cached(&sql)?.query_row(params_from_iter(condition.values), |row| row.get(0)).optional()?)
}

fn one<const N: usize>(
    connection: &Connection,
    filter: &MessageFilter,
    select: &str,
    term: &str,
    values: [Value; N],
) -> Result<Option<i64>, Failure> {
    let mut condition = Condition::of(filter)?;
    condition.and(term, values);
    let sql = format!("{select} FROM message WHERE {}", condition.sql());
    Ok(connection.prepare_cached(&sql)?.query_row(params_from_iter(condition.values), |row| row.get(0))?)
}

fn unsigned(count: Option<i64>) -> u64 {
    count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "a share, shown with a few digits")]
fn rate(delivered: u64, dead: u64) -> Option<f64> {
    let all = delivered + dead;
    (all > 0).then(|| delivered as f64 / all as f64)
}

fn percentiles(
    connection: &Connection,
    filter: &MessageFilter,
    now: Timestamp,
) -> Result<Option<Percentiles>, Failure> {
    let mut condition = Condition::of(filter)?;
    condition.and("sent_at >= ?", [Value::Integer(now.0 - DAY_MS)]);
    let sql = format!(
        "SELECT sent_at - created_at FROM message WHERE {} ORDER BY sent_at DESC LIMIT {SAMPLE_MAX}",
        condition.sql()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut times: Vec<i64> =
        statement.query_map(params_from_iter(condition.values), |row| row.get(0))?.collect::<Result<_, _>>()?;
    if times.is_empty() {
        return Ok(None);
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].max(0);
    Ok(Some(Percentiles { p50: at(50), p95: at(95), p99: at(99) }))
}

fn retries(connection: &Connection, filter: &MessageFilter, now: Timestamp) -> Result<Retries, Failure> {
    let condition = Condition::of(filter)?;
    let sql = format!(
        "SELECT coalesce(sum(manual = 0), 0), coalesce(sum(manual), 0) FROM (
           SELECT attempt.manual AS manual, attempt.seq AS seq FROM attempt WHERE n > 1 AND started_at >= ?) AS again
         WHERE seq IN (SELECT seq FROM message WHERE message.seq = again.seq AND {})",
        condition.sql()
    );
    let values = std::iter::once(Value::Integer(now.0 - DAY_MS)).chain(condition.values);
    Ok(connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(values), |row| Ok(Retries { automatic: row.get(0)?, manual: row.get(1)? }))?)
}

/// The latest claim. Attempts stand in the order of their claims, so the search ends at the first that matches.
fn last_attempt(connection: &Connection, filter: &MessageFilter) -> Result<Option<Timestamp>, Failure> {
    let condition = Condition::of(filter)?;
    let sql = format!(
        "SELECT started_at FROM attempt WHERE seq IN (SELECT seq FROM message WHERE message.seq = attempt.seq AND {})
         ORDER BY rowid DESC LIMIT 1",
        condition.sql()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(condition.values))?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?.map(Timestamp))
}

/// What the file remembers of destinations, and those that messages wait for.
pub(crate) fn destinations(connection: &Connection, now: Timestamp) -> Result<Vec<DestinationRecord>, Failure> {
    outbox_core::fault!("read-destinations", Failure::planted);
    let mut statement = connection.prepare_cached(
        "SELECT name, paused_at, paused_reason, coalesce(d.state, 'ok'), since, reason, patch,
                coalesce((SELECT sum(count) FROM standing WHERE destination = name AND standing.state = 'PENDING'), 0),
                (SELECT count(*) FROM message WHERE message.destination = name AND place = 'flight')
         FROM (SELECT name FROM destination UNION SELECT destination FROM standing) LEFT JOIN destination d USING (name)",
    )?;
    let rows = statement.query_map([], |row| {
        let paused_at: Option<i64> = row.get(1)?;
        let paused_reason: Option<String> = row.get(2)?;
        Ok(DestinationRecord {
            name: row.get(0)?,
            paused: paused_at.map(|at| (Timestamp(at), paused_reason)),
            state: DestinationState::from_stored(&row.get::<_, String>(3)?),
            since: Timestamp(row.get::<_, Option<i64>>(4)?.unwrap_or(now.0)),
            reason: row.get(5)?,
            patch: row.get(6)?,
            pending: row.get(7)?,
            in_flight: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What persons changed of destinations' configurations.
pub(crate) fn patches(connection: &Connection) -> Result<BTreeMap<String, String>, Failure> {
    outbox_core::fault!("read-patches", Failure::planted);
    let mut statement = connection.prepare_cached("SELECT name, patch FROM destination WHERE patch IS NOT NULL")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What the latest dispatcher was configured with.
pub(crate) fn configuration(connection: &Connection) -> Result<Option<String>, Failure> {
    let stored: Option<Vec<u8>> = connection
        .prepare_cached("SELECT value FROM meta WHERE key = 'configuration'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(stored.and_then(|stored| String::from_utf8(stored).ok()))
}
