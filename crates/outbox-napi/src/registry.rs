//! The outboxes that are open in this process, by file: worker threads and `Outbox` objects on one file share one.
//!
//! One file, one store: two sets of connections of one SQLite library would still be safe, but two dispatchers of one
//! process would stand for the same lead.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use outbox_core::clock::SystemClock;
use outbox_core::config::Settings;
use outbox_core::error::{OutboxError, code};
use outbox_core::outbox::{AlertParts, Outbox, OutboxParts};
use outbox_sqlite::{FileElection, Parts, SqliteStore, StoreOptions};

use crate::events::{AlertEars, Listeners};
use crate::port::Port;
use crate::runtime::runtime;

/// An open outbox and how many handles share it.
struct Entry {
    open: Arc<Open>,
    handles: usize,
}

/// An open outbox and who listens to it.
pub(crate) struct Open {
    pub(crate) outbox: Outbox,
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) alert_ears: Arc<AlertEars>,
}

// Held while a file is opened or closed, by threads made for that; never by a JS thread.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, Entry>>> = LazyLock::new(Mutex::default);

/// Opens the file, or shares it with who has it open with the same settings. `follower`, a handle and its environment, hears of
/// attempts. Blocks.
pub(crate) fn open(settings: Settings, follower: Option<(u32, Arc<Port>)>) -> Result<Arc<Open>, OutboxError> {
    outbox_core::fault!("registry-open", outbox_core::faults::refused);
    let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(entry) = all.get_mut(&key(&settings.path)) {
        if *entry.open.outbox.settings() != settings {
            return Err(OutboxError::new(
                code::ERR_ALREADY_STARTED,
                "the file is open in this process with another configuration",
            ));
        }
        entry.handles += 1;
        if let Some((handle, port)) = follower {
            entry.open.listeners.follow(handle, port);
        }
        return Ok(Arc::clone(&entry.open));
    }
    let (path, clock) = (settings.path.clone(), Arc::new(SystemClock));
    let listeners = Arc::new(Listeners::default());
    let alert_ears = Arc::new(AlertEars::default());
    if let Some((handle, port)) = follower {
        listeners.follow(handle, port);
    }
    let options = StoreOptions {
        clock: Arc::clone(&clock) as _,
        observer: Some(Arc::clone(&listeners) as _),
        pending_max: settings.limits.pending_messages,
        wal_max: settings.limits.wal_bytes,
        parts: Parts::default(),
    };
    let store = Arc::new(SqliteStore::open(&path, options)?);
    let outbox = Outbox::start(OutboxParts {
        election: Arc::new(FileElection::new(&path)),
        settings,
        store,
        clock,
        runtime: runtime()?.handle().clone(),
        connect: Arc::new(outbox_transport::connect),
        alerts: AlertParts {
            connect: Arc::new(outbox_transport::connect_webhook),
            callback: Some(Arc::clone(&alert_ears) as _),
        },
    })?;
    listeners.measure(outbox.counters());
    let open = Arc::new(Open { outbox, listeners, alert_ears });
    all.insert(key(&path), Entry { open: Arc::clone(&open), handles: 1 });
    Ok(open)
}

/// Gives a share back; the last one drains the outbox, calls `shut` when it takes no more messages, and closes the file.
/// Answers whether every attempt ended. Blocks.
pub(crate) fn close(open: &Arc<Open>, timeout: Duration, shut: impl FnOnce()) -> bool {
    let began = Instant::now();
    let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = key(open.outbox.path());
    let last = all.get_mut(&key).is_some_and(|entry| {
        entry.handles -= 1;
        entry.handles == 0
    });
    if !last {
        shut();
        return true;
    }
    let drained = caught(|| {
        outbox_core::fault!("close-thread");
        open.outbox.drain(timeout)
    });
    shut();
    let closed = caught(|| {
        outbox_core::fault!("registry-close");
        open.outbox.close(timeout.saturating_sub(began.elapsed()));
    });
    all.remove(&key);
    closed.and(drained).unwrap_or(false)
}

/// A panic must not keep the other steps of a close from their turn: who closed may open again.
fn caught<T>(step: impl FnOnce() -> T) -> Option<T> {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(step));
    if done.is_err() {
        tracing::error!("a panic while the outbox was closed; everything accepted is on disk all the same");
    }
    done.ok()
}

/// Two spellings of one path are one file.
fn key(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
