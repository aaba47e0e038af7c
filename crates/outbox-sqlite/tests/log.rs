//! The write-ahead log stays within bounds, whoever reads.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outbox_core::clock::SystemClock;
use outbox_core::error::{OutboxError, code};
use outbox_core::store::By;
use outbox_core::store::{Admitted, Command, Store, StoreInfo, wait};
use outbox_sqlite::{Parts, SqliteStore, StoreOptions};
use outbox_testing::messages::{DESTINATION, message};
use rusqlite::Connection;

const LIMIT: u64 = 4 << 20;

fn open(path: &Path) -> SqliteStore {
    let options = StoreOptions {
        clock: Arc::new(SystemClock),
        observer: None,
        pending_max: 1_000_000,
        wal_max: LIMIT,
        parts: Parts::default(),
    };
    SqliteStore::open(path, options).unwrap()
}

fn enqueue(store: &SqliteStore, n: u32) -> Result<Vec<Admitted>, OutboxError> {
    wait(|done| store.enqueue(Box::new(move || Ok(vec![message(n, None)])), done))
}

fn info(store: &SqliteStore) -> StoreInfo {
    wait(|done| store.info(done)).unwrap()
}

#[test]
fn a_long_read_refuses_new_messages_at_the_limit_and_the_rest_goes_on_and_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let store = open(&path);
    enqueue(&store, 0).unwrap();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM message").unwrap();
    reader.query_row("SELECT count(*) FROM message", [], |row| row.get::<_, i64>(0)).unwrap();
    let mut n = 0;
    let refused = loop {
        n += 1;
        assert!(n < 100_000, "the log grows without end");
        if let Err(error) = enqueue(&store, n) {
            break error;
        }
    };
    assert_eq!(refused.code, code::ERR_WAL_FULL);
    let size = info(&store).wal_bytes;
    assert!(size < LIMIT + (8 << 20), "{size} bytes");
    // What is stored already is recognised, and persons still command.
    assert!(enqueue(&store, 1).unwrap()[0].duplicate);
    let by = By { actor: String::from("tester"), reason: None };
    wait(|done| store.command(Command::Pause { destination: DESTINATION.to_owned() }, by, Arc::default(), done))
        .unwrap();
    drop(reader);
    let began = Instant::now();
    while let Err(error) = enqueue(&store, n) {
        assert_eq!(error.code, code::ERR_WAL_FULL);
        assert!(began.elapsed() < Duration::from_secs(20), "it does not recover");
        std::thread::yield_now();
    }
}
