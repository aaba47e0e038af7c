//! Files of an earlier schema are brought to the newest, and shared with programs that do not know it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod schema_one;

use outbox_core::state::State;
use outbox_core::status::{ListRequest, MessageFilter};
use outbox_core::store::{Store as _, wait};
use outbox_testing::messages::message;
use rusqlite::Connection;
use schema_one::{NEWEST, contents, counted, enqueue, make, open, refused, take_turn, version, worklist};

#[test]
fn a_file_of_the_first_schema_keeps_everything_and_has_its_worklist_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    make(&path);
    let before = contents(&path);
    assert_eq!(version(&path), 1);
    let store = open(&path).unwrap();
    assert_eq!(worklist(&store), counted(&[("103", 2), ("207", 1)]));
    let stats = wait(|done| store.stats(MessageFilter::default(), done)).unwrap();
    assert_eq!((stats.by_status[&State::Failed], stats.by_status[&State::Pending]), (3, 1));
    let listed = wait(|done| store.list(ListRequest::default(), done)).unwrap();
    assert_eq!(listed.items.len(), 6);
    assert_eq!(take_turn(&store, Vec::new(), 9).claimed[0].control_id.as_ref(), "TEST000006");
    drop(store);
    let after = contents(&path);
    assert_eq!(version(&path), NEWEST);
    let begins = format!("Blob({:?}", b"MSH|").replace(']', "");
    let bodies = |all: &[String]| all.iter().filter(|row| row.contains(&begins)).cloned().collect::<Vec<_>>();
    assert_eq!((bodies(&after).len(), bodies(&after)), (6, bodies(&before)));
    assert!(after.contains(&String::from("Text([111, 107])")), "the integrity check says ok");
    let needed: String = Connection::open(&path)
        .unwrap()
        .query_row("SELECT CAST(value AS TEXT) FROM meta WHERE key = 'schema_needed'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(needed, "1", "a program that knows the first schema may share the file");
}

#[test]
fn a_program_that_runs_by_the_first_schema_goes_on_beside_the_new_one_and_the_worklist_follows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let old = open(&path).unwrap();
    refused(&old, 1, "103");
    // From here on it has under it what the first migration made: no statement of its own may need more.
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "BEGIN; DROP TRIGGER refusal_begins; DROP TRIGGER refusal_ends; DROP VIEW dead_letter; DROP TABLE refusal_work;
             DROP TABLE refused; DROP TABLE refusal; PRAGMA user_version = 1; COMMIT",
        )
        .unwrap();
    refused(&old, 2, "103");
    enqueue(&old, message(3, Some("P1")));
    let in_flight = take_turn(&old, Vec::new(), 1).claimed;
    // What alerts need goes last: the program of this test stands for an older one, and has statements for it.
    Connection::open(&path).unwrap().execute_batch("BEGIN; DROP TABLE notice; DROP TABLE alert; COMMIT").unwrap();
    let new = open(&path).unwrap();
    assert_eq!((version(&path), worklist(&new)), (NEWEST, counted(&[("103", 2)])));
    take_turn(&old, vec![outbox_testing::subject::rejected(&in_flight[0])], 0);
    assert_eq!(worklist(&new), counted(&[("103", 3)]));
    refused(&old, 4, "207");
    refused(&new, 5, "207");
    assert_eq!(worklist(&new), counted(&[("103", 3), ("207", 2)]));
    let by = outbox_core::store::By { actor: String::from("tester"), reason: None };
    let filter = MessageFilter { failure_code: Some(String::from("TEST")), ..MessageFilter::default() };
    let retry = outbox_core::store::Command::Retry { filter, allow_overtaken: true };
    assert_eq!(wait(|done| old.command(retry, by, std::sync::Arc::default(), done)).unwrap().count, 5);
    assert_eq!(worklist(&new), []);
    assert_eq!(take_turn(&old, Vec::new(), 9).claimed.len(), 5);
    drop((old, new));
    let broken: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(broken, 0);
}

#[test]
fn two_programs_that_open_an_older_file_at_once_migrate_it_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    make(&path);
    let stores: Vec<_> = std::thread::scope(|scope| {
        let openings: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&path).unwrap())).collect();
        openings.into_iter().map(|opening| opening.join().unwrap()).collect()
    });
    for store in &stores {
        assert_eq!(worklist(store), counted(&[("103", 2), ("207", 1)]));
    }
}

#[test]
fn what_persons_note_stands_in_no_record_of_their_orders() {
    use outbox_core::refusals::RefusalUpdate;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outbox.db");
    let store = open(&path).unwrap();
    refused(&store, 1, "103");
    let json = r#"{ "id": "1", "change": { "owner": "Zzyx owner", "note": "Zzyx note", "rectified": true } }"#;
    let order = serde_json::from_str::<RefusalUpdate>(json).unwrap().checked().unwrap();
    let by = outbox_core::store::By { actor: String::from("tester"), reason: Some(String::from("told by telephone")) };
    wait(|done| store.command(outbox_core::store::Command::Rectify(order), by, std::sync::Arc::default(), done))
        .unwrap();
    let (actor, reason, command, detail): (String, String, String, String) = Connection::open(&path)
        .unwrap()
        .query_row("SELECT actor, reason, command, detail FROM action", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    assert_eq!((actor.as_str(), reason.as_str(), command.as_str()), ("tester", "told by telephone", "rectify"));
    assert_eq!(detail, r#"{"keys":["owner","note","rectified"],"rectified":true,"refusal":1,"tags":{}}"#);
}
