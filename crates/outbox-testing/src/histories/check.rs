//! All that callers can see, compared with the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use outbox_core::error::OutboxError;
use outbox_core::event::StatusChange;
use outbox_core::message::Priority;
use outbox_core::refusals::RefusalFilter;
use outbox_core::state::State;
use outbox_core::status::{ListRequest, MessageFilter, MessageView, OneOrMany};
use outbox_core::store::{Done, MessageRef, wait};
use proptest::{prop_assert, prop_assert_eq};

use super::Checked;
use super::model::{Ended, Kept, Line};
use super::run::Course;

/// An answer that is an answer.
fn answer<T: Send + 'static>(operation: impl FnOnce(Done<T>)) -> Checked<T> {
    wait(operation).map_err(|error: OutboxError| proptest::test_runner::TestCaseError::fail(format!("{error:?}")))
}

impl Course<'_> {
    /// After every step.
    pub(super) fn check(&self) -> Checked {
        let request = ListRequest { limit: Some(1_000), oldest_first: true, ..ListRequest::default() };
        let seen = answer(|done| self.store.list(request, done))?.items;
        let kept: Vec<usize> = (0..self.model.messages.len()).filter(|n| !self.model.messages[*n].purged).collect();
        prop_assert_eq!(seen.len(), kept.len(), "messages that are listed");
        for (view, n) in seen.iter().zip(kept) {
            self.compare(view, n)?;
        }
        self.worklist(&seen)?;
        self.count()
    }

    /// Every dead letter is in one group, that of what it failed of.
    fn worklist(&self, seen: &[MessageView]) -> Checked {
        let mut groups = BTreeMap::new();
        for (view, failure) in seen.iter().filter_map(|view| Some((view, view.failure.as_ref()?))) {
            let err_codes = failure.err_codes.clone().unwrap_or_default();
            *groups
                .entry((view.destination.clone(), failure.code.clone(), err_codes, failure.reason.clone()))
                .or_insert(0) += 1;
        }
        let found = answer(|done| self.store.refusals(RefusalFilter::default(), done))?;
        let listed: BTreeMap<_, u64> = found
            .groups
            .into_iter()
            .map(|group| ((group.destination, group.code, group.err_codes, group.reason), group.count))
            .collect();
        prop_assert_eq!(listed, groups, "the worklist");
        Ok(())
    }

    fn compare(&self, view: &MessageView, n: usize) -> Checked {
        let kept = &self.model.messages[n];
        let name = &kept.control_id;
        prop_assert_eq!((view.id, &view.control_id, view.seq), (kept.id, name, kept.seq));
        prop_assert_eq!(view.destination.as_str(), &*kept.destination);
        prop_assert_eq!((view.status, view.in_flight), (kept.state, kept.in_flight), "where {} stands", name);
        prop_assert_eq!((view.attempts, view.tries), (kept.attempts(), kept.tries()), "attempts of {}", name);
        prop_assert!(view.possible_duplicate || !kept.marked, "{} was sent again and is not marked", name);
        prop_assert!(kept.doubtful || !view.possible_duplicate, "{} is marked and never was in doubt", name);
        let overtaken = !kept.state.is_delivered() && self.model.overtaken(n);
        prop_assert_eq!(view.overtaken, overtaken, "whether {} is overtaken", name);
        prop_assert_eq!((view.replaces, view.replaced_by), (kept.replaces, kept.replaced_by), "{}", name);
        prop_assert_eq!(view.failure.is_some(), kept.state == State::Failed);
        prop_assert_eq!(view.due_at.is_some(), kept.state == State::Pending);
        prop_assert_eq!(view.sent_at.is_some(), kept.delivered);
        prop_assert_eq!(view.priority == Priority::Urgent, kept.urgent);
        if let Some(blocker) = view.blocked_by {
            prop_assert!(self.blocks(blocker, kept), "{} does not wait for {}", name, blocker);
        }
        Ok(())
    }

    /// What a message is said to wait for is under way, stands before it, or is a dead letter that holds the lane.
    fn blocks(&self, blocker: outbox_core::message::MessageId, kept: &Kept) -> bool {
        let blocker = self.model.messages.iter().find(|other| other.id == blocker);
        blocker.is_some_and(|other| {
            let before = other.order() < kept.order() && (other.state == State::Pending || other.holds_lane);
            other.destination == kept.destination && other.patient == kept.patient && (other.in_flight || before)
        })
    }

    /// The figures, which are kept and not counted.
    fn count(&self) -> Checked {
        let stats = answer(|done| self.store.stats(MessageFilter::default(), done))?;
        let records = answer(|done| self.store.destinations(done))?;
        for name in ["test", "elsewhere"] {
            let of = |state: State| {
                let there = |kept: &&Kept| *kept.destination == *name && kept.state == state && !kept.purged;
                self.model.messages.iter().filter(there).count() as u64
            };
            for state in State::ALL {
                let counted = stats.by_destination.get(name).map_or(0, |by_state| by_state[&state]);
                prop_assert_eq!(counted, of(state), "how many of {} are {:?}", name, state);
            }
            let Some(record) = records.iter().find(|record| record.name == name) else { continue };
            let in_flight = self.model.in_flight(name) as u64;
            prop_assert_eq!((record.pending, record.in_flight), (of(State::Pending), in_flight));
            prop_assert_eq!(record.paused.is_some(), self.model.paused.contains(&Arc::from(name)));
        }
        Ok(())
    }

    /// Now and then: the changes from some cursor on, pages of some size, and one message with all that belongs to it.
    pub(super) fn look(&self, from: u8, page: u8, which: u8) -> Checked {
        let from = usize::from(from) % self.cursors.len();
        let lines = self.read_changes(self.cursors[from].clone(), u32::from(page))?;
        prop_assert_eq!(&lines, &self.model.lines[from..], "the changes from {} on", from);
        if let Some(last) = self.cursors.last().and_then(Option::as_ref) {
            prop_assert_eq!(&answer(|done| self.store.latest_cursor(done))?, last);
        }
        self.heard()?;
        self.pages(page, which)?;
        self.model.any(which).map_or(Ok(()), |n| self.look_at(n))
    }

    fn read_changes(&self, mut after: Option<String>, limit: u32) -> Checked<Vec<Line>> {
        let mut lines = Vec::new();
        loop {
            let told: Vec<StatusChange> = answer(|done| self.store.changes(after.clone(), limit, done))?;
            prop_assert!(told.len() <= limit as usize);
            let Some(last) = told.last() else { return Ok(lines) };
            after = Some(last.cursor.clone());
            lines.extend(told.iter().map(Line::of));
        }
    }

    /// What the observer heard is what the changes tell; and a reader may go on from any cursor that it heard.
    fn heard(&self) -> Checked {
        let heard = self.with.ear.heard();
        for (n, change) in heard.iter().enumerate() {
            prop_assert_eq!(Some(&Line::of(change)), self.model.lines.get(n), "heard as number {}", n);
        }
        let Some(last) = heard.len().checked_sub(1) else { return Ok(()) };
        for n in [last, last / 2] {
            let rest = self.read_changes(Some(heard[n].cursor.clone()), 1_000)?;
            prop_assert_eq!(&rest, &self.model.lines[n + 1..], "the changes behind number {} that was heard", n);
        }
        Ok(())
    }

    fn pages(&self, limit: u8, which: u8) -> Checked {
        let state = State::ALL[usize::from(which) % State::ALL.len()];
        let all = which.is_multiple_of(2);
        let status = (!all).then_some(OneOrMany::One(state));
        let filter = MessageFilter { status, ..MessageFilter::default() };
        let mut expected: Vec<_> = self.model.messages.iter().filter(|kept| !kept.purged).collect();
        expected.retain(|kept| all || kept.state == state);
        let oldest_first = which % 4 < 2;
        if !oldest_first {
            expected.reverse();
        }
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let request = ListRequest { filter: filter.clone(), cursor, limit: Some(u32::from(limit)), oldest_first };
            let page = answer(|done| self.store.list(request, done))?;
            prop_assert!(page.items.len() <= usize::from(limit));
            seen.extend(page.items.iter().map(|view| view.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        prop_assert_eq!(seen, expected.iter().map(|kept| kept.id).collect::<Vec<_>>(), "pages of {}", limit);
        Ok(())
    }

    fn look_at(&self, n: usize) -> Checked {
        let kept = &self.model.messages[n];
        let by_name =
            MessageRef::ControlId { control_id: kept.control_id.clone(), destination: kept.destination.to_string() };
        for which in [MessageRef::Id(kept.id), by_name] {
            let view = answer(|done| self.store.message(which, done))?;
            prop_assert!(view.is_some(), "{} is known for ever", kept.control_id);
            let Some(view) = view else { continue };
            prop_assert_eq!((view.id, view.status), (kept.id, kept.state));
            prop_assert_eq!(view.purged_at.is_some(), kept.purged);
        }
        let content = answer(|done| self.store.content(kept.id, done))?;
        prop_assert_eq!(content.as_deref(), (!kept.purged).then_some(&*kept.bytes));
        let attempts = answer(|done| self.store.attempts(kept.id, done))?;
        let ended: Vec<Ended> = attempts
            .iter()
            .filter_map(|attempt| Some(Ended { outcome: attempt.outcome?, counted: attempt.counted }))
            .collect();
        prop_assert_eq!(attempts.len(), if kept.purged { 0 } else { kept.tries() as usize });
        prop_assert_eq!(
            ended,
            if kept.purged { Vec::new() } else { kept.ended.clone() },
            "attempts of {}",
            kept.control_id
        );
        Ok(())
    }
}
