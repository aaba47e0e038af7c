//! The seam between the outbox and where messages are kept.
//!
//! Every method returns at once. Writes are queued and committed in groups; `done` is called after the commit (or with
//! the reason why there was none), never before. A store must pass `outbox_testing::conformance` whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use crate::acknowledgement::Outcome;
use crate::alert::{AlertMove, AlertView, Notice, NoticeEnd, Undelivered};
use crate::clock::Timestamp;
use crate::error::OutboxError;
use crate::event::StatusChange;
use crate::hl7::AckCondition;
use crate::message::{Body, MessageId, NewMessage};
use crate::refusals::{RefusalFilter, RefusalOrder, Refusals};
use crate::retention::{Place, Retention, Swept};
use crate::retry::Next;
use crate::state::State;
use crate::status::{
    AttemptView, Changed, Counted, DestinationState, ListRequest, MessageFilter, MessageView, Page, Stats,
};

/// Hears the result of an operation, exactly once.
pub type Done<T> = Box<dyn FnOnce(Result<T, OutboxError>) + Send>;

/// Reads and checks what a caller wants to enqueue. The store runs it on its own thread, outside any transaction, so
/// that reading HL7 costs the caller's thread nothing.
pub type Prepare = Box<dyn FnOnce() -> Result<Vec<NewMessage>, OutboxError> + Send>;

/// A message that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Our id: the first one given, if this is a duplicate.
    pub id: MessageId,
    /// MSH-10.
    pub control_id: String,
    /// The receiver's name.
    pub destination: Arc<str>,
    /// Its present state.
    pub state: State,
    /// The same bytes were stored before; nothing changed.
    pub duplicate: bool,
}

/// What one attempt came to, for the record.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRecord {
    /// The outcome.
    pub outcome: Outcome,
    /// The row of the outcome table that decided.
    pub row: &'static str,
    /// Stable reason code.
    pub code: String,
    /// HTTP status.
    pub http_status: Option<u16>,
    /// MSA-1.
    pub ack_code: Option<String>,
    /// ERR-3 and ERR-5 codes.
    pub err_codes: Vec<String>,
    /// Bytes of the message handed over.
    pub bytes_sent: u64,
    /// Whether it counts.
    pub counted: bool,
    /// Something worth knowing about an accepted message.
    pub warning: Option<&'static str>,
    /// The raw answer.
    pub answer: Option<Vec<u8>>,
}

/// The end of an attempt. It applies only to the attempt that was claimed: a completion that comes late, after a
/// take-over, changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The message.
    pub seq: i64,
    /// The attempt, as claimed.
    pub attempt: u32,
    /// What it came to.
    pub record: AttemptRecord,
    /// What follows.
    pub next: Next,
    /// If it becomes a dead letter: its lane waits for a person.
    pub holds_lane: bool,
}

/// The time for which a process has the lead. A turn that waits for its commit may outlive it, and the next dispatcher may have
/// recovered open claims by then: what it claimed, nobody would send.
#[derive(Clone, Debug, Default)]
pub struct Term(Arc<AtomicBool>);

