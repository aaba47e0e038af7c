//! The SQLite store against the model of what is promised.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use outbox_core::store::Store;
use outbox_sqlite::{Parts, SqliteStore, StoreOptions};
use outbox_testing::histories::{histories, run, seeds};
use outbox_testing::subject::Ingredients;

fn make(with: &Ingredients) -> Arc<dyn Store> {
    let options = StoreOptions {
        clock: Arc::clone(&with.clock) as _,
        observer: Some(Arc::clone(&with.ear) as _),
        pending_max: with.pending_max,
        wal_max: 1 << 30,
        // However slow the machine is, a part ends where the model says.
        parts: Parts { messages: with.part_max, time: Duration::from_secs(600) },
    };
    Arc::new(SqliteStore::open(&with.directory.path().join("outbox.db"), options).unwrap())
}

#[test]
fn any_history_comes_to_what_the_promises_say() {
    seeds::each(300, &histories(40), |history| run(&make, &history));
}
