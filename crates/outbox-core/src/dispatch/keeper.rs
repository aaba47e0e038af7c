//! The keeper: one thread per open outbox that stands for the lead, watches the file for other processes' commits while
//! leading, and says "still here".

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::election::{Election, Leadership};
use super::sweeper::Sweeper;
use super::{Dispatching, Follow, Shared};
use crate::alert::{Sentry, SentryParts};
use crate::clock::{Clock, Timestamp};
use crate::error::{OutboxError, code};
use crate::retention::Retention;
use crate::store::{ChangeWatch, wait};

/// How soon a standby notices that the lead is free. The lock itself is free about a millisecond after its holder's death.
const STAND_EVERY: Duration = Duration::from_millis(200);
/// How soon the dispatcher notices a commit of another process; the contract allows 50 ms.
const WATCH_EVERY: Duration = Duration::from_millis(20);
/// How often a change of the configuration is looked for, at most; it must hold within a second.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);
/// How long a keeper that panicked waits before it stands again.
const AFTER_PANIC: Duration = Duration::from_secs(1);
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A wall clock that is this far from where it should be has jumped.
const JUMP_MIN_MS: i64 = 2_000;

/// Why the keeper should do something other than its rounds.
pub(super) enum Order {
    /// Give the lead up, if it is held, and end.
    End,
}

pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    /// None: this process never leads.
    pub(super) election: Option<Arc<dyn Election>>,
    pub(super) follow: Follow,
    pub(super) retention: Retention,
    /// What this process would send with, for others to compare.
    pub(super) configuration: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sentry: Arc<SentryParts>,
    pub(super) orders: Receiver<Order>,
}

/// What a leading keeper holds.
struct Lead {
    leadership: Box<dyn Leadership>,
    /// Failures of the store when it was taken.
    failures: u64,
    last_beat: Instant,
    wall: WallCheck,
    sweeper: Sweeper,
}

impl Keeper {
    /// Runs until it is told to end. The lead, if held, is free when this returns, and nothing is sent any more.
    pub(super) fn run(self) {
        loop {
            // Outside of what may panic: the lock must not be free before the drivers have ended.
            let mut lead: Option<Lead> = None;
            let ended = std::panic::catch_unwind(AssertUnwindSafe(|| self.rounds(&mut lead)));
            if ended.is_ok() {
                return;
            }
            self.shared.trouble(&OutboxError::plain(code::ERR_PANIC));
            self.shared.halt();
            drop(lead);
            if !self.is_to_go_on(AFTER_PANIC) {
                return;
            }
        }
    }

    fn rounds(&self, lead: &mut Option<Lead>) {
        let mut watch: Option<Box<dyn ChangeWatch>> = None;
        let mut follower = Follower { heard: true, looked: None };
        let dispatching = Dispatching(Arc::clone(&self.shared));
        let mut sentry = Sentry::new(Arc::clone(&self.sentry));
        loop {
            crate::fault!("keeper-round");
            if self.is_unfit(lead.as_ref()) {
                // What is in flight can neither be recorded nor trusted: whoever leads next begins with what the file says.
                self.shared.halt();
                (*lead, watch) = (None, None);
            } else {
                if watch.is_none() {
                    watch = self.shared.store.watch().inspect_err(|error| self.shared.trouble(error)).ok();
                }
                if lead.is_none() {
                    *lead = self.stand();
                }
            }
            let heard = self.heard(watch.as_mut());
            if heard {
                follower.heard = true;
                if lead.is_some() {
                    self.shared.ring_all();
                }
            }
            if follower.is_time() {
                crate::fault!("keeper-follow");
                (self.follow)(&dispatching);
            }
            if let Some(lead) = lead {
                self.beat(lead);
                lead.sweeper.offer(&self.shared.store, !heard);
            }
            sentry.round(lead.is_some().then_some(|| self.shared.known()));
            self.shared.forget_trouble();
            if !self.is_to_go_on(if lead.is_some() { WATCH_EVERY } else { STAND_EVERY }) {
                return;
            }
        }
    }

