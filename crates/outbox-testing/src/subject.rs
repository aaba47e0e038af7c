//! A store under test, spoken to as a thread that may wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outbox_core::acknowledgement::Outcome;
use outbox_core::clock::Clock;
use outbox_core::error::OutboxError;
use outbox_core::event::{AttemptEnded, Observer, StatusChange};
use outbox_core::message::{MessageId, NewMessage};
use outbox_core::retry::{Next, Reason};
use outbox_core::state::State;
use outbox_core::status::{Changed, ListRequest, MessageFilter, MessageView, Page};
use outbox_core::store::{
    Admitted, AttemptRecord, By, Claimed, Command, Completion, MessageRef, Store, Term, Turn, TurnResult, wait,
};

use tempfile::TempDir;

use crate::clock::ManualClock;
use crate::messages::DESTINATION;

/// What a store is made with: a clock, an observer, and the most messages that may wait.
pub struct Ingredients {
    /// The wall clock of the test.
    pub clock: Arc<ManualClock>,
    /// Hears every change.
    pub ear: Arc<Ear>,
    /// Most messages PENDING or HELD.
    pub pending_max: u64,
    /// Most messages that a command changes in one commit.
    pub part_max: usize,
    /// A folder that goes with the test.
    pub directory: TempDir,
}

/// Makes an empty store.
pub type Make<'a> = &'a dyn Fn(&Ingredients) -> Arc<dyn Store>;

/// The messages of a part, where a test does not say.
pub const PART_MAX: usize = 250;

/// What is done at a seam.
type AtSeam = Arc<dyn Fn() + Send + Sync>;

/// An observer that remembers.
#[derive(Default)]
pub struct Ear {
    heard: Mutex<Vec<StatusChange>>,
    attempts: Mutex<Vec<AttemptEnded>>,
    at_seam: Mutex<Option<AtSeam>>,
}

impl Ear {
    /// Everything heard so far.
    pub fn heard(&self) -> Vec<StatusChange> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on, what is done whenever a command on many messages stands between two parts, which waits for it.
    pub fn stand_at_seams(&self, at_seam: impl Fn() + Send + Sync + 'static) {
        *self.at_seam.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(at_seam));
    }

    /// Every attempt that was told so far.
    pub fn attempts(&self) -> Vec<AttemptEnded> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for Ear {
    fn listens(&self) -> bool {
        true
    }

    fn hear(&self, changes: Vec<StatusChange>) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).extend(changes);
    }

    fn at_seam(&self) {
        let at_seam = self.at_seam.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(at_seam) = at_seam {
            at_seam();
        }
    }

    fn follows_attempts(&self) -> bool {
        true
    }

    fn attempts_ended(&self, ended: Vec<AttemptEnded>) {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).extend(ended);
    }
}

/// A store with its clock.
pub struct Subject {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What it was made with.
    pub with: Ingredients,
}

impl Subject {
    /// A fresh store with room for `pending_max` waiting messages.
    pub fn new(make: Make<'_>, pending_max: u64) -> Self {
        Self::in_parts(make, pending_max, PART_MAX)
    }

    /// The same, where a command changes at most `part_max` messages in one commit.
    pub fn in_parts(make: Make<'_>, pending_max: u64, part_max: usize) -> Self {
        let with = Ingredients {
            clock: ManualClock::new(),
            ear: Arc::default(),
            pending_max,
            part_max,
            directory: tempfile::tempdir().unwrap(),
        };
        Self { store: make(&with), with }
    }

    /// Stores the messages of one call.
    pub fn try_enqueue(&self, messages: Vec<NewMessage>) -> Result<Vec<Admitted>, OutboxError> {
        wait(|done| self.store.enqueue(Box::new(move || Ok(messages)), done))
    }

    /// Stores one message.
    pub fn enqueue(&self, message: NewMessage) -> MessageId {
        self.try_enqueue(vec![message]).unwrap().remove(0).id
    }

    /// A driver's turn.
    pub fn turn(&self, completions: Vec<Completion>, claim: u32) -> TurnResult {
        self.turn_of(turn(completions, claim))
    }

    /// A driver's turn, in full.
    pub fn turn_of(&self, turn: Turn) -> TurnResult {
        wait(|done| self.store.turn(turn, done)).unwrap()
    }

    /// Claims at most so many.
    pub fn claim(&self, most: u32) -> Vec<Claimed> {
        self.turn(Vec::new(), most).claimed
    }

    /// Claims the one message that is expected.
    pub fn claim_one(&self) -> Claimed {
        let mut claimed = self.claim(10);
        assert_eq!(claimed.len(), 1, "exactly one message is due");
        claimed.remove(0)
    }

