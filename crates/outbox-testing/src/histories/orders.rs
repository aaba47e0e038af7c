//! What orders of persons must have come to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use outbox_core::error::{OutboxError, code};
use outbox_core::message::MessageId;
use outbox_core::state::State;
use outbox_core::status::{Changed, MessageFilter};
use outbox_core::store::Command;
use proptest::{prop_assert, prop_assert_eq};

use super::Checked;
use super::model::Model;

/// How long a store may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The answer to an order, as soon as there is one.
pub(crate) type Told = Receiver<Result<Changed, OutboxError>>;

/// An order on more messages than one commit may change, on its way.
pub(crate) struct Large {
    pub(crate) command: Command,
    pub(crate) told: Told,
    /// Messages that were stored later are not meant.
    bound: i64,
    /// Those that were listed before the first part: named by ids, or standing elsewhere than under their own number.
    listed: Vec<usize>,
    /// The place of the last that was found.
    after: Option<(i64, i64)>,
    /// Named, and not there from the beginning.
    missing: Vec<(String, &'static str)>,
    changed: Vec<MessageId>,
    left: Vec<(String, &'static str)>,
    /// Destinations that it has asked for a probe: once for the whole order.
    nudged: BTreeSet<Arc<str>>,
}

/// What an order means: a filter, the states it applies to, and whether it goes from the end of each lane to its beginning.
fn meant(command: &Command) -> Option<(&MessageFilter, &'static [State], bool)> {
    Some(match command {
        Command::Retry { filter, .. } => (filter, &[State::Pending, State::Failed, State::Cancelled], false),
        Command::Release { filter, .. } => (filter, &[State::Held], false),
        Command::Resend { filter, .. } => (filter, &[State::Sent, State::Acknowledged], false),
        Command::Cancel { filter } => (filter, &[State::Pending, State::Held, State::Failed], true),
        Command::Hold { filter } => (filter, &[State::Pending], true),
        Command::Purge { filter } => (filter, &State::ALL, true),
        _ => return None,
    })
}

impl Model {
    /// What an order came to, or the order if it goes on in parts.
    pub(crate) fn ordered(&mut self, command: Command, told: Told) -> Checked<Option<Large>> {
        match &command {
            Command::Pause { destination } => drop(self.paused.insert(destination.as_str().into())),
            Command::Resume { destination } => drop(self.paused.remove(destination.as_str())),
            _ => {}
        }
        if meant(&command).is_none() {
            prop_assert!(told.recv_timeout(PATIENCE).is_ok_and(|answer| answer.is_ok()), "no order was wrong");
            return Ok(None);
        }
        let all: Vec<usize> = (0..self.messages.len()).filter(|n| self.is_meant(&command, *n)).collect();
        let mut large = Large {
            bound: self.messages.last().map_or(0, |last| last.seq),
            listed: Vec::new(),
            after: None,
            missing: self.missing(&command),
            changed: Vec::new(),
            left: Vec::new(),
            nudged: BTreeSet::new(),
            command,
            told,
        };
        if all.len() > self.part_max {
            if is_named(&large.command) {
                large.listed = all;
            }
            return Ok(Some(large));
        }
        self.part(&mut large, &all)?;
        let answer = large.told.recv_timeout(PATIENCE);
        prop_assert!(answer.is_ok(), "{:?} has no answer, as if it went on in parts", large.command);
        large.compare(answer.unwrap())?;
        Ok(None)
    }

    /// Whether an order means a message as it stands now.
    fn is_meant(&self, command: &Command, n: usize) -> bool {
        let Some((filter, states, _)) = meant(command) else { return false };
        let kept = &self.messages[n];
        let matches = match &filter.ids {
            Some(ids) => ids.contains(&kept.id.to_string()),
            None => filter.destination.as_deref() == Some(&kept.destination) && states.contains(&kept.state),
        };
        matches && !kept.purged
    }

    fn missing(&self, command: &Command) -> Vec<(String, &'static str)> {
        let ids = meant(command).and_then(|(filter, _, _)| filter.ids.clone()).unwrap_or_default();
        let exists = |id: &String| self.messages.iter().any(|kept| !kept.purged && kept.id.to_string() == *id);
        ids.into_iter().filter(|id| !exists(id)).map(|id| (id, code::ERR_MESSAGE_ID)).collect()
    }

    /// Before its first part: which corrections it means, that stand before their own numbers.
    pub(crate) fn lists(&self, large: &mut Large) {
        if is_named(&large.command) {
            return;
        }
        let elsewhere = |n: &usize| {
            let kept = &self.messages[*n];
            kept.position != kept.seq && kept.seq <= large.bound && self.is_meant(&large.command, *n)
        };
        large.listed = (0..self.messages.len()).filter(elsewhere).collect();
    }

    /// The messages of its next part, in the order of the lanes; none when it is through.
    pub(crate) fn finds(&self, large: &mut Large) -> Vec<usize> {
        let backwards = meant(&large.command).is_some_and(|(_, _, backwards)| backwards);
        let mut found: Vec<usize> = (0..self.messages.len())
            .filter(|n| {
                let kept = &self.messages[*n];
                let comes =
                    large.after.is_none_or(|after| if backwards { kept.order() < after } else { kept.order() > after });
                let own = kept.position == kept.seq && kept.seq <= large.bound && !is_named(&large.command);
                comes && (large.listed.contains(n) || own && self.is_meant(&large.command, *n))
            })
            .collect();
        found.sort_by_key(|n| self.messages[*n].order());
        if backwards {
            found.reverse();
        }
        found.truncate(self.part_max);
        large.after = found.last().map(|n| self.messages[*n].order()).or(large.after);
        found
    }

    /// One commit of it: of those that were found, the ones that still match.
    pub(crate) fn part(&mut self, large: &mut Large, found: &[usize]) -> Checked {
        let Some((_, states, _)) = meant(&large.command) else { return Ok(()) };
        let mut nudged = BTreeSet::new();
        for n in found.iter().copied() {
            let id = self.messages[n].id;
            if !self.is_meant(&large.command, n) {
                if self.messages[n].purged && is_named(&large.command) {
                    large.left.push((id.to_string(), code::ERR_MESSAGE_ID));
                }
                continue;
            }
            let fits = states.contains(&self.messages[n].state);
            match if fits { self.carry_out(&large.command, n, &mut nudged)? } else { Some(code::ERR_STATE) } {
                None => large.changed.push(id),
                Some(code) => large.left.push((id.to_string(), code)),
            }
        }
        for destination in nudged.into_iter().filter(|destination| large.nudged.insert(destination.clone())) {
            *self.nudges.entry(destination).or_default() += 1;
        }
        Ok(())
    }

    /// Answers why a message is left, if it is.
    fn carry_out(
        &mut self,
        command: &Command,
        n: usize,
        nudged: &mut BTreeSet<Arc<str>>,
    ) -> Checked<Option<&'static str>> {
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
                nudged.insert(kept.destination.clone());
                self.settle();
            }
            Command::Retry { .. } | Command::Resend { .. } => {
                kept.doubtful |= matches!(command, Command::Resend { .. });
                nudged.insert(kept.destination.clone());
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
}

impl Large {
    /// Its answer, when it is through.
    pub(crate) fn compare(self, answer: Result<Changed, OutboxError>) -> Checked {
        prop_assert!(answer.is_ok(), "no order was wrong: {:?}", answer.err());
        let answer = answer.unwrap_or_default();
        let mut left = self.left;
        left.extend(self.missing);
        let unchanged: Vec<_> = answer.unchanged.into_iter().map(|left| (left.id, left.code)).collect();
        prop_assert_eq!(&answer.changed, &self.changed, "changed");
        prop_assert_eq!(answer.count, self.changed.len() as u64);
        prop_assert_eq!(unchanged, left, "left, and why");
        Ok(())
    }
}

fn is_named(command: &Command) -> bool {
    meant(command).is_some_and(|(filter, _, _)| filter.ids.is_some())
}
