//! The driver of one destination: claims what is due, sends it, records what came of it, and rests when the receiver is
//! down. Destinations have a driver each, so none of them delays another.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::attempt::{Ticket, deliver, panicked};
use super::bell::Bell;
use super::rate::Bucket;
use super::rest::{Rest, Turned};
use crate::acknowledgement::Verdict;
use crate::clock::Clock;
use crate::config::Destination;
use crate::error::OutboxError;
use crate::status::DestinationState;
use crate::store::{Completion, Store, Turn, TurnResult};
use crate::transport::{Delivery, Transport};

/// How far the dispatcher is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Claiming and sending.
    Running,
    /// Claiming nothing more, waiting for what is in flight.
    Draining,
}

/// After a turn that the store refused: how long until the next one.
const STORE_PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Driver {
    pub(super) destination: Arc<Destination>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bell: Arc<Bell>,
    pub(super) phase: watch::Receiver<Phase>,
    /// Attempts going on in the whole dispatcher, for a stop to report.
    pub(super) in_flight: Arc<AtomicU64>,
}

/// What a driver knows between two passes.
struct Course {
    tickets: HashMap<Id, Ticket>,
    attempts: JoinSet<Delivery>,
    ended: Vec<Completion>,
    bucket: Bucket,
    rest: Rest,
    paused: bool,
    nudges: Option<i64>,
    /// When to look again although nobody rang: the next message falls due.
    look_at: Option<Instant>,
}

impl Driver {
    /// Runs until the phase is Draining and nothing is in flight.
    pub(super) async fn run(mut self) {
        let mut course = Course {
            tickets: HashMap::new(),
            attempts: JoinSet::new(),
            ended: Vec::new(),
            bucket: Bucket::new(self.destination.rate, Instant::now()),
            rest: Rest::default(),
            paused: false,
            nudges: None,
            look_at: None,
        };
        // What another dispatcher noted of this destination is history.
        self.note(DestinationState::Ok, None);
        self.bell.ring_command();
        loop {
            self.gather(&mut course);
            if self.pass_once(&mut course).await {
                continue;
            }
            let draining = *self.phase.borrow() == Phase::Draining;
            if draining && course.attempts.is_empty() && course.ended.is_empty() {
                return;
            }
            self.wait(&mut course).await;
        }
    }

    /// One exchange with the store, if there is a reason for one. Answers whether there may be more to do at once.
    async fn pass_once(&self, course: &mut Course) -> bool {
        let now = Instant::now();
        if course.look_at.is_some_and(|at| now >= at) {
            course.look_at = None;
            self.bell.expect_work();
        }
        let command = self.bell.answer_command();
        let wanted = self.wanted(course, now);
        let look = wanted > 0 && self.bell.has_work();
        if course.ended.is_empty() && !look && !command {
            return false;
        }
        if look {
            self.bell.answer_work();
        }
        let completions = std::mem::take(&mut course.ended);
        // An ended attempt frees its lane for the next message.
        let promotes = !completions.is_empty();
        let claim = if look || promotes { wanted } else { 0 };
        if promotes && claim == 0 {
            self.bell.expect_work();
        }
        let turn = Turn { destination: Arc::clone(&self.destination.name), completions: completions.clone(), claim };
        match self.turn(turn).await {
            Ok(result) => {
                self.follow(course, result, claim);
                promotes || command
            }
            Err(error) => {
                tracing::warn!(destination = %self.destination.name, code = error.code, "a turn did not commit; trying again");
                course.ended = completions;
                self.bell.ring_command();
                tokio::time::sleep(STORE_PAUSE).await;
                false
            }
        }
    }

    fn wanted(&self, course: &mut Course, now: Instant) -> u32 {
        if *self.phase.borrow() != Phase::Running || course.paused || !self.destination.enabled {
            return 0;
        }
        let in_flight = course.attempts.len();
        let slots = self.destination.concurrency.saturating_sub(u32::try_from(in_flight).unwrap_or(u32::MAX));
        let allowed = course.rest.allows(slots, in_flight, now);
        course.bucket.available(allowed, now)
    }

