//! A copy that nobody writes, opened and judged without touching it or anything beside it.

use std::fmt::Write as _;
use std::path::Path;

use outbox_core::error::{OutboxError, code};
use rusqlite::{Connection, OpenFlags};

use crate::error::Failure;
use crate::schema;

/// Opens a file as it lies there: without locks, without a log, without companions. Only for what nobody else has open.
pub(crate) fn open_sealed(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(format!("{}?immutable=1", uri(path)), flags)?)
}

/// What a copy holds, once it is found sound.
pub(crate) struct Sound {
    pub(crate) messages: u64,
    /// PENDING.
    pub(crate) pending: u64,
}

/// Reads a copy through: `integrity_check`, and whether this version may share it. The inner error says what is wrong with it.
pub(crate) fn check_sound(path: &Path) -> Result<Result<Sound, OutboxError>, Failure> {
    let connection = open_sealed(path)?;
    let said: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        return Ok(Err(OutboxError::plain(code::ERR_FILE_DAMAGED)));
    }
    match schema::check_version(&connection) {
        Ok(()) => {}
        Err(Failure::Refused(error)) => return Ok(Err(error)),
        Err(failure) => return Err(failure),
    }
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get(0));
    Ok(Ok(Sound {
        messages: count("SELECT count(*) FROM message")?,
        pending: count("SELECT count(*) FROM message WHERE state = 'PENDING'")?,
    }))
}

/// A path as SQLite's URI: what a URI would take for its own is written in hexadecimal.
fn uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    #[cfg(windows)]
    let bytes = {
        uri.push_str("///");
        path.to_string_lossy().replace('\\', "/").into_bytes()
    };
    #[cfg(not(windows))]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"/:._-".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_uri_s_own_signs_stays_a_path() {
        assert_eq!(uri(Path::new("/a b/c?d#e%.db")), "file:/a%20b/c%3Fd%23e%25.db");
    }
}
