//! What a file must be, what it keeps, and what it refuses.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outbox_core::clock::{Clock, SystemClock};
use outbox_core::dispatch::election::Election;
use outbox_core::error::code;
use outbox_core::message::NewMessage;
use outbox_core::state::State;
use outbox_core::status::{ListRequest, MessageFilter};
use outbox_core::store::{Admitted, By, Command, Completion, Store, Term, Turn, wait};
use outbox_sqlite::{FileElection, Parts, SqliteStore, StoreOptions};
use outbox_testing::messages::{DESTINATION, message};
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

fn enqueue(store: &SqliteStore, message: NewMessage) -> Admitted {
    wait(|done| store.enqueue(Box::new(move || Ok(vec![message])), done)).unwrap().remove(0)
}

fn turn(completions: Vec<Completion>, claim: u32) -> Turn {
    Turn {
        destination: Arc::from(DESTINATION),
        completions,
        given_back: Vec::new(),
        claim,
        avoid: None,
        expires: None,
        indeterminate_max: 10,
        holds_lane: false,
        term: Term::default(),
    }
}

fn claim(store: &SqliteStore, most: u32) -> Vec<outbox_core::store::Claimed> {
    wait(|done| store.turn(turn(Vec::new(), most), done)).unwrap().claimed
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let store = open(&path).unwrap();
    let stored = enqueue(&store, message(1, Some("P1")));
    drop(store);
    let store = open(&path).unwrap();
    let again = enqueue(&store, message(1, Some("P1")));
    assert_eq!((again.id, again.duplicate), (stored.id, true));
    assert_eq!(claim(&store, 9).len(), 1);
}

#[test]
fn two_openings_of_one_file_see_each_other_and_share_the_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let (one, two) = (open(&path).unwrap(), open(&path).unwrap());
    let mut watch = one.watch().unwrap();
    watch.changed().unwrap();
    for n in 0..20 {
        enqueue(if n % 2 == 0 { &one } else { &two }, message(n, Some("P1")));
    }
    assert!(watch.changed().unwrap());
    assert!(!watch.changed().unwrap());
    let page = wait(|done| two.list(ListRequest { oldest_first: true, ..ListRequest::default() }, done)).unwrap();
    let order: Vec<_> = page.items.iter().map(|view| view.control_id.clone()).collect();
    assert_eq!(order, (0..20).map(|n| format!("TEST{n:06}")).collect::<Vec<_>>());
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "shopping: two invented apples\n").unwrap();
    let foreign = directory.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    for path in [&text, &foreign] {
        let before = std::fs::read(path).unwrap();
        assert_eq!(open(path).err().unwrap().code, code::ERR_NOT_AN_OUTBOX);
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
    let companions = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(companions, 2, "nothing was created beside them");
}

#[test]
fn a_file_whose_creation_the_power_interrupted_is_created_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    // It has its length and not its bytes; the journal, written before, says that it was empty.
    std::fs::write(&path, [0; 4096]).unwrap();
    let refused = open(&path).err().unwrap().code;
    assert_eq!(refused, code::ERR_NOT_AN_OUTBOX, "without the journal it may be anybody's");
    let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    for field in [0_u32, 1, 0, 512, 4096] {
        journal.extend(field.to_be_bytes());
    }
    journal.resize(512, 0);
    std::fs::write(directory.path().join("outbox.db-journal"), journal).unwrap();
    enqueue(&open(&path).unwrap(), message(1, None));
    assert!(open(&path).is_ok());
}

#[test]
fn a_file_is_marked_in_the_transaction_that_creates_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    drop(open(&path).unwrap());
    let file = Connection::open(&path).unwrap();
    let ask = |name: &str| file.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u32>(0)).unwrap();
    assert_eq!((ask("application_id"), ask("auto_vacuum")), (0x484c_374f, 2));
}

#[test]
fn a_missing_directory_a_directory_and_a_path_below_a_file_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing").join("outbox.db");
    assert_eq!(open(&missing).err().unwrap().code, code::ERR_PATH_DIRECTORY);
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(open(&file.join("outbox.db")).err().unwrap().code, code::ERR_PATH_DIRECTORY);
    let error = open(directory.path()).err().unwrap().code;
    assert!([code::ERR_NOT_AN_OUTBOX, code::ERR_PATH_PERMISSION].contains(&error), "{error}");
}

#[test]
fn a_file_of_a_newer_version_is_refused_unless_that_version_says_we_may_share_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    drop(open(&path).unwrap());
    let newer = |needed: &str| {
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        connection.execute("UPDATE meta SET value = CAST(?1 AS BLOB) WHERE key = 'schema_needed'", [needed]).unwrap();
    };
    newer("99");
    let error = open(&path).err().unwrap();
    assert_eq!(error.code, code::ERR_SCHEMA_NEWER);
    assert!(error.message.contains("99"), "{}", error.message);
    newer("1");
    enqueue(&open(&path).unwrap(), message(1, None));
}

