//! Who listens to changes of status, and who follows attempts, in which environments.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use outbox_core::alert::Callback;
use outbox_core::event::{AttemptEnded, Observer, StatusChange};
use outbox_core::metrics::Metrics;

use crate::port::Port;

/// Handles with the environments that they live in.
#[derive(Default)]
struct Ports {
    count: AtomicUsize,
    ports: Mutex<Vec<(u32, Arc<Port>)>>,
}

/// The listening environments of one open outbox.
#[derive(Default)]
pub(crate) struct Listeners {
    changes: Ports,
    attempts: Ports,
    /// Those of the outbox, as soon as it has begun.
    metrics: OnceLock<Arc<Metrics>>,
}

impl Listeners {
    /// Commits are measured from now on.
    pub(crate) fn measure(&self, metrics: &Arc<Metrics>) {
        let _ = self.metrics.set(Arc::clone(metrics));
    }

    /// A handle's environment hears changes from now on.
    pub(crate) fn add(&self, handle: u32, port: Arc<Port>) {
        self.changes.add(handle, port);
    }

    /// It hears none any more.
    pub(crate) fn remove(&self, handle: u32) {
        self.changes.remove(handle);
    }

    /// A handle's environment stands for the attempts: the first of those that do is told of them, for each is told once.
    pub(crate) fn follow(&self, handle: u32, port: Arc<Port>) {
        self.attempts.add(handle, port);
    }

    /// A handle is closed.
    pub(crate) fn forget(&self, handle: u32) {
        self.changes.remove(handle);
        self.attempts.remove(handle);
    }
}

impl Ports {
    fn add(&self, handle: u32, port: Arc<Port>) {
        self.change(|ports| {
            if ports.iter().all(|(other, _)| *other != handle) {
                ports.push((handle, port));
            }
        });
    }

    fn remove(&self, handle: u32) {
        self.change(|ports| ports.retain(|(other, _)| *other != handle));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<(u32, Arc<Port>)>)) {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut ports);
        self.count.store(ports.len(), Ordering::Release);
    }

    fn is_anybody(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    fn tell(&self, most: usize, json: &str) {
        for (handle, port) in self.ports.lock().unwrap_or_else(PoisonError::into_inner).iter().take(most) {
            port.tell(*handle, json.to_owned());
        }
    }
}

impl Observer for Listeners {
    fn listens(&self) -> bool {
        self.changes.is_anybody()
    }

    fn hear(&self, changes: Vec<StatusChange>) {
        outbox_core::fault!("event-hear");
        if let Ok(json) = serde_json::to_string(&changes) {
            self.changes.tell(usize::MAX, &json);
        }
    }

    fn follows_attempts(&self) -> bool {
        self.attempts.is_anybody()
    }

    fn attempts_ended(&self, ended: Vec<AttemptEnded>) {
        let json = serde_json::json!({ "attempts": ended }).to_string();
        self.attempts.tell(1, &json);
    }

    fn committed(&self, took: Duration) {
        if let Some(metrics) = self.metrics.get() {
            metrics.committed(took);
        }
    }
}

/// What the facade is told instead of changes: there are alerts to be claimed.
const ALERT_CALL: &str = "\"alert\"";

/// The environments of one open outbox that have a function for alerts. Which of them gets one is decided when it is claimed.
#[derive(Default)]
pub(crate) struct AlertEars(Mutex<Vec<(u32, Arc<Port>)>>);

impl AlertEars {
    fn ports(&self) -> MutexGuard<'_, Vec<(u32, Arc<Port>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a handle's environment.
    pub(crate) fn add(&self, handle: u32, port: Arc<Port>) {
        self.ports().push((handle, port));
    }

    /// Removes a handle's environment.
    pub(crate) fn remove(&self, handle: u32) {
        self.ports().retain(|(other, _)| *other != handle);
    }
}

impl Callback for AlertEars {
    fn listens(&self) -> bool {
        !self.ports().is_empty()
    }

    fn ring(&self) {
        for (handle, port) in self.ports().iter() {
            port.tell(*handle, ALERT_CALL.to_owned());
        }
    }
}
