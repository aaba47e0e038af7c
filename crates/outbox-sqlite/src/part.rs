//! A file that gets its name only when it is whole and on disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::path::{beside, directory};

/// Between the final name and the number of the process.
const ENDING: &str = ".part-";

/// A file being written, readable by its owner only. Dropped before [`Self::publish`], it is removed.
pub(crate) struct Part {
    path: PathBuf,
    to: PathBuf,
    file: Option<File>,
}

impl Part {
    /// Begins a file beside its final name. What earlier ones left that were killed is removed.
    pub(crate) fn create(to: &Path) -> io::Result<Self> {
        sweep(to);
        let path = beside(to, &format!("{ENDING}{}", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        // Says that it is in work. Not on Windows: a lock there keeps SQLite from writing, and an open file is not removed.
        #[cfg(unix)]
        let _ = file.try_lock();
        Ok(Self { path, to: to.to_owned(), file: Some(file) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Flushes it, gives it its name, and flushes that. Without `replace`, `AlreadyExists` when the name is taken meanwhile.
    pub(crate) fn publish(mut self, replace: bool) -> io::Result<()> {
        self.file()?.sync_all()?;
        // Closed before it is renamed: Windows does not rename what SQLite's flags keep open.
        self.file = None;
        if replace {
            fs::rename(&self.path, &self.to)?;
        } else {
            name_once(&self.path, &self.to)?;
        }
        sync_directory(&self.to)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.file = None;
        // Gone already when it was published.
        let _ = fs::remove_file(&self.path);
    }
}

/// A second link fails when the name is taken; a rename would replace it. Not every file system has links.
fn name_once(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) if fs::symlink_metadata(to).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

/// Makes new and changed names durable. On Windows the file system's journal does that.
pub(crate) fn sync_directory(of: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(directory(of))?.sync_all()?;
    #[cfg(not(unix))]
    let _ = of;
    Ok(())
}

fn sweep(to: &Path) {
    let Some(name) = to.file_name().and_then(|name| name.to_str()) else { return };
    let prefix = format!("{name}{ENDING}");
    for entry in fs::read_dir(directory(to)).into_iter().flatten().flatten() {
        let is_part = entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix));
        if is_part && is_left(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(unix)]
fn is_left(part: &Path) -> bool {
    File::open(part).is_ok_and(|file| file.try_lock().is_ok())
}

/// Removing what is in work fails.
#[cfg(not(unix))]
fn is_left(_part: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_name_appears_whole_or_not_at_all_and_is_taken_once() {
        let directory = tempfile::tempdir().unwrap();
        let to = directory.path().join("copy.db");
        let mut given_up = Part::create(&to).unwrap();
        given_up.file().unwrap().write_all(b"half").unwrap();
        drop(given_up);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let publish = |words: &[u8], replace| {
            let mut part = Part::create(&to).unwrap();
            part.file().unwrap().write_all(words).unwrap();
            part.publish(replace)
        };
        publish(b"one", false).unwrap();
        assert_eq!(publish(b"two", false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&to).unwrap(), b"one");
        publish(b"three", true).unwrap();
        assert_eq!((fs::read(&to).unwrap(), fs::read_dir(directory.path()).unwrap().count()), (b"three".to_vec(), 1));
    }

    #[test]
    fn what_a_killed_one_left_is_removed_and_one_in_work_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let to = directory.path().join("copy.db");
        let left = directory.path().join("copy.db.part-4000000000");
        fs::write(&left, "half").unwrap();
        let in_work = Part::create(&to).unwrap();
        assert!(!left.exists());
        assert!(Part::create(&to).is_err(), "one at a time in a process");
        assert!(in_work.path().exists());
    }
}
