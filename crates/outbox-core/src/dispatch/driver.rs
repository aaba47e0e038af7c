//! The driver of one destination: claims what is due, sends it, records what came of it, and rests when the receiver is
//! down. Destinations have a driver each, so none of them delays another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::Way;
use super::attempt::{Ticket, deliver, panicked};
use super::bell::Bell;
use super::breaker::{Breaker, Turned};
use super::evidence::{Evidence, Witness};
use super::rate::Bucket;
use crate::acknowledgement::{Outcome, Verdict, leaving};
use crate::clock::Clock;
use crate::error::OutboxError;
use crate::metrics::Metrics;
use crate::retry::Next;
use crate::status::DestinationState;
use crate::store::{By, Command, Completion, Store, Term, Turn, TurnResult};
use crate::transport::Delivery;

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
    pub(super) way: watch::Receiver<Way>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bell: Arc<Bell>,
    pub(super) witness: Arc<Witness>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) metrics: Arc<Metrics>,
    /// Ends before another process can have the lead.
    pub(super) term: Term,
}

/// What a driver knows between two passes.
struct Course {
    /// The destination as it is configured now.
    way: Way,
    tickets: HashMap<Id, Ticket>,
    attempts: JoinSet<Delivery>,
    ended: Vec<Completion>,
    bucket: Bucket,
    breaker: Breaker,
    /// Attempts to be given back with the next turn.
    given_back: Vec<(i64, u32)>,
    /// The message of the last probe that failed.
    probed: Option<i64>,
    paused: bool,
    nudges: Option<i64>,
    /// When to look again although nobody rang: the next message falls due.
    look_at: Option<Instant>,
}

