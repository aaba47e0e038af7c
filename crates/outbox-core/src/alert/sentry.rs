//! The sentry: looks once a second, decides, and sees to it that what is due is handed over.
//!
//! The dispatcher judges everything but its own absence. That is for the other processes that have the file open; which of them
//! tells it is decided in the file, as everything is that is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::condition::{Known, of_dispatcher, of_standby};
use super::decide::{Clear, decide};
use super::post::{Callback, Lane, hand_over};
use super::words::summary;
use super::{Alert, AlertMove, AlertState, AlertType, AlertView, CALLBACK, Condition, Decision, Holds, Telling};
use crate::clock::{Clock, Timestamp};
use crate::config::AlertSettings;
use crate::dispatch::election::Election;
use crate::store::{Store, wait};

/// How often it is looked whether something is worth an alert.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The same while nobody wants alerts, as far as this process knows.
const LOOK_EVERY_IDLE: Duration = Duration::from_secs(5);
/// How often a process says in the file that it has a callback …
const HEARS_EVERY_MS: i64 = 3_600_000;
/// … and how long that is believed.
const HEARS_MAX_MS: i64 = 24 * 3_600_000;

/// What a sentry works with.
pub(crate) struct SentryParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: Handle,
    pub(crate) election: Arc<dyn Election>,
    /// None: this process has no configuration of alerts.
    pub(crate) settings: Option<AlertSettings>,
    pub(crate) lanes: Vec<Arc<Lane>>,
    pub(crate) callback: Option<Arc<dyn Callback>>,
    /// File name of the outbox.
    pub(crate) outbox: String,
}

/// One process's part in alerts, for as long as its keeper makes its rounds.
pub(crate) struct Sentry {
    parts: Arc<SentryParts>,
    /// Used by a dispatcher that has no configuration of alerts, for another process's callback.
    defaults: AlertSettings,
    looked: Option<Instant>,
    /// Somebody wants alerts.
    is_wanted: bool,
    clear: Clear,
    tasks: BTreeMap<String, JoinHandle<()>>,
}

impl Sentry {
    pub(crate) fn new(parts: Arc<SentryParts>) -> Self {
        let (defaults, clear, tasks) = (AlertSettings::default(), Clear::new(), BTreeMap::new());
        Self { parts, defaults, looked: None, is_wanted: false, clear, tasks }
    }

    /// Looks, if it is time. `known` tells what the dispatcher has seen, if this process is it.
    pub(crate) fn round(&mut self, known: Option<impl FnOnce() -> BTreeMap<String, Known>>) {
        let listens = self.listens();
        let is_wanted = self.parts.settings.is_some() || listens || self.is_wanted;
        let pause = if is_wanted { LOOK_EVERY } else { LOOK_EVERY_IDLE };
        if self.looked.is_some_and(|looked| looked.elapsed() < pause) {
            return;
        }
        self.looked = Some(Instant::now());
        if !is_wanted && known.is_none() {
            return;
        }
        // A store that has failed is told of by health; nothing can be decided without it.
        let store = Arc::clone(&self.parts.store);
        let Ok(view) = wait(|done| store.alert_view(done)) else { return };
        let now = self.parts.clock.now();
        let heard = |max_ms: i64| view.callback_at.is_some_and(|at| now.0.saturating_sub(at.0) < max_ms);
        let has_callback = listens || heard(HEARS_MAX_MS);
        self.is_wanted = has_callback;
        if self.parts.settings.is_none() && !has_callback {
            return;
        }
        let leads = known.is_some();
        let (conditions, is_alone) = self.conditions(&view, known, now);
        let moves = self.decide(&view, &conditions, leads, has_callback, now);
        let says_so = listens && !heard(HEARS_EVERY_MS);
        if !moves.is_empty() || says_so || (leads && view.untidy) {
            let told = moves.iter().any(|one| one.telling.is_some());
            if let Err(error) = wait(|done| store.move_alerts(moves, says_so, done)) {
                tracing::warn!(code = error.code, "alerts could not be decided; trying again");
            } else if told {
                self.looked = None;
            }
        }
        self.hand_over(&view, leads || is_alone);
    }

    fn listens(&self) -> bool {
        self.parts.callback.as_ref().is_some_and(|callback| callback.listens())
    }

    fn settings(&self) -> &AlertSettings {
        self.parts.settings.as_ref().unwrap_or(&self.defaults)
    }

