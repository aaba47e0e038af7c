//! One opened outbox as JavaScript holds it: usable at once, while the file is still being opened in the background.
//!
//! Calls that come before the file is open are kept in their order and made when it is. So the order of `enqueueHl7`
//! calls holds through a lazy start too, and nothing waits on the JS thread.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use outbox_core::config::{self, Environment, Limits, OutboxConfig, Settings};
use outbox_core::error::{OutboxError, code};
use tokio::sync::watch;

use crate::port::{Port, Ticket};
use crate::registry::{self, Open};
use crate::{log, runtime};

/// How often calls are looked at that wait for a commit longer than they may.
const OVERDUE_EVERY: Duration = Duration::from_millis(100);
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

type Job = Box<dyn FnOnce(Result<&Arc<Open>, OutboxError>) + Send>;

enum State {
    /// The calls so far.
    Opening(Vec<Job>),
    Open(Arc<Open>),
    Failed(OutboxError),
    Closed,
}

/// What JavaScript holds.
pub(crate) struct Handle {
    pub(crate) id: u32,
    state: Mutex<State>,
    /// A close was asked for.
    closing: AtomicBool,
    /// Bytes that were handed in and are not on disk yet.
    intake_bytes: AtomicUsize,
    intake_max: AtomicUsize,
    /// How long a call may wait for its commit, in milliseconds.
    enqueue_timeout_ms: AtomicU64,
    waiting: Mutex<VecDeque<(Instant, Weak<Ticket>)>>,
    ended: watch::Sender<bool>,
}

/// What an environment hears from the first moment on.
pub(crate) struct Ears {
    /// The log.
    pub(crate) log: Option<Arc<Port>>,
    /// Attempts that end; the first may do so as soon as the file is open.
    pub(crate) attempts: Option<Arc<Port>>,
    /// Rung while the outbox is open when an alert is due.
    pub(crate) alerts: Option<Arc<Port>>,
}

/// Where the configuration comes from.
pub(crate) struct Source {
    /// The configuration as JSON; absent: the file named by the environment, or the environment alone.
    pub(crate) json: Option<String>,
    /// A snapshot of the environment.
    pub(crate) environment: HashMap<String, String>,
    /// What relative paths are relative to.
    pub(crate) working_directory: PathBuf,
}

/// The configuration file that is read when it exists and nothing else is given.
const CONFIG_FILE: &str = "hl7-outbox.config.json";

/// The configuration in force.
pub(crate) fn settings(source: Source) -> Result<Settings, OutboxError> {
    let environment = Environment::new(source.environment);
    let config = match source.json {
        Some(json) => config::read(&json, "the configuration")?,
        None => from_file(&environment, &source.working_directory)?,
    };
    Settings::resolve(config, &environment, &source.working_directory)
}

