//! From what a caller hands in to messages that are ready to be stored: read, check, resolve the destination and the lane.
//!
//! Pure, and run on the store's thread (`store::Prepare`), so a call costs the JS thread a copy and nothing more.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::clock::{Clock, Timestamp};
use crate::config::{Destination, OrderBy, Settings};
use crate::error::{OutboxError, code};
use crate::hl7::check::{CheckOptions, Severity, check_read};
use crate::hl7::{self, Envelope, Message, Source};
use crate::message::{Body, Expiry, LaneKey, NewMessage, Priority, TRACEPARENT, Tags};
use crate::status::MessageView;

/// Most labels of a message, [`TRACEPARENT`] not counted.
pub const TAGS_MAX: usize = 8;
/// Longest key of a label, in characters.
pub const TAG_KEY_MAX: usize = 32;
/// Longest value of a label, in characters.
pub const TAG_VALUE_MAX: usize = 128;
/// Longest ordering key of a caller's own, in bytes.
pub const ORDERING_KEY_MAX: usize = 1_024;
/// Most destinations of one message.
pub const DESTINATIONS_MAX: usize = 16;
/// Most messages of one batch.
pub const BATCH_MAX: usize = 10_000;

/// What a caller may say about a message.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnqueueOptions {
    /// One receiver; the default destination if absent.
    pub destination: Option<String>,
    /// Several receivers: a row and an id each, one commit, all or none.
    pub destinations: Option<Vec<String>>,
    /// Instead of the destination's `orderBy`; `Some(None)` for no order.
    #[serde(default, deserialize_with = "crate::config::given")]
    pub ordering_key: Option<Option<String>>,
    /// Searchable labels.
    #[serde(default)]
    pub tags: Tags,
    /// Which lanes go first.
    #[serde(default)]
    pub priority: Priority,
    /// Stored as HELD: not sent until a person releases it.
    #[serde(default)]
    pub hold: bool,
    /// Instead of the destination's `retry.expiresInMs`; `Some(None)` for never.
    #[serde(default, deserialize_with = "crate::config::given")]
    pub expires_in_ms: Option<Option<u64>>,
    /// ISO time before which it is not sent.
    pub not_before: Option<String>,
    /// Its own limit of counted attempts.
    pub max_attempts: Option<u32>,
    /// Refuse the message if a check finds an error.
    #[serde(default)]
    pub check: Option<CheckOptions>,
}

/// One message as handed in. Debug would show the message, so there is none.
pub struct EnqueueRequest {
    /// The bytes.
    pub message: Vec<u8>,
    /// A string or bytes.
    pub source: Source,
    /// The caller's options.
    pub options: EnqueueOptions,
}

impl EnqueueRequest {
    /// A stored message as its destination's settings alone would take it.
    pub fn of_stored(content: Vec<u8>, stored: &MessageView) -> Self {
        let options = EnqueueOptions { destination: Some(stored.destination.clone()), ..EnqueueOptions::default() };
        Self { message: content, source: Source::Bytes, options }
    }

    /// A correction of `old`: for the same receiver, with its labels and priority.
    #[must_use]
    pub fn in_place_of(mut self, old: &MessageView) -> Self {
        self.options.destination = Some(old.destination.clone());
        self.options.tags.clone_from(&old.tags);
        self.options.priority = old.priority;
        self
    }
}

/// Prepares all messages of one call. With several, an error says which one is wrong; none is stored then.
pub fn prepare(
    settings: &Settings,
    clock: &dyn Clock,
    requests: Vec<EnqueueRequest>,
) -> Result<Vec<NewMessage>, OutboxError> {
    crate::fault!("enqueue-prepare", crate::faults::refused);
    let several = requests.len() > 1;
    if requests.len() > BATCH_MAX {
        return Err(option(&format!("the batch has {} messages; at most {BATCH_MAX} fit", requests.len())));
    }
    let mut prepared = Vec::with_capacity(requests.len());
    for (n, request) in requests.into_iter().enumerate() {
        let place = several.then_some(n + 1);
        prepare_one(settings, clock.now(), request, place, &mut prepared).map_err(|error| error.in_batch(place))?;
    }
    Ok(prepared)
}

