//! One attempt from claim to completion: hand over, judge, decide.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tokio::time::Instant;

use super::breaker::{Breaker, Case, Judgement};
use crate::acknowledgement::{self, Asked, Seen, Verdict};
use crate::clock::Timestamp;
use crate::config::Destination;
use crate::hl7::AckCondition;
use crate::message::MessageId;
use crate::retry::{self, Progress};
use crate::store::{AttemptRecord, Claimed, Completion};
use crate::transport::{Delivery, Parcel, Transport};

/// The part of a claim that is needed again when the attempt has ended.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) seq: i64,
    pub(super) id: MessageId,
    pub(super) began: Instant,
    pub(super) attempt: u32,
    pub(super) control_id: Arc<str>,
    pub(super) progress: Progress,
    pub(super) possible_duplicate: bool,
    pub(super) application_ack: Option<AckCondition>,
    /// What tells its lane from others; a message without order is a lane of its own.
    lane: u128,
}

impl Ticket {
    pub(super) fn of(claimed: &Claimed) -> Self {
        Self {
            seq: claimed.seq,
            id: claimed.id,
            began: Instant::now(),
            attempt: claimed.attempt,
            control_id: Arc::clone(&claimed.control_id),
            progress: Progress {
                attempts: claimed.attempts,
                indeterminates: claimed.indeterminates,
                attempts_max: claimed.attempts_max,
            },
            possible_duplicate: claimed.possible_duplicate,
            application_ack: claimed.application_ack,
            lane: claimed.lane.map_or(u128::from(claimed.seq.unsigned_abs()), u128::from_be_bytes),
        }
    }

    /// The attempt, for the breaker.
    pub(super) fn case(&self) -> Case {
        Case { seq: self.seq, attempt: self.attempt, lane: self.lane }
    }

    /// Judges what was seen, lets the breaker say who pays, and decides what follows.
    pub(super) fn complete(
        self,
        delivery: Delivery,
        destination: &Destination,
        now: Timestamp,
        breaker: &mut Breaker,
    ) -> (Completion, Verdict, Judgement) {
        crate::fault!("attempt-judge");
        let asked = Asked {
            control_id: &self.control_id,
            application_ack: self.application_ack,
            earlier_indeterminate: self.possible_duplicate,
            now: UNIX_EPOCH + Duration::from_millis(u64::try_from(now.0).unwrap_or(0)),
        };
        let verdict = acknowledgement::judge(&delivery.seen, &asked, &destination.policy);
        let judgement = breaker.judge(self.case(), &verdict, Instant::now());
        let (next, counted) =
            retry::decide(&destination.retry, self.progress, &verdict, judgement.blame, now, fastrand::f64());
        let record = AttemptRecord {
            outcome: verdict.outcome,
            row: verdict.row.as_str(),
            code: verdict.code.clone(),
            http_status: verdict.http_status,
            ack_code: verdict.ack_code.clone(),
            err_codes: verdict.err_codes.clone(),
            bytes_sent: delivery.bytes_sent,
            counted,
            warning: verdict.warning,
            answer: answer_of(delivery.seen),
        };
        let holds_lane = destination.holds_lane;
        (Completion { seq: self.seq, attempt: self.attempt, record, next, holds_lane }, verdict, judgement)
    }
}

/// The raw answer, for the engineer who will want it.
fn answer_of(seen: Seen) -> Option<Vec<u8>> {
    let answer = match seen {
        Seen::Http { body, .. } => body,
        Seen::Mllp { frames, .. } => frames.concat(),
        Seen::NotDelivered { .. }
        | Seen::CertificateRefused { .. }
        | Seen::ProxyRefused { .. }
        | Seen::TokenRefused { .. }
        | Seen::NoAnswer { .. } => Vec::new(),
    };
    (!answer.is_empty()).then_some(answer)
}

/// Hands one message over.
pub(super) async fn deliver(transport: Arc<dyn Transport>, claimed: Claimed) -> Delivery {
    let Claimed { body, control_id, application_ack, .. } = claimed;
    crate::fault!("attempt-begin", |_| panicked());
    transport.deliver(Parcel { body, control_id, application_ack }).await
}

/// What is known of an attempt whose task panicked: bytes may have left.
pub(super) fn panicked() -> Delivery {
    Delivery { seen: Seen::NoAnswer { fault: "panic" }, bytes_sent: 0 }
}
