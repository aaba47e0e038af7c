//! One line: an object of names that are known to hold nothing of a patient.

use std::fmt::Debug;

use outbox_core::clock::{Clock, SystemClock};
use serde_json::{Map, Value};
use tracing::Event;
use tracing::field::{Field, Visit};

/// Every field that may stand in a line. What is not named here is left out, whatever somebody adds to a call; a test compares
/// the calls with this list.
pub(super) const FIELDS: &[&str] = &[
    "message",
    "alarm",
    "backlog",
    "bodies",
    "changes",
    "code",
    "destination",
    "different",
    "kind",
    "name",
    "number",
    "open_claims",
    "outcome",
    "row",
    "rows",
    "seconds",
    "seq",
    "state",
    "why",
];

pub(super) fn of(event: &Event<'_>) -> String {
    let mut line = Line(Map::new());
    let metadata = event.metadata();
    line.0.insert(String::from("timestamp"), SystemClock.now().to_iso().into());
    line.0.insert(String::from("level"), metadata.level().as_str().into());
    line.0.insert(String::from("target"), metadata.target().into());
    event.record(&mut line);
    Value::Object(line.0).to_string()
}

struct Line(Map<String, Value>);

impl Line {
    fn put(&mut self, field: &Field, value: impl FnOnce() -> Value) {
        if FIELDS.contains(&field.name()) {
            self.0.insert(field.name().to_owned(), value());
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, || format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, || value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, || value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, || value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, || value.into());
    }
}