impl Driver {
    /// Runs until the phase is Draining and nothing is in flight.
    pub(super) async fn run(mut self) {
        let way = self.way.borrow_and_update().clone();
        let mut course = Course {
            way,
            tickets: HashMap::new(),
            attempts: JoinSet::new(),
            ended: Vec::new(),
            bucket: Bucket::new(self.way.borrow().destination.rate, Instant::now()),
            breaker: Breaker::default(),
            given_back: Vec::new(),
            probed: None,
            paused: false,
            nudges: None,
            look_at: None,
        };
        // What another dispatcher noted of this destination is history.
        self.note(&course.way, DestinationState::Ok, None);
        self.bell.ring_command();
        loop {
            self.reconfigure(&mut course);
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
        crate::fault!("driver-pass");
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
        let given_back = std::mem::take(&mut course.given_back);
        // An ended attempt frees its lane for the next message.
        let promotes = !completions.is_empty();
        let claim = if look || promotes { wanted } else { 0 };
        if promotes && claim == 0 {
            self.bell.expect_work();
        }
        let destination = &course.way.destination;
        let turn = Turn {
            destination: Arc::clone(&destination.name),
            completions: completions.clone(),
            given_back: given_back.clone(),
            claim,
            avoid: course.probed,
            expires: destination.retry.expires,
            indeterminate_max: destination.retry.indeterminate_max,
            holds_lane: destination.holds_lane,
            term: self.term.clone(),
        };
        match self.turn(turn).await {
            Ok(result) => {
                self.follow(course, result, claim);
                promotes || command
            }
            Err(error) => {
                tracing::warn!(destination = %course.way.destination.name, code = error.code, "a turn did not commit; trying again");
                course.ended = completions;
                course.given_back = given_back;
                self.bell.ring_command();
                tokio::time::sleep(STORE_PAUSE).await;
                false
            }
        }
    }

    fn wanted(&self, course: &mut Course, now: Instant) -> u32 {
        let destination = &course.way.destination;
        if *self.phase.borrow() != Phase::Running || course.paused || !destination.enabled {
            return 0;
        }
        let in_flight = course.attempts.len();
        let slots = destination.concurrency.saturating_sub(u32::try_from(in_flight).unwrap_or(u32::MAX));
        let allowed = course.breaker.allows(slots, in_flight, now);
        course.bucket.available(allowed, now)
    }

    async fn turn(&self, turn: Turn) -> Result<TurnResult, OutboxError> {
        let (tell, told) = oneshot::channel();
        self.store.turn(turn, Box::new(move |result| drop(tell.send(result))));
        told.await.unwrap_or_else(|_| Err(OutboxError::plain(crate::error::code::ERR_STORE_FAILED)))
    }

    /// Sends what was claimed and remembers when to look again.
    fn follow(&self, course: &mut Course, result: TurnResult, claim: u32) {
        crate::fault!("claim-told");
        let now = Instant::now();
        course.paused = result.paused;
        if course.nudges.is_some_and(|nudges| nudges != result.nudges) {
            course.breaker.nudge(now);
            self.bell.ring_work();
        }
        course.nudges = Some(result.nudges);
        if result.more || claim > 0 && result.claimed.len() == claim as usize {
            self.bell.ring_work();
        }
        if claim > 0 {
            course.look_at = result.next_due.map(|due| now + self.clock.now().until(due));
        }
        course.bucket.take(result.claimed.len());
        for claimed in result.claimed {
            let ticket = Ticket::of(&claimed);
            crate::fault!("claim-handed-over");
            let handle = course.attempts.spawn(deliver(Arc::clone(&course.way.transport), claimed));
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
        let Some(ticket) = course.tickets.remove(&id) else { return };
        let (seq, id, began) = (ticket.seq, ticket.id, ticket.began);
        crate::fault!("attempt-ended");
        let Course { breaker, way, .. } = &mut *course;
        let (completion, verdict, judgement) = ticket.complete(delivery, &way.destination, self.clock.now(), breaker);
        tracing::debug!(destination = %way.destination.name, seq, outcome = verdict.outcome.as_str(), row = verdict.row.as_str(), "an attempt ended");
        self.metrics.attempted(&way.destination.name, &verdict, began.elapsed());
        if matches!(completion.next, Next::Deliver { .. }) {
            self.metrics.delivered(&way.destination.name, id, self.clock.now());
        }
        course.ended.push(completion);
        course.given_back.extend(judgement.given_back.iter().map(|case| (case.seq, case.attempt)));
        course.probed = course.breaker.until().map(|_| seq);
        self.learn(course, &verdict, &judgement.turned);
    }

    /// One line when an outage begins and one when it ends, never one per attempt.
    fn learn(&self, course: &Course, verdict: &Verdict, turned: &Turned) {
        let name = &course.way.destination.name;
        if let Some(alarm) = verdict.alarm {
            tracing::error!(destination = %name, alarm, code = %verdict.code, "an answer that needs a person");
        }
        match turned {
            Turned::No => {
                // The receiver's application has answered: after a change of dispatcher, the first that is known of it. A
                // destination that goes on resting does not work, whoever answers there.
                let is_answer = verdict.outcome == Outcome::Accepted || verdict.ack_code.is_some();
                if is_answer && course.breaker.until().is_none() {
                    self.witness.says(Evidence::Works);
                }
            }
            Turned::Rests(state) => {
                self.witness.says(Evidence::Rests { state: *state, code: Some(leaving(&verdict.code).to_owned()) });
                tracing::warn!(destination = %name, state = state.as_str(), code = %verdict.code, "the destination rests");
                self.note(&course.way, *state, Some(verdict.code.clone()));
            }
            Turned::Works(outage) => {
                self.witness.says(Evidence::Works);
                self.tell_end(Arc::clone(name), *outage);
                self.note(&course.way, DestinationState::Ok, None);
                self.bell.ring_work();
            }
            Turned::RefusesAll => self.pause(name, &verdict.code),
        }
    }

    /// The end of an outage, with its length and what waits now.
    fn tell_end(&self, name: Arc<str>, outage: Duration) {
        self.store.destinations(Box::new(move |records| {
            let backlog = records.ok().and_then(|all| all.into_iter().find(|record| *record.name == *name));
            let (seconds, backlog) = (outage.as_secs(), backlog.map_or(0, |record| record.pending));
            tracing::warn!(destination = %name, seconds, backlog, "the destination works again");
        }));
    }

    /// Too many messages in a row were refused with one code: a wrong set-up must not burn the backlog. A person resumes.
    fn pause(&self, name: &str, code: &str) {
        tracing::error!(destination = %name, code, "the destination refuses every message and is paused");
        let by = By { actor: String::from("hl7-outbox"), reason: Some(format!("reject-streak: {code}")) };
        let bell = Arc::clone(&self.bell);
        self.store.command(
            Command::Pause { destination: name.to_owned() },
            by,
            Arc::default(),
            Box::new(move |_| bell.ring_command()),
        );
    }

    fn note(&self, way: &Way, state: DestinationState, reason: Option<String>) {
        crate::fault!("breaker-note");
        self.store.note_destination(Arc::clone(&way.destination.name), state, reason, Box::new(|_| {}));
    }

    /// Takes over what persons changed. A new rate begins with an empty bucket, so that a change cannot double it. A destination
    /// that rests is probed now: the change may be what it waited for.
    fn reconfigure(&mut self, course: &mut Course) {
        if !self.way.has_changed().unwrap_or(false) {
            return;
        }
        let way = self.way.borrow_and_update().clone();
        if way.destination.rate != course.way.destination.rate {
            course.bucket = Bucket::new(way.destination.rate, Instant::now());
        }
        tracing::info!(destination = %way.destination.name, "the configuration has changed");
        course.way = way;
        course.breaker.nudge(Instant::now());
        self.bell.ring_work();
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
        let destination = &course.way.destination;
        let free = course.attempts.len() < destination.concurrency as usize;
        if !free || course.paused || !destination.enabled || *self.phase.borrow() != Phase::Running {
            return None;
        }
        let work_at = if self.bell.has_work() { Some(now) } else { course.look_at };
        let rest_over = match course.breaker.until() {
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
