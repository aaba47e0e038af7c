//! The worklist: dead letters by what they failed of, and what persons noted on each group.

use outbox_core::clock::Timestamp;
use outbox_core::error::{OutboxError, code};
use outbox_core::message::Tags;
use outbox_core::refusals::{
    DAYS, EXAMPLES_MAX, GROUPS_DEFAULT, GROUPS_MAX, RefusalFilter, RefusalState, RefusalView, Refusals, Seen, id_of,
};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::message::named;
use crate::error::Failure;

const DAY_MS: i64 = 86_400_000;
/// [`DAYS`], to reckon with.
#[expect(clippy::cast_possible_wrap, reason = "a few")]
const DAYS_BACK: i64 = DAYS as i64;

/// What is kept of a group and of the work on its part.
const COLUMNS: &str = "g.n, g.destination, g.code, g.err_codes, g.reason, count(r.seq), coalesce(max(r.nth), 0),
    w.owner, w.note, w.state, w.rectified_at, w.rectified_by, w.reopened_at, w.changed_at, w.changed_by, w.version";

/// The groups, largest first. What is not a dead letter is never read.
pub(crate) fn refusals(connection: &Connection, filter: &RefusalFilter, now: Timestamp) -> Result<Refusals, Failure> {
    outbox_core::fault!("read-refusals", Failure::planted);
    let limit = filter.limit.unwrap_or(GROUPS_DEFAULT);
    if !(1..=GROUPS_MAX).contains(&limit) {
        return Err(OutboxError::new(code::ERR_OPTION, format!("`limit` must be 1 to {GROUPS_MAX}")).into());
    }
    let part = Part::of(filter.tags.as_ref());
    let mut found = groups(connection, filter, &part, limit)?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let first_day = now.0.div_euclid(DAY_MS) - (DAYS_BACK - 1);
    for group in &mut found {
        part.count_days(connection, group, first_day)?;
        part.show_examples(connection, group)?;
    }
    let day = |n| Timestamp((first_day + n) * DAY_MS).to_iso().split('T').next().unwrap_or_default().to_owned();
    let days = (0..DAYS_BACK).map(day).collect();
    Ok(Refusals { groups: found.into_iter().map(|group| group.view).collect(), days, more })
}

/// The messages that count: all, or those with certain tags.
struct Part {
    tags: Tags,
    /// A condition on `r`, a row of `refused`.
    sql: String,
    values: Vec<Value>,
}

struct Found {
    n: i64,
    view: RefusalView,
}

impl Part {
    fn of(tags: Option<&Tags>) -> Self {
        let tags = tags.cloned().unwrap_or_default();
        // Looked up for each dead letter: there are fewer of them than messages with a tag.
        let term = " AND EXISTS (SELECT 1 FROM tag WHERE tag.key = ? AND tag.value = ? AND tag.seq = r.seq)";
        let values = tags.iter().flat_map(|(key, value)| [Value::Text(key.clone()), Value::Text(value.clone())]);
        Self { sql: term.repeat(tags.len()), values: values.collect(), tags }
    }

    fn count_days(&self, connection: &Connection, group: &mut Found, first_day: i64) -> Result<(), Failure> {
        let sql = format!("SELECT r.nth, r.at FROM refused r WHERE r.refusal = ? AND r.at >= ?{}", self.sql);
        let mut statement = connection.prepare_cached(&sql)?;
        let values = [Value::Integer(group.n), Value::Integer(first_day * DAY_MS)].into_iter();
        let mut rows = statement.query(params_from_iter(values.chain(self.values.iter().cloned())))?;
        while let Some(row) = rows.next()? {
            let day = row.get::<_, i64>(1)?.div_euclid(DAY_MS) - first_day;
            if let Some(count) = usize::try_from(day).ok().and_then(|day| group.view.per_day.get_mut(day)) {
                *count += 1;
            }
        }
        Ok(())
    }

