//! The file as a whole: copied while it is in use, put back, and looked at.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use outbox_core::clock::SystemClock;
use outbox_core::error::code;
use outbox_core::status::ListRequest;
use outbox_core::store::{By, Command, Store, wait};
use outbox_sqlite::{Check, Parts, SqliteStore, StoreOptions, backup, inspect, restore};
use outbox_testing::messages::message;
use rusqlite::Connection;

fn open(path: &Path) -> Result<SqliteStore, outbox_core::error::OutboxError> {
    SqliteStore::open(
        path,
        StoreOptions {
            clock: Arc::new(SystemClock),
            observer: None,
            pending_max: 1_000_000,
            wal_max: 1 << 30,
            parts: Parts::default(),
        },
    )
}

fn enqueue(store: &SqliteStore, n: u32) {
    wait(|done| store.enqueue(Box::new(move || Ok(vec![message(n, Some("P1"))])), done)).unwrap();
}

fn control_ids(path: &Path) -> Vec<String> {
    let store = open(path).unwrap();
    let request = ListRequest { oldest_first: true, limit: Some(1_000), ..ListRequest::default() };
    let page = wait(|done| store.list(request, done)).unwrap();
    page.items.into_iter().map(|view| view.control_id).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn json(inspection: &outbox_sqlite::Inspection) -> serde_json::Value {
    serde_json::to_value(inspection).unwrap()
}

#[test]
fn a_backup_holds_what_was_committed_before_it_began_whoever_writes_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("outbox.db"), directory.path().join("copy.db"));
    let store = Arc::new(open(&path).unwrap());
    let (stored, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = {
        let (store, stored, stop) = (Arc::clone(&store), Arc::clone(&stored), Arc::clone(&stop));
        std::thread::spawn(move || {
            for n in 0.. {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                enqueue(&store, n);
                stored.store(n + 1, Ordering::Release);
            }
        })
    };
    for round in 0..5 {
        while stored.load(Ordering::Acquire) < 20 * (round + 1) {
            std::thread::yield_now();
        }
        let before = stored.load(Ordering::Acquire);
        let made = backup(&path, &copy, round > 0).unwrap();
        let after = stored.load(Ordering::Acquire) + 1;
        assert!((u64::from(before)..=u64::from(after)).contains(&made.messages), "{before} {made:?} {after}");
        assert_eq!(made.bytes, fs::metadata(&copy).unwrap().len());
    }
    stop.store(true, Ordering::Release);
    writer.join().unwrap();
    let copied = control_ids(&copy);
    let expected: Vec<_> = (0..copied.len()).map(|n| format!("TEST{n:06}")).collect();
    assert_eq!(copied, expected, "no gap, no stranger");
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(&copy).unwrap()) & 0o777, 0o600);
}

#[test]
fn a_backup_is_refused_where_it_would_overwrite_something() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let store = open(&path).unwrap();
    enqueue(&store, 1);
    let at = |name: &str| directory.path().join(name);
    fs::write(at("taken.db"), "mine").unwrap();
    fs::write(at("logged.db-wal"), "").unwrap();
    fs::create_dir(at("folder")).unwrap();
    for (to, replace, expected) in [
        (at("taken.db"), false, code::ERR_BACKUP_EXISTS),
        (at("logged.db"), true, code::ERR_BACKUP_EXISTS),
        (at("folder"), true, code::ERR_BACKUP_EXISTS),
        (at("outbox.db"), true, code::ERR_OPTION),
        (at("outbox.db-wal"), true, code::ERR_OPTION),
        (at("folder").join("..").join("outbox.db.lock"), true, code::ERR_OPTION),
        (at("missing").join("copy.db"), true, code::ERR_BACKUP_FAILED),
    ] {
        assert_eq!(backup(&path, &to, replace).unwrap_err().code, expected, "{}", to.display());
    }
    assert_eq!(fs::read(at("taken.db")).unwrap(), b"mine");
    assert_eq!(backup(&at("none.db"), &at("copy.db"), false).unwrap_err().code, code::ERR_NOT_AN_OUTBOX);
    assert!(!at("none.db").exists() && !at("copy.db").exists());
    backup(&path, &at("taken.db"), true).unwrap();
    assert_eq!(control_ids(&at("taken.db")).len(), 1);
}

