//! The worklist: dead letters by what they failed of, and what persons noted on each group.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use outbox_core::clock::Timestamp;
use outbox_core::error::{OutboxError, code};
use outbox_core::message::Tags;
use outbox_core::refusals::{
    DAYS, EXAMPLES_MAX, GROUPS_DEFAULT, GROUPS_MAX, RefusalFilter, RefusalState, RefusalView, Refusals, Seen, id_of,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::message::named;
use crate::error::Failure;

const DAY_MS: i64 = 86_400_000;
/// [`DAYS`], to reckon with.
#[expect(clippy::cast_possible_wrap, reason = "a few")]
const DAYS_BACK: i64 = DAYS as i64;

/// The groups, largest first. What is not a dead letter is never read, and of dead letters only the index; each once.
pub(crate) fn refusals(connection: &Connection, filter: &RefusalFilter, now: Timestamp) -> Result<Refusals, Failure> {
    outbox_core::fault!("read-refusals", Failure::planted);
    let limit = filter.limit.unwrap_or(GROUPS_DEFAULT);
    if !(1..=GROUPS_MAX).contains(&limit) {
        return Err(OutboxError::new(code::ERR_OPTION, format!("`limit` must be 1 to {GROUPS_MAX}")).into());
    }
    let meant = Meant::of(filter)?;
    let first_day = now.0.div_euclid(DAY_MS) - (DAYS_BACK - 1);
    let mut counted = meant.counted(connection, first_day, limit as usize + 1)?;
    let more = counted.len() > limit as usize;
    counted.truncate(limit as usize);
    let groups = counted.iter().map(|counts| meant.shown(connection, counts)).collect::<Result<Vec<_>, _>>()?;
    let day = |n| Timestamp((first_day + n) * DAY_MS).to_iso().split('T').next().unwrap_or_default().to_owned();
    Ok(Refusals { groups: groups.into_iter().flatten().collect(), days: (0..DAYS_BACK).map(day).collect(), more })
}

/// Which groups are asked for, and which messages count: all, or those with certain tags.
struct Meant {
    tags: Tags,
    /// A condition on `g`, a group, and `w`, the work on its part.
    groups: String,
    group_values: Vec<Value>,
    /// A group without dead letters is shown all the same if this holds.
    shown_empty: &'static str,
}

/// What is counted of a group, or of its part.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Counts {
    count: u64,
    /// Of groups as large as each other the first one comes first.
    group: Reverse<i64>,
    newest: i64,
    newest_at: Option<i64>,
    per_day: Vec<u64>,
    /// The newest, oldest first.
    examples: VecDeque<i64>,
}

impl Counts {
    fn of(group: i64) -> Self {
        let (per_day, examples) = (vec![0; DAYS], VecDeque::new());
        Self { count: 0, group: Reverse(group), newest: 0, newest_at: None, per_day, examples }
    }

    /// One more, newer than those before.
    fn add(&mut self, seq: i64, nth: i64, at: i64, first_day: i64) {
        self.count += 1;
        (self.newest, self.newest_at) = (nth, Some(at));
        let day = usize::try_from(at.div_euclid(DAY_MS) - first_day);
        if let Some(count) = day.ok().and_then(|day| self.per_day.get_mut(day)) {
            *count += 1;
        }
        self.examples.push_back(seq);
        if self.examples.len() > EXAMPLES_MAX as usize {
            self.examples.pop_front();
        }
    }
}

/// The largest, no more than are asked for: there may be as many groups as dead letters.
struct Largest {
    most: usize,
    heap: BinaryHeap<Reverse<Counts>>,
}

impl Largest {
    fn add(&mut self, counts: Counts) {
        self.heap.push(Reverse(counts));
        if self.heap.len() > self.most {
            self.heap.pop();
        }
    }

    fn sorted(self) -> Vec<Counts> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(counts)| counts).collect()
    }
}

impl Meant {
    fn of(filter: &RefusalFilter) -> Result<Self, Failure> {
        let mut terms = Vec::new();
        let mut values = Vec::new();
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
        Ok(Self {
            tags: filter.tags.clone().unwrap_or_default(),
            groups: if terms.is_empty() { String::from("1") } else { terms.join(" AND ") },
            group_values: values,
            // What was done is still to be seen; and what is asked for by its number, while anything of it is known.
            shown_empty: if filter.id.is_some() { "1" } else { "w.state = 'rectified'" },
        })
    }

