//! Folding the write-ahead log back into the file, beside the writer instead of inside its commits.
//!
//! The log has room set aside from the start ([`reserve`]) and is used again from its beginning as often as everything in it
//! has been folded back. A flush of a file that grows also commits its metadata and takes about twice as long.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use outbox_core::error::{OutboxError, code};
use rusqlite::Connection;

use crate::connection::open_writer;
use crate::error::Failure;
use crate::file::is_short;
use crate::identity;
use crate::path::beside;

/// Room set aside for the log: 2,000 pages.
const RESERVED_BYTES: u64 = 8 << 20;
/// New pages in the log before they are folded back beside the writer.
const STEP_PAGES: i32 = 500;
/// Pages in the log at which the writer folds back what is left, so that the log begins anew within its reserved room.
/// While a commit follows upon the other, the thread beside it never quite catches up.
const FULL_PAGES: i32 = 1_700;
/// What is in the log is folded back after so long at the latest, also when little comes: as long as it is only in the log,
/// the file has still to grow for it.
const REST: Duration = Duration::from_secs(1);
/// Zeros that are written at once.
const CHUNK: usize = 1 << 20;

/// What the thread is told.
enum Order {
    FoldBack,
    End,
}

/// A page in the log, with what the log adds to it.
const PAGE_BYTES: u64 = 4_096 + 24;

/// The thread that folds back.
pub(crate) struct Checkpointer {
    /// Pages in the log; none when all of them have been folded back.
    unfolded: Arc<AtomicU32>,
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
    /// What went wrong with the disk, in short. The writer ends its work at the first word.
    pub(crate) failures: crossbeam_channel::Receiver<String>,
}

impl Checkpointer {
    /// Starts the thread and lets `writer` tell it of its commits.
    pub(crate) fn start(path: &Path, writer: &mut Connection) -> Result<Self, Failure> {
        let (orders, received) = sync_channel(1);
        let connection = open_writer(path)?;
        let unfolded = Arc::new(AtomicU32::new(0));
        let mark = Arc::clone(&unfolded);
        let (fails, failures) = crossbeam_channel::bounded(1);
        let fails_too = fails.clone();
        let thread = std::thread::Builder::new()
            .name(String::from("hl7-checkpoint"))
            .spawn({
                let folding = FoldBack { connection, path: path.to_owned(), unfolded: Arc::clone(&unfolded), fails };
                move || folding.run(&received)
            })
            .map_err(|error| {
                OutboxError::new(code::ERR_PANIC, format!("no thread could be started: {}", error.kind()))
            })?;
        let (bell, mut told) = (orders.clone(), 0);
        writer.wal_hook(Some(move |wal: &mut rusqlite::hooks::Wal, pages: i32| {
            mark.store(u32::try_from(pages).unwrap_or(0), Ordering::Release);
            outbox_core::fault!("checkpoint-hook");
            if pages < told {
                told = 0;
            }
            if pages >= FULL_PAGES {
                // Busy when the thread is at it: the next commit tries again.
                if let Err(error) = wal.checkpoint() {
                    note(error, &fails_too);
                }
            } else if pages - told >= STEP_PAGES {
                told = pages;
                if let Err(TrySendError::Disconnected(_)) = bell.try_send(Order::FoldBack) {
                    tracing::warn!("the checkpoint thread has ended; the writer folds the log back itself");
                }
            }
            Ok(())
        }))?;
        Ok(Self { unfolded, orders, thread: Some(thread), failures })
    }

    /// Pages in the log after this process's last commit; none when all of them have been folded back.
    pub(crate) fn unfolded(&self) -> u64 {
        u64::from(self.unfolded.load(Ordering::Acquire))
    }

    /// How much of the log waits for being folded back.
    pub(crate) fn unfolded_bytes(&self) -> u64 {
        self.unfolded() * PAGE_BYTES
    }
}

