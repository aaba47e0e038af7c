//! Diagnostics: JSON Lines on the standard error stream, without patient data (the crates log codes and numbers only).

use outbox_core::config::LogLevel;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Begins to log, once per process; the first outbox decides the level.
pub(crate) fn begin(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Our own crates only: what a library logs of requests has not been looked at for patient data.
    let ours = Targets::new()
        .with_target("outbox_core", level)
        .with_target("outbox_sqlite", level)
        .with_target("outbox_transport", level);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
    // Refused when something else in the process logs already; then that stays.
    let _ = tracing_subscriber::registry().with(lines.with_filter(ours)).try_init();
}
