//! The store: a writer, its readers, and the facts about the file.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use outbox_core::alert::{AlertMove, AlertView, Notice, NoticeEnd, Undelivered};
use outbox_core::clock::Clock;
use outbox_core::error::OutboxError;
use outbox_core::event::{Observer, StatusChange};
use outbox_core::message::MessageId;
use outbox_core::refusals::{RefusalFilter, Refusals};
use outbox_core::retention::{Place as Sweeping, Retention, Swept};
use outbox_core::status::{
    AttemptView, Changed, Counted, DestinationState, ListRequest, MessageFilter, MessageView, Page, Stats,
};
use outbox_core::store::{
    Admitted, By, ChangeWatch, Command, Course, DestinationRecord, Done, LaidOut, MessageRef, Prepare, Store,
    StoreInfo, Turn, TurnResult,
};

use crate::bulk::{Commands, Parts};
use crate::connection::open_reader;
use crate::digest::Digests;
use crate::error::Failure;
use crate::file::{OpenFile, Room};
use crate::identity::Place;
use crate::path::{OneCopy, beside, check_place};
use crate::read::{self, Readers};
use crate::restore;
use crate::schema;
use crate::walk;
use crate::watch::Watch;
use crate::write::{Failed, Limits, Writer, WriterHandle};

/// How often each file is open in this process. The raw look at a file's header must not happen while it is open: closing
/// any descriptor of a file drops the process's POSIX locks on it, and with them another process's commit can be lost.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, Opened>>> = LazyLock::new(Mutex::default);

/// A file that this copy of the library has open, and how often.
struct Opened {
    times: usize,
    _only: OneCopy,
}

/// What a store is opened with.
pub struct StoreOptions {
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Hears of committed changes; the same process only.
    pub observer: Option<Arc<dyn Observer>>,
    /// Most messages PENDING or HELD.
    pub pending_max: u64,
    /// New messages are refused while so many bytes of the write-ahead log cannot be folded back.
    pub wal_max: u64,
    /// How large the parts of a command on many messages are.
    pub parts: Parts,
}

/// Messages in one SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    commands: Arc<Commands>,
    readers: Arc<Readers>,
    failed: Failed,
    /// The file's keys, which stay what they were when it was made.
    digests: Arc<Digests>,
    _open: OpenMark,
}

impl SqliteStore {
    /// Opens or creates the file. Blocks: never call it on a JS thread.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, OutboxError> {
        outbox_core::fault!("store-open", outbox_core::faults::refused);
        let open = OpenMark::set(path)?;
        let file = OpenFile::open(path)?;
        let digests = Arc::clone(&file.digests);
        let failed = Failed::default();
        let readers = Arc::new(Readers::start(path)?);
        let writer = Writer {
            path: path.to_owned(),
            file: Some(file),
            readers: Arc::clone(&readers),
            room: Room::new(path),
            clock: Arc::clone(&options.clock),
            observer: options.observer.clone(),
            limits: Limits { pending: options.pending_max, wal: options.wal_max },
            failed: failed.clone(),
        };
        let writer = WriterHandle::start(writer)?;
        let commands = Commands::new(Arc::clone(&readers), writer, options.observer, options.parts);
        Ok(Self { path: path.to_owned(), clock: options.clock, commands, readers, failed, digests, _open: open })
    }
}

/// Works on files that must not be opened here meanwhile; `None` when one of them is open already. See [`OPEN`].
pub(crate) fn unless_open<T>(paths: &[&Path], work: impl FnOnce() -> T) -> Option<T> {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    (!paths.iter().any(|path| open.contains_key(&key(path)))).then(work)
}

/// Keeps count of open files; see [`OPEN`].
pub(crate) struct OpenMark(PathBuf);

impl OpenMark {
    pub(crate) fn set(path: &Path) -> Result<Self, OutboxError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = open.get_mut(&key(path)) {
            opened.times += 1;
            return Ok(Self(key(path)));
        }
        schema::check_directory(path)?;
        check_place(path)?;
        let only = OneCopy::take(path)?;
        restore::refuse_unfinished(path)?;
        schema::check_file(path)?;
        // After the check the file exists, and its name can be made canonical.
        let key = key(path);
        open.insert(key.clone(), Opened { times: 1, _only: only });
        Ok(Self(key))
    }
}

impl Drop for OpenMark {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = open.get_mut(&self.0) {
            opened.times -= 1;
            if opened.times == 0 {
                open.remove(&self.0);
            }
        }
    }
}

/// What can be said of a file without reading it.
fn facts(path: &Path) -> StoreInfo {
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    StoreInfo {
        bytes: size(path),
        wal_bytes: size(&beside(path, "-wal")),
        disk_free_bytes: fs4::available_space(path).unwrap_or(u64::MAX),
        engine_version: rusqlite::version().to_owned(),
        ..StoreInfo::default()
    }
}

