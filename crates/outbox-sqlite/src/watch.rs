//! Notices commits of other processes: SQLite counts them in shared memory.

use outbox_core::error::OutboxError;
use outbox_core::store::ChangeWatch;
use rusqlite::Connection;

use crate::error::translate;

/// A connection of its own, whose `data_version` changes with every commit of any other connection.
pub(crate) struct Watch {
    connection: Connection,
    seen: i64,
}

impl Watch {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, seen: 0 }
    }
}

impl ChangeWatch for Watch {
    fn changed(&mut self) -> Result<bool, OutboxError> {
        outbox_core::fault!("keeper-watch", outbox_core::faults::refused);
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut version| version.query_row([], |row| row.get(0)))
            .map_err(|error| translate(&error))?;
        let changed = version != self.seen;
        self.seen = version;
        Ok(changed)
    }
}
