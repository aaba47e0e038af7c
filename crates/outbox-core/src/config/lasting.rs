//! What stays: how long what is kept, and where the log is written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::settings::{Environment, at_least_one, wrong};
use super::{LogConfig, LogLevel, RetentionConfig};
use crate::error::{OutboxError, code};
use crate::retention::Retention;

/// What is logged, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// The least severe line.
    pub level: LogLevel,
    /// A file instead of the standard error stream.
    pub file: Option<PathBuf>,
    /// At this size the file gets a number and a new one begins: 10 MiB.
    pub file_bytes: u64,
    /// How many numbered files are kept: 5.
    pub files: u32,
}

const FILE_BYTES: u64 = 10 << 20;
/// A line must fit whole.
const FILE_BYTES_MIN: u64 = 64 << 10;
const FILES: u32 = 5;
const FILES_MAX: u32 = 1_000;

pub(super) fn resolve_retention(written: &RetentionConfig) -> Result<Retention, OutboxError> {
    let defaults = Retention::default();
    let bodies = lasts("retention.bodiesMs", written.bodies_ms)?;
    let rows = lasts("retention.rowsMs", written.rows_ms)?;
    let changes = lasts("retention.changesMs", written.changes_ms)?.unwrap_or(defaults.changes);
    if changes.is_some_and(|changes| changes < Retention::CHANGES_MIN) {
        return Err(wrong(
            "retention.changesMs",
            "must be at least 604800000 (7 days): a reader that is away for a while would miss changes",
        ));
    }
    // A content does not outlive its row. Who writes only one of the two means it: the other's default gives way.
    let outlives = |bodies: Option<Duration>, rows: Option<Duration>| match (bodies, rows) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(bodies), Some(rows)) => bodies > rows,
    };
    let (bodies, rows) = match (bodies, rows) {
        (Some(bodies), Some(rows)) if outlives(bodies, rows) => {
            return Err(wrong(
                "retention.rowsMs",
                "must not be shorter than `retention.bodiesMs`: a content does not outlive its row",
            ));
        }
        (Some(bodies), None) if outlives(bodies, defaults.rows) => (bodies, bodies),
        (None, Some(rows)) if outlives(defaults.bodies, rows) => (rows, rows),
        (bodies, rows) => (bodies.unwrap_or(defaults.bodies), rows.unwrap_or(defaults.rows)),
    };
    Ok(Retention { bodies, rows, changes })
}

/// `None`: not written; `Some(None)`: for ever.
#[expect(clippy::option_option, reason = "three cases: absent, null, a value")]
fn lasts(key: &str, written: Option<Option<u64>>) -> Result<Option<Option<Duration>>, OutboxError> {
    written.map(|ms| at_least_one(key, ms).map(|ms| ms.map(Duration::from_millis))).transpose()
}

