//! An open outbox: a store, a dispatcher and the settings in force, with every operation of the public surface.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::clock::{Clock, Timestamp};
use crate::config::{Destination, Settings};
use crate::dispatch::election::Election;
use crate::dispatch::{Dispatcher, Parts};
use crate::enqueue::{self, EnqueueRequest};
use crate::error::{OutboxError, code};
use crate::health::{self, Facts};
use crate::message::MessageId;
use crate::status::{AttemptView, Changed, Health, ListRequest, MessageFilter, MessageView, Page, Stats};
use crate::store::{Admitted, By, Command, DestinationRecord, Done, MessageRef, Store};
use crate::transport::Transport;

/// How a transport is made for a destination; fails when its certificates cannot be used.
pub type Connect = Box<dyn Fn(&Destination) -> Result<Arc<dyn Transport>, OutboxError> + Send>;

/// What an outbox is made of.
pub struct OutboxParts {
    /// What is in force.
    pub settings: Settings,
    /// Where messages are kept.
    pub store: Arc<dyn Store>,
    /// Who leads.
    pub election: Arc<dyn Election>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Where attempts run.
    pub runtime: Handle,
    /// How destinations are reached.
    pub connect: Connect,
}

type Ways = BTreeMap<Arc<str>, Arc<dyn Transport>>;

/// An open outbox. Dropping it without [`Outbox::stop`] loses nothing: everything accepted is committed or refused.
pub struct Outbox {
    settings: Arc<Settings>,
    store: Arc<dyn Store>,
    election: Arc<dyn Election>,
    clock: Arc<dyn Clock>,
    /// The ways by name, to be asked about their certificates; none after the end of delivery, which ends their connections.
    transports: Mutex<Arc<Ways>>,
    dispatcher: Mutex<Option<Arc<Dispatcher>>>,
}

impl Outbox {
    /// Checks that every destination can be set up, then stands for the lead unless configured not to.
    pub fn start(parts: OutboxParts) -> Result<Self, OutboxError> {
        let OutboxParts { settings, store, election, clock, runtime, connect } = parts;
        let mut destinations = Vec::with_capacity(settings.destinations.len());
        for destination in settings.destinations.values() {
            destinations.push((Arc::clone(destination), connect(destination)?));
        }
        let transports = destinations.iter().map(|(d, way)| (Arc::clone(&d.name), Arc::clone(way))).collect();
        let dispatcher = if settings.dispatch {
            let parts = Parts {
                store: Arc::clone(&store),
                election: Arc::clone(&election),
                clock: Arc::clone(&clock),
                runtime,
                destinations,
            };
            Some(Arc::new(Dispatcher::start(parts)?))
        } else {
            None
        };
        Ok(Self {
            settings: Arc::new(settings),
            store,
            election,
            clock,
            transports: Mutex::new(Arc::new(transports)),
            dispatcher: Mutex::new(dispatcher),
        })
    }

    /// What is in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn dispatcher(&self) -> Option<Arc<Dispatcher>> {
        self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stores the messages of one call, all or none. `done` is called after the commit.
    pub fn enqueue(&self, requests: Vec<EnqueueRequest>, done: Done<Vec<Admitted>>) {
        let (settings, clock, dispatcher) = (Arc::clone(&self.settings), Arc::clone(&self.clock), self.dispatcher());
        self.store.enqueue(
            Box::new(move || enqueue::prepare(&settings, clock.as_ref(), requests)),
            Box::new(move |result| {
                if let (Ok(admitted), Some(dispatcher)) = (&result, &dispatcher) {
                    for one in admitted.iter().filter(|one| !one.duplicate) {
                        dispatcher.committed(&one.destination);
                    }
                }
                done(result);
            }),
        );
    }

    /// Carries out an order of a person.
    pub fn command(&self, command: Command, by: By, done: Done<Changed>) {
        let dispatcher = self.dispatcher();
        let done: Done<Changed> = Box::new(move |result| {
            if let (Ok(_), Some(dispatcher)) = (&result, &dispatcher) {
                dispatcher.commanded();
            }
            done(result);
        });
        let unconfigured = match &command {
            Command::Pause { destination } | Command::Resume { destination } => {
                (!self.settings.destinations.contains_key(destination)).then(|| destination.clone())
            }
            _ => None,
        };
        let Some(name) = unconfigured else { return self.store.command(command, by, done) };
        // A command line may lack the configuration: a name that the file knows will do. A misspelt one will not.
        let store = Arc::clone(&self.store);
        self.store.destinations(Box::new(move |records| match records {
            Ok(records) if records.iter().any(|record| record.name == name) => store.command(command, by, done),
            Ok(_) => done(Err(OutboxError::plain(code::ERR_UNKNOWN_DESTINATION))),
            Err(error) => done(Err(error)),
        }));
    }

