//! What is counted and measured, as text for Prometheus.
//!
//! Counters and histograms are of one process since its outbox was opened: a commit or an attempt costs a few atomic
//! additions. Gauges are of the whole file, made from health and figures when somebody asks. Labels are names of
//! destinations, states and codes of our own; nothing of a message.

mod file;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};

use crate::acknowledgement::Verdict;
use crate::clock::Timestamp;
use crate::error::{OutboxError, code};
use crate::message::MessageId;
use crate::retention::Swept;
use crate::status::{Health, Stats};
use crate::store::Admitted;

/// From a tenth of a millisecond, a flash disk's flush, to the limit of an enqueue.
const COMMIT_SECONDS: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Up to the two minutes that an attempt may take.
const ATTEMPT_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// Up to the days that an outage may last.
const DELIVERY_SECONDS: &[f64] =
    &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0, 259_200.0];

const HERE: &str = "in this process since it opened the outbox";

/// Which figures are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of the file and those of this process.
    All,
    /// Those of the file, the same in whichever process they are asked for.
    File,
}

/// The counters of an open outbox.
pub struct Metrics {
    registry: Registry,
    of: HashMap<Arc<str>, OfDestination>,
    refused: IntCounterVec,
    enqueue_seconds: Histogram,
    attempts: IntCounterVec,
    commit_seconds: Histogram,
    removed: IntCounterVec,
    log_dropped: IntCounter,
}

/// Those of one destination, looked up once.
struct OfDestination {
    enqueued: IntCounter,
    duplicates: IntCounter,
    attempt_seconds: Histogram,
    delivery_seconds: Histogram,
}

