//! What orders of persons must have come to.

use outbox_core::error::{OutboxError, code};
use outbox_core::message::MessageId;
use outbox_core::state::State;
use outbox_core::status::Changed;
use outbox_core::store::Command;
use proptest::{prop_assert, prop_assert_eq};

use super::Checked;
use super::model::Model;

impl Model {
    pub(crate) fn ordered(&mut self, command: &Command, answer: Result<Changed, OutboxError>) -> Checked {
        prop_assert!(answer.is_ok(), "no order was wrong: {:?}", answer.err());
        let answer = answer.unwrap_or_default();
        let (filter, states): (_, &[State]) = match command {
            Command::Retry { filter, .. } => (filter, &[State::Pending, State::Failed, State::Cancelled]),
            Command::Release { filter, .. } => (filter, &[State::Held]),
            Command::Resend { filter, .. } => (filter, &[State::Sent, State::Acknowledged]),
            Command::Cancel { filter } => (filter, &[State::Pending, State::Held, State::Failed]),
            Command::Hold { filter } => (filter, &[State::Pending]),
            Command::Purge { filter } => (filter, &State::ALL),
            Command::Pause { destination } => {
                self.paused.insert(destination.as_str().into());
                return Ok(());
            }
            Command::Resume { destination } => {
                self.paused.remove(destination.as_str());
                return Ok(());
            }
            Command::Configure { .. }
            | Command::Reset { .. }
            | Command::Rectify(_)
            | Command::Reveal { .. }
            | Command::Export { .. } => return Ok(()),
        };
        let named = filter.ids.as_ref();
        let (mut changed, mut left) = (Vec::new(), Vec::new());
        for n in 0..self.messages.len() {
            let kept = &self.messages[n];
            let meant = match named {
                Some(ids) => ids.contains(&kept.id.to_string()),
                None => filter.destination.as_deref() == Some(&kept.destination) && states.contains(&kept.state),
            };
            if kept.purged || !meant {
                continue;
            }
            let id = kept.id;
            let fits = states.contains(&kept.state);
            match if fits { self.carry_out(command, n)? } else { Some(code::ERR_STATE) } {
                None => changed.push(id),
                Some(code) => left.push((id.to_string(), code)),
            }
        }
        let exists =
            |id: &String| self.messages.iter().any(|kept| !kept.purged_before(&changed) && kept.id.to_string() == *id);
        left.extend(named.into_iter().flatten().filter(|id| !exists(id)).map(|id| (id.clone(), code::ERR_MESSAGE_ID)));
        let unchanged: Vec<_> = answer.unchanged.into_iter().map(|left| (left.id, left.code)).collect();
        prop_assert_eq!(&answer.changed, &changed, "changed");
        prop_assert_eq!(answer.count, changed.len() as u64);
        prop_assert_eq!(unchanged, left, "left, and why");
        Ok(())
    }

    /// Answers why a message is left, if it is.
    fn carry_out(&mut self, command: &Command, n: usize) -> Checked<Option<&'static str>> {
        let in_flight = self.messages[n].in_flight;
        match command {
            Command::Retry { .. } | Command::Hold { .. } | Command::Purge { .. } if in_flight => {
                return Ok(Some(code::ERR_IN_FLIGHT));
            }
            Command::Retry { allow_overtaken, .. }
            | Command::Release { allow_overtaken, .. }
            | Command::Resend { allow_overtaken, .. }
                if !allow_overtaken && self.overtaken(n) =>
            {
                return Ok(Some(code::OVERTAKEN));
            }
            _ => {}
        }
        let now = self.now;
        let kept = &mut self.messages[n];
        match command {
            Command::Retry { .. } if kept.state == State::Pending => {
                (kept.due, kept.delay, kept.deferred) = (now, 0, false);
                kept.fresh_at = kept.fresh_at.max(now);
                self.nudge(n);
                self.settle();
            }
            Command::Retry { .. } | Command::Resend { .. } => {
                kept.doubtful |= matches!(command, Command::Resend { .. });
                self.nudge(n);
                self.put_back(n, now)?;
            }
            Command::Release { .. } => {
                let due = kept.not_before.map_or(now, |at| at.max(now));
                self.put_back(n, due)?;
            }
            Command::Cancel { .. } if in_flight => kept.cancel_requested = true,
            Command::Cancel { .. } => self.moves(n, State::Cancelled)?,
            Command::Hold { .. } => self.moves(n, State::Held)?,
            Command::Purge { .. } => {
                if matches!(kept.state, State::Pending | State::Held | State::Failed) {
                    self.moves(n, State::Cancelled)?;
                }
                self.messages[n].purged = true;
            }
            _ => {}
        }
        Ok(None)
    }

    /// Into its old place, with everything forgiven but the doubt.
    fn put_back(&mut self, n: usize, due: i64) -> Checked {
        let now = self.now;
        let kept = &mut self.messages[n];
        kept.forgiven = kept.ended.len();
        (kept.due, kept.delay, kept.deferred) = (due, 0, due > now);
        kept.fresh_at = kept.fresh_at.max(due);
        self.moves(n, State::Pending)
    }

    fn nudge(&mut self, n: usize) {
        *self.nudges.entry(self.messages[n].destination.clone()).or_default() += 1;
    }
}

impl super::model::Kept {
    /// Purged, and not just now by the order that is looked at.
    fn purged_before(&self, changed: &[MessageId]) -> bool {
        self.purged && !changed.contains(&self.id)
    }
}