    /// What may be wrong, and whether this process must act for a dispatcher that is missing.
    fn conditions(
        &self,
        view: &AlertView,
        known: Option<impl FnOnce() -> BTreeMap<String, Known>>,
        now: Timestamp,
    ) -> (Vec<Condition>, bool) {
        let thresholds = &self.settings().thresholds;
        if let Some(known) = known {
            return (of_dispatcher(view, &known(), thresholds, now), false);
        }
        let conditions = of_standby(self.parts.election.leader().as_ref(), thresholds, now);
        let is_told =
            |record: &super::AlertRecord| record.r#type == AlertType::NoDispatcher && record.begun_at.is_some();
        let is_missing = conditions.iter().any(|condition| condition.holds != Holds::No);
        (conditions, is_missing && view.records.iter().any(is_told))
    }

    fn decide(
        &mut self,
        view: &AlertView,
        conditions: &[Condition],
        leads: bool,
        has_callback: bool,
        now: Timestamp,
    ) -> Vec<AlertMove> {
        let parts = Arc::clone(&self.parts);
        let settings = parts.settings.as_ref().unwrap_or(&self.defaults);
        let judges = |r#type| leads || r#type == AlertType::NoDispatcher;
        let decisions = decide(view, conditions, judges, settings, &mut self.clear, now);
        let waiting = waiting(&parts.store, &decisions);
        let host = decisions.iter().any(|decision| decision.state().is_some()).then(|| parts.election.host());
        let moves = decisions.into_iter().map(|mut decision| {
            if matches!(decision.record.r#type, AlertType::Outage | AlertType::Paused) {
                let name = decision.record.destination.as_deref().unwrap_or_default();
                decision.facts.waiting = waiting.get(name).copied();
            }
            let telling = decision.state().map(|state| {
                let host = host.clone().unwrap_or_default();
                let alert = alert(&decision, state, &parts.outbox, host, now);
                let wants = |lane: &&Arc<Lane>| lane.settings.wants(alert.r#type);
                let webhooks = parts.lanes.iter().filter(wants).map(|lane| lane.settings.target.clone());
                let targets = webhooks.chain(has_callback.then(|| CALLBACK.to_owned())).collect();
                tracing::info!(kind = alert.r#type.as_str(), state = ?alert.state, "an alert was decided");
                let body = serde_json::to_string(&alert).unwrap_or_default();
                Telling { id: alert.id, body, targets, expires_at: now.plus(settings.expires_in) }
            });
            AlertMove { step: decision.step, record: decision.record, telling }
        });
        moves.collect()
    }

    /// Webhooks are the dispatcher's, or whose acts for it; a callback is of whichever process has one.
    fn hand_over(&mut self, view: &AlertView, is_responsible: bool) {
        if let Some(callback) = self.parts.callback.as_ref().filter(|callback| callback.listens())
            && view.due.iter().any(|target| target == CALLBACK)
        {
            callback.ring();
        }
        if !is_responsible {
            return;
        }
        for lane in &self.parts.lanes {
            let target = &lane.settings.target;
            let is_busy = self.tasks.get(target).is_some_and(|task| !task.is_finished());
            if is_busy || !view.due.contains(target) {
                continue;
            }
            let (store, clock) = (Arc::clone(&self.parts.store), Arc::clone(&self.parts.clock));
            let task = self.parts.runtime.spawn(hand_over(store, clock, Arc::clone(lane)));
            self.tasks.insert(target.clone(), task);
        }
    }
}

/// What is under way is made again by whoever comes next.
impl Drop for Sentry {
    fn drop(&mut self) {
        for task in self.tasks.values() {
            task.abort();
        }
    }
}

/// How many messages wait for each destination, if a decision is to tell it.
fn waiting(store: &Arc<dyn Store>, decisions: &[Decision]) -> BTreeMap<String, u64> {
    let tells = |decision: &Decision| {
        decision.state().is_some() && matches!(decision.record.r#type, AlertType::Outage | AlertType::Paused)
    };
    if !decisions.iter().any(tells) {
        return BTreeMap::new();
    }
    let records = wait(|done| store.destinations(done)).unwrap_or_default();
    records.into_iter().map(|record| (record.name, record.pending)).collect()
}

fn alert(decision: &Decision, state: AlertState, outbox: &str, host: String, now: Timestamp) -> Alert {
    let mut alert = Alert {
        id: Uuid::now_v7().to_string(),
        r#type: decision.record.r#type,
        state,
        at: now,
        since: decision.record.since,
        summary: String::new(),
        outbox: outbox.to_owned(),
        host,
        facts: decision.facts.clone(),
    };
    alert.summary = summary(&alert);
    alert
}

/// An alert that tells of nothing, to try the way.
pub fn test_alert(outbox: &str, host: String, now: Timestamp) -> Alert {
    let mut alert = Alert {
        id: Uuid::now_v7().to_string(),
        r#type: AlertType::Test,
        state: AlertState::Begun,
        at: now,
        since: now,
        summary: String::new(),
        outbox: outbox.to_owned(),
        host,
        facts: super::AlertFacts::default(),
    };
    alert.summary = summary(&alert);
    alert
}
