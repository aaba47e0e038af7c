//! What lies beside an outbox file, and what it says of who uses it.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::path::{ENDING, PATIENCE, directory};
use crate::queue::ENDING as QUEUE;

/// Names a reader of the changes holds; see `lock`.
const READER: &str = ".reader-";
/// What an interrupted restore leaves; see `restore`.
pub(crate) const RESTORING: &str = ".restoring";
const FIXED: [&str; 8] = ["-wal", "-shm", "-journal", ".lock", ".dispatcher", ".epoch", QUEUE, RESTORING];

/// The marks of processes beside a file.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Processes that have it open.
    pub(crate) open_by: Vec<u32>,
    /// Left by processes that are gone.
    pub(crate) left: Vec<PathBuf>,
    /// A mark could not be looked at, so whether its process lives is not known.
    pub(crate) unreadable: bool,
}

impl Marks {
    /// Looks at the marks once. A living process holds the lock of its own.
    pub(crate) fn look(outbox: &Path) -> Self {
        let mut marks = Self::default();
        let Ok(entries) = fs::read_dir(directory(outbox)) else { return Self { unreadable: true, ..marks } };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(pid) = ending(outbox, &name).and_then(pid_of) else { continue };
            match File::open(entry.path()) {
                // It ended just now.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => marks.unreadable = true,
                Ok(file) => match file.try_lock() {
                    Ok(()) => marks.left.push(entry.path()),
                    Err(TryLockError::WouldBlock) => marks.open_by.push(pid),
                    Err(TryLockError::Error(_)) => marks.unreadable = true,
                },
            }
        }
        marks.open_by.sort_unstable();
        marks
    }

    /// The same, but waits a moment for a mark that another's sweep holds, or whose process is just ending.
    pub(crate) fn settled(outbox: &Path) -> Self {
        let began = Instant::now();
        loop {
            let marks = Self::look(outbox);
            if marks.open_by.is_empty() || began.elapsed() > PATIENCE {
                return marks;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The process that a mark names; what follows the number is its namespace.
fn pid_of(ending: &str) -> Option<u32> {
    ending.strip_prefix(ENDING)?.split('-').next()?.parse().ok()
}

/// What a name has behind that of the outbox.
fn ending<'a>(outbox: &Path, name: &'a OsStr) -> Option<&'a str> {
    name.to_str()?.strip_prefix(outbox.file_name()?.to_str()?)
}

/// Whether a name in the directory of the outbox is its own or that of a companion. Case does not count: on some file
/// systems it makes no difference.
pub(crate) fn belongs(outbox: &Path, name: &OsStr) -> bool {
    let (Some(own), Some(name)) = (outbox.file_name().and_then(OsStr::to_str), name.to_str()) else { return false };
    let (own, name) = (own.to_lowercase(), name.to_lowercase());
    name.strip_prefix(own.as_str()).is_some_and(|ending| {
        ending.is_empty() || FIXED.contains(&ending) || ending.starts_with(ENDING) || ending.starts_with(READER)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_its_process_also_in_a_container() {
        assert_eq!(pid_of(".process-17"), Some(17));
        assert_eq!(pid_of(".process-1-4026532613"), Some(1));
        assert_eq!(pid_of(".process-"), None);
        assert_eq!(pid_of(".reader-17"), None);
    }

    #[test]
    fn the_outbox_and_its_companions_are_known_by_name() {
        let outbox = Path::new("dir/outbox.db");
        for name in ["outbox.db", "OUTBOX.DB", "outbox.db-wal", "outbox.db.process-17", "outbox.db.reader-00ff"] {
            assert!(belongs(outbox, OsStr::new(name)), "{name}");
        }
        for name in ["outbox.db.backup", "outbox.db-2030", "outbox", "other.db-wal"] {
            assert!(!belongs(outbox, OsStr::new(name)), "{name}");
        }
    }
}
