//! The writer's thread: gather, begin, apply, commit, tell.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvError, RecvTimeoutError, TryRecvError, select};
use outbox_core::clock::Clock;
use outbox_core::error::{OutboxError, code};
use outbox_core::event::Observer;
use rusqlite::Connection;

use super::unit::{News, Observed, Unit, caught};
use super::{Failed, Limits, Operation, Order};
use crate::error::Failure;
use crate::file::{OpenFile, Room};
use crate::read::Readers;

/// Most operations of one transaction.
const GROUP_MAX: usize = 1_024;
/// How long the thread looks for the next operation before it sleeps.
const LOOK_BEFORE_SLEEP: Duration = Duration::from_micros(120);
/// A transaction stops taking further operations after this long: other processes wait for the write lock.
const GROUP_TIME_MAX: Duration = Duration::from_millis(8);

/// The first pause before a file whose disk failed is opened again, and the longest.
const REOPEN_FIRST: Duration = Duration::from_millis(250);
const REOPEN_MAX: Duration = Duration::from_secs(30);

/// The writer's own state; it lives on its thread.
pub(crate) struct Writer {
    pub(crate) path: PathBuf,
    /// None after a failure of the disk.
    pub(crate) file: Option<OpenFile>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) room: Room,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) limits: Limits,
    pub(crate) failed: Failed,
}

impl Writer {
    /// Runs until told to end or until nobody can send any more.
    pub(crate) fn run(mut self, orders: &Receiver<Order>) {
        // An empty group first: the file gets its reserve before anybody waits for a commit.
        let mut left = self.guarded(Vec::new());
        let mut ending = false;
        loop {
            if self.file.is_none() {
                self.refuse(std::mem::take(&mut left));
                ending = ending || !self.open_again(orders);
            }
            let mut group = std::mem::take(&mut left);
            if group.is_empty() {
                if ending {
                    break;
                }
                match self.next(orders) {
                    Ok(Order::Run(operation)) => group.push(operation),
                    Ok(Order::Fail(why)) => self.close_failed(why),
                    Ok(Order::End) | Err(_) => ending = true,
                }
            }
            while !ending && group.len() < GROUP_MAX {
                match orders.try_recv() {
                    Ok(Order::Run(operation)) => group.push(operation),
                    Ok(Order::End) => ending = true,
                    Ok(Order::Fail(_)) | Err(_) => break,
                }
            }
            left = self.guarded(group);
        }
        // Whoever sent after the end is told so; nobody waits in vain.
        while let Ok(Order::Run(operation)) = orders.try_recv() {
            finish_one(operation, Err(OutboxError::plain(code::ERR_STOPPED)));
        }
    }

    /// A panic outside of any operation is a defect of ours: the group is refused, and the file is checked like after a
    /// failure of the disk.
    fn guarded(&mut self, group: Vec<Box<dyn Operation>>) -> Vec<Box<dyn Operation>> {
        std::panic::catch_unwind(AssertUnwindSafe(|| self.group(group))).unwrap_or_else(|_| {
            self.close_failed(code::ERR_PANIC.to_owned());
            Vec::new()
        })
    }

    /// Commits a group; answers what did not fit into its time.
    fn group(&mut self, mut group: Vec<Box<dyn Operation>>) -> Vec<Box<dyn Operation>> {
        let Some(file) = &self.file else {
            self.refuse(group);
            return Vec::new();
        };
        outbox_core::fault!("group-gathered");
        for operation in &mut group {
            operation.prepare(&file.digests);
        }
        let no_room = match self.room.is_short() {
            true => Some(code::ERR_DISK_FULL),
            false if file.unfolded_bytes() > self.limits.wal => Some(code::ERR_WAL_FULL),
            false => None,
        };
        let mut applied = 0;
        let committed = self.transaction(file, no_room, &mut group, &mut applied);
        self.room.settled(committed.as_ref().ok().and_then(|(_, has_reserve, _)| *has_reserve));
        match committed {
            Ok((news, _, took)) => {
                if let (Some(observer), Some(took)) = (&self.observer, took) {
                    observer.committed(took);
                }
                let rest = group.split_off(applied);
                finish(group, &Ok(()));
                outbox_core::plant!("plant-resolve-before-commit", {
                    std::thread::sleep(Duration::from_millis(20));
                    let _ = file.connection.execute_batch("COMMIT");
                });
                outbox_core::fault!("commit-told");
                self.tell(news);
                rest
            }
            Err(failure) => {
                if failure.is_disk_full() {
                    self.room.found_full();
                }
                if failure.is_disk_failure() {
                    self.close_failed(failure.in_short());
                }
                finish(group, &Err(failure.into_error()));
                Vec::new()
            }
        }
    }

    /// Runs a group: without savepoints, and again with them if that left something untidy.
    fn transaction(
        &self,
        file: &OpenFile,
        no_room: Option<&'static str>,
        group: &mut [Box<dyn Operation>],
        applied: &mut usize,
    ) -> Result<Committed, Failure> {
        let unit = || self.unit(file, no_room);
        if let Some(committed) = attempt(file, &self.room, unit(), group, applied)? {
            return Ok(committed);
        }
        roll_back(&file.connection);
        *applied = 0;
        let again = attempt(file, &self.room, unit().careful(), group, applied)?;
        Ok(again.unwrap_or_default())
    }

    fn unit<'a>(&self, file: &'a OpenFile, no_room: Option<&'static str>) -> Unit<'a> {
        let ears = self.observer.as_deref();
        let observed = Observed {
            changes: ears.is_some_and(Observer::listens),
            attempts: ears.is_some_and(Observer::follows_attempts),
        };
        Unit::new(&file.connection, self.clock.now(), &file.digests, observed, self.limits.pending, no_room)
    }

