//! The writer: one thread, one connection, group commit.
//!
//! While a commit waits for the disk, operations gather; the next transaction takes them all, so that many callers share
//! one flush. A refused one leaves nothing behind and disturbs no other ([`unit`]); a failed commit rejects them all.

mod alert;
mod checkpoint;
mod claim;
mod command;
mod complete;
mod enqueue;
mod group;
mod lane;
mod recover;
mod retention;
mod standing;
mod turn;
mod unit;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use outbox_core::alert::{AlertMove, Notice, NoticeEnd};
use outbox_core::error::{OutboxError, code};
use outbox_core::message::MessageId;
use outbox_core::retention::{Place as Sweeping, Retention, Swept};
use outbox_core::status::DestinationState;
use outbox_core::store::TurnResult;
use outbox_core::store::{Admitted, By, Command, Done, Prepare, Turn};

pub(crate) use self::alert::GIVEN_UP_MS;
pub(crate) use self::checkpoint::{Checkpointer, prove, reserve};
pub(crate) use self::command::{Begun, LISTED_MAX, Part, Probed, meant};
use self::enqueue::Ready;
pub(crate) use self::group::Writer;
use self::unit::Unit;
use crate::bulk::Parts;
use crate::digest::Digests;
use crate::error::Failure;
use crate::home::Home;
use crate::identity::{self, Place};
use crate::walk::Meant;

/// One queued operation.
pub(crate) trait Operation: Send {
    /// Work that needs no transaction.
    fn prepare(&mut self, _digests: &Digests) {}
    /// Runs inside the group's transaction; a second time if the first transaction was given up.
    fn apply(&mut self, unit: &mut Unit<'_>);
    /// Tells the caller, after the commit or its failure.
    fn finish(self: Box<Self>, committed: Result<(), OutboxError>);
}

/// What is sent to the writer's thread.
pub(crate) enum Order {
    /// An operation.
    Run(Box<dyn Operation>),
    /// Finish what came before, and end.
    End,
    /// The disk failed beside the writer; why, in short.
    Fail(String),
}

/// What new messages are refused for.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Most messages PENDING or HELD.
    pub(crate) pending: u64,
    /// Most bytes of the log that cannot be folded back.
    pub(crate) wal: u64,
}

/// Why writes are refused, while they are, and how often that has happened.
#[derive(Clone, Default)]
pub(crate) struct Failed(Arc<Mutex<(Option<String>, u64)>>);

impl Failed {
    pub(crate) fn why(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn begin(&self, why: String) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (Some(why), state.1 + 1);
    }

    fn go_on(&self, why: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(why);
    }

    fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = None;
    }
}

/// The writer as callers see it.
pub(crate) struct WriterHandle {
    orders: Sender<Order>,
    thread: Mutex<Option<JoinHandle<()>>>,
    home: Home,
}

impl WriterHandle {
    /// Starts the writer's thread.
    pub(crate) fn start(writer: Writer) -> Result<Self, OutboxError> {
        let (orders, received) = unbounded();
        let thread = spawn(writer, received)?;
        Ok(Self { orders, thread: Mutex::new(Some(thread)), home: Home::here() })
    }

    fn send(&self, operation: Box<dyn Operation>) {
        if let Err(error) = self.home.check() {
            return operation.finish(Err(error));
        }
        if let Err(refused) = self.orders.send(Order::Run(operation))
            && let Order::Run(operation) = refused.0
        {
            operation.finish(Err(OutboxError::plain(code::ERR_STOPPED)));
        }
    }

    fn run<T: Send + 'static>(
        &self,
        run: impl Fn(&mut Unit<'_>) -> Result<T, Failure> + Send + 'static,
        done: Done<T>,
    ) {
        self.send(Box::new(Plain { run, result: None, done }));
    }

    pub(crate) fn enqueue(&self, prepare: Prepare, done: Done<Vec<Admitted>>) {
        self.send(Box::new(Enqueue { prepare: Some(prepare), prepared: Ok(Vec::new()), result: None, done }));
    }

    pub(crate) fn turn(&self, turn: Turn, done: Done<TurnResult>) {
        self.run(move |unit| turn::turn(unit, &turn), done);
    }

    pub(crate) fn recover(&self, path: PathBuf, here: Place, done: Done<u64>) {
        self.run(
            move |unit| {
                outbox_core::fault!("recover-apply", Failure::planted);
                let found = identity::settle(unit.connection, &path, &here)?;
                if !found.is_empty() {
                    command::pause_restored(unit, &found)?;
                }
                recover::recover(unit)
            },
            done,
        );
    }

    pub(crate) fn mend_due(&self, done: Done<u64>) {
        self.run(|unit| recover::mend_due(unit), done);
    }

    pub(crate) fn command(&self, command: Command, by: By, parts: Parts, done: Done<Begun>) {
        self.run(move |unit| command::command(unit, &command, &by, &parts), done);
    }

    /// A part of a command on many messages: these, at most for `time`.
    pub(crate) fn part(
        &self,
        order: Arc<(Command, Meant)>,
        action: i64,
        seqs: Arc<Vec<i64>>,
        time: Duration,
        probed: Arc<Probed>,
        done: Done<Part>,
    ) {
        self.run(move |unit| command::part(unit, &order.0, &order.1, action, &seqs, time, &probed), done);
    }

    pub(crate) fn sweep(&self, retention: Retention, from: Sweeping, done: Done<Swept>) {
        self.run(move |unit| retention::sweep(unit, &retention, from), done);
    }

