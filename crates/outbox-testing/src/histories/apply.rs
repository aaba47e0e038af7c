//! What each write must have come to.

use outbox_core::acknowledgement::Outcome;
use outbox_core::error::{OutboxError, code};
use outbox_core::message::{MessageId, NewMessage};
use outbox_core::retry::Next;
use outbox_core::state::State;
use outbox_core::store::{Admitted, Completion, Turn, TurnResult};
use proptest::{prop_assert, prop_assert_eq};

use super::Checked;
use super::model::{Ended, Kept, Model};
use super::plan::patient_of;

impl Model {
    /// A call stores all of its messages or none.
    pub(crate) fn enqueued(&mut self, call: &[NewMessage], answer: Result<Vec<Admitted>, OutboxError>) -> Checked {
        let mut tried = self.clone();
        let stored = answer.as_ref().map(Vec::as_slice).unwrap_or_default();
        for (n, message) in call.iter().enumerate() {
            if let Some(known) = tried.known(message) {
                if tried.messages[known].bytes != *message.body.reveal() {
                    return refused(answer, code::ERR_CONTROL_ID_CONFLICT);
                }
                let Some(admitted) = stored.get(n) else { continue };
                prop_assert!(admitted.duplicate, "{} is a duplicate", message.control_id);
                prop_assert_eq!(admitted.id, tried.messages[known].id, "the first id again");
                prop_assert_eq!(admitted.state, tried.messages[known].state, "with its present state");
                continue;
            }
            if tried.waiting() >= tried.pending_max {
                return refused(answer, code::ERR_QUEUE_FULL);
            }
            // Refused for what comes later in the call: a stand-in takes its place until then.
            let id = stored
                .get(n)
                .map_or(MessageId::new(outbox_core::clock::Timestamp(0), i64::from(u32::MAX)), |one| one.id);
            let kept = tried.kept(message, id, None);
            if answer.is_ok() {
                prop_assert!(stored.get(n).is_some_and(|one| !one.duplicate && one.state == kept.state));
                tried.enters(kept)?;
            } else {
                tried.messages.push(kept);
            }
        }
        prop_assert!(answer.is_ok(), "nothing speaks against this call: {:?}", answer);
        *self = tried;
        Ok(())
    }

    fn known(&self, message: &NewMessage) -> Option<usize> {
        let same = |kept: &Kept| kept.destination == message.destination && kept.control_id == message.control_id;
        self.messages.iter().position(same)
    }

    fn kept(&self, message: &NewMessage, id: MessageId, position: Option<i64>) -> Kept {
        let not_before = message.not_before.map(|at| at.0);
        let deferred = !message.hold && not_before.is_some_and(|at| at > self.now);
        Kept {
            id,
            seq: id.seq(),
            destination: message.destination.clone(),
            control_id: message.control_id.clone(),
            patient: patient_of(message),
            bytes: message.body.reveal().clone(),
            position: position.unwrap_or(id.seq()),
            state: if message.hold { State::Held } else { State::Pending },
            in_flight: false,
            deferred,
            holds_lane: false,
            cancel_requested: false,
            due: if deferred { not_before.unwrap_or(self.now) } else { self.now },
            delay: 0,
            not_before,
            urgent: message.priority == outbox_core::message::Priority::Urgent,
            expires: message.expires,
            attempts_max: message.max_attempts,
            fresh_at: not_before.map_or(self.now, |at| at.max(self.now)),
            ended: Vec::new(),
            forgiven: 0,
            doubtful: false,
            marked: false,
            delivered: false,
            failed_by_attempt: false,
            replaces: None,
            replaced_by: None,
            purged: false,
        }
    }

    /// A correction takes the place of a dead letter, or of a message on hold.
    pub(crate) fn replaced(
        &mut self,
        old: MessageId,
        correction: &NewMessage,
        answer: Result<Admitted, OutboxError>,
    ) -> Checked {
        let Some(n) = self.find(old).filter(|n| !self.messages[*n].purged) else {
            return refused(answer, code::ERR_MESSAGE_ID);
        };
        if let Some(known) = self.known(correction) {
            let stored = &self.messages[known];
            if stored.bytes != *correction.body.reveal() || self.messages[n].replaced_by != Some(stored.id) {
                return refused(answer, code::ERR_CONTROL_ID_CONFLICT);
            }
            prop_assert!(answer.is_ok_and(|admitted| admitted.duplicate && admitted.id == stored.id));
            return Ok(());
        }
        let state = self.messages[n].state;
        if !matches!(state, State::Failed | State::Held) {
            return refused(answer, code::ERR_STATE);
        }
        // A message on hold leaves the room that its correction takes.
        if self.waiting() - u64::from(state == State::Held) >= self.pending_max {
            return refused(answer, code::ERR_QUEUE_FULL);
        }
        prop_assert!(answer.is_ok(), "nothing speaks against this correction: {:?}", answer);
        let id = answer.map_or(old, |admitted| admitted.id);
        self.moves(n, State::Cancelled)?;
        self.messages[n].replaced_by = Some(id);
        let same_lane = self.messages[n].patient == patient_of(correction);
        let position = same_lane.then_some(self.messages[n].position);
        let kept = Kept { replaces: Some(old), ..self.kept(correction, id, position) };
        self.enters(kept)
    }