    async fn turn(&self, turn: Turn) -> Result<TurnResult, OutboxError> {
        let (tell, told) = oneshot::channel();
        self.store.turn(turn, Box::new(move |result| drop(tell.send(result))));
        told.await.unwrap_or_else(|_| Err(OutboxError::plain(crate::error::code::ERR_STORE_FAILED)))
    }

    /// Sends what was claimed and remembers when to look again.
    fn follow(&self, course: &mut Course, result: TurnResult, claim: u32) {
        let now = Instant::now();
        course.paused = result.paused;
        if course.nudges.is_some_and(|nudges| nudges != result.nudges) {
            course.rest.nudge(now);
            self.bell.ring_work();
        }
        course.nudges = Some(result.nudges);
        if claim > 0 && result.claimed.len() == claim as usize {
            self.bell.ring_work();
        }
        if claim > 0 {
            course.look_at = result.next_due.map(|due| now + self.clock.now().until(due));
        }
        course.bucket.take(result.claimed.len());
        self.in_flight.fetch_add(result.claimed.len() as u64, Ordering::Relaxed);
        for claimed in result.claimed {
            let ticket = Ticket::of(&claimed);
            let handle = course.attempts.spawn(deliver(Arc::clone(&self.transport), claimed));
            course.tickets.insert(handle.id(), ticket);
        }
    }

    /// Takes in every attempt that has ended by now.
    fn gather(&self, course: &mut Course) {
        while let Some(ended) = course.attempts.try_join_next_with_id() {
            self.end(course, ended);
        }
    }

    fn end(&self, course: &mut Course, ended: Result<(Id, Delivery), JoinError>) {
        let (id, delivery) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), panicked()),
        };
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let Some(ticket) = course.tickets.remove(&id) else { return };
        let seq = ticket.seq;
        let (completion, verdict) = ticket.complete(delivery, &self.destination, self.clock.now());
        tracing::debug!(destination = %self.destination.name, seq, outcome = verdict.outcome.as_str(), row = verdict.row.as_str(), "an attempt ended");
        self.learn(course, &verdict);
        course.ended.push(completion);
    }

    /// One line when an outage begins and one when it ends, never one per attempt.
    fn learn(&self, course: &mut Course, verdict: &Verdict) {
        if let Some(alarm) = verdict.alarm {
            tracing::error!(destination = %self.destination.name, alarm, code = %verdict.code, "an answer that needs a person");
        }
        match course.rest.learn(verdict, Instant::now()) {
            Turned::No => {}
            Turned::Rests(state) => {
                tracing::warn!(destination = %self.destination.name, state = state.as_str(), code = %verdict.code, "the destination rests");
                self.note(state, Some(verdict.code.clone()));
            }
            Turned::Works => {
                tracing::warn!(destination = %self.destination.name, "the destination works again");
                self.note(DestinationState::Ok, None);
                self.bell.ring_work();
            }
        }
    }

    fn note(&self, state: DestinationState, reason: Option<String>) {
        self.store.note_destination(Arc::clone(&self.destination.name), state, reason, Box::new(|_| {}));
    }

    /// Sleeps until an attempt ends, somebody rings, the phase changes, or it is time to look.
    async fn wait(&mut self, course: &mut Course) {
        let now = Instant::now();
        let wake_at = self.wake_at(course, now);
        let alarm = async {
            match wake_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            Some(ended) = course.attempts.join_next_with_id() => Some(ended),
            () = self.bell.rung() => None,
            _ = self.phase.changed() => None,
            () = alarm => None,
        };
        if let Some(ended) = ended {
            self.end(course, ended);
        }
    }

    /// The next moment at which something can be done without a ring.
    fn wake_at(&self, course: &Course, now: Instant) -> Option<Instant> {
        let free = course.attempts.len() < self.destination.concurrency as usize;
        if !free || course.paused || !self.destination.enabled || *self.phase.borrow() != Phase::Running {
            return None;
        }
        let work_at = if self.bell.has_work() { Some(now) } else { course.look_at };
        let rest_over = match course.rest.until() {
            // A probe is out: only its end can change anything.
            Some(_) if !course.attempts.is_empty() => return None,
            until => until,
        };
        work_at
            .into_iter()
            .chain(rest_over.filter(|_| work_at.is_some()))
            .chain(course.bucket.next(now).filter(|_| work_at.is_some()))
            .max()
    }
}
