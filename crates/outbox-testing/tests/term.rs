//! A turn that waits for its commit while its dispatcher is stopped: what it claimed, nobody would send.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outbox_core::alert::{AlertMove, AlertView, Notice, NoticeEnd};
use outbox_core::clock::SystemClock;
use outbox_core::config::{Environment, Settings, read};
use outbox_core::enqueue::{EnqueueOptions, EnqueueRequest};
use outbox_core::error::OutboxError;
use outbox_core::event::StatusChange;
use outbox_core::hl7::Source;
use outbox_core::message::MessageId;
use outbox_core::outbox::{AlertParts, Outbox, OutboxParts};
use outbox_core::refusals::{RefusalFilter, Refusals};
use outbox_core::retention::{Place, Retention, Swept};
use outbox_core::status::{
    AttemptView, Changed, Counted, DestinationState, ListRequest, MessageFilter, MessageView, Page, Stats,
};
use outbox_core::store::{
    Admitted, By, ChangeWatch, Command, Course, DestinationRecord, Done, LaidOut, MessageRef, Prepare, Store,
    StoreInfo, Turn, TurnResult, wait,
};
use outbox_sqlite::{FileElection, Parts, SqliteStore, StoreOptions};
use outbox_testing::messages::text;
use outbox_testing::network::{Fate, Network, NetworkTransport};

/// A store whose writer does not come to turns that would claim.
struct Busy {
    store: SqliteStore,
    turns: Mutex<Sender<(Turn, Done<TurnResult>)>>,
}

macro_rules! passed_on {
    ($($name:ident($($given:ident: $kind:ty),*) $(-> $back:ty)?;)+) => {
        $(fn $name(&self, $($given: $kind),*) $(-> $back)? { self.store.$name($($given),*) })+
    };
}

impl Store for Busy {
    fn turn(&self, turn: Turn, done: Done<TurnResult>) {
        if turn.claim == 0 {
            return self.store.turn(turn, done);
        }
        let _ = self.turns.lock().unwrap().send((turn, done));
    }

    passed_on! {
        enqueue(prepare: Prepare, done: Done<Vec<Admitted>>);
        recover(done: Done<u64>);
        mend_due(done: Done<u64>);
        sweep(retention: Retention, from: Place, done: Done<Swept>);
        command(command: Command, by: By, course: Arc<Course>, done: Done<Changed>);
        replace(id: MessageId, prepare: Prepare, by: By, done: Done<Admitted>);
        note_destination(name: Arc<str>, state: DestinationState, reason: Option<String>, done: Done<()>);
        note_configuration(configuration: String, done: Done<()>);
        alert_view(done: Done<AlertView>);
        move_alerts(moves: Vec<AlertMove>, hears: bool, done: Done<u64>);
        claim_notice(target: String, lease: Duration, done: Done<Option<Notice>>);
        end_notice(end: NoticeEnd, done: Done<()>);
        message(which: MessageRef, done: Done<Option<MessageView>>);
        content(id: MessageId, done: Done<Option<Vec<u8>>>);
        attempts(id: MessageId, done: Done<Vec<AttemptView>>);
        answer(id: MessageId, attempt: u32, done: Done<Option<Vec<u8>>>);
        list(request: ListRequest, done: Done<Page<MessageView>>);
        laid_out(request: ListRequest, done: Done<Page<LaidOut>>);
        count(filter: MessageFilter, done: Done<Counted>);
        stats(filter: MessageFilter, done: Done<Stats>);
        refusals(filter: RefusalFilter, done: Done<Refusals>);
        patches(done: Done<BTreeMap<String, String>>);
        changes(after: Option<String>, limit: u32, done: Done<Vec<StatusChange>>);
        latest_cursor(done: Done<String>);
        consumer(name: String, done: Done<Option<String>>);
        note_consumer(name: String, cursor: String, done: Done<()>);
        destinations(done: Done<Vec<DestinationRecord>>);
        info(done: Done<StoreInfo>);
        watch() -> Result<Box<dyn ChangeWatch>, OutboxError>;
        failed() -> Option<String>;
        failures() -> u64;
        close(timeout: Duration);
    }
}

fn store(path: &Path) -> SqliteStore {
    let options = StoreOptions {
        clock: Arc::new(SystemClock),
        observer: None,
        pending_max: 1_000_000,
        wal_max: 1 << 30,
        parts: Parts::default(),
    };
    SqliteStore::open(path, options).unwrap()
}

fn outbox(path: &Path, runtime: &tokio::runtime::Runtime) -> (Outbox, Receiver<(Turn, Done<TurnResult>)>) {
    let json =
        serde_json::json!({ "path": path, "destinations": { "test": { "url": "http://127.0.0.1:9/" } } }).to_string();
    let directory = path.parent().unwrap();
    let settings = Settings::resolve(read(&json, "the test").unwrap(), &Environment::default(), directory).unwrap();
    let (turns, held) = channel();
    let network = Network::new(str::to_owned, |_| (Fate::Acknowledged, Duration::ZERO));
    let outbox = Outbox::start(OutboxParts {
        store: Arc::new(Busy { store: store(path), turns: Mutex::new(turns) }),
        election: Arc::new(FileElection::new(path)),
        settings,
        clock: Arc::new(SystemClock),
        runtime: runtime.handle().clone(),
        connect: Arc::new(move |_| Ok(Arc::new(NetworkTransport(Arc::clone(&network))))),
        alerts: AlertParts::default(),
    })
    .unwrap();
    (outbox, held)
}

#[test]
fn a_turn_that_commits_when_its_dispatcher_has_given_up_the_lead_claims_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (outbox, held) = outbox(&path, &runtime);
    let request = EnqueueRequest {
        message: text("HELD", "P1").into_bytes(),
        source: Source::Text,
        options: EnqueueOptions::default(),
    };
    let id = wait(|done| outbox.enqueue(vec![request], done)).unwrap()[0].id;
    let (turn, _) = held.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(!turn.term.is_over());
    assert!(!outbox.stop(Duration::ZERO), "its driver was still waiting");

    let store = store(&path);
    let result = wait(|done| store.turn(turn, done)).unwrap();
    assert!(result.claimed.is_empty(), "the driver that would have sent it is gone");
    let message = wait(|done| store.message(MessageRef::Id(id), done)).unwrap().unwrap();
    assert!(!message.in_flight && message.tries == 0, "the next dispatcher finds it as it was");
}
