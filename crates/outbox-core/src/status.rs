//! What callers see of messages, attempts and the outbox itself: plain data, serialised as the public surface names it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::acknowledgement::Outcome;
use crate::clock::Timestamp;
use crate::message::{MessageId, Priority, Tags};
use crate::state::State;

/// Why a destination is paused whose file was put back, copied or moved: its first dispatcher gives this reason itself.
pub const RESTORED: &str = "restored";

/// Why a PENDING message is not being sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitingFor {
    /// Its own time: a retry delay or `notBefore`.
    Due,
    /// An earlier message of its lane.
    Lane,
    /// The destination's rate limit or concurrency.
    Rate,
    /// The destination is down or overloaded, and rests.
    Breaker,
    /// A person paused the destination.
    Paused,
    /// The destination is configured with `enabled: false`.
    Disabled,
    /// The destination is not in the configuration.
    NotConfigured,
    /// No process dispatches this file.
    Dispatcher,
}

/// Why a message is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// `rejected`, `exhausted`, `indeterminate`, `expired` or `unreadable`.
    pub reason: String,
    /// The stable code of the last attempt.
    pub code: String,
    /// The HTTP status of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub http_status: Option<u16>,
    /// MSA-1 of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ack_code: Option<String>,
    /// ERR-3 and ERR-5 codes of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub err_codes: Option<Vec<String>>,
}

/// A message as callers see it; never its content.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageView {
    /// Our id.
    pub id: MessageId,
    /// Its place in the order of all messages of the file.
    pub seq: i64,
    /// MSH-10.
    pub control_id: String,
    /// MSH-9.
    pub message_type: String,
    /// The receiver's name.
    pub destination: String,
    /// Where it stands.
    pub status: State,
    /// Whether an attempt is going on.
    pub in_flight: bool,
    /// Counted attempts.
    pub attempts: u32,
    /// All attempts.
    pub tries: u32,
    /// Sent again although an earlier attempt may have arrived.
    pub possible_duplicate: bool,
    /// Why it is not being sent now; `null` unless PENDING.
    pub waiting_for: Option<WaitingFor>,
    /// The message of its lane that it waits for.
    pub blocked_by: Option<MessageId>,
    /// Later messages of its lane were already delivered.
    pub overtaken: bool,
    /// Accepted, but something is worth knowing.
    pub warning: Option<String>,
    /// Why it is a dead letter.
    pub failure: Option<Failure>,
    /// Whether its lane goes before others.
    pub priority: Priority,
    /// Its labels.
    pub tags: Tags,
    /// The message that it replaces.
    pub replaces: Option<MessageId>,
    /// The message that replaced it.
    pub replaced_by: Option<MessageId>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it is due; `null` unless PENDING.
    pub due_at: Option<Timestamp>,
    /// When the receiver took it.
    pub sent_at: Option<Timestamp>,
    /// When HL7 acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
    /// When anything of it last changed.
    pub updated_at: Timestamp,
    /// When its content was removed; what is left is a tombstone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purged_at: Option<Timestamp>,
}

/// One try, as callers see it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptView {
    /// 1 for the first.
    pub n: u32,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// When it ended; `null` while it goes on.
    pub ended_at: Option<Timestamp>,
    /// What it came to.
    pub outcome: Option<Outcome>,
    /// The row of the outcome table that decided.
    pub row: Option<String>,
    /// HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// MSA-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_code: Option<String>,
    /// ERR-3 and ERR-5 codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub err_codes: Option<Vec<String>>,
    /// Stable reason code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Bytes of the message handed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_sent: Option<u64>,
    /// Whether it counts towards `maxAttempts`.
    pub counted: bool,
    /// Whether a person asked for it.
    pub manual: bool,
}

/// Which messages a list or a command means. Everything given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[serde(default)]
pub struct MessageFilter {
    /// Our ids.
    pub ids: Option<Vec<String>>,
    /// MSH-10 values.
    pub control_ids: Option<Vec<String>>,
    /// States.
    pub status: Option<OneOrMany<State>>,
    /// The receiver's name.
    pub destination: Option<String>,
    /// MSH-9, `ADT^A08`.
    pub message_type: Option<String>,
    /// Labels, all of them.
    pub tags: Option<Tags>,
    /// `failure.code`.
    pub failure_code: Option<String>,
    /// Stored at or after this ISO time.
    pub from: Option<String>,
    /// Stored before this ISO time.
    pub to: Option<String>,
    /// With (or without) a warning.
    pub warning: Option<bool>,
    /// Marked as a possible duplicate, or not.
    pub possible_duplicate: Option<bool>,
}

/// A value or a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One value.
    One(T),
    /// Several, any of which will do.
    Many(Vec<T>),
}

impl<T: Copy> OneOrMany<T> {
    /// As a list.
    pub fn to_vec(&self) -> Vec<T> {
        match self {
            Self::One(one) => vec![*one],
            Self::Many(many) => many.clone(),
        }
    }
}

/// A filter with its page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListRequest {
    /// Which messages.
    pub filter: MessageFilter,
    /// `nextCursor` of the page before.
    pub cursor: Option<String>,
    /// Most items of the page; 1 to 1,000, default 50.
    pub limit: Option<u32>,
    /// Newest first unless `oldest`.
    pub oldest_first: bool,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items; may be fewer than asked for.
    pub items: Vec<T>,
    /// Where to go on; only `null` ends.
    pub next_cursor: Option<String>,
}

