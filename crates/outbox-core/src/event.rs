//! What the outbox tells its listeners: one line per committed change of state, and one per committed end of an attempt.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::message::{MessageId, Tags};
use crate::state::State;
use crate::status::{AttemptView, Failure};

/// A committed move of one message from one state to another.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusChange {
    /// Its place among all changes of the file, opaque to callers.
    pub cursor: String,
    /// When it was committed.
    pub at: Timestamp,
    /// The message.
    pub id: MessageId,
    /// MSH-10.
    pub control_id: String,
    /// The receiver's name.
    pub destination: String,
    /// The state before; `null` for a new message.
    pub from: Option<State>,
    /// The state after.
    pub to: State,
    /// Counted attempts.
    pub attempts: u32,
    /// Why it is a dead letter.
    pub failure: Option<Failure>,
    /// Its labels.
    pub tags: Tags,
}

/// A committed end of one attempt.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptEnded {
    /// The message.
    pub id: MessageId,
    /// The receiver's name.
    pub destination: String,
    /// The trace in which the message was stored ([`TRACEPARENT`](crate::message::TRACEPARENT)).
    pub traceparent: Option<String>,
    /// The attempt as it stands in the file.
    #[serde(flatten)]
    pub attempt: AttemptView,
}

/// Hears the changes of one commit, after it, in commit order.
pub trait Observer: Send + Sync + 'static {
    /// Whether anybody listens; while nobody does, changes are not even described.
    fn listens(&self) -> bool;
    /// Called on the store's writer thread: it must be quick.
    fn hear(&self, changes: Vec<StatusChange>);
    /// Whether anybody follows attempts; while nobody does, their ends are not even described.
    fn follows_attempts(&self) -> bool {
        false
    }
    /// Called as [`Self::hear`] is, with the attempts that ended in the commit.
    fn attempts_ended(&self, _ended: Vec<AttemptEnded>) {}
    /// How long a commit took that wrote something, its flush included. Called on the same thread.
    fn committed(&self, _took: std::time::Duration) {}
    /// A command on many messages stands between two of its parts, and waits for what is answered here. Called on a reader's
    /// thread: for tests, which let other things happen meanwhile.
    fn at_seam(&self) {}
}