    /// Whether this process cannot dispatch now: its store has failed, or one of its drivers has.
    fn is_unfit(&self, lead: Option<&Lead>) -> bool {
        if self.shared.has_lost_a_driver() {
            self.shared.trouble(&OutboxError::plain(code::ERR_PANIC));
            return true;
        }
        // Also a failure that is over: what was claimed and not told may be in the file all the same.
        let store = &self.shared.store;
        store.failed().is_some() || lead.is_some_and(|lead| lead.failures != store.failures())
    }

    /// Waits; `false` when it is time to end.
    fn is_to_go_on(&self, pause: Duration) -> bool {
        matches!(self.orders.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
    }

    /// Tries to take the lead, and begins to dispatch with it.
    fn stand(&self) -> Option<Lead> {
        let taken = self.election.as_ref()?.try_lead(self.clock.now());
        let leadership = match taken {
            Ok(leadership) => leadership?,
            Err(error) => {
                self.shared.trouble(&error);
                return None;
            }
        };
        let failures = self.shared.store.failures();
        crate::fault!("lead-recover");
        // Open claims belong to a dispatcher that is dead: nobody knows how far it came with them.
        let recovered = wait(|done| self.shared.store.recover(done)).and_then(|count| {
            wait(|done| self.shared.store.mend_due(done))?;
            wait(|done| self.shared.store.note_configuration(self.configuration.clone(), done))?;
            Ok(count)
        });
        match recovered {
            Ok(count) => {
                tracing::info!(open_claims = count, "this process dispatches now");
                self.shared.begin();
                let wall = WallCheck::new(self.clock.now());
                let sweeper = Sweeper::new(self.retention, Arc::clone(&self.shared.metrics));
                Some(Lead { leadership, failures, last_beat: Instant::now(), wall, sweeper })
            }
            Err(error) => {
                self.shared.trouble(&error);
                None
            }
        }
    }

    /// Whether anything was committed since the last look.
    fn heard(&self, watch: Option<&mut Box<dyn ChangeWatch>>) -> bool {
        match watch.map(|watch| watch.changed()) {
            Some(Ok(changed)) => changed,
            Some(Err(error)) => {
                self.shared.trouble(&error);
                false
            }
            None => false,
        }
    }

    fn beat(&self, lead: &mut Lead) {
        if lead.last_beat.elapsed() >= BEAT_EVERY {
            lead.last_beat = Instant::now();
            crate::fault!("keeper-beat");
            let now = self.clock.now();
            lead.leadership.beat(now);
            if lead.wall.jumped(now) {
                tracing::warn!("the wall clock jumped; waiting times are measured from now");
                match wait(|done| self.shared.store.mend_due(done)) {
                    Ok(_) => self.shared.ring_all(),
                    Err(error) => self.shared.trouble(&error),
                }
            }
        }
    }
}

/// When to look whether the configuration has changed: after commits, but not after every one.
struct Follower {
    heard: bool,
    looked: Option<Instant>,
}

impl Follower {
    fn is_time(&mut self) -> bool {
        let due = self.heard && self.looked.is_none_or(|looked| looked.elapsed() >= FOLLOW_EVERY);
        if due {
            *self = Self { heard: false, looked: Some(Instant::now()) };
        }
        due
    }
}

/// Compares the wall clock with the monotonic one.
struct WallCheck {
    wall: Timestamp,
    monotonic: Instant,
}

impl WallCheck {
    fn new(now: Timestamp) -> Self {
        Self { wall: now, monotonic: Instant::now() }
    }

    fn jumped(&mut self, now: Timestamp) -> bool {
        let expected = self.wall.plus(self.monotonic.elapsed());
        let jumped = (now.0 - expected.0).abs() >= JUMP_MIN_MS;
        *self = Self::new(now);
        jumped
    }
}
