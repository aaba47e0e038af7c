//! Dispatch: the one active sender of an outbox.
//!
//! - [`election`]: who it is;
//! - `keeper`: the thread that stands for the lead and watches the file;
//! - `driver`: one task per destination: claim, send, record;
//! - `attempt`: one attempt from claim to completion;
//! - `sweeper`: removes what need not be kept any more, while there is nothing else to do;
//! - [`evidence`]: what was seen of each destination, for alerts;
//! - [`rate`] and [`breaker`]: when a destination may be spoken to, and who pays for a failure.

mod attempt;
mod bell;
pub mod breaker;
mod driver;
pub mod election;
pub mod evidence;
mod keeper;
pub mod rate;
mod sweeper;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use self::bell::Bell;
use self::driver::{Driver, Phase};
use self::election::Election;
use self::evidence::{Evidence, Witness};
use self::keeper::{Keeper, Order};
use crate::alert::{Known, SentryParts};
use crate::clock::{Clock, Timestamp};
use crate::config::Destination;
use crate::error::{OutboxError, code};
use crate::metrics::Metrics;
use crate::retention::Retention;
use crate::store::{Store, Term};
use crate::transport::Transport;

/// How long health tells of trouble that does not come again.
const TROUBLE_TOLD: Duration = Duration::from_secs(2);

/// What a dispatcher is made of.
pub struct Parts {
    /// Where messages are kept.
    pub store: Arc<dyn Store>,
    /// Who leads.
    pub election: Arc<dyn Election>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Where attempts run.
    pub runtime: Handle,
    /// Every destination with the way to it.
    pub destinations: Vec<Way>,
    /// Whether this process may lead; otherwise it only follows changes of the configuration.
    pub stands: bool,
    /// How long is kept what nobody waits for any more.
    pub retention: Retention,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Called soon after a commit of any process: the configuration may have changed.
    pub follow: Follow,
    /// What this process would send with, for others to compare.
    pub configuration: String,
    /// What alerts are decided and handed over with.
    pub(crate) sentry: SentryParts,
}

/// A destination and the way to it.
#[derive(Clone)]
pub struct Way {
    /// The destination.
    pub destination: Arc<Destination>,
    /// The way to it.
    pub transport: Arc<dyn Transport>,
}

/// Looks whether the configuration has changed.
pub type Follow = Box<dyn Fn(&Dispatching) + Send>;

/// The running part of a dispatcher, for those who change it.
pub struct Dispatching(Arc<Shared>);

impl Dispatching {
    /// From the next attempt on, a destination is as given. Attempts in flight end as they began.
    pub fn reconfigure(&self, way: Way) {
        self.0.reconfigure(way);
    }
}

/// Stands for the lead and, while it has it, delivers.
pub struct Dispatcher {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

/// What the keeper, the drivers and the callers share.
struct Shared {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    ways: BTreeMap<Arc<str>, watch::Sender<Way>>,
    bells: BTreeMap<Arc<str>, Arc<Bell>>,
    /// What was seen of each destination since the lead was taken.
    witnesses: BTreeMap<Arc<str>, Arc<Witness>>,
    phase: watch::Sender<Phase>,
    leading: AtomicBool,
    drivers: Mutex<Vec<tokio::task::JoinHandle<()>>>,
    /// That of the present drivers.
    term: Mutex<Term>,
    metrics: Arc<Metrics>,
    /// The last thing that went wrong in the keeper, and when it last did; for health.
    trouble: Mutex<Option<(String, Instant)>>,
}

impl Dispatcher {
    /// Begins to stand for the lead.
    pub fn start(parts: Parts) -> Result<Self, OutboxError> {
        let bells =
            parts.destinations.iter().map(|way| (Arc::clone(&way.destination.name), Arc::<Bell>::default())).collect();
        let names = parts.destinations.iter().map(|way| Arc::clone(&way.destination.name));
        let witnesses = names.map(|name| (name, Arc::<Witness>::default())).collect();
        let ways = parts
            .destinations
            .into_iter()
            .map(|way| (Arc::clone(&way.destination.name), watch::channel(way).0))
            .collect();
        let shared = Arc::new(Shared {
            store: parts.store,
            clock: Arc::clone(&parts.clock),
            runtime: parts.runtime,
            ways,
            bells,
            witnesses,
            phase: watch::channel(Phase::Running).0,
            leading: AtomicBool::new(false),
            drivers: Mutex::default(),
            term: Mutex::default(),
            metrics: Arc::clone(&parts.metrics),
            trouble: Mutex::default(),
        });
        let (orders, receiver) = mpsc::channel();
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            election: parts.stands.then_some(parts.election),
            clock: parts.clock,
            follow: parts.follow,
            retention: parts.retention,
            configuration: parts.configuration,
            sentry: Arc::new(parts.sentry),
            orders: receiver,
        };
        let thread = std::thread::Builder::new().name(String::from("hl7-keeper")).spawn(move || keeper.run()).map_err(
            |error| OutboxError::new(code::ERR_PANIC, format!("no thread could be started: {}", error.kind())),
        )?;
        Ok(Self { shared, orders, keeper: Mutex::new(Some(thread)) })
    }

    /// A message for `destination` was committed.
    pub fn committed(&self, destination: &str) {
        if let Some(bell) = self.shared.bells.get(destination) {
            bell.ring_work();
        }
    }

