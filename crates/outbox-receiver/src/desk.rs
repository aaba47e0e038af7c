//! What all connections share, and the one way a message is taken in, whatever it came by.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use crate::ack;
use crate::check::{self, Refusal};
use crate::conduct::{Choice, Conduct};
use crate::config::{Limits, ReceiverConfig};
use crate::kept::{Arrival, Decided, Kept};
use crate::message::{Message, NotHl7};
use crate::received::Transport;
use crate::stats::Stats;
use crate::verdict::{AckCode, Verdict};
use crate::{answer::Answer, when};

/// Lives as long as the receiver; every connection holds it.
pub(crate) struct Desk {
    pub(crate) bearer: Option<String>,
    pub(crate) strict: bool,
    pub(crate) limits: Limits,
    /// The behaviour in force; listeners wait here for its outages to change.
    pub(crate) conduct: watch::Sender<Arc<Conduct>>,
    kept: Mutex<Kept>,
    /// Told after every arrival.
    arrived: Notify,
    connections: AtomicU64,
    acknowledgements: AtomicU64,
    /// Begins our own control ids, so that those of two runs differ.
    ack_prefix: String,
}

/// A message taken in, and what is to be done about it.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    pub(crate) seq: u64,
    pub(crate) judged: Judged<'a>,
}

/// What the receiver thinks of what it was sent.
#[derive(Debug)]
pub(crate) enum Judged<'a> {
    /// The bytes are no HL7 v2 message.
    NotHl7(NotHl7),
    /// `X-Message-Control-ID` and MSH-10 differ.
    Mismatch,
    /// Refused for what is in it.
    Refused(Message<'a>, Refusal),
    /// Answered as the behaviour says.
    Chosen(Message<'a>, Choice<'a>),
}

impl Desk {
    pub(crate) fn new(config: &ReceiverConfig, conduct: Conduct) -> Self {
        Self {
            bearer: config.bearer.clone(),
            strict: config.strict,
            limits: config.limits,
            conduct: watch::Sender::new(Arc::new(conduct)),
            kept: Mutex::new(Kept::new(config.keep, config.limits.control_ids_max)),
            arrived: Notify::new(),
            connections: AtomicU64::new(0),
            acknowledgements: AtomicU64::new(0),
            ack_prefix: format!("R{:x}-", when::now_us() / 1_000_000),
        }
    }

    /// The list of what was received. A panic in its keeping would be a defect of ours; the list stays usable.
    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn conduct(&self) -> Arc<Conduct> {
        Arc::clone(&self.conduct.borrow())
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(self.limits.idle_ms)
    }

