//! From the numbers of a step to calls of the store.

use std::sync::Arc;
use std::time::Duration;

use outbox_core::acknowledgement::Outcome;
use outbox_core::clock::Timestamp;
use outbox_core::message::{Body, Expiry, MessageId, NewMessage, Priority};
use outbox_core::retry::{Next, Reason};
use outbox_core::state::State;
use outbox_core::status::MessageFilter;
use outbox_core::store::{AttemptRecord, Command, Completion, Term, Turn};

use super::model::{Kept, Model};
use super::step::{Draft, End, Kind, Order, Repeat, TurnDraft, Which, Write};
use crate::messages::{DESTINATION, message};
use crate::subject::by_ids;

/// Attempts with an unknown end before a message is a dead letter.
const INDETERMINATE_MAX: u32 = 3;

/// A call of the store.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Enqueue(Vec<NewMessage>),
    Turn(Turn),
    Order(Command),
    Replace(MessageId, Box<NewMessage>),
    TakeOver,
}

/// The patient of an invented message.
pub(crate) fn patient_of(message: &NewMessage) -> Option<u8> {
    message.lane.as_ref().and_then(|lane| lane.reveal().last().map(|letter| letter - b'A'))
}

fn patient(n: u8) -> String {
    format!("PATIENT{}", char::from(b'A' + n))
}

pub(crate) fn destination(elsewhere: bool) -> Arc<str> {
    Arc::from(if elsewhere { "elsewhere" } else { DESTINATION })
}

fn seconds(n: u32) -> Duration {
    Duration::from_secs(u64::from(n))
}

/// One of them, whatever the number.
fn pick<T: Copy>(from: &[T], n: u8) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(n) % from.len()])
}

impl Model {
    /// `None`: there is nothing yet that the step could mean.
    pub(crate) fn plan(&mut self, write: &Write) -> Option<Call> {
        match write {
            Write::Enqueue(drafts) => Some(Call::Enqueue(drafts.iter().map(|draft| self.message(draft)).collect())),
            Write::Turn(draft) => Some(Call::Turn(self.turn(draft))),
            Write::Order(order) => Some(Call::Order(self.order(*order))),
            Write::Replace { which, other_patient } => self.correction(*which, *other_patient),
            Write::TakeOver => Some(Call::TakeOver),
        }
    }

    fn fresh(&mut self, patient_n: Option<u8>) -> NewMessage {
        self.numbers += 1;
        message(self.numbers, patient_n.map(patient).as_deref())
    }

    fn message(&mut self, draft: &Draft) -> NewMessage {
        let known = match draft.repeat {
            Repeat::SameBytes(n) | Repeat::OtherBytes(n) => self.any(n).map(|kept| self.messages[kept].clone()),
            Repeat::No => None,
        };
        if let Some(known) = known {
            let other = matches!(draft.repeat, Repeat::OtherBytes(_));
            let bytes = if other { Body::new(&b"MSH|other bytes"[..]) } else { Body::new(known.bytes) };
            let again = message(0, known.patient.map(patient).as_deref());
            return NewMessage { destination: known.destination, control_id: known.control_id, body: bytes, ..again };
        }
        NewMessage {
            destination: destination(draft.elsewhere),
            hold: draft.hold,
            not_before: draft.not_before.map(|n| Timestamp(self.now).plus(seconds(n))),
            priority: if draft.urgent { Priority::Urgent } else { Priority::Routine },
            expires: draft.expires.map_or(Expiry::AsDestination, |n| Expiry::After(seconds(n))),
            max_attempts: draft.attempts_max,
            ..self.fresh(draft.patient)
        }
    }

    /// One of the messages; rather one of the latest.
    pub(crate) fn any(&self, n: u8) -> Option<usize> {
        let latest: Vec<usize> = (0..self.messages.len()).rev().take(12).collect();
        pick(&latest, n)
    }

    fn those(&self, of: impl Fn(&Kept) -> bool) -> Vec<usize> {
        (0..self.messages.len()).filter(|n| of(&self.messages[*n])).collect()
    }