fn option(what: &str) -> OutboxError {
    OutboxError::new(code::ERR_OPTION, what)
}

fn prepare_one(
    settings: &Settings,
    now: Timestamp,
    request: EnqueueRequest,
    batch_place: Option<usize>,
    into: &mut Vec<NewMessage>,
) -> Result<(), OutboxError> {
    let EnqueueRequest { message, source, options } = request;
    check_tags(&options.tags)?;
    if options.max_attempts == Some(0) {
        return Err(option("`maxAttempts` must be at least 1"));
    }
    if options.expires_in_ms == Some(Some(0)) {
        return Err(option("`expiresInMs` must be at least 1, or null"));
    }
    let not_before = match options.not_before.as_deref() {
        None => None,
        Some(text) => Some(Timestamp::from_iso(text).ok_or_else(|| option("`notBefore` is not a date"))?),
    };
    let destinations = destinations_of(settings, &options)?;
    let limits = hl7::Limits { message_bytes: settings.limits.message_bytes };
    let envelope = hl7::read(message, source, &limits)?;
    if let Some(check) = &options.check {
        refuse_errors(&envelope, check)?;
    }
    for destination in &destinations {
        check_processing_id(destination, &envelope)?;
    }
    let lanes = destinations
        .iter()
        .map(|destination| lane_of(destination, &envelope, options.ordering_key.as_ref()))
        .collect::<Result<Vec<_>, _>>()?;
    let application_ack = envelope.application_ack;
    let body = Body::new(envelope.bytes);
    for (destination, (lane, warning)) in destinations.iter().zip(lanes) {
        into.push(NewMessage {
            destination: Arc::clone(&destination.name),
            control_id: envelope.control_id.clone(),
            message_type: envelope.message_type.clone(),
            lane,
            body: body.clone(),
            tags: options.tags.clone(),
            priority: options.priority,
            hold: options.hold,
            not_before: not_before.filter(|at| *at > now),
            expires: expiry(options.expires_in_ms),
            max_attempts: options.max_attempts,
            application_ack,
            batch_place,
            warning,
        });
    }
    Ok(())
}

#[expect(clippy::option_option, reason = "three cases: absent, null, a value")]
fn expiry(given: Option<Option<u64>>) -> Expiry {
    match given {
        None => Expiry::AsDestination,
        Some(None) => Expiry::Never,
        Some(Some(ms)) => Expiry::After(Duration::from_millis(ms)),
    }
}

fn check_tags(tags: &Tags) -> Result<(), OutboxError> {
    let count = tags.len() - usize::from(tags.contains_key(TRACEPARENT));
    if count > TAGS_MAX {
        return Err(option(&format!("`tags` has {count} entries; at most {TAGS_MAX} fit")));
    }
    for (n, (key, value)) in tags.iter().enumerate() {
        if key.is_empty() || key.chars().count() > TAG_KEY_MAX {
            return Err(option(&format!("key {} of `tags` is not 1 to {TAG_KEY_MAX} characters long", n + 1)));
        }
        if value.chars().count() > TAG_VALUE_MAX {
            return Err(option(&format!("value {} of `tags` is longer than {TAG_VALUE_MAX} characters", n + 1)));
        }
    }
    Ok(())
}

