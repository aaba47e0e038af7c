//! From JavaScript's values to the core's, and the few shapes that cross as JSON.

use std::collections::HashMap;

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use outbox_core::enqueue::{EnqueueOptions, EnqueueRequest};
use outbox_core::error::{OutboxError, code};
use outbox_core::hl7::Source;
use outbox_core::hl7::check::CheckOptions;
use outbox_core::message::{MessageId, Priority};
use outbox_core::status::{ListRequest, MessageFilter};
use outbox_core::store::{By, Command, MessageRef};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// `EnqueueOptions` as the facade flattens them: plain values cross the border at a fraction of the cost of nested ones.
#[napi(object)]
#[derive(Default)]
pub struct FlatOptions {
    /// One receiver.
    pub destination: Option<String>,
    /// Several receivers.
    pub destinations: Option<Vec<String>>,
    /// The caller's ordering key.
    pub ordering_key: Option<String>,
    /// `orderingKey: null`.
    pub unordered: Option<bool>,
    /// Keys and values in turn.
    pub tags: Option<Vec<String>>,
    /// ISO time.
    pub not_before: Option<String>,
    /// Limit of counted attempts.
    pub max_attempts: Option<u32>,
    /// Whether its lane goes first.
    pub urgent: Option<bool>,
    /// Stored as HELD.
    pub hold: Option<bool>,
    /// How long it may wait.
    pub expires_in_ms: Option<f64>,
    /// `expiresInMs: null`.
    pub never_expires: Option<bool>,
    /// Whose rules the message is checked by first.
    pub check: Option<FlatCheck>,
}

/// The profiles of a check.
#[napi(string_enum = "lowercase")]
pub enum Profile {
    /// HL7 2.5.1.
    Hl7,
    /// Malaffi's besides.
    Malaffi,
}

impl From<Profile> for outbox_core::hl7::check::Profile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Hl7 => Self::Hl7,
            Profile::Malaffi => Self::Malaffi,
        }
    }
}

/// How a message is checked.
#[napi(object)]
#[derive(Default)]
pub struct FlatCheck {
    /// Whose rules.
    pub profile: Option<Profile>,
    /// The ids of doctors that the receiver knows.
    pub doctor_ids: Option<Vec<String>>,
}

impl From<FlatCheck> for CheckOptions {
    fn from(flat: FlatCheck) -> Self {
        Self { profile: flat.profile.map(Into::into).unwrap_or_default(), doctor_ids: flat.doctor_ids }
    }
}

impl From<FlatOptions> for EnqueueOptions {
    fn from(flat: FlatOptions) -> Self {
        let mut words = flat.tags.into_iter().flatten();
        let mut tags = outbox_core::message::Tags::new();
        while let (Some(key), Some(value)) = (words.next(), words.next()) {
            tags.insert(key, value);
        }
        let ordering_key = match (flat.unordered, flat.ordering_key) {
            (Some(true), _) => Some(None),
            (_, key) => key.map(Some),
        };
        let expires_in_ms = match (flat.never_expires, flat.expires_in_ms) {
            (Some(true), _) => Some(None),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number, by the facade"
            )]
            (_, ms) => ms.map(|ms| Some(ms as u64)),
        };
        Self {
            destination: flat.destination,
            destinations: flat.destinations,
            ordering_key,
            tags,
            not_before: flat.not_before,
            max_attempts: flat.max_attempts,
            priority: if flat.urgent == Some(true) { Priority::Urgent } else { Priority::Routine },
            hold: flat.hold.unwrap_or(false),
            expires_in_ms,
            check: flat.check.map(CheckOptions::from),
        }
    }
}

/// A message with its options. The bytes are copied once, from JavaScript's memory into ours.
pub(crate) fn request(message: Either<&[u8], String>, options: Option<FlatOptions>) -> EnqueueRequest {
    let (message, source) = match message {
        Either::A(bytes) => (bytes.to_vec(), Source::Bytes),
        Either::B(text) => (text.into_bytes(), Source::Text),
    };
    EnqueueRequest { message, source, options: options.map(EnqueueOptions::from).unwrap_or_default() }
}

/// The arguments of `listMessages`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct List {
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
    cursor: Option<String>,
    limit: Option<u32>,
    order: Option<Order>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Order {
    Newest,
    Oldest,
}

pub(crate) fn list(json: &str) -> Result<ListRequest, OutboxError> {
    let list: List = parse(json)?;
    Ok(ListRequest {
        filter: parse(&serde_json::Value::Object(list.rest).to_string())?,
        cursor: list.cursor,
        limit: list.limit,
        oldest_first: list.order == Some(Order::Oldest),
    })
}

/// `{ destination }`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfDestination {
    destination: String,
}

/// `{ id, attempt }`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfMessage {
    id: String,
    attempt: Option<u32>,
}

/// `{ ids }`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfMessages {
    ids: Vec<String>,
}

/// A command by its name, with its argument as JSON.
pub(crate) fn command(name: &str, argument: &str, allow_overtaken: bool) -> Result<Command, OutboxError> {
    let destination = || parse::<OfDestination>(argument).map(|of| of.destination);
    Ok(match name {
        "retry" => Command::Retry { filter: filter(argument)?, allow_overtaken },
        "release" => Command::Release { filter: filter(argument)?, allow_overtaken },
        "resend" => Command::Resend { filter: filter(argument)?, allow_overtaken },
        "cancel" => Command::Cancel { filter: filter(argument)? },
        "hold" => Command::Hold { filter: filter(argument)? },
        "purge" => Command::Purge { filter: filter(argument)? },
        "pause" => Command::Pause { destination: destination()? },
        "resume" => Command::Resume { destination: destination()? },
        "reveal" => {
            let of: OfMessage = parse(argument)?;
            Command::Reveal { id: id(&of.id)?, attempt: of.attempt }
        }
        "export" => {
            let of: OfMessages = parse(argument)?;
            Command::Export { ids: of.ids.iter().map(|text| id(text)).collect::<Result<_, _>>()? }
        }
        _ => return Err(OutboxError::new(code::ERR_OPTION, "no such command")),
    })
}

pub(crate) fn filter(json: &str) -> Result<MessageFilter, OutboxError> {
    parse(json)
}

/// `{ actor, reason, allowOvertaken }`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Commander {
    pub(crate) actor: String,
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) allow_overtaken: bool,
}

impl Commander {
    pub(crate) fn by(self) -> By {
        By { actor: self.actor, reason: self.reason }
    }
}

pub(crate) fn commander(json: &str) -> Result<Commander, OutboxError> {
    parse(json)
}

pub(crate) fn id(text: &str) -> Result<MessageId, OutboxError> {
    text.parse()
}

/// A message by id, or by control id and destination.
pub(crate) fn reference(
    id: Option<String>,
    control_id: Option<String>,
    destination: String,
) -> Result<MessageRef, OutboxError> {
    match (id, control_id) {
        (Some(id), _) => id.parse().map(MessageRef::Id),
        (None, Some(control_id)) => Ok(MessageRef::ControlId { control_id, destination }),
        (None, None) => Err(OutboxError::new(code::ERR_OPTION, "pass an id, or an object with a `controlId`")),
    }
}

/// Reads JSON from the facade; the error names the place, never the value.
pub(crate) fn parse<T: DeserializeOwned>(json: &str) -> Result<T, OutboxError> {
    outbox_core::config::parse(json, code::ERR_OPTION, "the argument")
}

/// The environment as the facade hands it over.
pub(crate) fn environment(json: &str) -> HashMap<String, String> {
    serde_json::from_str(json).unwrap_or_default()
}
