//! Putting a backup in the outbox's place.
//!
//! Nobody may have the outbox open, and nobody may open it meanwhile: a process that does would go on with the file that is
//! moved away. So the restore first makes `<path>.restoring`, then looks for the marks of processes; a process first makes
//! its mark, then looks for `.restoring` ([`refuse_unfinished`]). Whichever comes second sees the other. A restore that was
//! cut off leaves `.restoring` behind, and the outbox closed, until it is repeated: between two renames its file is missing.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use outbox_core::clock::{Clock, SystemClock};
use outbox_core::error::{OutboxError, code};
use serde::Serialize;

use crate::backup::is_same;
use crate::companion::{Marks, RESTORING};
use crate::connection::open_writer;
use crate::error::Failure;
use crate::part::{Part, sync_directory};
use crate::path::{beside, check_place, directory, open_lock};
use crate::schema::{HEADER_BYTES, check_directory, is_outbox};
use crate::sealed::{Sound, check_sound};
use crate::store::unless_open;

/// Files kept of one second.
const ASIDE_MAX: u32 = 100;

/// What stands in the outbox's place now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// Its size.
    pub bytes: u64,
    /// Messages in it.
    pub messages: u64,
    /// Of these, PENDING: they are sent, some perhaps for the second time.
    pub pending: u64,
    /// Where the file is that was there before, if there was one; beside it its log, if that could not be folded in.
    pub kept_as: Option<PathBuf>,
}

/// Puts the backup at `from` in the place of the outbox at `path`, when it is sound and no process has the outbox open. The
/// file that was there is kept under a name with the date. Blocks: never call it on a JS thread.
pub fn restore(from: &Path, path: &Path) -> Result<Restored, OutboxError> {
    // Their raw descriptors are closed here: this process must not have either open.
    unless_open(&[path, from], || replace(from, path))
        .unwrap_or_else(|| Err(OutboxError::new(code::ERR_IN_USE, "this process has the file open itself")))
}

/// Refuses a file whose restore began and did not end. Called when this process's mark stands.
pub(crate) fn refuse_unfinished(path: &Path) -> Result<(), OutboxError> {
    match fs::symlink_metadata(beside(path, RESTORING)) {
        Err(_) => Ok(()),
        Ok(_) => Err(OutboxError::plain(code::ERR_RESTORE_UNFINISHED)),
    }
}

fn replace(from: &Path, path: &Path) -> Result<Restored, OutboxError> {
    check_directory(path)?;
    check_place(path)?;
    check_backup(from, path)?;
    check_present(path)?;
    let mut closed = Closed::take(path)?;
    let mut part = Part::create(path).map_err(|error| unwritable(&error))?;
    let bytes = fill(&mut part, from).map_err(|error| unwritable(&error))?;
    give_owner(&part, path)?;
    let sound = check_copy(part.path())?;
    fold_in(path)?;
    let kept_as = closed.put_aside(path).and_then(|aside| part.publish(true).map(|()| aside)).map_err(|error| {
        let what = format!("the restore was cut off ({}): the outbox stays closed until it is repeated", error.kind());
        OutboxError::new(code::ERR_RESTORE_UNFINISHED, what)
    })?;
    closed.end();
    Ok(Restored { bytes, messages: sound.messages, pending: sound.pending, kept_as })
}

/// Refuses what is no finished backup, before anything is made.
fn check_backup(from: &Path, path: &Path) -> Result<(), OutboxError> {
    let unfit = |what: &str| OutboxError::new(code::ERR_BACKUP_UNFIT, what);
    if is_same(from, path) {
        return Err(unfit("the backup is the outbox itself"));
    }
    if !fs::metadata(from).is_ok_and(|metadata| metadata.is_file()) {
        return Err(unfit("there is no backup of that name, or it is no file"));
    }
    let header = header(from).map_err(|error| unfit(&format!("the backup cannot be read: {}", error.kind())))?;
    if !is_outbox(&header) {
        return Err(OutboxError::new(code::ERR_NOT_AN_OUTBOX, "the backup is no outbox file"));
    }
    // A file that was copied while it was in use: what stands in its log would be left behind.
    if fs::metadata(beside(from, "-wal")).is_ok_and(|log| log.len() > 0) {
        return Err(unfit(
            "a write-ahead log lies beside the backup, so it is no finished one; make one of it with `hl7-outbox backup`",
        ));
    }
    Ok(())
}

/// A file that is not ours is never moved away.
fn check_present(path: &Path) -> Result<(), OutboxError> {
    match header(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unmovable(&error)),
        Ok(header) if header.is_empty() || is_outbox(&header) => Ok(()),
        Ok(_) => Err(OutboxError::new(
            code::ERR_NOT_AN_OUTBOX,
            "the file in the outbox's place is no outbox; move it away yourself if it is a damaged one",
        )),
    }
}

fn header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(path)?.take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    Ok(header)
}

fn check_copy(copy: &Path) -> Result<Sound, OutboxError> {
    let unfit = |what: String| OutboxError::new(code::ERR_BACKUP_UNFIT, what);
    match check_sound(copy) {
        Ok(Ok(sound)) => Ok(sound),
        Ok(Err(error)) if error.code == code::ERR_SCHEMA_NEWER => Err(error),
        Ok(Err(_)) => Err(unfit(String::from("the backup is damaged"))),
        Err(failure) => Err(unfit(format!("the backup cannot be read through ({})", failure.in_short()))),
    }
}