pub(super) fn resolve_log(
    written: LogConfig,
    environment: &Environment,
    working_directory: &Path,
) -> Result<LogSettings, OutboxError> {
    let level = match (written.level, environment.get("HL7_OUTBOX_LOG")) {
        (Some(level), _) => level,
        (None, None | Some("warn")) => LogLevel::Warn,
        (None, Some("error")) => LogLevel::Error,
        (None, Some("info")) => LogLevel::Info,
        (None, Some("debug")) => LogLevel::Debug,
        (None, Some(_)) => return Err(wrong("HL7_OUTBOX_LOG", "is not one of error, warn, info, debug")),
    };
    let file = written.file.or_else(|| environment.get("HL7_OUTBOX_LOG_FILE").map(str::to_owned));
    if file.as_ref().is_some_and(String::is_empty) {
        return Err(wrong("log.file", "is empty"));
    }
    let file = file.map(PathBuf::from);
    if file.as_ref().is_some_and(|file| file.is_relative()) && environment.get("NODE_ENV") == Some("production") {
        return Err(OutboxError::new(
            code::ERR_PATH_RELATIVE,
            "`log.file` is relative, and NODE_ENV is production: the file would move with the working directory",
        ));
    }
    let file_bytes = written.file_bytes.unwrap_or(FILE_BYTES);
    if file_bytes < FILE_BYTES_MIN {
        return Err(wrong("log.fileBytes", &format!("must be at least {FILE_BYTES_MIN} (64 KiB)")));
    }
    let files = written.files.unwrap_or(FILES);
    if !(1..=FILES_MAX).contains(&files) {
        return Err(wrong("log.files", &format!("must be 1 to {FILES_MAX}")));
    }
    Ok(LogSettings { level, file: file.map(|file| working_directory.join(file)), file_bytes, files })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{OutboxConfig, Settings, read};

    fn resolve(json: &str, pairs: &[(&str, &str)]) -> Result<Settings, OutboxError> {
        let config: OutboxConfig = read(json, "the test")?;
        let variables = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::resolve(config, &Environment::new(variables), Path::new("/srv/app"))
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn contents_are_kept_for_a_quarter_rows_for_a_year_and_changes_for_a_month_unless_told_otherwise() {
        let defaults = resolve("{}", &[]).unwrap().retention;
        assert_eq!(
            (defaults.bodies, defaults.rows, defaults.changes),
            (Some(90 * DAY), Some(400 * DAY), Some(30 * DAY))
        );
        let written = resolve(r#"{"retention":{"bodiesMs":1000,"rowsMs":null,"changesMs":604800000}}"#, &[]).unwrap();
        let Retention { bodies, rows, changes } = written.retention;
        assert_eq!((bodies, rows, changes), (Some(Duration::from_secs(1)), None, Some(7 * DAY)));
        let kept = resolve(r#"{"retention":{"bodiesMs":null}}"#, &[]).unwrap().retention;
        assert_eq!((kept.bodies, kept.rows), (None, None), "a content that is kept for ever keeps its row");
        let short = resolve(r#"{"retention":{"rowsMs":1000}}"#, &[]).unwrap().retention;
        assert_eq!(short.bodies, Some(Duration::from_secs(1)), "and a row that goes takes its content along");
    }

    #[test]
    fn a_retention_that_would_lose_what_another_keeps_is_refused_by_name() {
        for (json, name) in [
            (r#"{"retention":{"bodiesMs":0}}"#, "retention.bodiesMs"),
            (r#"{"retention":{"changesMs":604799999}}"#, "retention.changesMs"),
            (r#"{"retention":{"rowsMs":1000,"bodiesMs":1001}}"#, "retention.rowsMs"),
            (r#"{"retention":{"rowsMs":1000,"bodiesMs":null}}"#, "retention.rowsMs"),
            (r#"{"retention":{"bodies":1}}"#, "retention.bodies"),
            (r#"{"log":{"fileBytes":1}}"#, "log.fileBytes"),
            (r#"{"log":{"files":0}}"#, "log.files"),
            (r#"{"log":{"file":""}}"#, "log.file"),
        ] {
            let error = resolve(json, &[]).unwrap_err();
            assert!(error.message.contains(name), "{json}: {}", error.message);
        }
    }

    #[test]
    fn the_log_s_level_and_file_come_from_the_environment_unless_they_are_written() {
        let log = resolve("{}", &[("HL7_OUTBOX_LOG", "debug"), ("HL7_OUTBOX_LOG_FILE", "logs/o.log")]).unwrap().log;
        assert_eq!((log.level, log.file.as_deref()), (LogLevel::Debug, Some(Path::new("/srv/app/logs/o.log"))));
        assert_eq!((log.file_bytes, log.files), (10 << 20, 5));
        let written = resolve(r#"{"log":{"level":"error","file":"/var/log/o.log"}}"#, &[("HL7_OUTBOX_LOG", "debug")]);
        let log = written.unwrap().log;
        assert_eq!((log.level, log.file.as_deref()), (LogLevel::Error, Some(Path::new("/var/log/o.log"))));
        let production =
            [("NODE_ENV", "production"), ("HL7_OUTBOX_PATH", "/srv/o.db"), ("HL7_OUTBOX_LOG_FILE", "o.log")];
        assert_eq!(resolve("{}", &production).unwrap_err().code, code::ERR_PATH_RELATIVE);
    }
}