impl Metrics {
    /// Counters that stand at nothing.
    pub fn new<'a>(destinations: impl Iterator<Item = &'a Arc<str>>) -> Result<Self, OutboxError> {
        Self::registered(destinations).map_err(|error| defect(&error))
    }

    fn registered<'a>(destinations: impl Iterator<Item = &'a Arc<str>>) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, what: &str, labels: &[&str]| {
            let made = IntCounterVec::new(Opts::new(name, format!("{what}, {HERE}.")), labels)?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        let histogram = |name: &str, what: &str, labels: &[&str], buckets: &[f64]| {
            let options = HistogramOpts::new(name, format!("{what}, {HERE}.")).buckets(buckets.to_vec());
            let made = HistogramVec::new(options, labels)?;
            registry.register(Box::new(made.clone()))?;
            prometheus::Result::Ok(made)
        };
        let enqueued = counter("hl7_outbox_enqueued_total", "Messages stored", &["destination"])?;
        let duplicates = counter(
            "hl7_outbox_enqueue_duplicates_total",
            "Messages that were stored already when they were enqueued again",
            &["destination"],
        )?;
        let attempt_seconds = histogram(
            "hl7_outbox_attempt_duration_seconds",
            "From the claim of a message to the end of the attempt",
            &["destination"],
            ATTEMPT_SECONDS,
        )?;
        let delivery_seconds = histogram(
            "hl7_outbox_delivery_duration_seconds",
            "From the storing of a message to its acceptance by the receiver, waiting included",
            &["destination"],
            DELIVERY_SECONDS,
        )?;
        let enqueue_seconds = histogram(
            "hl7_outbox_enqueue_duration_seconds",
            "From a call that stores messages to its commit",
            &[],
            COMMIT_SECONDS,
        )?;
        let commit_seconds = histogram(
            "hl7_outbox_commit_duration_seconds",
            "Commits that wrote something, the flush of the disk included",
            &[],
            COMMIT_SECONDS,
        )?;
        let log_dropped = IntCounter::new(
            "hl7_outbox_log_dropped_lines_total",
            format!("Log lines that onLog did not take in time, {HERE}."),
        )?;
        registry.register(Box::new(log_dropped.clone()))?;
        let mut of = HashMap::new();
        for name in destinations {
            let label = &[name.as_ref()];
            of.insert(
                Arc::clone(name),
                OfDestination {
                    enqueued: enqueued.get_metric_with_label_values(label)?,
                    duplicates: duplicates.get_metric_with_label_values(label)?,
                    attempt_seconds: attempt_seconds.get_metric_with_label_values(label)?,
                    delivery_seconds: delivery_seconds.get_metric_with_label_values(label)?,
                },
            );
        }
        Ok(Self {
            of,
            refused: counter("hl7_outbox_enqueue_errors_total", "Calls that stored nothing, by error code", &["code"])?,
            enqueue_seconds: enqueue_seconds.get_metric_with_label_values::<&str>(&[])?,
            attempts: counter(
                "hl7_outbox_attempts_total",
                "Attempts that ended, by outcome and by row of the outcome table",
                &["destination", "outcome", "row"],
            )?,
            commit_seconds: commit_seconds.get_metric_with_label_values::<&str>(&[])?,
            removed: counter(
                "hl7_outbox_retention_removed_total",
                "What need not be kept any more and was removed",
                &["what"],
            )?,
            log_dropped,
            registry,
        })
    }

    /// A call that stores messages came to its end.
    pub(crate) fn enqueued(&self, result: &Result<Vec<Admitted>, OutboxError>, took: Duration) {
        match result {
            Ok(admitted) => {
                self.enqueue_seconds.observe(took.as_secs_f64());
                for one in admitted {
                    if let Some(of) = self.of.get(&one.destination) {
                        if one.duplicate { of.duplicates.inc() } else { of.enqueued.inc() }
                    }
                }
            }
            Err(error) => self.refused.with_label_values(&[error.code]).inc(),
        }
    }

    /// An attempt came to its end.
    pub(crate) fn attempted(&self, destination: &str, verdict: &Verdict, took: Duration) {
        let labels = [destination, verdict.outcome.as_str(), verdict.row.as_str()];
        self.attempts.with_label_values(&labels).inc();
        if let Some(of) = self.of.get(destination) {
            of.attempt_seconds.observe(took.as_secs_f64());
        }
    }

    /// A message was accepted.
    pub(crate) fn delivered(&self, destination: &str, id: MessageId, now: Timestamp) {
        if let (Some(of), Some(stored)) = (self.of.get(destination), id.stored_at()) {
            of.delivery_seconds.observe(stored.until(now).as_secs_f64());
        }
    }

    /// A commit came to its end.
    pub fn committed(&self, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn swept(&self, swept: &Swept) {
        for (what, count) in [("body", swept.bodies), ("row", swept.rows), ("change", swept.changes)] {
            if count > 0 {
                self.removed.with_label_values(&[what]).inc_by(count);
            }
        }
    }

    /// So many log lines were not taken in all; whoever keeps the log counts them.
    pub fn log_lines_dropped(&self, lines: u64) {
        self.log_dropped.reset();
        self.log_dropped.inc_by(lines);
    }

    /// The text of all figures.
    pub fn render(&self, scope: Scope, health: &Health, stats: &Stats) -> Result<String, OutboxError> {
        let render = || {
            let mut families = file::families(health, stats)?;
            if scope == Scope::All {
                families.extend(self.registry.gather());
            }
            let mut text = Vec::new();
            TextEncoder::new().encode(&families, &mut text)?;
            prometheus::Result::Ok(text)
        };
        let text = render().map_err(|error| defect(&error))?;
        String::from_utf8(text).map_err(|_| OutboxError::plain(code::ERR_PANIC))
    }
}

fn defect(error: &prometheus::Error) -> OutboxError {
    OutboxError::new(code::ERR_PANIC, format!("the metrics could not be made: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_costs_less_than_a_microsecond() {
        let name: Arc<str> = Arc::from("malaffi");
        let metrics = Metrics::new(std::iter::once(&name)).unwrap();
        let began = std::time::Instant::now();
        let times = 100_000_u32;
        for _ in 0..times {
            metrics.committed(Duration::from_micros(700));
        }
        let each = began.elapsed() / times;
        assert!(each < Duration::from_micros(1), "{each:?}");
    }
}
