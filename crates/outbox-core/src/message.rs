//! A message on its way into the store, and the types that keep its content from being printed by accident.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::{OutboxError, code};
use crate::hl7::AckCondition;

/// Our identifier of a message: a `UUIDv7`, opaque to callers. Order never depends on it. Its last bytes carry the message's
/// number in its file, so that a store finds the message without an index of ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId(Uuid);

/// Bytes of an id that hold the number: a million messages a second for twelve days.
const SEQ_BYTES: usize = 5;

impl MessageId {
    /// The identifier of message number `seq`, stored at `now`. What is left of the sixteen bytes is random, so that an id of
    /// another file is not taken for one of this.
    pub fn new(now: Timestamp, seq: i64) -> Self {
        let mut random = [0_u8; 10];
        fastrand::fill(&mut random[..10 - SEQ_BYTES]);
        random[10 - SEQ_BYTES..].copy_from_slice(&seq.to_be_bytes()[8 - SEQ_BYTES..]);
        Self(uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.0).unwrap_or(0), &random).into_uuid())
    }

    /// The number that it carries.
    pub fn seq(&self) -> i64 {
        let mut seq = [0_u8; 8];
        seq[8 - SEQ_BYTES..].copy_from_slice(&self.0.as_bytes()[16 - SEQ_BYTES..]);
        i64::from_be_bytes(seq)
    }

    /// When the message was stored, by the wall clock of its store.
    pub fn stored_at(&self) -> Option<Timestamp> {
        let (seconds, nanoseconds) = self.0.get_timestamp()?.to_unix();
        let seconds = i64::try_from(seconds).ok()?;
        Some(Timestamp(seconds.saturating_mul(1_000).saturating_add(i64::from(nanoseconds / 1_000_000))))
    }

    /// The sixteen bytes as stored.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From the sixteen bytes as stored.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = OutboxError;

    fn from_str(text: &str) -> Result<Self, OutboxError> {
        Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| OutboxError::new(code::ERR_MESSAGE_ID, "the id is not one that enqueueHl7 gave"))
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The bytes of a message. Debug shows the length only: they are a patient's record.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Bytes);

impl Body {
    /// Wraps bytes without copying them.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the two who may see them: the store and the transport.
    pub fn reveal(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// What orders messages: those of one destination with equal keys are delivered strictly one after another.
/// Usually a patient's identifier, so Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct LaneKey(Vec<u8>);

impl LaneKey {
    /// A key from its exact bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the store, which keeps only a keyed hash of them.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LaneKey(…)")
    }
}

/// Which lanes go first when several could. Within a lane it changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// In its turn.
    #[default]
    Routine,
    /// Its lane goes before routine ones that have not waited [`Priority::HEAD_START`] longer.
    Urgent,
}

impl Priority {
    /// By how much an urgent message is treated as older than it is. A routine lane that has waited so much longer goes
    /// first: nothing starves.
    pub const HEAD_START: Duration = Duration::from_secs(15 * 60);
}

/// How long a message may wait. Looked at when it is claimed, never while it is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// As its destination says.
    #[default]
    AsDestination,
    /// For ever.
    Never,
    /// So long after it was stored, fell due for the first time, was released, or was last retried by a person.
    After(Duration),
}

/// Searchable labels of a message, such as a school's or a visit's number.
pub type Tags = BTreeMap<String, String>;

/// The key among the labels that holds the trace in which a message was stored, as W3C Trace Context writes it. It lives and goes
/// with the other labels, is not searchable, and does not count among them.
pub const TRACEPARENT: &str = "traceparent";

/// A message that was read and checked, ready to be stored.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The receiver's configured name.
    pub destination: Arc<str>,
    /// MSH-10.
    pub control_id: String,
    /// MSH-9 as `ADT^A08`.
    pub message_type: String,
    /// What orders it; `None` gives it a lane of its own.
    pub lane: Option<LaneKey>,
    /// The normalised bytes, exactly as they will be sent.
    pub body: Body,
    /// Searchable labels.
    pub tags: Tags,
    /// Whether its lane goes before others.
    pub priority: Priority,
    /// Stored as HELD, to be sent when a person releases it.
    pub hold: bool,
    /// Not to be sent, and not standing in its lane, before this time.
    pub not_before: Option<Timestamp>,
    /// How long it may wait before it becomes a dead letter.
    pub expires: Expiry,
    /// This message's own limit of counted attempts, if the caller gave one.
    pub max_attempts: Option<u32>,
    /// MSH-16: when an application acknowledgement is asked for.
    pub application_ack: Option<AckCondition>,
    /// Its place in a batch, from 1, for errors to name; `None` for a message that came alone.
    pub batch_place: Option<usize>,
    /// Something the caller should know although the message was taken.
    pub warning: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_never_shown_by_debug() {
        let body = Body::new(&b"PID|1||000TEST42"[..]);
        let lane = LaneKey::new(b"000TEST42".to_vec());
        let shown = format!("{body:?} {lane:?}");
        assert!(!shown.contains("TEST42"), "{shown}");
    }

    #[test]
    fn an_id_reads_back_and_sorts_by_its_time() {
        let early = MessageId::new(Timestamp(1_000), 7_000_000_000);
        let late = MessageId::new(Timestamp(2_000), 3);
        assert_eq!((early.seq(), late.seq()), (7_000_000_000, 3));
        assert_eq!(early.to_string().parse::<MessageId>().ok(), Some(early));
        assert!(early.as_bytes() < late.as_bytes());
        assert!("not-an-id".parse::<MessageId>().is_err());
    }
}