impl Drop for Checkpointer {
    /// The thread's connection is closed when this returns: the writer's must be the last.
    fn drop(&mut self) {
        let _ = self.orders.send(Order::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct FoldBack {
    connection: Connection,
    path: PathBuf,
    unfolded: Arc<AtomicU32>,
    fails: crossbeam_channel::Sender<String>,
}

impl FoldBack {
    fn run(&self, orders: &Receiver<Order>) {
        let (mut marked, mut is_behind) = (None::<Instant>, false);
        loop {
            match orders.recv_timeout(REST) {
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return self.mark(),
                Err(RecvTimeoutError::Timeout) if self.unfolded.load(Ordering::Acquire) == 0 && !is_behind => continue,
                Ok(Order::FoldBack) | Err(RecvTimeoutError::Timeout) => {}
            }
            is_behind = marked.is_some_and(|marked| marked.elapsed() < REST);
            if !is_behind {
                marked = Some(Instant::now());
                self.mark();
            }
            // A panic is told where it happens; the log keeps everything all the same.
            let _ = std::panic::catch_unwind(AssertUnwindSafe(|| self.fold_back()));
        }
    }

    /// Passive: waits for nobody, and leaves what readers still need.
    fn fold_back(&self) {
        outbox_core::fault!("checkpoint-fold-back");
        let before = self.unfolded.load(Ordering::Acquire);
        let folded = self
            .connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?));
        match folded {
            // The next commit begins the log anew. One that came meanwhile has counted anew, and keeps its number.
            Ok(true) => {
                let _ = self.unfolded.compare_exchange(before, 0, Ordering::AcqRel, Ordering::Acquire);
                self.mend_reserve();
            }
            Ok(false) => {}
            Err(error) => note(error, &self.fails),
        }
    }

    /// A file that was opened while the disk was full has no room for its log yet.
    fn mend_reserve(&self) {
        let has_room = std::fs::metadata(beside(&self.path, "-wal")).is_ok_and(|log| log.len() >= RESERVED_BYTES);
        if !has_room && let Err(failure) = reserve(&self.path, &self.connection) {
            tracing::warn!(why = failure.in_short(), "no room could be set aside for the write-ahead log yet");
        }
    }

    fn mark(&self) {
        if let Err(failure) = identity::mark(&self.connection, &self.path) {
            tracing::warn!(why = failure.in_short(), "how far the file has come could not be read");
        }
    }
}

/// What is not the disk's failure is tried again later, at the latest by the writer; the log keeps everything until then. A
/// file that cannot be written is told to the writer: the log would grow without end while all seemed well.
fn note(error: rusqlite::Error, fails: &crossbeam_channel::Sender<String>) {
    let failure = Failure::from(error);
    if failure.is_disk_failure() {
        let _ = fails.try_send(failure.in_short());
    } else {
        tracing::warn!(why = failure.in_short(), "the log could not be folded back yet");
    }
}

/// Sets room aside for the log. Under the write lock nobody appends to it meanwhile, and zeros behind the last frame end the
/// log for whoever reads it.
pub(crate) fn reserve(path: &Path, connection: &Connection) -> Result<(), Failure> {
    outbox_core::fault!("store-reserve", Failure::planted);
    if is_short(path) {
        return Ok(());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let grown = grow(&beside(path, "-wal"));
    connection.execute_batch("ROLLBACK")?;
    if let Err(error) = grown {
        // Only slower: the log grows as it is written.
        tracing::warn!(kind = %error.kind(), "no room could be set aside for the write-ahead log");
    }
    Ok(())
}

fn grow(log: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(log)?;
    outbox_core::fault!("store-reserve-grow", |_| Err(std::io::ErrorKind::StorageFull.into()));
    let mut length = file.seek(SeekFrom::End(0))?;
    let zeros = vec![0; CHUNK];
    while length < RESERVED_BYTES {
        let missing = usize::try_from(RESERVED_BYTES - length).unwrap_or(CHUNK).min(CHUNK);
        file.write_all(&zeros[..missing])?;
        length += missing as u64;
    }
    file.sync_all()
}

/// Shows that the disk takes writes again, to the log and to the file: reading a file through proves nothing about that. A
/// full disk is no failed one.
pub(crate) fn prove(connection: &Connection) -> Result<(), Failure> {
    let write = || -> Result<(), Failure> {
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.pragma_update(None, "user_version", version)?;
        connection.execute_batch("COMMIT")?;
        Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
    };
    write().or_else(|failure| if failure.is_disk_full() { Ok(()) } else { Err(failure) })
}
