//! Opening one connection the way every connection of this crate must be.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, FileControl, MAIN_DB, OpenFlags};

use crate::error::Failure;

/// Waits for another process's write lock in steps of about this long. Constant and jittered: SQLite's own growing waits
/// let one busy writer starve another.
const BUSY_STEP_MAX_US: u64 = 1_000;
/// Gives up after this long: before a caller's own limit of five seconds makes its fate unknown.
pub(crate) const BUSY_MAX: Duration = Duration::from_secs(4);
/// Pages in the write-ahead log before a commit folds them back, on connections that seldom write (`write::checkpoint` has the
/// writer's own rule).
const CHECKPOINT_PAGES: i32 = 4_000;
/// The file grows, and is cut off, in steps of so many bytes, when the log is folded back: a step is taken from the file system
/// at once, so that small growth later needs no room of a disk that has become full.
const STEP_BYTES: i32 = 1 << 20;
const STATEMENTS_KEPT: usize = 128;
const CACHE_KIB: i32 = 32 * 1_024;

/// Older versions can corrupt a file that several processes share (a race in resetting the write-ahead log).
const ENGINE_MIN: i32 = 3_051_003;
const _: () = assert!(rusqlite::ffi::SQLITE_VERSION_NUMBER >= ENGINE_MIN, "the bundled SQLite is too old");

/// A connection that may write. Durability is not an option: `synchronous=FULL` is the promise.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, Failure> {
    outbox_core::fault!("connection-open", Failure::planted);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // Before anything else: the first statement already may meet another process's lock.
    connection.busy_handler(Some(wait_for_lock))?;
    connection.file_control(Some(MAIN_DB), FileControl::ChunkSize(&mut { STEP_BYTES }))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS only these reach the platter; elsewhere they do nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Rows are written with those that they refer to, and no message's row is ever deleted: what the references say is
    // checked by the tests (`foreign_key_check`), not at every insert.
    connection.pragma_update(None, "foreign_keys", false)?;
    // What a page gives up is overwritten as long as that costs no write: a purge shall leave no copies behind.
    connection.pragma_update(None, "secure_delete", "FAST")?;
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

thread_local! {
    /// When the present wait of this thread began.
    static BUSY_SINCE: Cell<Instant> = Cell::new(Instant::now());
    /// Whether this thread waits for locks.
    static WAITS: Cell<bool> = const { Cell::new(true) };
}

/// Does something that shall not wait for another process's lock: it finds it busy at once.
pub(crate) fn without_waiting<T>(run: impl FnOnce() -> T) -> T {
    WAITS.set(false);
    let done = run();
    WAITS.set(true);
    done
}

/// Measured in time, not in steps: a sleep is as long as the system makes it.
fn wait_for_lock(tries: i32) -> bool {
    if !WAITS.get() {
        return false;
    }
    if tries == 0 {
        BUSY_SINCE.set(Instant::now());
    }
    if BUSY_SINCE.get().elapsed() >= BUSY_MAX {
        return false;
    }
    std::thread::sleep(Duration::from_micros(fastrand::u64(1..BUSY_STEP_MAX_US)));
    true
}