    /// Numbers a new connection.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn stats(&self) -> Stats {
        self.kept().stats(self.connections.load(Ordering::Relaxed), when::now_us())
    }

    pub(crate) fn turn_away(&self) {
        self.kept().turned_away += 1;
    }

    pub(crate) fn mark_answered(&self, seq: u64) {
        self.kept().mark_answered(seq, when::now_us());
    }

    /// Reads, judges and keeps one message. `announced` is the control id that its HTTP header names.
    pub(crate) fn take_in<'a>(
        &self,
        conduct: &'a Conduct,
        came: (Transport, u64),
        headers: Option<&http::HeaderMap>,
        announced: Option<&[u8]>,
        body: &'a Bytes,
    ) -> Taken<'a> {
        let read = Message::read(body);
        let arrival = Arrival {
            at_us: when::now_us(),
            transport: came.0,
            connection: came.1,
            headers,
            body,
            message: read.as_ref().ok(),
        };
        let fixed = |label: &'static str| Decided { label: label.into(), taken: false, at_once: true };
        let (seq, judged) = match &read {
            Err(not) => self.record(&arrival, |_| (fixed("notHl7"), Judged::NotHl7(*not))),
            Ok(message) if announced.is_some_and(|id| id != message.control_id()) => {
                self.record(&arrival, |_| (fixed("controlIdMismatch"), Judged::Mismatch))
            }
            Ok(message) => match check::refusal_of(message, self.strict) {
                Some(refusal) => {
                    let label = refusal.code.as_str();
                    self.record(&arrival, |_| (fixed(label), Judged::Refused(message.clone(), refusal)))
                }
                None => self.record(&arrival, |occurrence| {
                    let choice = conduct.choose(message, occurrence);
                    (decided(&choice), Judged::Chosen(message.clone(), choice))
                }),
            },
        };
        Taken { seq, judged }
    }

    fn record<'a>(
        &self,
        arrival: &Arrival<'_>,
        decide: impl FnOnce(u64) -> (Decided, Judged<'a>),
    ) -> (u64, Judged<'a>) {
        let recorded = self.kept().record(arrival, decide);
        self.arrived.notify_waiters();
        recorded
    }

    /// Resolves when so many messages have arrived since the start or the last clearing.
    pub(crate) async fn until_total(&self, total: u64) {
        let arrived = self.arrived.notified();
        tokio::pin!(arrived);
        loop {
            // Registered before looking, so that no arrival falls between.
            arrived.as_mut().enable();
            if self.kept().total() >= total {
                return;
            }
            arrived.as_mut().await;
            arrived.set(self.arrived.notified());
        }
    }

    /// An acknowledgement with a control id of our own.
    pub(crate) fn acknowledge(&self, message: Option<&Message<'_>>, verdict: &Verdict<'_>) -> Bytes {
        let number = self.acknowledgements.fetch_add(1, Ordering::Relaxed) + 1;
        let mut own_id = self.ack_prefix.clone().into_bytes();
        push_number(&mut own_id, number);
        ack::write(message, verdict, &own_id, when::now_us())
    }

    /// The acknowledgement of a refusal that the receiver made by itself.
    pub(crate) fn refuse(&self, message: &Message<'_>, refusal: &Refusal) -> Bytes {
        let errors = std::slice::from_ref(&refusal.error);
        let verdict = Verdict { errors, ..Verdict::plain(refusal.code, message.control_id()) };
        self.acknowledge(Some(message), &verdict)
    }

    /// The acknowledgement that an answer asks for, if it asks for one.
    pub(crate) fn acknowledge_as(&self, answer: &Answer, message: &Message<'_>) -> Option<Bytes> {
        let own = message.control_id();
        let errors_of = |code, errors, text| Verdict { text, errors, ..Verdict::plain(code, own) };
        let verdict = match answer {
            Answer::Aa { text } => Verdict { text: text.as_deref(), ..Verdict::plain(AckCode::Aa, own) },
            Answer::Ae { errors, text } => errors_of(AckCode::Ae, errors, text.as_deref()),
            Answer::Ar { errors, text } => errors_of(AckCode::Ar, errors, text.as_deref()),
            Answer::Ce { errors } => errors_of(AckCode::Ce, errors, None),
            Answer::Cr { errors } => errors_of(AckCode::Cr, errors, None),
            Answer::Ca { .. } => Verdict::plain(AckCode::Ca, own),
            Answer::Status { ack, .. } => Verdict::plain((*ack)?, own),
            Answer::WrongControlId { control_id, cut_to } => {
                let cut = cut_to.map(|length| own.get(..length).unwrap_or(own));
                let other = control_id.as_deref().unwrap_or("SOMEBODY-ELSES").as_bytes();
                Verdict::plain(AckCode::Aa, cut.unwrap_or(other))
            }
            Answer::TruncatedAck { .. } | Answer::Late { .. } | Answer::Drip { .. } => Verdict::plain(AckCode::Aa, own),
            _ => return None,
        };
        Some(self.acknowledge(Some(message), &verdict))
    }
}

fn decided(choice: &Choice<'_>) -> Decided {
    let misses = matches!(choice.answer, Answer::CloseAfterBody { .. } | Answer::Silent {} | Answer::Late { .. });
    Decided {
        label: choice.answer.label(),
        taken: choice.answer.takes_message(),
        at_once: !misses && choice.wait.is_zero(),
    }
}

/// The decimal digits, without the formatting machinery: this runs for every message.
fn push_number(out: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        push_number(out, number / 10);
    }
    out.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
}