    /// Another dispatcher takes over: nobody knows how far the open claims came.
    pub(crate) fn taken_over(&mut self, answer: Result<u64, OutboxError>) -> Checked {
        let open: Vec<usize> = (0..self.messages.len()).filter(|n| self.messages[*n].in_flight).collect();
        prop_assert_eq!(answer.ok(), Some(open.len() as u64), "open claims");
        for n in open {
            let now = self.now;
            let kept = &mut self.messages[n];
            kept.in_flight = false;
            kept.ended.push(Ended { outcome: Outcome::Indeterminate, counted: true });
            kept.doubtful = true;
            (kept.due, kept.delay) = (now, 0);
            if kept.cancel_requested {
                self.moves(n, State::Cancelled)?;
            }
        }
        self.settle();
        Ok(())
    }

    /// A driver's turn: ends, what is given back, claims.
    pub(crate) fn turned(&mut self, turn: &Turn, answer: Result<TurnResult, OutboxError>) -> Checked {
        prop_assert!(answer.is_ok(), "a turn is never refused: {:?}", answer.err());
        let result = answer.unwrap_or_default();
        for completion in &turn.completions {
            self.completed(completion)?;
        }
        for (seq, attempt) in &turn.given_back {
            self.given_back(*seq, *attempt)?;
        }
        self.claimed(turn, &result)
    }

    fn completed(&mut self, completion: &Completion) -> Checked {
        let found = self.messages.iter().position(|kept| kept.seq == completion.seq);
        let Some(n) = found.filter(|n| self.messages[*n].in_flight && self.messages[*n].tries() == completion.attempt)
        else {
            // Too late: the claim was taken over, or ended before.
            return Ok(());
        };
        let record = &completion.record;
        let kept = &mut self.messages[n];
        kept.in_flight = false;
        kept.ended.push(Ended { outcome: record.outcome, counted: record.counted });
        kept.doubtful |= record.outcome == Outcome::Indeterminate;
        if let Next::Deliver { acknowledged } = completion.next {
            kept.delivered = true;
            return self.moves(n, if acknowledged { State::Acknowledged } else { State::Sent });
        }
        if kept.cancel_requested {
            return self.moves(n, State::Cancelled);
        }
        if let Next::Again { due, delay } = completion.next {
            (kept.due, kept.delay) = (due.0, i64::try_from(delay.as_millis()).unwrap());
            self.settle();
            return Ok(());
        }
        kept.failed_by_attempt = true;
        let holds_lane = completion.holds_lane && kept.patient.is_some();
        self.fails(n, holds_lane)
    }

    pub(crate) fn fails(&mut self, n: usize, holds_lane: bool) -> Checked {
        self.messages[n].holds_lane = holds_lane;
        self.moves(n, State::Failed)
    }

    /// The destination was to blame after all.
    fn given_back(&mut self, seq: i64, attempt: u32) -> Checked {
        let Some(n) = self.messages.iter().position(|kept| kept.seq == seq) else { return Ok(()) };
        let now = self.now;
        let kept = &mut self.messages[n];
        let index = attempt as usize - 1;
        if kept.purged || !kept.ended.get(index).is_some_and(|ended| ended.counted) {
            return Ok(());
        }
        kept.ended[index].counted = false;
        if kept.tries() != attempt {
            return Ok(());
        }
        match kept.state {
            State::Pending if !kept.deferred => {
                (kept.due, kept.delay) = (now, 0);
                Ok(())
            }
            State::Failed => {
                (kept.due, kept.delay) = (now, 0);
                self.moves(n, State::Pending)
            }
            _ => Ok(()),
        }
    }
}

/// The call must have been refused, for this reason.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, OutboxError>, code: &'static str) -> Checked {
    prop_assert_eq!(answer.map_err(|error| error.code).err(), Some(code));
    Ok(())
}
