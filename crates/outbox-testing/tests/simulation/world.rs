//! A receiver's world: its time, its network, and the outbox that is opened in it again and again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant as RealInstant};

use outbox_core::clock::{Clock, Timestamp};
use outbox_core::config::{Environment, Settings, read};
use outbox_core::enqueue::{EnqueueOptions, EnqueueRequest};
use outbox_core::event::{Observer, StatusChange};
use outbox_core::hl7::Source;
use outbox_core::outbox::{AlertParts, Outbox, OutboxParts};
use outbox_core::state::State;
use outbox_core::status::{Changed, MessageFilter, Stats};
use outbox_core::store::{By, Command, wait};
use outbox_sqlite::{FileElection, Parts, SqliteStore, StoreOptions};
use outbox_testing::messages::text;
use outbox_testing::network::{Network, NetworkTransport};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Real time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where time is paused: it jumps to the next moment somebody waits for, as soon as nobody has anything to do.
pub(crate) struct World {
    directory: TempDir,
    pub(crate) time: Time,
    ends: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    bell: Arc<Bell>,
}

/// The world's time, readable from every thread.
#[derive(Clone)]
pub(crate) struct Time {
    handle: Handle,
    began: Instant,
    /// By how many milliseconds the wall clock is ahead of the world.
    ahead: Arc<AtomicI64>,
}

impl Time {
    /// Since the world began.
    pub(crate) fn elapsed(&self) -> Duration {
        let _inside = self.handle.enter();
        self.began.elapsed()
    }

    /// The wall clock jumps.
    pub(crate) fn jump(&self, ms: i64) {
        self.ahead.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn since_began(&self, at: Instant) -> Duration {
        at - self.began
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp(1_767_225_600_000 + self.ahead.load(Ordering::SeqCst)).plus(self.elapsed())
    }
}

/// Rung by every commit.
#[derive(Default)]
struct Bell {
    rings: Mutex<u64>,
    rung: Condvar,
}

impl Observer for Bell {
    fn listens(&self) -> bool {
        true
    }

    fn hear(&self, _: Vec<StatusChange>) {
        *self.rings.lock().unwrap() += 1;
        self.rung.notify_all();
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let handle = runtime.handle().clone();
        let began = {
            let _inside = handle.enter();
            Instant::now()
        };
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || drop(runtime.block_on(ended)));
        let directory = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
        Self {
            directory,
            time: Time { handle, began, ahead: Arc::default() },
            ends: Some((end, thread)),
            bell: Arc::default(),
        }
    }

    /// Opens the outbox with one destination, `test`, that is configured by `json`.
    pub(crate) fn open(&self, network: &Arc<Network>, json: &str) -> Outbox {
        let path = self.directory.path().join("outbox.db");
        let url = r#""url":"http://127.0.0.1:9/""#;
        let json = format!(
            r#"{{"path":{},"destinations":{{"test":{{{url},{json}}}}}}}"#,
            serde_json::to_string(&path).unwrap()
        );
        let settings =
            Settings::resolve(read(&json, "the test").unwrap(), &Environment::default(), self.directory.path())
                .unwrap();
        let clock: Arc<dyn Clock> = Arc::new(self.time.clone());
        let options = StoreOptions {
            clock: Arc::clone(&clock),
            observer: Some(Arc::clone(&self.bell) as _),
            pending_max: 1_000_000,
            wal_max: 1 << 30,
            parts: Parts::default(),
        };
        let network = Arc::clone(network);
        Outbox::start(OutboxParts {
            store: Arc::new(SqliteStore::open(&path, options).unwrap()),
            election: Arc::new(FileElection::new(&path)),
            settings,
            clock,
            runtime: self.time.handle.clone(),
            connect: Arc::new(move |_| Ok(Arc::new(NetworkTransport(Arc::clone(&network))))),
            alerts: AlertParts::default(),
        })
        .unwrap()
    }

    /// Waits until the figures are as wanted; looks again after each commit.
    pub(crate) fn wait_until(&self, outbox: &Outbox, context: &str, wanted: impl Fn(&Stats) -> bool) {
        let deadline = RealInstant::now() + PATIENCE;
        loop {
            let rings = *self.bell.rings.lock().unwrap();
            let stats = wait(|done| outbox.stats(MessageFilter::default(), done)).unwrap();
            if wanted(&stats) {
                return;
            }
            let mut now = self.bell.rings.lock().unwrap();
            while *now == rings {
                let left = deadline.checked_duration_since(RealInstant::now());
                let left = left.unwrap_or_else(|| panic!("{context}: it stands still at {:?}", stats.by_status));
                now = self.bell.rung.wait_timeout(now, left).unwrap().0;
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.ends.take() {
            let _ = end.send(());
            let _ = thread.join();
        }
    }
}

/// Control ids are `L<lane>-<n>`.
pub(crate) fn lane_of(control_id: &str) -> String {
    control_id.split('-').next().unwrap().to_owned()
}

pub(crate) fn control_id(lane: usize, n: usize) -> String {
    format!("L{lane}-{n:05}")
}

/// Stores the messages of one call.
pub(crate) fn enqueue(outbox: &Outbox, control_ids: &[String]) {
    let request = |control_id: &String| EnqueueRequest {
        message: text(control_id, &lane_of(control_id).replace('L', "PATIENT")).into_bytes(),
        source: Source::Text,
        options: EnqueueOptions::default(),
    };
    let requests = control_ids.iter().map(request).collect();
    wait(|done| outbox.enqueue(requests, done)).unwrap();
}

pub(crate) fn order(outbox: &Outbox, command: Command) -> Changed {
    let by = By { actor: String::from("tester"), reason: None };
    wait(|done| outbox.command(command, by, Arc::default(), done)).unwrap()
}

pub(crate) fn count(figures: &Stats, state: State) -> u64 {
    figures.by_status[&state]
}

/// Everything that ever changed, in order.
pub(crate) fn changes(outbox: &Outbox) -> Vec<StatusChange> {
    let mut all: Vec<StatusChange> = Vec::new();
    loop {
        let after = all.last().map(|change| change.cursor.clone());
        let more = wait(|done| outbox.changes(after, 1_000, done)).unwrap();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// When each message was taken for the first time, as its number among all that was taken; by lane, then by control id.
pub(crate) fn first_taken(taken: &[String]) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut lanes: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for (n, control_id) in taken.iter().enumerate() {
        lanes.entry(lane_of(control_id)).or_default().entry(control_id.clone()).or_insert(n);
    }
    lanes
}
