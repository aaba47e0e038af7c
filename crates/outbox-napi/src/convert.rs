//! From JavaScript's values to the core's, and the few shapes that cross as JSON.

use std::collections::HashMap;

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use outbox_core::enqueue::{EnqueueOptions, EnqueueRequest};
use outbox_core::error::{OutboxError, code};
use outbox_core::hl7::Source;
use outbox_core::hl7::check::CheckOptions;
use outbox_core::message::MessageId;
use outbox_core::status::{ListRequest, MessageFilter};
use outbox_core::store::{By, MessageRef};
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
        Self {
            destination: flat.destination,
            destinations: flat.destinations,
            ordering_key,
            tags,
            not_before: flat.not_before,
            max_attempts: flat.max_attempts,
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
