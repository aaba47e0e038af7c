//! Diagnostics as JSON Lines without patient data: to a file, to the application, or to the standard error stream.
//!
//! One log per process, for libraries know no other: the first outbox decides its level, and the first one that names a file
//! decides that. Every listening environment hears every line.

mod ears;
mod file;
mod line;

use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use outbox_core::config::{LogLevel, LogSettings};
use outbox_core::error::{OutboxError, code};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

pub(crate) use self::ears::{dropped, hear, take, unhear};
use self::file::LogFile;

static FILE: OnceLock<Mutex<LogFile>> = OnceLock::new();

/// Begins to log. Fails when the log file cannot be written: who asked for one would look for lines that are nowhere.
pub(crate) fn begin(settings: &LogSettings) -> Result<(), OutboxError> {
    if let Some(path) = settings.file.as_ref().filter(|_| FILE.get().is_none()) {
        let file = LogFile::open(path, settings.file_bytes, settings.files).map_err(|error| {
            OutboxError::new(code::ERR_CONFIG, format!("`log.file` cannot be written ({})", error.kind()))
        })?;
        let _ = FILE.set(Mutex::new(file));
    }
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // Our own crates only: what a library logs of requests has not been looked at for patient data.
    let ours = Targets::new()
        .with_target("outbox_core", level)
        .with_target("outbox_napi", level)
        .with_target("outbox_sqlite", level)
        .with_target("outbox_transport", level);
    // Refused when something else in the process logs already; then that stays.
    let _ = tracing_subscriber::registry().with(Lines.with_filter(ours)).try_init();
    Ok(())
}

/// Writes each event where it is asked for; to the standard error stream when nobody asked.
struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = line::of(event);
        let mut is_written = ears::tell(&line);
        if let Some(file) = FILE.get() {
            file.lock().unwrap_or_else(PoisonError::into_inner).write(&line);
            is_written = true;
        }
        if !is_written {
            // A closed stream is nobody's fault here.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}
