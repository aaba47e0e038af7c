//! The election on one host: an exclusive lock of the operating system on a file beside the outbox.
//!
//! The lock belongs to the process and ends with it, however it ends; a stopped process keeps it. So there is no lease
//! to expire and no clock to trust. `flock` on Unix and `LockFileEx` on Windows, both through the standard library.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use outbox_core::clock::Timestamp;
use outbox_core::dispatch::election::{Election, Leader, Leadership, Reading};
use outbox_core::error::{OutboxError, code};
use serde::{Deserialize, Serialize};

use crate::path::{beside, open_lock as open};

/// Stands for the lead of one outbox file.
pub struct FileElection {
    lock: PathBuf,
    beat: PathBuf,
    outbox: PathBuf,
    /// What this process itself last said while leading.
    own: Arc<Mutex<Option<Leader>>>,
}

/// What the dispatcher writes beside the lock. Not into it: on Windows a locked file cannot be read by others.
#[derive(Serialize, Deserialize)]
struct Beat {
    pid: u32,
    host: String,
    since: i64,
    at: i64,
}

impl FileElection {
    /// For the outbox at `path`; the companions are `<path>.lock` and `<path>.dispatcher`.
    pub fn new(path: &Path) -> Self {
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        Self { lock: beside(".lock"), beat: beside(".dispatcher"), outbox: path.to_owned(), own: Arc::default() }
    }

    fn lead(&self, lock: File, now: Timestamp) -> Result<Box<dyn Leadership>, OutboxError> {
        let beat = open(&self.beat)?;
        let leader = Leader {
            pid: std::process::id(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            since: now,
            beat: now,
        };
        let mut lead = Lead { _lock: lock, beat, leader, own: Arc::clone(&self.own) };
        lead.beat(now);
        Ok(Box::new(lead))
    }
}

impl Election for FileElection {
    fn try_lead(&self, now: Timestamp) -> Result<Option<Box<dyn Leadership>>, OutboxError> {
        outbox_core::fault!("lead-take", outbox_core::faults::refused);
        let lock = open(&self.lock)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                outbox_core::plant!("plant-lead-of-the-living", { return Ok(Some(self.lead(lock, now)?)) });
                return Ok(None);
            }
            Err(std::fs::TryLockError::Error(_)) => return Err(OutboxError::plain(code::ERR_PATH_PERMISSION)),
        }
        Ok(Some(self.lead(lock, now)?))
    }

    fn leader(&self) -> Option<Leader> {
        if let Some(own) = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Some(own);
        }
        // A shared lock is refused only while somebody holds the exclusive one. It is held for microseconds; a standby
        // that meets it tries again.
        let lock = File::open(&self.lock).ok()?;
        if lock.try_lock_shared().is_ok() {
            return None;
        }
        let mut text = String::new();
        File::open(&self.beat).ok()?.read_to_string(&mut text).ok()?;
        let beat: Beat = serde_json::from_str(text.trim_end_matches([' ', '\n'])).ok()?;
        Some(Leader { pid: beat.pid, host: beat.host, since: Timestamp(beat.since), beat: Timestamp(beat.at) })
    }

    fn host(&self) -> String {
        gethostname::gethostname().to_string_lossy().into_owned()
    }

    fn try_read_as(&self, consumer: &str) -> Result<Option<Reading>, OutboxError> {
        outbox_core::fault!("consumer-take", outbox_core::faults::refused);
        let lock = open(&consumer_lock(&self.outbox, consumer))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Box::new(lock))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(_)) => Err(OutboxError::plain(code::ERR_PATH_PERMISSION)),
        }
    }
}

/// The file that stands for a reader's name. A hash of it, because names may hold what file names may not.
fn consumer_lock(outbox: &Path, consumer: &str) -> PathBuf {
    let hash = ring::digest::digest(&ring::digest::SHA256, consumer.as_bytes());
    let mut word = [0; 8];
    word.copy_from_slice(&hash.as_ref()[..8]);
    beside(outbox, &format!(".reader-{:016x}", u64::from_be_bytes(word)))
}

/// The lead; the lock is freed when this is dropped.
struct Lead {
    _lock: File,
    beat: File,
    leader: Leader,
    own: Arc<Mutex<Option<Leader>>>,
}

/// Bytes that every beat fills, so that one write replaces the one before.
const BEAT_BYTES: usize = 512;

impl Leadership for Lead {
    fn beat(&mut self, now: Timestamp) {
        self.leader.beat = now;
        let Leader { pid, host, since, beat } = &self.leader;
        let host = host.chars().take(64).collect();
        let mut text = serde_json::to_string(&Beat { pid: *pid, host, since: since.0, at: beat.0 }).unwrap_or_default();
        text.extend(std::iter::repeat_n(' ', BEAT_BYTES.saturating_sub(text.len())));
        // Only for display elsewhere: a disk that refuses it is seen by the writer soon enough.
        let written = self.beat.seek(SeekFrom::Start(0)).and_then(|_| self.beat.write_all(text.as_bytes()));
        if written.is_err() {
            tracing::debug!("the beat could not be written");
        }
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.leader.clone());
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
