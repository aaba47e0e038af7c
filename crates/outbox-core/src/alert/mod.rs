//! Alerts: what a person should hear of without asking, told once when it begins and once when it ends.
//!
//! What is told is [`Alert`]: free of anything of a patient by construction.
//!
//! - `condition`: facts compared with thresholds;
//! - `decide`: from conditions and what was told before to what is told now, a pure function;
//! - `sentry`: looks once a second, in each process, and decides with the file, so that a cluster tells it once;
//! - `post`: hands the notices over, one queue for each webhook, beside the messages and never in their way.
//!
//! What is wrong and what was told stand in the file. So a change of dispatcher or a restart tells nothing twice, and what was
//! decided is handed over by whoever comes next.

mod condition;
mod decide;
mod post;
mod sentry;
mod words;

pub(crate) use self::condition::Known;
use self::condition::{Condition, Holds};
use self::decide::Decision;
pub use self::decide::Step;
pub(crate) use self::post::{CALLBACK_LEASE, Lane, pause_after};
pub use self::post::{Callback, ConnectWebhook, Post, Posting, Webhook};
pub use self::sentry::test_alert;
pub(crate) use self::sentry::{Sentry, SentryParts};

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertType {
    /// A destination rests: it is down, overloaded or wrongly set up.
    Outage,
    /// A destination is paused: by a person, after refusals in a row, or because the file was restored.
    Paused,
    /// A destination refused a message for a reason that it had not given lately.
    Refusal,
    /// A destination has more dead letters than it may have.
    DeadLetters,
    /// The oldest message that waits is too old.
    OldestWaiting,
    /// No process sends, or the one that should is silent.
    NoDispatcher,
    /// Little room is left on the file system of the outbox.
    DiskLow,
    /// A certificate expires soon.
    CertificateExpires,
    /// Nothing is wrong: a person tries the way.
    Test,
}

impl AlertType {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Outage,
        Self::Paused,
        Self::Refusal,
        Self::DeadLetters,
        Self::OldestWaiting,
        Self::NoDispatcher,
        Self::DiskLow,
        Self::CertificateExpires,
        Self::Test,
    ];

    /// Its word in configurations and alerts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::Paused => "paused",
            Self::Refusal => "refusal",
            Self::DeadLetters => "dead-letters",
            Self::OldestWaiting => "oldest-waiting",
            Self::NoDispatcher => "no-dispatcher",
            Self::DiskLow => "disk-low",
            Self::CertificateExpires => "certificate-expires",
            Self::Test => "test",
        }
    }

    /// Reads its word.
    pub fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|each| each.as_str() == word)
    }
}

/// Where what an alert is about stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It has begun.
    Begun,
    /// It was told before and still lasts (`alerts.repeatMs`).
    Continues,
    /// It is over.
    Ended,
}

/// One alert, as webhooks and the callback get it. Names, numbers, codes and times only.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The same however often and to whomever it is handed over.
    pub id: String,
    /// What it is about.
    pub r#type: AlertType,
    /// Whether that begins or ends.
    pub state: AlertState,
    /// When it was decided.
    pub at: Timestamp,
    /// Since when it is so.
    pub since: Timestamp,
    /// A sentence for people.
    pub summary: String,
    /// File name of the outbox, without its folders.
    pub outbox: String,
    /// The machine.
    pub host: String,
    /// What makes it so.
    #[serde(flatten)]
    pub facts: AlertFacts,
}

/// What is known about what an alert is about; each type has some of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertFacts {
    /// The receiver's configured name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// One of our own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The stable code of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Messages: dead letters, or refused ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Messages that wait for the destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
    /// How long the oldest message has waited, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// When the certificate expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What the figure was compared with, in its unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// What the file remembers of something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRecord {
    /// Type, destination and code: there is one row for each.
    pub key: String,
    /// What it is about.
    pub r#type: AlertType,
    /// Whom it is about.
    pub destination: Option<String>,
    /// The refusal's code.
    pub code: Option<String>,
    /// Since when it is so.
    pub since: Timestamp,
    /// When it was last seen; kept up to date for refusals only.
    pub seen_at: Timestamp,
    /// How often; of refusals only.
    pub count: u64,
    /// When its begin was told; `None`: it has not lasted long enough.
    pub begun_at: Option<Timestamp>,
    /// When it was last told.
    pub told_at: Option<Timestamp>,
}

/// What one look at the file shows.
#[derive(Clone, Debug, Default)]
pub struct AlertView {
    /// What is wrong, as far as it is known.
    pub records: Vec<AlertRecord>,
    /// Dead letters by destination.
    pub dead_letters: Vec<(String, u64)>,
    /// When the first message that is PENDING was stored.
    pub oldest_pending_at: Option<Timestamp>,
    /// Destinations that are paused, since when, and why.
    pub paused: Vec<(String, Timestamp, Option<String>)>,
    /// Free bytes on the file system of the outbox.
    pub disk_free_bytes: u64,
    /// Targets with notices that are due.
    pub due: Vec<String>,
    /// Something has passed its time and is to be cleared away.
    pub untidy: bool,
    /// When a process last said that it has a callback.
    pub callback_at: Option<Timestamp>,
}

/// An alert on its way to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Its number in the file.
    pub n: i64,
    /// The number of this attempt; the fence of its end.
    pub tries: u32,
    /// The alert's id.
    pub id: String,
    /// The alert as JSON.
    pub body: String,
}

/// What became of handing a notice over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeEnd {
    /// The notice.
    pub n: i64,
    /// The attempt.
    pub tries: u32,
    /// Why it was not taken; a code, never what the other side wrote.
    pub error: Option<String>,
    /// When it was not taken: how long until it is tried again.
    pub again: Duration,
}

/// One change of what the file remembers. It applies only if the row still stands as `record` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertMove {
    /// What is to change.
    pub step: Step,
    /// The row as it was looked at; for a new one, as it is to be.
    pub record: AlertRecord,
    /// What is told, in the same commit.
    pub telling: Option<Telling>,
}

/// An alert and whom it is told to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// The alert's id.
    pub id: String,
    /// The alert as JSON.
    pub body: String,
    /// A notice is made for each.
    pub targets: Vec<String>,
    /// When a notice that nobody took is given up.
    pub expires_at: Timestamp,
}

/// Notices that one target did not take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    /// Which target.
    pub target: String,
    /// Notices that were tried in vain and wait.
    pub waiting: u64,
    /// Notices that were given up lately.
    pub given_up: u64,
    /// Why the latest was not taken.
    pub error: String,
    /// When the first of them was made.
    pub since: Timestamp,
}

/// The callback's name among the targets.
pub const CALLBACK: &str = "callback";

/// How the one line of a refusal's kind is found.
pub fn key_of(r#type: AlertType, destination: Option<&str>, code: Option<&str>) -> String {
    [Some(r#type.as_str()), destination, code].into_iter().flatten().collect::<Vec<_>>().join("/")
}