    pub(crate) fn replace(&self, id: MessageId, prepare: Prepare, by: By, done: Done<Admitted>) {
        self.send(Box::new(Replace { id, prepare: Some(prepare), by, prepared: Ok(Vec::new()), result: None, done }));
    }

    pub(crate) fn note_consumer(&self, name: String, cursor: String, done: Done<()>) {
        self.run(move |unit| command::note_consumer(unit, &name, &cursor), done);
    }

    pub(crate) fn note_configuration(&self, configuration: String, done: Done<()>) {
        self.run(move |unit| command::note_configuration(unit, &configuration), done);
    }

    pub(crate) fn note_destination(
        &self,
        name: Arc<str>,
        state: DestinationState,
        reason: Option<String>,
        done: Done<()>,
    ) {
        self.run(move |unit| command::note_destination(unit, &name, state.as_str(), reason.as_deref()), done);
    }

    pub(crate) fn move_alerts(&self, moves: Vec<AlertMove>, hears: bool, done: Done<u64>) {
        self.run(move |unit| alert::move_alerts(unit, &moves, hears), done);
    }

    pub(crate) fn claim_notice(&self, target: String, lease: Duration, done: Done<Option<Notice>>) {
        self.run(move |unit| alert::claim_notice(unit, &target, lease), done);
    }

    pub(crate) fn end_notice(&self, end: NoticeEnd, done: Done<()>) {
        self.run(move |unit| alert::end_notice(unit, &end), done);
    }

    /// Lets the writer finish what it has, and waits for it.
    pub(crate) fn close(&self, timeout: Duration) {
        outbox_core::fault!("store-close");
        let _ = self.orders.send(Order::End);
        let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let deadline = Instant::now() + timeout;
        // A disk that never answers must not hold the caller for ever; the thread ends when the disk does answer.
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

fn spawn(writer: Writer, received: Receiver<Order>) -> Result<JoinHandle<()>, OutboxError> {
    std::thread::Builder::new()
        .name(String::from("hl7-writer"))
        .spawn(move || writer.run(&received))
        .map_err(|error| OutboxError::new(code::ERR_PANIC, format!("no thread could be started: {}", error.kind())))
}

/// An operation that is all transaction.
struct Plain<T, F> {
    run: F,
    result: Option<Result<T, OutboxError>>,
    done: Done<T>,
}

impl<T: Send, F: Fn(&mut Unit<'_>) -> Result<T, Failure> + Send> Operation for Plain<T, F> {
    fn apply(&mut self, unit: &mut Unit<'_>) {
        self.result = Some(unit.guarded(&self.run));
    }

    fn finish(self: Box<Self>, committed: Result<(), OutboxError>) {
        let result = self.result.unwrap_or_else(|| Err(OutboxError::plain(code::ERR_STORE_FAILED)));
        (self.done)(committed.and(result));
    }
}

/// Runs the caller's preparation and computes what needs no transaction either.
fn ready(prepare: Prepare, digests: &Digests) -> Result<Vec<Ready>, OutboxError> {
    unit::caught(|| Ok(prepare()?.into_iter().map(|message| Ready::new(message, digests)).collect()))
}

/// New messages: read outside the transaction, stored inside.
struct Enqueue {
    prepare: Option<Prepare>,
    prepared: Result<Vec<Ready>, OutboxError>,
    result: Option<Result<Vec<Admitted>, OutboxError>>,
    done: Done<Vec<Admitted>>,
}

/// A corrected message instead of a refused one.
struct Replace {
    id: MessageId,
    prepare: Option<Prepare>,
    by: By,
    prepared: Result<Vec<Ready>, OutboxError>,
    result: Option<Result<Admitted, OutboxError>>,
    done: Done<Admitted>,
}

impl Operation for Replace {
    fn prepare(&mut self, digests: &Digests) {
        if let Some(prepare) = self.prepare.take() {
            self.prepared = ready(prepare, digests);
        }
    }

    fn apply(&mut self, unit: &mut Unit<'_>) {
        if let Ok([correction, before @ ..]) = self.prepared.as_deref_mut() {
            let before = before.first();
            self.result = Some(unit.guarded(|unit| command::replace(unit, self.id, correction, before, &self.by)));
        }
    }

    fn finish(self: Box<Self>, committed: Result<(), OutboxError>) {
        (self.done)(told(self.prepared.err(), self.result, committed));
    }
}

/// What the caller of a prepared operation hears. One that was refused by itself does not share the fate of its group.
fn told<T>(
    unprepared: Option<OutboxError>,
    result: Option<Result<T, OutboxError>>,
    committed: Result<(), OutboxError>,
) -> Result<T, OutboxError> {
    match (unprepared, result) {
        (Some(error), _) => Err(error),
        (None, Some(result)) => committed.and(result),
        (None, None) => Err(committed.err().unwrap_or_else(|| OutboxError::plain(code::ERR_STORE_FAILED))),
    }
}

impl Operation for Enqueue {
    fn prepare(&mut self, digests: &Digests) {
        if let Some(prepare) = self.prepare.take() {
            self.prepared = ready(prepare, digests);
        }
    }

    fn apply(&mut self, unit: &mut Unit<'_>) {
        // A message that cannot be read never reaches the database.
        if let Ok(messages) = &self.prepared {
            self.result = Some(unit.guarded(|unit| enqueue::enqueue(unit, messages)));
        }
    }

    fn finish(self: Box<Self>, committed: Result<(), OutboxError>) {
        (self.done)(told(self.prepared.err(), self.result, committed));
    }
}