    /// A command was committed.
    pub fn commanded(&self) {
        self.shared.ring_all();
    }

    /// When certificates expire, by destination, as far as they have been seen.
    pub fn certificates(&self) -> BTreeMap<String, Timestamp> {
        let ways = self.shared.ways.iter();
        ways.filter_map(|(name, way)| Some((name.to_string(), way.borrow().transport.certificate_expires_at()?)))
            .collect()
    }

    /// The running part.
    pub fn dispatching(&self) -> Dispatching {
        Dispatching(Arc::clone(&self.shared))
    }

    /// Whether this process dispatches.
    pub fn leads(&self) -> bool {
        self.shared.leading.load(Ordering::Acquire)
    }

    /// What last went wrong while standing for the lead or watching.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.as_ref().map(|(code, _)| code.clone())
    }

    /// Claims nothing more, waits for attempts in flight at most `timeout`, and frees the lead. Answers whether all of
    /// them ended. An attempt that was cut keeps its claim on disk: the next dispatcher sends it again, marked.
    pub fn stop(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        self.shared.phase.send_replace(Phase::Draining);
        let drivers = std::mem::take(&mut *self.shared.drivers.lock().unwrap_or_else(PoisonError::into_inner));
        let drained = self.shared.runtime.block_on(async {
            let mut drained = true;
            for mut driver in drivers {
                let left = deadline.saturating_duration_since(Instant::now());
                if tokio::time::timeout(left, &mut driver).await.is_err() {
                    driver.abort();
                    // Awaited, so that no task of a stopped dispatcher is left running.
                    let _ = driver.await;
                    drained = false;
                }
            }
            drained
        });
        self.shared.end_term();
        let _ = self.orders.send(Order::End);
        if let Some(keeper) = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = keeper.join();
        }
        self.shared.leading.store(false, Ordering::Release);
        drained
    }
}

impl Shared {
    /// The lead is taken: every destination gets its driver.
    fn begin(self: &Arc<Self>) {
        crate::fault!("lead-begin");
        self.leading.store(true, Ordering::Release);
        let mut drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
        if *self.phase.borrow() == Phase::Draining {
            return;
        }
        let term = Term::default();
        *self.term.lock().unwrap_or_else(PoisonError::into_inner) = term.clone();
        for (name, way) in &self.ways {
            let Some(bell) = self.bells.get(name) else { continue };
            let Some(witness) = self.witnesses.get(name) else { continue };
            witness.says(Evidence::Unknown);
            let driver = Driver {
                way: way.subscribe(),
                store: Arc::clone(&self.store),
                clock: Arc::clone(&self.clock),
                bell: Arc::clone(bell),
                witness: Arc::clone(witness),
                phase: self.phase.subscribe(),
                metrics: Arc::clone(&self.metrics),
                term: term.clone(),
            };
            drivers.push(self.runtime.spawn(driver.run()));
        }
    }

    /// Ends every driver at once, whatever it has in flight: whoever leads next makes open claims attempts with an unknown
    /// end. Nothing is sent any more when this returns.
    fn halt(&self) {
        crate::fault!("lead-halt");
        self.leading.store(false, Ordering::Release);
        let drivers = std::mem::take(&mut *self.drivers.lock().unwrap_or_else(PoisonError::into_inner));
        self.runtime.block_on(async {
            for driver in drivers {
                driver.abort();
                let _ = driver.await;
            }
        });
        self.end_term();
    }

    /// The drivers have ended; a turn of theirs that still waits for its commit must not claim what nobody would send.
    fn end_term(&self) {
        self.term.lock().unwrap_or_else(PoisonError::into_inner).end();
    }

    /// Whether a driver has ended although nobody told it to: by a panic.
    fn has_lost_a_driver(&self) -> bool {
        let drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
        *self.phase.borrow() == Phase::Running && drivers.iter().any(tokio::task::JoinHandle::is_finished)
    }

    fn reconfigure(&self, way: Way) {
        let name = Arc::clone(&way.destination.name);
        if let Some(sender) = self.ways.get(&name) {
            sender.send_replace(way);
        }
        if let Some(bell) = self.bells.get(&name) {
            bell.ring_command();
        }
    }

    /// What the dispatcher knows of its destinations, for alerts.
    fn known(&self) -> BTreeMap<String, Known> {
        let known = |(name, way): (&Arc<str>, &watch::Sender<Way>)| {
            let way = way.borrow();
            let known = Known {
                enabled: way.destination.enabled,
                evidence: self.witnesses.get(name).map(|witness| witness.evidence()).unwrap_or_default(),
                certificate_expires_at: way.transport.certificate_expires_at(),
            };
            (name.to_string(), known)
        };
        self.ways.iter().map(known).collect()
    }

    fn ring_all(&self) {
        for bell in self.bells.values() {
            bell.ring_command();
        }
    }

    fn trouble(&self, error: &OutboxError) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.as_ref().is_none_or(|(code, _)| code != error.code) {
            tracing::warn!(code = error.code, "the dispatcher is in trouble: {}", error.message);
        }
        *trouble = Some((error.code.to_owned(), Instant::now()));
    }

    /// Trouble that has not come again for a while is over. Until then it is told, so that somebody can see it.
    fn forget_trouble(&self) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(_, at)| at.elapsed() >= TROUBLE_TOLD);
    }
}