fn destinations_of<'a>(
    settings: &'a Settings,
    options: &EnqueueOptions,
) -> Result<Vec<&'a Arc<Destination>>, OutboxError> {
    let find = |name: &str| {
        settings.destinations.get(name).ok_or_else(|| {
            let known: Vec<&str> = settings.destinations.keys().map(String::as_str).collect();
            let known = if known.is_empty() {
                String::from("none is configured")
            } else {
                format!("configured: {}", known.join(", "))
            };
            OutboxError::new(code::ERR_UNKNOWN_DESTINATION, format!("the destination is not configured ({known})"))
        })
    };
    match (&options.destination, &options.destinations) {
        (Some(_), Some(_)) => Err(option("pass `destination` or `destinations`, not both")),
        (Some(name), None) => Ok(vec![find(name)?]),
        (None, Some(names)) => {
            if names.is_empty() || names.len() > DESTINATIONS_MAX {
                return Err(option(&format!("`destinations` must name 1 to {DESTINATIONS_MAX} receivers")));
            }
            for (n, name) in names.iter().enumerate() {
                if names[..n].contains(name) {
                    return Err(option("`destinations` names a receiver twice"));
                }
            }
            names.iter().map(|name| find(name)).collect()
        }
        (None, None) => match &settings.default_destination {
            Some(name) => Ok(vec![find(name)?]),
            None if settings.destinations.is_empty() => find("").map(|destination| vec![destination]),
            None => Err(OutboxError::plain(code::ERR_DESTINATION_REQUIRED)),
        },
    }
}

fn check_processing_id(destination: &Destination, envelope: &Envelope) -> Result<(), OutboxError> {
    match &destination.processing_ids {
        Some(allowed) if !allowed.contains(&envelope.processing_id) => Err(OutboxError {
            segment: Some(String::from("MSH")),
            field: Some(11),
            ..OutboxError::new(
                code::ERR_PROCESSING_ID,
                format!("MSH-11 is not among the processingIds of `{}` ({})", destination.name, allowed.join(", ")),
            )
        }),
        _ => Ok(()),
    }
}

/// Refuses a message with an error in it; the error tells the place of the first and how many there are.
fn refuse_errors(envelope: &Envelope, options: &CheckOptions) -> Result<(), OutboxError> {
    let findings = check_read(&envelope.bytes, options);
    let mut errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
    let Some(first) = errors.next() else { return Ok(()) };
    let count = match errors.count() {
        0 => "1 error".to_owned(),
        more => format!("{} errors", more + 1),
    };
    let message = format!("the check found {count}; the first is {}: {}", first.code, first.message);
    Err(OutboxError {
        segment: Some(first.segment),
        field: first.field_number,
        ..OutboxError::new(code::ERR_CHECK_FAILED, message)
    })
}

type Lane = (Option<LaneKey>, Option<&'static str>);

fn lane_of(destination: &Destination, envelope: &Envelope, own: Option<&Option<String>>) -> Result<Lane, OutboxError> {
    match (own, &destination.order_by) {
        (Some(None), _) | (None, None) => Ok((None, None)),
        (Some(Some(key)), _) if key.is_empty() || key.len() > ORDERING_KEY_MAX => {
            Err(option(&format!("`orderingKey` must be 1 to {ORDERING_KEY_MAX} bytes long, or null")))
        }
        // A caller's key and a patient's never meet by chance: the first byte tells them apart.
        (Some(Some(key)), _) => Ok((Some(tagged(b'k', key.as_bytes())), None)),
        (None, Some(OrderBy::Patient)) => Ok(match &envelope.patient {
            Some(patient) => (Some(tagged(b'p', &patient.to_bytes())), None),
            None => (None, Some("no-patient-id")),
        }),
        (None, Some(OrderBy::Field(path))) => {
            let message = Message::new(&envelope.bytes);
            Ok(match message.as_ref().and_then(|message| message.value(path)) {
                Some(value) if !value.is_empty() => (Some(tagged(b'f', value)), None),
                _ => (None, Some("no-ordering-field")),
            })
        }
    }
}

fn tagged(kind: u8, key: &[u8]) -> LaneKey {
    let mut bytes = Vec::with_capacity(key.len() + 1);
    bytes.push(kind);
    bytes.extend_from_slice(key);
    LaneKey::new(bytes)
}
