//! What a turn may claim. Which of several lanes comes first is the store's choice; whether it had that choice is checked.

use outbox_core::message::{Expiry, Priority};
use outbox_core::retry::Reason;
use outbox_core::state::State;
use outbox_core::store::{Claimed, Turn, TurnResult};
use proptest::{prop_assert, prop_assert_eq};

use super::Checked;
use super::model::Model;

impl Model {
    pub(crate) fn claimed(&mut self, turn: &Turn, result: &TurnResult) -> Checked {
        let paused = self.paused.contains(&turn.destination);
        prop_assert_eq!(result.paused, paused);
        prop_assert_eq!(result.nudges, self.nudges.get(&turn.destination).copied().unwrap_or(0));
        if paused || turn.claim == 0 {
            prop_assert!(result.claimed.is_empty());
            return Ok(());
        }
        self.let_in(turn);
        self.put_aside(turn)?;
        let claimable: Vec<usize> = (0..self.messages.len()).filter(|n| self.claimable(*n, turn)).collect();
        let mut taken = Vec::new();
        for claimed in &result.claimed {
            taken.push(self.claim(turn, claimed)?);
        }
        let left: Vec<usize> = claimable.iter().copied().filter(|n| !taken.contains(n)).collect();
        prop_assert!(taken.len() <= turn.claim as usize);
        if taken.len() < turn.claim as usize && !result.more {
            prop_assert!(left.is_empty(), "there was room, and left was {:?}", self.names(&left));
            prop_assert_eq!(result.next_due.map(|due| due.0), self.next_due(turn), "when the next is due");
        }
        let avoided = taken.iter().any(|n| Some(self.messages[*n].seq) == turn.avoid);
        prop_assert!(
            !avoided || left.is_empty(),
            "the one to be avoided was taken, and left was {:?}",
            self.names(&left)
        );
        self.fair(turn, &taken, &left)
    }

    fn names(&self, which: &[usize]) -> Vec<String> {
        which.iter().map(|n| self.messages[*n].control_id.clone()).collect()
    }

    /// Whose `notBefore` has passed stands in its lane from now on.
    fn let_in(&mut self, turn: &Turn) {
        for kept in &mut self.messages {
            if kept.deferred && kept.destination == turn.destination && kept.due <= self.now {
                kept.deferred = false;
            }
        }
        self.settle();
    }

    fn claimable(&self, n: usize, turn: &Turn) -> bool {
        self.messages[n].destination == turn.destination && self.may_go_next(n) && self.messages[n].due <= self.now
    }

    fn expired(&self, n: usize, turn: &Turn) -> bool {
        let kept = &self.messages[n];
        let limit = match kept.expires {
            Expiry::Never => None,
            Expiry::After(time) => Some(time),
            Expiry::AsDestination => turn.expires,
        };
        limit.is_some_and(|limit| self.now - kept.fresh_at > i64::try_from(limit.as_millis()).unwrap())
    }

    fn doubted_too_often(&self, n: usize, turn: &Turn) -> bool {
        self.messages[n].indeterminates() >= turn.indeterminate_max
    }

    /// Messages that were not claimed but made dead letters.
    fn put_aside(&mut self, turn: &Turn) -> Checked {
        while let Some(told) = self.told.front() {
            let reason = told.failure.as_ref().map(|failure| (failure.reason.as_str(), failure.code.as_str()));
            let Some(n) = self.find(told.id) else { return Ok(()) };
            let right = match reason {
                _ if told.to != State::Failed || *told.destination != *turn.destination => return Ok(()),
                Some((reason, "EXPIRED")) => reason == Reason::Expired.as_str() && self.expired(n, turn),
                Some((reason, "TAKEN_OVER")) => {
                    reason == Reason::Indeterminate.as_str() && self.doubted_too_often(n, turn)
                }
                _ => return Ok(()),
            };
            prop_assert!(right && self.claimable(n, turn), "{} was put aside: {:?}", told.control_id, reason);
            let holds_lane = turn.holds_lane && self.messages[n].patient.is_some();
            self.messages[n].failed_by_attempt = false;
            self.fails(n, holds_lane)?;
        }
        Ok(())
    }

    fn claim(&mut self, turn: &Turn, claimed: &Claimed) -> Checked<usize> {
        let found = self.find(claimed.id);
        prop_assert!(found.is_some(), "nobody enqueued {:?}", claimed.id);
        let n = found.unwrap_or_default();
        let name = &self.messages[n].control_id;
        prop_assert!(self.claimable(n, turn), "{} may not go now", name);
        prop_assert!(!self.expired(n, turn), "{} has expired", name);
        prop_assert!(!self.doubted_too_often(n, turn), "{} was sent too often", name);
        let kept = &mut self.messages[n];
        prop_assert_eq!(claimed.seq, kept.seq);
        prop_assert_eq!(claimed.control_id.as_ref(), kept.control_id.as_str());
        prop_assert_eq!(claimed.body.reveal(), &kept.bytes);
        prop_assert_eq!(claimed.attempt, kept.tries() + 1);
        prop_assert_eq!((claimed.attempts, claimed.indeterminates), (kept.attempts(), kept.indeterminates()));
        prop_assert_eq!(claimed.possible_duplicate, kept.doubtful, "the mark of {}", kept.control_id);
        prop_assert_eq!(claimed.attempts_max, kept.attempts_max);
        prop_assert_eq!(claimed.lane.is_some(), kept.patient.is_some());
        kept.in_flight = true;
        kept.marked |= kept.doubtful;
        Ok(n)
    }

    /// When a message falls due that could not be claimed yet.
    fn next_due(&self, turn: &Turn) -> Option<i64> {
        let later = |n: &usize| {
            let kept = &self.messages[*n];
            kept.destination == turn.destination && (kept.deferred || self.may_go_next(*n) && kept.due > self.now)
        };
        (0..self.messages.len()).filter(later).map(|n| self.messages[n].due).min()
    }

    /// Urgent lanes go before routine ones that have not waited longer by the head start; and what has waited that much
    /// longer is not starved by them. (A message that nobody looked at yet may still wait for the walk to come to it.)
    fn fair(&self, turn: &Turn, taken: &[usize], left: &[usize]) -> Checked {
        if !self.steady {
            return Ok(());
        }
        let head_start = i64::try_from(Priority::HEAD_START.as_millis()).unwrap();
        for (first, later) in taken.iter().flat_map(|first| left.iter().map(move |later| (*first, *later))) {
            let (won, lost) = (&self.messages[first], &self.messages[later]);
            if Some(lost.seq) == turn.avoid {
                continue;
            }
            match (self.rank(first), self.rank(later)) {
                (Priority::Routine, Priority::Urgent) => {
                    prop_assert!(
                        won.due <= lost.due - head_start,
                        "{} went before {}",
                        won.control_id,
                        lost.control_id
                    );
                }
                (Priority::Urgent, Priority::Routine) if lost.tries() > 0 => {
                    prop_assert!(won.due - head_start <= lost.due, "{} starves {}", won.control_id, lost.control_id);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