fn key(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

impl Store for SqliteStore {
    fn enqueue(&self, prepare: Prepare, done: Done<Vec<Admitted>>) {
        self.commands.writer.enqueue(prepare, done);
    }

    fn turn(&self, turn: Turn, done: Done<TurnResult>) {
        self.commands.writer.turn(turn, done);
    }

    fn recover(&self, done: Done<u64>) {
        self.commands.writer.recover(self.path.clone(), Place::of(&self.path), done);
    }

    fn mend_due(&self, done: Done<u64>) {
        self.commands.writer.mend_due(done);
    }

    fn sweep(&self, retention: Retention, from: Sweeping, done: Done<Swept>) {
        self.commands.writer.sweep(retention, from, done);
    }

    fn command(&self, command: Command, by: By, course: Arc<Course>, done: Done<Changed>) {
        self.commands.command(command, by, course, done);
    }

    fn replace(&self, id: MessageId, prepare: Prepare, by: By, done: Done<Admitted>) {
        self.commands.writer.replace(id, prepare, by, done);
    }

    fn note_destination(&self, name: Arc<str>, state: DestinationState, reason: Option<String>, done: Done<()>) {
        self.commands.writer.note_destination(name, state, reason, done);
    }

    fn note_configuration(&self, configuration: String, done: Done<()>) {
        self.commands.writer.note_configuration(configuration, done);
    }

    fn alert_view(&self, done: Done<AlertView>) {
        let (now, path) = (self.clock.now(), self.path.clone());
        self.readers.ask(
            move |connection| {
                let view = read::alert_view(connection, now)?;
                Ok(AlertView { disk_free_bytes: fs4::available_space(&path).unwrap_or(u64::MAX), ..view })
            },
            done,
        );
    }

    fn move_alerts(&self, moves: Vec<AlertMove>, hears: bool, done: Done<u64>) {
        self.commands.writer.move_alerts(moves, hears, done);
    }

    fn claim_notice(&self, target: String, lease: Duration, done: Done<Option<Notice>>) {
        self.commands.writer.claim_notice(target, lease, done);
    }

    fn end_notice(&self, end: NoticeEnd, done: Done<()>) {
        self.commands.writer.end_notice(end, done);
    }

    fn message(&self, which: MessageRef, done: Done<Option<MessageView>>) {
        self.readers.ask(move |connection| read::message(connection, &which), done);
    }

    fn content(&self, id: MessageId, done: Done<Option<Vec<u8>>>) {
        let digests = Arc::clone(&self.digests);
        self.readers.ask(move |connection| read::content(connection, &digests, id), done);
    }

    fn attempts(&self, id: MessageId, done: Done<Vec<AttemptView>>) {
        self.readers.ask(move |connection| read::attempts(connection, id), done);
    }

    fn answer(&self, id: MessageId, attempt: u32, done: Done<Option<Vec<u8>>>) {
        self.readers.ask(move |connection| read::answer(connection, id, attempt), done);
    }

    fn list(&self, request: ListRequest, done: Done<Page<MessageView>>) {
        self.readers.ask(move |connection| read::list(connection, &request), done);
    }

    fn laid_out(&self, request: ListRequest, done: Done<Page<LaidOut>>) {
        self.readers.ask(move |connection| read::laid_out(connection, &request), done);
    }

    fn count(&self, filter: MessageFilter, done: Done<Counted>) {
        self.readers.ask(move |connection| walk::count(connection, &filter), done);
    }

    fn stats(&self, filter: MessageFilter, done: Done<Stats>) {
        let now = self.clock.now();
        self.readers.ask(move |connection| read::stats(connection, &filter, now), done);
    }

    fn refusals(&self, filter: RefusalFilter, done: Done<Refusals>) {
        let now = self.clock.now();
        self.readers.ask(move |connection| read::refusals(connection, &filter, now), done);
    }

    fn patches(&self, done: Done<BTreeMap<String, String>>) {
        self.readers.ask(read::patches, done);
    }

    fn changes(&self, after: Option<String>, limit: u32, done: Done<Vec<StatusChange>>) {
        self.readers.ask(move |connection| read::changes(connection, after.as_deref(), limit), done);
    }

    fn latest_cursor(&self, done: Done<String>) {
        self.readers.ask(read::latest_cursor, done);
    }

    fn consumer(&self, name: String, done: Done<Option<String>>) {
        self.readers.ask(move |connection| read::consumer(connection, &name), done);
    }

    fn note_consumer(&self, name: String, cursor: String, done: Done<()>) {
        self.commands.writer.note_consumer(name, cursor, done);
    }

    fn destinations(&self, done: Done<Vec<DestinationRecord>>) {
        let now = self.clock.now();
        self.readers.ask(move |connection| read::destinations(connection, now), done);
    }

    fn info(&self, done: Done<StoreInfo>) {
        let (path, failed) = (self.path.clone(), self.failed.clone());
        self.readers.ask(
            |connection| {
                outbox_core::fault!("read-info", Failure::planted);
                let schema = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
                Ok((schema, read::configuration(connection)?, read::undelivered(connection)?))
            },
            Box::new(move |said: Result<(u32, Option<String>, Vec<Undelivered>), OutboxError>| {
                let failed = failed.why();
                // Nobody reads a file whose disk has failed. That it has is then the answer.
                done(match said {
                    Err(error) if failed.is_none() => Err(error),
                    said => {
                        let (schema, configuration, undelivered) = said.unwrap_or_default();
                        Ok(StoreInfo { schema, configuration, failed, undelivered, ..facts(&path) })
                    }
                });
            }),
        );
    }

    fn watch(&self) -> Result<Box<dyn ChangeWatch>, OutboxError> {
        Ok(Box::new(Watch::new(open_reader(&self.path).map_err(Failure::into_error)?)))
    }

    fn failed(&self) -> Option<String> {
        self.failed.why()
    }

    fn failures(&self) -> u64 {
        self.failed.count()
    }

    fn close(&self, timeout: Duration) {
        // The writer last: the last connection to close folds the log into the file.
        self.readers.close();
        self.commands.writer.close(timeout);
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close(Duration::from_secs(5));
    }
}
