//! The one tokio runtime of the process.
//!
//! Owned by the addon and never dropped: shutting a runtime down while Node.js tears the process down has crashed on
//! older C libraries, and there is nothing to save, for everything that matters is on disk.

use std::sync::OnceLock;

use outbox_core::error::{OutboxError, code};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Threads that deliver; they only move bytes.
const WORKERS: usize = 2;

/// The runtime, started on first use.
pub(crate) fn runtime() -> Result<&'static Runtime, OutboxError> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let built =
        Builder::new_multi_thread().worker_threads(WORKERS).thread_name("hl7-io").enable_all().build().map_err(
            |error| OutboxError::new(code::ERR_PANIC, format!("no threads could be started: {}", error.kind())),
        )?;
    Ok(RUNTIME.get_or_init(|| built))
}