    /// Ends attempts.
    pub fn complete(&self, completions: Vec<Completion>) {
        self.turn(completions, 0);
    }

    /// An order of a person.
    pub fn command(&self, command: Command) -> Changed {
        self.try_command(command).unwrap()
    }

    /// An order that may be refused.
    pub fn try_command(&self, command: Command) -> Result<Changed, OutboxError> {
        let by = By { actor: String::from("tester"), reason: Some(String::from("test")) };
        wait(|done| self.store.command(command, by, Arc::default(), done))
    }

    /// Retries by id.
    pub fn retry(&self, ids: &[MessageId], allow_overtaken: bool) -> Changed {
        self.command(Command::Retry { filter: by_ids(ids), allow_overtaken })
    }

    /// Cancels by id.
    pub fn cancel(&self, ids: &[MessageId]) -> Changed {
        self.command(Command::Cancel { filter: by_ids(ids) })
    }

    /// Stores a correction in the place of a message.
    pub fn replace(&self, id: MessageId, correction: NewMessage) -> MessageId {
        self.try_replace(id, correction).unwrap().id
    }

    /// A correction that may be refused.
    pub fn try_replace(&self, id: MessageId, correction: NewMessage) -> Result<Admitted, OutboxError> {
        let by = By { actor: String::from("tester"), reason: None };
        wait(|done| self.store.replace(id, Box::new(move || Ok(vec![correction])), by, done))
    }

    /// One message that is known to exist.
    pub fn message(&self, id: MessageId) -> MessageView {
        wait(|done| self.store.message(MessageRef::Id(id), done)).unwrap().unwrap()
    }

    /// Its state.
    pub fn state(&self, id: MessageId) -> State {
        self.message(id).status
    }

    /// A page.
    pub fn list(&self, request: ListRequest) -> Page<MessageView> {
        wait(|done| self.store.list(request, done)).unwrap()
    }

    /// Every message, oldest first, as text, to compare before and after.
    pub fn snapshot(&self, except: &[MessageId]) -> Vec<String> {
        let all = self.list(ListRequest { limit: Some(1_000), oldest_first: true, ..ListRequest::default() });
        all.items.iter().filter(|view| !except.contains(&view.id)).map(|view| format!("{view:?}")).collect()
    }

    /// What a new dispatcher does first.
    pub fn recover(&self) -> u64 {
        wait(|done| self.store.recover(done)).unwrap()
    }

    /// Moves the clock.
    pub fn pass(&self, time: Duration) {
        self.with.clock.move_by(i64::try_from(time.as_millis()).unwrap());
    }

    /// What follows a failed attempt: due again after `delay`.
    pub fn again(&self, delay: Duration) -> Next {
        Next::Again { due: self.with.clock.now().plus(delay), delay }
    }
}

/// A turn that ends attempts and claims at most so many.
pub fn turn(completions: Vec<Completion>, claim: u32) -> Turn {
    Turn {
        destination: Arc::from(DESTINATION),
        completions,
        given_back: Vec::new(),
        claim,
        avoid: None,
        expires: None,
        indeterminate_max: 10,
        holds_lane: false,
        term: Term::default(),
    }
}

/// A filter by ids.
pub fn by_ids(ids: &[MessageId]) -> MessageFilter {
    MessageFilter { ids: Some(ids.iter().map(ToString::to_string).collect()), ..MessageFilter::default() }
}

/// An attempt's end.
pub fn completion(claimed: &Claimed, outcome: Outcome, next: Next) -> Completion {
    Completion {
        seq: claimed.seq,
        attempt: claimed.attempt,
        record: AttemptRecord {
            outcome,
            row: "test",
            code: String::from("TEST"),
            http_status: Some(200),
            ack_code: None,
            err_codes: vec![String::from("103")],
            bytes_sent: 9,
            counted: true,
            warning: None,
            answer: Some(b"an invented answer".to_vec()),
        },
        next,
        holds_lane: false,
    }
}

/// The receiver refused it, and its lane waits for a person.
pub fn held_up(claimed: &Claimed) -> Completion {
    Completion { holds_lane: true, ..rejected(claimed) }
}

/// The receiver acknowledged it.
pub fn accepted(claimed: &Claimed) -> Completion {
    completion(claimed, Outcome::Accepted, Next::Deliver { acknowledged: true })
}

/// The receiver refused it.
pub fn rejected(claimed: &Claimed) -> Completion {
    completion(claimed, Outcome::Rejected, Next::Fail(Reason::Rejected))
}