impl Term {
    /// Ends it, before the lead is free for others.
    pub fn end(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// One exchange of a destination's driver with the store, one commit: ended attempts in, due messages out.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The destination.
    pub destination: Arc<str>,
    /// Attempts that ended.
    pub completions: Vec<Completion>,
    /// Earlier attempts that count no more: the destination was to blame, as it turned out. Their messages are due now; a dead
    /// letter that came of such an attempt is pending again.
    pub given_back: Vec<(i64, u32)>,
    /// Most messages to claim; none while the destination is paused.
    pub claim: u32,
    /// A message to claim only if there is no other: the last probe was made with it.
    pub avoid: Option<i64>,
    /// How long messages may wait that say nothing themselves; `None` for ever.
    pub expires: Option<Duration>,
    /// Attempts with an unknown end before a message becomes a dead letter, whoever died meanwhile.
    pub indeterminate_max: u32,
    /// If a message becomes a dead letter before it is sent: its lane waits for a person.
    pub holds_lane: bool,
    /// For how long it may claim. The store looks inside of the commit, when it has the lock that all processes share: a claim is
    /// on disk before the next dispatcher recovers, or is not made.
    pub term: Term,
}

/// A lane without the patient: a keyed hash of the destination and the ordering key.
pub type LaneHash = [u8; 16];

/// A message whose claim is on disk: it may now be sent.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The message.
    pub seq: i64,
    /// Our id.
    pub id: MessageId,
    /// The number of this attempt, 1 for the first; the fence of its completion.
    pub attempt: u32,
    /// What identifies its lane; `None` for a message without order.
    pub lane: Option<LaneHash>,
    /// MSH-10.
    pub control_id: Arc<str>,
    /// The exact bytes, checked against their digest.
    pub body: Body,
    /// Counted attempts before this one.
    pub attempts: u32,
    /// Attempts with an unknown end before this one, since a person last retried it.
    pub indeterminates: u32,
    /// The receiver may have it already, whatever the counters say.
    pub possible_duplicate: bool,
    /// The message's own limit.
    pub attempts_max: Option<u32>,
    /// MSH-16: when an application acknowledgement is asked for.
    pub application_ack: Option<AckCondition>,
}

/// What a turn gave.
#[derive(Debug, Default)]
pub struct TurnResult {
    /// Messages to send now.
    pub claimed: Vec<Claimed>,
    /// When the next message that could not be claimed is due; `None` when none waits for its time.
    pub next_due: Option<Timestamp>,
    /// There was more to look at than one turn may take.
    pub more: bool,
    /// Whether a person paused the destination.
    pub paused: bool,
    /// Counts the changes of its configuration at run time.
    pub patches: i64,
    /// Counts the manual retries of the destination: a change asks the driver for a probe now.
    pub nudges: i64,
}

/// Who commands, and why; recorded with what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// A person or a program.
    pub actor: String,
    /// In the actor's words.
    pub reason: Option<String>,
}

/// How far a command has come, for who waits for it; and whether it is to end at its next seam.
#[derive(Debug, Default)]
pub struct Course {
    changed: AtomicU64,
    ended: AtomicBool,
}

impl Course {
    /// Messages that are changed and on disk.
    pub fn changed(&self) -> u64 {
        self.changed.load(Ordering::Relaxed)
    }

    /// So many more.
    pub fn add(&self, changed: u64) {
        self.changed.fetch_add(changed, Ordering::Relaxed);
    }

    /// Nobody wants the rest any more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether that was said.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// An order of a person.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// PENDING: due now. FAILED, CANCELLED: pending again in the old place of the lane, attempts and error reset.
    Retry {
        /// Which messages.
        filter: MessageFilter,
        /// Also those that later messages of their lane have overtaken.
        allow_overtaken: bool,
    },
    /// Withdraws messages that were not delivered.
    Cancel {
        /// Which messages.
        filter: MessageFilter,
    },
    /// Takes PENDING messages out of their lanes, until they are released.
    Hold {
        /// Which messages.
        filter: MessageFilter,
    },
    /// Lets HELD messages into the old places of their lanes.
    Release {
        /// Which messages.
        filter: MessageFilter,
        /// Also those that later messages of their lane have overtaken.
        allow_overtaken: bool,
    },
    /// Sends delivered messages again, marked as possible duplicates.
    Resend {
        /// Which messages.
        filter: MessageFilter,
        /// Also those that later messages of their lane have overtaken.
        allow_overtaken: bool,
    },
    /// Withdraws what was not delivered, and removes contents, attempts and answers; a tombstone stays.
    Purge {
        /// Which messages.
        filter: MessageFilter,
    },
    /// Changes a destination's configuration, for every process and for messages that wait.
    Configure {
        /// Its name.
        destination: String,
        /// The keys that change, as JSON: the whole of what persons have changed, merged by the caller.
        patch: String,
    },
    /// Takes such changes back.
    Reset {
        /// Its name.
        destination: String,
    },
    /// Stops sending to a destination.
    Pause {
        /// Its name.
        destination: String,
    },
    /// Somebody looks at content: nothing changes, but it is on record.
    Reveal {
        /// The message.
        id: MessageId,
        /// The attempt whose answer is looked at; `None` for the message itself.
        attempt: Option<u32>,
    },
    /// Somebody copies messages out: nothing changes, but each of them is on record.
    Export {
        /// The messages.
        ids: Vec<MessageId>,
    },
    /// Takes a pause back.
    Resume {
        /// Its name.
        destination: String,
    },
    /// Notes on a group of dead letters who sees to it, what to know of it, and whether its cause is mended.
    Rectify(RefusalOrder),
}

