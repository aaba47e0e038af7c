//! What the promises say of messages and lanes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use outbox_core::acknowledgement::Outcome;
use outbox_core::event::StatusChange;
use outbox_core::message::{Expiry, MessageId, Priority};
use outbox_core::state::State;
use proptest::{prop_assert, prop_assert_eq};

use super::Checked;

/// A message as it should be.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a promise speaks of")]
pub(crate) struct Kept {
    pub(crate) id: MessageId,
    pub(crate) seq: i64,
    pub(crate) destination: Arc<str>,
    pub(crate) control_id: String,
    pub(crate) patient: Option<u8>,
    pub(crate) bytes: Bytes,
    /// Its place in its lane: its own number, or that of the message that it replaces.
    pub(crate) position: i64,
    pub(crate) state: State,
    pub(crate) in_flight: bool,
    /// PENDING, but its `notBefore` keeps it outside its lane.
    pub(crate) deferred: bool,
    /// FAILED, and its lane waits for a person.
    pub(crate) holds_lane: bool,
    pub(crate) cancel_requested: bool,
    pub(crate) due: i64,
    pub(crate) delay: i64,
    pub(crate) not_before: Option<i64>,
    pub(crate) urgent: bool,
    pub(crate) expires: Expiry,
    pub(crate) attempts_max: Option<u32>,
    /// The latest of stored, due for the first time, released and retried.
    pub(crate) fresh_at: i64,
    /// Attempts that ended, the first first.
    pub(crate) ended: Vec<Ended>,
    /// How many had ended when a person last put it back: those count no more.
    pub(crate) forgiven: usize,
    /// The receiver may have it, or has it.
    pub(crate) doubtful: bool,
    /// Sent again in spite of a doubt.
    pub(crate) marked: bool,
    /// It was delivered once, whatever became of it later.
    pub(crate) delivered: bool,
    pub(crate) failed_by_attempt: bool,
    pub(crate) replaces: Option<MessageId>,
    pub(crate) replaced_by: Option<MessageId>,
    pub(crate) purged: bool,
}

/// An attempt that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) counted: bool,
}

impl Kept {
    fn since_forgiven(&self) -> impl Iterator<Item = &Ended> {
        self.ended[self.forgiven..].iter().filter(|ended| ended.counted)
    }

    pub(crate) fn attempts(&self) -> u32 {
        u32::try_from(self.since_forgiven().count()).unwrap()
    }

    pub(crate) fn indeterminates(&self) -> u32 {
        let doubts = self.since_forgiven().filter(|ended| ended.outcome == Outcome::Indeterminate);
        u32::try_from(doubts.count()).unwrap()
    }

    pub(crate) fn tries(&self) -> u32 {
        u32::try_from(self.ended.len()).unwrap() + u32::from(self.in_flight)
    }

    pub(crate) fn order(&self) -> (i64, i64) {
        (self.position, self.seq)
    }

    /// Stands in its lane and is not under way.
    fn stands(&self) -> bool {
        self.state == State::Pending && !self.in_flight && !self.deferred
    }

    fn shares_lane(&self, other: &Self) -> bool {
        self.patient.is_some() && self.patient == other.patient && self.destination == other.destination
    }
}

/// A line of the history of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: MessageId,
    pub(crate) from: Option<State>,
    pub(crate) to: State,
    pub(crate) attempts: u32,
}

impl Line {
    pub(crate) fn of(change: &StatusChange) -> Self {
        Self { id: change.id, from: change.from, to: change.to, attempts: change.attempts }
    }
}

/// Everything that was promised so far.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) now: i64,
    pub(crate) pending_max: u64,
    /// Most messages that a command changes in one commit.
    pub(crate) part_max: usize,
    pub(crate) messages: Vec<Kept>,
    /// Every change, in the order of the commits.
    pub(crate) lines: Vec<Line>,
    /// What the store told of the present step and the model has not accounted for.
    pub(crate) told: VecDeque<StatusChange>,
    pub(crate) paused: BTreeSet<Arc<str>>,
    pub(crate) nudges: BTreeMap<Arc<str>, i64>,
    /// The clock has never jumped back: what is due later was stored later.
    pub(crate) steady: bool,
    /// Control ids given so far.
    pub(crate) numbers: u32,
}

impl Model {
    pub(crate) fn new(now: i64, pending_max: u64, part_max: usize) -> Self {
        Self {
            now,
            pending_max,
            part_max,
            messages: Vec::new(),
            lines: Vec::new(),
            told: VecDeque::new(),
            paused: BTreeSet::new(),
            nudges: BTreeMap::new(),
            steady: true,
            numbers: 0,
        }
    }