    fn turn(&self, draft: &TurnDraft) -> Turn {
        let destination = destination(draft.elsewhere);
        let in_flight = self.those(|kept| kept.in_flight && kept.destination == destination);
        let ends = draft.ends.iter().filter_map(|(n, end)| Some(self.end(pick(&in_flight, *n)?, *end)));
        // As a driver does: failures of late that still count, with nothing of the lane delivered since.
        let suspects = self.those(|kept| {
            let last = kept.ended.len().checked_sub(1);
            let failed = last.is_some_and(|last| {
                let ended = kept.ended[last];
                ended.counted
                    && matches!(ended.outcome, Outcome::Retry | Outcome::Indeterminate)
                    && last >= kept.forgiven
            });
            failed
                && kept.destination == destination
                && (kept.state == State::Pending || kept.state == State::Failed && kept.failed_by_attempt)
        });
        let suspects: Vec<usize> = suspects.into_iter().filter(|n| !self.overtaken(*n)).collect();
        let given_back = draft.give_back.and_then(|n| pick(&suspects, n)).map(|n| {
            let kept = &self.messages[n];
            (kept.seq, u32::try_from(kept.ended.len()).unwrap())
        });
        let probed = self.those(|kept| kept.tries() > 0);
        Turn {
            completions: ends.collect(),
            given_back: given_back.into_iter().collect(),
            claim: u32::from(draft.claim),
            avoid: draft.avoid.and_then(|n| pick(&probed, n)).map(|n| self.messages[n].seq),
            expires: draft.expires.map(seconds),
            indeterminate_max: INDETERMINATE_MAX,
            holds_lane: draft.holds_lane,
            destination,
            term: Term::default(),
        }
    }

    fn end(&self, n: usize, end: End) -> Completion {
        let kept = &self.messages[n];
        let doubt = |doubt: bool| if doubt { Outcome::Indeterminate } else { Outcome::Retry };
        let (outcome, next, counted, holds_lane) = match end {
            End::Acknowledged | End::Late => (Outcome::Accepted, Next::Deliver { acknowledged: true }, true, false),
            End::Sent => (Outcome::Accepted, Next::Deliver { acknowledged: false }, true, false),
            End::Refused { holds_lane } => (Outcome::Rejected, Next::Fail(Reason::Rejected), true, holds_lane),
            End::Again { indeterminate, counted, delay } => {
                let delay = if counted { seconds(delay) } else { Duration::ZERO };
                (doubt(indeterminate), Next::Again { due: Timestamp(self.now).plus(delay), delay }, counted, false)
            }
            End::Exhausted { indeterminate, holds_lane } => {
                (doubt(indeterminate), Next::Fail(Reason::Exhausted), true, holds_lane)
            }
        };
        Completion {
            seq: kept.seq,
            attempt: kept.tries() - u32::from(matches!(end, End::Late)),
            record: AttemptRecord {
                outcome,
                row: "test",
                code: String::from("TEST"),
                http_status: None,
                ack_code: None,
                err_codes: Vec::new(),
                bytes_sent: 9,
                counted,
                warning: None,
                answer: None,
            },
            next,
            holds_lane,
        }
    }

    fn order(&self, order: Order) -> Command {
        let Order { kind, which, allow_overtaken } = order;
        let id = |n: u8| self.any(n).map(|n| self.messages[n].id);
        let (filter, name) = match which {
            Which::One(n) => (by_ids(&id(n).into_iter().collect::<Vec<_>>()), destination(n.is_multiple_of(4))),
            Which::Two(one, other) => {
                let mut ids: Vec<MessageId> = [id(one), id(other)].into_iter().flatten().collect();
                ids.dedup();
                (by_ids(&ids), destination(false))
            }
            Which::All { elsewhere } => {
                let name = destination(elsewhere);
                (MessageFilter { destination: Some(name.to_string()), ..MessageFilter::default() }, name)
            }
            Which::Unknown => (by_ids(&[MessageId::new(Timestamp(1), 1)]), destination(false)),
        };
        let destination = name.to_string();
        match kind {
            Kind::Retry => Command::Retry { filter, allow_overtaken },
            Kind::Release => Command::Release { filter, allow_overtaken },
            Kind::Resend => Command::Resend { filter, allow_overtaken },
            Kind::Cancel => Command::Cancel { filter },
            Kind::Hold => Command::Hold { filter },
            Kind::Purge => Command::Purge { filter },
            Kind::Pause => Command::Pause { destination },
            Kind::Resume => Command::Resume { destination },
        }
    }

    fn correction(&mut self, which: u8, other_patient: bool) -> Option<Call> {
        // Mostly one that can be replaced.
        let fit = self.those(|kept| matches!(kept.state, State::Failed | State::Held));
        let n = if which % 8 == 7 { self.any(which)? } else { pick(&fit, which / 8)? };
        let old = self.messages[n].clone();
        if let Some(known) = old.replaced_by.and_then(|id| self.find(id)).filter(|_| which.is_multiple_of(2)) {
            // The same correction again.
            let known = self.messages[known].clone();
            let again = message(0, known.patient.map(patient).as_deref());
            let body = Body::new(known.bytes);
            let again = NewMessage { destination: known.destination, control_id: known.control_id, body, ..again };
            return Some(Call::Replace(old.id, Box::new(again)));
        }
        let patient = old.patient.map(|patient| if other_patient { (patient + 1) % 3 } else { patient });
        let correction = NewMessage { destination: old.destination, ..self.fresh(patient) };
        Some(Call::Replace(old.id, Box::new(correction)))
    }
}
