//! A copy of a live outbox.
//!
//! SQLite's online backup, under one read transaction from the first page to the last: the copy is the file as it was when
//! it began, whoever writes meanwhile. Without that transaction every commit of another process would begin the copy anew.
//! Writers go on, for readers of a write-ahead log stand in nobody's way; but the log cannot begin anew until the copy is
//! done. So pages are copied as they are, as fast as the disk takes them; `VACUUM INTO` would build every tree again under
//! the same transaction. The copy is read through afterwards, when it holds nobody up.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use outbox_core::error::{OutboxError, code};
use rusqlite::backup::{Backup as Copy, StepResult};
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use crate::companion::belongs;
use crate::connection::open_reader;
use crate::error::Failure;
use crate::part::Part;
use crate::path::{beside, directory};
use crate::sealed::check_sound;
use crate::store::OpenMark;

/// The copy is nobody else's yet, and may lie where locks do not work.
const WITHOUT_LOCKS: &str = if cfg!(windows) { "win32-none" } else { "unix-none" };
/// Pages copied at a time.
const STEP_PAGES: i32 = 2_000;
/// How long a step waits for a lock that another process holds.
const BUSY_MAX: Duration = Duration::from_secs(5);
const BUSY_STEP: Duration = Duration::from_millis(2);

/// A copy that is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Its size.
    pub bytes: u64,
    /// Messages in it, delivered ones included.
    pub messages: u64,
    /// From the call until it was checked and flushed.
    pub duration_ms: u64,
}

/// Copies the outbox at `path` to `to`: everything that was committed before the call, checked by `integrity_check`,
/// readable by the owner only, and flushed. Any number of processes may use the outbox meanwhile. An error leaves nothing
/// under the name `to`, or what was there before. Blocks: never call it on a JS thread.
pub fn backup(path: &Path, to: &Path, replace: bool) -> Result<Backup, OutboxError> {
    let began = Instant::now();
    if !path.exists() {
        return Err(OutboxError::new(code::ERR_NOT_AN_OUTBOX, "there is no outbox at this path"));
    }
    check_target(path, to, replace)?;
    // From here on the file counts as open in this process, with all that is checked before.
    let _open = OpenMark::set(path)?;
    let part = Part::create(to).map_err(|error| unwritable(&error))?;
    copy(path, part.path()).map_err(|failure| failed(&failure))?;
    let sound = check_sound(part.path()).map_err(|failure| failed(&failure))?.map_err(unsound)?;
    let bytes = fs::metadata(part.path()).map_or(0, |metadata| metadata.len());
    part.publish(replace).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => OutboxError::plain(code::ERR_BACKUP_EXISTS),
        _ => unwritable(&error),
    })?;
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Backup { bytes, messages: sound.messages, duration_ms })
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags_and_vfs(to, flags, WITHOUT_LOCKS)?;
    // It is thrown away if anything goes wrong, and flushed once at the end.
    target.pragma_update(None, "journal_mode", "OFF")?;
    target.pragma_update(None, "synchronous", "OFF")?;
    let source = open_reader(from)?;
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM meta", [], |_| Ok(()))?;
    let copied = copy_all(&source, &mut target);
    let ended = source.execute_batch("ROLLBACK");
    copied?;
    Ok(ended?)
}

fn copy_all(source: &Connection, target: &mut Connection) -> Result<(), Failure> {
    let copy = Copy::new(source, target)?;
    let mut moved = Instant::now();
    loop {
        match copy.step(STEP_PAGES)? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked if moved.elapsed() > BUSY_MAX => {
                return Err(OutboxError::plain(code::ERR_STORE_BUSY).into());
            }
            StepResult::Busy | StepResult::Locked => std::thread::sleep(BUSY_STEP),
            _ => moved = Instant::now(),
        }
    }
}

/// Refuses names that are taken, or that mean the outbox itself.
fn check_target(outbox: &Path, to: &Path, replace: bool) -> Result<(), OutboxError> {
    let Some(name) = to.file_name() else {
        return Err(OutboxError::new(code::ERR_OPTION, "the backup needs the name of a file"));
    };
    if !directory(to).is_dir() {
        return Err(OutboxError::new(code::ERR_BACKUP_FAILED, "the directory of the backup is missing"));
    }
    let canonical = |path: &Path| fs::canonicalize(directory(path)).ok();
    if belongs(outbox, name) && canonical(outbox) == canonical(to) || is_same(outbox, to) {
        return Err(OutboxError::new(code::ERR_OPTION, "the backup's name is the outbox's own or that of a companion"));
    }
    // A log beside a file that is replaced would be taken for the new one's.
    if ["-wal", "-shm", "-journal"].iter().any(|ending| fs::symlink_metadata(beside(to, ending)).is_ok()) {
        return Err(OutboxError::new(
            code::ERR_BACKUP_EXISTS,
            "a file of that name is open, or was not closed cleanly: it has companions; choose another name",
        ));
    }
    match fs::symlink_metadata(to) {
        Err(_) => Ok(()),
        Ok(present) if replace && present.is_file() => Ok(()),
        Ok(present) if present.is_file() => Err(OutboxError::plain(code::ERR_BACKUP_EXISTS)),
        Ok(_) => {
            Err(OutboxError::new(code::ERR_BACKUP_EXISTS, "the backup's name is that of something else than a file"))
        }
    }
}

#[cfg(unix)]
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    id(one).is_some() && id(one) == id(other)
}

#[cfg(not(unix))]
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

fn unsound(error: OutboxError) -> OutboxError {
    if error.code == code::ERR_SCHEMA_NEWER {
        return error;
    }
    OutboxError::new(code::ERR_BACKUP_FAILED, "the copy did not pass its check: the outbox itself may be damaged")
}

fn unwritable(error: &std::io::Error) -> OutboxError {
    OutboxError::new(code::ERR_BACKUP_FAILED, format!("the backup could not be written: {}", error.kind()))
}

fn failed(failure: &Failure) -> OutboxError {
    if failure.is_disk_full() {
        return OutboxError::new(code::ERR_BACKUP_FAILED, "the file system of the backup is full");
    }
    OutboxError::new(code::ERR_BACKUP_FAILED, format!("the backup could not be made ({})", failure.in_short()))
}
