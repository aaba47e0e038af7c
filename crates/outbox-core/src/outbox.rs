//! An open outbox: a store, a dispatcher and the settings in force, with every operation of the public surface.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::alert::{
    CALLBACK, CALLBACK_LEASE, Callback, ConnectWebhook, Lane, Notice, NoticeEnd, SentryParts, pause_after,
};
use crate::clock::Clock;
use crate::config::{Destination, Settings, WebhookSettings};
use crate::dispatch::election::{Election, Reading};
use crate::dispatch::{Dispatcher, Dispatching, Follow, Parts, Way};
use crate::enqueue::{self, EnqueueRequest};
use crate::error::{OutboxError, code};
use crate::event::StatusChange;
use crate::health::{self, Facts};
use crate::live::Live;
use crate::message::MessageId;
use crate::metrics::{Metrics, Scope};
use crate::refusals::{RefusalFilter, RefusalUpdate, RefusalView, Refusals};
use crate::status::{AttemptView, Changed, Counted, Health, ListRequest, MessageFilter, MessageView, Page, Stats};
use crate::store::{Admitted, By, Command, Course, DestinationRecord, Done, LaidOut, MessageRef, Store, wait};
use crate::transport::Transport;

/// How a transport is made for a destination; fails when its certificates cannot be used.
pub type Connect = Arc<dyn Fn(&Destination) -> Result<Arc<dyn Transport>, OutboxError> + Send + Sync>;

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
    /// How alerts leave.
    pub alerts: AlertParts,
}

/// How alerts leave.
#[derive(Clone)]
pub struct AlertParts {
    /// How webhooks are reached.
    pub connect: ConnectWebhook,
    /// The application's own function.
    pub callback: Option<Arc<dyn Callback>>,
}

/// Nobody hears them.
impl Default for AlertParts {
    fn default() -> Self {
        let refused = |_: &WebhookSettings| Err(OutboxError::new(code::ERR_CONFIG, "there is no way to webhooks here"));
        Self { connect: Arc::new(refused), callback: None }
    }
}

/// An open outbox. Dropping it without [`Outbox::stop`] loses nothing: everything accepted is committed or refused.
pub struct Outbox {
    live: Arc<Live>,
    connect: Connect,
    store: Arc<dyn Store>,
    election: Arc<dyn Election>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    dispatcher: Mutex<Option<Arc<Dispatcher>>>,
}