/// What a command did.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// Ids of changed messages, at most 1,000 of them.
    pub changed: Vec<MessageId>,
    /// Messages that were left, at most 1,000 of them, and why.
    pub unchanged: Vec<Unchanged>,
    /// How many were changed, exactly.
    pub count: u64,
}

/// How many messages a filter matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// How many were found.
    pub count: u64,
    /// Whether these are all. If not, counting was ended after [`COUNT_TIME_MAX`]: there are at least so many.
    pub exact: bool,
}

/// How long is counted. A question that reads longer keeps the write-ahead log from being folded back.
pub const COUNT_TIME_MAX: Duration = Duration::from_millis(500);

/// A message that a command left alone.
#[derive(Clone, Debug, Serialize)]
pub struct Unchanged {
    /// Its id, as given.
    pub id: String,
    /// Why, as a stable code.
    pub code: &'static str,
}

/// How many messages stand where.
pub type CountByState = BTreeMap<State, u64>;

/// The figures of `getStats`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Messages by state.
    pub by_status: CountByState,
    /// The same for each destination.
    pub by_destination: BTreeMap<String, CountByState>,
    /// Age of the oldest PENDING message, in milliseconds.
    pub oldest_pending_age_ms: Option<i64>,
    /// Messages delivered of late.
    pub delivered: Delivered,
    /// Delivered ÷ (delivered + dead letters) of the last 24 h; `null` when there were none.
    pub success_rate24h: Option<f64>,
    /// From stored to delivered, of the last 24 h.
    pub delivery_ms: Option<Percentiles>,
    /// Attempts after the first, of the last 24 h.
    pub retries24h: Retries,
    /// When the last attempt began.
    pub last_attempt_at: Option<Timestamp>,
}

/// Messages delivered of late.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Delivered {
    /// In the last minute.
    pub last1m: u64,
    /// In the last hour.
    pub last1h: u64,
    /// In the last day.
    pub last24h: u64,
}

/// Milliseconds that the given share of messages stayed under.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Percentiles {
    /// Half of them.
    pub p50: i64,
    /// 95 of 100.
    pub p95: i64,
    /// 99 of 100.
    pub p99: i64,
}

/// Attempts after the first.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Retries {
    /// By schedule.
    pub automatic: u64,
    /// Asked for by a person.
    pub manual: u64,
}

/// Whether the outbox does its work, and what to do if not.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok`, `degraded` (messages are safe, something needs a look) or `down` (nothing can be stored).
    pub status: HealthStatus,
    /// What is wrong, worst first.
    pub problems: Vec<Problem>,
    /// The one active sender; `null` when there is none.
    pub dispatcher: Option<DispatcherView>,
    /// Every configured destination, and those that messages wait for.
    pub destinations: BTreeMap<String, DestinationHealth>,
    /// The file.
    pub file: FileHealth,
}

/// The overall answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// All well.
    Ok,
    /// Messages are safe; something needs a look.
    Degraded,
    /// Nothing can be stored.
    Down,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// Stable code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// The active sender of the file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DispatcherView {
    /// Its process id.
    pub pid: u32,
    /// Its host name.
    pub host: String,
    /// Since when it leads.
    pub since: Timestamp,
    /// Whether it is this process.
    pub here: bool,
    /// Age of its last beat.
    pub beat_age_ms: i64,
}

/// What a destination does at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DestinationState {
    /// Messages flow.
    Ok,
    /// It cannot be reached; one probe at a time.
    BreakerOpen,
    /// It asked for a rest.
    Throttled,
    /// A person paused it.
    Paused,
    /// Its set-up is wrong: credentials, certificate, address.
    Misconfigured,
    /// Configured with `enabled: false`, or not configured at all.
    Disabled,
}

impl DestinationState {
    /// The word, as stored and as shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::BreakerOpen => "breaker-open",
            Self::Throttled => "throttled",
            Self::Paused => "paused",
            Self::Misconfigured => "misconfigured",
            Self::Disabled => "disabled",
        }
    }

    /// Reads the stored word.
    pub fn from_stored(word: &str) -> Self {
        [Self::BreakerOpen, Self::Throttled, Self::Paused, Self::Misconfigured, Self::Disabled]
            .into_iter()
            .find(|state| state.as_str() == word)
            .unwrap_or(Self::Ok)
    }
}

/// A destination in `getHealth`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationHealth {
    /// What it does at present.
    pub state: DestinationState,
    /// Since when.
    pub since: Timestamp,
    /// Why, in a few words.
    pub reason: Option<String>,
    /// Messages PENDING for it.
    pub pending: u64,
    /// Attempts going on.
    pub in_flight: u64,
    /// When its certificate expires, once known.
    pub certificate_expires_at: Option<Timestamp>,
}

/// The file in `getHealth`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileHealth {
    /// Its path.
    pub path: String,
    /// Size of the database.
    pub bytes: u64,
    /// Size of its write-ahead log.
    pub wal_bytes: u64,
    /// Free space on its file system.
    pub disk_free_bytes: u64,
    /// Version of the bundled SQLite.
    pub sqlite_version: String,
    /// Version of the schema.
    pub schema: u32,
}