    /// One walk through the index, group by group and each in the order of its changes.
    fn counted(&self, connection: &Connection, first_day: i64, most: usize) -> Result<Vec<Counts>, Failure> {
        let mut largest = Largest { most, heap: BinaryHeap::new() };
        let mut empty = self.empty(connection)?;
        // Looked up for each dead letter: there are fewer of them than messages with a tag.
        let part = " AND EXISTS (SELECT 1 FROM tag WHERE tag.key = ? AND tag.value = ? AND tag.seq = r.seq)";
        let sql = format!(
            "SELECT r.refusal, r.seq, r.nth, r.at FROM refusal g
               LEFT JOIN refusal_work w ON w.refusal = g.n AND w.tags = ?
               CROSS JOIN refused r ON r.refusal = g.n
             WHERE {}{} ORDER BY g.n, r.nth",
            self.groups,
            part.repeat(self.tags.len())
        );
        let pairs = self.tags.iter().flat_map(|(key, value)| [key, value]).cloned().map(Value::Text);
        let values =
            std::iter::once(Value::Text(key(&self.tags))).chain(self.group_values.iter().cloned()).chain(pairs);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut present: Option<Counts> = None;
        while let Some(row) = rows.next()? {
            let group = row.get(0)?;
            if let Some(before) = present.take_if(|present| present.group != Reverse(group)) {
                largest.add(before);
            }
            let counts = present.get_or_insert_with(|| {
                empty.remove(&group);
                Counts::of(group)
            });
            counts.add(row.get(1)?, row.get(2)?, row.get(3)?, first_day);
        }
        present.into_iter().chain(empty.into_values()).for_each(|counts| largest.add(counts));
        Ok(largest.sorted())
    }

    /// Groups that are shown although nothing is in this part of them any more.
    fn empty(&self, connection: &Connection) -> Result<BTreeMap<i64, Counts>, Failure> {
        let sql = format!(
            "SELECT g.n FROM refusal_work w JOIN refusal g ON g.n = w.refusal WHERE w.tags = ? AND {} AND {}",
            self.groups, self.shown_empty
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let values = std::iter::once(Value::Text(key(&self.tags))).chain(self.group_values.iter().cloned());
        let rows = statement.query_map(params_from_iter(values), |row| row.get(0))?;
        rows.map(|group| group.map(|group| (group, Counts::of(group))).map_err(Failure::from)).collect()
    }

    fn shown(&self, connection: &Connection, counts: &Counts) -> Result<Option<RefusalView>, Failure> {
        let found = connection
            .prepare_cached(
                "SELECT g.n, g.destination, g.code, g.err_codes, g.reason, w.owner, w.note, w.state, w.rectified_at,
                        w.rectified_by, w.reopened_at, w.changed_at, w.changed_by, coalesce(w.version, 0)
                 FROM refusal g LEFT JOIN refusal_work w ON w.refusal = g.n AND w.tags = ?2 WHERE g.n = ?1",
            )?
            .query_row(params![counts.group.0, key(&self.tags)], |row| self.read(row, counts))
            .optional()?;
        let Some(mut view) = found else { return Ok(None) };
        for seq in counts.examples.iter().rev() {
            view.examples.extend(named(connection, *seq)?);
        }
        Ok(Some(view))
    }

    fn read(&self, row: &Row<'_>, counts: &Counts) -> rusqlite::Result<RefusalView> {
        let time = |n: usize| row.get::<_, Option<i64>>(n).map(|at| at.map(Timestamp));
        let (err_codes, state): (String, Option<String>) = (row.get(3)?, row.get(7)?);
        Ok(RefusalView {
            id: counts.group.0.to_string(),
            version: Seen { changes: row.get(13)?, newest: counts.newest }.to_string(),
            tags: self.tags.clone(),
            destination: row.get(1)?,
            code: row.get(2)?,
            err_codes: serde_json::from_str(&err_codes).unwrap_or_default(),
            reason: row.get(4)?,
            count: counts.count,
            per_day: counts.per_day.clone(),
            newest_at: counts.newest_at.map(Timestamp),
            examples: Vec::new(),
            owner: row.get(5)?,
            note: row.get(6)?,
            state: match state.as_deref() {
                Some("rectified") => RefusalState::Rectified,
                _ => RefusalState::Open,
            },
            rectified_at: time(8)?,
            rectified_by: row.get(9)?,
            reopened_at: time(10)?,
            changed_at: time(11)?,
            changed_by: row.get(12)?,
        })
    }
}

/// A part as the table of work names it.
pub(crate) fn key(tags: &Tags) -> String {
    serde_json::to_string(tags).unwrap_or_default()
}