impl Outbox {
    /// Checks that every destination can be set up, then stands for the lead unless configured not to.
    pub fn start(parts: OutboxParts) -> Result<Self, OutboxError> {
        let OutboxParts { settings, store, election, clock, runtime, connect, alerts } = parts;
        crate::fault!("outbox-start", crate::faults::refused);
        let live = Arc::new(Live::new(settings));
        // What persons changed holds from the first message on.
        live.follow(wait(|done| store.patches(done))?, |destination| connect(destination).map(drop));
        let metrics = Arc::new(Metrics::new(live.base().destinations.values().map(|destination| &destination.name))?);
        let mut destinations = Vec::new();
        for destination in live.present().destinations.values() {
            destinations.push(Way { destination: Arc::clone(destination), transport: connect(destination)? });
        }
        let sentry = SentryParts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            runtime: runtime.clone(),
            election: Arc::clone(&election),
            lanes: Lane::all(live.base(), &alerts.connect)?,
            settings: live.base().alerts.clone(),
            callback: alerts.callback,
            outbox: file_name(&live.base().path),
        };
        let dispatcher = Dispatcher::start(Parts {
            store: Arc::clone(&store),
            election: Arc::clone(&election),
            clock: Arc::clone(&clock),
            runtime,
            destinations,
            stands: live.base().dispatch,
            retention: live.base().retention,
            metrics: Arc::clone(&metrics),
            follow: follower(&live, &connect, &store),
            configuration: serde_json::to_string(&live.base().fingerprint()).unwrap_or_default(),
            sentry,
        })?;
        Ok(Self { live, connect, store, election, clock, metrics, dispatcher: Mutex::new(Some(Arc::new(dispatcher))) })
    }

    /// The settings of the start.
    pub fn settings(&self) -> &Settings {
        self.live.base()
    }

    fn dispatcher(&self) -> Option<Arc<Dispatcher>> {
        self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stores the messages of one call, all or none. `done` is called after the commit.
    pub fn enqueue(&self, requests: Vec<EnqueueRequest>, done: Done<Vec<Admitted>>) {
        let (settings, clock, dispatcher) = (self.live.present(), Arc::clone(&self.clock), self.dispatcher());
        let (metrics, began) = (Arc::clone(&self.metrics), Instant::now());
        self.store.enqueue(
            Box::new(move || enqueue::prepare(&settings, clock.as_ref(), requests)),
            Box::new(move |result| {
                metrics.enqueued(&result, began.elapsed());
                crate::fault!("enqueue-callback");
                if let (Ok(admitted), Some(dispatcher)) = (&result, &dispatcher) {
                    for one in admitted.iter().filter(|one| !one.duplicate) {
                        dispatcher.committed(&one.destination);
                    }
                }
                done(result);
            }),
        );
    }

    /// Carries out an order of a person; `course` says how far one on many messages has come.
    pub fn command(&self, command: Command, by: By, course: Arc<Course>, done: Done<Changed>) {
        let dispatcher = self.dispatcher();
        let done: Done<Changed> = Box::new(move |result| {
            if let (Ok(_), Some(dispatcher)) = (&result, &dispatcher) {
                dispatcher.commanded();
            }
            done(result);
        });
        let unconfigured = match &command {
            Command::Pause { destination } | Command::Resume { destination } => {
                (!self.settings().destinations.contains_key(destination)).then(|| destination.clone())
            }
            _ => None,
        };
        let Some(name) = unconfigured else { return self.store.command(command, by, course, done) };
        // A command line may lack the configuration: a name that the file knows will do. A misspelt one will not.
        let store = Arc::clone(&self.store);
        self.store.destinations(Box::new(move |records| match records {
            Ok(records) if records.iter().any(|record| record.name == name) => store.command(command, by, course, done),
            Ok(_) => done(Err(OutboxError::plain(code::ERR_UNKNOWN_DESTINATION))),
            Err(error) => done(Err(error)),
        }));
    }

    /// The worklist: dead letters by what they failed of.
    pub fn refusals(&self, filter: RefusalFilter, done: Done<Refusals>) {
        self.store.refusals(filter, done);
    }

    /// Changes owner, note or mark of a group, or of its part with certain tags, and answers how it is then.
    pub fn update_refusal(&self, update: RefusalUpdate, by: By, done: Done<RefusalView>) {
        let filter = update.part();
        let order = match update.checked() {
            Ok(order) => order,
            Err(error) => return done(Err(error)),
        };
        let (store, after) = (Arc::clone(&self.store), Arc::clone(&self.store));
        // A part without messages is none: whoever is limited to it must not learn that there is a group at all.
        self.store.refusals(
            filter.clone(),
            Box::new(move |found| match found.and_then(one) {
                Err(error) => done(Err(error)),
                Ok(_) => store.command(
                    Command::Rectify(order),
                    by,
                    Arc::default(),
                    Box::new(move |changed| match changed {
                        Err(error) => done(Err(error)),
                        Ok(_) => after.refusals(filter, Box::new(move |found| done(found.and_then(one)))),
                    }),
                ),
            }),
        );
    }

    /// Changes a destination's configuration, in the file: for every process, for messages that wait already, and after a
    /// restart. The change is tried first. `None` takes all changes back.
    pub fn configure(&self, name: String, patch: Option<String>, by: By, done: Done<()>) {
        let (live, connect, store) = (Arc::clone(&self.live), Arc::clone(&self.connect), Arc::clone(&self.store));
        let dispatcher = self.dispatcher();
        let commands = Arc::clone(&self.store);
        // On a thread of the store: certificates are read from files.
        self.store.patches(Box::new(move |patches| {
            let tried = patches.and_then(|_| connect(&live.tried(&name, patch.as_deref())?).map(drop));
            if let Err(error) = tried {
                return done(Err(error));
            }
            let changed: Done<Changed> = Box::new(move |result| match result {
                Err(error) => done(Err(error)),
                // It holds here when the caller hears of it, and elsewhere within a second.
                Ok(_) => store.patches(Box::new(move |patches| {
                    let dispatching = dispatcher.map(|dispatcher| dispatcher.dispatching());
                    done(patches.map(|patches| {
                        follow(&live, &connect, patches, dispatching.as_ref());
                    }));
                })),
            });
            let command = match patch {
                Some(patch) => Command::Configure { destination: name, patch },
                None => Command::Reset { destination: name },
            };
            commands.command(command, by, Arc::default(), changed);
        }));
    }

    /// Stores a corrected message in the lane place of a FAILED or HELD one, with its labels and priority, for the same
    /// receiver.
    pub fn replace(&self, id: MessageId, correction: EnqueueRequest, by: By, done: Done<Admitted>) {
        let (settings, clock, dispatcher) = (self.live.present(), Arc::clone(&self.clock), self.dispatcher());
        let (store, writing) = (Arc::clone(&self.store), Arc::clone(&self.store));
        self.store.message(
            MessageRef::Id(id),
            Box::new(move |found| match found {
                Err(error) => done(Err(error)),
                Ok(None) => done(Err(OutboxError::plain(code::ERR_MESSAGE_ID))),
                Ok(Some(old)) => store.content(
                    id,
                    Box::new(move |content| {
                        // Read anew as its destination would: a lane that it does not have so was its caller's choice.
                        let before = EnqueueRequest::of_stored(content.ok().flatten().unwrap_or_default(), &old);
                        let request = correction.in_place_of(&old);
                        let done: Done<Admitted> = Box::new(move |result| {
                            if let (Ok(_), Some(dispatcher)) = (&result, &dispatcher) {
                                dispatcher.commanded();
                            }
                            done(result);
                        });
                        let prepare = Box::new(move || {
                            let mut prepared = enqueue::prepare(&settings, clock.as_ref(), vec![request])?;
                            prepared
                                .extend(enqueue::prepare(&settings, clock.as_ref(), vec![before]).unwrap_or_default());
                            Ok(prepared)
                        });
                        writing.replace(id, prepare, by, done);
                    }),
                ),
            }),
        );
    }

    /// Changes after a cursor, in commit order.
    pub fn changes(&self, after: Option<String>, limit: u32, done: Done<Vec<StatusChange>>) {
        self.store.changes(after, limit, done);
    }

    /// Becomes the one reader of the changes under a name; `None` when another process, or another reader here, is it.
    pub fn read_as(&self, consumer: String, done: Done<Option<Reading>>) {
        if consumer.is_empty() || consumer.chars().count() > CONSUMER_MAX {
            let what = format!("`consumer` must be 1 to {CONSUMER_MAX} characters long");
            return done(Err(OutboxError::new(code::ERR_OPTION, what)));
        }
        let election = Arc::clone(&self.election);
        // On a thread of the store: a lock file is opened.
        self.store.latest_cursor(Box::new(move |_| done(election.try_read_as(&consumer))));
    }

    /// Where a named reader has come to.
    pub fn consumer(&self, name: String, done: Done<Option<String>>) {
        self.store.consumer(name, done);
    }

    /// Remembers where a named reader has come to.
    pub fn note_consumer(&self, name: String, cursor: String, done: Done<()>) {
        self.store.note_consumer(name, cursor, done);
    }

    /// The next alert for the application's own function, if one is due. It is given out again when its end is not told in time.
    pub fn claim_alert(&self, done: Done<Option<Notice>>) {
        self.store.claim_notice(CALLBACK.to_owned(), CALLBACK_LEASE, done);
    }

    /// Whether the application's own function took it.
    pub fn alert_told(&self, n: i64, tries: u32, taken: bool, done: Done<()>) {
        let error = (!taken).then(|| String::from("CALLBACK_FAILED"));
        self.store.end_notice(NoticeEnd { n, tries, error, again: pause_after(tries) }, done);
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

    /// A page of messages with what it takes to hand them over elsewhere. Why one waits is not filled in.
    pub fn laid_out(&self, request: ListRequest, done: Done<Page<LaidOut>>) {
        self.store.laid_out(request, done);
    }

    /// Fills in what the store cannot know: whether a destination is configured, resting or paused, and who dispatches.
    fn completer(&self) -> impl FnOnce(Vec<MessageView>, Done<Vec<MessageView>>) + Send + 'static {
        let (settings, store, election) = (self.live.present(), Arc::clone(&self.store), Arc::clone(&self.election));
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

    /// How many messages a filter matches.
    pub fn count(&self, filter: MessageFilter, done: Done<Counted>) {
        self.store.count(filter, done);
    }

    /// Figures.
    pub fn stats(&self, filter: MessageFilter, done: Done<Stats>) {
        self.store.stats(filter, done);
    }

    /// Whether the outbox does its work. The lock file is looked at on the store's thread, never on the caller's.
    pub fn health(&self, done: Done<Health>) {
        let dispatcher = self.dispatcher();
        let (store, settings, refused) = (Arc::clone(&self.store), self.live.present(), self.live.refused());
        let (election, clock) = (Arc::clone(&self.election), Arc::clone(&self.clock));
        let base = Arc::clone(self.live.base());
        self.store.info(Box::new(move |info| match info {
            Err(error) => done(Err(error)),
            Ok(info) => store.destinations(Box::new(move |records: Result<Vec<DestinationRecord>, _>| {
                crate::fault!("health-assess");
                // Of a store that has failed, that is what there is to say.
                let records = if info.failed.is_some() { Ok(records.unwrap_or_default()) } else { records };
                done(records.map(|records| {
                    health::assess(&Facts {
                        settings: &settings,
                        fingerprint: base.fingerprint(),
                        info,
                        records: &records,
                        leader: election.leader(),
                        leads: dispatcher.as_ref().is_some_and(|dispatcher| dispatcher.leads()),
                        refused: &refused,
                        certificates: dispatcher
                            .as_ref()
                            .map(|dispatcher| dispatcher.certificates())
                            .unwrap_or_default(),
                        trouble: dispatcher.and_then(|dispatcher| dispatcher.trouble()),
                        now: clock.now(),
                    })
                }));
            })),
        }));
    }

    /// The counters of this process.
    pub fn counters(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Figures as text for Prometheus.
    pub fn metrics(&self, scope: Scope, done: Done<String>) {
        let (store, metrics) = (Arc::clone(&self.store), Arc::clone(&self.metrics));
        self.health(Box::new(move |health| match health {
            Err(error) => done(Err(error)),
            Ok(health) => store.stats(
                MessageFilter::default(),
                Box::new(move |stats| done(stats.and_then(|stats| metrics.render(scope, &health, &stats)))),
            ),
        }));
    }

    /// Claims nothing more, waits at most `timeout` for attempts in flight, and frees the lead. Messages are still taken.
    /// Answers whether every attempt ended. Blocks: never call it on a JS thread.
    pub fn drain(&self, timeout: Duration) -> bool {
        crate::fault!("stop-drain");
        let dispatcher = self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        dispatcher.is_none_or(|dispatcher| dispatcher.stop(timeout))
    }

    /// Commits what was accepted and closes the store. Blocks likewise.
    pub fn close(&self, timeout: Duration) {
        crate::fault!("stop-close");
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
        &self.settings().path
    }

    /// Destinations by name.
    pub fn destinations(&self) -> &BTreeMap<String, Arc<Destination>> {
        &self.settings().destinations
    }
}

fn one(found: Refusals) -> Result<RefusalView, OutboxError> {
    found.groups.into_iter().next().ok_or_else(|| OutboxError::plain(code::ERR_REFUSAL))
}

/// Without its folders, which may name a person.
pub fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Looks whether persons changed the configuration, and lets the dispatcher know. Runs on threads that may wait.
fn follower(live: &Arc<Live>, connect: &Connect, store: &Arc<dyn Store>) -> Follow {
    let (live, connect, store) = (Arc::clone(live), Arc::clone(connect), Arc::clone(store));
    Box::new(move |dispatching: &Dispatching| {
        if let Ok(patches) = wait(|done| store.patches(done)) {
            follow(&live, &connect, patches, Some(dispatching));
        }
    })
}

fn follow(live: &Live, connect: &Connect, patches: BTreeMap<String, String>, dispatching: Option<&Dispatching>) {
    live.follow(patches, |destination| {
        let transport = connect(destination)?;
        if let Some(dispatching) = dispatching {
            dispatching.reconfigure(Way { destination: Arc::clone(destination), transport });
        }
        Ok(())
    });
}

/// Longest name of a reader of the changes, in characters.
const CONSUMER_MAX: usize = 64;
/// Even a stop without patience lets the present group commit; with the default limit it still ends before PM2 kills.
const CLOSE_MIN: Duration = Duration::from_millis(150);
