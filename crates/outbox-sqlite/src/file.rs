//! The file as the writer holds it: opened, and opened again after the disk has failed.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use outbox_core::error::{OutboxError, code};
use rusqlite::Connection;

use crate::connection::open_writer;
use crate::digest::Digests;
use crate::error::Failure;
use crate::queue::Queue;
use crate::schema;
use crate::write::{Checkpointer, prove, reserve};

/// The first opening of a file races with that of other processes; it is tried again this long.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);
const OPEN_STEP: Duration = Duration::from_millis(20);

/// The writer's connection with what belongs to it.
pub(crate) struct OpenFile {
    /// Before the connection, which must be the last to be closed.
    pub(crate) checkpointer: Checkpointer,
    pub(crate) connection: Connection,
    pub(crate) digests: Arc<Digests>,
    queue: RefCell<Queue>,
}

impl OpenFile {
    /// Opens or creates the file, and brings it to the newest schema.
    pub(crate) fn open(path: &Path) -> Result<Self, OutboxError> {
        let began = Instant::now();
        loop {
            let opened = open_writer(path)
                .and_then(|mut connection| schema::migrate(&mut connection).map(|()| connection))
                .and_then(|connection| Self::of(path, connection));
            match opened.map_err(Failure::into_error) {
                Err(error) if error.code == code::ERR_STORE_BUSY && began.elapsed() < OPEN_PATIENCE => {
                    std::thread::sleep(OPEN_STEP);
                }
                other => return other,
            }
        }
    }

    /// Opens the file after a failure of the disk: what it holds is read through first. What SQLite and the system kept in
    /// memory of it is not trusted, so every connection of this process must be closed before.
    pub(crate) fn reopen(path: &Path) -> Result<Self, OutboxError> {
        outbox_core::fault!("store-reopen", outbox_core::faults::refused);
        let check = || -> Result<String, Failure> {
            let connection = open_writer(path)?;
            let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            prove(&connection)?;
            Ok(found)
        };
        if check().map_err(Failure::into_error)? != "ok" {
            return Err(OutboxError::plain(code::ERR_FILE_DAMAGED));
        }
        Self::open(path)
    }

    /// How much of the write-ahead log waits for being folded back.
    pub(crate) fn unfolded_bytes(&self) -> u64 {
        self.checkpointer.unfolded_bytes()
    }

    /// Begins a transaction that writes, when this process may.
    pub(crate) fn begin(&self) -> Result<(), Failure> {
        self.queue.borrow_mut().begin(&self.connection)
    }

    fn of(path: &Path, mut connection: Connection) -> Result<Self, Failure> {
        let digests = Arc::new(Digests::of(&connection)?);
        reserve(path, &connection)?;
        let checkpointer = Checkpointer::start(path, &mut connection)?;
        let queue = RefCell::new(Queue::open(path));
        Ok(Self { checkpointer, connection, digests, queue })
    }
}

/// Room on the file system. A part of it is kept for what happens to messages that are stored already: a full disk refuses
/// new ones and still lets the old ones leave.
pub(crate) struct Room {
    path: PathBuf,
    looked: Cell<Option<Instant>>,
    is_short: Cell<bool>,
    /// Whether the file has its reserve; unknown at first.
    has_reserve: Option<bool>,
}

/// Kept free of new messages: this much, or a share of a small file system.
const KEPT_BYTES: u64 = 16 << 20;
const KEPT_SHARE: u64 = 4;
/// Pages of the file itself that are set aside, for the attempts and changes of some thousand messages.
const RESERVE_BYTES: i32 = 2 << 20;
/// How often the file system is asked.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Room {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), looked: Cell::new(None), is_short: Cell::new(false), has_reserve: None }
    }

    /// Whether new messages would take the room that is kept.
    pub(crate) fn is_short(&self) -> bool {
        if self.looked.get().is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            self.looked.set(Some(Instant::now()));
            self.is_short.set(is_short(&self.path));
        }
        self.is_short.get()
    }

    /// Gives the file's own reserve up when room has become short, and sets it aside again when there is enough. Inside a
    /// transaction; what it did holds only if that commits.
    pub(crate) fn settle_reserve(&self, connection: &Connection) -> Result<Option<bool>, Failure> {
        let has = match self.has_reserve {
            Some(has) => has,
            None => connection.prepare_cached("SELECT 1 FROM reserve")?.exists([])?,
        };
        match (has, self.is_short.get()) {
            (true, true) => {
                connection.prepare_cached("DELETE FROM reserve")?.execute([])?;
                tracing::warn!("the disk is nearly full: new messages are refused, stored ones use the reserve");
                Ok(Some(false))
            }
            (false, false) => {
                connection
                    .prepare_cached("INSERT INTO reserve (room) VALUES (zeroblob(?1))")?
                    .execute([RESERVE_BYTES])?;
                Ok(Some(true))
            }
            (has, _) => Ok(Some(has)),
        }
    }

    /// Remembers what [`Self::settle_reserve`] said, after the commit; `None` after its failure.
    pub(crate) fn settled(&mut self, has_reserve: Option<bool>) {
        self.has_reserve = has_reserve;
    }

    /// The disk was found full.
    pub(crate) fn found_full(&self) {
        self.looked.set(Some(Instant::now()));
        self.is_short.set(true);
    }
}

/// Whether less than the kept room is free where the file is. A file system that does not say counts as roomy.
pub(crate) fn is_short(path: &Path) -> bool {
    let (Ok(free), Ok(total)) = (fs4::available_space(path), fs4::total_space(path)) else { return false };
    free < KEPT_BYTES.min(total / KEPT_SHARE)
}
