//! Runs a history against a store and its model.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outbox_core::clock::Clock;
use outbox_core::error::OutboxError;
use outbox_core::message::NewMessage;
use outbox_core::status::Changed;
use outbox_core::store::{By, Command, Done, Store, Turn, wait};
use proptest::{prop_assert, prop_assert_eq};

use super::Checked;
use super::model::{Line, Model};
use super::orders::{Large, PATIENCE};
use super::plan::{self, Call};
use super::step::{End, History, Kind, Order, Step, TurnDraft, Which, Write};
use crate::clock::ManualClock;
use crate::subject::{Ear, Ingredients, Make, by_ids};

/// Long against every delay and every expiry of a history.
const LONG_S: u32 = 10_000;

/// A store, its model, and what both were made with.
pub(super) struct Course<'a> {
    /// Dropped first: the store does not wait for a history that has failed.
    seams: Seams,
    pub(super) store: Arc<dyn Store>,
    pub(super) model: Model,
    pub(super) with: Ingredients,
    /// Cursors behind each change, the one before the first included.
    pub(super) cursors: Vec<Option<String>>,
    make: Make<'a>,
    /// Orders that go on in parts, one after another.
    large: VecDeque<Large>,
}

/// What the store says of orders that go on in parts.
enum Word {
    /// It stands at a seam.
    Seam,
    /// An order has its answer.
    Answered,
}

/// Where the store waits between two parts.
struct Seams {
    tell: Sender<Word>,
    words: Receiver<Word>,
    go_on: Sender<()>,
}

impl Seams {
    fn new(ear: &Ear) -> Self {
        let (tell, words) = channel();
        let (go_on, told_to) = channel();
        let (arrives, told_to) = (tell.clone(), Mutex::new(told_to));
        ear.stand_at_seams(move || {
            let _ = arrives.send(Word::Seam);
            // Gone on without a word when the history has failed.
            let _ = told_to.lock().unwrap_or_else(PoisonError::into_inner).recv();
        });
        Self { tell, words, go_on }
    }
}

/// Runs a history. What `make` makes must keep its messages in the folder that it is given: it is opened again.
pub fn run(make: Make<'_>, history: &History) -> Checked {
    let with = Ingredients {
        clock: ManualClock::new(),
        ear: Arc::<Ear>::default(),
        pending_max: history.pending_max,
        part_max: history.part_max,
        directory: folder(),
    };
    let model = Model::new(with.clock.now().0, history.pending_max, history.part_max);
    let seams = Seams::new(&with.ear);
    let store = make(&with);
    let mut course = Course { store, model, with, cursors: vec![None], make, large: VecDeque::new(), seams };
    for step in &history.steps {
        course.step(step)?;
        course.check()?;
    }
    course.look(0, 7, 0)?;
    course.deliver_the_rest()
}

/// In memory, where the system has such a folder: it is the logic that is tried, thousands of times.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// Compares the answer to a call with the model.
type Compare = Box<dyn FnOnce(&mut Model) -> Checked<Option<Large>>>;

fn ask<T: Send + 'static>(operation: impl FnOnce(Done<T>)) -> Receiver<Result<T, OutboxError>> {
    let (tell, told) = sync_channel(1);
    operation(Box::new(move |result| drop(tell.send(result))));
    told
}

