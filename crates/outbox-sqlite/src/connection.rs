//! Opening one connection the way every connection of this crate must be.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::Failure;

/// Waits for another process's write lock in steps of about this long. Constant and jittered: SQLite's own growing waits
/// let one busy writer starve another.
const BUSY_STEP_MAX_US: u64 = 1_000;
/// Gives up after about four seconds, before a caller's own limit of five makes its fate unknown.
const BUSY_STEPS_MAX: i32 = 8_000;
/// Pages in the write-ahead log before a checkpoint: 16 MiB.
const CHECKPOINT_PAGES: i32 = 4_000;
const STATEMENTS_KEPT: usize = 128;
const CACHE_KIB: i32 = 32 * 1_024;

/// A connection that may write. Durability is not an option: `synchronous=FULL` is the promise.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, Failure> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // Before anything else: the first statement already may meet another process's lock.
    connection.busy_handler(Some(wait_for_lock))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS only these reach the platter; elsewhere they do nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Failure> {
    let connection = open_writer(path)?;
    // Not opened read-only: the last connection to close must be able to fold the log into the file.
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn wait_for_lock(tries: i32) -> bool {
    if tries >= BUSY_STEPS_MAX {
        return false;
    }
    std::thread::sleep(Duration::from_micros(fastrand::u64(1..BUSY_STEP_MAX_US)));
    true
}
