//! The readers: a few threads with a connection each. They read while the writer writes, and keep no transaction open
//! longer than one question, so that the write-ahead log can be folded back.

mod alerts;
mod changes;
mod laid_out;
mod message;
mod refusals;
mod stats;

use std::cell::Cell;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use outbox_core::error::{OutboxError, code};
use outbox_core::store::Done;
use rusqlite::{Connection, TransactionBehavior};

use crate::connection::open_reader;
use crate::error::{Failure, translate};
use crate::home::Home;

pub(crate) use self::alerts::{alert_callback, alert_view, undelivered};
pub(crate) use self::changes::{changes, consumer, latest_cursor};
pub(crate) use self::laid_out::laid_out;
pub(crate) use self::message::{ATTEMPT, answer, attempt, attempts, content, is_overtaken, list, message};
pub(crate) use self::refusals::{key as part_of, refusals};
pub(crate) use self::stats::{configuration, destinations, patches, stats};

/// Connections that read at the same time.
const READERS: usize = 2;
/// A question that takes longer is ended: while it reads, the write-ahead log cannot begin anew and grows.
const QUESTION_MAX: Duration = Duration::from_secs(1);
/// SQLite's steps between two looks at the clock: some tenths of a millisecond.
const STEPS_A_LOOK: i32 = 10_000;

thread_local! {
    /// When the present question of this thread must have ended.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

type Question = Box<dyn FnOnce(&mut Connection) + Send>;

/// The pool of readers.
pub(crate) struct Readers {
    gate: Mutex<Gate>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    home: Home,
}

/// Where questions go.
enum Gate {
    Open(Sender<Question>),
    /// The disk failed, and the file is being checked.
    Suspended,
    Closed,
}

impl Readers {
    /// Opens the connections and starts their threads.
    pub(crate) fn start(path: &Path) -> Result<Self, OutboxError> {
        let readers = Self { gate: Mutex::new(Gate::Suspended), threads: Mutex::default(), home: Home::here() };
        readers.resume(path)?;
        Ok(readers)
    }

    /// Opens the connections again; not after [`Self::close`].
    pub(crate) fn resume(&self, path: &Path) -> Result<(), OutboxError> {
        outbox_core::fault!("readers-start", outbox_core::faults::refused);
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*gate, Gate::Closed) {
            return Ok(());
        }
        let (questions, received) = unbounded();
        let mut threads = Vec::with_capacity(READERS);
        for n in 0..READERS {
            let connection = open_reader(path)
                .and_then(|mut connection| {
                    let is_late = || DEADLINE.get().is_some_and(|deadline| Instant::now() >= deadline);
                    connection.progress_handler(STEPS_A_LOOK, Some(is_late))?;
                    Ok(connection)
                })
                .map_err(Failure::into_error)?;
            let received: Receiver<Question> = received.clone();
            let thread = std::thread::Builder::new()
                .name(format!("hl7-reader-{n}"))
                .spawn(move || answer_all(connection, &received))
                .map_err(|error| {
                    OutboxError::new(code::ERR_PANIC, format!("no thread could be started: {}", error.kind()))
                })?;
            threads.push(thread);
        }
        *self.threads.lock().unwrap_or_else(PoisonError::into_inner) = threads;
        *gate = Gate::Open(questions);
        Ok(())
    }

    /// Asks; everything of one question sees the same state of the file.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
        done: Done<T>,
    ) {
        if let Err(error) = self.home.check() {
            return done(Err(error));
        }
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let questions = match &*gate {
            Gate::Open(questions) => questions,
            closed => {
                let why = if matches!(closed, Gate::Closed) { code::ERR_STOPPED } else { code::ERR_STORE_FAILED };
                drop(gate);
                return done(Err(OutboxError::plain(why)));
            }
        };
        let sent = questions.send(Box::new(move |connection| {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                DEADLINE.set(Some(Instant::now() + QUESTION_MAX));
                outbox_core::plant!("plant-stale-read", {
                    let is_stale = !connection.is_autocommit();
                    connection.execute_batch(if is_stale { "SELECT 1" } else { "BEGIN" })?;
                    let answered = question(connection);
                    connection.execute_batch(if is_stale { "COMMIT" } else { "SELECT 1" })?;
                    return answered;
                });
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Deferred).map_err(Failure::from)?;
                question(&transaction)
            }));
            done(match result {
                Ok(result) => result.map_err(Failure::into_error),
                Err(_) => Err(OutboxError::plain(code::ERR_PANIC)),
            });
        }));
        debug_assert!(sent.is_ok(), "the readers' threads live as long as the sender");
    }

    /// Answers what was asked and closes the connections, until [`Self::resume`].
    pub(crate) fn suspend(&self) {
        self.shut(Gate::Suspended);
    }

    /// Answers what was asked, then ends.
    pub(crate) fn close(&self) {
        self.shut(Gate::Closed);
    }

    fn shut(&self, to: Gate) {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*gate, Gate::Closed) {
            *gate = to;
        }
        drop(gate);
        for thread in std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner)) {
            let _ = thread.join();
        }
    }
}

fn answer_all(mut connection: Connection, questions: &Receiver<Question>) {
    while let Ok(question) = questions.recv() {
        // What a question panics over is its own answer; here it is what follows the answer. The thread goes on.
        let answered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            outbox_core::fault!("reader-question");
            question(&mut connection);
        }));
        if answered.is_err() {
            tracing::error!("a panic in what followed an answer");
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(code = translate(&error).code, "a reader did not close cleanly");
    }
}

#[cfg(test)]
mod tests {
    use outbox_core::store::wait;

    use super::*;

    #[test]
    fn a_question_without_an_end_is_ended_and_the_next_one_is_answered() {
        let directory = tempfile::tempdir().unwrap();
        let readers = {
            let path = directory.path().join("file.db");
            std::fs::write(&path, "").unwrap();
            Readers::start(&path)
        }
        .unwrap();
        let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
        let ask = |sql: &'static str| {
            wait(|done| readers.ask(|connection| Ok(connection.query_row(sql, [], |row| row.get::<_, i64>(0))?), done))
        };
        let began = Instant::now();
        assert_eq!(ask(endless).unwrap_err().code, code::ERR_QUERY_TIMEOUT);
        assert!(began.elapsed() >= QUESTION_MAX);
        assert_eq!(ask("SELECT 42").unwrap(), 42);
    }

    #[test]
    fn a_process_that_was_forked_is_refused_instead_of_waiting_for_threads_it_does_not_have() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.db");
        std::fs::write(&path, "").unwrap();
        let mut readers = Readers::start(&path).unwrap();
        readers.home = Home::elsewhere();
        let asked = wait(|done| readers.ask(|_| Ok(()), done));
        assert_eq!(asked.unwrap_err().code, code::ERR_FORKED);
    }
}