    fn show_examples(&self, connection: &Connection, group: &mut Found) -> Result<(), Failure> {
        let sql = format!(
            "SELECT r.seq, r.at FROM refused r WHERE r.refusal = ?{} ORDER BY r.nth DESC LIMIT {EXAMPLES_MAX}",
            self.sql
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let values = std::iter::once(Value::Integer(group.n)).chain(self.values.iter().cloned());
        let newest = statement
            .query_map(params_from_iter(values), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        group.view.newest_at = newest.first().map(|(_, at)| Timestamp(*at));
        for (seq, _) in newest {
            group.view.examples.extend(named(connection, seq)?);
        }
        Ok(())
    }

    fn read(&self, row: &Row<'_>) -> rusqlite::Result<Found> {
        let time = |n: usize| row.get::<_, Option<i64>>(n).map(|at| at.map(Timestamp));
        let (n, err_codes): (i64, String) = (row.get(0)?, row.get(3)?);
        let state: Option<String> = row.get(9)?;
        let seen = Seen { changes: row.get::<_, Option<i64>>(15)?.unwrap_or(0), newest: row.get(6)? };
        let view = RefusalView {
            id: n.to_string(),
            version: seen.to_string(),
            tags: self.tags.clone(),
            destination: row.get(1)?,
            code: row.get(2)?,
            err_codes: serde_json::from_str(&err_codes).unwrap_or_default(),
            reason: row.get(4)?,
            count: row.get(5)?,
            per_day: vec![0; DAYS],
            newest_at: None,
            examples: Vec::new(),
            owner: row.get(7)?,
            note: row.get(8)?,
            state: match state.as_deref() {
                Some("rectified") => RefusalState::Rectified,
                _ => RefusalState::Open,
            },
            rectified_at: time(10)?,
            rectified_by: row.get(11)?,
            reopened_at: time(12)?,
            changed_at: time(13)?,
            changed_by: row.get(14)?,
        };
        Ok(Found { n, view })
    }
}

/// The groups that the filter means, and one more if there are more than `limit`. One is shown while it has dead letters, or
/// while it is rectified; one that is asked for by its number, while anything of it is known in this part.
fn groups(connection: &Connection, filter: &RefusalFilter, part: &Part, limit: u32) -> Result<Vec<Found>, Failure> {
    let mut values = vec![Value::Text(key(&part.tags))];
    values.extend(part.values.iter().cloned());
    let mut terms = Vec::new();
    if let Some(id) = &filter.id {
        terms.push("g.n = ?");
        values.push(Value::Integer(id_of(id)?));
    }
    for (term, value) in [
        ("g.destination = ?", &filter.destination),
        ("g.code = ?", &filter.failure_code),
        ("w.owner = ?", &filter.owner),
    ] {
        if let Some(value) = value {
            terms.push(term);
            values.push(Value::Text(value.clone()));
        }
    }
    match filter.state {
        Some(RefusalState::Open) => terms.push("w.state IS NOT 'rectified'"),
        Some(RefusalState::Rectified) => terms.push("w.state = 'rectified'"),
        None => {}
    }
    let condition = if terms.is_empty() { String::from("1") } else { terms.join(" AND ") };
    let shown = if filter.id.is_some() { "w.version IS NOT NULL" } else { "w.state = 'rectified'" };
    // In the order of the groups, so that each is counted in one walk through the index.
    let sql = format!(
        "SELECT {COLUMNS} FROM refusal g
           LEFT JOIN refusal_work w ON w.refusal = g.n AND w.tags = ?
           LEFT JOIN refused r ON r.refusal = g.n{}
         WHERE {condition} GROUP BY g.n HAVING count(r.seq) > 0 OR {shown}
         ORDER BY count(r.seq) DESC, g.n LIMIT {}",
        part.sql,
        limit + 1
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| part.read(row))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A part as the table of work names it.
pub(crate) fn key(tags: &Tags) -> String {
    serde_json::to_string(tags).unwrap_or_default()
}