#[test]
fn a_restore_puts_the_backup_there_and_keeps_what_was_there_with_its_log() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("outbox.db"), directory.path().join("copy.db"));
    let store = open(&path).unwrap();
    enqueue(&store, 0);
    backup(&path, &copy, false).unwrap();
    enqueue(&store, 1);
    let error = restore(&copy, &path).unwrap_err();
    assert_eq!(error.code, code::ERR_IN_USE);
    assert!(fs::symlink_metadata(directory.path().join("outbox.db.restoring")).is_err(), "nothing was left");
    // As after a kill: the log is there, and the mark of the process is nobody's.
    let (killed, log) = (fs::read(&path).unwrap(), fs::read(directory.path().join("outbox.db-wal")).unwrap());
    drop(store);
    fs::write(&path, killed).unwrap();
    fs::write(directory.path().join("outbox.db-wal"), log).unwrap();
    let restored = restore(&copy, &path).unwrap();
    assert_eq!((restored.messages, restored.pending), (1, 1));
    let kept = restored.kept_as.unwrap();
    assert_eq!(control_ids(&path), ["TEST000000"]);
    assert_eq!(control_ids(&kept), ["TEST000000", "TEST000001"]);
}

#[test]
fn a_restore_refuses_what_is_no_sound_backup_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    drop(open(&at("outbox.db")).unwrap());
    let store = open(&at("source.db")).unwrap();
    (0..50).for_each(|n| enqueue(&store, n));
    backup(&at("source.db"), &at("sound.db"), false).unwrap();
    drop(store);
    let sound = fs::read(at("sound.db")).unwrap();
    fs::write(at("cut.db"), &sound[..sound.len() / 2]).unwrap();
    fs::write(at("text.db"), "an invented note").unwrap();
    fs::write(at("logged.db"), &sound).unwrap();
    fs::write(at("logged.db-wal"), "a log").unwrap();
    fs::write(at("newer.db"), &sound).unwrap();
    let newer = Connection::open(at("newer.db")).unwrap();
    newer.execute("UPDATE meta SET value = CAST('99' AS BLOB) WHERE key = 'schema_needed'", []).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let (before, there) = (fs::read(at("outbox.db")).unwrap(), names(directory.path()));
    for (from, expected) in [
        ("cut.db", code::ERR_BACKUP_UNFIT),
        ("text.db", code::ERR_NOT_AN_OUTBOX),
        ("logged.db", code::ERR_BACKUP_UNFIT),
        ("newer.db", code::ERR_SCHEMA_NEWER),
        ("missing.db", code::ERR_BACKUP_UNFIT),
        ("outbox.db", code::ERR_BACKUP_UNFIT),
    ] {
        assert_eq!(restore(&at(from), &at("outbox.db")).unwrap_err().code, expected, "{from}");
    }
    assert_eq!(restore(&at("sound.db"), &at("text.db")).unwrap_err().code, code::ERR_NOT_AN_OUTBOX);
    assert_eq!((fs::read(at("outbox.db")).unwrap(), names(directory.path())), (before, there));
}

#[test]
fn a_restore_that_was_cut_off_keeps_the_outbox_closed_until_it_is_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let store = open(&at("outbox.db")).unwrap();
    enqueue(&store, 0);
    backup(&at("outbox.db"), &at("copy.db"), false).unwrap();
    drop(store);
    // Between the two renames: the file is moved, its log not yet.
    fs::rename(at("outbox.db"), at("outbox.db.before-restore-20300101T000000Z")).unwrap();
    fs::write(at("outbox.db-wal"), "a log").unwrap();
    fs::write(at("outbox.db.restoring"), ".before-restore-20300101T000000Z").unwrap();
    assert_eq!(open(&at("outbox.db")).err().unwrap().code, code::ERR_RESTORE_UNFINISHED);
    assert!(!at("outbox.db").exists(), "no empty outbox came into its place");
    assert_eq!(json(&inspect(&at("outbox.db"), Check::Quick).unwrap())["restoring"], true);
    let restored = restore(&at("copy.db"), &at("outbox.db")).unwrap();
    assert_eq!(restored.kept_as.unwrap(), at("outbox.db.before-restore-20300101T000000Z"));
    assert_eq!(fs::read(at("outbox.db.before-restore-20300101T000000Z-wal")).unwrap(), b"a log");
    assert_eq!(control_ids(&at("outbox.db")), ["TEST000000"]);
}