/// Copies every byte.
fn fill(part: &mut Part, from: &Path) -> io::Result<u64> {
    let mut from = File::open(from)?;
    let length = from.metadata()?.len();
    let copied = io::copy(&mut from, part.file()?)?;
    if copied == length { Ok(copied) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The file goes to whom the outbox belongs: the application must be able to open what an administrator has put there.
#[cfg(unix)]
fn give_owner(part: &Part, path: &Path) -> Result<(), OutboxError> {
    use std::os::unix::fs::{MetadataExt, chown};
    let present = fs::metadata(path).or_else(|_| fs::metadata(directory(path)));
    let (Ok(present), Ok(new)) = (present, fs::metadata(part.path())) else { return Ok(()) };
    if (present.uid(), present.gid()) == (new.uid(), new.gid()) {
        return Ok(());
    }
    let given = chown(part.path(), Some(present.uid()), Some(present.gid()));
    if given.is_err() && present.uid() != new.uid() {
        let what = "the outbox belongs to another user, who could not open what is put there; restore it as that user";
        return Err(OutboxError::new(code::ERR_PATH_PERMISSION, what));
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn give_owner(_part: &Part, _path: &Path) -> Result<(), OutboxError> {
    Ok(())
}

/// Folds the log into the file that is moved away, so that it is one file. A damaged one goes along with its log instead.
/// Without a log nobody has it open; a log that stays is somebody's who makes no mark, such as another program.
fn fold_in(path: &Path) -> Result<(), OutboxError> {
    let log = beside(path, "-wal");
    if !log.exists() || header(path).is_ok_and(|header| header.is_empty()) {
        return Ok(());
    }
    let in_use = || OutboxError::new(code::ERR_IN_USE, "another program has the outbox open");
    let folded: Result<i64, Failure> = open_writer(path)
        .and_then(|connection| Ok(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?));
    match folded.map_err(|failure| failure.into_error().code) {
        Ok(0) if !log.exists() => Ok(()),
        Ok(_) | Err(code::ERR_STORE_BUSY) => Err(in_use()),
        Err(_) => Ok(()),
    }
}

/// The outbox is closed to all, as long as this stands.
struct Closed {
    mark: PathBuf,
    lock: File,
    /// Stays behind: what follows may be cut off, or an earlier restore was.
    stays: bool,
}

impl Closed {
    fn take(path: &Path) -> Result<Self, OutboxError> {
        let mark = beside(path, RESTORING);
        let stays = mark.exists();
        let lock = open_lock(&mark)?;
        if lock.try_lock().is_err() {
            return Err(OutboxError::new(code::ERR_IN_USE, "another restore of this outbox is under way"));
        }
        let closed = Self { mark, lock, stays };
        let marks = Marks::settled(path);
        let who = match marks.open_by.as_slice() {
            [] if !marks.unreadable => return Ok(closed),
            [] => String::from("whether a process has the outbox open cannot be seen: its marks cannot be read"),
            pids => {
                let pids = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
                format!("the outbox is open in process {pids}")
            }
        };
        Err(OutboxError::new(code::ERR_IN_USE, who))
    }

    /// Moves the present file away, with its log if it has one still. The name is written down first: a restore that is cut
    /// off between the two is repeated under the same name.
    fn put_aside(&mut self, path: &Path) -> io::Result<Option<PathBuf>> {
        let aside = self.aside(path)?;
        self.stays = true;
        for ending in ["", "-wal", "-journal"] {
            if fs::symlink_metadata(beside(path, ending)).is_ok() {
                fs::rename(beside(path, ending), beside(&aside, ending))?;
            }
        }
        // An index of the log, made anew by whoever opens it.
        let _ = fs::remove_file(beside(path, "-shm"));
        sync_directory(path)?;
        Ok(aside.exists().then_some(aside))
    }

    fn aside(&mut self, path: &Path) -> io::Result<PathBuf> {
        let mut noted = String::new();
        self.lock.seek(SeekFrom::Start(0))?;
        self.lock.read_to_string(&mut noted)?;
        if !noted.is_empty() {
            let aside = beside(path, &noted);
            // Both there: the earlier restore came to its end but for this mark.
            if !(aside.exists() && path.exists()) {
                return Ok(aside);
            }
        }
        let date: String = SystemClock.now().to_iso().chars().filter(|sign| !"-:".contains(*sign)).collect();
        let date = date.split('.').next().unwrap_or_default();
        let ending = (1..=ASIDE_MAX)
            .map(|n| if n == 1 { format!(".before-restore-{date}Z") } else { format!(".before-restore-{date}Z-{n}") })
            .find(|ending| fs::symlink_metadata(beside(path, ending)).is_err())
            .ok_or(io::ErrorKind::AlreadyExists)?;
        self.lock.set_len(0)?;
        self.lock.seek(SeekFrom::Start(0))?;
        self.lock.write_all(ending.as_bytes())?;
        self.lock.sync_all()?;
        sync_directory(path)?;
        Ok(beside(path, &ending))
    }

    fn end(mut self) {
        self.stays = false;
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        if !self.stays {
            let _ = fs::remove_file(&self.mark);
        }
    }
}

fn unmovable(error: &io::Error) -> OutboxError {
    OutboxError::new(code::ERR_PATH_PERMISSION, format!("the outbox file cannot be read: {}", error.kind()))
}

fn unwritable(error: &io::Error) -> OutboxError {
    if error.kind() == io::ErrorKind::StorageFull {
        return OutboxError::new(code::ERR_DISK_FULL, "the file system of the outbox has no room for the backup");
    }
    OutboxError::new(code::ERR_PATH_PERMISSION, format!("the backup cannot be copied: {}", error.kind()))
}
