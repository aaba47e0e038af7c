//! From a caller's filter to a WHERE clause: values that callers give are always bound, never
//! written into the text.

use outbox_core::clock::Timestamp;
use outbox_core::error::{OutboxError, code};
use outbox_core::message::MessageId;
use outbox_core::state::State;
use outbox_core::status::MessageFilter;
use rusqlite::types::Value;

/// Most ids or control ids of one filter.
const LIST_MAX: usize = 1_000;

/// A condition with its values.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    terms: Vec<String>,
    pub(crate) values: Vec<Value>,
}

impl Condition {
    /// The condition of a filter. Ids that are none are refused: a misspelt id must not pass for one that matches nothing.
    pub(crate) fn of(filter: &MessageFilter) -> Result<Self, OutboxError> {
        Self::over(filter, None)
    }

    /// The same among the numbers of a stretch: behind the first, up to the second.
    pub(crate) fn within(filter: &MessageFilter, behind: i64, until: i64) -> Result<Self, OutboxError> {
        let mut condition = Self::over(filter, Some((behind, until)))?;
        condition.and("seq > ? AND seq <= ?", [Value::Integer(behind), Value::Integer(until)]);
        Ok(condition)
    }

    /// The same for rows that are named besides: what else must hold of each.
    pub(crate) fn of_rows(filter: &MessageFilter) -> Result<Self, OutboxError> {
        let mut condition = Self::of(&MessageFilter { tags: None, ..filter.clone() })?;
        for (key, value) in filter.tags.iter().flatten() {
            condition.and(
                "EXISTS (SELECT 1 FROM tag WHERE key = ? AND value = ? AND tag.seq = message.seq)",
                [Value::Text(key.clone()), Value::Text(value.clone())],
            );
        }
        Ok(condition)
    }

    fn over(filter: &MessageFilter, stretch: Option<(i64, i64)>) -> Result<Self, OutboxError> {
        let mut condition = Self::default();
        condition.and("purged_at IS NULL", []);
        if let Some(ids) = &filter.ids {
            let ids: Vec<MessageId> = ids.iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
            // The number in the id finds the row, the whole id makes sure.
            condition.one_of("seq", ids.iter().map(|id| Value::Integer(id.seq())).collect())?;
            condition.one_of("id", ids.iter().map(|id| Value::Blob(id.as_bytes().to_vec())).collect())?;
        }
        if let Some(control_ids) = &filter.control_ids {
            condition.one_of("control_id", control_ids.iter().cloned().map(Value::Text).collect())?;
        }
        if let Some(states) = &filter.status {
            condition.in_states(&states.to_vec());
        }
        for (column, value) in [
            ("destination", &filter.destination),
            ("message_type", &filter.message_type),
            ("failure_code", &filter.failure_code),
        ] {
            if let Some(value) = value {
                condition.and(&format!("{column} = ?"), [Value::Text(value.clone())]);
            }
        }
        for (key, value) in filter.tags.iter().flatten() {
            let (key, value) = (Value::Text(key.clone()), Value::Text(value.clone()));
            match stretch {
                None => condition.and("seq IN (SELECT seq FROM tag WHERE key = ? AND value = ?)", [key, value]),
                // Said here too: SQLite would gather all that have the label, for each stretch anew.
                Some((behind, until)) => condition.and(
                    "seq IN (SELECT seq FROM tag WHERE key = ? AND value = ? AND seq > ? AND seq <= ?)",
                    [key, value, Value::Integer(behind), Value::Integer(until)],
                ),
            }
        }
        for (term, name, text) in [("created_at >= ?", "from", &filter.from), ("created_at < ?", "to", &filter.to)] {
            if let Some(text) = text {
                let at = Timestamp::from_iso(text)
                    .ok_or_else(|| OutboxError::new(code::ERR_OPTION, format!("`{name}` is not a date")))?;
                condition.and(term, [Value::Integer(at.0)]);
            }
        }
        if let Some(warning) = filter.warning {
            condition.and(if warning { "warning IS NOT NULL" } else { "warning IS NULL" }, []);
        }
        if let Some(possible) = filter.possible_duplicate {
            condition.and("possible_duplicate = ?", [Value::Integer(possible.into())]);
        }
        Ok(condition)
    }

    /// The part of a filter that the tally knows: the destination.
    pub(crate) fn of_tally(filter: &MessageFilter) -> Self {
        let mut condition = Self::default();
        if let Some(destination) = &filter.destination {
            condition.and("destination = ?", [Value::Text(destination.clone())]);
        }
        condition
    }

    /// One of these states. Written out, which is safe (the words are ours) and lets SQLite see that a partial index will do.
    pub(crate) fn in_states(&mut self, states: &[State]) {
        let terms: Vec<String> = states.iter().map(|state| format!("state = '{}'", state.as_str())).collect();
        let any = if terms.is_empty() { String::from("0") } else { terms.join(" OR ") };
        self.and(&format!("({any})"), []);
    }

    /// Adds a term.
    pub(crate) fn and<const N: usize>(&mut self, term: &str, values: [Value; N]) {
        self.terms.push(term.to_owned());
        self.values.extend(values);
    }

    fn one_of(&mut self, column: &str, values: Vec<Value>) -> Result<(), OutboxError> {
        if values.len() > LIST_MAX {
            return Err(OutboxError::new(
                code::ERR_OPTION,
                format!("a filter names {} values; at most {LIST_MAX} fit", values.len()),
            ));
        }
        let marks = vec!["?"; values.len()].join(",");
        self.terms.push(format!("{column} IN ({marks})"));
        self.values.extend(values);
        Ok(())
    }

    /// As SQL, behind WHERE.
    pub(crate) fn sql(&self) -> String {
        if self.terms.is_empty() { String::from("1") } else { self.terms.join(" AND ") }
    }
}
