//! The log file: at its largest size it gets a number, and a new one begins.
//!
//! `outbox.log`, then `outbox.log.1`, the younger the lower. Several processes may write one file: one of them renames, the
//! others notice and follow. A line is written at once, with one call of the system, so that lines of processes do not mix.

use std::fs::{File, OpenOptions};
use std::io::{Result, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often is looked whether another process renamed the file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) struct LogFile {
    path: PathBuf,
    file: Option<File>,
    bytes_max: u64,
    files: u32,
    looked: Instant,
}

impl LogFile {
    pub(super) fn open(path: &Path, bytes_max: u64, files: u32) -> Result<Self> {
        let file = append(path)?;
        Ok(Self { path: path.to_owned(), file: Some(file), bytes_max, files, looked: Instant::now() })
    }

    /// A line that cannot be written is lost: a full disk must not stop what the log is about.
    pub(super) fn write(&mut self, line: &str) {
        if self.file.is_none() || self.looked.elapsed() >= LOOK_EVERY {
            self.look();
        }
        let length = self.file.as_ref().map_or(0, length);
        if length > 0 && length + line.len() as u64 + 1 > self.bytes_max {
            self.rotate();
        }
        if let Some(file) = &mut self.file {
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }

    /// Follows a file that another process renamed, or somebody removed: ours only grows, so the shorter one is another.
    fn look(&mut self) {
        self.looked = Instant::now();
        let present = std::fs::metadata(&self.path).ok().map(|metadata| metadata.len());
        let ours = self.file.as_ref().map(length);
        if present.is_none() || present < ours || ours.is_none() {
            self.file = append(&self.path).ok();
        }
    }

    fn rotate(&mut self) {
        // One process at a time; who does not get the lock follows later.
        let Ok(lock) = OpenOptions::new().create(true).truncate(false).write(true).open(self.numbered("lock")) else {
            return;
        };
        if lock.try_lock().is_err() {
            return;
        }
        self.look();
        if self.file.as_ref().map_or(0, length) < self.bytes_max / 2 {
            return;
        }
        // Closed first: Windows renames no file that is open.
        self.file = None;
        for n in (1..self.files).rev() {
            let _ = std::fs::rename(self.numbered(&n.to_string()), self.numbered(&(n + 1).to_string()));
        }
        let _ = std::fs::rename(&self.path, self.numbered("1"));
        self.file = append(&self.path).ok();
    }

    fn numbered(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".");
        name.push(suffix);
        PathBuf::from(name)
    }
}

/// Readable by its owner only, as the outbox file is.
fn append(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn length(file: &File) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}
