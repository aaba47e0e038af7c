//! What an outbox says from inside, asked read-only.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use outbox_core::alert::Undelivered;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::Serialize;

use crate::digest::Digests;
use crate::error::Failure;
use crate::read;
use crate::schema::{self, SCHEMA};
use crate::sealed::open_sealed;

/// How far the file is read through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// `quick_check`: every page, without comparing the indexes.
    Quick,
    /// `integrity_check`, and every stored message against its digest.
    Full,
}

/// A lock that is held longer is worth telling.
const BUSY_MAX: Duration = Duration::from_secs(2);
/// Faults that are told; one is enough to act on.
const FAULTS_MAX: usize = 5;

/// What could be read, and why the rest could not.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Contents {
    /// The schema; the header may be behind.
    schema: Option<u32>,
    /// Whether this version may share it.
    too_new: bool,
    /// What the check said, if anything; no content.
    faults: Vec<String>,
    /// Stored messages whose bytes changed on disk; only a full check knows.
    changed_bodies: Option<u64>,
    /// How long the checks took.
    check_ms: u64,
    messages: BTreeMap<String, u64>,
    destinations: Vec<Destination>,
    /// Alerts that were not taken.
    undelivered: Vec<Late>,
    /// When a process last said that it has a function for alerts.
    alert_callback_at: Option<i64>,
    /// The latest time that was stored lately.
    latest: Option<i64>,
    /// Why it could not be read (to the end): `SQLite 11`, or a code.
    failed: Option<String>,
    /// The lock of another process was in the way.
    locked: bool,
}

/// What the file remembers of a destination.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    name: String,
    paused: bool,
    state: String,
    reason: Option<String>,
    patch: Option<String>,
}

/// Alerts that one target did not take.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Late {
    target: String,
    waiting: u64,
    given_up: u64,
    error: String,
}

/// The schema that alerts came with.
const SCHEMA_OF_ALERTS: u32 = 3;

/// Reads it. Where it is at rest, as it lies there; if somebody opens it meanwhile, that says nothing, and it is read again.
pub(super) fn contents(path: &Path, check: Check, is_at_rest: impl Fn() -> bool) -> Contents {
    if is_at_rest() {
        let contents = read_whole(open_sealed(path), check);
        if is_at_rest() {
            return contents;
        }
    }
    read_whole(open_shared(path), check)
}

fn open_shared(path: &Path) -> Result<Connection, Failure> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_MAX)?;
    Ok(connection)
}

fn read_whole(connection: Result<Connection, Failure>, check: Check) -> Contents {
    let mut contents = Contents::default();
    let read = connection.and_then(|connection| read(&connection, check, &mut contents));
    if let Err(failure) = read {
        contents.failed = Some(failure.in_short());
        contents.locked = failure.into_error().code == outbox_core::error::code::ERR_STORE_BUSY;
    }
    contents
}

fn read(connection: &Connection, check: Check, contents: &mut Contents) -> Result<(), Failure> {
    contents.schema = Some(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?);
    if contents.schema == Some(0) {
        // Made, and not filled yet: its first opening was cut off, or goes on.
        return Ok(());
    }
    // Before the tables: what they hold is worth little in a damaged file.
    let began = Instant::now();
    contents.faults = faults(connection, check)?;
    contents.check_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    contents.too_new = contents.schema > Some(SCHEMA) && schema::check_version(connection).is_err();
    if contents.too_new {
        return Ok(());
    }
    let mut standing = connection.prepare("SELECT state, sum(count) FROM standing GROUP BY state")?;
    contents.messages = standing.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut rows = connection.prepare(
        "SELECT name, paused_at IS NOT NULL, state, coalesce(paused_reason, reason), patch FROM destination",
    )?;
    contents.destinations = rows
        .query_map([], |row| {
            let (name, paused, state, reason, patch) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(Destination { name, paused, state, reason, patch })
        })?
        .collect::<Result<_, _>>()?;
    if contents.schema >= Some(SCHEMA_OF_ALERTS) {
        let late = |one: Undelivered| Late {
            target: one.target,
            waiting: one.waiting,
            given_up: one.given_up,
            error: one.error,
        };
        contents.undelivered = read::undelivered(connection)?.into_iter().map(late).collect();
        contents.alert_callback_at = read::alert_callback(connection)?.map(|at| at.0);
    }
    for sql in [
        "SELECT max(created_at, updated_at) FROM message ORDER BY seq DESC LIMIT 1",
        "SELECT at FROM change ORDER BY n DESC LIMIT 1",
        "SELECT at FROM action ORDER BY n DESC LIMIT 1",
    ] {
        let at: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
        contents.latest = contents.latest.max(at);
    }
    if check == Check::Full {
        contents.changed_bodies = Some(changed_bodies(connection)?);
    }
    Ok(())
}

fn faults(connection: &Connection, check: Check) -> Result<Vec<String>, Failure> {
    let pragma = match check {
        Check::Quick => "quick_check",
        Check::Full => "integrity_check",
    };
    let mut said = connection.prepare(&format!("PRAGMA {pragma}({FAULTS_MAX})"))?;
    let lines: Vec<String> = said.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(if lines == ["ok"] { Vec::new() } else { lines })
}

fn changed_bodies(connection: &Connection) -> Result<u64, Failure> {
    let digests = Digests::of(connection)?;
    let mut bodies = connection.prepare("SELECT content, digest FROM body JOIN message USING (seq)")?;
    let mut rows = bodies.query([])?;
    let mut changed = 0;
    while let Some(row) = rows.next()? {
        let (content, digest) = (row.get_ref(0)?.as_blob(), row.get_ref(1)?.as_blob());
        let is_whole = matches!((content, digest), (Ok(content), Ok(digest)) if digests.is_body(content, digest));
        changed += u64::from(!is_whole);
    }
    Ok(changed)
}
