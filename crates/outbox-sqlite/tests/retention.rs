//! What retention does to the file: room is given back, content is overwritten, and nobody waits for it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outbox_core::message::{Body, NewMessage};
use outbox_core::retention::{Place, Retention, Swept};
use outbox_core::store::{Store, wait};
use outbox_sqlite::{Parts, SqliteStore, StoreOptions};
use outbox_testing::clock::ManualClock;
use outbox_testing::messages::message;
use outbox_testing::subject::{accepted, turn};

const MARK: &str = "Invented-words-that-stand-nowhere-else";
const RETENTION: Retention = Retention { bodies: Some(Duration::from_secs(1)), rows: None, changes: None };

fn open(path: &Path, clock: &Arc<ManualClock>) -> SqliteStore {
    let clock = Arc::clone(clock) as _;
    SqliteStore::open(
        path,
        StoreOptions { clock, observer: None, pending_max: 1_000_000, wal_max: 1 << 30, parts: Parts::default() },
    )
    .unwrap()
}

fn large(n: u32, bytes: usize) -> NewMessage {
    let mut body = message(n, None).body.reveal().to_vec();
    body.extend_from_slice(format!("NTE|1||{MARK}{}\r", "x".repeat(bytes)).as_bytes());
    NewMessage { body: Body::new(body), ..message(n, None) }
}

fn deliver(store: &SqliteStore, messages: Vec<NewMessage>) {
    let count = u32::try_from(messages.len()).unwrap();
    wait(|done| store.enqueue(Box::new(move || Ok(messages)), done)).unwrap();
    let mut left = count;
    while left > 0 {
        let claimed = wait(|done| store.turn(turn(Vec::new(), left), done)).unwrap().claimed;
        left -= u32::try_from(claimed.len()).unwrap();
        wait(|done| store.turn(turn(claimed.iter().map(accepted).collect(), 0), done)).unwrap();
    }
}

/// A whole pass: what it removed, its batches, and the longest of them.
fn sweep(store: &SqliteStore) -> (u64, u32, Duration) {
    let (mut bodies, mut batches, mut longest, mut place) = (0, 0, Duration::ZERO, Some(Place::START));
    while let Some(from) = place {
        let began = Instant::now();
        let swept: Swept = wait(|done| store.sweep(RETENTION, from, done)).unwrap();
        longest = longest.max(began.elapsed());
        (bodies, batches, place) = (bodies + swept.bodies, batches + 1, swept.next);
    }
    (bodies, batches, longest)
}

fn has_mark(directory: &Path) -> bool {
    let files = fs::read_dir(directory).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes()))
}

#[test]
fn room_is_given_back_to_the_file_system_and_some_is_kept_for_new_messages() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let path = directory.path().join("outbox.db");
    let store = open(&path, &clock);
    for part in 0..6 {
        deliver(&store, (0..50).map(|n| large(part * 100 + n, 100_000)).collect());
    }
    clock.move_by(1_000);
    let (bodies, batches, longest) = sweep(&store);
    assert_eq!(bodies, 300);
    // Not more than three contents of a hundred kilobytes in one. Generous: other tests run beside this one.
    assert!(batches > 100 && longest < Duration::from_secs(1), "{batches} batches, the longest {longest:?}");
    drop(store);
    let size = fs::metadata(&path).unwrap().len();
    assert!((4 << 20..8 << 20).contains(&size), "{size} bytes are left of 30 MB");
}

#[test]
fn of_a_content_that_is_dropped_no_byte_is_left_in_the_folder() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
    let store = open(&directory.path().join("outbox.db"), &clock);
    deliver(&store, (0..40).map(|n| large(n, 3_000)).collect());
    assert!(has_mark(directory.path()));
    clock.move_by(1_000);
    assert_eq!(sweep(&store).0, 40);
    drop(store);
    assert!(!has_mark(directory.path()));
}