#[test]
fn a_damaged_file_is_refused_with_its_own_code() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let store = open(&path).unwrap();
    for n in 0..200 {
        enqueue(&store, message(n, None));
    }
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(4_096);
    bytes[100..].fill(0x5a);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(open(&path).err().unwrap().code, code::ERR_FILE_DAMAGED);
}

#[test]
fn a_body_that_changed_on_disk_is_never_sent_and_its_lane_waits_for_a_person() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let store = open(&path).unwrap();
    let damaged = enqueue(&store, message(1, Some("P1")));
    let next = enqueue(&store, message(2, Some("P1")));
    enqueue(&store, message(3, Some("P2")));
    let other = Connection::open(&path).unwrap();
    other
        .execute("UPDATE body SET content = CAST(replace(content, 'PV1|1|O', 'PV1|1|I') AS BLOB) WHERE seq = 1", [])
        .unwrap();
    let claimed: Vec<_> = claim(&store, 10).iter().map(|claimed| claimed.control_id.to_string()).collect();
    assert_eq!(claimed, ["TEST000003"]);
    let view = wait(|done| store.message(outbox_core::store::MessageRef::Id(damaged.id), done)).unwrap().unwrap();
    assert_eq!((view.status, view.failure.unwrap().reason), (State::Failed, String::from("unreadable")));
    assert_eq!(wait(|done| store.content(damaged.id, done)).unwrap_err().code, code::ERR_BODY_DAMAGED);
    assert!(wait(|done| store.content(next.id, done)).unwrap().is_some());
    let behind = wait(|done| store.message(outbox_core::store::MessageRef::Id(next.id), done)).unwrap().unwrap();
    assert_eq!(behind.blocked_by, Some(damaged.id));
    let by = By { actor: String::from("tester"), reason: None };
    let filter = MessageFilter { ids: Some(vec![damaged.id.to_string()]), ..MessageFilter::default() };
    wait(|done| store.command(Command::Cancel { filter }, by, Arc::default(), done)).unwrap();
    assert_eq!(claim(&store, 10)[0].control_id.as_ref(), "TEST000002");
}

#[test]
fn a_row_that_cannot_have_been_stored_is_not_sent_and_holds_up_its_own_lane_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let store = open(&path).unwrap();
    let damaged = enqueue(&store, message(1, Some("P1")));
    enqueue(&store, message(2, Some("P1")));
    let other = enqueue(&store, message(3, Some("P2")));
    let sql = "UPDATE message SET attempts_max = -5 WHERE seq = 1";
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let claimed = claim(&store, 9);
    assert_eq!(claimed.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [other.id]);
    let view = wait(|done| store.message(outbox_core::store::MessageRef::Id(damaged.id), done)).unwrap().unwrap();
    let failure = view.failure.unwrap();
    assert_eq!((failure.reason.as_str(), failure.code.as_str()), ("unreadable", "BODY_DAMAGED"));
    // What is needed to move it is damaged itself: that is told, and others go on.
    let sql = "UPDATE message SET control_id = CAST(x'ff' AS TEXT) WHERE seq = 3";
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let refused = wait(|done| store.message(outbox_core::store::MessageRef::Id(other.id), done)).unwrap_err();
    assert_eq!(refused.code, code::ERR_FILE_DAMAGED);
    enqueue(&store, message(4, Some("P3")));
    assert!(store.failed().is_none(), "one row is no reason to close the file");
}

#[test]
fn the_database_itself_refuses_states_moves_and_a_second_front_of_a_lane() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let store = open(&path).unwrap();
    enqueue(&store, message(1, Some("P1")));
    enqueue(&store, message(2, Some("P1")));
    assert_eq!(claim(&store, 1).len(), 1);
    let database = Connection::open(&path).unwrap();
    for (statement, guard) in [
        ("UPDATE message SET state = 'LOST' WHERE seq = 1", "no such transition"),
        ("UPDATE message SET place = 'front' WHERE seq = 2", "UNIQUE"),
        ("UPDATE message SET place = NULL WHERE seq = 1", "message_pending_has_a_place"),
        (
            "UPDATE message SET state = 'FAILED', place = NULL, due_at = NULL WHERE seq = 1",
            "message_failed_has_a_reason",
        ),
        ("UPDATE message SET attempts = 2 WHERE seq = 1", "message_counted_attempts_are_tries"),
        (
            "UPDATE message SET state = 'HELD', place = NULL, due_at = NULL WHERE seq = 1; UPDATE message SET state = 'ACKNOWLEDGED' WHERE seq = 1",
            "no such transition",
        ),
    ] {
        let error = database.execute_batch(statement).unwrap_err().to_string();
        assert!(error.contains(guard), "{statement}: {error}");
    }
}

#[test]
fn the_trigger_knows_exactly_the_moves_of_the_transition_table() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    drop(open(&path).unwrap());
    let database = Connection::open(&path).unwrap();
    let sql: String = database
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'message_moves_as_the_table_says'", [], |row| row.get(0))
        .unwrap();
    for from in State::ALL {
        for to in State::ALL {
            let permitted = format!("(OLD.state = '{}' AND NEW.state = '{}')", from.as_str(), to.as_str());
            assert_eq!(sql.contains(&permitted), from.may_become(to), "{permitted}");
        }
    }
}

