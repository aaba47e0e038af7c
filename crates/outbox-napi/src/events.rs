//! Who listens to changes of status, in which environments.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use outbox_core::alert::Callback;
use outbox_core::event::{Observer, StatusChange};
use outbox_core::metrics::Metrics;

use crate::port::Port;

/// The listening environments of one open outbox.
#[derive(Default)]
pub(crate) struct Listeners {
    count: AtomicUsize,
    ports: Mutex<Vec<(u32, Arc<Port>)>>,
    /// Those of the outbox, as soon as it has begun.
    metrics: OnceLock<Arc<Metrics>>,
}

impl Listeners {
    /// Commits are measured from now on.
    pub(crate) fn measure(&self, metrics: &Arc<Metrics>) {
        let _ = self.metrics.set(Arc::clone(metrics));
    }

    /// Adds a handle's environment.
    pub(crate) fn add(&self, handle: u32, port: Arc<Port>) {
        self.change(|ports| {
            ports.retain(|(other, _)| *other != handle);
            ports.push((handle, port));
        });
    }

    /// Removes a handle's environment.
    pub(crate) fn remove(&self, handle: u32) {
        self.change(|ports| ports.retain(|(other, _)| *other != handle));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<(u32, Arc<Port>)>)) {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut ports);
        self.count.store(ports.len(), Ordering::Release);
    }
}

impl Observer for Listeners {
    fn listens(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    fn hear(&self, changes: Vec<StatusChange>) {
        outbox_core::fault!("event-hear");
        let Ok(json) = serde_json::to_string(&changes) else { return };
        for (handle, port) in self.ports.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            port.tell(*handle, json.clone());
        }
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