    pub(crate) fn find(&self, id: MessageId) -> Option<usize> {
        self.messages.iter().position(|kept| kept.id == id)
    }

    /// Everything that is still to be delivered.
    pub(crate) fn pending(&self) -> Vec<usize> {
        (0..self.messages.len()).filter(|n| self.messages[*n].state == State::Pending).collect()
    }

    pub(crate) fn in_flight(&self, destination: &str) -> usize {
        self.messages.iter().filter(|kept| kept.in_flight && *kept.destination == *destination).count()
    }

    /// What waits for a person to see to an earlier dead letter.
    pub(crate) fn behind_dead_letters(&self) -> Vec<usize> {
        let behind = |kept: &Kept| {
            let before = |other: &Kept| other.holds_lane && kept.shares_lane(other) && other.order() < kept.order();
            self.messages.iter().any(before)
        };
        self.pending().into_iter().filter(|n| behind(&self.messages[*n])).collect()
    }

    /// Dead letters that hold their lanes.
    pub(crate) fn holders(&self) -> Vec<MessageId> {
        self.messages.iter().filter(|kept| kept.holds_lane).map(|kept| kept.id).collect()
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.messages.iter().filter(|kept| matches!(kept.state, State::Pending | State::Held)).count() as u64
    }

    /// The message of a lane that may be sent next, due or not: the first that stands in it, unless one is in flight or an
    /// earlier dead letter holds the lane.
    pub(crate) fn may_go_next(&self, n: usize) -> bool {
        let kept = &self.messages[n];
        let lane = || self.messages.iter().filter(|other| kept.shares_lane(other));
        kept.stands()
            && !lane().any(|other| other.in_flight)
            && !lane().any(|other| other.stands() && other.order() < kept.order())
            && !lane().any(|other| other.holds_lane && other.order() < kept.order())
    }

    /// The highest priority that waits in its lane.
    pub(crate) fn rank(&self, n: usize) -> Priority {
        let kept = &self.messages[n];
        let urgent =
            kept.urgent || self.messages.iter().any(|other| kept.shares_lane(other) && other.stands() && other.urgent);
        if urgent { Priority::Urgent } else { Priority::Routine }
    }

    /// Later messages of its lane were delivered, or a correction stands for it.
    pub(crate) fn overtaken(&self, n: usize) -> bool {
        let kept = &self.messages[n];
        let is_later = |other: &Kept| kept.shares_lane(other) && other.delivered && other.order() > kept.order();
        kept.replaced_by.is_some() || self.messages.iter().any(is_later)
    }

    /// After any change: whoever is first of its lane waits no longer than its own delay from now.
    pub(crate) fn settle(&mut self) {
        for n in 0..self.messages.len() {
            if self.may_go_next(n) {
                let latest = self.now + self.messages[n].delay;
                let kept = &mut self.messages[n];
                kept.due = kept.due.min(latest);
            }
        }
    }

    /// A message moves; the store must have told of it, next.
    pub(crate) fn moves(&mut self, n: usize, to: State) -> Checked {
        let kept = &mut self.messages[n];
        let line = Line { id: kept.id, from: Some(kept.state), to, attempts: kept.attempts() };
        kept.state = to;
        kept.in_flight = false;
        kept.cancel_requested = false;
        if to != State::Pending {
            kept.deferred = false;
        }
        if to != State::Failed {
            kept.holds_lane = false;
        }
        self.tells(line)?;
        self.settle();
        Ok(())
    }

    /// A new message; likewise.
    pub(crate) fn enters(&mut self, kept: Kept) -> Checked {
        prop_assert!(
            self.messages.last().is_none_or(|last| last.seq < kept.seq),
            "{} is stored under a number that is not the highest",
            kept.control_id
        );
        prop_assert_eq!(kept.id.seq(), kept.seq);
        let line = Line { id: kept.id, from: None, to: kept.state, attempts: 0 };
        self.messages.push(kept);
        self.tells(line)?;
        self.settle();
        Ok(())
    }

    fn tells(&mut self, line: Line) -> Checked {
        let told = self.told.pop_front().map(|change| Line::of(&change));
        prop_assert_eq!(told.as_ref(), Some(&line), "the change that is told, and the one that should be");
        self.lines.push(line);
        Ok(())
    }
}