impl Course<'_> {
    fn step(&mut self, step: &Step) -> Checked {
        match step {
            Step::Write(writes) => {
                self.write(writes)?;
                self.go_on(&[])
            }
            Step::InParts { order, at_seams } => {
                self.write(&[Write::Order(*order)])?;
                self.go_on(at_seams)
            }
            Step::Pass(seconds) => {
                self.pass(i64::from(*seconds));
                Ok(())
            }
            Step::TurnBack(seconds) => {
                self.pass(-i64::from(*seconds));
                self.model.steady = false;
                self.mend()
            }
            Step::Reopen => {
                self.store.close(Duration::from_secs(30));
                self.store = (self.make)(&self.with);
                Ok(())
            }
            Step::Look { from, page, which } => self.look(*from, *page, *which),
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.with.clock.move_by(seconds * 1_000);
        self.model.now += seconds * 1_000;
    }

    /// Stored times are clamped: nothing waits longer than its own delay from now.
    fn mend(&mut self) -> Checked {
        let mended = wait(|done| self.store.mend_due(done));
        prop_assert!(mended.is_ok());
        self.model.settle();
        Ok(())
    }

    fn write(&mut self, writes: &[Write]) -> Checked {
        let mut calls: Vec<Call> = Vec::new();
        for call in writes.iter().filter_map(|write| self.model.plan(write)) {
            // Two turns that claim at once are not what a dispatcher does; the second only ends attempts.
            let claims = |call: &Call| matches!(call, Call::Turn(turn) if turn.claim > 0);
            let call = match call {
                Call::Turn(turn) if calls.iter().any(claims) => Call::Turn(Turn { claim: 0, ..turn }),
                call => call,
            };
            calls.push(call);
        }
        self.calls(calls)
    }

    /// Makes the calls at once, so that they share a transaction, and compares what came of each.
    fn calls(&mut self, calls: Vec<Call>) -> Checked {
        let gate = (calls.len() > 1).then(|| self.gate());
        let compared: Vec<Compare> = calls.into_iter().map(|call| self.call(call)).collect();
        drop(gate);
        // Answered after everything before it: what the store tells of changes is complete.
        let last = wait(|done| self.store.enqueue(Box::new(|| Ok(Vec::new())), done));
        prop_assert!(last.is_ok());
        self.tell()?;
        for compare in compared {
            self.large.extend(compare(&mut self.model)?);
        }
        self.nobody_else()
    }

    /// Everything that the store has told is accounted for.
    fn nobody_else(&self) -> Checked {
        let more: Vec<Line> = self.model.told.iter().map(Line::of).collect();
        prop_assert_eq!(more, Vec::new(), "changes that nobody made");
        Ok(())
    }

    /// Lets orders go on that go on in parts, and writes something else before each part of the first.
    fn go_on(&mut self, at_seams: &[Vec<Write>]) -> Checked {
        let mut at_seams = at_seams.iter();
        while let Some(mut large) = self.large.pop_front() {
            // Its beginning is a seam too: it has not looked for anything yet.
            let begins = self.next_word(&large)?;
            prop_assert!(begins.is_none(), "{:?} is through at once: {:?}", large.command, begins);
            self.write(at_seams.next().map_or(&[], Vec::as_slice))?;
            self.model.lists(&mut large);
            let mut said = self.pass_seam(&large)?;
            loop {
                let found = self.model.finds(&mut large);
                if let Some(answer) = said {
                    prop_assert_eq!(found, Vec::<usize>::new(), "{:?} left these", large.command);
                    large.compare(answer)?;
                    break;
                }
                prop_assert!(!found.is_empty(), "{:?} goes on with nothing", large.command);
                self.write(at_seams.next().map_or(&[], Vec::as_slice))?;
                said = self.pass_seam(&large)?;
                self.tell()?;
                self.model.part(&mut large, &found)?;
                self.nobody_else()?;
                self.check()?;
            }
        }
        Ok(())
    }

    /// Lets it go on to its next seam, or to its end.
    fn pass_seam(&self, large: &Large) -> Checked<Option<Result<Changed, OutboxError>>> {
        prop_assert!(self.seams.go_on.send(()).is_ok());
        self.next_word(large)
    }

    /// Waits until it stands at a seam, or has its answer.
    fn next_word(&self, large: &Large) -> Checked<Option<Result<Changed, OutboxError>>> {
        loop {
            match self.seams.words.recv_timeout(PATIENCE) {
                Ok(Word::Seam) => return Ok(None),
                // Of another one, perhaps.
                Ok(Word::Answered) => {
                    if let Ok(answer) = large.told.try_recv() {
                        return Ok(Some(answer));
                    }
                }
                Err(_) => prop_assert!(false, "{:?} neither goes on nor ends", large.command),
            }
        }
    }

    /// Keeps the store's thread busy until it is dropped.
    fn gate(&self) -> std::sync::mpsc::Sender<()> {
        let (open, opened) = channel::<()>();
        let waits = move || {
            let _ = opened.recv();
            Ok(Vec::<NewMessage>::new())
        };
        self.store.enqueue(Box::new(waits), Box::new(|_| {}));
        open
    }

    fn call(&self, call: Call) -> Compare {
        let by = By { actor: String::from("tester"), reason: None };
        let store = &self.store;
        match call {
            Call::Enqueue(messages) => {
                let sent = messages.clone();
                let told = ask(|done| store.enqueue(Box::new(move || Ok(sent)), done));
                Box::new(move |model| model.enqueued(&messages, told.recv().unwrap()).map(|()| None))
            }
            Call::Turn(turn) => {
                let told = ask(|done| store.turn(turn.clone(), done));
                Box::new(move |model| model.turned(&turn, told.recv().unwrap()).map(|()| None))
            }
            Call::Order(command) => {
                let (tell, told) = sync_channel(1);
                let answered = self.seams.tell.clone();
                let done: Done<Changed> = Box::new(move |result| {
                    let _ = tell.send(result);
                    let _ = answered.send(Word::Answered);
                });
                store.command(command.clone(), by, Arc::default(), done);
                Box::new(move |model| model.ordered(command, told))
            }
            Call::Replace(old, correction) => {
                let sent = vec![correction.as_ref().clone()];
                let told = ask(|done| store.replace(old, Box::new(move || Ok(sent)), by, done));
                Box::new(move |model| model.replaced(old, &correction, told.recv().unwrap()).map(|()| None))
            }
            Call::TakeOver => {
                let told = ask(|done| store.recover(done));
                Box::new(move |model| model.taken_over(told.recv().unwrap()).map(|()| None))
            }
        }
    }

    /// What the store tells of changes since the last step.
    fn tell(&mut self) -> Checked {
        loop {
            let after = self.cursors.last().cloned().flatten();
            let told = wait(|done| self.store.changes(after, 1_000, done));
            prop_assert!(told.is_ok(), "{:?}", told.err());
            let told = told.unwrap_or_default();
            if told.is_empty() {
                return Ok(());
            }
            for change in told {
                self.cursors.push(Some(change.cursor.clone()));
                self.model.told.push_back(change);
            }
        }
    }

    /// When everything is accepted and time moves on, everything PENDING is delivered: nothing is stuck.
    fn deliver_the_rest(&mut self) -> Checked {
        let all =
            |kind, elsewhere| Write::Order(Order { kind, which: Which::All { elsewhere }, allow_overtaken: true });
        self.write(&[all(Kind::Resume, false), all(Kind::Resume, true), Write::TakeOver])?;
        loop {
            let pending = self.model.pending();
            if pending.is_empty() {
                break;
            }
            self.pass(i64::from(LONG_S));
            let before = self.model.lines.len();
            for elsewhere in [false, true] {
                let claim = TurnDraft {
                    elsewhere,
                    ends: Vec::new(),
                    give_back: None,
                    claim: u8::MAX,
                    avoid: None,
                    expires: None,
                    holds_lane: false,
                };
                self.write(&[Write::Turn(claim.clone())])?;
                // Numbers that name each of those in flight once.
                let ends = (0..=u8::MAX)
                    .take(self.model.in_flight(&plan::destination(elsewhere)))
                    .map(|n| (n, End::Acknowledged))
                    .collect();
                self.write(&[Write::Turn(TurnDraft { ends, claim: 0, ..claim })])?;
            }
            if self.model.lines.len() == before {
                // What is left stands behind dead letters that hold their lanes, until a person sees to them.
                prop_assert_eq!(&self.model.behind_dead_letters(), &pending, "stuck, and not behind a dead letter");
                let filter = by_ids(&self.model.holders());
                self.calls(vec![Call::Order(Command::Cancel { filter })])?;
                self.go_on(&[])?;
            }
        }
        self.check()
    }
}
