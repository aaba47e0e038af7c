//! The configuration: one shape in code, in `hl7-outbox.config.json` and for the command line.
//!
//! [`read`] turns text into [`OutboxConfig`] and names the key that is wrong; [`Settings::resolve`] fills in defaults and
//! the environment. Unknown keys are refused, so a misspelt limit never passes for a set one.

mod alerts;
mod destination;
mod lasting;
mod patch;
mod resolve;
mod secret;
mod settings;
mod url;

pub use alerts::{AlertSettings, AlertsConfig, Secrets, Thresholds, ThresholdsConfig, WebhookConfig, WebhookSettings};
pub(crate) use destination::given;
pub use destination::{Auth, DestinationConfig, OAuth2, OrderBy, Proxy, RateLimit, Retry, Timeouts, Tls};
pub use patch::read_patch;
pub use secret::Secret;
pub use settings::{Destination, Environment, Fingerprint, Limits, LogSettings, Resolver, Settings};
pub use url::{Address, Scheme};

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{OutboxError, code};

/// What the caller wrote. Everything is optional; [`Settings`] holds what is in force.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutboxConfig {
    /// The outbox file; absolute in production. Environment: `HL7_OUTBOX_PATH`.
    pub path: Option<String>,
    /// Named receivers.
    pub destinations: Option<BTreeMap<String, DestinationConfig>>,
    /// Where a message goes that names no destination.
    pub default_destination: Option<String>,
    /// `false`: enqueue and query only. Environment: `HL7_OUTBOX_DISPATCH=off`.
    pub dispatch: Option<bool>,
    /// Limits, each with a default.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// How long is kept what nobody waits for any more.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// Diagnostics.
    #[serde(default)]
    pub log: LogConfig,
    /// Whom alerts are told to.
    pub alerts: Option<AlertsConfig>,
}

/// Limits as written; see [`Limits`] for their defaults.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitsConfig {
    /// Largest accepted message, in bytes.
    pub message_bytes: Option<u64>,
    /// Most messages PENDING or HELD.
    pub pending_messages: Option<u64>,
    /// Most bytes waiting for the disk in this process.
    pub intake_bytes: Option<u64>,
    /// Largest part of the write-ahead log that cannot be folded back, in bytes.
    pub wal_bytes: Option<u64>,
    /// Longest wait for a commit, in milliseconds.
    pub enqueue_timeout_ms: Option<u64>,
}

/// How long what is kept, as written; see [`crate::retention::Retention`] for the defaults. `null` is for ever.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetentionConfig {
    /// Bytes and answers, in milliseconds after the end of a message.
    #[serde(default, deserialize_with = "given")]
    pub bodies_ms: Option<Option<u64>>,
    /// Rows, with attempts and labels.
    #[serde(default, deserialize_with = "given")]
    pub rows_ms: Option<Option<u64>>,
    /// Lines of the feed of changes.
    #[serde(default, deserialize_with = "given")]
    pub changes_ms: Option<Option<u64>>,
}

/// What is logged and where to, as JSON Lines without patient data.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogConfig {
    /// Environment: `HL7_OUTBOX_LOG`.
    pub level: Option<LogLevel>,
    /// A file instead of the standard error stream. Environment: `HL7_OUTBOX_LOG_FILE`.
    pub file: Option<String>,
    /// At this size the file gets a number and a new one begins.
    pub file_bytes: Option<u64>,
    /// How many numbered files are kept.
    pub files: Option<u32>,
}

/// The least severe line that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what needs a person.
    Error,
    /// Outages, refusals and what degrades the outbox.
    Warn,
    /// Starts, stops, take-overs.
    Info,
    /// Every attempt.
    Debug,
}

/// Reads a configuration from JSON. The error names the key by its path (`destinations.malaffi.retry`).
pub fn read(json: &str, source: &str) -> Result<OutboxConfig, OutboxError> {
    parse(json, code::ERR_CONFIG, source)
}

/// Reads any argument from JSON; the error names the place in `source`, never a value.
pub fn parse<T: DeserializeOwned>(json: &str, code: &'static str, source: &str) -> Result<T, OutboxError> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::from("the top level") } else { format!("`{path}`") };
        OutboxError::new(code, format!("{source}: at {place}: {}", describe(error.inner())))
    })?;
    reader.end().map_err(|_| OutboxError::new(code, format!("{source}: text follows the end")))?;
    Ok(value)
}

/// serde's words without its line and column, which mean nothing to a caller who passed an object; and without the
/// offending value, which could be a secret in the wrong place.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words);
    match (text.find("invalid type: string \""), text.rfind("\", expected")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}invalid type: a string{}", &text[..start], &text[end + 1..])
        }
        _ => match (text.find("unknown variant `"), text.rfind("`, expected")) {
            (Some(start), Some(end)) if start < end => format!("{}unknown value{}", &text[..start], &text[end + 1..]),
            _ => text.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_refused_by_its_path() {
        let error = read(r#"{"destinations":{"malaffi":{"url":"https://x.example","retyr":{}}}}"#, "the configuration")
            .unwrap_err();
        assert_eq!(error.code, code::ERR_CONFIG);
        assert!(error.message.contains("destinations.malaffi.retyr"), "{}", error.message);
    }

    #[test]
    fn a_value_in_the_wrong_place_is_not_repeated_in_the_error() {
        let error = read(r#"{"limits":"sk-not-a-real-secret"}"#, "the configuration").unwrap_err();
        assert!(!error.message.contains("sk-not"), "{}", error.message);
        assert!(error.message.contains("limits"), "{}", error.message);
        let error = read(r#"{"log":{"level":"sk-not-a-real-secret"}}"#, "the configuration").unwrap_err();
        assert!(!error.message.contains("sk-not"), "{}", error.message);
    }
}
