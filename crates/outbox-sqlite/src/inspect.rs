//! A look at an outbox that changes nothing: what the file is, who uses it, and whether it is sound.
//!
//! It looks at what cannot be opened as well as at what is in use, so it asks the file system first, and SQLite only about
//! what has our mark: read-only, and past the log (`sealed`) where there is none. Nothing is created, recovered, migrated or
//! folded back; but a read-only look at a log that a killed process left makes its index (`-shm`) anew.

mod contents;
mod item;

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use outbox_core::error::{OutboxError, code};
use serde::Serialize;

pub use self::contents::Check;
use self::contents::{Contents, contents};
use self::item::{Directory, Item};
use crate::companion::{Marks, RESTORING};
use crate::path::{beside, directory};
use crate::schema::{HEADER_BYTES, MAGIC, SCHEMA, is_outbox};
use crate::store::unless_open;

/// What was found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The version of SQLite that looked.
    pub sqlite_version: &'static str,
    /// The newest schema that this version knows.
    pub schema_known: u32,
    directory: Directory,
    kind: Kind,
    file: Option<Item>,
    /// What its header says.
    header: Option<Header>,
    log: Option<Item>,
    index: Option<Item>,
    journal: Option<Item>,
    users: Users,
    /// A restore began and did not end.
    restoring: bool,
    contents: Option<Contents>,
}

/// What is at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Missing,
    Directory,
    /// Neither a file nor a directory nor a link.
    Other,
    /// A symbolic link; what it leads to is not looked at.
    Link,
    Unreadable,
    /// No bytes: an outbox that nobody has opened yet, or what was left of one.
    Empty,
    /// A database of SQLite without our mark.
    OtherDatabase,
    /// Anything else.
    NoDatabase,
    Outbox,
}

/// The first hundred bytes of an outbox. The log may be ahead of them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    schema: u32,
    page_bytes: u64,
    pages: u64,
}

/// Who uses it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Users {
    open_by: Vec<u32>,
    /// Names of what processes left that are gone.
    left: Vec<String>,
    /// Some marks cannot be read.
    unreadable: bool,
    /// Somebody holds the lead.
    led: bool,
    /// What the dispatcher last said, as JSON; it may be gone since.
    beat: Option<serde_json::Value>,
}

/// Looks at the outbox at `path`. Blocks: never call it on a JS thread.
pub fn inspect(path: &Path, check: Check) -> Result<Inspection, OutboxError> {
    unless_open(&[path], || look(path, check))
        .ok_or_else(|| OutboxError::new(code::ERR_IN_USE, "this process has the outbox open itself"))
}

fn look(path: &Path, check: Check) -> Inspection {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    let kind = kind(path, &mut header);
    let log = Item::look(&beside(path, "-wal"));
    let users = users(path);
    let contents = (kind == Kind::Outbox).then(|| contents(path, check, || is_at_rest(path)));
    Inspection {
        sqlite_version: rusqlite::version(),
        schema_known: SCHEMA,
        directory: Directory::look(directory(path)),
        kind,
        file: Item::look(path),
        header: (kind == Kind::Outbox).then(|| read_header(&header)),
        log,
        index: Item::look(&beside(path, "-shm")),
        journal: Item::look(&beside(path, "-journal")),
        users,
        restoring: fs::symlink_metadata(beside(path, RESTORING)).is_ok(),
        contents,
    }
}

/// Nobody has it open, and all that was written is in the file itself.
fn is_at_rest(path: &Path) -> bool {
    let is_empty = |ending| fs::metadata(beside(path, ending)).map_or(true, |companion| companion.len() == 0);
    let marks = Marks::look(path);
    is_empty("-wal") && is_empty("-journal") && marks.open_by.is_empty() && !marks.unreadable
}

fn kind(path: &Path, header: &mut Vec<u8>) -> Kind {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Kind::Missing,
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Kind::Missing,
        Err(_) => return Kind::Unreadable,
    };
    if metadata.is_symlink() {
        return Kind::Link;
    }
    if metadata.is_dir() {
        return Kind::Directory;
    }
    // A pipe or a device is not even opened: that alone may do something.
    if !metadata.is_file() {
        return Kind::Other;
    }
    let read = File::open(path).and_then(|file| file.take(HEADER_BYTES as u64).read_to_end(header));
    match read {
        Err(_) => Kind::Unreadable,
        Ok(0) => Kind::Empty,
        Ok(_) if is_outbox(header) => Kind::Outbox,
        Ok(_) if header.starts_with(MAGIC) => Kind::OtherDatabase,
        Ok(_) => Kind::NoDatabase,
    }
}

/// By the file format of SQLite (1.3): page size at 16, pages at 28, `user_version` at 60.
fn read_header(header: &[u8]) -> Header {
    let number =
        |at: usize| header.get(at..at + 4).map_or(0, |four| four.iter().fold(0, |sum, &b| sum << 8 | u32::from(b)));
    let page_bytes = match number(16) >> 16 {
        1 => 65_536,
        bytes => u64::from(bytes),
    };
    Header { schema: number(60), page_bytes, pages: u64::from(number(28)) }
}

fn users(path: &Path) -> Users {
    let Marks { open_by, left, unreadable } = Marks::look(path);
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let beat = fs::read_to_string(beside(path, ".dispatcher")).ok();
    Users {
        open_by,
        left: left.iter().filter_map(|path| name(path)).collect(),
        unreadable,
        // A shared lock is refused while somebody holds the exclusive one.
        led: File::open(beside(path, ".lock")).is_ok_and(|lock| lock.try_lock_shared().is_err()),
        beat: beat.and_then(|text| serde_json::from_str(text.trim_end_matches([' ', '\n'])).ok()),
    }
}