/// How a caller names one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageRef {
    /// By our id.
    Id(MessageId),
    /// By MSH-10, unique within a destination.
    ControlId {
        /// MSH-10.
        control_id: String,
        /// The destination.
        destination: String,
    },
}

/// A message with its place in its lane.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaidOut {
    /// As callers see it.
    #[serde(flatten)]
    pub view: MessageView,
    /// Messages with the same word must keep their order; `None` for no order. A keyed hash: it says nothing of the patient.
    pub lane: Option<String>,
    /// The order within the lane, lowest first.
    pub position: i64,
    /// Whether its bytes are still those that were stored.
    pub is_whole: bool,
}

/// What the file remembers of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationRecord {
    /// Its name.
    pub name: String,
    /// Since when a person has it paused, and why.
    pub paused: Option<(Timestamp, Option<String>)>,
    /// What persons changed of its configuration, as JSON.
    pub patch: Option<String>,
    /// What the dispatcher last said of it, since when, and why.
    pub state: DestinationState,
    /// Since when it is so.
    pub since: Timestamp,
    /// Why.
    pub reason: Option<String>,
    /// Messages PENDING.
    pub pending: u64,
    /// Attempts going on.
    pub in_flight: u64,
}

/// Facts about the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreInfo {
    /// Size of the database in bytes.
    pub bytes: u64,
    /// Size of its write-ahead log in bytes.
    pub wal_bytes: u64,
    /// Free bytes on its file system.
    pub disk_free_bytes: u64,
    /// Version of the engine.
    pub engine_version: String,
    /// Version of the schema.
    pub schema: u32,
    /// What the latest dispatcher would send with ([`Store::note_configuration`]).
    pub configuration: Option<String>,
    /// Why the store takes nothing more, once it has failed.
    pub failed: Option<String>,
    /// Alerts that were tried to be handed over in vain, by target.
    pub undelivered: Vec<Undelivered>,
}

/// Notices commits of any process on the file.
pub trait ChangeWatch: Send {
    /// Whether anything was committed since the last call.
    fn changed(&mut self) -> Result<bool, OutboxError>;
}