    /// One message; the destination of a control id defaults to the configured one.
    pub fn message(&self, which: MessageRef, done: Done<Option<MessageView>>) {
        let complete = self.completer();
        self.store.message(
            which,
            Box::new(move |result| match result {
                Ok(Some(view)) => complete(vec![view], Box::new(move |views| done(views.map(|mut views| views.pop())))),
                other => done(other),
            }),
        );
    }

    /// A page of messages.
    pub fn list(&self, request: ListRequest, done: Done<Page<MessageView>>) {
        let complete = self.completer();
        self.store.list(
            request,
            Box::new(move |result| match result {
                Ok(Page { items, next_cursor }) => {
                    complete(items, Box::new(move |items| done(items.map(|items| Page { items, next_cursor }))));
                }
                Err(error) => done(Err(error)),
            }),
        );
    }

    /// Fills in what the store cannot know: whether a destination is configured, resting or paused, and who dispatches.
    fn completer(&self) -> impl FnOnce(Vec<MessageView>, Done<Vec<MessageView>>) + Send + 'static {
        let (settings, store, election) =
            (Arc::clone(&self.settings), Arc::clone(&self.store), Arc::clone(&self.election));
        move |mut views, done| {
            if views.iter().all(|view| view.status != crate::state::State::Pending) {
                return done(Ok(views));
            }
            store.destinations(Box::new(move |records| {
                done(records.map(|records| {
                    let dispatched = election.leader().is_some();
                    for view in &mut views {
                        health::complete_view(view, &settings, &records, dispatched);
                    }
                    views
                }));
            }));
        }
    }

    /// The bytes of a message.
    pub fn content(&self, id: MessageId, done: Done<Option<Vec<u8>>>) {
        self.store.content(id, done);
    }

    /// Its attempts.
    pub fn attempts(&self, id: MessageId, done: Done<Vec<AttemptView>>) {
        self.store.attempts(id, done);
    }

    /// The raw answer of one attempt.
    pub fn answer(&self, id: MessageId, attempt: u32, done: Done<Option<Vec<u8>>>) {
        self.store.answer(id, attempt, done);
    }

    /// Figures.
    pub fn stats(&self, filter: MessageFilter, done: Done<Stats>) {
        self.store.stats(filter, done);
    }

    /// Whether the outbox does its work. The lock file is looked at on the store's thread, never on the caller's.
    pub fn health(&self, done: Done<Health>) {
        let dispatcher = self.dispatcher();
        let (store, settings) = (Arc::clone(&self.store), Arc::clone(&self.settings));
        let (election, clock) = (Arc::clone(&self.election), Arc::clone(&self.clock));
        let transports = Arc::clone(&self.transports.lock().unwrap_or_else(PoisonError::into_inner));
        self.store.info(Box::new(move |info| match info {
            Err(error) => done(Err(error)),
            Ok(info) => store.destinations(Box::new(move |records: Result<Vec<DestinationRecord>, _>| {
                done(records.map(|records| {
                    health::assess(&Facts {
                        settings: &settings,
                        info,
                        records: &records,
                        leader: election.leader(),
                        leads: dispatcher.as_ref().is_some_and(|dispatcher| dispatcher.leads()),
                        certificates: certificates(&transports),
                        trouble: dispatcher.and_then(|dispatcher| dispatcher.trouble()),
                        now: clock.now(),
                    })
                }));
            })),
        }));
    }

    /// Claims nothing more, waits at most `timeout` for attempts in flight, and frees the lead. Messages are still taken.
    /// Answers whether every attempt ended. Blocks: never call it on a JS thread.
    pub fn drain(&self, timeout: Duration) -> bool {
        let dispatcher = self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        let drained = dispatcher.is_none_or(|dispatcher| dispatcher.stop(timeout));
        *self.transports.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        drained
    }

    /// Commits what was accepted and closes the store. Blocks likewise.
    pub fn close(&self, timeout: Duration) {
        self.store.close(timeout.max(CLOSE_MIN));
    }

    /// Drains, then closes, within `timeout` together. Answers whether every attempt ended.
    pub fn stop(&self, timeout: Duration) -> bool {
        let began = Instant::now();
        let drained = self.drain(timeout);
        self.close(timeout.saturating_sub(began.elapsed()));
        drained
    }

    /// Where the file is.
    pub fn path(&self) -> &PathBuf {
        &self.settings.path
    }

    /// Destinations by name.
    pub fn destinations(&self) -> &BTreeMap<String, Arc<Destination>> {
        &self.settings.destinations
    }
}

/// Even a stop without patience lets the present group commit; with the default limit it still ends before PM2 kills.
const CLOSE_MIN: Duration = Duration::from_millis(150);

fn certificates(transports: &Ways) -> BTreeMap<String, Timestamp> {
    transports.iter().filter_map(|(name, way)| Some((name.to_string(), way.certificate_expires_at()?))).collect()
}