fn from_file(environment: &Environment, working_directory: &std::path::Path) -> Result<OutboxConfig, OutboxError> {
    let named = environment.get("HL7_OUTBOX_CONFIG");
    let path = working_directory.join(named.unwrap_or(CONFIG_FILE));
    match std::fs::read_to_string(&path) {
        Ok(text) => config::read(&text, "the configuration file"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => Ok(OutboxConfig::default()),
        Err(error) => Err(OutboxError::new(
            code::ERR_CONFIG_FILE,
            format!("the configuration file cannot be read ({})", error.kind()),
        )),
    }
}

impl Handle {
    /// Begins to open; answers at once.
    pub(crate) fn open(source: Source, ears: Ears) -> Arc<Self> {
        let handle = Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(State::Opening(Vec::new())),
            closing: AtomicBool::new(false),
            intake_bytes: AtomicUsize::new(0),
            intake_max: AtomicUsize::new(Limits::default().intake_bytes),
            enqueue_timeout_ms: AtomicU64::new(milliseconds(Limits::default().enqueue_timeout)),
            waiting: Mutex::default(),
            ended: watch::channel(false).0,
        });
        if let Some(port) = ears.log {
            log::hear(handle.id, port);
        }
        let opening = Arc::clone(&handle);
        let follower = ears.attempts.map(|port| (handle.id, port));
        let started = std::thread::Builder::new().name(String::from("hl7-open")).spawn(move || {
            // First, so that calls do not wait for ever on a disk that never answers.
            opening.watch_overdue();
            // Whoever waits must hear of it, also when this thread fails.
            let opened = std::panic::catch_unwind(AssertUnwindSafe(|| {
                outbox_core::fault!("open-thread");
                settings(source).and_then(|settings| {
                    log::begin(&settings.log)?;
                    registry::open(settings, follower)
                })
            }));
            let opened = opened.unwrap_or_else(|_| Err(OutboxError::plain(code::ERR_PANIC)));
            if let (Ok(open), Some(port)) = (&opened, ears.alerts) {
                open.alert_ears.add(opening.id, port);
            }
            opening.opened(opened);
        });
        if let Err(error) = started {
            handle.opened(Err(OutboxError::new(
                code::ERR_PANIC,
                format!("no thread could be started: {}", error.kind()),
            )));
        }
        handle
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the calls that waited, in their order, before any later one.
    fn opened(self: &Arc<Self>, opened: Result<Arc<Open>, OutboxError>) {
        if let Ok(open) = &opened {
            let limits = open.outbox.settings().limits;
            self.intake_max.store(limits.intake_bytes, Ordering::Relaxed);
            self.enqueue_timeout_ms.store(milliseconds(limits.enqueue_timeout), Ordering::Relaxed);
        }
        let mut state = self.state();
        let State::Opening(jobs) = std::mem::replace(&mut *state, State::Closed) else { return };
        for job in jobs {
            // One call's panic is not the next one's; its own promise is rejected.
            let job = AssertUnwindSafe(|| job(opened.as_ref().map_err(Clone::clone)));
            if std::panic::catch_unwind(job).is_err() {
                tracing::error!("a panic in a call that waited for the file");
            }
        }
        *state = match opened {
            Ok(open) => State::Open(open),
            Err(error) => State::Failed(error),
        };
    }

    /// Calls with the open outbox, now or when it is open; with the reason when it is not to be.
    pub(crate) fn with(&self, job: impl FnOnce(Result<&Arc<Open>, OutboxError>) + Send + 'static) {
        match &mut *self.state() {
            State::Opening(jobs) => jobs.push(Box::new(job)),
            State::Open(open) => job(Ok(open)),
            State::Failed(error) => job(Err(error.clone())),
            State::Closed => job(Err(OutboxError::plain(code::ERR_STOPPED))),
        }
    }

    /// Reserves room for bytes on their way to the disk.
    pub(crate) fn take_in(self: &Arc<Self>, bytes: usize) -> Result<Intake, OutboxError> {
        outbox_core::fault!("enqueue-intake", |_| Err(OutboxError::plain(code::ERR_INTAKE_FULL)));
        let max = self.intake_max.load(Ordering::Relaxed);
        let before = self.intake_bytes.fetch_add(bytes, Ordering::Relaxed);
        let intake = Intake { handle: Arc::clone(self), bytes };
        if before.saturating_add(bytes) > max {
            return Err(OutboxError::new(
                code::ERR_INTAKE_FULL,
                format!("{before} bytes wait for the disk; at most {max} may"),
            ));
        }
        Ok(intake)
    }

    /// Rejects the promise when it has waited too long for its commit.
    pub(crate) fn limit(&self, ticket: &Arc<Ticket>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back((Instant::now(), Arc::downgrade(ticket)));
    }

    fn watch_overdue(self: &Arc<Self>) {
        let Ok(runtime) = runtime::runtime() else { return };
        let (handle, mut ended) = (Arc::downgrade(self), self.ended.subscribe());
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    _ = ended.wait_for(|ended| *ended) => return,
                    () = tokio::time::sleep(OVERDUE_EVERY) => {}
                }
                let Some(handle) = handle.upgrade() else { return };
                // Looked at again whatever becomes of this look: it is the end of every wait.
                let _ = std::panic::catch_unwind(AssertUnwindSafe(|| handle.reject_overdue()));
            }
        });
    }

    fn reject_overdue(&self) {
        outbox_core::fault!("overdue-look");
        let timeout = Duration::from_millis(self.enqueue_timeout_ms.load(Ordering::Relaxed));
        let now = Instant::now();
        loop {
            let overdue = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                // In the order of the calls, so the first that is neither settled nor overdue ends the search.
                while waiting.front().is_some_and(|(_, ticket)| ticket.strong_count() == 0) {
                    waiting.pop_front();
                }
                match waiting.front() {
                    Some((since, _)) if now.duration_since(*since) >= timeout => waiting.pop_front(),
                    _ => None,
                }
            };
            let Some((_, ticket)) = overdue else { return };
            if let Some(ticket) = ticket.upgrade() {
                ticket.settle(Err(OutboxError::plain(code::ERR_ENQUEUE_TIMEOUT)));
            }
        }
    }

    /// Closes in the background: delivery ends first, and messages are taken until it has. `done` hears whether every
    /// attempt ended.
    pub(crate) fn close(self: &Arc<Self>, timeout: Duration, done: impl FnOnce(bool) + Send + 'static) {
        if self.closing.swap(true, Ordering::AcqRel) {
            return done(true);
        }
        let mut state = self.state();
        match &mut *state {
            State::Open(open) => close_in_background(Arc::clone(self), Arc::clone(open), timeout, done),
            State::Opening(jobs) => {
                // Whatever was called before the close is still carried out.
                let handle = Arc::clone(self);
                jobs.push(Box::new(move |opened| match opened {
                    Ok(open) => close_in_background(handle, Arc::clone(open), timeout, done),
                    Err(_) => done(true),
                }));
            }
            State::Failed(_) | State::Closed => {
                *state = State::Closed;
                done(true);
            }
        }
    }

    /// Takes no more calls.
    fn shut(&self) {
        *self.state() = State::Closed;
        let _ = self.ended.send(true);
    }
}

fn close_in_background(
    handle: Arc<Handle>,
    open: Arc<Open>,
    timeout: Duration,
    done: impl FnOnce(bool) + Send + 'static,
) {
    let started = std::thread::Builder::new().name(String::from("hl7-close")).spawn(move || {
        let drained = registry::close(&open, timeout, || handle.shut());
        open.listeners.forget(handle.id);
        open.alert_ears.remove(handle.id);
        done(drained);
    });
    if started.is_err() {
        tracing::error!("no thread could be started to close the outbox; everything accepted is on disk all the same");
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Bytes on their way to the disk; given back when dropped.
pub(crate) struct Intake {
    handle: Arc<Handle>,
    bytes: usize,
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.handle.intake_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