/// Keeps messages.
pub trait Store: Send + Sync + 'static {
    /// Stores messages, all of one call or none. Within one thread the order of the calls is the order of `seq`.
    fn enqueue(&self, prepare: Prepare, done: Done<Vec<Admitted>>);
    /// Ends attempts and claims due messages, in one commit.
    fn turn(&self, turn: Turn, done: Done<TurnResult>);
    /// On taking the lead: every open claim of a dead dispatcher becomes an attempt with an unknown end. Answers how many.
    fn recover(&self, done: Done<u64>);
    /// After a jump of the wall clock: nothing waits longer than its own delay from now. Answers how many were mended.
    fn mend_due(&self, done: Done<u64>);
    /// Removes a batch of what need not be kept any more, within a few milliseconds, and says where to go on. PENDING, HELD and
    /// FAILED messages are never touched, and of a message that leaves a tombstone stays.
    fn sweep(&self, retention: Retention, from: Place, done: Done<Swept>);
    /// Carries out and records an order. One that means many messages is carried out in parts, a commit each, with other work in
    /// between; an error after the first of them says how many are changed (`count`). docs/states.md has the rules.
    fn command(&self, command: Command, by: By, course: Arc<Course>, done: Done<Changed>);
    /// Stores the first message of `prepare` in the lane place of a FAILED or HELD one, which becomes CANCELLED. The second,
    /// if there is one, is the replaced message read anew: when its lane is not the one that it was stored in, that lane was
    /// its caller's choice, and the correction keeps it.
    fn replace(&self, id: MessageId, prepare: Prepare, by: By, done: Done<Admitted>);
    /// Remembers what the dispatcher sees of a destination, for other processes to show.
    fn note_destination(&self, name: Arc<str>, state: DestinationState, reason: Option<String>, done: Done<()>);

    /// Remembers what the dispatcher is configured with, for other processes to compare.
    fn note_configuration(&self, configuration: String, done: Done<()>);

    /// What is wrong, as far as the file knows, and what alerts are judged from.
    fn alert_view(&self, done: Done<AlertView>);
    /// Changes what the file remembers of alerts, with the notices that follow, in one commit; a move whose row stands otherwise
    /// by now is left out. `hears`: this process has a callback. Clears away what has passed its time. Answers how many were told.
    fn move_alerts(&self, moves: Vec<AlertMove>, hears: bool, done: Done<u64>);
    /// The next notice for a target, if one is due. Nobody else gets it until `lease` has passed; an earlier notice about the
    /// same thing comes first.
    fn claim_notice(&self, target: String, lease: Duration, done: Done<Option<Notice>>);
    /// Removes a notice that was taken, or says when it is tried again; only for the attempt that was claimed.
    fn end_notice(&self, end: NoticeEnd, done: Done<()>);

    /// One message.
    fn message(&self, which: MessageRef, done: Done<Option<MessageView>>);
    /// The bytes of a message.
    fn content(&self, id: MessageId, done: Done<Option<Vec<u8>>>);
    /// Its attempts, oldest first.
    fn attempts(&self, id: MessageId, done: Done<Vec<AttemptView>>);
    /// The raw answer of one attempt.
    fn answer(&self, id: MessageId, attempt: u32, done: Done<Option<Vec<u8>>>);
    /// A page of messages by key, never by offset.
    fn list(&self, request: ListRequest, done: Done<Page<MessageView>>);
    /// A page of messages with what it takes to hand them over elsewhere.
    fn laid_out(&self, request: ListRequest, done: Done<Page<LaidOut>>);
    /// How many messages a filter matches: exactly, or at least so many when that would take too long.
    fn count(&self, filter: MessageFilter, done: Done<Counted>);
    /// Figures.
    fn stats(&self, filter: MessageFilter, done: Done<Stats>);
    /// Dead letters by what they failed of, with what persons noted; without reading those that are not dead letters.
    fn refusals(&self, filter: RefusalFilter, done: Done<Refusals>);
    /// What persons changed of destinations' configurations, as JSON by name.
    fn patches(&self, done: Done<BTreeMap<String, String>>);
    /// Changes after a cursor (`None`: from the oldest kept), in commit order, at most `limit`.
    fn changes(&self, after: Option<String>, limit: u32, done: Done<Vec<StatusChange>>);
    /// The cursor behind the latest change.
    fn latest_cursor(&self, done: Done<String>);
    /// Where a named reader of the changes has come to; `None` for a new name.
    fn consumer(&self, name: String, done: Done<Option<String>>);
    /// Remembers it.
    fn note_consumer(&self, name: String, cursor: String, done: Done<()>);
    /// What the file remembers of destinations.
    fn destinations(&self, done: Done<Vec<DestinationRecord>>);
    /// Facts about the file.
    fn info(&self, done: Done<StoreInfo>);

    /// A watch on commits of any process.
    fn watch(&self) -> Result<Box<dyn ChangeWatch>, OutboxError>;
    /// Whether writes are refused after a failure of the disk, until the file has been checked, and why.
    fn failed(&self) -> Option<String>;
    /// How often that has happened: a dispatcher that finds more than before begins anew with what the file says.
    fn failures(&self) -> u64;
    /// Commits what was accepted, refuses what comes later, and waits for both, at most `timeout`.
    fn close(&self, timeout: Duration);
}

/// Waits for one operation, for threads that may wait: never a JS thread, never a task.
pub fn wait<T: Send + 'static>(operation: impl FnOnce(Done<T>)) -> Result<T, OutboxError> {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    operation(Box::new(move |result| drop(tell.send(result))));
    told.recv().unwrap_or_else(|_| Err(OutboxError::plain(crate::error::code::ERR_STORE_FAILED)))
}
