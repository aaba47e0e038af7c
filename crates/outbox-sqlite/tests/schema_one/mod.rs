//! Files as the first schema has them, with messages in every state.

use std::path::Path;
use std::sync::Arc;

use outbox_core::clock::SystemClock;
use outbox_core::error::OutboxError;
use outbox_core::message::NewMessage;
use outbox_core::state::transition_condition_sql;
use outbox_core::status::MessageFilter;
use outbox_core::store::{Admitted, By, Command, Completion, Store as _, TurnResult, wait};
use outbox_sqlite::{Parts, SqliteStore, StoreOptions};
use outbox_testing::messages::message;
use outbox_testing::subject::{accepted, by_ids, rejected, turn};
use rusqlite::Connection;

const INITIAL: &str = include_str!("../../migrations/0001_initial.sql");
const TABLES: [&str; 12] = [
    "message",
    "lane",
    "body",
    "tag",
    "attempt",
    "change",
    "tally",
    "destination",
    "consumer",
    "reserve",
    "action",
    "meta",
];

pub(crate) fn open(path: &Path) -> Result<SqliteStore, OutboxError> {
    let options = StoreOptions {
        clock: Arc::new(SystemClock),
        observer: None,
        pending_max: 1_000_000,
        wal_max: 1 << 30,
        parts: Parts::default(),
    };
    SqliteStore::open(path, options)
}

pub(crate) fn enqueue(store: &SqliteStore, message: NewMessage) -> Admitted {
    wait(|done| store.enqueue(Box::new(move || Ok(vec![message])), done)).unwrap().remove(0)
}

pub(crate) fn take_turn(store: &SqliteStore, completions: Vec<Completion>, claim: u32) -> TurnResult {
    wait(|done| store.turn(turn(completions, claim), done)).unwrap()
}

/// A message that is refused with this code of ERR.
pub(crate) fn refused(store: &SqliteStore, n: u32, err: &str) {
    enqueue(store, message(n, None));
    let mut end = rejected(&take_turn(store, Vec::new(), 1).claimed[0]);
    end.record.err_codes = vec![err.to_owned()];
    take_turn(store, vec![end], 0);
}

/// What a fresh file of the first schema gets: three refused of two kinds, one delivered, one withdrawn, one waiting.
fn fill(path: &Path) {
    let store = open(path).unwrap();
    for (n, err) in [(1, "103"), (2, "207"), (3, "103")] {
        refused(&store, n, err);
    }
    enqueue(&store, message(4, Some("P1")));
    let claimed = take_turn(&store, Vec::new(), 1).claimed;
    take_turn(&store, vec![accepted(&claimed[0])], 0);
    let withdrawn = enqueue(&store, message(5, Some("P2")));
    enqueue(&store, message(6, Some("P3")));
    let by = By { actor: String::from("tester"), reason: None };
    let filter: MessageFilter = by_ids(&[withdrawn.id]);
    wait(|done| store.command(Command::Cancel { filter }, by, Arc::default(), done)).unwrap();
}

/// A file that the first migration made, with messages in it.
pub(crate) fn make(path: &Path) {
    let newer = path.with_extension("newer");
    fill(&newer);
    let file = Connection::open(path).unwrap();
    file.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 1212954447; PRAGMA journal_mode = WAL",
    )
    .unwrap();
    file.execute_batch(&INITIAL.replace("{{transitions}}", &transition_condition_sql())).unwrap();
    file.execute("ATTACH ?1 AS newer", [newer.to_str().unwrap()]).unwrap();
    for table in TABLES {
        file.execute_batch(&format!("INSERT INTO main.{table} SELECT * FROM newer.{table}")).unwrap();
    }
    file.execute_batch("DETACH newer; PRAGMA user_version = 1").unwrap();
}

/// What the file is: its schema, and every row of the tables that the first schema has.
pub(crate) fn contents(path: &Path) -> Vec<String> {
    let file = Connection::open(path).unwrap();
    let mut all = vec![format!("version {}", version(path))];
    let mut ask = |sql: &str| {
        let mut statement = file.prepare(sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<_> = (0..columns).map(|n| format!("{:?}", row.get_ref(n).unwrap())).collect();
            all.push(cells.join("|"));
        }
    };
    ask("SELECT type, name, sql FROM sqlite_schema ORDER BY name");
    // Of the reserve only that it is there: it is room, and much of it.
    for table in TABLES.into_iter().filter(|table| *table != "reserve") {
        ask(&format!("SELECT * FROM {table} ORDER BY 1, 2"));
    }
    ask("SELECT n, length(room) FROM reserve");
    ask("PRAGMA integrity_check");
    all
}

pub(crate) fn version(path: &Path) -> u32 {
    Connection::open(path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

/// How many of each kind of refusal the worklist has: `(ERR, how many)`.
pub(crate) fn worklist(store: &SqliteStore) -> Vec<(String, u64)> {
    let found = wait(|done| store.refusals(outbox_core::refusals::RefusalFilter::default(), done)).unwrap();
    found.groups.into_iter().map(|group| (group.err_codes.join(" "), group.count)).collect()
}

/// What a file has after all migrations.
pub(crate) const NEWEST: u32 = 3;

pub(crate) fn counted(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    pairs.iter().map(|(err, count)| ((*err).to_owned(), *count)).collect()
}
