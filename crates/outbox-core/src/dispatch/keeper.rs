//! The keeper: one thread per open outbox that stands for the lead, watches the file for other processes' commits while
//! leading, and says "still here".

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Shared;
use super::election::{Election, Leadership};
use crate::clock::{Clock, Timestamp};
use crate::store::{ChangeWatch, wait};

/// How soon a standby notices that the lead is free. The lock itself is free about a millisecond after its holder's death.
const STAND_EVERY: Duration = Duration::from_millis(200);
/// How soon the dispatcher notices a commit of another process; the contract allows 50 ms.
const WATCH_EVERY: Duration = Duration::from_millis(20);
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
    pub(super) election: Arc<dyn Election>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) orders: Receiver<Order>,
}

/// What a leading keeper holds.
struct Lead {
    leadership: Box<dyn Leadership>,
    watch: Box<dyn ChangeWatch>,
    last_beat: Instant,
    wall: WallCheck,
}

impl Keeper {
    /// Runs until it is told to end. The lead, if held, is free when this returns.
    pub(super) fn run(self) {
        let mut lead: Option<Lead> = None;
        loop {
            let pause = match &mut lead {
                None => {
                    lead = self.stand();
                    if lead.is_some() { WATCH_EVERY } else { STAND_EVERY }
                }
                Some(lead) => {
                    self.round(lead);
                    WATCH_EVERY
                }
            };
            match self.orders.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        drop(lead);
    }

    /// Tries to take the lead, and begins to dispatch with it.
    fn stand(&self) -> Option<Lead> {
        let taken = self.election.try_lead(self.clock.now());
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
            Ok((count, self.shared.store.watch()?))
        });
        match recovered {
            Ok((count, watch)) => {
                tracing::info!(open_claims = count, "this process dispatches now");
                self.shared.begin();
                let wall = WallCheck::new(self.clock.now());
                Some(Lead { leadership, watch, last_beat: Instant::now(), wall })
            }
            Err(error) => {
                self.shared.trouble(&error);
                None
            }
        }
    }

    fn round(&self, lead: &mut Lead) {
        match lead.watch.changed() {
            Ok(true) => self.shared.ring_all(),
            Ok(false) => {}
            Err(error) => self.shared.trouble(&error),
        }
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