#[test]
fn a_look_tells_what_a_path_is_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let store = open(&at("outbox.db")).unwrap();
    (0..200).for_each(|n| enqueue(&store, n));
    let in_use = inspect(&at("outbox.db"), Check::Quick).unwrap_err();
    assert_eq!(in_use.code, code::ERR_IN_USE, "closing a raw descriptor would drop this process's locks");
    drop(store);
    let sound = fs::read(at("outbox.db")).unwrap();
    fs::write(at("cut.db"), &sound[..sound.len() / 2]).unwrap();
    let mut damaged = sound.clone();
    damaged[4096 * 3..4096 * 6].fill(0xa5);
    fs::write(at("damaged.db"), damaged).unwrap();
    let mut flipped = sound.clone();
    let at_body = flipped.windows(4).rposition(|four| four == b"PID|").unwrap();
    flipped[at_body + 6] ^= 1;
    fs::write(at("flipped.db"), flipped).unwrap();
    fs::write(at("text.db"), "an invented note").unwrap();
    fs::write(at("empty.db"), "").unwrap();
    Connection::open(at("foreign.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let look = |name: &str| json(&inspect(&at(name), Check::Full).unwrap());
    let before: Vec<_> =
        names(directory.path()).iter().map(|name| (name.clone(), fs::read(at(name)).unwrap())).collect();
    for (name, kind) in [
        ("outbox.db", "outbox"),
        ("cut.db", "outbox"),
        ("damaged.db", "outbox"),
        ("text.db", "no-database"),
        ("empty.db", "empty"),
        ("foreign.db", "other-database"),
        ("none.db", "missing"),
        ("none/none.db", "missing"),
        ("text.db/none.db", "missing"),
    ] {
        assert_eq!(look(name)["kind"], kind, "{name}");
    }
    let contents = |name: &str| look(name)["contents"].clone();
    assert_eq!(contents("outbox.db")["faults"], serde_json::json!([]));
    assert_eq!(
        (&contents("outbox.db")["messages"]["PENDING"], &contents("outbox.db")["changedBodies"]),
        (&200.into(), &0.into())
    );
    assert_eq!(contents("flipped.db")["changedBodies"], 1);
    for name in ["cut.db", "damaged.db"] {
        let contents = contents(name);
        assert!(contents["failed"].is_string() || contents["faults"][0].is_string(), "{name}: {contents}");
    }
    let after: Vec<_> =
        names(directory.path()).iter().map(|name| (name.clone(), fs::read(at(name)).unwrap())).collect();
    assert_eq!(before, after);
}

#[test]
fn an_export_is_on_record_with_each_message_and_a_page_tells_lanes_and_whether_bytes_are_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let store = open(&path).unwrap();
    (0..3).for_each(|n| enqueue(&store, n));
    Connection::open(&path).unwrap().execute("UPDATE body SET content = x'00' WHERE seq = 2", []).unwrap();
    let page = wait(|done| store.laid_out(ListRequest { oldest_first: true, ..ListRequest::default() }, done)).unwrap();
    let told: Vec<_> = page.items.iter().map(|each| (each.view.seq, each.position, each.is_whole)).collect();
    assert_eq!(told, [(1, 1, true), (2, 2, false), (3, 3, true)]);
    assert!(page.items.iter().all(|each| each.lane.is_some() && each.lane == page.items[0].lane));
    let ids = page.items.iter().map(|each| each.view.id).collect();
    let by = By { actor: String::from("tester"), reason: Some(String::from("a test")) };
    wait(|done| store.command(Command::Export { ids }, by, Arc::default(), done)).unwrap();
    drop(store);
    let recorded: (String, String, String, i64) = Connection::open(&path)
        .unwrap()
        .query_row("SELECT actor, command, detail, changed FROM action", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    assert_eq!(recorded, ("tester".into(), "export".into(), r#"{"seqs":[1,2,3]}"#.into(), 3));
}
