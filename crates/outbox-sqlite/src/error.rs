//! From SQLite's result codes to the codes of the public surface. Texts of SQLite never reach a caller: a constraint's
//! text names columns only, but nothing here depends on that staying so.

use outbox_core::error::{OutboxError, code};
use rusqlite::ErrorCode;

/// A failure inside a transaction: either the operation's own, or one that ends the whole transaction.
#[derive(Debug)]
pub(crate) enum Failure {
    /// This operation is refused; the others of its group go on.
    Refused(OutboxError),
    /// SQLite failed.
    Sqlite(rusqlite::Error),
}

impl From<OutboxError> for Failure {
    fn from(error: OutboxError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    /// What a fault asks for: the disk's failure, or another of SQLite's.
    #[cfg(feature = "faults")]
    pub(crate) fn planted<T>(way: &str) -> Result<T, Self> {
        let code = match way {
            "busy" => rusqlite::ffi::SQLITE_BUSY,
            "full" => rusqlite::ffi::SQLITE_FULL,
            "damaged" => rusqlite::ffi::SQLITE_CORRUPT,
            "constraint" => rusqlite::ffi::SQLITE_CONSTRAINT,
            "refused" => return outbox_core::faults::refused(way).map_err(Self::Refused),
            _ => rusqlite::ffi::SQLITE_IOERR,
        };
        Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None).into())
    }

    /// As callers see it.
    pub(crate) fn into_error(self) -> OutboxError {
        match self {
            Self::Refused(error) => error,
            Self::Sqlite(error) => translate(&error),
        }
    }

    /// Whether a row holds what nobody stored.
    pub(crate) fn is_impossible_value(&self) -> bool {
        matches!(self, Self::Sqlite(error) if is_impossible_value(error))
    }

    /// Whether a constraint of the schema refused it.
    pub(crate) fn is_constraint(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation))
    }

    /// For the log: a number or a code, no text of SQLite.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Self::Sqlite(error) => name(error),
            Self::Refused(error) => error.code.to_owned(),
        }
    }

    /// Whether the disk is full: nothing is wrong with the file, and it may go on later.
    pub(crate) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }

    /// Whether the disk failed: after that nothing may be promised on this connection any more.
    pub(crate) fn is_disk_failure(&self) -> bool {
        matches!(self, Self::Sqlite(error) if matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ))
    }
}

/// Whether a value that was read cannot have been stored: of another type, out of its range, no UTF-8, or an unknown word.
/// The columns' own types and every statement's are fixed here, so only bytes that changed on disk come to that; and a row
/// that others refer to and that is not there is nothing else.
fn is_impossible_value(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
            | Error::InvalidQuery
            | Error::QueryReturnedNoRows
    ) || lacks_schema(error)
}

/// Whether a statement does not fit the file's own description of its tables any more. The statements are fixed and so is the
/// schema; a word of SQLite's is all that tells this from other errors of its number.
fn lacks_schema(error: &rusqlite::Error) -> bool {
    const SIGNS: [&str; 4] = ["no such ", "has no column", "no query solution", "malformed"];
    let words = match error {
        rusqlite::Error::SqliteFailure(failure, Some(words))
            if failure.extended_code == rusqlite::ffi::SQLITE_ERROR =>
        {
            words
        }
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        _ => return false,
    };
    SIGNS.iter().any(|sign| words.contains(sign))
}

/// A number of SQLite's or the name of an error, and none of its words.
fn name(error: &rusqlite::Error) -> String {
    match error.sqlite_error() {
        Some(inner) => format!("SQLite {}", inner.extended_code),
        None => format!("{error:?}").chars().take_while(char::is_ascii_alphabetic).collect(),
    }
}

/// The public error for an error of SQLite.
pub(crate) fn translate(error: &rusqlite::Error) -> OutboxError {
    let known = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => code::ERR_STORE_BUSY,
        Some(ErrorCode::DiskFull) => code::ERR_DISK_FULL,
        Some(ErrorCode::OperationInterrupted) => code::ERR_QUERY_TIMEOUT,
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => code::ERR_PATH_PERMISSION,
        Some(ErrorCode::NotADatabase) => code::ERR_NOT_AN_OUTBOX,
        Some(ErrorCode::DatabaseCorrupt) => code::ERR_FILE_DAMAGED,
        Some(ErrorCode::SystemIoFailure) => code::ERR_STORE_FAILED,
        _ if is_impossible_value(error) => code::ERR_FILE_DAMAGED,
        _ => {
            return OutboxError::new(
                code::ERR_PANIC,
                format!("the store met an unexpected condition ({})", name(error)),
            );
        }
    };
    OutboxError::plain(known)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_value_that_nobody_stored_is_damage_and_no_defect() {
        let connection = Connection::open_in_memory().unwrap();
        let read = |sql: &str| -> OutboxError {
            let failure = Failure::from(connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap_err());
            assert!(failure.is_impossible_value(), "{sql}");
            assert!(!failure.is_disk_failure(), "{sql}: the file would be closed and opened again for ever");
            failure.into_error()
        };
        for sql in ["SELECT 7", "SELECT x'00'", "SELECT CAST(x'ff' AS TEXT)", "SELECT NULL", "SELECT 'a' WHERE 0"] {
            assert_eq!(read(sql).code, code::ERR_FILE_DAMAGED, "{sql}");
        }
        let narrow = connection.query_row("SELECT 1 << 40", [], |row| row.get::<_, u32>(0)).unwrap_err();
        assert_eq!(translate(&narrow).code, code::ERR_FILE_DAMAGED);
        let lacking = connection.prepare("SELECT 1 FROM nowhere").unwrap_err();
        assert_eq!(translate(&lacking).code, code::ERR_FILE_DAMAGED);
        let ours = connection.prepare("SELECT FROM").unwrap_err();
        assert_eq!(translate(&ours).code, code::ERR_PANIC);
    }
}
