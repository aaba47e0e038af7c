//! What a file must be to be opened, and how it becomes so.

use std::fs;
use std::io::Read;
use std::path::Path;

use outbox_core::error::{OutboxError, code};
use outbox_core::state::transition_condition_sql;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Connection, TransactionBehavior, params};

use crate::error::Failure;
use crate::path::beside;

/// Marks a file as an outbox ("HL7O").
pub(crate) const APPLICATION_ID: i32 = 0x484c_374f;
/// Where SQLite keeps the mark in a file's header.
const APPLICATION_ID_OFFSET: usize = 68;
pub(crate) const HEADER_BYTES: usize = 100;
pub(crate) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How a rollback journal begins, and where it keeps the file's length before the transaction, in pages.
const JOURNAL_MAGIC: &[u8; 8] = &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
const JOURNAL_PAGES_BEFORE: usize = 16;

/// Migrations by number and name, oldest first; the number is `user_version` after it.
/// Numbers grow; one may be missing.
pub(crate) const MIGRATIONS: &[(u32, &str, &str)] = &[
    (1, "initial", include_str!("../migrations/0001_initial.sql")),
    (2, "refusals", include_str!("../migrations/0002_refusals.sql")),
    (3, "alerts", include_str!("../migrations/0003_alerts.sql")),
];

/// The newest schema that this version knows.
pub(crate) const SCHEMA: u32 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// The lowest schema version a program must know to share a file with this one. Migrations only expand, so it stays
/// behind `SCHEMA` until one cannot.
const SCHEMA_NEEDED: u32 = 1;

/// Refuses a path whose directory is missing.
pub(crate) fn check_directory(path: &Path) -> Result<(), OutboxError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if directory.is_some_and(|directory| !directory.is_dir()) {
        return Err(OutboxError::plain(code::ERR_PATH_DIRECTORY));
    }
    Ok(())
}

/// Refuses a file that exists and is not ours, by its first hundred bytes and without SQLite, which might recover or
/// checkpoint a stranger's file. Must not run while this process has the file open: closing any descriptor of a file
/// drops the process's POSIX locks on it.
pub(crate) fn check_file(path: &Path) -> Result<(), OutboxError> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return create(path),
        Err(_) => return Err(OutboxError::plain(code::ERR_PATH_PERMISSION)),
    };
    let mut header = Vec::with_capacity(HEADER_BYTES);
    let read = file.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut header);
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
            Err(OutboxError::plain(code::ERR_NOT_AN_OUTBOX))
        }
        Err(_) => Err(OutboxError::plain(code::ERR_PATH_PERMISSION)),
        Ok(0) => Ok(()),
        Ok(_) if is_outbox(&header) || is_unborn(path, &header) => Ok(()),
        Ok(_) => Err(OutboxError::plain(code::ERR_NOT_AN_OUTBOX)),
    }
}

pub(crate) fn is_outbox(header: &[u8]) -> bool {
    header.len() == HEADER_BYTES
        && header.starts_with(MAGIC)
        && header[APPLICATION_ID_OFFSET..APPLICATION_ID_OFFSET + 4] == APPLICATION_ID.to_be_bytes()
}

/// Whether the creation of the file was interrupted by a power cut: it has its length and not yet its bytes, and SQLite's
/// journal beside it says that the file was empty before. SQLite takes it back to that.
fn is_unborn(path: &Path, header: &[u8]) -> bool {
    if header.iter().any(|byte| *byte != 0) {
        return false;
    }
    let mut journal = Vec::with_capacity(JOURNAL_PAGES_BEFORE + 4);
    let length = journal.capacity() as u64;
    let read = fs::File::open(beside(path, "-journal")).and_then(|file| file.take(length).read_to_end(&mut journal));
    read.is_ok() && journal.starts_with(JOURNAL_MAGIC) && journal.get(JOURNAL_PAGES_BEFORE..) == Some(&[0; 4])
}

/// Creates the file readable by its owner only; SQLite gives its companions the same rights.
fn create(path: &Path) -> Result<(), OutboxError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(_) => Err(OutboxError::plain(code::ERR_PATH_PERMISSION)),
    }
}

/// Brings a file to the newest schema, one transaction per migration.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), Failure> {
    migrate_by(connection, MIGRATIONS)
}

fn migrate_by(connection: &mut Connection, migrations: &[(u32, &str, &str)]) -> Result<(), Failure> {
    // The mark is the first thing in the file, written before WAL mode: so it stands in the header itself.
    let mark: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if mark == 0 {
        // Also the first thing: with a table in the file it could not be chosen any more. Retention gives pages back by it.
        // In one transaction, since an end between the two would leave a file that is nobody's; a deferred one, since the
        // choice must come before the first write begins.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        transaction.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        outbox_core::fault!("store-mark", Failure::planted);
        transaction.commit()?;
    }
    outbox_core::fault!("store-marked", Failure::planted);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    for (number, name, sql) in migrations {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let present: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if present < *number {
            tracing::info!(number, name, "migrating the outbox file");
            let sql = sql.replace("{{transitions}}", &transition_condition_sql());
            let mut steps = Batch::new(&transaction, &sql);
            while let Some(mut step) = steps.next()? {
                outbox_core::fault!("store-migrate-step", Failure::planted);
                step.execute([])?;
            }
            transaction.execute(
                "INSERT INTO meta (key, value) VALUES ('schema_needed', ?1) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                params![SCHEMA_NEEDED.to_string().into_bytes()],
            )?;
            transaction.pragma_update(None, "user_version", number)?;
        }
        outbox_core::fault!("store-migrate", Failure::planted);
        transaction.commit()?;
    }
    check_version(connection)
}

/// A newer version may have written the file; it says itself who may still share it.
pub(crate) fn check_version(connection: &Connection) -> Result<(), Failure> {
    let present: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if present <= SCHEMA {
        return Ok(());
    }
    let needed: Vec<u8> =
        connection.query_row("SELECT value FROM meta WHERE key = 'schema_needed'", [], |row| row.get(0))?;
    let needed: u32 = String::from_utf8_lossy(&needed).parse().unwrap_or(u32::MAX);
    if needed <= SCHEMA {
        return Ok(());
    }
    Err(Failure::Refused(OutboxError::new(
        code::ERR_SCHEMA_NEWER,
        format!(
            "the file has schema {present} and needs a program that knows schema {needed}; this one knows {SCHEMA}"
        ),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_an_earlier_schema_gets_what_it_lacks_and_numbers_may_be_missing() {
        let directory = tempfile::tempdir().unwrap();
        for earlier in 0..SCHEMA {
            let mut connection = Connection::open(directory.path().join(format!("{earlier}.db"))).unwrap();
            if earlier > 0 {
                connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
                for (_, _, sql) in MIGRATIONS.iter().filter(|(number, ..)| *number <= earlier) {
                    let sql = sql.replace("{{transitions}}", &transition_condition_sql());
                    connection.execute_batch(&sql).unwrap();
                }
                connection.pragma_update(None, "user_version", earlier).unwrap();
            }
            migrate(&mut connection).map_err(Failure::into_error).unwrap();
            let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
            let rows: i64 = connection.query_row("SELECT count(*) FROM alert", [], |row| row.get(0)).unwrap();
            assert_eq!((version, rows), (SCHEMA, 0), "from {earlier}");
        }
    }
}
