//! A file that was put back, copied or moved is noticed by its first dispatcher, and nothing is sent until a person has looked.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outbox_core::clock::SystemClock;
use outbox_core::message::NewMessage;
use outbox_core::store::{Admitted, By, Claimed, Command, Store, Term, Turn, wait};
use outbox_sqlite::{Parts, SqliteStore, StoreOptions};
use outbox_testing::messages::{DESTINATION, message};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("outbox.db")
    }

    /// The companion that says how far the file has come.
    fn mark(&self) -> PathBuf {
        self.directory.path().join("outbox.db.epoch")
    }
}

fn open(path: &Path) -> SqliteStore {
    let options = StoreOptions {
        clock: Arc::new(SystemClock),
        observer: None,
        pending_max: 1_000_000,
        wal_max: 1 << 30,
        parts: Parts::default(),
    };
    SqliteStore::open(path, options).unwrap()
}

fn enqueue(store: &SqliteStore, message: NewMessage) -> Admitted {
    wait(|done| store.enqueue(Box::new(move || Ok(vec![message])), done)).unwrap().remove(0)
}

/// What a new dispatcher does first. Answers why the destination is paused, if it is.
fn lead(store: &SqliteStore) -> Option<String> {
    wait(|done| store.recover(done)).unwrap();
    let records = wait(|done| store.destinations(done)).unwrap();
    records.into_iter().find(|record| record.name == DESTINATION)?.paused?.1
}

fn claim(store: &SqliteStore) -> Vec<Claimed> {
    let turn = Turn {
        destination: Arc::from(DESTINATION),
        completions: Vec::new(),
        given_back: Vec::new(),
        claim: 9,
        avoid: None,
        expires: None,
        indeterminate_max: 10,
        holds_lane: false,
        term: Term::default(),
    };
    wait(|done| store.turn(turn, done)).unwrap().claimed
}

fn resume(store: &SqliteStore) {
    let by = By { actor: String::from("tester"), reason: None };
    wait(|done| store.command(Command::Resume { destination: DESTINATION.to_owned() }, by, Arc::default(), done))
        .unwrap();
}

/// A file with a message in it that a dispatcher has used.
fn used(place: &Place) {
    let store = open(&place.file());
    enqueue(&store, message(1, Some("P1")));
    assert_eq!(lead(&store), None);
}

#[test]
fn a_file_that_stays_where_it_is_is_never_paused() {
    let place = Place::new();
    used(&place);
    for n in 2..6 {
        let store = open(&place.file());
        assert_eq!(lead(&store), None);
        enqueue(&store, message(n, Some("P1")));
    }
    fs::remove_file(place.mark()).unwrap();
    assert_eq!(lead(&open(&place.file())), None, "without the mark the place is known all the same");
    fs::write(place.mark(), "nonsense").unwrap();
    assert_eq!(lead(&open(&place.file())), None);
}

#[test]
fn a_copy_and_a_moved_file_are_paused_until_a_person_resumes() {
    let (place, elsewhere) = (Place::new(), Place::new());
    used(&place);
    fs::copy(place.file(), elsewhere.file()).unwrap();
    let copy = open(&elsewhere.file());
    assert_eq!(lead(&copy).as_deref(), Some("restored"));
    assert!(claim(&copy).is_empty());
    resume(&copy);
    assert_eq!(claim(&copy).len(), 1);
    drop(copy);
    assert_eq!(lead(&open(&elsewhere.file())), None, "asked about once");
    assert_eq!(lead(&open(&place.file())), None, "the original goes on");
    let moved = Place::new();
    fs::rename(place.file(), moved.file()).unwrap();
    assert_eq!(lead(&open(&moved.file())).as_deref(), Some("restored"));
}

#[test]
fn an_older_state_of_the_file_in_its_own_place_is_noticed() {
    let place = Place::new();
    used(&place);
    let old = fs::read(place.file()).unwrap();
    let store = open(&place.file());
    assert_eq!(lead(&store), None);
    enqueue(&store, message(2, Some("P1")));
    drop(store);
    // Written into the same file, so its number in the file system is what it was.
    fs::write(place.file(), &old).unwrap();
    let store = open(&place.file());
    enqueue(&store, message(3, Some("P1")));
    drop(store);
    // A process that only stored has not hidden it.
    let store = open(&place.file());
    assert_eq!(lead(&store).as_deref(), Some("restored"));
    resume(&store);
    drop(store);
    assert_eq!(lead(&open(&place.file())), None);
    // The same state once more is an epoch that has ended.
    fs::write(place.file(), &old).unwrap();
    assert_eq!(lead(&open(&place.file())).as_deref(), Some("restored"));
}
