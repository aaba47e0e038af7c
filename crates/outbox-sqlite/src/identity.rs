//! Whether a file is still where it was, and as far as it was. A copy, a restored backup or a file that came from elsewhere must
//! not send again what another has sent, nor send old data over new: its first dispatcher notices, and pauses everything.
//!
//! The file remembers the places at which it was used (machine, path, number in the file system). Beside it, in `<path>.epoch`,
//! stands how far it had come: a file that is behind its own mark was put back.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use outbox_core::error::{OutboxError, code};
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::path::{beside, open_lock};

/// Places that a file remembers: containers may see it under several paths, and each is asked about only once.
const PLACES_MAX: usize = 8;
/// Bytes that every mark fills, so that one write replaces the one before.
const MARK_BYTES: usize = 256;

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// A digest of the machine's id; none in a container, where the id belongs to the image.
    machine: Option<String>,
    path: String,
    /// The file's number in its file system, or the time of its creation where there is none.
    file: Option<u64>,
}

impl Place {
    /// Looks at the file's name, never into the file: closing a descriptor of it would drop this process's locks.
    pub(crate) fn of(path: &Path) -> Self {
        let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let file = fs::metadata(&whole).ok().and_then(|metadata| number(&metadata));
        Self { machine: machine(), path: whole.to_string_lossy().into_owned(), file }
    }

    /// In which respects this is another place; unknown is no difference.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let known = |one: bool, two: bool| one && two;
        let mut found = Vec::new();
        if known(self.machine.is_some(), other.machine.is_some()) && self.machine != other.machine {
            found.push("machine");
        }
        if self.path != other.path {
            found.push("path");
        }
        if known(self.file.is_some(), other.file.is_some()) && self.file != other.file {
            found.push("file");
        }
        found
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems may not say")]
fn number(metadata: &fs::Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::ino(metadata))
}

#[cfg(not(unix))]
fn number(metadata: &fs::Metadata) -> Option<u64> {
    let created = metadata.created().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(created.as_millis()).ok()
}

fn machine() -> Option<String> {
    if Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists() {
        return None;
    }
    let id = machine_uid::get().ok().filter(|id| !id.trim().is_empty())?;
    // The id itself is not for others to see.
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("hl7-outbox {id}").as_bytes());
    Some(hex(&digest.as_ref()[..8]))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the file remembers of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Identity {
    /// Begins anew when the file was put back or came from elsewhere.
    epoch: String,
    /// The one before.
    #[serde(default)]
    before: Option<String>,
    /// How often the lead was taken.
    leads: u64,
    /// The latest last.
    places: Vec<Place>,
}

/// How far a file had come, kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    epoch: String,
    leads: u64,
    message: i64,
    change: i64,
}

/// Takes the file as this dispatcher's own. Answers what is different from when it was last used; empty when nothing is.
/// Inside a transaction.
pub(crate) fn settle(connection: &Connection, path: &Path, here: &Place) -> Result<Vec<&'static str>, Failure> {
    let Some(mut identity) = read(connection)? else {
        let fresh = Identity { epoch: fresh_epoch()?, before: None, leads: 1, places: vec![here.clone()] };
        write(connection, &fresh)?;
        return Ok(Vec::new());
    };
    let known = identity.places.iter().any(|place| place.differences(here).is_empty());
    let mut found = match identity.places.last() {
        Some(last) if !known => last.differences(here),
        _ => Vec::new(),
    };
    if let Some(mark) = read_mark(path)
        && Some(&mark.epoch) != identity.before.as_ref()
    {
        let present = far(connection, &identity)?;
        if mark.epoch != present.epoch {
            found.push("epoch");
        } else if !present.reaches(&mark) {
            found.push("behind");
        }
    }
    if !found.is_empty() {
        identity.before = Some(std::mem::replace(&mut identity.epoch, fresh_epoch()?));
    }
    identity.leads += 1;
    identity.places.retain(|place| place != here);
    identity.places.push(here.clone());
    let surplus = identity.places.len().saturating_sub(PLACES_MAX);
    identity.places.drain(..surplus);
    write(connection, &identity)?;
    Ok(found)
}

/// Says beside the file how far it has come. Never backwards: a process that stores into a file that was put back must not hide that.
pub(crate) fn mark(connection: &Connection, path: &Path) -> Result<(), Failure> {
    let Some(identity) = read(connection)? else { return Ok(()) };
    let present = far(connection, &identity)?;
    if let Some(mark) = read_mark(path)
        && Some(&mark.epoch) != identity.before.as_ref()
        && (mark == present || mark.epoch != present.epoch || !present.reaches(&mark))
    {
        return Ok(());
    }
    let mut text = serde_json::to_string(&present).unwrap_or_default();
    text.extend(std::iter::repeat_n(' ', MARK_BYTES.saturating_sub(text.len())));
    let written = open_lock(&companion(path)).map(|mut file| {
        // Written in place, in one piece; not flushed, because the file itself never loses what was committed.
        file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(text.as_bytes()))
    });
    if !matches!(written, Ok(Ok(()))) {
        // Without the mark only the place is compared.
        tracing::warn!("the mark beside the outbox file could not be written");
    }
    Ok(())
}

impl Mark {
    fn reaches(&self, other: &Self) -> bool {
        self.leads >= other.leads && self.message >= other.message && self.change >= other.change
    }
}

fn far(connection: &Connection, identity: &Identity) -> Result<Mark, Failure> {
    let newest = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get(0));
    Ok(Mark {
        epoch: identity.epoch.clone(),
        leads: identity.leads,
        message: newest("SELECT coalesce(max(seq), 0) FROM message")?,
        change: newest("SELECT coalesce(max(n), 0) FROM change")?,
    })
}

fn read(connection: &Connection) -> Result<Option<Identity>, Failure> {
    let stored: Option<Vec<u8>> = connection
        .prepare_cached("SELECT value FROM meta WHERE key = 'identity'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(stored.and_then(|stored| serde_json::from_slice(&stored).ok()))
}

fn write(connection: &Connection, identity: &Identity) -> Result<(), Failure> {
    let stored = serde_json::to_vec(identity).unwrap_or_default();
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES ('identity', ?1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?
        .execute(params![stored])?;
    Ok(())
}

fn fresh_epoch() -> Result<String, Failure> {
    let mut bytes = [0_u8; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| OutboxError::new(code::ERR_PANIC, "the system gives no random bytes"))?;
    Ok(hex(&bytes))
}

fn companion(path: &Path) -> PathBuf {
    beside(path, ".epoch")
}

fn read_mark(path: &Path) -> Option<Mark> {
    let mut text = String::new();
    File::open(companion(path)).ok()?.take(MARK_BYTES as u64 * 2).read_to_string(&mut text).ok()?;
    serde_json::from_str(text.trim_end()).ok()
}
