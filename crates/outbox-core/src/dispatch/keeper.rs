//! The keeper: one thread per open outbox that stands for the lead, watches the file for other processes' commits while
//! leading, and says "still here".

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::election::{Election, Leadership};
use super::{Dispatching, Follow, Shared};
use crate::clock::{Clock, Timestamp};
use crate::store::{ChangeWatch, wait};

/// How soon a standby notices that the lead is free. The lock itself is free about a millisecond after its holder's death.
const STAND_EVERY: Duration = Duration::from_millis(200);
/// How soon the dispatcher notices a commit of another process; the contract allows 50 ms.
const WATCH_EVERY: Duration = Duration::from_millis(20);
/// How often a change of the configuration is looked for, at most; it must hold within a second.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);
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
    pub(super) clock: Arc<dyn Clock>,
    pub(super) orders: Receiver<Order>,
}

/// What a leading keeper holds.
struct Lead {
    leadership: Box<dyn Leadership>,
    last_beat: Instant,
    wall: WallCheck,
}

impl Keeper {
    /// Runs until it is told to end. The lead, if held, is free when this returns.
    pub(super) fn run(self) {
        let mut lead: Option<Lead> = None;
        let mut watch: Option<Box<dyn ChangeWatch>> = None;
        let mut follower = Follower { heard: true, looked: None };
        let dispatching = Dispatching(Arc::clone(&self.shared));
        loop {
            if watch.is_none() {
                watch = self.shared.store.watch().inspect_err(|error| self.shared.trouble(error)).ok();
            }
            if lead.is_none() {
                lead = self.stand();
            }
            if self.heard(watch.as_mut()) {
                follower.heard = true;
                if lead.is_some() {
                    self.shared.ring_all();
                }
            }
            if follower.is_time() {
                (self.follow)(&dispatching);
            }
            if let Some(lead) = &mut lead {
                self.beat(lead);
            }
            let pause = if lead.is_some() { WATCH_EVERY } else { STAND_EVERY };
            match self.orders.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        drop(lead);
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
        // Open claims belong to a dispatcher that is dead: nobody knows how far it came with them.
        let recovered = wait(|done| self.shared.store.recover(done)).and_then(|count| {
            wait(|done| self.shared.store.mend_due(done))?;
            Ok(count)
        });
        match recovered {
            Ok(count) => {
                tracing::info!(open_claims = count, "this process dispatches now");
                self.shared.begin();
                let wall = WallCheck::new(self.clock.now());
                Some(Lead { leadership, last_beat: Instant::now(), wall })
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
