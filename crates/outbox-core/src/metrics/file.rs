//! The gauges of the whole file, made anew each time: a destination that is gone leaves no figure behind.

use prometheus::proto::MetricFamily;
use prometheus::{Gauge, GaugeVec, Opts, Registry, Result};

use crate::status::{DestinationState, Health, HealthStatus, Stats};

/// Every state, so that a panel shows a line that stays when the state changes.
const STATES: [DestinationState; 6] = [
    DestinationState::Ok,
    DestinationState::BreakerOpen,
    DestinationState::Throttled,
    DestinationState::Paused,
    DestinationState::Misconfigured,
    DestinationState::Disabled,
];

pub(super) fn families(health: &Health, stats: &Stats) -> Result<Vec<MetricFamily>> {
    let sheet = Sheet(Registry::new());
    messages(&sheet, health, stats)?;
    destinations(&sheet, health)?;
    dispatcher(&sheet, health)?;
    file(&sheet, health)?;
    Ok(sheet.0.gather())
}

/// Where gauges are written down.
struct Sheet(Registry);

impl Sheet {
    fn one(&self, name: &str, help: &str, value: f64) -> Result<()> {
        let gauge = Gauge::new(name, help)?;
        gauge.set(value);
        self.0.register(Box::new(gauge))
    }

    fn each(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec> {
        let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }
}

fn messages(sheet: &Sheet, health: &Health, stats: &Stats) -> Result<()> {
    let depth = sheet.each("hl7_outbox_messages", "Messages in the file, by state.", &["destination", "state"])?;
    for (destination, counts) in &stats.by_destination {
        for (state, count) in counts {
            depth.with_label_values(&[destination.as_str(), state.as_str()]).set(number(*count));
        }
    }
    let flight = sheet.each("hl7_outbox_messages_in_flight", "Messages that are being sent.", &["destination"])?;
    for (name, destination) in &health.destinations {
        flight.with_label_values(&[name.as_str()]).set(number(destination.in_flight));
    }
    sheet.one(
        "hl7_outbox_oldest_pending_age_seconds",
        "Age of the oldest PENDING message; 0 when none waits.",
        seconds(stats.oldest_pending_age_ms.unwrap_or(0)),
    )?;
    sheet.one(
        "hl7_outbox_delivered_last_hour",
        "Messages delivered in the last hour, by whichever process.",
        number(stats.delivered.last1h),
    )
}

fn destinations(sheet: &Sheet, health: &Health) -> Result<()> {
    let state = sheet.each(
        "hl7_outbox_destination_state",
        "1 for the state that the destination is in (breaker-open, throttled and misconfigured rest and are probed), 0 for the others.",
        &["destination", "state"],
    )?;
    let since = sheet.each(
        "hl7_outbox_destination_state_since_timestamp_seconds",
        "Since when the destination is in its state.",
        &["destination"],
    )?;
    let expiry = sheet.each(
        "hl7_outbox_certificate_expiry_timestamp_seconds",
        "When the first certificate on the way to the destination expires; only in a process that has connected to it.",
        &["destination"],
    )?;
    for (name, destination) in &health.destinations {
        for each in STATES {
            let is = f64::from(u8::from(destination.state == each));
            state.with_label_values(&[name.as_str(), each.as_str()]).set(is);
        }
        since.with_label_values(&[name.as_str()]).set(seconds(destination.since.0));
        if let Some(at) = destination.certificate_expires_at {
            expiry.with_label_values(&[name.as_str()]).set(seconds(at.0));
        }
    }
    Ok(())
}

fn dispatcher(sheet: &Sheet, health: &Health) -> Result<()> {
    let is = |truth: bool| f64::from(u8::from(truth));
    let present = health.dispatcher.as_ref();
    sheet.one("hl7_outbox_dispatcher_present", "1 when a process dispatches this file.", is(present.is_some()))?;
    sheet.one(
        "hl7_outbox_dispatcher_here",
        "1 in the process that dispatches this file.",
        is(present.is_some_and(|dispatcher| dispatcher.here)),
    )?;
    if let Some(dispatcher) = present {
        sheet.one(
            "hl7_outbox_dispatcher_beat_age_seconds",
            "How long ago the dispatcher last said that it is here; it does so once a second.",
            seconds(dispatcher.beat_age_ms),
        )?;
    }
    sheet.one("hl7_outbox_up", "0 when nothing can be stored.", is(health.status != HealthStatus::Down))?;
    let problems = sheet.each("hl7_outbox_problems", "What getHealth complains of, by code.", &["code"])?;
    for problem in &health.problems {
        problems.with_label_values(&[problem.code]).inc();
    }
    Ok(())
}

fn file(sheet: &Sheet, health: &Health) -> Result<()> {
    let file = &health.file;
    sheet.one("hl7_outbox_file_bytes", "Size of the outbox file.", number(file.bytes))?;
    sheet.one("hl7_outbox_wal_bytes", "Size of its write-ahead log.", number(file.wal_bytes))?;
    sheet.one("hl7_outbox_disk_free_bytes", "Free bytes on its file system.", number(file.disk_free_bytes))?;
    let info =
        sheet.each("hl7_outbox_info", "1, with what the outbox is made of.", &["version", "sqlite", "schema"])?;
    let schema = file.schema.to_string();
    info.with_label_values(&[env!("CARGO_PKG_VERSION"), file.sqlite_version.as_str(), schema.as_str()]).set(1.0);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for a chart")]
fn number(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures for a chart")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}