#[test]
fn the_tally_is_what_counting_gives_after_many_random_operations() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let store = open(&path).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut states_met = std::collections::BTreeSet::new();
    let database = Connection::open(&path).unwrap();
    let rows = |sql: &str| -> Vec<(String, i64)> {
        database
            .prepare(sql)
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    for n in 0..300 {
        enqueue(&store, message(n, Some(["P1", "P2", "P3", "P4"][random.usize(..4)])));
        if random.u8(..3) == 0 {
            for claimed in claim(&store, 3) {
                let completion = if random.bool() {
                    outbox_testing::subject::accepted(&claimed)
                } else {
                    outbox_testing::subject::rejected(&claimed)
                };
                let turn = turn(vec![completion], 0);
                wait(|done| store.turn(turn, done)).unwrap();
            }
        }
        if random.u8(..10) == 0 {
            let filter = MessageFilter {
                status: Some(outbox_core::status::OneOrMany::One(State::Failed)),
                ..MessageFilter::default()
            };
            let by = outbox_core::store::By { actor: String::from("tester"), reason: None };
            let command = outbox_core::store::Command::Retry { filter, allow_overtaken: random.bool() };
            wait(|done| store.command(command, by, Arc::default(), done)).unwrap();
        }
        let counted = rows("SELECT state, count(*) FROM message GROUP BY state ORDER BY state");
        let tallied = "SELECT state, sum(count) FROM standing GROUP BY state HAVING sum(count) > 0 ORDER BY state";
        assert_eq!(rows(tallied), counted);
        states_met.extend(counted.into_iter().map(|(state, _)| state));
    }
    assert!(states_met.len() >= 3, "{states_met:?}");
    // The writer does not look at references; they hold all the same.
    let broken: Vec<(String, i64)> = rows("SELECT \"table\", coalesce(rowid, 0) FROM pragma_foreign_key_check");
    assert_eq!(broken, []);
}

#[test]
fn the_file_is_for_its_owner_only_and_flushes_in_full() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let store = open(&path).unwrap();
    enqueue(&store, message(1, None));
    #[cfg(unix)]
    for name in ["outbox.db", "outbox.db-wal"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
    let info = wait(|done| store.info(done)).unwrap();
    let version: Vec<u32> = info.engine_version.split('.').map(|part| part.parse().unwrap()).collect();
    assert!(version >= vec![3, 51, 3], "older versions can corrupt a file that several processes share");
}

#[test]
fn the_lead_is_one_s_alone_until_it_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let (one, two) = (FileElection::new(&path), FileElection::new(&path));
    let now = SystemClock.now();
    assert_eq!(two.leader(), None);
    let mut lead = one.try_lead(now).unwrap().unwrap();
    assert!(two.try_lead(now).unwrap().is_none());
    let later = now.plus(Duration::from_secs(3));
    lead.beat(later);
    let seen = two.leader().unwrap();
    assert_eq!((seen.pid, seen.since, seen.beat), (std::process::id(), now, later));
    drop(lead);
    assert_eq!(two.leader(), None);
    assert!(two.try_lead(now).unwrap().is_some());
}

#[test]
#[cfg(unix)]
fn a_link_in_the_place_of_the_file_or_its_log_is_refused_and_what_it_leads_to_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = directory.path().join("elsewhere.db");
    drop(open(&elsewhere).unwrap());
    let before = std::fs::read(&elsewhere).unwrap();
    let (soft, hard) = (directory.path().join("soft.db"), directory.path().join("hard.db"));
    std::os::unix::fs::symlink(&elsewhere, &soft).unwrap();
    assert_eq!(open(&soft).err().unwrap().code, code::ERR_PATH_LINK);
    std::fs::hard_link(&elsewhere, &hard).unwrap();
    assert_eq!(open(&hard).err().unwrap().code, code::ERR_PATH_LINK);
    std::fs::remove_file(&hard).unwrap();
    let own = directory.path().join("own.db");
    std::os::unix::fs::symlink(&elsewhere, directory.path().join("own.db-wal")).unwrap();
    assert_eq!(open(&own).err().unwrap().code, code::ERR_PATH_LINK);
    assert_eq!(std::fs::read(&elsewhere).unwrap(), before);
    drop(open(&elsewhere).unwrap());
}

#[test]
fn what_killed_processes_left_beside_the_file_is_swept_and_what_living_ones_hold_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let beside = |pid: u32| directory.path().join(format!("outbox.db.process-{pid}"));
    for pid in [4_000_001, 4_000_002] {
        std::fs::write(beside(pid), "").unwrap();
    }
    let living = std::fs::File::open(beside(4_000_002)).unwrap();
    living.try_lock().unwrap();
    let store = open(&path).unwrap();
    assert!(!beside(4_000_001).exists() && beside(4_000_002).exists());
    assert!(beside(std::process::id()).exists());
    drop(store);
    assert!(!beside(std::process::id()).exists());
}
