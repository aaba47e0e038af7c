//! Commands on many messages, as far as they are this store's own: the record, the line, the size of parts.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outbox_core::clock::SystemClock;
use outbox_core::error::{OutboxError, code};
use outbox_core::event::{Observer, StatusChange};
use outbox_core::message::{Body, NewMessage};
use outbox_core::status::{Changed, MessageFilter};
use outbox_core::store::{By, Command, Store, wait};
use outbox_sqlite::{Parts, SqliteStore, StoreOptions};
use outbox_testing::messages::message;
use rusqlite::Connection;

/// Stands at every seam until it is let go on, or nobody is left to let it.
struct Gate {
    seams: AtomicUsize,
    arrived: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Observer for Gate {
    fn listens(&self) -> bool {
        false
    }

    fn hear(&self, _changes: Vec<StatusChange>) {}

    fn at_seam(&self) {
        self.seams.fetch_add(1, Ordering::Relaxed);
        let _ = self.arrived.send(());
        let _ = self.go_on.lock().unwrap().recv();
    }
}

struct Rig {
    go_on: Sender<()>,
    arrived: Receiver<()>,
    gate: Arc<Gate>,
    store: SqliteStore,
}

fn open(path: &Path, messages: usize) -> Rig {
    let (arrived, at) = channel();
    let (go_on, told_to) = channel();
    let gate = Arc::new(Gate { seams: AtomicUsize::new(0), arrived, go_on: Mutex::new(told_to) });
    let options = StoreOptions {
        clock: Arc::new(SystemClock),
        observer: Some(Arc::clone(&gate) as _),
        pending_max: 1_000_000,
        wal_max: 1 << 30,
        parts: Parts { messages, time: Duration::from_secs(600) },
    };
    Rig { go_on, arrived: at, gate, store: SqliteStore::open(path, options).unwrap() }
}

fn enqueue(store: &SqliteStore, messages: Vec<NewMessage>) {
    wait(|done| store.enqueue(Box::new(move || Ok(messages)), done)).unwrap();
}

fn give(store: &SqliteStore, command: Command) -> Receiver<Result<Changed, OutboxError>> {
    let (tell, told) = channel();
    let by = By { actor: String::from("tester"), reason: None };
    store.command(command, by, Arc::default(), Box::new(move |result| drop(tell.send(result))));
    told
}

fn hold() -> Command {
    Command::Hold { filter: MessageFilter::default() }
}

#[test]
fn what_a_command_has_changed_so_far_is_on_record_with_each_of_its_parts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let Rig { go_on, arrived, store, .. } = open(&path, 4);
    enqueue(&store, (0..10).map(|n| message(n, None)).collect());
    let answer = give(&store, hold());
    let reader = Connection::open(&path).unwrap();
    let recorded = || {
        let sql = "SELECT count(*), sum(changed), (SELECT count(*) FROM message WHERE state = 'HELD') FROM action";
        reader.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
    };
    for changed in [0, 0, 4, 8] {
        arrived.recv().unwrap();
        assert_eq!(recorded(), (1, changed, changed));
        go_on.send(()).unwrap();
    }
    assert_eq!(answer.recv().unwrap().unwrap().count, 10);
    assert_eq!(recorded(), (1, 10, 10));
}

#[test]
fn a_bounded_number_of_commands_on_many_messages_wait_for_one_another() {
    let directory = tempfile::tempdir().unwrap();
    let Rig { go_on, arrived, store, .. } = open(&directory.path().join("outbox.db"), 2);
    enqueue(&store, (0..5).map(|n| message(n, None)).collect());
    let first = give(&store, hold());
    arrived.recv().unwrap();
    let waiting: Vec<_> = (0..64).map(|_| give(&store, hold())).collect();
    let error = give(&store, hold()).recv().unwrap().unwrap_err();
    assert_eq!((error.code, error.count), (code::ERR_COMMANDS_FULL, Some(0)));
    drop(go_on);
    assert_eq!(first.recv().unwrap().unwrap().count, 5);
    assert!(waiting.into_iter().all(|answer| answer.recv().unwrap().unwrap().count == 0));
}

#[test]
fn a_purge_of_few_messages_with_large_contents_goes_in_parts_too() {
    let directory = tempfile::tempdir().unwrap();
    let Rig { go_on, gate, store, .. } = open(&directory.path().join("outbox.db"), 100);
    drop(go_on);
    let large = |n| NewMessage { body: Body::new(vec![b'x'; 3 << 20]), ..message(n, None) };
    enqueue(&store, vec![large(1), large(2)]);
    let purge = || Command::Purge { filter: MessageFilter::default() };
    assert_eq!(give(&store, hold()).recv().unwrap().unwrap().count, 2);
    assert_eq!(gate.seams.load(Ordering::Relaxed), 0, "nothing else is heavy");
    assert_eq!(give(&store, purge()).recv().unwrap().unwrap().count, 2);
    assert!(gate.seams.load(Ordering::Relaxed) > 0);
}