    /// After a failed flush nothing may be promised any more: a repeated flush can succeed falsely. So every connection of
    /// this process is closed, and the file is read through before it is trusted again.
    fn close_failed(&mut self, why: String) {
        tracing::error!(why, "the store failed; nothing is taken until the file has been checked");
        self.failed.begin(why);
        self.readers.suspend();
        self.file = None;
    }

    /// Opens the file again as soon as it can be read through. Whoever asks meanwhile is refused at once. Answers whether to
    /// go on.
    fn open_again(&mut self, orders: &Receiver<Order>) -> bool {
        let mut pause = REOPEN_FIRST;
        loop {
            let until = Instant::now() + pause;
            loop {
                match orders.recv_deadline(until) {
                    Ok(Order::Run(operation)) => self.refuse(vec![operation]),
                    Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return false,
                    Ok(Order::Fail(_)) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            pause = (pause * 2).min(REOPEN_MAX);
            let reopened = caught(|| {
                let file = OpenFile::reopen(&self.path)?;
                self.readers.resume(&self.path).map(|()| file)
            });
            match reopened {
                Ok(file) => {
                    tracing::warn!("the file has been checked and is in use again");
                    self.file = Some(file);
                    self.failed.end();
                    return true;
                }
                Err(error) => {
                    tracing::error!(code = error.code, "the file cannot be used yet");
                    self.failed.go_on(error.code.to_owned());
                }
            }
        }
    }

    /// Waits for an order, or for word that the disk failed beside the writer. A caller that awaits each message answers a
    /// commit with the next one within microseconds, and waking a sleeping thread costs more than that: so the thread looks
    /// for a moment before it sleeps.
    fn next(&self, orders: &Receiver<Order>) -> Result<Order, RecvError> {
        let never = crossbeam_channel::never();
        let failures = self.file.as_ref().map_or(&never, |file| &file.checkpointer.failures);
        if let Ok(why) = failures.try_recv() {
            return Ok(Order::Fail(why));
        }
        let began = Instant::now();
        while began.elapsed() < LOOK_BEFORE_SLEEP {
            match orders.try_recv() {
                Ok(order) => return Ok(order),
                Err(TryRecvError::Disconnected) => return Err(RecvError),
                Err(TryRecvError::Empty) => std::hint::spin_loop(),
            }
        }
        select! {
            recv(orders) -> order => order,
            // Its sender lives as long as the file is open.
            recv(failures) -> why => why.map(Order::Fail),
        }
    }

    fn refuse(&self, group: Vec<Box<dyn Operation>>) {
        let why = self.failed.why().unwrap_or_default();
        let words = format!("the disk failed ({why}); nothing is taken until the file has been checked");
        finish(group, &Err(OutboxError::new(code::ERR_STORE_FAILED, words)));
    }

    fn tell(&self, News { changes, attempts }: News) {
        let Some(observer) = self.observer.as_ref() else { return };
        let told = std::panic::catch_unwind(AssertUnwindSafe(|| {
            if !changes.is_empty() {
                observer.hear(changes);
            }
            if !attempts.is_empty() {
                observer.attempts_ended(attempts);
            }
        }));
        if told.is_err() {
            tracing::error!("a panic in who hears of changes; the commit stands");
        }
    }
}

/// One transaction; `None` when it must be given up for a careful one.
fn attempt(
    file: &OpenFile,
    room: &Room,
    mut unit: Unit<'_>,
    group: &mut [Box<dyn Operation>],
    applied: &mut usize,
) -> Result<Option<Committed>, Failure> {
    outbox_core::fault!("commit-begin", Failure::planted);
    file.begin()?;
    let began = Instant::now();
    let changes_before = file.connection.total_changes();
    let has_reserve = room.settle_reserve(&file.connection).inspect_err(|_| roll_back(&file.connection))?;
    for operation in group {
        operation.apply(&mut unit);
        *applied += 1;
        if let Some(fatal) = unit.fatal.take() {
            roll_back(&file.connection);
            return Err(fatal);
        }
        if unit.untidy {
            return Ok(None);
        }
        if began.elapsed() >= GROUP_TIME_MAX {
            break;
        }
    }
    let news = unit.close().inspect_err(|_| roll_back(&file.connection))?;
    let wrote = file.connection.total_changes() != changes_before;
    let committing = Instant::now();
    if let Err(failure) = commit(&file.connection) {
        roll_back(&file.connection);
        return Err(failure);
    }
    Ok(Some((news, has_reserve, wrote.then(|| committing.elapsed()))))
}

fn commit(connection: &Connection) -> Result<(), Failure> {
    outbox_core::fault!("commit-before", Failure::planted);
    outbox_core::plant!("plant-resolve-before-commit", { return Ok(()) });
    connection.prepare_cached("COMMIT")?.execute([])?;
    outbox_core::fault!("commit-after", Failure::planted);
    Ok(())
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(code = error.sqlite_error().map_or(0, |inner| inner.extended_code), "a rollback failed");
    }
}

/// What is told of a commit, whether the file has its reserve after it, and how long it took if it wrote something.
type Committed = (News, Option<bool>, Option<Duration>);

fn finish(group: Vec<Box<dyn Operation>>, committed: &Result<(), OutboxError>) {
    for operation in group {
        finish_one(operation, committed.clone());
    }
}

/// What follows a commit at its caller's is not the store's: a panic there is that caller's own.
fn finish_one(operation: Box<dyn Operation>, committed: Result<(), OutboxError>) {
    if std::panic::catch_unwind(AssertUnwindSafe(|| operation.finish(committed))).is_err() {
        tracing::error!("a panic in what followed a commit; the commit stands");
    }
}
