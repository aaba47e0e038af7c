//! The settings in force: those of the start, and what persons changed since.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::config::{Destination, Settings, read_patch};
use crate::error::{OutboxError, code};

/// Settings that may change while the outbox is open. Reading them costs one lock and one count.
pub(crate) struct Live {
    base: Arc<Settings>,
    present: RwLock<Arc<Settings>>,
    /// Patches as the file last told them.
    patches: Mutex<BTreeMap<String, String>>,
    /// Patches that this process cannot follow, by destination.
    refused: Mutex<BTreeMap<String, String>>,
}

impl Live {
    /// Begins with the settings of the start.
    pub(crate) fn new(base: Settings) -> Self {
        let base = Arc::new(base);
        Self { present: RwLock::new(Arc::clone(&base)), base, patches: Mutex::default(), refused: Mutex::default() }
    }

    /// The settings of the start.
    pub(crate) fn base(&self) -> &Arc<Settings> {
        &self.base
    }

    /// The settings in force now.
    pub(crate) fn present(&self) -> Arc<Settings> {
        Arc::clone(&self.present.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows what the file says; `accept` takes over each destination that changed. A patch that cannot be followed here (its
    /// certificate is missing on this host) leaves the destination as it was, and says so in health.
    pub(crate) fn follow(
        &self,
        patches: BTreeMap<String, String>,
        mut accept: impl FnMut(&Arc<Destination>) -> Result<(), OutboxError>,
    ) {
        let mut known = self.patches.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == patches {
            return;
        }
        let mut settings = (*self.present()).clone();
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        for name in self.base.destinations.keys().filter(|name| known.get(*name) != patches.get(*name)) {
            let followed = self.resolve(name, patches.get(name).map(String::as_str)).and_then(|destination| {
                let destination = Arc::new(destination);
                accept(&destination).map(|()| destination)
            });
            match followed {
                Ok(destination) => {
                    refused.remove(name);
                    settings.destinations.insert(name.clone(), destination);
                }
                Err(error) => {
                    tracing::warn!(destination = %name, code = error.code, "a change of the configuration cannot be followed here");
                    refused.insert(name.clone(), error.message);
                }
            }
        }
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        *known = patches;
    }

    /// Patches that this process cannot follow, and why.
    pub(crate) fn refused(&self) -> BTreeMap<String, String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a destination would be with a further patch; without one, what it was at the start.
    pub(crate) fn tried(&self, name: &str, patch: Option<&str>) -> Result<Destination, OutboxError> {
        let Some(patch) = patch else { return self.resolve(name, None) };
        let mut whole = match self.patches.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            Some(present) => read_patch(present)?,
            None => serde_json::Map::new(),
        };
        whole.extend(read_patch(patch)?);
        self.resolve(name, Some(&serde_json::Value::Object(whole).to_string()))
    }

    fn resolve(&self, name: &str, patch: Option<&str>) -> Result<Destination, OutboxError> {
        if !self.base.destinations.contains_key(name) {
            return Err(OutboxError::plain(code::ERR_UNKNOWN_DESTINATION));
        }
        self.base.resolver.destination(name, patch)
    }
}
